// SPDX-License-Identifier: GPL-2.0-only
/*
 * documented.exe [wait] - reads the generation ID the way that Microsoft documents
 *
 * A program of Windows, with no word about Linux or Wine: it opens \\.\VmGenerationCounter, and
 * asks without input for the current ID, then with that as its input for the next one. Without an
 * argument it ends before it waits.
 */
#define UNICODE
#include "vmgencounter.h"

static BOOL read_counter(HANDLE device, VM_GENCOUNTER *input, DWORD input_size,
			 VM_GENCOUNTER *output)
{
	DWORD returned = 0;

	return DeviceIoControl(device, IOCTL_VMGENCOUNTER_READ, input, input_size,
			       output, sizeof(*output), &returned, NULL) &&
	       returned == sizeof(*output);
}

static int report(const char *call)
{
	printf("%s failed with %lu\n", call, GetLastError());
	return 1;
}

int main(int argc, char **argv)
{
	VM_GENCOUNTER counter = { 0 };
	HANDLE device;

	(void)argv;
	device = CreateFile(L"\\\\.\\VmGenerationCounter", GENERIC_READ | GENERIC_WRITE,
			    FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, OPEN_EXISTING,
			    FILE_ATTRIBUTE_NORMAL, NULL);
	if (device == INVALID_HANDLE_VALUE)
		return report("CreateFile");
	if (!read_counter(device, NULL, 0, &counter))
		return report("DeviceIoControl");
	print_counter("current", &counter);
	if (argc < 2)
		return 0;
	if (!read_counter(device, &counter, sizeof(counter), &counter))
		return report("DeviceIoControl");
	print_counter("next", &counter);
	CloseHandle(device);
	return 0;
}
