// SPDX-License-Identifier: GPL-2.0-only
/*
 * windows_port - a Windows program that follows the generation, on Linux
 *
 * Of the original only the way to the device is new: open() for CreateFile(),
 * and this DeviceIoControl().
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <linux/vmgencounter.h>

static bool DeviceIoControl(int device, unsigned int code,
			    void *in, unsigned int in_size,
			    void *out, unsigned int out_size,
			    unsigned int *returned)
{
	struct devioctl_request req = {
		.in_buffer = (uintptr_t)in, .in_size = in_size,
		.out_buffer = (uintptr_t)out, .out_size = out_size,
	};
	bool ok = !ioctl(device, code, &req);

	*returned = req.information;
	return ok;	/* if not, errno and req.status say why */
}

int main(void)
{
	int device = open("/dev/vmgencounter", O_RDWR);
	struct vm_gencounter id;
	unsigned int returned;
	bool ok;

	/* Without input: the current ID. With one: the next that differs. */
	ok = device >= 0 &&
	     DeviceIoControl(device, IOCTL_VMGENCOUNTER_READ, NULL, 0,
			     &id, sizeof(id), &returned);
	while (ok) {
		printf("VmCounterValue: %016llx:%016llx\n",
		       id.generation_count, id.generation_count_high);
		fflush(stdout);
		ok = DeviceIoControl(device, IOCTL_VMGENCOUNTER_READ,
				     &id, sizeof(id), &id, sizeof(id), &returned);
	}
	perror("/dev/vmgencounter");
	return 1;
}
