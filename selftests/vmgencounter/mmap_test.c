// SPDX-License-Identifier: GPL-2.0-only
/*
 * mmap(): the firmware's page itself, live, read-only for ever, and nothing
 * beside it.
 */
#include <endian.h>
#include <sys/wait.h>

#include "vmgen_helpers.h"
#include "kselftest_harness.h"

static struct vm_gencounter load_id(const char *page, uint32_t offset)
{
	struct vm_gencounter id;

	/* From memory, not from what the compiler remembers of it. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	memcpy(&id, page + offset, ID_SIZE);
	id.generation_count = le64toh(id.generation_count);
	id.generation_count_high = le64toh(id.generation_count_high);
	return id;
}

/* The ID in a mapping: a change can come between the loads of its halves. */
static struct vm_gencounter mapped_id(const char *page, uint32_t offset)
{
	struct vm_gencounter id, again = load_id(page, offset);

	do {
		id = again;
		again = load_id(page, offset);
	} while (!same_id(&id, &again));
	return id;
}

static void *map_page(int fd)
{
	return mmap(NULL, getpagesize(), PROT_READ, MAP_SHARED, fd, 0);
}

FIXTURE(vmgen) {
	int fd;
	struct vmgencounter_info info;
	char *page;
};

FIXTURE_SETUP(vmgen)
{
	self->fd = open(VMGEN_DEVICE, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, ioctl(self->fd, VMGENCOUNTER_GET_INFO, &self->info));
	self->page = map_page(self->fd);
	ASSERT_NE(MAP_FAILED, self->page);
}

FIXTURE_TEARDOWN(vmgen)
{
	munmap(self->page, getpagesize());
	close(self->fd);
}

static bool shows(FIXTURE_DATA(vmgen) * self, const struct vm_gencounter *id)
{
	struct vm_gencounter mapped = mapped_id(self->page, self->info.offset);

	return same_id(&mapped, id);
}

TEST_F_TIMEOUT(vmgen, shows_the_id, TEST_TIMEOUT)
{
	struct vm_gencounter id;

	EXPECT_TRUE(self->info.flags & VMGENCOUNTER_MMAP);
	/* Where QEMU and the SSDT put it. */
	EXPECT_EQ(fast_device() ? 0x30 : 0x28, self->info.offset);
	EXPECT_TRUE(shows(self, &self->info.id));
	ASSERT_EQ(0, current_id(self->fd, &id));
	EXPECT_TRUE(shows(self, &id));
}

TEST_F_TIMEOUT(vmgen, looking_is_not_delivery, TEST_TIMEOUT)
{
	ASSERT_TRUE(shows(self, &self->info.id));
	EXPECT_EQ(POLLIN | POLLRDNORM, readiness(self->fd));
}

/* ---- a change ---- */

struct spinner {
	const char *page;
	uint32_t offset;
	struct vm_gencounter old, seen;
	bool spins, stop;
};

/*
 * No system call from the first load to the last. @stop is read before the ID:
 * whoever sets it after a change still gets a load of the ID after that change.
 */
static void *spin(void *arg)
{
	struct spinner *s = arg;
	bool stop;

	do {
		stop = __atomic_load_n(&s->stop, __ATOMIC_ACQUIRE);
		s->seen = mapped_id(s->page, s->offset);
		__atomic_store_n(&s->spins, true, __ATOMIC_RELEASE);
	} while (same_id(&s->seen, &s->old) && !stop);
	return NULL;
}

TEST_F_TIMEOUT(vmgen, a_load_sees_the_change, TEST_TIMEOUT)
{
	struct spinner s = {
		.page = self->page,
		.offset = self->info.offset,
		.old = self->info.id,
	};
	struct vm_gencounter id;
	pthread_t thread;

	ASSERT_EQ(0, pthread_create(&thread, NULL, spin, &s));
	while (!__atomic_load_n(&s.spins, __ATOMIC_ACQUIRE))
		sched_yield();
	ASSERT_EQ(0, new_generation());
	__atomic_store_n(&s.stop, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);

	ASSERT_EQ(0, current_id(self->fd, &id));
	EXPECT_FALSE(same_id(&s.old, &id));
	EXPECT_TRUE(same_id(&s.seen, &id));
}

/* A child with the mapping alone: tells through @out what it sees when told to look. */
static void child_looks(FIXTURE_DATA(vmgen) * self, int in, int out)
{
	struct vm_gencounter id;
	char go;

	close(self->fd);
	if (read(in, &go, 1) != 1)
		_exit(1);
	id = mapped_id(self->page, self->info.offset);
	_exit(write(out, &id, ID_SIZE) != (ssize_t)ID_SIZE);
}

TEST_F_TIMEOUT(vmgen, survives_close_and_fork, TEST_TIMEOUT)
{
	struct vm_gencounter id, forked;
	int go[2], result[2], status;
	pid_t child;

	ASSERT_EQ(0, pipe(go));
	ASSERT_EQ(0, pipe(result));
	child = fork();
	ASSERT_LE(0, child);
	if (!child)
		child_looks(self, go[0], result[1]);
	close(self->fd);
	close(result[1]);

	ASSERT_EQ(0, new_generation());
	ASSERT_EQ(1, write(go[1], "", 1));
	EXPECT_EQ(ID_SIZE, read(result[0], &forked, ID_SIZE));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);

	self->fd = open(VMGEN_DEVICE, O_RDWR | O_CLOEXEC);
	ASSERT_EQ(0, current_id(self->fd, &id));
	EXPECT_FALSE(same_id(&self->info.id, &id));
	EXPECT_TRUE(shows(self, &id));
	EXPECT_TRUE(same_id(&forked, &id));
}

/* ---- it stays as it is ---- */

TEST_F_TIMEOUT(vmgen, protection_cannot_grow, TEST_TIMEOUT)
{
	const int size = getpagesize();

	EXPECT_EQ(-1, mprotect(self->page, size, PROT_READ | PROT_WRITE));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(-1, mprotect(self->page, size, PROT_WRITE));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(-1, mprotect(self->page, size, PROT_READ | PROT_EXEC));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(-1, mprotect(self->page, size, PROT_EXEC));
	EXPECT_EQ(EACCES, errno);
	/* Less is allowed, and the way back from it. */
	EXPECT_EQ(0, mprotect(self->page, size, PROT_NONE));
	EXPECT_EQ(0, mprotect(self->page, size, PROT_READ));
	EXPECT_TRUE(shows(self, &self->info.id));
}

TEST_F_TIMEOUT(vmgen, private_protection_cannot_grow, TEST_TIMEOUT)
{
	const int size = getpagesize();
	char *page = mmap(NULL, size, PROT_READ, MAP_PRIVATE, self->fd, 0);

	ASSERT_NE(MAP_FAILED, page);
	EXPECT_EQ(-1, mprotect(page, size, PROT_READ | PROT_WRITE));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(-1, mprotect(page, size, PROT_READ | PROT_EXEC));
	EXPECT_EQ(EACCES, errno);
	munmap(page, size);
}

TEST_F_TIMEOUT(vmgen, size_cannot_grow, TEST_TIMEOUT)
{
	const int size = getpagesize();

	EXPECT_EQ(MAP_FAILED, mremap(self->page, size, 2 * size, MREMAP_MAYMOVE));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(MAP_FAILED, mremap(self->page, size, 2 * size, 0));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_TRUE(shows(self, &self->info.id));
}

TEST_F_TIMEOUT(vmgen, can_move, TEST_TIMEOUT)
{
	const int size = getpagesize();
	char *there = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, there);
	ASSERT_EQ(there, mremap(self->page, size, size,
				MREMAP_MAYMOVE | MREMAP_FIXED, there));
	self->page = there;
	EXPECT_TRUE(shows(self, &self->info.id));
}

TEST_F_TIMEOUT(vmgen, a_store_faults, TEST_TIMEOUT)
{
	pid_t child = fork();
	int status;

	ASSERT_LE(0, child);
	if (!child) {
		__atomic_store_n(self->page + self->info.offset, 1, __ATOMIC_RELAXED);
		_exit(0);
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	ASSERT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(SIGSEGV, WTERMSIG(status));
	EXPECT_TRUE(shows(self, &self->info.id));
}

/* The way of debuggers, which may write to what the program itself may not. */
TEST_F_TIMEOUT(vmgen, no_store_by_proc_mem, TEST_TIMEOUT)
{
	struct vm_gencounter forged = self->info.id;
	int mem = open("/proc/self/mem", O_RDWR | O_CLOEXEC);

	ASSERT_LE(0, mem);
	forged.generation_count ^= 1;
	EXPECT_EQ(-1, pwrite64(mem, &forged, ID_SIZE,
			       (uintptr_t)self->page + self->info.offset));
	EXPECT_TRUE(shows(self, &self->info.id));
	close(mem);
}

/* ---- what may be mapped ---- */

FIXTURE(accepted) {
	int fd;
};

FIXTURE_VARIANT(accepted) {
	int open_flags;
	int map_flags;
	size_t size;		/* 0: a page */
};

FIXTURE_VARIANT_ADD(accepted, shared) {
	.open_flags = O_RDWR,
	.map_flags = MAP_SHARED,
};

FIXTURE_VARIANT_ADD(accepted, shared_rdonly) {
	.open_flags = O_RDONLY,
	.map_flags = MAP_SHARED,
};

FIXTURE_VARIANT_ADD(accepted, private) {
	.open_flags = O_RDWR,
	.map_flags = MAP_PRIVATE,
};

FIXTURE_VARIANT_ADD(accepted, private_rdonly) {
	.open_flags = O_RDONLY,
	.map_flags = MAP_PRIVATE,
};

FIXTURE_VARIANT_ADD(accepted, validated) {
	.open_flags = O_RDONLY,
	.map_flags = MAP_SHARED_VALIDATE,
};

/* As programs that watch such a page do: the kernel makes it a page. */
FIXTURE_VARIANT_ADD(accepted, four_bytes) {
	.open_flags = O_RDONLY,
	.map_flags = MAP_SHARED,
	.size = 4,
};

FIXTURE_VARIANT_ADD(accepted, populated) {
	.open_flags = O_RDONLY,
	.map_flags = MAP_SHARED | MAP_POPULATE,
};

FIXTURE_SETUP(accepted)
{
	self->fd = open(VMGEN_DEVICE, variant->open_flags | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(accepted)
{
	close(self->fd);
}

TEST_F_TIMEOUT(accepted, shows_the_id, TEST_TIMEOUT)
{
	const size_t size = variant->size ?: (size_t)getpagesize();
	struct vmgencounter_info info;
	struct vm_gencounter id;
	char *page;

	ASSERT_EQ(0, ioctl(self->fd, VMGENCOUNTER_GET_INFO, &info));
	page = mmap(NULL, size, PROT_READ, variant->map_flags, self->fd, 0);
	ASSERT_NE(MAP_FAILED, page);
	id = mapped_id(page, info.offset);
	EXPECT_TRUE(same_id(&info.id, &id));
	munmap(page, size);
}

FIXTURE(refused) {
	int fd;
};

FIXTURE_VARIANT(refused) {
	int open_flags;
	int prot;
	int map_flags;
	int pages;
	int first;		/* page, that is offset */
	int err;
};

#define READ_WRITE	(PROT_READ | PROT_WRITE)
#define READ_EXEC	(PROT_READ | PROT_EXEC)

/* A writable page, even a private copy of it, would not be the firmware's. */
FIXTURE_VARIANT_ADD(refused, write_shared) {
	O_RDWR, READ_WRITE, MAP_SHARED, 1, 0, EROFS
};

FIXTURE_VARIANT_ADD(refused, write_private) {
	O_RDWR, READ_WRITE, MAP_PRIVATE, 1, 0, EROFS
};

FIXTURE_VARIANT_ADD(refused, write_private_rdonly) {
	O_RDONLY, READ_WRITE, MAP_PRIVATE, 1, 0, EROFS
};

FIXTURE_VARIANT_ADD(refused, write_only) {
	O_RDWR, PROT_WRITE, MAP_SHARED, 1, 0, EROFS
};

FIXTURE_VARIANT_ADD(refused, write_exec) {
	O_RDWR, PROT_WRITE | PROT_EXEC, MAP_SHARED, 1, 0, EROFS
};

FIXTURE_VARIANT_ADD(refused, write_shared_rdonly) {
	O_RDONLY, READ_WRITE, MAP_SHARED, 1, 0, EACCES
};

FIXTURE_VARIANT_ADD(refused, opened_to_write) {
	O_WRONLY, PROT_READ, MAP_SHARED, 1, 0, EACCES
};

FIXTURE_VARIANT_ADD(refused, opened_to_write_private) {
	O_WRONLY, PROT_READ, MAP_PRIVATE, 1, 0, EACCES
};

FIXTURE_VARIANT_ADD(refused, read_exec) {
	O_RDWR, READ_EXEC, MAP_SHARED, 1, 0, EPERM
};

FIXTURE_VARIANT_ADD(refused, read_exec_private) {
	O_RDONLY, READ_EXEC, MAP_PRIVATE, 1, 0, EPERM
};

FIXTURE_VARIANT_ADD(refused, exec_only) {
	O_RDWR, PROT_EXEC, MAP_SHARED, 1, 0, EPERM
};

FIXTURE_VARIANT_ADD(refused, none) {
	O_RDWR, PROT_NONE, MAP_SHARED, 1, 0, EPERM
};

/* The neighbours of the page are not ours to show. */
FIXTURE_VARIANT_ADD(refused, two_pages) {
	O_RDWR, PROT_READ, MAP_SHARED, 2, 0, EINVAL
};

FIXTURE_VARIANT_ADD(refused, many_pages) {
	O_RDWR, PROT_READ, MAP_SHARED, 512, 0, EINVAL
};

FIXTURE_VARIANT_ADD(refused, next_page) {
	O_RDWR, PROT_READ, MAP_SHARED, 1, 1, EINVAL
};

FIXTURE_VARIANT_ADD(refused, far_page) {
	O_RDWR, PROT_READ, MAP_SHARED, 1, 0x40000, EINVAL
};

FIXTURE_SETUP(refused)
{
	self->fd = open(VMGEN_DEVICE, variant->open_flags | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(refused)
{
	close(self->fd);
}

TEST_F_TIMEOUT(refused, errno_says_why, TEST_TIMEOUT)
{
	const size_t page = getpagesize();

	EXPECT_EQ(MAP_FAILED, mmap64(NULL, variant->pages * page, variant->prot,
				     variant->map_flags, self->fd,
				     (off64_t)variant->first * page));
	EXPECT_EQ(variant->err, errno);
}

TEST_HARNESS_MAIN
