// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/vmgencounter_id: every user sees the ID there, and nothing else, and makes nobody
 * wait.
 */
#include <endian.h>
#include <grp.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "vmgen_helpers.h"
#include "kselftest_harness.h"

#define PUBLIC_DEVICE	"/dev/vmgencounter_id"
#define DRIVER		"/sys/bus/platform/drivers/vmgencounter"
#define NOBODY		65534

static void *map_page(int fd)
{
	return mmap(NULL, getpagesize(), PROT_READ, MAP_SHARED, fd, 0);
}

/* The ID in the page, which nobody changes meanwhile. */
static bool shows(const char *page, const struct vmgencounter_info *info)
{
	uint64_t id[2];

	/* From memory, not from what the compiler remembers of it. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	memcpy(id, page + info->offset, ID_SIZE);
	return le64toh(id[0]) == info->id.generation_count &&
	       le64toh(id[1]) == info->id.generation_count_high;
}

FIXTURE(public) {
	int fd;
	struct vmgencounter_info info;
};

FIXTURE_SETUP(public)
{
	self->fd = open(PUBLIC_DEVICE, O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, ioctl(self->fd, VMGENCOUNTER_GET_INFO, &self->info));
}

FIXTURE_TEARDOWN(public)
{
	close(self->fd);
}

TEST_F(public, tells_what_the_other_node_tells)
{
	const uint32_t hidden = VMGENCOUNTER_WAKEUP | VMGENCOUNTER_WAKEUP_AFTER_RESEED;
	struct vmgencounter_info info;
	int fd = open(VMGEN_DEVICE, O_RDONLY | O_CLOEXEC);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ioctl(fd, VMGENCOUNTER_GET_INFO, &info));
	EXPECT_EQ((info.flags & ~hidden) | VMGENCOUNTER_PUBLIC, self->info.flags);
	EXPECT_TRUE(self->info.flags & VMGENCOUNTER_MMAP);
	EXPECT_TRUE(self->info.flags & VMGENCOUNTER_ID_ALONE);
	info.flags = self->info.flags;
	EXPECT_EQ(0, memcmp(&info, &self->info, sizeof(info)));
	close(fd);
}

/* All that a program without any right does: 0, or the step that failed. */
static int look_as_nobody(void)
{
	struct vmgencounter_info info;
	char *page;
	int fd;

	if (setgroups(0, NULL) || setgid(NOBODY) || setuid(NOBODY))
		return 1;
	if (open(VMGEN_DEVICE, O_RDONLY) >= 0 || errno != EACCES)
		return 2;
	if (open(PUBLIC_DEVICE, O_RDWR) >= 0 || errno != EACCES)
		return 3;
	fd = open(PUBLIC_DEVICE, O_RDONLY);
	if (fd < 0 || ioctl(fd, VMGENCOUNTER_GET_INFO, &info))
		return 4;
	page = map_page(fd);
	if (page == MAP_FAILED || !shows(page, &info))
		return 5;
	return 0;
}

TEST_F(public, is_for_nobody_too)
{
	pid_t child = fork();
	int status;

	ASSERT_LE(0, child);
	if (!child)
		_exit(look_as_nobody());
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
}

TEST_F(public, nobody_writes)
{
	struct stat st;

	ASSERT_EQ(0, fstat(self->fd, &st));
	EXPECT_EQ(S_IFCHR | 0444, st.st_mode);
	EXPECT_EQ(-1, open(PUBLIC_DEVICE, O_RDWR));
	EXPECT_EQ(EROFS, errno);
	EXPECT_EQ(-1, open(PUBLIC_DEVICE, O_WRONLY));
	EXPECT_EQ(EROFS, errno);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, getpagesize(), PROT_READ | PROT_WRITE, MAP_PRIVATE,
				   self->fd, 0));
	EXPECT_EQ(EROFS, errno);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, 2 * getpagesize(), PROT_READ, MAP_SHARED,
				   self->fd, 0));
	EXPECT_EQ(EINVAL, errno);
}

TEST_F(public, nobody_waits)
{
	struct vm_gencounter id = self->info.id;
	struct epoll_event event = { .events = EPOLLIN };
	int epfd = epoll_create1(EPOLL_CLOEXEC);
	struct devioctl_request req;

	ASSERT_LE(0, epfd);
	EXPECT_EQ(-1, device_io_control(self->fd, &req, &id, ID_SIZE, &id, ID_SIZE));
	EXPECT_EQ(ENOTTY, errno);
	EXPECT_EQ(-1, epoll_ctl(epfd, EPOLL_CTL_ADD, self->fd, &event));
	EXPECT_EQ(EPERM, errno);
	close(epfd);
}

/* Also where a sandbox allows no ioctl(). */
TEST_F_TIMEOUT(public, read_gives_the_current_id, TEST_TIMEOUT)
{
	struct vm_gencounter id = {}, now;

	for (int i = 0; i < 2; i++) {
		EXPECT_EQ(ID_SIZE, read(self->fd, &id, ID_SIZE));
		EXPECT_TRUE(same_id(&self->info.id, &id));
	}
	EXPECT_EQ(-1, read(self->fd, &id, ID_SIZE - 1));
	EXPECT_EQ(EINVAL, errno);
	ASSERT_EQ(0, new_generation());
	EXPECT_EQ(ID_SIZE, read(self->fd, &now, ID_SIZE));
	EXPECT_FALSE(same_id(&id, &now));
	ASSERT_EQ(0, ioctl(self->fd, VMGENCOUNTER_GET_INFO, &self->info));
	EXPECT_TRUE(same_id(&self->info.id, &now));
}

TEST_F(public, bad_address)
{
	void *nowhere = page_edge(0, PAGE_MISSING);

	ASSERT_NE(MAP_FAILED, nowhere);
	EXPECT_EQ(-1, read(self->fd, nowhere, ID_SIZE));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, ioctl(self->fd, VMGENCOUNTER_GET_INFO, NULL));
	EXPECT_EQ(EFAULT, errno);
}

TEST_F_TIMEOUT(public, shows_a_change, TEST_TIMEOUT)
{
	struct vmgencounter_info info;
	char *page = map_page(self->fd);

	ASSERT_NE(MAP_FAILED, page);
	EXPECT_TRUE(shows(page, &self->info));
	ASSERT_EQ(0, new_generation());
	ASSERT_EQ(0, ioctl(self->fd, VMGENCOUNTER_GET_INFO, &info));
	EXPECT_FALSE(same_id(&self->info.id, &info.id));
	EXPECT_TRUE(shows(page, &info));
	EXPECT_FALSE(shows(page, &self->info));
	EXPECT_EQ(self->info.changes + 1, info.changes);
	munmap(page, getpagesize());
}

TEST_F(public, mappings_can_be_found)
{
	char line[512];
	FILE *maps;
	bool found = false;
	char *page = map_page(self->fd);

	ASSERT_NE(MAP_FAILED, page);
	maps = fopen("/proc/self/maps", "r");
	ASSERT_NE(NULL, maps);
	while (fgets(line, sizeof(line), maps))
		if (strstr(line, PUBLIC_DEVICE))
			found = true;
	EXPECT_TRUE(found);
	fclose(maps);
	munmap(page, getpagesize());
}

/* What firmware writes beside the ID is not shown to everyone; to root it is, as before. */
TEST_F(public, data_beside_the_id_is_not_shown)
{
	int fd = open(VMGEN_DEVICE, O_RDONLY | O_CLOEXEC);
	char *page;

	ASSERT_LE(0, fd);
	if (!fast_device())
		SKIP(return, "nobody writes there");
	ASSERT_EQ(0, test_command("beside 1"));
	EXPECT_EQ(MAP_FAILED, map_page(self->fd));
	EXPECT_EQ(EOPNOTSUPP, errno);
	page = map_page(fd);
	EXPECT_NE(MAP_FAILED, page);
	munmap(page, getpagesize());
	EXPECT_EQ(0, ioctl(self->fd, VMGENCOUNTER_GET_INFO, &self->info));
	EXPECT_FALSE(self->info.flags & (VMGENCOUNTER_MMAP | VMGENCOUNTER_ID_ALONE));
	EXPECT_EQ(0, self->info.offset);

	ASSERT_EQ(0, test_command("beside 0"));
	page = map_page(self->fd);
	ASSERT_NE(MAP_FAILED, page);
	EXPECT_EQ(0, ioctl(self->fd, VMGENCOUNTER_GET_INFO, &self->info));
	EXPECT_TRUE(self->info.flags & VMGENCOUNTER_MMAP);
	EXPECT_TRUE(shows(page, &self->info));
	munmap(page, getpagesize());
	close(fd);
}

TEST_F(public, a_device_that_is_gone)
{
	char *page = map_page(self->fd);
	char device[256];

	ASSERT_NE(MAP_FAILED, page);
	device_name(device, sizeof(device));
	ASSERT_EQ(0, write_text(DRIVER "/unbind", device));
	EXPECT_TRUE(shows(page, &self->info));
	EXPECT_EQ(-1, ioctl(self->fd, VMGENCOUNTER_GET_INFO, &self->info));
	EXPECT_EQ(ENODEV, errno);
	EXPECT_EQ(MAP_FAILED, map_page(self->fd));
	EXPECT_EQ(ENODEV, errno);
	EXPECT_EQ(-1, read(self->fd, &self->info.id, ID_SIZE));
	EXPECT_EQ(ENODEV, errno);
	EXPECT_EQ(-1, open(PUBLIC_DEVICE, O_RDONLY));
	EXPECT_EQ(ENOENT, errno);
	munmap(page, getpagesize());

	ASSERT_EQ(0, write_text(DRIVER "/bind", device));
	EXPECT_EQ(0, access(PUBLIC_DEVICE, R_OK));
	/* An open file stays that of the device that is gone. */
	EXPECT_EQ(-1, ioctl(self->fd, VMGENCOUNTER_GET_INFO, &self->info));
	EXPECT_EQ(ENODEV, errno);
}

TEST_HARNESS_MAIN
