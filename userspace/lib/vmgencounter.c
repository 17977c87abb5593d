// SPDX-License-Identifier: MIT
/*
 * The handle of the device: open, look, wait
 *
 * Lifetime: struct vmgen owns a descriptor and, where the device allows it, a mapping of the
 * firmware's page. Both end in vmgen_close(), to which watches must not be used after.
 *
 * Locks: none. Nothing of a handle changes after vmgen_open() but @waiting. The one who has
 * set that alone reads from the descriptor, as two who did would take each other's news.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "vmgencounter.h"

#define NS_PER_MS	1000000

struct vmgen {
	int fd;
	dev_t node_dev;			/* which file @fd is */
	ino_t node_ino;
	unsigned int flags;		/* VMGENCOUNTER_*, when it was opened */
	int waiting;			/* somebody is in vmgen_wait() */
	void *page;			/* the mapping, or NULL */
	size_t page_size;
	const unsigned long *id;	/* in @page, or NULL */
};

static int fail(int err)
{
	errno = err;
	return -1;
}

/*
 * Programs close descriptors that they do not know when they become daemons, and the number
 * is then another file's, from which nothing may be read, and which must stay open.
 */
static int is_ours(const struct vmgen *vmgen)
{
	struct stat s;

	if (fstat(vmgen->fd, &s))
		return 0;
	if (s.st_dev == vmgen->node_dev && s.st_ino == vmgen->node_ino)
		return 1;
	errno = EBADF;
	return 0;
}

static int same(const struct vm_gencounter *a, const struct vm_gencounter *b)
{
	return a->generation_count == b->generation_count &&
	       a->generation_count_high == b->generation_count_high;
}

/* ---- open and close ---- */

/* The first error says why, unless the second node is there. */
static int open_default(void)
{
	const int flags = O_RDONLY | O_NONBLOCK | O_CLOEXEC;
	int fd = open("/dev/vmgencounter", flags), err = errno;

	if (fd >= 0 || (err != ENOENT && err != EACCES && err != EPERM))
		return fd;
	fd = open("/dev/vmgencounter_id", flags);
	if (fd < 0 && errno == ENOENT)
		errno = err;
	return fd;
}

/* Who has no mapping asks the kernel, so that a failure is none. */
static void map_page(struct vmgen *vmgen, const struct vmgencounter_info *info)
{
	size_t size = sysconf(_SC_PAGESIZE);
	void *page;

	if (!(info->flags & VMGENCOUNTER_MMAP) || info->offset > size - sizeof(info->id) ||
	    info->offset % sizeof(*vmgen->id))
		return;
	page = mmap(NULL, size, PROT_READ, MAP_SHARED, vmgen->fd, 0);
	if (page == MAP_FAILED)
		return;
	vmgen->page = page;
	vmgen->page_size = size;
	vmgen->id = (const unsigned long *)((const char *)page + info->offset);
}

struct vmgen *vmgen_open(const char *path)
{
	struct vmgen *vmgen = calloc(1, sizeof(*vmgen));
	struct vmgencounter_info info;
	struct stat s;
	int err;

	if (!vmgen)
		return NULL;
	vmgen->fd = path ? open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC) : open_default();
	if (vmgen->fd >= 0 && !fstat(vmgen->fd, &s)) {
		vmgen->node_dev = s.st_dev;
		vmgen->node_ino = s.st_ino;
	}
	if (vmgen->fd < 0 || vmgen_info(vmgen, &info)) {
		err = errno;
		vmgen_close(vmgen);
		errno = err;
		return NULL;
	}
	vmgen->flags = info.flags;
	map_page(vmgen, &info);
	return vmgen;
}

void vmgen_close(struct vmgen *vmgen)
{
	if (!vmgen)
		return;
	if (vmgen->page)
		munmap(vmgen->page, vmgen->page_size);
	if (vmgen->fd >= 0 && is_ours(vmgen))
		close(vmgen->fd);
	free(vmgen);
}

int vmgen_fd(const struct vmgen *vmgen)
{
	return vmgen->fd;
}

/* ---- look ---- */

int vmgen_info(struct vmgen *vmgen, struct vmgencounter_info *info)
{
	return is_ours(vmgen) ? ioctl(vmgen->fd, VMGENCOUNTER_GET_INFO, info) : -1;
}

static void load_words(const unsigned long *from, unsigned long *to)
{
	unsigned int i;

	for (i = 0; i < VMGEN_WORDS; i++)
		to[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
	/* a second reading, not the first one again */
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
}

/* Until two readings agree: the machine can be stopped between two loads. */
static void load_id(const unsigned long *from, struct vm_gencounter *id)
{
	/* set, as gcc 14's analyzer does not see that the loads do it */
	unsigned long words[VMGEN_WORDS], again[VMGEN_WORDS] = { 0 };

	load_words(from, again);
	do {
		memcpy(words, again, sizeof(words));
		load_words(from, again);
	} while (memcmp(words, again, sizeof(words)));
	memcpy(id, words, sizeof(*id));
	id->generation_count = le64toh(id->generation_count);
	id->generation_count_high = le64toh(id->generation_count_high);
}

/* A sandbox that ends the program for an ioctl() allows read(), which is for news elsewhere. */
static int ask(const struct vmgen *vmgen, struct vm_gencounter *id)
{
	struct vmgencounter_info info;

	if (!is_ours(vmgen))
		return -1;
	if (vmgen->flags & VMGENCOUNTER_PUBLIC)
		return read(vmgen->fd, id, sizeof(*id)) == sizeof(*id) ? 0 : -1;
	if (ioctl(vmgen->fd, VMGENCOUNTER_GET_INFO, &info))
		return -1;
	*id = info.id;
	return 0;
}

int vmgen_get(struct vmgen *vmgen, struct vm_gencounter *id)
{
	if (!vmgen->id)
		return ask(vmgen, id);
	load_id(vmgen->id, id);
	return 0;
}

void vmgen_watch_set(const struct vmgen *vmgen, const struct vm_gencounter *known,
		     struct vmgen_watch *watch)
{
	const uint64_t bytes[] = {
		htole64(known->generation_count), htole64(known->generation_count_high),
	};

	watch->vmgen = vmgen;
	watch->id = vmgen->id;
	memcpy(watch->known, bytes, sizeof(watch->known));
}

/* Who cannot know throws away what need not go, rather than use what must not be used. */
int vmgen_changed_slow(const struct vmgen_watch *watch)
{
	struct vm_gencounter id;
	struct vmgen_watch current;

	if (ask(watch->vmgen, &id))
		return 1;
	vmgen_watch_set(watch->vmgen, &id, &current);
	return !!memcmp(current.known, watch->known, sizeof(current.known));
}

/* ---- wait ---- */

/* The current ID, after which poll() reports none but another one. */
static int take_id(struct vmgen *vmgen, struct vm_gencounter *id)
{
	ssize_t n = read(vmgen->fd, id, sizeof(*id));

	if (n == sizeof(*id))
		return 0;
	return n < 0 && errno != EAGAIN ? -1 : vmgen_get(vmgen, id);
}

/* The clock that poll() goes by: it stands still while the machine is suspended. */
static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* Milliseconds until @end, rounded up so that no wait is too short. */
static int ms_until(int64_t end)
{
	int64_t left = end - now_ns();

	return left <= 0 ? 0 : (left + NS_PER_MS - 1) / NS_PER_MS;
}

/*
 * The ID is compared after it was taken and before each poll(), which returns at once if it
 * is another one by then. So no change is missed, whatever the open file was told before.
 */
static int wait_until(struct vmgen *vmgen, const struct vm_gencounter *known,
		      struct vm_gencounter *now, const int64_t *end)
{
	struct pollfd p = { .fd = vmgen->fd, .events = POLLIN };
	struct vm_gencounter id;
	int n;

	for (;;) {
		if (take_id(vmgen, &id))
			return -1;
		if (!same(&id, known)) {
			*now = id;
			return 1;
		}
		n = poll(&p, 1, end ? ms_until(*end) : -1);
		if (n <= 0)
			return n;
		if (p.revents & POLLHUP)
			return fail(ENODEV);
		if (!(p.revents & POLLIN))
			return fail(EOPNOTSUPP);
	}
}

int vmgen_wait(struct vmgen *vmgen, const struct vm_gencounter *known,
	       struct vm_gencounter *now, int timeout_ms)
{
	const int64_t end = now_ns() + (int64_t)timeout_ms * NS_PER_MS;
	int result;

	if (!(vmgen->flags & VMGENCOUNTER_WAKEUP))
		return fail(EOPNOTSUPP);
	if (__atomic_exchange_n(&vmgen->waiting, 1, __ATOMIC_ACQUIRE))
		return fail(EBUSY);
	result = !is_ours(vmgen) ? -1 :
		 wait_until(vmgen, known, now, timeout_ms < 0 ? NULL : &end);
	__atomic_store_n(&vmgen->waiting, 0, __ATOMIC_RELEASE);
	return result;
}
