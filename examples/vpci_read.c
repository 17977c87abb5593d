// SPDX-License-Identifier: GPL-2.0-only
/*
 * Print a configuration block of a PCI function that a Hyper-V host has passed through:
 *
 *	vpci_read /dev/vpci/1111:00:00.0 BLOCK [BYTES]
 */
#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <linux/vpci.h>

int main(int argc, char **argv)
{
	unsigned char data[VPCI_BLOCK_SIZE_MAX];
	struct vpci_read_block_input in = {
		.block_id = argc > 2 ? strtoul(argv[2], NULL, 0) : 0,
		.bytes_requested = argc > 3 ? strtoul(argv[3], NULL, 0) : sizeof(data),
	};
	struct devioctl_request req = {
		.in_buffer = (uintptr_t)&in, .in_size = sizeof(in),
		.out_buffer = (uintptr_t)data, .out_size = in.bytes_requested,
	};
	int dev;

	if (argc < 3)
		errx(2, "usage: vpci_read /dev/vpci/NAME BLOCK [BYTES]");
	dev = open(argv[1], O_RDWR);
	if (dev < 0 || ioctl(dev, IOCTL_VPCI_READ_BLOCK, &req))
		err(1, "%s", argv[1]);
	for (unsigned int i = 0; i < req.information; i++)
		printf("%02x%c", data[i], (i + 1) % 16 && i + 1 < req.information ? ' ' : '\n');
	return 0;
}
