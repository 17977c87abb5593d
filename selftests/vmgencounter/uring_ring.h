/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A ring of io_uring by its system calls alone, as liburing is not to be had for all that
 * the tests are compiled for. One thread uses a ring.
 */
#ifndef URING_RING_H
#define URING_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/devioctl.h>
#include <linux/io_uring.h>

struct ring {
	int fd;
	unsigned int flags;		/* IORING_SETUP_* */
	unsigned int entries;
	void *map;			/* both queues */
	size_t map_size;
	struct io_uring_sqe *sqes;
	unsigned int *sq_flags, *sq_head, *sq_tail, *sq_array, sq_mask;
	unsigned int *cq_head, *cq_tail, cq_mask;
	struct io_uring_cqe *cqes;
	unsigned int filled;		/* SQEs that are yet to be submitted */
};

/* Ends the program, with the plan of a test that is skipped, where there is no io_uring. */
void ring_skip_without(void);

/* 0 or an errno. */
int ring_open(struct ring *ring, unsigned int entries, unsigned int flags);

/* Its requests go in the kernel's own time. */
void ring_close(struct ring *ring);

/* The next SQE, zero but for these. There is always one while less than all wait for submission. */
struct io_uring_sqe *ring_sqe(struct ring *ring, int opcode, int fd, uint64_t user_data);

/* IORING_OP_URING_CMD on a device of ours. */
struct io_uring_sqe *ring_command(struct ring *ring, int fd, uint32_t code,
				  const void *request, uint64_t user_data);

/* Submit what is filled. Returns when the kernel has begun it, or an errno. */
int ring_submit(struct ring *ring);

/* Have the kernel do what it has put off, and take a CQE if there is one. */
bool ring_peek(struct ring *ring, struct io_uring_cqe *cqe);

/* Wait for a CQE. 0 or an errno. */
int ring_wait(struct ring *ring, struct io_uring_cqe *cqe);

#endif /* URING_RING_H */
