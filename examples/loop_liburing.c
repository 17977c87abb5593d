// SPDX-License-Identifier: GPL-2.0-only
/* Print the generation of this machine, and each new one, from a ring of io_uring. */
#include <errno.h>
#include <error.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdio.h>
#include <linux/vmgencounter.h>

int main(void)
{
	int ret, dev = open("/dev/vmgencounter", O_RDONLY);
	struct io_uring_cqe *cqe;
	struct vm_gencounter id;
	struct io_uring ring;

	ret = dev < 0 ? -errno : io_uring_queue_init(1, &ring, 0);
	if (ret)
		error(1, -ret, "%s", dev < 0 ? "/dev/vmgencounter" : "io_uring");
	for (;; io_uring_cqe_seen(&ring, cqe)) {
		io_uring_prep_read(io_uring_get_sqe(&ring), dev, &id, sizeof(id), 0);
		while ((ret = io_uring_submit(&ring)) == -EINTR ||
		       (ret >= 0 && (ret = io_uring_wait_cqe(&ring, &cqe)) == -EINTR))
			;	/* a signal came */
		if (ret || cqe->res != sizeof(id))
			error(1, -(ret ?: cqe->res), "the device is gone, or cannot notify");
		dprintf(1, "ID %016llx:%016llx\n", id.generation_count, id.generation_count_high);
	}
}
