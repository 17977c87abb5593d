# SPDX-License-Identifier: GPL-2.0-only
#
# The modules, their installation and their tests. `make help` shows the lines that begin
# with "#:"; targets that begin with "_" are for use in here. The kernel's build system reads Kbuild instead of this file.

VERSION := $(shell sed -n 's/^PACKAGE_VERSION="\(.*\)"/\1/p' dkms.conf)
MODULE_SOURCES := Kbuild dkms.conf scripts/build-modules \
	$(wildcard module/* module/*/*) $(wildcard include/uapi/linux/*)
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
#:   PREFIX       where the C headers, manual pages and the library go (/usr/local)
PREFIX ?= /usr/local
#:   UDEVDIR      where the udev rule goes (/usr/lib/udev/rules.d)
UDEVDIR ?= /usr/lib/udev/rules.d
#:   SYSUSERSDIR  where the group's definition goes (/usr/lib/sysusers.d)
SYSUSERSDIR ?= /usr/lib/sysusers.d
#:   WINEPREFIX   the Wine prefix that wine-install is about (~/.wine)
#:   MODPROBEDIR  where packages put what switches /dev/sysgenid on (/usr/lib/modprobe.d)
MODPROBEDIR ?= /usr/lib/modprobe.d
#:   SRCDIR       where dkms-install puts the sources (/usr/src)
SRCDIR ?= /usr/src
#:   DKMSFLAGS    more arguments for each dkms command, such as --dkmstree (none)
DKMSFLAGS ?=
#:   RELEASES     Debian releases whose kernels `make test` boots (its own choice)
RELEASES ?=
#:   TESTS        tests that `make test` runs, such as poll_test (its own choice)
TESTS ?=
#:   MINUTES      start no test after so many, and name those that did not run (no limit)
MINUTES ?=
#:   DEMO         what `make demo` shows: generation, clones, hooks or vpci (generation)
DEMO ?= generation
#:
#: Targets:
#:   all             the modules, in build/KVER; what plain `make` does
MODULE := build/$(KVER)/vmgencounter.ko
# By the same command, but not for every kernel: see module/Kbuild.
VPCI_MODULE := build/$(KVER)/vpci_block.ko
.PHONY: all
all: $(MODULE)

# Module.symvers changes when headers are upgraded in place.
$(MODULE): $(MODULE_SOURCES) $(wildcard $(KDIR)/Module.symvers)
	@scripts/deps headers "$(KVER)" "$(KDIR)"
	scripts/build-modules $(@D) "$(KDIR)"

#:   install         the modules, C headers, udev rule, group and manual pages
#:   uninstall       remove what `install` put there
# Each entry is SOURCE:DESTINATION.
UAPI_FILES := \
	include/uapi/linux/vmgencounter.h:$(PREFIX)/include/linux/vmgencounter.h \
	include/uapi/linux/vpci.h:$(PREFIX)/include/linux/vpci.h \
	include/uapi/linux/devioctl.h:$(PREFIX)/include/linux/devioctl.h
SHARED_FILES := $(UAPI_FILES) \
	docs/man/vmgencounter.4:$(PREFIX)/share/man/man4/vmgencounter.4 \
	docs/man/vpci.4:$(PREFIX)/share/man/man4/vpci.4 \
	udev/60-vmgencounter.rules:$(UDEVDIR)/60-vmgencounter.rules \
	udev/vmgencounter.sysusers:$(SYSUSERSDIR)/vmgencounter.conf
MODULE_FILE := $(MODULE):/lib/modules/$(KVER)/updates/vmgencounter.ko
VPCI_MODULE_FILE := $(VPCI_MODULE):/lib/modules/$(KVER)/updates/vpci_block.ko

source-of = $(firstword $(subst :, ,$(1)))
target-of = $(DESTDIR)$(lastword $(subst :, ,$(1)))
install-files = $(foreach f,$(1),install -D -m 644 $(call source-of,$f) $(call target-of,$f) &&) :
remove-files = rm -f $(foreach f,$(1),$(call target-of,$f))

refresh-system = @[ -n "$(DESTDIR)" ] || \
	scripts/refresh-system $(KVER) $(SYSUSERSDIR)/vmgencounter.conf

.PHONY: install _install-shared uninstall
install: $(MODULE) _install-shared
	$(call install-files,$(MODULE_FILE))
	if [ -e $(VPCI_MODULE) ]; then $(call install-files,$(VPCI_MODULE_FILE)); fi
	$(refresh-system)

_install-shared:
	$(call install-files,$(SHARED_FILES))

uninstall:
	$(call remove-files,$(MODULE_FILE) $(VPCI_MODULE_FILE) $(SHARED_FILES))
	$(refresh-system)

#:   userspace       the libraries, libvmgencounter and that for sources from Windows, in
#:                   build/userspace
#:   userspace-install    install them, the manual page and the C headers
#:   userspace-uninstall  remove them and the page; `uninstall` removes the headers
# Variables of the command line, such as CC, LIBDIR and OUTPUT, go with it.
make-below = $(MAKE) --no-print-directory -C userspace/$(1) DESTDIR=$(abspath $(DESTDIR)) PREFIX=$(PREFIX)
library-make = $(call make-below,lib) $(1) && $(call make-below,win32) $(1)

.PHONY: userspace userspace-install userspace-uninstall
userspace:
	$(call library-make,all)

userspace-install:
	$(call install-files,$(UAPI_FILES))
	$(call library-make,install)

userspace-uninstall:
	$(call library-make,uninstall)

#:   openssl         the OpenSSL provider, in build/userspace/openssl
#:   openssl-install      install it, its command and its manual page
#:   openssl-uninstall    remove them
.PHONY: openssl openssl-install openssl-uninstall
provider-make = $(call make-below,openssl)

openssl openssl-install openssl-uninstall:
	@scripts/deps openssl
	$(provider-make) $(or $(patsubst openssl-%,%,$(filter-out openssl,$@)),all)

#:   hooks           what runs hooks for each new generation, in build/userspace/hooks
#:   hooks-install        install it, its units, recipes and manual page
#:   hooks-uninstall      remove them
.PHONY: hooks hooks-install hooks-uninstall
hooks-make = $(MAKE) --no-print-directory -C userspace/hooks DESTDIR=$(abspath $(DESTDIR)) PREFIX=$(PREFIX)

hooks hooks-install hooks-uninstall:
	@scripts/deps hooks
	$(hooks-make) $(or $(patsubst hooks-%,%,$(filter-out hooks,$@)),all)

#:   vmgenctl        the command vmgenctl, in build/userspace/vmgenctl
#:   vmgenctl-install     install it, its manual page and its completion for bash
#:   vmgenctl-uninstall   remove them
.PHONY: vmgenctl vmgenctl-install vmgenctl-uninstall
vmgenctl-make = $(MAKE) --no-print-directory -C userspace/vmgenctl DESTDIR=$(abspath $(DESTDIR)) PREFIX=$(PREFIX)

vmgenctl vmgenctl-install vmgenctl-uninstall:
	$(vmgenctl-make) $(or $(patsubst vmgenctl-%,%,$(filter-out vmgenctl,$@)),all)

#:   wine            the driver for Wine, in build/userspace/wine
#:   wine-install         put it into the Wine prefix WINEPREFIX, as its owner
#:   wine-uninstall       take it out of there
.PHONY: wine wine-install wine-uninstall
wine-make = $(MAKE) --no-print-directory -C userspace/wine DESTDIR=$(abspath $(DESTDIR)) PREFIX=$(PREFIX)

wine:
	@scripts/deps wine
	$(wine-make) all

wine-install: wine
	$(wine-make) prefix-install

wine-uninstall:
	$(wine-make) prefix-remove

#:   dkms-install    the same, the modules by way of dkms: rebuilt for each new kernel
#:   dkms-remove     remove what `dkms-install` put there
DKMS_SOURCE := $(SRCDIR)/vmgencounter-$(VERSION)
DKMS := dkms
DKMS_ID := -m vmgencounter -v $(VERSION) $(DKMSFLAGS)
install-source = mkdir -p $(DKMS_SOURCE) && cp -r dkms.conf Kbuild COPYING module include $(DKMS_SOURCE)/

.PHONY: dkms-install dkms-remove _dkms-forget
dkms-install: _dkms-forget _install-shared
	@scripts/deps headers "$(KVER)" "$(KDIR)"
	$(install-source)
	$(DKMS) add $(DKMS_ID)
	$(DKMS) build $(DKMS_ID) -k $(KVER)
	$(DKMS) install $(DKMS_ID) -k $(KVER)
	$(refresh-system)

dkms-remove: _dkms-forget
	$(call remove-files,$(SHARED_FILES))
	$(refresh-system)

# Also before an installation: dkms takes the sources of a version only once, and would
# keep an older version beside the new one. Its releases separate name and version
# by different characters.
_dkms-forget:
	@command -v $(DKMS) >/dev/null || { echo "dkms is missing: install your distribution's dkms package" >&2; exit 1; }
	set -e; for version in $$($(DKMS) status -m vmgencounter $(DKMSFLAGS) | \
			sed -n 's,^vmgencounter[/\, ]*\([^/:\, ]*\).*,\1,p' | sort -u); do \
		$(DKMS) remove -m vmgencounter -v $$version $(DKMSFLAGS) --all; \
		rm -rf $(SRCDIR)/vmgencounter-$$version; \
	done
	rm -rf $(DKMS_SOURCE)

#:   deb             Debian packages for Debian 11 and later, in build/deb
#:   rpm             packages for Fedora, RHEL and openSUSE, in build/rpm
.PHONY: deb rpm _stage _programs _stage-programs
deb rpm:
	@scripts/deps $@
	@scripts/package $@

# What packages bring, below DESTDIR (and SRCDIR, which has to be there too). A package of
# its own has what switches /dev/sysgenid on, and no other installation does.
SYSGENID_FILE := userspace/sysgenid/vmgencounter-sysgenid.conf:$(MODPROBEDIR)/vmgencounter-sysgenid.conf
_stage: _install-shared
	$(install-source)
	$(call install-files,$(SYSGENID_FILE))

# And what has to be compiled for them.
_programs:
	$(call library-make,all)
	$(provider-make) all
	$(hooks-make) all
	$(vmgenctl-make) all
	$(wine-make) all

_stage-programs:
	$(call library-make,install)
	$(provider-make) install
	$(hooks-make) install
	$(vmgenctl-make) install
	$(wine-make) install

#:   demo            boot a guest, give it new generations, show who notices; or
#:                   with DEMO=clones, clone it, show what programs draw in both clones; or
#:                   with DEMO=hooks, the same, show what hooks renew in both; or
#:                   with DEMO=vpci, give it configuration blocks, show who reads them
#:   test            boot guests and run the tests: one kernel in full, what matters most on
#:                   the oldest and the newest; with RELEASES or TESTS, all of those
#:   test-all        all tests on all kernels
#:   test-rest       what test-all has beyond test
#:   bench           count the instructions of the device's calls, and of their peers' beside
#:                   them, on two kernels or those of RELEASES
#:   check           compilers' warnings, sparse, checkpatch and the other static checks,
#:                   and a model of how vmgencounter waits
.PHONY: demo test test-all test-rest bench check
demo:
	scripts/deps demo
	$(MAKE) build/bookworm/vmgencounter.ko $(patsubst %,build/bookworm-%.img,$(subst clones,programs,$(filter clones hooks,$(DEMO))))
	demo/run $(DEMO)

# selftests/run makes the guests, as their tests need them.
run-tests = selftests/run --tier $(1) $(if $(RELEASES),--releases "$(RELEASES)") \
	$(if $(MINUTES),--minutes $(MINUTES)) $(TESTS)

test:
	scripts/deps $(if $(filter %-arm64,$(or $(RELEASES),$(if $(TESTS),$(GUESTS)))),test-all,test)
	$(call run-tests,$(if $(RELEASES)$(TESTS),all,test))

test-all test-rest:
	scripts/deps test-all
	$(call run-tests,$(@:test-%=%))

# The table of what was measured comes last.
bench: RELEASES := $(or $(RELEASES),bookworm trixie-backports)
bench: TESTS := bench_test
bench:
	scripts/deps test
	rm -f build/test/bench_test-*.log
	$(call run-tests,all); status=$$?; cd build/test && \
		grep -H '^#|' bench_test-*.log | sed 's/^bench_test-\(.*\)\.log:#|/\1:/'; exit $$status

check:
	scripts/deps check
	scripts/check

#:   kernels-table   put what `make test-all` found on each kernel into docs/kernels.rst
.PHONY: kernels-table
kernels-table:
	{ sed '/^\.\. make kernels-table/q' docs/kernels.rst && echo && cat build/test/kernels.rst; } >build/kernels.rst
	cp build/kernels.rst docs/

#:   guest-RELEASE   what its guests run: modules, ACPI tables, test programs; RELEASE is
#:                   bullseye, bookworm, trixie, trixie-backports, trixie-rt,
#:                   trixie-novmgenid, trixie-modvmgenid, bookworm-arm64 or trixie-arm64
#:   selftests       the test programs alone, in build/selftests/64, /32 and /arm64
ARM64_GUESTS := bookworm-arm64 trixie-arm64
CROSS_bookworm-arm64 := CROSS_COMPILE=aarch64-linux-gnu-
CROSS_trixie-arm64 := $(CROSS_bookworm-arm64)
GUESTS := bullseye bookworm trixie trixie-backports trixie-rt trixie-novmgenid trixie-modvmgenid \
	$(ARM64_GUESTS)
TABLES := $(patsubst selftests/qemu/%.asl,build/acpi/%.aml,$(wildcard selftests/qemu/*.asl))

.PHONY: $(GUESTS:%=guest-%) _guest-root selftests _selftests-arm64
$(GUESTS:%=guest-%): guest-%: build/%/vmgencounter.ko
$(filter-out $(ARM64_GUESTS:%=guest-%),$(GUESTS:%=guest-%)): $(TABLES) selftests
$(ARM64_GUESTS:%=guest-%): $(TABLES:build/acpi/%=build/acpi-arm64/%) _selftests-arm64

guest-%:
	@echo "no release '$*' is known; there are: $(GUESTS)" >&2; exit 1

# In the release's own root, by its own compiler.
$(GUESTS:%=build/%/vmgencounter.ko): build/%/vmgencounter.ko: build/%.root $(MODULE_SOURCES) $(TEST_SOURCES)
	kver=$$(cat "$$(scripts/kernel-image $*)/release") && \
		scripts/build-cache $(@D) '*.ko' "$$(cat build/$*.root)" \
			Kbuild dkms.conf module include selftests/modules scripts/build-modules -- \
		scripts/guest-root $* \
		scripts/build-modules $(@D) /lib/modules/$$kver/build VMGENCOUNTER_TEST=y $(CROSS_$*)

# Changes only when the root does. Headers come with the dates of their packages, so that
# make would take objects that belong to others for up to date: build-cache then removes them.
build/%.root: _guest-root
	@mkdir -p build
	@root=$$(scripts/guest-root $*) && id="$$root $$(stat -c %Y "$$root")" && \
		{ [ "$$id" = "$$(cat $@ 2>/dev/null)" ] || echo "$$id" >$@; }

_guest-root:

# Headers of this machine's Debian release, whatever kernel it runs.
.PHONY: _host-kdir
_host-kdir:
	@echo /lib/modules/$$(dpkg-query -W -f '$${Depends}' linux-headers-amd64 2>/dev/null | \
		sed -n 's/.*linux-headers-\([0-9][^ ,]*\).*/\1/p')/build

# Programs for guests, the provider that cures them and the examples, built by their own compiler.
build/%-programs.img: $(shell find userspace/lib userspace/openssl examples scripts/guest-root scripts/guest-image -type f) \
		$(wildcard include/uapi/linux/*.h)
	@mkdir -p $(@D)
	scripts/guest-root $*-programs sh -c 'make -s -C userspace/openssl install \
		OUTPUT=/tmp/openssl PREFIX=/usr && \
		make -s -C examples OUTPUT=/usr/local/bin CPPFLAGS=-I$(abspath include/uapi) && \
		cp examples/*.py /usr/local/bin && scripts/guest-image $@'

# A system with our hooks, for the kernel of the release's own root.
build/%-hooks.img: build/%/vmgencounter.ko selftests/host/hooks_image $(wildcard include/uapi/linux/*.h) \
		$(shell find userspace/hooks userspace/vmgenctl userspace/lib scripts/guest-root \
			scripts/guest-image -type f)
	scripts/guest-root $*-hooks selftests/host/hooks_image $< $@

# A prefix of Wine with the driver in it, and what is asked there: made here, as an emulated
# processor would take its time.
build/%-wine.img: $(wildcard userspace/wine/* selftests/wine/*) scripts/guest-root \
		scripts/guest-image scripts/cut-wine
	$(MAKE) -s -C userspace/wine
	$(MAKE) -s -C selftests/wine
	scripts/guest-root $*-wine sh -c 'VMGENCOUNTER_WINE=$(abspath build/userspace/wine) \
		userspace/wine/vmgencounter-wine install && wineserver -w && scripts/guest-image $@'

build/acpi/%.aml: selftests/qemu/%.asl
	@mkdir -p $(@D)
	iasl -va -p $(basename $@) $<

# RAM begins at another address there, and so does the page that the kernel leaves alone. There
# is no HPET.
build/acpi-arm64/%.aml: selftests/qemu/%.asl
	@mkdir -p $(@D)
	sed '/Device (VGBC)/,/}$$/d; s/0x100/0x600/; s/0x0ff/0x5ff/; s/0x08/0x48/' $< >$(basename $@).asl
	iasl -va -p $(basename $@) $(basename $@).asl

# build-programs DIRECTORY COMPILER MAKE-ARGUMENTS
build-programs = key=$$($(2) --version && ldd --version && scripts/kernel-source) && \
	scripts/build-cache build/selftests/$(1) '*' "$$key" selftests/Makefile \
	$(wildcard selftests/*.[ch] selftests/host/*.[ch]) selftests/vmgencounter selftests/vpci selftests/win32 include examples \
	userspace/lib userspace/win32 userspace/examples userspace/vmgenctl dkms.conf -- \
	$(MAKE) --no-print-directory -j$(shell nproc) -C selftests $(3)

selftests:
	@$(call build-programs,64,gcc,BITS=64)
	@$(call build-programs,32,gcc,BITS=32)

_selftests-arm64:
	@$(call build-programs,arm64,aarch64-linux-gnu-gcc,CROSS_COMPILE=aarch64-linux-gnu- \
		OUTPUT=$(abspath build/selftests/arm64))

#:   clean           remove build/
#:   help            this list
.PHONY: clean help
clean:
	rm -rf build

help:
	@sed -n 's/^#: \{0,1\}//p' Makefile
