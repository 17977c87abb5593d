// SPDX-License-Identifier: GPL-2.0-only
/*
 * The device goes while it is in use: everybody is released at once, nothing is
 * waited for, and it can come back.
 */
#include <limits.h>
#include <sys/syscall.h>

#include "vmgen_helpers.h"
#include "kselftest_harness.h"

#define DRIVER	"/sys/bus/platform/drivers/vmgencounter"

FIXTURE(vmgen) {
	int fd;
	struct vm_gencounter id;
	char device[64];
	bool unbound;
};

FIXTURE_SETUP(vmgen)
{
	device_name(self->device, sizeof(self->device));
	ASSERT_NE('\0', self->device[0]);
	self->fd = open(VMGEN_DEVICE, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, current_id(self->fd, &self->id));
	self->unbound = false;
}

FIXTURE_TEARDOWN(vmgen)
{
	if (self->unbound)
		write_text(DRIVER "/bind", self->device);
	close(self->fd);
}

static int take_away(FIXTURE_DATA(vmgen) * self)
{
	self->unbound = true;
	return write_text(DRIVER "/unbind", self->device);
}

static int give_back(FIXTURE_DATA(vmgen) * self)
{
	self->unbound = false;
	return write_text(DRIVER "/bind", self->device);
}

static int delete_module(void)
{
	return syscall(SYS_delete_module, "vmgencounter", O_NONBLOCK) ? errno : 0;
}

TEST_F_TIMEOUT(vmgen, releases_every_waiter, TEST_TIMEOUT)
{
	struct waiter w[2 * WAITER_KINDS];
	const int n = ARRAY_SIZE(w);
	int i;

	for (i = 0; i < n; i++) {
		ASSERT_EQ(0, waiter_open(&w[i], i % WAITER_KINDS));
		ASSERT_EQ(0, waiter_start(&w[i]));
	}
	ASSERT_EQ(0, take_away(self));
	for (i = 0; i < n; i++) {
		EXPECT_EQ(ENODEV, waiter_join(&w[i]))
			TH_LOG("%s", waiter_kind_name(w[i].kind));
		EXPECT_EQ(POLLHUP | POLLERR, readiness(w[i].fd));
		waiter_close(&w[i]);
	}
	EXPECT_EQ(0, give_back(self));
}

TEST_F_TIMEOUT(vmgen, every_call_says_enodev, TEST_TIMEOUT)
{
	struct vmgencounter_info info;
	struct devioctl_request req;
	struct vm_gencounter id;
	int fresh = open(VMGEN_DEVICE, O_RDWR | O_CLOEXEC);

	ASSERT_EQ(0, take_away(self));
	EXPECT_EQ(-1, open(VMGEN_DEVICE, O_RDONLY));
	EXPECT_EQ(-1, read(fresh, &id, sizeof(id)));
	EXPECT_EQ(ENODEV, errno);
	EXPECT_EQ(ENODEV, current_id(self->fd, &id));
	EXPECT_EQ(-1, device_io_control(self->fd, &req, &self->id, ID_SIZE, &id, ID_SIZE));
	EXPECT_EQ(ENODEV, errno);
	EXPECT_EQ(STATUS_DEVICE_REMOVED, req.status);
	EXPECT_EQ(0, req.information);
	EXPECT_EQ(-1, ioctl(self->fd, VMGENCOUNTER_GET_INFO, &info));
	EXPECT_EQ(ENODEV, errno);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, getpagesize(), PROT_READ, MAP_SHARED,
				   self->fd, 0));
	EXPECT_EQ(ENODEV, errno);
	EXPECT_EQ(POLLHUP | POLLERR, readiness(fresh));
	close(fresh);
	EXPECT_EQ(0, give_back(self));

	/* The old file stays gone, a new one works. */
	EXPECT_EQ(ENODEV, current_id(self->fd, &id));
	fresh = open(VMGEN_DEVICE, O_RDWR | O_CLOEXEC);
	EXPECT_EQ(0, current_id(fresh, &id));
	EXPECT_TRUE(same_id(&self->id, &id));
	close(fresh);
}

TEST_F_TIMEOUT(vmgen, mapping_outlives_it, TEST_TIMEOUT)
{
	struct vmgencounter_info info;
	struct vm_gencounter id;
	char *page;

	ASSERT_EQ(0, ioctl(self->fd, VMGENCOUNTER_GET_INFO, &info));
	page = mmap(NULL, getpagesize(), PROT_READ, MAP_SHARED, self->fd, 0);
	ASSERT_NE(MAP_FAILED, page);
	ASSERT_EQ(0, take_away(self));
	memcpy(&id, page + info.offset, sizeof(id));
	EXPECT_TRUE(same_id(&self->id, &id));

	/* It is the firmware's page: a change shows, bound or not. */
	ASSERT_EQ(0, new_generation());
	memcpy(&id, page + info.offset, sizeof(id));
	EXPECT_FALSE(same_id(&self->id, &id));
	EXPECT_EQ(0, give_back(self));
	munmap(page, getpagesize());
}

TEST_F_TIMEOUT(vmgen, comes_back_and_notices, TEST_TIMEOUT)
{
	struct waiter w;
	int i;

	for (i = 0; i < 20; i++) {
		ASSERT_EQ(0, take_away(self));
		ASSERT_EQ(0, give_back(self));
	}
	ASSERT_EQ(0, waiter_open(&w, WAIT_READ));
	ASSERT_EQ(0, waiter_start(&w));
	ASSERT_EQ(0, new_generation());
	EXPECT_EQ(0, waiter_join(&w));
	EXPECT_FALSE(same_id(&self->id, &w.known));
	waiter_close(&w);
}

/* Open, use and close as fast as it goes while the device comes and goes. */
static void *open_and_use(void *arg)
{
	const bool *stop = arg;
	struct vm_gencounter id;
	void *page;
	int fd;

	while (!__atomic_load_n(stop, __ATOMIC_RELAXED)) {
		fd = open(VMGEN_DEVICE, O_RDWR | O_CLOEXEC | O_NONBLOCK);
		if (fd < 0)
			continue;
		current_id(fd, &id);
		readiness(fd);
		fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK | O_ASYNC);
		page = mmap(NULL, getpagesize(), PROT_READ, MAP_SHARED, fd, 0);
		close(fd);
		if (page != MAP_FAILED)
			munmap(page, getpagesize());
	}
	return NULL;
}

TEST_F_TIMEOUT(vmgen, races_with_open, TEST_TIMEOUT)
{
	pthread_t user[4];
	const int times = rounds(200);
	bool stop = false;
	int i;

	signal(SIGIO, SIG_IGN);
	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, pthread_create(&user[i], NULL, open_and_use, &stop));
	for (i = 0; i < times; i++) {
		ASSERT_EQ(0, take_away(self));
		ASSERT_EQ(0, give_back(self));
		if (fast_device())
			ASSERT_EQ(0, new_generation());
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < 4; i++)
		pthread_join(user[i], NULL);
}

TEST_F_TIMEOUT(vmgen, module_is_pinned, TEST_TIMEOUT)
{
	void *page;

	EXPECT_EQ(EAGAIN, delete_module());
	page = mmap(NULL, getpagesize(), PROT_READ, MAP_SHARED, self->fd, 0);
	ASSERT_NE(MAP_FAILED, page);
	close(self->fd);
	EXPECT_EQ(EAGAIN, delete_module());
	/* Also where the device is gone and only the mapping is left. */
	ASSERT_EQ(0, take_away(self));
	EXPECT_EQ(EAGAIN, delete_module());
	ASSERT_EQ(0, give_back(self));

	munmap(page, getpagesize());
	EXPECT_EQ(0, delete_module());
	EXPECT_EQ(-1, access(VMGEN_DEVICE, F_OK));
	EXPECT_EQ(0, system("modprobe vmgencounter"));
	self->fd = open(VMGEN_DEVICE, O_RDWR | O_CLOEXEC);
	EXPECT_LE(0, self->fd);
}

/* Whatever we do to our driver, the kernel's own one keeps its device and works. */
TEST_F_TIMEOUT(vmgen, intree_driver_stays_bound, TEST_TIMEOUT)
{
	const char *reseed = "crng reseeded due to virtual machine fork";
	char node[PATH_MAX];
	int i, reseeds;

	if (!intree_driver_bound())
		SKIP(return, "the in-tree driver is not bound in this guest");
	ASSERT_NE(NULL, firmware_device(node));
	for (i = 0; i < 10; i++) {
		ASSERT_EQ(0, take_away(self));
		EXPECT_TRUE(intree_driver_on(node));
		ASSERT_EQ(0, give_back(self));
	}
	ASSERT_EQ(0, take_away(self));
	reseeds = count_in_log(reseed);
	ASSERT_EQ(0, new_generation());
	while (count_in_log(reseed) == reseeds)
		usleep(1000);
	EXPECT_EQ(0, give_back(self));
	EXPECT_TRUE(intree_driver_bound());
}

/* Its driver on @firmware_device, where it holds that itself. "" if it does not. */
static void vmgenid_path(const char *firmware_device, char *path)
{
	char link[PATH_MAX + 8];

	snprintf(link, sizeof(link), "%s/driver", firmware_device);
	if (!realpath(link, path))
		path[0] = '\0';
}

/*
 * What vmgenid did for the generator, this driver does, too: nobody notices that it has
 * gone. Since 6.12 it leaves its Notify handler behind with no data, so there only that of
 * an interrupt can be unbound and the kernel live on.
 */
TEST_F_TIMEOUT(vmgen, works_without_vmgenid, TEST_TIMEOUT)
{
	struct vmgencounter_info before, after;
	char node[PATH_MAX], driver[PATH_MAX], file[PATH_MAX + 8];
	struct waiter w[WAITER_KINDS];
	int i;

	ASSERT_NE(NULL, firmware_device(node));
	vmgenid_path(node, driver);
	if (!intree_driver_bound() || !driver[0])
		SKIP(return, "no vmgenid that can be unbound");
	snprintf(file, sizeof(file), "%s/unbind", driver);
	ASSERT_EQ(0, write_text(file, strrchr(node, '/') + 1));
	ASSERT_FALSE(intree_driver_bound());
	ASSERT_EQ(0, ioctl(self->fd, VMGENCOUNTER_GET_INFO, &before));
	for (i = 0; i < WAITER_KINDS; i++) {
		ASSERT_EQ(0, waiter_open(&w[i], i));
		ASSERT_EQ(0, waiter_start(&w[i]));
	}
	ASSERT_EQ(0, new_generation());
	for (i = 0; i < WAITER_KINDS; i++) {
		EXPECT_EQ(0, waiter_join(&w[i]));
		waiter_close(&w[i]);
	}
	ASSERT_EQ(0, ioctl(self->fd, VMGENCOUNTER_GET_INFO, &after));
	EXPECT_EQ(before.flags, after.flags);
	EXPECT_EQ(before.changes + 1, after.changes);
	EXPECT_EQ(after.changes, after.reseeded);
	snprintf(file, sizeof(file), "%s/bind", driver);
	EXPECT_EQ(0, write_text(file, strrchr(node, '/') + 1));
}

TEST_HARNESS_MAIN
