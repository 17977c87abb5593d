// SPDX-License-Identifier: GPL-2.0-only
/*
 * Invalidated blocks: who is told of them, once and completely, and that a driver
 * of the function, which hv_pci tells instead of us, never loses its place to us.
 */
#include <glob.h>
#include <limits.h>
#include <linux/userfaultfd.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/syscall.h>

#include "vpci_helpers.h"
#include "kselftest_harness.h"

#define DRIVERS	"/sys/bus/pci/drivers"
#define PARAM	"/sys/module/vpci_driver/parameters"
#define GONE	(POLLHUP | POLLERR)

FIXTURE(invalid) {
	int fd;
	uint64_t mask;
	struct devioctl_request req;
	struct host_counters before;
};

FIXTURE_SETUP(invalid)
{
	ASSERT_EQ(0, write_text(PARAM "/hold", "0"));
	ASSERT_EQ(0, write_text(PARAM "/probe_error", "0"));
	ASSERT_EQ(0, reset_host());
	self->fd = open_node("00.0", O_RDWR);
	ASSERT_LE(0, self->fd);
	self->before = host_counters();
	self->mask = 0xa5a5;
}

FIXTURE_TEARDOWN(invalid)
{
	if (self->fd >= 0)
		close(self->fd);
	EXPECT_EQ(self->before.errors, host_counters().errors);
	EXPECT_EQ(self->before.requests, host_counters().requests);
}

static int take(FIXTURE_DATA(invalid) * self)
{
	return call(self->fd, IOCTL_VPCI_INVALIDATE_BLOCK, &self->req, NULL, 0, &self->mask,
		    sizeof(self->mask));
}

static int take_now(FIXTURE_DATA(invalid) * self)
{
	int err = fcntl(self->fd, F_SETFL, O_RDWR | O_NONBLOCK) ? errno : take(self);

	fcntl(self->fd, F_SETFL, O_RDWR);
	return err;
}

/* ---- what is told ---- */

TEST_F_TIMEOUT(invalid, none_at_first, TEST_TIMEOUT)
{
	EXPECT_EQ(0, readiness(self->fd));
	EXPECT_RESULT(EAGAIN, 0, take_now(self), &self->req);
	EXPECT_EQ(0xa5a5, self->mask);
}

TEST_F_TIMEOUT(invalid, each_is_told_once, TEST_TIMEOUT)
{
	int bit;

	for (bit = 0; bit < 64; bit++) {
		ASSERT_EQ(0, host("invalidate 00.0 %llx", 1ULL << bit));
		EXPECT_RESULT(0, 8, take(self), &self->req);
		EXPECT_EQ(1ULL << bit, self->mask);
		EXPECT_EQ(0, readiness(self->fd));
		EXPECT_EQ(EAGAIN, take_now(self));
	}
}

TEST_F_TIMEOUT(invalid, they_add_up, TEST_TIMEOUT)
{
	ASSERT_EQ(0, host("invalidate 00.0 1"));
	ASSERT_EQ(0, host("invalidate 00.0 8000000000000000"));
	ASSERT_EQ(0, host("invalidate 00.0 3"));
	EXPECT_RESULT(0, 8, take(self), &self->req);
	EXPECT_EQ(0x8000000000000003, self->mask);
	EXPECT_EQ(EAGAIN, take_now(self));
	ASSERT_EQ(0, host("invalidate 00.0 %llx", ~0ULL));
	EXPECT_EQ(0, take(self));
	EXPECT_EQ(~0ULL, self->mask);
}

/* An invalidation of no block is none. */
TEST_F_TIMEOUT(invalid, empty_mask, TEST_TIMEOUT)
{
	ASSERT_EQ(0, host("invalidate 00.0 0"));
	EXPECT_EQ(0, readiness(self->fd));
	EXPECT_RESULT(EAGAIN, 0, take_now(self), &self->req);
}

TEST_F_TIMEOUT(invalid, every_open_file_is_told, TEST_TIMEOUT)
{
	uint64_t mask = 0;
	int other = open_node("00.0", O_RDWR);
	int late, copy;

	ASSERT_LE(0, other);
	copy = dup(other);
	ASSERT_EQ(0, host("invalidate 00.0 5"));
	late = open_node("00.0", O_RDWR | O_NONBLOCK);
	EXPECT_EQ(0, take(self));
	EXPECT_EQ(5, self->mask);
	EXPECT_EQ(READABLE, readiness(other));
	EXPECT_EQ(0, invalid_blocks(other, &mask));
	EXPECT_EQ(5, mask);
	/* The same open file, and one that was opened after it. */
	EXPECT_EQ(0, readiness(copy));
	EXPECT_EQ(EAGAIN, invalid_blocks(late, &mask));
	close(copy);
	close(other);
	close(late);
	ASSERT_EQ(0, host("invalidate 00.0 9"));
	EXPECT_EQ(0, take(self));
	EXPECT_EQ(9, self->mask);
}

TEST_F_TIMEOUT(invalid, of_its_own_function, TEST_TIMEOUT)
{
	uint64_t mask = 0;
	int other;

	ASSERT_EQ(0, host("add 01.0"));
	other = open_node("01.0", O_RDWR | O_NONBLOCK);
	ASSERT_LE(0, other);
	ASSERT_EQ(0, host("invalidate 00.0 1"));
	EXPECT_EQ(EAGAIN, invalid_blocks(other, &mask));
	ASSERT_EQ(0, host("invalidate 01.0 2"));
	EXPECT_EQ(0, invalid_blocks(other, &mask));
	EXPECT_EQ(2, mask);
	EXPECT_EQ(0, take(self));
	EXPECT_EQ(1, self->mask);
	close(other);
}

/* With nobody there, nothing is kept for whoever comes. */
TEST_F_TIMEOUT(invalid, nobody_is_there, TEST_TIMEOUT)
{
	close(self->fd);
	ASSERT_EQ(0, host("invalidate 00.0 1"));
	self->fd = open_node("00.0", O_RDWR);
	EXPECT_EQ(EAGAIN, take_now(self));
	ASSERT_EQ(0, host("invalidate 00.0 2"));
	EXPECT_EQ(0, take(self));
	EXPECT_EQ(2, self->mask);
}

/* ---- waiting ---- */

TEST_F_TIMEOUT(invalid, waits, TEST_TIMEOUT)
{
	struct caller c;

	ASSERT_EQ(0, start_invalidate(&c, self->fd, false));
	EXPECT_TRUE(is_waiting(&c));
	ASSERT_EQ(0, host("invalidate 00.0 10"));
	EXPECT_RESULT(0, 8, join_caller(&c), &c.req);
	EXPECT_EQ(0x10, *(uint64_t *)c.out);
	EXPECT_TRUE(all_a5(c.out + 8, c.out + sizeof(c.out)));
	EXPECT_EQ(0, readiness(self->fd));
}

TEST_F_TIMEOUT(invalid, signal_ends_the_wait, TEST_TIMEOUT)
{
	struct caller c;

	ASSERT_EQ(0, start_invalidate(&c, self->fd, false));
	interrupt_caller(&c);
	EXPECT_EQ(EINTR, join_caller(&c));
	EXPECT_EQ(UNTOUCHED, c.req.status);
	EXPECT_EQ(UNTOUCHED, c.req.information);
	EXPECT_TRUE(all_a5(c.out, c.out + sizeof(c.out)));
	ASSERT_EQ(0, host("invalidate 00.0 1"));
	EXPECT_EQ(0, take(self));
	EXPECT_EQ(1, self->mask);
}

TEST_F_TIMEOUT(invalid, wait_is_restarted, TEST_TIMEOUT)
{
	struct caller c;

	ASSERT_EQ(0, start_invalidate(&c, self->fd, true));
	interrupt_caller(&c);
	wait_asleep(c.tid);
	EXPECT_TRUE(is_waiting(&c));
	ASSERT_EQ(0, host("invalidate 00.0 1"));
	EXPECT_RESULT(0, 8, join_caller(&c), &c.req);
	EXPECT_EQ(1, *(uint64_t *)c.out);
}

/* Those who share an open file: one or more of them are told of each block. */
TEST_F_TIMEOUT(invalid, sharers_get_each_block, TEST_TIMEOUT)
{
	struct caller c[4];
	uint64_t all = 0;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(c); i++)
		ASSERT_EQ(0, start_invalidate(&c[i], self->fd, false));
	for (i = 0; i < ARRAY_SIZE(c); i++)
		ASSERT_EQ(0, host("invalidate 00.0 %x", 1 << i));
	while (readiness(self->fd))
		usleep(1000);
	/* Who is late may have the rest in one, and then some are still waiting. */
	ASSERT_EQ(0, host("eject 00.0"));
	for (i = 0; i < ARRAY_SIZE(c); i++) {
		if (join_caller(&c[i]))
			continue;
		EXPECT_NE(0, *(uint64_t *)c[i].out);
		all |= *(uint64_t *)c[i].out;
	}
	EXPECT_EQ(0xf, all);
}

/*
 * An output that can be written when the call looks, and later makes who writes there wait
 * until somebody lets it: between the mask's copy and its end.
 */
struct slow_page {
	int fd;
	size_t size;
	uint64_t *mask;
};

static int map_slow_page(struct slow_page *p)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };

	p->size = sysconf(_SC_PAGESIZE);
	p->mask = mmap(NULL, p->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	p->fd = syscall(SYS_userfaultfd, O_CLOEXEC);
	if (p->mask == MAP_FAILED || p->fd < 0)
		return errno;
	*p->mask = 0;
	reg.range.start = (uintptr_t)p->mask;
	reg.range.len = p->size;
	return ioctl(p->fd, UFFDIO_API, &api) || ioctl(p->fd, UFFDIO_REGISTER, &reg) ? errno : 0;
}

static void unmap_slow_page(struct slow_page *p)
{
	close(p->fd);
	munmap(p->mask, p->size);
}

static int take_page_away(const struct slow_page *p)
{
	return madvise(p->mask, p->size, MADV_DONTNEED) ? errno : 0;
}

/* Returns when somebody waits for the page. */
static int wait_for_writer(const struct slow_page *p)
{
	struct uffd_msg msg;

	if (read(p->fd, &msg, sizeof(msg)) != sizeof(msg))
		return errno;
	return msg.event == UFFD_EVENT_PAGEFAULT ? 0 : EBADE;
}

static int give_page_back(const struct slow_page *p)
{
	struct uffdio_zeropage zero = {
		.range = { .start = (uintptr_t)p->mask, .len = p->size },
	};

	return ioctl(p->fd, UFFDIO_ZEROPAGE, &zero) ? errno : 0;
}

/* A caller that is about to be told of block 0, and has yet to write it down. */
static int stop_while_told(struct caller *c, int fd, struct slow_page *page)
{
	int err = map_slow_page(page);

	err = err ?: start_invalidate_into(c, fd, page->mask);
	err = err ?: take_page_away(page);
	err = err ?: host("invalidate 00.0 1");
	return err ?: wait_for_writer(page);
}

TEST_F_TIMEOUT(invalid, invalidated_while_another_is_told, TEST_TIMEOUT)
{
	struct slow_page page;
	struct caller c;

	ASSERT_EQ(0, stop_while_told(&c, self->fd, &page));
	ASSERT_EQ(0, host("invalidate 00.0 2"));
	ASSERT_EQ(0, give_page_back(&page));
	EXPECT_RESULT(0, 8, join_caller(&c), &c.req);
	EXPECT_EQ(1, *page.mask);
	EXPECT_EQ(READABLE, readiness(self->fd));
	EXPECT_EQ(0, take_now(self));
	EXPECT_EQ(2, self->mask);
	unmap_slow_page(&page);
}

/* Whose news another one has taken meanwhile has none, and waits for the next. */
TEST_F_TIMEOUT(invalid, a_sharer_is_faster, TEST_TIMEOUT)
{
	struct slow_page page;
	struct caller c;

	ASSERT_EQ(0, stop_while_told(&c, self->fd, &page));
	EXPECT_EQ(0, take(self));
	EXPECT_EQ(1, self->mask);
	ASSERT_EQ(0, give_page_back(&page));
	wait_asleep(c.tid);
	EXPECT_TRUE(is_waiting(&c));
	ASSERT_EQ(0, host("invalidate 00.0 4"));
	EXPECT_RESULT(0, 8, join_caller(&c), &c.req);
	EXPECT_EQ(4, *page.mask);
	unmap_slow_page(&page);
}

TEST_F_TIMEOUT(invalid, every_open_file_wakes, TEST_TIMEOUT)
{
	struct caller c[8];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(c); i++)
		ASSERT_EQ(0, start_invalidate(&c[i], open_node("00.0", O_RDWR), false));
	ASSERT_EQ(0, host("invalidate 00.0 7"));
	for (i = 0; i < ARRAY_SIZE(c); i++) {
		EXPECT_RESULT(0, 8, join_caller(&c[i]), &c[i].req);
		EXPECT_EQ(7, *(uint64_t *)c[i].out);
		close(c[i].fd);
	}
}

/* The output goes away during the wait: what was to be told is still to be told. */
TEST_F_TIMEOUT(invalid, output_goes_during_the_wait, TEST_TIMEOUT)
{
	const size_t size = getpagesize();
	void *out = page_edge(size, PAGE_MISSING);
	struct caller c;

	ASSERT_NE(MAP_FAILED, out);
	ASSERT_EQ(0, start_invalidate_into(&c, self->fd, out));
	ASSERT_EQ(0, munmap(out, size));
	ASSERT_EQ(0, host("invalidate 00.0 6"));
	EXPECT_RESULT(EFAULT, 0, join_caller(&c), &c.req);
	EXPECT_EQ(READABLE, readiness(self->fd));
	EXPECT_EQ(0, take(self));
	EXPECT_EQ(6, self->mask);
}

/* ---- poll ---- */

TEST_F_TIMEOUT(invalid, poll_changes_nothing, TEST_TIMEOUT)
{
	int i;

	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, readiness(self->fd));
	ASSERT_EQ(0, host("invalidate 00.0 3"));
	for (i = 0; i < 3; i++)
		EXPECT_EQ(READABLE, readiness(self->fd));
	EXPECT_EQ(0, take(self));
	EXPECT_EQ(3, self->mask);
	EXPECT_EQ(0, readiness(self->fd));
}

struct poller {
	int fd;
	pthread_t thread;
	pid_t tid;
	short revents;
};

static void *poll_once(void *arg)
{
	struct poller *poller = arg;
	struct pollfd p = { .fd = poller->fd, .events = POLLIN };

	__atomic_store_n(&poller->tid, syscall(SYS_gettid), __ATOMIC_RELEASE);
	if (poll(&p, 1, -1) == 1)
		poller->revents = p.revents;
	return NULL;
}

/* Returns when it sleeps. */
static int start_poller(struct poller *poller, int fd)
{
	int err;

	*poller = (struct poller) { .fd = fd };
	err = pthread_create(&poller->thread, NULL, poll_once, poller);
	while (!err && !__atomic_load_n(&poller->tid, __ATOMIC_ACQUIRE))
		sched_yield();
	if (!err)
		wait_asleep(poller->tid);
	return err;
}

static short join_poller(struct poller *poller)
{
	pthread_join(poller->thread, NULL);
	return poller->revents;
}

TEST_F_TIMEOUT(invalid, wakes_poll, TEST_TIMEOUT)
{
	struct poller poller;

	ASSERT_EQ(0, start_poller(&poller, self->fd));
	ASSERT_EQ(0, host("invalidate 00.0 1"));
	EXPECT_EQ(POLLIN, join_poller(&poller));
}

TEST_F_TIMEOUT(invalid, removal_wakes_poll, TEST_TIMEOUT)
{
	struct poller poller;

	ASSERT_EQ(0, start_poller(&poller, self->fd));
	ASSERT_EQ(0, host("eject 00.0"));
	EXPECT_EQ(GONE, join_poller(&poller));
}

TEST_F_TIMEOUT(invalid, select_sees_it, TEST_TIMEOUT)
{
	struct timeval none = {};
	fd_set set;

	FD_ZERO(&set);
	FD_SET(self->fd, &set);
	EXPECT_EQ(0, select(self->fd + 1, &set, NULL, NULL, &none));
	ASSERT_EQ(0, host("invalidate 00.0 1"));
	FD_SET(self->fd, &set);
	EXPECT_EQ(1, select(self->fd + 1, &set, NULL, NULL, NULL));
}

static int watch(int fd, uint32_t how)
{
	struct epoll_event event = { .events = EPOLLIN | how };
	int epfd = epoll_create1(EPOLL_CLOEXEC);

	return epfd < 0 || epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &event) ? -1 : epfd;
}

static uint32_t seen(int epfd, int timeout)
{
	struct epoll_event event = {};

	return epoll_wait(epfd, &event, 1, timeout) == 1 ? event.events : 0;
}

TEST_F_TIMEOUT(invalid, epoll_by_level, TEST_TIMEOUT)
{
	int epfd = watch(self->fd, 0);
	int i;

	ASSERT_LE(0, epfd);
	EXPECT_EQ(0, seen(epfd, 0));
	ASSERT_EQ(0, host("invalidate 00.0 1"));
	for (i = 0; i < 3; i++)
		EXPECT_EQ(EPOLLIN, seen(epfd, -1));
	EXPECT_EQ(0, take(self));
	EXPECT_EQ(0, seen(epfd, 0));
	close(epfd);
}

TEST_F_TIMEOUT(invalid, epoll_by_edge, TEST_TIMEOUT)
{
	int epfd = watch(self->fd, EPOLLET);
	int i;

	ASSERT_LE(0, epfd);
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, host("invalidate 00.0 1"));
		EXPECT_EQ(EPOLLIN, seen(epfd, -1));
		EXPECT_EQ(0, seen(epfd, 0));
	}
	close(epfd);
}

/* Whoever may not take them may still wait for them. */
TEST_F_TIMEOUT(invalid, poll_of_a_reader, TEST_TIMEOUT)
{
	int reader = open_node("00.0", O_RDONLY);

	ASSERT_EQ(0, host("invalidate 00.0 1"));
	EXPECT_EQ(READABLE, readiness(reader));
	close(reader);
}

/* ---- drivers ---- */

static unsigned long long masks_told(void)
{
	char line[64];

	return read_line(PARAM "/heard", line, sizeof(line)) ? 0 : strtoull(line, NULL, 10);
}

/* The listener has its place, and has been told of @mask and nothing else. */
static void expect_listens(struct __test_metadata *_metadata, unsigned long long mask)
{
	unsigned long long before = masks_told();
	long long hears = read_number(PARAM "/hears");

	ASSERT_EQ(0, host("invalidate 00.0 %llx", mask));
	EXPECT_EQ(before | mask, masks_told());
	EXPECT_EQ(hears + 1, read_number(PARAM "/hears"));
}

static void expect_not_for_us(struct __test_metadata *_metadata, FIXTURE_DATA(invalid) * self)
{
	EXPECT_EQ(POLLERR, readiness(self->fd));
	EXPECT_RESULT(EBUSY, 0, take(self), &self->req);
	EXPECT_RESULT(EBUSY, 0, take_now(self), &self->req);
}

static void expect_for_us(struct __test_metadata *_metadata, FIXTURE_DATA(invalid) * self)
{
	EXPECT_EQ(0, readiness(self->fd));
	ASSERT_EQ(0, host("invalidate 00.0 40"));
	EXPECT_EQ(READABLE, readiness(self->fd));
	EXPECT_RESULT(0, 8, take(self), &self->req);
	EXPECT_EQ(0x40, self->mask);
}

/* Somebody else was told, or nobody: of what, cannot be known. */
static void expect_for_us_again(struct __test_metadata *_metadata, FIXTURE_DATA(invalid) * self)
{
	EXPECT_EQ(READABLE, readiness(self->fd));
	EXPECT_RESULT(0, 8, take_now(self), &self->req);
	EXPECT_EQ(UINT64_MAX, self->mask);
	expect_for_us(_metadata, self);
}

TEST_F_TIMEOUT(invalid, driver_comes_and_goes, TEST_TIMEOUT)
{
	int i;

	expect_for_us(_metadata, self);
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, set_driver("vpci_listener", "bind"));
		expect_not_for_us(_metadata, self);
		expect_listens(_metadata, 3);
		ASSERT_EQ(0, set_driver("vpci_listener", "unbind"));
		expect_for_us_again(_metadata, self);
	}
}

/* Each file that was open meanwhile, and no other. */
TEST_F_TIMEOUT(invalid, every_open_file_is_told_that_a_driver_was_there, TEST_TIMEOUT)
{
	int late, other = open_node("00.0", O_RDWR | O_NONBLOCK);
	uint64_t mask;

	ASSERT_EQ(0, set_driver("vpci_listener", "bind"));
	ASSERT_EQ(0, set_driver("vpci_listener", "unbind"));
	late = open_node("00.0", O_RDWR | O_NONBLOCK);
	expect_for_us_again(_metadata, self);
	EXPECT_EQ(0, invalid_blocks(other, &mask));
	EXPECT_EQ(UINT64_MAX, mask);
	EXPECT_EQ(0, invalid_blocks(late, &mask));
	EXPECT_EQ(0x40, mask);
	close(other);
	close(late);
}

TEST_F_TIMEOUT(invalid, all_is_old_after_a_suspend, TEST_TIMEOUT)
{
	struct poller poller;

	expect_for_us(_metadata, self);
	ASSERT_EQ(0, start_poller(&poller, self->fd));
	ASSERT_EQ(0, sleep_for_a_moment());
	EXPECT_EQ(POLLIN, join_poller(&poller));
	expect_for_us_again(_metadata, self);
}

TEST_F_TIMEOUT(invalid, a_suspend_is_no_news_to_who_is_not_told, TEST_TIMEOUT)
{
	ASSERT_EQ(0, set_driver("vpci_listener", "bind"));
	ASSERT_EQ(0, sleep_for_a_moment());
	expect_not_for_us(_metadata, self);
	ASSERT_EQ(0, set_driver("vpci_listener", "unbind"));
	expect_for_us_again(_metadata, self);
}

/* The slot that hv_pci names after its child's serial number: the path of a file in it. */
static void find_slot(char *path, size_t size)
{
	char address[16];
	glob_t slots;
	size_t i;

	*path = '\0';
	if (glob("/sys/bus/pci/slots/*/address", 0, NULL, &slots))
		return;
	for (i = 0; i < slots.gl_pathc; i++)
		if (!read_line(slots.gl_pathv[i], address, sizeof(address)) &&
		    !strcmp(address, "1111:00:00"))
			snprintf(path, size, "%s", slots.gl_pathv[i]);
	globfree(&slots);
}

/*
 * hv_pci has another child in the slot, of another serial number; the PCI bus sees none of it.
 * It makes a child's slot last, in work of its own, and the old one's goes last.
 */
static int replace_function(void)
{
	char slot[PATH_MAX];
	int err;

	for (find_slot(slot, sizeof(slot)); real_hv_pci() && !*slot; find_slot(slot, sizeof(slot)))
		usleep(1000);
	err = host("replace 00.0");
	while (!err && *slot && !access(slot, F_OK))
		usleep(1000);
	return err;
}

static void expect_told(struct __test_metadata *_metadata, FIXTURE_DATA(invalid) * self,
			bool told)
{
	ASSERT_EQ(0, host("invalidate 00.0 8"));
	EXPECT_EQ(told ? READABLE : 0, readiness(self->fd));
	if (told) {
		EXPECT_EQ(0, take_now(self));
		EXPECT_EQ(0x8, self->mask);
	}
}

TEST_F_TIMEOUT(invalid, a_slot_with_another_child_is_taken_again, TEST_TIMEOUT)
{
	int other;

	ASSERT_EQ(0, replace_function());
	expect_told(_metadata, self, false);
	EXPECT_EQ(EAGAIN, take_now(self));	/* by each call */
	expect_told(_metadata, self, true);

	ASSERT_EQ(0, replace_function());
	other = open_node("00.0", O_RDWR);	/* by each open */
	expect_told(_metadata, self, true);
	close(other);

	ASSERT_EQ(0, replace_function());
	ASSERT_EQ(0, sleep_for_a_moment());	/* at resume */
	expect_for_us_again(_metadata, self);
}

TEST_F_TIMEOUT(invalid, driver_keeps_its_place, TEST_TIMEOUT)
{
	uint64_t mask;
	int i, other;

	close(self->fd);
	ASSERT_EQ(0, set_driver("vpci_listener", "bind"));
	expect_listens(_metadata, 1);
	for (i = 1; i < 20; i++) {
		self->fd = open_node("00.0", O_RDWR);
		ASSERT_LE(0, self->fd);
		other = open_node("00.0", O_RDWR);
		expect_not_for_us(_metadata, self);
		EXPECT_EQ(EBUSY, invalid_blocks(other, &mask));
		close(self->fd);
		expect_listens(_metadata, 1ULL << i);
		close(other);
		expect_listens(_metadata, 1ULL << i);
	}
	EXPECT_EQ((1ULL << 20) - 1, masks_told());
	self->fd = open_node("00.0", O_RDWR);
	ASSERT_EQ(0, set_driver("vpci_listener", "unbind"));
	expect_for_us_again(_metadata, self);
}

/* Who waits for what is no longer told has to know. */
TEST_F_TIMEOUT(invalid, driver_ends_waits, TEST_TIMEOUT)
{
	struct poller poller;
	struct caller c;

	ASSERT_EQ(0, start_invalidate(&c, self->fd, true));
	ASSERT_EQ(0, start_poller(&poller, self->fd));
	ASSERT_EQ(0, set_driver("vpci_listener", "bind"));
	EXPECT_RESULT(EBUSY, 0, join_caller(&c), &c.req);
	EXPECT_EQ(POLLERR, join_poller(&poller));
	ASSERT_EQ(0, set_driver("vpci_listener", "unbind"));
}

/* An EPOLLERR that ends is no news, but what comes after it is. */
TEST_F_TIMEOUT(invalid, epoll_sees_drivers, TEST_TIMEOUT)
{
	int epfd = watch(self->fd, EPOLLET);

	ASSERT_EQ(0, set_driver("vpci_listener", "bind"));
	EXPECT_EQ(EPOLLERR, seen(epfd, -1));
	ASSERT_EQ(0, set_driver("vpci_listener", "unbind"));
	ASSERT_EQ(0, host("invalidate 00.0 1"));
	EXPECT_EQ(EPOLLIN, seen(epfd, -1));
	close(epfd);
}

/* Where that is no news from the slot, which was not ours before. */
TEST_F_TIMEOUT(invalid, epoll_sees_the_end_behind_a_driver, TEST_TIMEOUT)
{
	int epfd = watch(self->fd, EPOLLET);

	ASSERT_EQ(0, set_driver("vpci_listener", "bind"));
	EXPECT_EQ(EPOLLERR, seen(epfd, -1));
	ASSERT_EQ(0, host("rescind"));
	EXPECT_EQ(EPOLLHUP | EPOLLERR, seen(epfd, 0));
	close(epfd);
	ASSERT_EQ(0, host("plug"));
}

/* What the file was not told of before the driver came is not lost either. */
TEST_F_TIMEOUT(invalid, driver_takes_nothing_away, TEST_TIMEOUT)
{
	ASSERT_EQ(0, host("invalidate 00.0 1"));
	ASSERT_EQ(0, set_driver("vpci_listener", "bind"));
	EXPECT_EQ(EBUSY, take(self));
	ASSERT_EQ(0, host("invalidate 00.0 2"));
	ASSERT_EQ(0, set_driver("vpci_listener", "unbind"));
	expect_for_us_again(_metadata, self);
}

TEST_F_TIMEOUT(invalid, driver_fails_to_bind, TEST_TIMEOUT)
{
	ASSERT_EQ(0, write_text(PARAM "/probe_error", "-5"));
	EXPECT_NE(0, set_driver("vpci_listener", "bind"));
	expect_for_us_again(_metadata, self);
}

/* ... with nobody there yet. */
TEST_F_TIMEOUT(invalid, driver_failed_to_bind, TEST_TIMEOUT)
{
	close(self->fd);
	ASSERT_EQ(0, write_text(PARAM "/probe_error", "-5"));
	EXPECT_NE(0, set_driver("vpci_listener", "bind"));
	self->fd = open_node("00.0", O_RDWR);
	expect_for_us(_metadata, self);
}

static void *bind_listener(void *arg)
{
	(void)arg;
	return (void *)(intptr_t)set_driver("vpci_listener", "bind");
}

static void wait_in_probe(void)
{
	char line[8];

	while (read_line(PARAM "/holding", line, sizeof(line)) || *line != 'Y')
		usleep(1000);
}

/* Whoever comes during the probe, when the driver has its place already. */
TEST_F_TIMEOUT(invalid, opened_during_the_probe, TEST_TIMEOUT)
{
	pthread_t thread;
	void *err;

	close(self->fd);
	ASSERT_EQ(0, write_text(PARAM "/hold", "1"));
	ASSERT_EQ(0, pthread_create(&thread, NULL, bind_listener, NULL));
	wait_in_probe();
	self->fd = open_node("00.0", O_RDWR);
	ASSERT_LE(0, self->fd);
	expect_not_for_us(_metadata, self);
	expect_listens(_metadata, 1);
	close(self->fd);
	expect_listens(_metadata, 2);
	self->fd = open_node("00.0", O_RDWR);
	ASSERT_EQ(0, write_text(PARAM "/hold", "0"));
	pthread_join(thread, &err);
	EXPECT_EQ(NULL, err);
	expect_listens(_metadata, 4);
	ASSERT_EQ(0, set_driver("vpci_listener", "unbind"));
	expect_for_us_again(_metadata, self);
}

/* The module comes during the probe, and does not wait for it, or it for the module. */
static void load_during_the_probe(struct __test_metadata *_metadata,
				  FIXTURE_DATA(invalid) * self, const char *probe_error)
{
	pthread_t thread;
	void *err;

	close(self->fd);
	ASSERT_EQ(0, write_text(PARAM "/hold", "1"));
	ASSERT_EQ(0, write_text(PARAM "/probe_error", probe_error));
	ASSERT_EQ(0, unload_module("vpci_block"));
	ASSERT_EQ(0, pthread_create(&thread, NULL, bind_listener, NULL));
	wait_in_probe();
	ASSERT_EQ(0, load_module("vpci_block"));
	self->fd = open_node("00.0", O_RDWR);
	ASSERT_LE(0, self->fd);
	expect_not_for_us(_metadata, self);
	expect_listens(_metadata, 1);
	ASSERT_EQ(0, write_text(PARAM "/hold", "0"));
	pthread_join(thread, &err);
	EXPECT_EQ(atoi(probe_error) == 0, !err);
}

TEST_F_TIMEOUT(invalid, loaded_during_the_probe, TEST_TIMEOUT)
{
	load_during_the_probe(_metadata, self, "0");
	expect_not_for_us(_metadata, self);
	expect_listens(_metadata, 2);
	ASSERT_EQ(0, set_driver("vpci_listener", "unbind"));
	expect_for_us_again(_metadata, self);
}

TEST_F_TIMEOUT(invalid, loaded_during_a_probe_that_fails, TEST_TIMEOUT)
{
	load_during_the_probe(_metadata, self, "-5");
	EXPECT_EQ(0, take_now(self));	/* by which the module asks about the driver again */
	EXPECT_EQ(UINT64_MAX, self->mask);
	expect_for_us(_metadata, self);
}

/* The module is loaded when the driver has been there for long. */
TEST_F_TIMEOUT(invalid, driver_was_there_first, TEST_TIMEOUT)
{
	close(self->fd);
	ASSERT_EQ(0, set_driver("vpci_listener", "bind"));
	ASSERT_EQ(0, unload_module("vpci_block"));
	expect_listens(_metadata, 1);
	ASSERT_EQ(0, load_module("vpci_block"));
	self->fd = open_node("00.0", O_RDWR);
	ASSERT_LE(0, self->fd);
	expect_not_for_us(_metadata, self);
	expect_listens(_metadata, 2);
	ASSERT_EQ(0, set_driver("vpci_listener", "unbind"));
	expect_for_us_again(_metadata, self);
}

/* It binds as soon as the function is there, by its ids. */
TEST_F_TIMEOUT(invalid, driver_comes_with_the_function, TEST_TIMEOUT)
{
	close(self->fd);
	ASSERT_EQ(0, host("eject 00.0"));
	ASSERT_EQ(0, write_text(DRIVERS "/vpci_listener/new_id", "15b3 1018"));
	ASSERT_EQ(0, host("add 00.0"));
	self->fd = open_node("00.0", O_RDWR);
	ASSERT_LE(0, self->fd);
	expect_not_for_us(_metadata, self);
	expect_listens(_metadata, 1);
	ASSERT_EQ(0, write_text(DRIVERS "/vpci_listener/remove_id", "15b3 1018"));
	ASSERT_EQ(0, write_text(DRIVERS "/vpci_listener/unbind", function_name("00.0")));
	expect_for_us_again(_metadata, self);
}

/* It goes with the function, too. */
TEST_F_TIMEOUT(invalid, ejected_with_its_driver, TEST_TIMEOUT)
{
	ASSERT_EQ(0, set_driver("vpci_listener", "bind"));
	ASSERT_EQ(0, host("eject 00.0"));
	EXPECT_EQ(GONE, readiness(self->fd));
	EXPECT_RESULT(ENODEV, 0, take(self), &self->req);
	close(self->fd);
	ASSERT_EQ(0, host("add 00.0"));
	self->fd = open_node("00.0", O_RDWR);
	ASSERT_LE(0, self->fd);
	expect_for_us(_metadata, self);
}

/* Blocks are read and written all the same. */
TEST_F_TIMEOUT(invalid, requests_beside_a_driver, TEST_TIMEOUT)
{
	uint8_t block[8], out[8];

	fill_pattern(block, sizeof(block), 1);
	ASSERT_EQ(0, host_block(1, block, sizeof(block)));
	ASSERT_EQ(0, set_driver("vpci_listener", "bind"));
	EXPECT_EQ(0, read_block(self->fd, 1, out, sizeof(out), NULL));
	EXPECT_EQ(0, memcmp(block, out, sizeof(out)));
	EXPECT_EQ(0, write_block(self->fd, 1, block, sizeof(block)));
	ASSERT_EQ(0, set_driver("vpci_listener", "unbind"));
	self->before = host_counters();
}

/* vfio-pci leaves the function to a program, which may be who has the node open. */
TEST_F_TIMEOUT(invalid, vfio_is_no_such_driver, TEST_TIMEOUT)
{
	ASSERT_EQ(0, set_driver("vfio-pci", "bind"));
	expect_for_us(_metadata, self);
	close(self->fd);
	self->fd = open_node("00.0", O_RDWR);
	expect_for_us(_metadata, self);
	ASSERT_EQ(0, set_driver("vfio-pci", "unbind"));
	expect_for_us(_metadata, self);
	/* From one to the other, and back. */
	ASSERT_EQ(0, set_driver("vpci_listener", "bind"));
	expect_not_for_us(_metadata, self);
	ASSERT_EQ(0, set_driver("vpci_listener", "unbind"));
	ASSERT_EQ(0, set_driver("vfio-pci", "bind"));
	expect_for_us_again(_metadata, self);
}

static void expect_listener(struct __test_metadata *_metadata, const char *name)
{
	char path[PATH_MAX], line[64];

	snprintf(path, sizeof(path), "/sys/class/vpci/%s/listener", function_name("00.0"));
	ASSERT_EQ(0, read_line(path, line, sizeof(line)));
	EXPECT_STREQ(name, line);
}

/* Who has polled the attribute, and read it, is woken by a hand-over. */
static int open_listener(void)
{
	char path[PATH_MAX], line[64];
	int fd;

	snprintf(path, sizeof(path), "/sys/class/vpci/%s/listener", function_name("00.0"));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return read(fd, line, sizeof(line)) < 0 ? -1 : fd;
}

/*
 * A function whose node has been announced: before that nobody is told of changes. Uevents from
 * then on, as those of the function before it are no news.
 */
static void add_and_listen(struct __test_metadata *_metadata, FIXTURE_DATA(invalid) * self,
			   int *listening)
{
	char words[4096];
	int uevents;

	close(self->fd);
	ASSERT_EQ(0, host("eject 00.0"));
	uevents = open_uevents();
	ASSERT_LE(0, uevents);
	ASSERT_EQ(0, host("add 00.0"));
	do {
		ASSERT_EQ(0, next_uevent(uevents, words, sizeof(words)));
	} while (strncmp(words, "add@", 4) || !strstr(words, "\nSUBSYSTEM=vpci\n"));
	self->fd = open_node("00.0", O_RDWR);
	ASSERT_LE(0, self->fd);
	*listening = uevents;
}

static void expect_change(struct __test_metadata *_metadata, int uevents, const char *name)
{
	char words[4096], listener[64];

	do {
		ASSERT_EQ(0, next_uevent(uevents, words, sizeof(words)));
	} while (strncmp(words, "change@", 7));
	snprintf(listener, sizeof(listener), "\nLISTENER=%s\n", name);
	EXPECT_NE(NULL, strstr(words, listener))
		TH_LOG("%s", words);
}

TEST_F_TIMEOUT(invalid, sysfs_says_who_listens, TEST_TIMEOUT)
{
	struct pollfd p = { .events = POLLPRI };
	int fd, uevents = -1;

	add_and_listen(_metadata, self, &uevents);
	expect_listener(_metadata, "vpci_block");
	fd = open_listener();
	ASSERT_LE(0, fd);
	p.fd = fd;
	EXPECT_EQ(0, poll(&p, 1, 0));
	ASSERT_EQ(0, set_driver("vpci_listener", "bind"));
	EXPECT_EQ(1, poll(&p, 1, -1));
	expect_change(_metadata, uevents, "vpci_listener");
	expect_listener(_metadata, "vpci_listener");
	ASSERT_EQ(0, set_driver("vpci_listener", "unbind"));
	expect_change(_metadata, uevents, "vpci_block");
	expect_listener(_metadata, "vpci_block");
	ASSERT_EQ(0, set_driver("vfio-pci", "bind"));
	expect_listener(_metadata, "vpci_block");
	ASSERT_EQ(0, set_driver("vfio-pci", "unbind"));
	close(fd);
	close(uevents);
}

/* Of many drivers that leave the function to programs, one that Debian's kernels have. */
TEST_F_TIMEOUT(invalid, pci_stub_does_not_listen, TEST_TIMEOUT)
{
	if (access(DRIVERS "/pci-stub", F_OK))
		SKIP(return, "this kernel has no pci-stub");
	ASSERT_EQ(0, set_driver("pci-stub", "bind"));
	expect_for_us(_metadata, self);
	expect_listener(_metadata, "vpci_block");
	ASSERT_EQ(0, set_driver("pci-stub", "unbind"));
	expect_for_us(_metadata, self);
}

/* ---- many times ---- */

struct opener {
	pthread_t thread;
	bool stop;
	unsigned int opens, bad;
};

static void *open_and_close(void *arg)
{
	struct opener *o = arg;
	uint64_t mask;
	int fd, err;

	while (!__atomic_load_n(&o->stop, __ATOMIC_RELAXED)) {
		fd = open_node("00.0", O_RDWR | O_NONBLOCK);
		err = invalid_blocks(fd, &mask);
		if (err && err != EAGAIN && err != EBUSY)
			o->bad++;
		close(fd);
		o->opens++;
	}
	return NULL;
}

/* The driver never loses its place, whatever goes on beside it, nor is one taken from it. */
TEST_F_TIMEOUT(invalid, driver_and_openers_many_times, TEST_TIMEOUT)
{
	struct opener o[3] = {};
	size_t i;
	int n;

	close(self->fd);
	for (i = 0; i < ARRAY_SIZE(o); i++)
		ASSERT_EQ(0, pthread_create(&o[i].thread, NULL, open_and_close, &o[i]));
	for (n = 0; n < 50; n++) {
		ASSERT_EQ(0, set_driver("vpci_listener", "bind"));
		expect_listens(_metadata, 1);
		expect_listens(_metadata, 2);
		ASSERT_EQ(0, set_driver("vpci_listener", "unbind"));
		ASSERT_EQ(0, host("invalidate 00.0 1"));
	}
	for (i = 0; i < ARRAY_SIZE(o); i++) {
		__atomic_store_n(&o[i].stop, true, __ATOMIC_RELAXED);
		pthread_join(o[i].thread, NULL);
		EXPECT_EQ(0, o[i].bad);
		EXPECT_LT(10, o[i].opens);
	}
	self->fd = open_node("00.0", O_RDWR);
	expect_for_us(_metadata, self);
}

static void *invalidate_often(void *arg)
{
	bool *stop = arg;

	while (!__atomic_load_n(stop, __ATOMIC_RELAXED))
		host("invalidate 00.0 1");
	return NULL;
}

/* Whoever is slow there lets nobody else run. */
static int run_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set) ? errno : 0;
}

static void *invalidate_slowly(void *arg)
{
	const char *command = real_hv_pci() ? "invalidate 00.0 1" : "invalidate slowly 00.0 1";
	bool *stop = arg;
	intptr_t err = run_on(1);

	while (!__atomic_load_n(stop, __ATOMIC_RELAXED))
		host("%s", command);
	return (void *)err;
}

/*
 * hv_pci may have found whom to call when the place changes hands, and then calls that
 * one with what the next one wants to be told. The driver's own function warns of it.
 */
TEST_F_TIMEOUT(invalid, invalidated_while_the_place_changes_hands, TEST_TIMEOUT)
{
	bool stop = false;
	pthread_t thread;
	void *err;
	int i;

	ASSERT_EQ(0, run_on(0));
	ASSERT_EQ(0, pthread_create(&thread, NULL, invalidate_slowly, &stop));
	for (i = 0; i < 10; i++) {
		ASSERT_EQ(0, set_driver("vpci_listener", "bind"));
		while (!read_number(PARAM "/hears"))
			usleep(1000);
		ASSERT_EQ(0, set_driver("vpci_listener", "unbind"));
		EXPECT_EQ(0, take(self));
		EXPECT_EQ(UINT64_MAX, self->mask);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, &err);
	EXPECT_EQ(NULL, err);
}

/* hv_pci may call whom it has found, when that one has just gone. */
TEST_F_TIMEOUT(invalid, invalidated_while_closing, TEST_TIMEOUT)
{
	bool stop = false;
	pthread_t thread;
	int i;

	ASSERT_EQ(0, pthread_create(&thread, NULL, invalidate_often, &stop));
	for (i = 0; i < 125; i++) {
		close(self->fd);
		self->fd = open_node("00.0", O_RDWR);
		ASSERT_LE(0, self->fd);
		if (i % 10)
			continue;
		close(self->fd);
		ASSERT_EQ(0, unload_module("vpci_block"));
		ASSERT_EQ(0, load_module("vpci_block"));
		self->fd = open_node("00.0", O_RDWR);
		ASSERT_LE(0, self->fd);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
}

TEST_HARNESS_MAIN
