// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device whose Notify handler cannot be installed (the test module vmgen_deaf
 * sees to it), or which has no interrupt in the devicetree: it can be polled, and
 * whoever would wait for ever is told.
 */
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
	EXPECT_EQ(VMGENCOUNTER_MMAP, info.flags);
	/* No handler, or no interrupt. */
	EXPECT_EQ(1, count_in_log(": no notification of changes (error -5): ") +
		     count_in_log(": no notification of changes (error -6): "));
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

TEST_HARNESS_MAIN
