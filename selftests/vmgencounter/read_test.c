// SPDX-License-Identifier: GPL-2.0-only
/*
 * read(): one record per generation and open file, no matter who shares that
 * file, and none lost to a call that failed.
 */
#include <semaphore.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "vmgen_helpers.h"
#include "kselftest_harness.h"

FIXTURE(vmgen) {
	int fd;				/* nothing is delivered yet */
	struct vm_gencounter id;	/* the current one */
};

static int open_device(int flags)
{
	return open(VMGEN_DEVICE, flags | O_CLOEXEC);
}

/* A read of the record: 0 or an errno, EPROTO for any other length. */
static int read_id(int fd, struct vm_gencounter *id)
{
	ssize_t n = read(fd, id, sizeof(*id));

	if (n < 0)
		return errno;
	return n == sizeof(*id) ? 0 : EPROTO;
}

static void set_nonblock(int fd)
{
	fcntl(fd, F_SETFL, O_NONBLOCK);
}

FIXTURE_SETUP(vmgen)
{
	self->fd = open_device(O_RDONLY);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, peek_id(&self->id));
}

FIXTURE_TEARDOWN(vmgen)
{
	close(self->fd);
}

TEST_F_TIMEOUT(vmgen, fresh_file_reads_once, TEST_TIMEOUT)
{
	struct vm_gencounter id;

	EXPECT_EQ(0, read_id(self->fd, &id));
	EXPECT_TRUE(same_id(&self->id, &id));
	set_nonblock(self->fd);
	EXPECT_EQ(EAGAIN, read_id(self->fd, &id));
	EXPECT_EQ(EAGAIN, read_id(self->fd, &id));
}

/* ---- sizes and buffers ---- */

TEST_F_TIMEOUT(vmgen, short_count, TEST_TIMEOUT)
{
	char buffer[ID_SIZE], untouched[ID_SIZE];
	size_t count;

	memset(buffer, 0x5a, sizeof(buffer));
	memset(untouched, 0x5a, sizeof(untouched));
	for (count = 0; count < ID_SIZE; count++) {
		EXPECT_EQ(-1, read(self->fd, buffer, count));
		EXPECT_EQ(EINVAL, errno);
	}
	EXPECT_EQ(0, memcmp(untouched, buffer, sizeof(buffer)));
	EXPECT_EQ(READABLE, readiness(self->fd));
	/* Also where it would have to wait. */
	ASSERT_EQ(0, read_id(self->fd, &self->id));
	set_nonblock(self->fd);
	EXPECT_EQ(-1, read(self->fd, buffer, ID_SIZE - 1));
	EXPECT_EQ(EINVAL, errno);
}

TEST_F_TIMEOUT(vmgen, long_count, TEST_TIMEOUT)
{
	static const size_t counts[] = { 17, 4096 };
	char buffer[4096], expected[4096];
	unsigned int i;
	int fd;

	memset(expected, 0x5a, sizeof(expected));
	memcpy(expected, &self->id, ID_SIZE);
	for (i = 0; i < ARRAY_SIZE(counts); i++) {
		fd = open_device(O_RDWR);
		memset(buffer, 0x5a, sizeof(buffer));
		EXPECT_EQ(ID_SIZE, read(fd, buffer, counts[i]));
		EXPECT_EQ(0, memcmp(expected, buffer, sizeof(buffer)));
		close(fd);
	}
}

TEST_F_TIMEOUT(vmgen, scattered, TEST_TIMEOUT)
{
	char parts[4][8] = {};
	const struct iovec iov[] = {
		{ parts[2], 7 }, { parts[0], 8 }, { parts[3], 3 },
	};
	char expected[ID_SIZE];

	EXPECT_EQ(-1, readv(self->fd, iov, 2));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(ID_SIZE, readv(self->fd, iov, 3));
	memcpy(expected, parts[2], 7);
	memcpy(expected + 7, parts[0], 8);
	memcpy(expected + 15, parts[3], 1);
	EXPECT_EQ(0, memcmp(&self->id, expected, ID_SIZE));
	EXPECT_EQ(0, parts[3][1]);
}

TEST_F_TIMEOUT(vmgen, in_two_halves, TEST_TIMEOUT)
{
	struct vm_gencounter id;
	const struct iovec iov[] = {
		{ &id.generation_count_high, 8 }, { &id.generation_count, 8 },
	};

	EXPECT_EQ(ID_SIZE, readv(self->fd, iov, 2));
	EXPECT_EQ(self->id.generation_count, id.generation_count_high);
	EXPECT_EQ(self->id.generation_count_high, id.generation_count);
	EXPECT_EQ(0, readiness(self->fd));
}

FIXTURE(bad_buffer) {
	int fd;
	void *buffer;
};

/* As page_edge() has it, or NULL. */
FIXTURE_VARIANT(bad_buffer) {
	bool null;
	size_t valid;
	int prot;
};

FIXTURE_VARIANT_ADD(bad_buffer, null) { .null = true };
FIXTURE_VARIANT_ADD(bad_buffer, missing) { .prot = PAGE_MISSING };
FIXTURE_VARIANT_ADD(bad_buffer, prot_none) { .prot = PROT_NONE };
FIXTURE_VARIANT_ADD(bad_buffer, read_only) { .prot = PROT_READ };
FIXTURE_VARIANT_ADD(bad_buffer, half_missing) { .valid = 8, .prot = PAGE_MISSING };
FIXTURE_VARIANT_ADD(bad_buffer, last_byte_read_only) { .valid = 15, .prot = PROT_READ };

FIXTURE_SETUP(bad_buffer)
{
	/* So that a record that was lost is not waited for. */
	self->fd = open_device(O_RDONLY | O_NONBLOCK);
	ASSERT_LE(0, self->fd);
	self->buffer = variant->null ? NULL : page_edge(variant->valid, variant->prot);
	ASSERT_NE(MAP_FAILED, self->buffer);
}

FIXTURE_TEARDOWN(bad_buffer)
{
	close(self->fd);
}

TEST_F_TIMEOUT(bad_buffer, loses_nothing, TEST_TIMEOUT)
{
	struct vm_gencounter id, now;

	ASSERT_EQ(0, peek_id(&now));
	EXPECT_EQ(-1, read(self->fd, self->buffer, ID_SIZE));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(READABLE, readiness(self->fd));
	EXPECT_EQ(0, read_id(self->fd, &id));
	EXPECT_TRUE(same_id(&now, &id));
}

/* ---- waiting ---- */

TEST_F_TIMEOUT(vmgen, waits_for_a_change, TEST_TIMEOUT)
{
	struct waiter w;

	ASSERT_EQ(0, waiter_open(&w, WAIT_READ));
	ASSERT_EQ(0, waiter_start(&w));
	EXPECT_TRUE(is_asleep(w.tid));
	ASSERT_EQ(0, new_generation());
	EXPECT_EQ(0, waiter_join(&w));
	EXPECT_FALSE(same_id(&self->id, &w.known));
	ASSERT_EQ(0, peek_id(&self->id));
	EXPECT_TRUE(same_id(&self->id, &w.known));
	EXPECT_EQ(0, readiness(w.fd));
	waiter_close(&w);
}

/* Of several changes between two reads, the last is there, once. */
TEST_F_TIMEOUT(vmgen, nonblock_after_changes, TEST_TIMEOUT)
{
	struct vm_gencounter id;

	set_nonblock(self->fd);
	ASSERT_EQ(0, read_id(self->fd, &id));
	ASSERT_EQ(0, new_generation());
	ASSERT_EQ(0, new_generation());
	EXPECT_EQ(0, read_id(self->fd, &id));
	EXPECT_EQ(EAGAIN, read_id(self->fd, &id));
	ASSERT_EQ(0, peek_id(&self->id));
	EXPECT_TRUE(same_id(&self->id, &id));
}

TEST_F_TIMEOUT(vmgen, nowait, TEST_TIMEOUT)
{
	struct vm_gencounter id;
	struct iovec iov = { &id, sizeof(id) };

	EXPECT_EQ(ID_SIZE, preadv2(self->fd, &iov, 1, -1, RWF_NOWAIT));
	EXPECT_TRUE(same_id(&self->id, &id));
	EXPECT_EQ(-1, preadv2(self->fd, &iov, 1, -1, RWF_NOWAIT));
	EXPECT_EQ(EAGAIN, errno);
}

static void interrupt(struct waiter *w)
{
	syscall(SYS_tgkill, getpid(), w->tid, SIGUSR1);
}

TEST_F_TIMEOUT(vmgen, signal_ends_the_wait, TEST_TIMEOUT)
{
	struct waiter w;

	ASSERT_EQ(0, waiter_open(&w, WAIT_READ));
	ASSERT_EQ(0, waiter_start(&w));
	interrupt(&w);
	EXPECT_EQ(EINTR, waiter_join(&w));
	EXPECT_TRUE(same_id(&self->id, &w.known));
	waiter_close(&w);
}

TEST_F_TIMEOUT(vmgen, signal_with_restart, TEST_TIMEOUT)
{
	struct waiter w;
	long switches;

	ASSERT_EQ(0, waiter_open(&w, WAIT_READ));
	w.restart = true;
	ASSERT_EQ(0, waiter_start(&w));
	switches = voluntary_switches(w.tid);
	interrupt(&w);
	/* It sleeps again, or it is gone and has no switches. */
	while (voluntary_switches(w.tid) == switches)
		sched_yield();
	wait_asleep(w.tid);
	EXPECT_TRUE(is_asleep(w.tid));
	ASSERT_EQ(0, new_generation());
	EXPECT_EQ(0, waiter_join(&w));
	EXPECT_FALSE(same_id(&self->id, &w.known));
	waiter_close(&w);
}

/* A buffer that goes away during the wait: then the change is still to come. */
static void *read_into(void *arg)
{
	struct waiter *w = arg;
	void *buffer = (void *)(uintptr_t)w->known.generation_count;

	__atomic_store_n(&w->tid, gettid(), __ATOMIC_RELEASE);
	w->err = read(w->fd, buffer, ID_SIZE) < 0 ? errno : 0;
	return NULL;
}

TEST_F_TIMEOUT(vmgen, buffer_goes_during_the_wait, TEST_TIMEOUT)
{
	size_t page = getpagesize();
	void *buffer = mmap(NULL, page, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct waiter w = { .fd = self->fd };

	ASSERT_EQ(0, read_id(self->fd, buffer));
	w.known.generation_count = (uintptr_t)buffer;
	ASSERT_EQ(0, waiter_spawn(&w, read_into));
	while (!__atomic_load_n(&w.tid, __ATOMIC_ACQUIRE))
		sched_yield();
	wait_asleep(w.tid);
	munmap(buffer, page);
	ASSERT_EQ(0, new_generation());
	EXPECT_EQ(EFAULT, waiter_join(&w));
	EXPECT_EQ(READABLE, readiness(self->fd));
	EXPECT_EQ(0, read_id(self->fd, &self->id));
}

/* ---- who shares what ---- */

TEST_F_TIMEOUT(vmgen, opens_are_independent, TEST_TIMEOUT)
{
	int other = open_device(O_RDWR);
	struct vm_gencounter id;

	ASSERT_EQ(0, read_id(self->fd, &id));
	EXPECT_EQ(0, readiness(self->fd));
	EXPECT_EQ(READABLE, readiness(other));
	EXPECT_EQ(0, read_id(other, &id));
	EXPECT_TRUE(same_id(&self->id, &id));
	close(other);
}

/* The ioctl and read() deliver through one and the same state. */
TEST_F_TIMEOUT(vmgen, shares_with_the_ioctl, TEST_TIMEOUT)
{
	int fd = open_device(O_RDWR | O_NONBLOCK);

	ASSERT_EQ(0, current_id(fd, &self->id));
	EXPECT_EQ(EAGAIN, read_id(fd, &self->id));
	close(fd);
}

static int read_in_child(int fd)
{
	struct vm_gencounter id;
	int status = -1;
	pid_t pid = fork();

	if (!pid)
		_exit(read_id(fd, &id));
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST_F_TIMEOUT(vmgen, copies_share, TEST_TIMEOUT)
{
	int copy = dup(self->fd);
	struct vm_gencounter id;

	set_nonblock(self->fd);
	EXPECT_EQ(0, read_id(copy, &id));
	EXPECT_EQ(EAGAIN, read_id(self->fd, &id));
	EXPECT_EQ(EAGAIN, read_in_child(self->fd));

	ASSERT_EQ(0, new_generation());
	EXPECT_EQ(0, read_in_child(self->fd));
	EXPECT_EQ(EAGAIN, read_id(copy, &id));
	EXPECT_EQ(EAGAIN, read_id(self->fd, &id));
	close(copy);
}

/* ---- one open file, many readers ---- */

#define MAX_READERS	4

static sem_t finished;

static void *read_and_post(void *arg)
{
	struct waiter *w = arg;

	__atomic_store_n(&w->tid, gettid(), __ATOMIC_RELEASE);
	w->err = waiter_wait(w);
	sem_post(&finished);
	return NULL;
}

/* How many of the readers have ended; the others sleep when this returns. */
static int ended(struct waiter *w, int n)
{
	int i, count = 0;

	for (i = 0; i < n; i++) {
		while (!__atomic_load_n(&w[i].tid, __ATOMIC_ACQUIRE))
			sched_yield();
		wait_asleep(w[i].tid);
		count += !is_asleep(w[i].tid);
	}
	return count;
}

/* Does any of the readers have the record of another one, or the @old ID? */
static bool any_twice(const struct waiter *w, int n, const struct vm_gencounter *old)
{
	int i, j;

	for (i = 0; i < n; i++) {
		if (same_id(&w[i].known, old))
			return true;
		for (j = 0; j < i; j++)
			if (same_id(&w[i].known, &w[j].known))
				return true;
	}
	return false;
}

TEST_F_TIMEOUT(vmgen, one_record_for_many_readers, TEST_TIMEOUT)
{
	struct waiter w[MAX_READERS] = {};
	int i, n = fast_device() ? MAX_READERS : 2;

	sem_init(&finished, 0, 0);
	ASSERT_EQ(0, read_id(self->fd, &self->id));
	for (i = 0; i < n; i++) {
		w[i].fd = self->fd;
		ASSERT_EQ(0, waiter_spawn(&w[i], read_and_post));
	}
	EXPECT_EQ(0, ended(w, n));
	for (i = 1; i <= n; i++) {
		ASSERT_EQ(0, new_generation());
		sem_wait(&finished);
		EXPECT_EQ(i, ended(w, n));
	}
	for (i = 0; i < n; i++)
		EXPECT_EQ(0, waiter_join(&w[i]));
	EXPECT_FALSE(any_twice(w, n, &self->id));
}

/* ---- what a stream of records is not ---- */

TEST_F_TIMEOUT(vmgen, descriptors, TEST_TIMEOUT)
{
	int writer = open_device(O_WRONLY), both = open_device(O_RDWR);

	EXPECT_EQ(EBADF, read_id(writer, &self->id));
	EXPECT_EQ(-1, write(self->fd, &self->id, ID_SIZE));
	EXPECT_EQ(EBADF, errno);
	EXPECT_EQ(-1, write(writer, &self->id, ID_SIZE));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, write(both, &self->id, ID_SIZE));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(READABLE, readiness(both));
	close(writer);
	close(both);
}

TEST_F_TIMEOUT(vmgen, no_position, TEST_TIMEOUT)
{
	EXPECT_EQ(-1, pread(self->fd, &self->id, ID_SIZE, 0));
	EXPECT_EQ(ESPIPE, errno);
	EXPECT_EQ(-1, lseek(self->fd, 0, SEEK_SET));
	EXPECT_EQ(ESPIPE, errno);
	EXPECT_EQ(-1, lseek(self->fd, 0, SEEK_CUR));
	EXPECT_EQ(ESPIPE, errno);
	EXPECT_EQ(READABLE, readiness(self->fd));
}

TEST_HARNESS_MAIN
