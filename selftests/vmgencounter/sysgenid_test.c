// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/sysgenid: a counter that everybody may map, and that moves after the reseed and
 * before anybody is woken. Fast device only.
 *
 * The guest is booted with vmgencounter.sysgenid=1, and with ftrace=function
 * ftrace_filter=crng_reseed, for the reseeds.
 */
#include <grp.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>

#include "vmgen_helpers.h"
#include "kselftest_harness.h"

#define NODE	"/dev/sysgenid"
#define DRIVER	"/sys/bus/platform/drivers/vmgencounter"
#define PARAMETER "/sys/module/vmgencounter/parameters/sysgenid"
#define NOBODY	65534

/* What AWS-LC maps; the kernel makes it a page. */
#define MAPPED	sizeof(uint32_t)

FIXTURE(sysgenid) {
	int fd;			/* acknowledges; has seen all that there was */
	const uint32_t *page;
	uint32_t before;
	char device[64];
	bool unbound;
};

static uint32_t load(const uint32_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_ACQUIRE);
}

static const uint32_t *map_counter(int fd)
{
	return mmap(NULL, MAPPED, PROT_READ, MAP_SHARED, fd, 0);
}

FIXTURE_SETUP(sysgenid)
{
	self->fd = open(NODE, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	ASSERT_LE(0, self->fd);
	self->page = map_counter(self->fd);
	ASSERT_NE(MAP_FAILED, self->page);
	self->before = load(self->page);
	device_name(self->device, sizeof(self->device));
	self->unbound = false;
}

FIXTURE_TEARDOWN(sysgenid)
{
	if (self->unbound)
		write_text(DRIVER "/bind", self->device);
	munmap((void *)self->page, MAPPED);
	close(self->fd);
}

static int take_away(FIXTURE_DATA(sysgenid) * self)
{
	self->unbound = true;
	return write_text(DRIVER "/unbind", self->device);
}

static int give_back(FIXTURE_DATA(sysgenid) * self)
{
	self->unbound = false;
	return write_text(DRIVER "/bind", self->device);
}

static int read_counter(int fd, uint32_t *counter)
{
	return read(fd, counter, sizeof(*counter)) == sizeof(*counter) ? 0 : errno;
}

static int acknowledge(int fd, uint32_t counter)
{
	return write(fd, &counter, sizeof(counter)) == sizeof(counter) ? 0 : errno;
}

/* As if the hypervisor had done it: both return when all has been done about it. */
static int change(void)
{
	return new_generation() ?: test_command("settle");
}

static int notify(void)
{
	return spurious_notify() ?: test_command("settle");
}

/* ---- who may ---- */

TEST_F(sysgenid, node_is_everybodys)
{
	struct stat st;
	char line[8];

	ASSERT_EQ(0, fstat(self->fd, &st));
	EXPECT_EQ(S_IFCHR | 0444, st.st_mode);
	EXPECT_EQ(0, st.st_uid);
	EXPECT_EQ(0, read_line(PARAMETER, line, sizeof(line)));
	EXPECT_STREQ("Y", line);
	ASSERT_EQ(0, stat(PARAMETER, &st));
	EXPECT_EQ(S_IFREG | 0444, st.st_mode);
}

/* As AWS-LC does it: stat(), open(), mmap() of four bytes, close(). */
TEST_F(sysgenid, nobody_may_map_and_read_it)
{
	const uint32_t *page;
	uint32_t counter;
	struct stat st;
	int fd;

	ASSERT_EQ(0, setgroups(0, NULL) | setgid(NOBODY) | setuid(NOBODY));
	EXPECT_EQ(-1, open(NODE, O_RDWR));
	EXPECT_EQ(EACCES, errno);
	ASSERT_EQ(0, stat(NODE, &st));
	fd = open(NODE, O_RDONLY | O_NONBLOCK);
	ASSERT_LE(0, fd);
	EXPECT_EQ(EAGAIN, read_counter(fd, &counter));
	EXPECT_EQ(EBADF, acknowledge(fd, self->before));
	page = map_counter(fd);
	ASSERT_NE(MAP_FAILED, page);
	close(fd);
	EXPECT_EQ(self->before, load(page));
}

/* ---- the page ---- */

TEST_F(sysgenid, nothing_else_is_in_the_page)
{
	size_t i;

	EXPECT_NE(0, self->page[0]);
	for (i = 1; i < getpagesize() / sizeof(uint32_t); i++)
		ASSERT_EQ(0, self->page[i]);
}

TEST_F(sysgenid, mapping_cannot_grow)
{
	const int size = getpagesize();
	void *page = (void *)self->page;

	EXPECT_EQ(-1, mprotect(page, size, PROT_READ | PROT_WRITE));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(-1, mprotect(page, size, PROT_READ | PROT_EXEC));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(MAP_FAILED, mremap(page, size, 2 * size, MREMAP_MAYMOVE));
	EXPECT_EQ(EFAULT, errno);
}

/* The way of debuggers, which may write to what the program itself may not. */
TEST_F(sysgenid, no_store_by_proc_mem)
{
	int mem = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	uint32_t forged = self->before + 100;

	ASSERT_LE(0, mem);
	EXPECT_EQ(-1, pwrite64(mem, &forged, sizeof(forged), (uintptr_t)self->page));
	EXPECT_EQ(self->before, load(self->page));
	close(mem);
}

FIXTURE(mapping) {
	int fd;
};

FIXTURE_VARIANT(mapping) {
	int open_flags;
	int prot;
	int map_flags;
	int pages;
	int first;		/* page, that is offset */
	int err;
};

#define READ_WRITE	(PROT_READ | PROT_WRITE)

FIXTURE_VARIANT_ADD(mapping, shared) {
	O_RDONLY, PROT_READ, MAP_SHARED, 1, 0, 0
};

FIXTURE_VARIANT_ADD(mapping, private) {
	O_RDONLY, PROT_READ, MAP_PRIVATE, 1, 0, 0
};

FIXTURE_VARIANT_ADD(mapping, populated) {
	O_RDWR, PROT_READ, MAP_SHARED | MAP_POPULATE, 1, 0, 0
};

FIXTURE_VARIANT_ADD(mapping, write_shared) {
	O_RDWR, READ_WRITE, MAP_SHARED, 1, 0, EROFS
};

FIXTURE_VARIANT_ADD(mapping, write_private) {
	O_RDONLY, READ_WRITE, MAP_PRIVATE, 1, 0, EROFS
};

FIXTURE_VARIANT_ADD(mapping, write_shared_rdonly) {
	O_RDONLY, READ_WRITE, MAP_SHARED, 1, 0, EACCES
};

FIXTURE_VARIANT_ADD(mapping, exec) {
	O_RDONLY, PROT_READ | PROT_EXEC, MAP_SHARED, 1, 0, EPERM
};

FIXTURE_VARIANT_ADD(mapping, none) {
	O_RDONLY, PROT_NONE, MAP_SHARED, 1, 0, EPERM
};

FIXTURE_VARIANT_ADD(mapping, two_pages) {
	O_RDONLY, PROT_READ, MAP_SHARED, 2, 0, EINVAL
};

FIXTURE_VARIANT_ADD(mapping, next_page) {
	O_RDONLY, PROT_READ, MAP_SHARED, 1, 1, EINVAL
};

FIXTURE_SETUP(mapping)
{
	self->fd = open(NODE, variant->open_flags | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(mapping)
{
	close(self->fd);
}

TEST_F(mapping, errno_says_why)
{
	const size_t page = getpagesize();
	void *at = mmap64(NULL, variant->pages * page, variant->prot, variant->map_flags,
			  self->fd, (off64_t)variant->first * page);

	if (variant->err) {
		EXPECT_EQ(MAP_FAILED, at);
		EXPECT_EQ(variant->err, errno);
		return;
	}
	ASSERT_NE(MAP_FAILED, at);
	EXPECT_NE(0, load(at));
	EXPECT_EQ(-1, mprotect(at, page, READ_WRITE));
	EXPECT_EQ(EACCES, errno);
	munmap(at, page);
}

/* ---- when the counter moves ---- */

TEST_F_TIMEOUT(sysgenid, moves_once_with_each_change, TEST_TIMEOUT)
{
	uint32_t i;

	for (i = 1; i <= 20; i++) {
		ASSERT_EQ(0, change());
		ASSERT_EQ(self->before + i, load(self->page));
	}
}

TEST_F_TIMEOUT(sysgenid, moves_with_the_notify, TEST_TIMEOUT)
{
	ASSERT_EQ(0, notify());
	EXPECT_EQ(self->before, load(self->page));
	ASSERT_EQ(0, test_command("set"));
	EXPECT_EQ(self->before, load(self->page));
	EXPECT_EQ(0, readiness(self->fd));
	ASSERT_EQ(0, notify());
	EXPECT_EQ(self->before + 1, load(self->page));
}

/* Neither the value before nor 0 comes after the last. */
TEST_F_TIMEOUT(sysgenid, overflow_leaves_out_zero, TEST_TIMEOUT)
{
	char poke[64];

	snprintf(poke, sizeof(poke), "poke %llx %x", (unsigned long long)(uintptr_t)self->page,
		 UINT32_MAX);
	ASSERT_EQ(0, test_command(poke));
	ASSERT_EQ(UINT32_MAX, load(self->page));
	ASSERT_EQ(0, change());
	EXPECT_EQ(1, load(self->page));
}

/* ---- the order ---- */

struct sleeper {
	struct waiter w;
	int cpu;
	const uint32_t *counter;
	uint32_t woken;			/* the counter just after the wake-up */
};

/* On the processor of who wakes it, such a thread runs before that one goes on. */
static void run_at_once(int cpu)
{
	struct sched_param first = { .sched_priority = 1 };
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) || sched_setscheduler(0, SCHED_FIFO, &first))
		abort();
}

static void *sleep_and_load(void *arg)
{
	struct sleeper *s = arg;

	run_at_once(s->cpu);
	__atomic_store_n(&s->w.tid, syscall(SYS_gettid), __ATOMIC_RELEASE);
	s->w.err = waiter_sleep(&s->w);
	s->woken = load(s->counter);
	return NULL;
}

static int sleeper_start(struct sleeper *s, enum waiter_kind kind)
{
	int err = waiter_open(&s->w, kind) ?: waiter_spawn(&s->w, sleep_and_load);

	if (err)
		return err;
	while (!__atomic_load_n(&s->w.tid, __ATOMIC_ACQUIRE))
		sched_yield();
	wait_asleep(s->w.tid);
	return 0;
}

TEST_F_TIMEOUT(sysgenid, has_moved_when_vmgencounter_wakes, TEST_TIMEOUT)
{
	struct sleeper s[WAITER_KINDS];
	int i, round;

	for (round = 1; round <= 20; round++) {
		for (i = 0; i < WAITER_KINDS; i++) {
			s[i].counter = self->page;
			s[i].cpu = round % get_nprocs();
			ASSERT_EQ(0, sleeper_start(&s[i], i));
		}
		ASSERT_EQ(0, change());
		for (i = 0; i < WAITER_KINDS; i++) {
			ASSERT_EQ(0, waiter_join(&s[i].w));
			ASSERT_EQ(self->before + round, s[i].woken)
				TH_LOG("%s", waiter_kind_name(i));
			waiter_close(&s[i].w);
		}
	}
}

struct spinner {
	const uint32_t *counter;
	int fd;				/* of /dev/vmgencounter */
	int rounds;
	int early;			/* the counter moved before the reseed */
	bool spins, stop;
};

/* Who sees the counter move may draw secrets. */
static void *spin(void *arg)
{
	struct spinner *s = arg;
	uint32_t last = load(s->counter), now;
	struct vmgencounter_info info;

	__atomic_store_n(&s->spins, true, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&s->stop, __ATOMIC_ACQUIRE)) {
		now = load(s->counter);
		if (now == last)
			continue;
		if (ioctl(s->fd, VMGENCOUNTER_GET_INFO, &info) || info.reseeded != info.changes)
			s->early++;
		last = now;
		__atomic_add_fetch(&s->rounds, 1, __ATOMIC_RELEASE);
	}
	return NULL;
}

TEST_F_TIMEOUT(sysgenid, generator_is_reseeded_when_it_moves, TEST_TIMEOUT)
{
	struct spinner s = { .counter = self->page };
	pthread_t thread;
	int i;

	s.fd = open(VMGEN_DEVICE, O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, s.fd);
	ASSERT_EQ(0, pthread_create(&thread, NULL, spin, &s));
	while (!__atomic_load_n(&s.spins, __ATOMIC_ACQUIRE))
		sched_yield();
	for (i = 0; i < 200; i++) {
		ASSERT_EQ(0, change());
		while (__atomic_load_n(&s.rounds, __ATOMIC_ACQUIRE) <= i)
			sched_yield();
	}
	__atomic_store_n(&s.stop, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	EXPECT_EQ(0, s.early);
	close(s.fd);
}

/* ---- read(), write(), poll() ---- */

TEST_F_TIMEOUT(sysgenid, outdated_until_acknowledged, TEST_TIMEOUT)
{
	uint32_t counter, i;

	EXPECT_EQ(0, readiness(self->fd));
	EXPECT_EQ(EAGAIN, read_counter(self->fd, &counter));
	EXPECT_EQ(0, acknowledge(self->fd, self->before));
	ASSERT_EQ(0, change());
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(READABLE, readiness(self->fd));
		EXPECT_EQ(0, read_counter(self->fd, &counter));
		EXPECT_EQ(self->before + 1, counter);
		/* Any but the current one. */
		EXPECT_EQ(EINVAL, acknowledge(self->fd, self->before + 2 * i));
	}
	EXPECT_EQ(0, acknowledge(self->fd, counter));
	EXPECT_EQ(0, readiness(self->fd));
	EXPECT_EQ(EAGAIN, read_counter(self->fd, &counter));
}

/* A program that may not write opens the node once more. */
TEST_F_TIMEOUT(sysgenid, a_fresh_file_is_up_to_date, TEST_TIMEOUT)
{
	uint32_t counter;
	int fd;

	ASSERT_EQ(0, change());
	fd = open(NODE, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, readiness(fd));
	EXPECT_EQ(EAGAIN, read_counter(fd, &counter));
	ASSERT_EQ(0, change());
	EXPECT_EQ(READABLE, readiness(fd));
	close(fd);
}

TEST_F_TIMEOUT(sysgenid, sizes_and_addresses, TEST_TIMEOUT)
{
	uint32_t buf[2] = { 0, 0xa5a5a5a5 };
	void *bad = page_edge(2, PAGE_MISSING);

	ASSERT_EQ(0, change());
	EXPECT_EQ(-1, read(self->fd, buf, 3));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(4, read(self->fd, buf, sizeof(buf)));
	EXPECT_EQ(0xa5a5a5a5, buf[1]);
	EXPECT_EQ(-1, read(self->fd, bad, 4));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, write(self->fd, buf, 3));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, write(self->fd, buf, 8));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, write(self->fd, bad, 4));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, pread(self->fd, buf, 4, 0));
	EXPECT_EQ(ESPIPE, errno);
	EXPECT_EQ(READABLE, readiness(self->fd));
}

/* SysGenID's, by which one process moves the counter or waits for others; and ours. */
TEST_F(sysgenid, there_are_no_ioctls)
{
	uint32_t nr;

	for (nr = 0; nr < 8; nr++)
		EXPECT_TRUE(is_refused(self->fd, _IO(0xe4, nr)));
	EXPECT_TRUE(is_refused(self->fd, VMGENCOUNTER_GET_INFO));
	EXPECT_TRUE(is_refused(self->fd, IOCTL_VMGENCOUNTER_READ));
	EXPECT_EQ(self->before, load(self->page));
}

/* ---- sleepers ---- */

struct reader {
	pthread_t thread;
	pid_t tid;
	int fd;
	bool polls;		/* before it reads */
	int err;
	uint32_t counter;
};

static void *read_once(void *arg)
{
	struct reader *r = arg;
	struct pollfd p = { .fd = r->fd, .events = POLLIN };

	catch_sigusr1(false);
	__atomic_store_n(&r->tid, syscall(SYS_gettid), __ATOMIC_RELEASE);
	r->err = r->polls && poll(&p, 1, -1) < 0 ? errno : read_counter(r->fd, &r->counter);
	return NULL;
}

static int reader_start(struct reader *r, bool polls)
{
	*r = (struct reader) { .polls = polls };
	r->fd = open(NODE, O_RDONLY | O_CLOEXEC);
	if (r->fd < 0 || pthread_create(&r->thread, NULL, read_once, r))
		return errno;
	while (!__atomic_load_n(&r->tid, __ATOMIC_ACQUIRE))
		sched_yield();
	wait_asleep(r->tid);
	return 0;
}

static int reader_join(struct reader *r)
{
	pthread_join(r->thread, NULL);
	close(r->fd);
	return r->err;
}

TEST_F_TIMEOUT(sysgenid, wakes_all_who_read_and_poll, TEST_TIMEOUT)
{
	struct reader r[8];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(r); i++)
		ASSERT_EQ(0, reader_start(&r[i], i % 2));
	ASSERT_EQ(0, notify());
	for (i = 0; i < ARRAY_SIZE(r); i++)
		EXPECT_TRUE(is_asleep(r[i].tid));
	ASSERT_EQ(0, change());
	for (i = 0; i < ARRAY_SIZE(r); i++) {
		EXPECT_EQ(0, reader_join(&r[i]));
		EXPECT_EQ(self->before + 1, r[i].counter);
	}
}

TEST_F_TIMEOUT(sysgenid, wakes_epoll_at_each_edge, TEST_TIMEOUT)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET };
	int epfd = epoll_create1(EPOLL_CLOEXEC);
	int i;

	ASSERT_EQ(0, epoll_ctl(epfd, EPOLL_CTL_ADD, self->fd, &ev));
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, epoll_wait(epfd, &ev, 1, 0));
		ASSERT_EQ(0, change());
		ASSERT_EQ(1, epoll_wait(epfd, &ev, 1, -1));
		EXPECT_EQ(EPOLLIN, ev.events);
	}
	close(epfd);
}

TEST_F_TIMEOUT(sysgenid, signal_ends_the_wait, TEST_TIMEOUT)
{
	struct reader r;

	ASSERT_EQ(0, reader_start(&r, false));
	ASSERT_EQ(0, pthread_kill(r.thread, SIGUSR1));
	EXPECT_EQ(EINTR, reader_join(&r));
	EXPECT_EQ(self->before, load(self->page));
}

/* The child sees the page move, and acknowledges for both: they share the open file. */
static int child_acknowledges(FIXTURE_DATA(sysgenid) * self, int go)
{
	uint32_t counter;
	char c;

	if (read(go, &c, 1) != 1 || load(self->page) != self->before + 1)
		return 1;
	return read_counter(self->fd, &counter) || acknowledge(self->fd, counter);
}

TEST_F_TIMEOUT(sysgenid, a_fork_shares_page_and_file, TEST_TIMEOUT)
{
	int go[2], status;
	pid_t child;

	ASSERT_EQ(0, pipe(go));
	child = fork();
	ASSERT_LE(0, child);
	if (!child)
		_exit(child_acknowledges(self, go[0]));
	ASSERT_EQ(0, change());
	EXPECT_EQ(READABLE, readiness(self->fd));
	ASSERT_EQ(1, write(go[1], "", 1));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, readiness(self->fd));
}

/* ---- sleep of the machine ---- */

#define TRACING	"/sys/kernel/tracing"

static int reseeds(void)
{
	FILE *trace = fopen(TRACING "/trace", "r");
	char line[1024];
	int n = 0;

	while (trace && fgets(line, sizeof(line), trace))
		n += !!strstr(line, "crng_reseed <-random_ioctl");
	if (trace)
		fclose(trace);
	return n;
}

/* As far as the devices. */
static int sleep_a_little(const char *state)
{
	return write_text("/sys/module/suspend/parameters/pm_test_delay", "0") ?:
	       write_text("/sys/power/pm_test", "devices") ?:
	       write_text("/sys/power/state", state) ?:
	       write_text("/sys/power/pm_test", "none");
}

static unsigned long long seen_changes(void)
{
	char line[64];

	return read_line(VMGEN_SYSFS "/changes", line, sizeof(line)) ? -1 : atoll(line);
}

FIXTURE(asleep) {
	const uint32_t *page;
	uint32_t before;
	unsigned long long changes;
	int reseeds;
};

FIXTURE_VARIANT(asleep) {
	const char *state;
};

FIXTURE_VARIANT_ADD(asleep, suspend) {
	.state = "freeze",
};

/* Devices are thawed again after the image would have been made. */
FIXTURE_VARIANT_ADD(asleep, hibernate) {
	.state = "disk",
};

FIXTURE_SETUP(asleep)
{
	int fd = open(NODE, O_RDONLY | O_CLOEXEC);

	self->page = map_counter(fd);
	ASSERT_NE(MAP_FAILED, self->page);
	close(fd);
	self->before = load(self->page);
	self->changes = seen_changes();
	self->reseeds = reseeds();
}

FIXTURE_TEARDOWN(asleep)
{
	munmap((void *)self->page, MAPPED);
}

/* The hypervisor may have kept the ID for a clone. */
TEST_F_TIMEOUT(asleep, moves_though_the_id_is_the_same, TEST_TIMEOUT)
{
	ASSERT_EQ(0, sleep_a_little(variant->state));
	EXPECT_EQ(self->before + 1, load(self->page));
	EXPECT_EQ(self->changes, seen_changes());
	EXPECT_EQ(self->reseeds + 1, reseeds());
}

TEST_F_TIMEOUT(asleep, moves_once_for_a_change, TEST_TIMEOUT)
{
	ASSERT_EQ(0, test_command("set"));
	ASSERT_EQ(0, sleep_a_little(variant->state));
	EXPECT_EQ(self->before + 1, load(self->page));
	EXPECT_EQ(self->changes + 1, seen_changes());
	EXPECT_EQ(self->reseeds + 1, reseeds());
	/* The Notify of that change comes late, and is none. */
	ASSERT_EQ(0, notify());
	EXPECT_EQ(self->before + 1, load(self->page));
}

TEST_F_TIMEOUT(asleep, who_sleeps_is_woken, TEST_TIMEOUT)
{
	struct reader r[2];
	int i;

	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, reader_start(&r[i], i));
	ASSERT_EQ(0, sleep_a_little(variant->state));
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(0, reader_join(&r[i]));
		EXPECT_EQ(self->before + 1, r[i].counter);
	}
}

/* ---- the device goes, and comes back ---- */

TEST_F_TIMEOUT(sysgenid, says_enodev_without_a_device, TEST_TIMEOUT)
{
	struct reader r[2];
	uint32_t counter;
	int i;

	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, reader_start(&r[i], i));
	ASSERT_EQ(0, take_away(self));
	for (i = 0; i < 2; i++)
		EXPECT_EQ(ENODEV, reader_join(&r[i]));
	EXPECT_EQ(-1, access(NODE, F_OK));
	EXPECT_EQ(POLLHUP | POLLERR, readiness(self->fd));
	EXPECT_EQ(ENODEV, read_counter(self->fd, &counter));
	EXPECT_EQ(ENODEV, acknowledge(self->fd, self->before));
	EXPECT_EQ(MAP_FAILED, map_counter(self->fd));
	EXPECT_EQ(ENODEV, errno);
	/* What is mapped stays as it is. */
	EXPECT_EQ(self->before, load(self->page));
	EXPECT_EQ(0, give_back(self));
}

TEST_F_TIMEOUT(sysgenid, no_value_comes_twice, TEST_TIMEOUT)
{
	uint32_t counter = 0, i;

	for (i = 1; i <= 20; i++) {
		ASSERT_EQ(0, take_away(self));
		/* Nobody sees this one, nor is it the reason to move. */
		if (i % 2)
			ASSERT_EQ(0, change());
		ASSERT_EQ(self->before + i - 1, load(self->page));
		ASSERT_EQ(0, give_back(self));
		ASSERT_EQ(self->before + i, load(self->page));
	}
	/* The file works again, and knows that it is outdated. */
	EXPECT_EQ(READABLE, readiness(self->fd));
	EXPECT_EQ(0, read_counter(self->fd, &counter));
	EXPECT_EQ(self->before + 20, counter);
	EXPECT_EQ(0, acknowledge(self->fd, counter));
	ASSERT_EQ(0, change());
	EXPECT_EQ(READABLE, readiness(self->fd));
}

/* Open, use and close as fast as it goes while the device comes and goes. */
static void *open_and_use(void *arg)
{
	const bool *stop = arg;
	const uint32_t *page;
	uint32_t counter;
	int fd;

	while (!__atomic_load_n(stop, __ATOMIC_RELAXED)) {
		fd = open(NODE, O_RDWR | O_CLOEXEC | O_NONBLOCK);
		if (fd < 0)
			continue;
		read_counter(fd, &counter);
		acknowledge(fd, 1);
		readiness(fd);
		page = map_counter(fd);
		close(fd);
		if (page != MAP_FAILED && load(page))
			munmap((void *)page, MAPPED);
	}
	return NULL;
}

TEST_F_TIMEOUT(sysgenid, races_with_open, TEST_TIMEOUT)
{
	const int times = rounds(100);
	pthread_t user[4];
	bool stop = false;
	int i;

	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, pthread_create(&user[i], NULL, open_and_use, &stop));
	for (i = 0; i < times; i++) {
		ASSERT_EQ(0, take_away(self));
		ASSERT_EQ(0, give_back(self));
		ASSERT_EQ(0, change());
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < 4; i++)
		pthread_join(user[i], NULL);
	EXPECT_EQ(self->before + 2 * times, load(self->page));
}

static int delete_module(void)
{
	return syscall(SYS_delete_module, "vmgencounter", O_NONBLOCK) ? errno : 0;
}

TEST_F_TIMEOUT(sysgenid, mapping_pins_the_module, TEST_TIMEOUT)
{
	close(self->fd);
	ASSERT_EQ(0, take_away(self));
	EXPECT_EQ(EAGAIN, delete_module());
	ASSERT_EQ(0, give_back(self));
	munmap((void *)self->page, MAPPED);
	ASSERT_EQ(0, delete_module());
	EXPECT_EQ(-1, access(NODE, F_OK));

	/* Without the parameter there is no node, and with it the counter starts anew. */
	ASSERT_EQ(0, system("/sbin/modprobe vmgencounter sysgenid=0"));
	EXPECT_EQ(0, access(VMGEN_DEVICE, F_OK));
	EXPECT_EQ(-1, access(NODE, F_OK));
	ASSERT_EQ(0, delete_module());
	ASSERT_EQ(0, system("/sbin/modprobe vmgencounter sysgenid=1"));
	self->fd = open(NODE, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	ASSERT_LE(0, self->fd);
	self->page = map_counter(self->fd);
	ASSERT_NE(MAP_FAILED, self->page);
	EXPECT_EQ(1, load(self->page));
}

TEST_HARNESS_MAIN
