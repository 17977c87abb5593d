# SPDX-License-Identifier: GPL-2.0-only
#
# vmgencounter.ko, its installation and its tests. `make help` shows the lines that begin
# with "#:"; targets that begin with "_" are for use in here. The kernel's build system reads Kbuild instead of this file.

VERSION := $(shell sed -n 's/^PACKAGE_VERSION="\(.*\)"/\1/p' dkms.conf)
MODULE_SOURCES := Kbuild dkms.conf scripts/build-modules \
	$(wildcard module/*) $(wildcard include/uapi/linux/*)
TEST_SOURCES := $(wildcard selftests/modules/*)

#: Variables:
#:   KVER         kernel to build and install for (the running one)
#:   KDIR         that kernel's headers (/lib/modules/KVER/build)
ifdef KDIR
KVER ?= $(shell sed -n 's/.*UTS_RELEASE "\(.*\)"/\1/p' $(KDIR)/include/generated/utsrelease.h)
endif
KVER ?= $(shell uname -r)
KDIR ?= /lib/modules/$(KVER)/build
#:   DESTDIR      install below this directory, to make a package (empty: this system)
#:   PREFIX       where the C headers and the manual page go (/usr/local)
PREFIX ?= /usr/local
#:   UDEVDIR      where the udev rule goes (/usr/lib/udev/rules.d)
UDEVDIR ?= /usr/lib/udev/rules.d
#:   SYSUSERSDIR  where the group's definition goes (/usr/lib/sysusers.d)
SYSUSERSDIR ?= /usr/lib/sysusers.d
#:   SRCDIR       where dkms-install puts the sources (/usr/src)
SRCDIR ?= /usr/src
#:   DKMSFLAGS    more arguments for each dkms command, such as --dkmstree (none)
DKMSFLAGS ?=
#:   RELEASES     Debian releases whose kernels `make test` boots (bookworm)
RELEASES ?= bookworm
#:   TESTS        tests that `make test` runs, such as poll_test (all)
TESTS ?=
#:
#: Targets:
#:   all             build/KVER/vmgencounter.ko; what plain `make` does
MODULE := build/$(KVER)/vmgencounter.ko
.PHONY: all
all: $(MODULE)

# Module.symvers changes when headers are upgraded in place.
$(MODULE): $(MODULE_SOURCES) $(wildcard $(KDIR)/Module.symvers)
	@scripts/deps headers "$(KVER)" "$(KDIR)"
	scripts/build-modules $(@D) "$(KDIR)"

#:   install         the module, C headers, udev rule, group and manual page
#:   uninstall       remove what `install` put there
# Each entry is SOURCE:DESTINATION.
SHARED_FILES := \
	include/uapi/linux/vmgencounter.h:$(PREFIX)/include/linux/vmgencounter.h \
	include/uapi/linux/devioctl.h:$(PREFIX)/include/linux/devioctl.h \
	docs/man/vmgencounter.4:$(PREFIX)/share/man/man4/vmgencounter.4 \
	udev/60-vmgencounter.rules:$(UDEVDIR)/60-vmgencounter.rules \
	udev/vmgencounter.sysusers:$(SYSUSERSDIR)/vmgencounter.conf
MODULE_FILE := $(MODULE):/lib/modules/$(KVER)/updates/vmgencounter.ko

source-of = $(firstword $(subst :, ,$(1)))
target-of = $(DESTDIR)$(lastword $(subst :, ,$(1)))
install-files = $(foreach f,$(1),install -D -m 644 $(call source-of,$f) $(call target-of,$f) &&) :
remove-files = rm -f $(foreach f,$(1),$(call target-of,$f))

refresh-system = @[ -n "$(DESTDIR)" ] || \
	scripts/refresh-system $(KVER) $(SYSUSERSDIR)/vmgencounter.conf

.PHONY: install _install-shared uninstall
install: $(MODULE) _install-shared
	$(call install-files,$(MODULE_FILE))
	$(refresh-system)

_install-shared:
	$(call install-files,$(SHARED_FILES))

uninstall:
	$(call remove-files,$(MODULE_FILE) $(SHARED_FILES))
	$(refresh-system)

#:   dkms-install    the same, the module by way of dkms: rebuilt for each new kernel
#:   dkms-remove     remove what `dkms-install` put there
DKMS_SOURCE := $(SRCDIR)/vmgencounter-$(VERSION)
DKMS := dkms
DKMS_ID := -m vmgencounter -v $(VERSION) $(DKMSFLAGS)

.PHONY: dkms-install dkms-remove _dkms-forget
dkms-install: _dkms-forget _install-shared
	@scripts/deps headers "$(KVER)" "$(KDIR)"
	mkdir -p $(DKMS_SOURCE)
	cp -r dkms.conf Kbuild COPYING module include $(DKMS_SOURCE)/
	$(DKMS) add $(DKMS_ID)
	$(DKMS) build $(DKMS_ID) -k $(KVER)
	$(DKMS) install $(DKMS_ID) -k $(KVER)
	$(refresh-system)

dkms-remove: _dkms-forget
	$(call remove-files,$(SHARED_FILES))
	$(refresh-system)

# Also before an installation: dkms takes the sources of a version only once.
_dkms-forget:
	@command -v $(DKMS) >/dev/null || { echo "dkms is missing: install your distribution's dkms package" >&2; exit 1; }
	if [ -n "$$($(DKMS) status $(DKMS_ID))" ]; then $(DKMS) remove $(DKMS_ID) --all; fi
	rm -rf $(DKMS_SOURCE)

#:   demo            boot a guest, give it new generations, show who notices
#:   test            boot guests and run the tests TESTS on the kernels of RELEASES
#:   check           compilers' warnings, sparse, checkpatch and the other static checks
.PHONY: demo test check
demo:
	scripts/deps demo
	$(MAKE) build/bookworm/vmgencounter.ko
	demo/run

test:
	scripts/deps test
	$(MAKE) $(RELEASES:%=guest-%)
	selftests/run --releases "$(RELEASES)" $(TESTS)

check:
	scripts/deps check
	scripts/check

#:   guest-RELEASE   what its guests run: modules, ACPI tables, test programs; RELEASE is
#:                   bullseye, bookworm, trixie or trixie-backports
#:   selftests       the test programs alone, in build/selftests/64 and /32
GUESTS := bullseye bookworm trixie trixie-backports
TABLES := $(patsubst selftests/qemu/%.asl,build/acpi/%.aml,$(wildcard selftests/qemu/*.asl))

.PHONY: $(GUESTS:%=guest-%) _guest-root selftests
$(GUESTS:%=guest-%): guest-%: build/%/vmgencounter.ko $(TABLES) selftests

guest-%:
	@echo "no release '$*' is known; there are: $(GUESTS)" >&2; exit 1

# In the release's own root, by its own compiler.
$(GUESTS:%=build/%/vmgencounter.ko): build/%/vmgencounter.ko: build/%/.root $(MODULE_SOURCES) $(TEST_SOURCES)
	scripts/guest-root $* sh -c \
		'exec scripts/build-modules $(@D) /lib/modules/*/build VMGENCOUNTER_TEST=y'

# Changes only when the root does. Headers come with the dates of their packages, so that
# make would take objects that belong to others for up to date.
build/%/.root: _guest-root
	@mkdir -p $(@D)
	@root=$$(scripts/guest-root $*) && id="$$root $$(stat -c %Y "$$root")" && \
		[ "$$id" = "$$(cat $@ 2>/dev/null)" ] || { rm -rf $(@D)/tree && echo "$$id" >$@; }

_guest-root:

# For scripts/check.
BOOKWORM_KVER := $(shell dpkg-query -W -f '$${Depends}' linux-headers-amd64 2>/dev/null | \
	sed -n 's/.*linux-headers-\(6\.1\.[^ ,]*\).*/\1/p')

.PHONY: _bookworm-kdir
_bookworm-kdir:
	@echo /lib/modules/$(BOOKWORM_KVER)/build

build/acpi/%.aml: selftests/qemu/%.asl
	@mkdir -p $(@D)
	iasl -va -p $(basename $@) $<

selftests:
	@$(MAKE) --no-print-directory -C selftests BITS=64
	@$(MAKE) --no-print-directory -C selftests BITS=32

#:   clean           remove build/
#:   help            this list
.PHONY: clean help
clean:
	rm -rf build

help:
	@sed -n 's/^#: \{0,1\}//p' Makefile
