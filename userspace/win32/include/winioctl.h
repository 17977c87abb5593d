/* SPDX-License-Identifier: MIT */
/* <winioctl.h>: what control codes are made of, as far as the devices here need it. */
#ifndef VMGENCOUNTER_WIN32_WINIOCTL_H
#define VMGENCOUNTER_WIN32_WINIOCTL_H

#include "windef.h"

#ifndef CTL_CODE	/* <linux/devioctl.h> has the same */
#define CTL_CODE(type, function, method, access) \
	(((type) << 16) | ((access) << 14) | ((function) << 2) | (method))
#endif
#define DEVICE_TYPE_FROM_CTL_CODE(code)	(((DWORD)(code) & 0xffff0000) >> 16)
#define METHOD_FROM_CTL_CODE(code)	((DWORD)(code) & 3)

#define METHOD_BUFFERED		0
#define METHOD_IN_DIRECT	1
#define METHOD_OUT_DIRECT	2
#define METHOD_NEITHER		3

#define FILE_ANY_ACCESS		0
#define FILE_SPECIAL_ACCESS	FILE_ANY_ACCESS
#define FILE_READ_ACCESS	1
#define FILE_WRITE_ACCESS	2

#define FILE_DEVICE_UNKNOWN	0x22
#ifndef FILE_DEVICE_BUS_EXTENDER
#define FILE_DEVICE_BUS_EXTENDER	0x2a
#endif
#define FILE_DEVICE_ACPI	0x32

#endif /* VMGENCOUNTER_WIN32_WINIOCTL_H */
