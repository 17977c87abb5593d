// SPDX-License-Identifier: GPL-2.0-only
/* Print the generation of this machine, and each new one, from a ring of io_uring. */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdio.h>
#include <linux/vmgencounter.h>

int main(void)
{
	int dev = open("/dev/vmgencounter", O_RDONLY);
	struct io_uring_cqe *cqe;
	struct vm_gencounter id;
	struct io_uring ring;

	errno = dev < 0 ? errno : -io_uring_queue_init(1, &ring, 0);
	if (errno)
		err(1, "%s", dev < 0 ? "/dev/vmgencounter" : "io_uring");
	for (;; io_uring_cqe_seen(&ring, cqe)) {
		io_uring_prep_read(io_uring_get_sqe(&ring), dev, &id, sizeof(id), 0);
		while (io_uring_submit(&ring) < 0 || io_uring_wait_cqe(&ring, &cqe))
			;	/* a signal came */
		errno = -cqe->res;
		if (cqe->res != sizeof(id))
			err(1, "the device is gone, or cannot notify");
		dprintf(1, "ID %016llx:%016llx\n", id.generation_count, id.generation_count_high);
	}
}
