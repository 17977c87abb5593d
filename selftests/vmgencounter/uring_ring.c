// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "uring_ring.h"
#include "kselftest.h"

static int enter(struct ring *ring, unsigned int submit, unsigned int wait, unsigned int flags)
{
	int ret;

	do
		ret = syscall(SYS_io_uring_enter, ring->fd, submit, wait, flags, NULL, 0);
	while (ret < 0 && errno == EINTR);
	return ret < 0 ? errno : 0;
}

/* Both queues are in one mapping since 5.4. */
static int map_queues(struct ring *ring, const struct io_uring_params *p)
{
	const int prot = PROT_READ | PROT_WRITE;
	size_t sq = p->sq_off.array + p->sq_entries * sizeof(unsigned int);
	size_t cq = p->cq_off.cqes + p->cq_entries * sizeof(struct io_uring_cqe);

	ring->map_size = sq > cq ? sq : cq;
	ring->map = mmap(NULL, ring->map_size, prot, MAP_SHARED, ring->fd,
			 IORING_OFF_SQ_RING);
	ring->sqes = mmap(NULL, p->sq_entries * sizeof(struct io_uring_sqe), prot, MAP_SHARED,
			  ring->fd, IORING_OFF_SQES);
	return ring->map == MAP_FAILED || ring->sqes == MAP_FAILED ? errno : 0;
}

static void find_queues(struct ring *ring, const struct io_uring_params *p)
{
	char *map = ring->map;

	ring->entries = p->sq_entries;
	ring->sq_flags = (void *)(map + p->sq_off.flags);
	ring->sq_head = (void *)(map + p->sq_off.head);
	ring->sq_tail = (void *)(map + p->sq_off.tail);
	ring->sq_array = (void *)(map + p->sq_off.array);
	ring->sq_mask = *(unsigned int *)(map + p->sq_off.ring_mask);
	ring->cq_head = (void *)(map + p->cq_off.head);
	ring->cq_tail = (void *)(map + p->cq_off.tail);
	ring->cq_mask = *(unsigned int *)(map + p->cq_off.ring_mask);
	ring->cqes = (void *)(map + p->cq_off.cqes);
}

int ring_open(struct ring *ring, unsigned int entries, unsigned int flags)
{
	struct io_uring_params p = { .flags = flags };
	int err;

	*ring = (struct ring) { .flags = flags };
	ring->fd = syscall(SYS_io_uring_setup, entries, &p);
	if (ring->fd < 0)
		return errno;
	err = map_queues(ring, &p);
	if (!err)
		find_queues(ring, &p);
	return err;
}

void ring_close(struct ring *ring)
{
	munmap(ring->sqes, ring->entries * sizeof(struct io_uring_sqe));
	munmap(ring->map, ring->map_size);
	close(ring->fd);
}

struct io_uring_sqe *ring_sqe(struct ring *ring, int opcode, int fd, uint64_t user_data)
{
	unsigned int slot = (*ring->sq_tail + ring->filled++) & ring->sq_mask;
	struct io_uring_sqe *sqe = &ring->sqes[slot];

	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = opcode;
	sqe->fd = fd;
	sqe->user_data = user_data;
	ring->sq_array[slot] = slot;
	return sqe;
}

struct io_uring_sqe *ring_command(struct ring *ring, int fd, uint32_t code,
				  const void *request, uint64_t user_data)
{
	struct io_uring_sqe *sqe = ring_sqe(ring, IORING_OP_URING_CMD, fd, user_data);
	struct devioctl_uring_cmd *cmd = (void *)sqe->cmd;

	sqe->cmd_op = code;
	cmd->request = (uintptr_t)request;
	return sqe;
}

/* A thread of the kernel takes them, when it gets to it. */
static int wait_submitted(struct ring *ring)
{
	int err = 0;

	while (!err && __atomic_load_n(ring->sq_head, __ATOMIC_ACQUIRE) != *ring->sq_tail) {
		if (__atomic_load_n(ring->sq_flags, __ATOMIC_SEQ_CST) & IORING_SQ_NEED_WAKEUP)
			err = enter(ring, 0, 0, IORING_ENTER_SQ_WAKEUP);
		sched_yield();
	}
	return err;
}

int ring_submit(struct ring *ring)
{
	unsigned int n = ring->filled;

	ring->filled = 0;
	__atomic_store_n(ring->sq_tail, *ring->sq_tail + n, __ATOMIC_SEQ_CST);
	if (ring->flags & IORING_SETUP_SQPOLL)
		return wait_submitted(ring);
	return enter(ring, n, 0, 0);
}

static bool take(struct ring *ring, struct io_uring_cqe *cqe)
{
	unsigned int head = *ring->cq_head;

	if (head == __atomic_load_n(ring->cq_tail, __ATOMIC_ACQUIRE))
		return false;
	*cqe = ring->cqes[head & ring->cq_mask];
	__atomic_store_n(ring->cq_head, head + 1, __ATOMIC_RELEASE);
	return true;
}

bool ring_peek(struct ring *ring, struct io_uring_cqe *cqe)
{
	enter(ring, 0, 0, IORING_ENTER_GETEVENTS);
	return take(ring, cqe);
}

int ring_wait(struct ring *ring, struct io_uring_cqe *cqe)
{
	int err = 0;

	while (!err && !take(ring, cqe))
		err = enter(ring, 0, 1, IORING_ENTER_GETEVENTS);
	return err;
}

void ring_skip_without(void)
{
	struct ring ring;
	int err = ring_open(&ring, 1, 0);

	if (err) {
		printf("1..0 # SKIP no io_uring: %s\n", strerror(err));
		exit(KSFT_SKIP);
	}
	ring_close(&ring);
}
