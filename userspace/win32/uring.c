// SPDX-License-Identifier: MIT
/*
 * Requests as commands of io_uring, on Linux 6.8 and later: one thread has all of them, and
 * waits for none
 *
 * The thread looks at the list of requests, begins and cancels what is to be, sleeps until one
 * ends, and ends it. Who puts something on the list wakes it by an eventfd, which the ring
 * reads. No thread of the program submits anything: the kernel would interrupt its calls to
 * end a command, and cancel all when it ends.
 *
 * Lifetime: the ring and its thread are there until the process ends. Locks: none of its own,
 * win32_lock is not held while the thread is in the kernel.
 */
#include <errno.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/io_uring.h>

#include "win32.h"

#define ENTRIES		64

/* IORING_OP_URING_CMD, and where its SQE has what: the headers of older kernels do not say. */
#define COMMAND		46
#define COMMAND_CODE	8
#define COMMAND_DATA	48

/* user_data of what is no request. */
#define WOKEN		1
#define CANCELLED	2

static struct {
	int fd, event;
	char *queues;
	size_t queues_size, sqes_size;
	unsigned int *sq_head, *sq_tail, *sq_array, sq_mask;
	unsigned int *cq_head, *cq_tail, cq_mask;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
	bool is_listening;		/* it reads @event, into @count */
	uint64_t count;
} ring;

/* ---- queues ---- */

static unsigned int submitted(void)
{
	return __atomic_load_n(ring.sq_head, __ATOMIC_ACQUIRE);
}

/* Hands in all that is filled in. */
static int enter(unsigned int wait)
{
	unsigned int filled = *ring.sq_tail - submitted();

	return syscall(SYS_io_uring_enter, ring.fd, filled, wait, IORING_ENTER_GETEVENTS,
		       NULL, 0) < 0 ? errno : 0;
}

/* The next one, or NULL while all are full. */
static struct io_uring_sqe *fill(int opcode, int fd, uint64_t user_data)
{
	unsigned int tail = *ring.sq_tail, slot = tail & ring.sq_mask;
	struct io_uring_sqe *sqe = &ring.sqes[slot];

	if (tail - submitted() > ring.sq_mask)
		return NULL;
	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = opcode;
	sqe->fd = fd;
	sqe->user_data = user_data;
	ring.sq_array[slot] = slot;
	__atomic_store_n(ring.sq_tail, tail + 1, __ATOMIC_RELEASE);
	return sqe;
}

static bool fill_command(const struct win32_file *file, unsigned int code,
			 const struct devioctl_request *block, uint64_t user_data)
{
	struct io_uring_sqe *sqe = fill(COMMAND, file->fd, user_data);
	const struct devioctl_uring_cmd command = { .request = (uintptr_t)block };

	if (!sqe)
		return false;
	memcpy((char *)sqe + COMMAND_CODE, &code, sizeof(code));
	memcpy((char *)sqe + COMMAND_DATA, &command, sizeof(command));
	return true;
}

static bool take(struct io_uring_cqe *cqe)
{
	unsigned int head = *ring.cq_head;

	if (head == __atomic_load_n(ring.cq_tail, __ATOMIC_ACQUIRE))
		return false;
	*cqe = ring.cqes[head & ring.cq_mask];
	__atomic_store_n(ring.cq_head, head + 1, __ATOMIC_RELEASE);
	return true;
}

/* ---- the thread ---- */

static bool listen_for_wakeups(void)
{
	struct io_uring_sqe *sqe;

	if (ring.is_listening)
		return true;
	sqe = fill(IORING_OP_READ, ring.event, WOKEN);
	if (!sqe)
		return false;
	sqe->addr = (uintptr_t)&ring.count;
	sqe->len = sizeof(ring.count);
	ring.is_listening = true;
	return true;
}

/* With the lock: false if the queue was too short for all of it. */
static bool hand_in(void)
{
	struct win32_request *r, *next;

	for (r = win32_requests; r; r = next) {
		next = r->next;
		if (!r->begun && r->cancelled) {
			win32_end(r, ECANCELED);
			continue;
		}
		if (!r->begun) {
			if (!fill_command(r->file, r->code, &r->block, (uintptr_t)r))
				return false;
			r->begun = true;
		}
		if (r->cancelled && !r->cancel_begun) {
			if (!fill_command(r->file, r->file->cancel_code, &r->block, CANCELLED))
				return false;
			r->cancel_begun = true;
		}
	}
	return listen_for_wakeups();
}

/* With the lock. A cancelled one may have ended before, which does not matter. */
static void take_ended(void)
{
	struct io_uring_cqe cqe;

	while (take(&cqe)) {
		if (cqe.user_data == WOKEN)
			ring.is_listening = false;
		else if (cqe.user_data != CANCELLED)
			win32_end((struct win32_request *)(uintptr_t)cqe.user_data, -cqe.res);
	}
}

static void *serve(void *arg)
{
	bool all;

	(void)arg;
	pthread_mutex_lock(&win32_lock);
	for (;;) {
		all = hand_in();
		pthread_mutex_unlock(&win32_lock);
		enter(all ? 1 : 0);
		pthread_mutex_lock(&win32_lock);
		take_ended();
	}
	return NULL;
}

static void wake(void)
{
	static const uint64_t one = 1;

	/* It fails only where there have been 2^64 of them, that is, never. */
	if (write(ring.event, &one, sizeof(one)) < 0)
		return;
}

static int begin(struct win32_request *request)
{
	(void)request;
	wake();
	return 0;
}

static void cancel(struct win32_request *request)
{
	(void)request;
	wake();
}

/* ---- the ring ---- */

static void *map(size_t size, off_t offset)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, ring.fd, offset);

	return at == MAP_FAILED ? NULL : at;
}

/* Both queues are in one mapping. */
static bool map_queues(const struct io_uring_params *p)
{
	size_t sq = p->sq_off.array + p->sq_entries * sizeof(unsigned int);
	size_t cq = p->cq_off.cqes + p->cq_entries * sizeof(struct io_uring_cqe);

	ring.queues_size = sq > cq ? sq : cq;
	ring.sqes_size = p->sq_entries * sizeof(struct io_uring_sqe);
	ring.queues = map(ring.queues_size, IORING_OFF_SQ_RING);
	ring.sqes = map(ring.sqes_size, IORING_OFF_SQES);
	if (!ring.queues || !ring.sqes)
		return false;
	ring.sq_head = (unsigned int *)(ring.queues + p->sq_off.head);
	ring.sq_tail = (unsigned int *)(ring.queues + p->sq_off.tail);
	ring.sq_array = (unsigned int *)(ring.queues + p->sq_off.array);
	ring.sq_mask = *(unsigned int *)(ring.queues + p->sq_off.ring_mask);
	ring.cq_head = (unsigned int *)(ring.queues + p->cq_off.head);
	ring.cq_tail = (unsigned int *)(ring.queues + p->cq_off.tail);
	ring.cq_mask = *(unsigned int *)(ring.queues + p->cq_off.ring_mask);
	ring.cqes = (struct io_uring_cqe *)(ring.queues + p->cq_off.cqes);
	return true;
}

/* One that is of no use, or only half there. */
static void close_ring(void)
{
	if (ring.queues)
		munmap(ring.queues, ring.queues_size);
	if (ring.sqes)
		munmap(ring.sqes, ring.sqes_size);
	if (ring.event >= 0)
		close(ring.event);
	close(ring.fd);
}

/* Kernels that cannot cancel a command take none. There is nothing to cancel yet: ENOENT. */
static bool takes_commands_of(const struct win32_file *file)
{
	static const struct devioctl_request none;
	struct io_uring_cqe cqe = { .res = 0 };

	fill_command(file, file->cancel_code, &none, CANCELLED);
	return !enter(1) && take(&cqe) && cqe.res == -ENOENT;
}

/* No signal of the program's is for this thread. */
static bool start_thread(void)
{
	pthread_t thread;
	sigset_t all, old;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&thread, NULL, serve, NULL);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (!err)
		pthread_detach(thread);
	return !err;
}

const struct win32_backend *win32_ring(const struct win32_file *file)
{
	static const struct win32_backend backend = { begin, cancel };
	struct io_uring_params p = { .flags = 0 };

	ring.fd = syscall(SYS_io_uring_setup, ENTRIES, &p);
	if (ring.fd < 0)
		return NULL;
	ring.event = eventfd(0, EFD_CLOEXEC);
	if (ring.event >= 0 && map_queues(&p) && takes_commands_of(file) && start_thread())
		return &backend;
	close_ring();
	return NULL;
}
