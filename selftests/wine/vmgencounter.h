/* SPDX-License-Identifier: GPL-2.0-only */
/* What vmgenerationcounter.h of the Windows SDK declares, which mingw-w64 has not. */
#ifndef SELFTESTS_WINE_VMGENCOUNTER_H
#define SELFTESTS_WINE_VMGENCOUNTER_H

#include <stdio.h>
#include <windows.h>
#include <winioctl.h>

typedef struct {
	ULONGLONG GenerationCount;
	ULONGLONG GenerationCountHigh;
} VM_GENCOUNTER;

#define IOCTL_VMGENCOUNTER_READ \
	CTL_CODE(FILE_DEVICE_ACPI, 0x1, METHOD_BUFFERED, FILE_READ_ACCESS | FILE_WRITE_ACCESS)

/* One line, as Microsoft's example prints the ID; nothing is left in a buffer. */
static inline void print_counter(const char *what, const VM_GENCOUNTER *counter)
{
	printf("%s %016llx:%016llx\n", what, counter->GenerationCount,
	       counter->GenerationCountHigh);
	fflush(stdout);
}

#endif /* SELFTESTS_WINE_VMGENCOUNTER_H */
