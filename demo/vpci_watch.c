// SPDX-License-Identifier: GPL-2.0-only
/*
 * Say which configuration blocks of a PCI function the host invalidates, until the
 * function goes:
 *
 *	vpci_watch /dev/vpci/1111:00:00.0
 */
#include <err.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <linux/vpci.h>

int main(int argc, char **argv)
{
	struct vpci_invalidate_block_output out;
	struct devioctl_request req = {
		.out_buffer = (uintptr_t)&out, .out_size = sizeof(out),
	};
	struct pollfd dev = { .events = POLLIN };

	if (argc != 2)
		errx(2, "usage: vpci_watch /dev/vpci/NAME");
	dev.fd = open(argv[1], O_RDWR | O_NONBLOCK);
	if (dev.fd < 0)
		err(1, "%s", argv[1]);
	puts("waits");
	for (;;) {
		fflush(stdout);
		if (poll(&dev, 1, -1) < 1)
			continue;	/* a signal came */
		if (dev.revents & POLLHUP)
			break;
		if (dev.revents & POLLERR)
			errx(1, "a driver of the function is told instead");
		if (!ioctl(dev.fd, IOCTL_VPCI_INVALIDATE_BLOCK, &req))
			printf("POLLIN, and IOCTL_VPCI_INVALIDATE_BLOCK: mask %#llx\n",
			       out.block_mask);
	}
	puts("POLLHUP, the function is gone");
	return 0;
}
