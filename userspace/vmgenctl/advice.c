// SPDX-License-Identifier: GPL-2.0-only
/*
 * Errors: what failed, why, and what to do. An errno alone does not tell a module that is not
 * loaded from a machine without the device.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmgenctl.h"

void name_program(const char *command)
{
	static char name[64];

	snprintf(name, sizeof(name), "vmgenctl%s%s", *command ? " " : "", command);
	program_invocation_short_name = name;
}

noreturn void end_usage(void)
{
	fprintf(stderr, "%s --help has the usage\n", program_invocation_short_name);
	exit(EXIT_USAGE);
}

#define ASK_ROOT \
	"root may, and the group vmgencounter: adduser USER vmgencounter, and log in again"

static bool exists(const char *path)
{
	return !access(path, F_OK);
}

static const char *why_no_device(void)
{
	if (exists("/sys/class/misc/vmgencounter"))
		return "the kernel has the device, but /dev has no node\n"
		       "  give this container /dev/vmgencounter_id, and to wait, /dev/vmgencounter";
	if (exists("/sys/module/vmgencounter"))
		return "the machine has no generation ID device, or its driver was unbound\n"
		       "  dmesg tells; the hypervisor has to provide one (QEMU: -device vmgenid)";
	return "the module vmgencounter is not loaded: as root, modprobe vmgencounter";
}

static const char *what_to_do(const char *path, int err)
{
	switch (err) {
	case ENOENT:
		return strncmp(path, "/dev/vmgencounter", 17) ? "there is no such file" :
		       why_no_device();
	case EACCES:
		return ASK_ROOT;
	case EPERM:
		return "a container's or service's device policy forbids it: allow it the device";
	case ENODEV:
	case ENXIO:
		return "the device is gone: bind its driver, or load the module vmgencounter again";
	case ENOTTY:
	case EINVAL:
		return "that is no generation ID device";
	default:
		return "dmesg may tell more";
	}
}

void die_device(const char *path, int err)
{
	errx(EXIT_ERROR, "%s: %s\n  %s", path, strerror(err), what_to_do(path, err));
}

void die_cannot_wait(const char *path, bool is_public)
{
	if (!is_public)
		errx(EXIT_ERROR, "%s: %s\n"
		    "  the kernel does not hear of changes here: dmesg tells why\n"
		    "  compare what 'vmgenctl get' prints now and then", path,
		    strerror(EOPNOTSUPP));
	errx(EXIT_ERROR, "nobody can wait by %s, which is for every user\n"
	    "  it takes /dev/vmgencounter: " ASK_ROOT, path);
}

static const char *what_to_do_with_function(int err)
{
	switch (err) {
	case ENOENT:
		return exists(VPCI_CLASS) ?
		       "'vmgenctl vpci list' shows the functions that there are" : NO_VPCI_BLOCK;
	case EACCES:
		return "root may, and who a udev rule lets: see vpci(4)";
	case EAGAIN:
		return "hv_pci is still being bound: try again";
	case EBUSY:
		return "a driver is told instead: unbind it, or bind vfio-pci";
	case EIO:
		return "the host has no such block, or refuses: dmesg has its status\n"
		       "  the vendor of the physical function's driver knows more";
	case ENODEV:
	case ENXIO:
		return "the function is gone: 'vmgenctl vpci list' shows those that there are";
	case ENOTTY:
	case EINVAL:
		return "that is no node of a function in /dev/vpci";
	default:
		return "dmesg may tell more";
	}
}

void die_function(const char *name, int err)
{
	errx(EXIT_ERROR, "%s: %s\n  %s", name, strerror(err), what_to_do_with_function(err));
}
