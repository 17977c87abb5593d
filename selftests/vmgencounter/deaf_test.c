// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device whose Notify handler cannot be installed (the test module vmgen_deaf
 * sees to it), or which has no interrupt in the devicetree: it can be polled, and
 * whoever would wait for ever is told.
 */
#include <vmgencounter.h>

#include "uring_ring.h"
#include "vmgen_helpers.h"
#include "kselftest_harness.h"

FIXTURE(vmgen) {
	int fd;
	struct vm_gencounter id;
};

FIXTURE_SETUP(vmgen)
{
	self->fd = open(VMGEN_DEVICE, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, current_id(self->fd, &self->id));
}

FIXTURE_TEARDOWN(vmgen)
{
	close(self->fd);
}

TEST_F(vmgen, says_so)
{
	struct vmgencounter_info info;

	ASSERT_EQ(0, ioctl(self->fd, VMGENCOUNTER_GET_INFO, &info));
	EXPECT_EQ(VMGENCOUNTER_MMAP | VMGENCOUNTER_ID_ALONE, info.flags);
	/* No handler, or no interrupt. */
	EXPECT_EQ(1, count_in_log(": no notification of changes (error -5): ") +
		     count_in_log(": no notification of changes (error -6): "));
	/* Loaded with sysgenid=1. */
	EXPECT_EQ(-1, access("/dev/sysgenid", F_OK));
	EXPECT_EQ(1, count_in_log(": no /dev/sysgenid, as its counter would never move"));
}

TEST_F(vmgen, event_mode_is_refused)
{
	struct devioctl_request req;
	struct vm_gencounter stale = { 1, 2 }, out;

	EXPECT_EQ(-1, device_io_control(self->fd, &req, &self->id, ID_SIZE, &out, ID_SIZE));
	EXPECT_EQ(EOPNOTSUPP, errno);
	EXPECT_EQ(STATUS_NOT_SUPPORTED, req.status);
	EXPECT_EQ(0, req.information);
	/* As on Windows, whatever ID it is given. */
	EXPECT_EQ(EOPNOTSUPP, other_id(self->fd, &stale, &out));
}

/* The same for a command of io_uring, where the kernel has them. */
TEST_F(vmgen, command_in_event_mode_is_refused)
{
	const struct vm_gencounter ids[] = { self->id, { 1, 2 } };
	struct devioctl_request req;
	struct vm_gencounter out;
	struct io_uring_cqe cqe;
	struct ring ring;
	size_t i;

	ASSERT_EQ(0, ring_open(&ring, 1, 0));
	for (i = 0; i < ARRAY_SIZE(ids); i++) {
		fill_request(&req, &ids[i], ID_SIZE, &out, ID_SIZE);
		ring_command(&ring, self->fd, IOCTL_VMGENCOUNTER_READ, &req, 0);
		ASSERT_EQ(0, ring_submit(&ring));
		ASSERT_EQ(0, ring_wait(&ring, &cqe));
		EXPECT_TRUE(cqe.res == -EOPNOTSUPP || cqe.res == -EINVAL)
			TH_LOG("result: %d", cqe.res);
		if (req.status == UNTOUCHED)
			SKIP(return, "this kernel cannot cancel commands");
		EXPECT_EQ(-EOPNOTSUPP, cqe.res);
		EXPECT_EQ(STATUS_NOT_SUPPORTED, req.status);
		EXPECT_EQ(0, req.information);
	}
}

TEST_F(vmgen, nobody_waits_for_ever)
{
	EXPECT_EQ(-1, read(self->fd, &self->id, ID_SIZE));
	EXPECT_EQ(EOPNOTSUPP, errno);
	EXPECT_EQ(POLLERR, readiness(self->fd));
	ASSERT_EQ(0, fcntl(self->fd, F_SETFL, O_RDWR | O_NONBLOCK));
	EXPECT_EQ(-1, read(self->fd, &self->id, ID_SIZE));
	EXPECT_EQ(EAGAIN, errno);
}

TEST_F(vmgen, polling_sees_the_change)
{
	struct vm_gencounter id;

	ASSERT_EQ(0, test_command("set"));
	EXPECT_EQ(POLLIN | POLLRDNORM | POLLERR, readiness(self->fd));
	ASSERT_EQ(ID_SIZE, read(self->fd, &id, ID_SIZE));
	EXPECT_FALSE(same_id(&self->id, &id));
}

/* The library, too, refuses to wait, also for a change that was. */
TEST(library_does_not_wait)
{
	struct vm_gencounter id, stale = { 1, 2 };
	struct vmgen *vmgen = vmgen_open(NULL);

	ASSERT_NE(NULL, vmgen);
	ASSERT_EQ(0, vmgen_get(vmgen, &id));
	EXPECT_EQ(-1, vmgen_wait(vmgen, &id, &id, -1));
	EXPECT_EQ(EOPNOTSUPP, errno);
	EXPECT_EQ(-1, vmgen_wait(vmgen, &stale, &id, 0));
	EXPECT_EQ(EOPNOTSUPP, errno);
	vmgen_close(vmgen);
}

TEST_HARNESS_MAIN
