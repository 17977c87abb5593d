// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ioctls: IOCTL_VMGENCOUNTER_READ, as Windows has it, VMGENCOUNTER_GET_INFO
 *
 * Lifetime: the open file that is called has a reference to struct vmgen, and
 * stays open until the call returns.
 *
 * Locks: none. generation.c takes its own if an ID is new, and gives it back before
 * this file touches user memory.
 */

#include <linux/uaccess.h>

#include <linux/devioctl.h>

#include "../devioctl.h"
#include "vmgen.h"

/* What copy_from_user() does takes longer than all else, for so little. */
static int vmgen_get_id(struct vm_gencounter *id, u64 address)
{
	struct vm_gencounter __user *from = devioctl_user_ptr(address);

	if (!user_read_access_begin(from, sizeof(*from)))
		return -EFAULT;
	unsafe_get_user(id->generation_count, &from->generation_count, bad);
	unsafe_get_user(id->generation_count_high, &from->generation_count_high, bad);
	user_read_access_end();
	return 0;
bad:
	user_read_access_end();
	return -EFAULT;
}

static int vmgen_put_id(const struct vm_gencounter *id, u64 address)
{
	struct vm_gencounter __user *to = devioctl_user_ptr(address);

	if (!user_write_access_begin(to, sizeof(*to)))
		return -EFAULT;
	unsafe_put_user(id->generation_count, &to->generation_count, bad);
	unsafe_put_user(id->generation_count_high, &to->generation_count_high, bad);
	user_write_access_end();
	return 0;
bad:
	user_write_access_end();
	return -EFAULT;
}

static __always_inline int vmgen_check_call(struct file *file, struct vmgen_call *call)
{
	const fmode_t both = FMODE_READ | FMODE_WRITE;

	if ((file->f_mode & both) != both)
		return -EACCES;
	if (call->req.out_size < sizeof(call->id))
		return -ENOBUFS;
	if (!call->req.in_size)
		return 0;
	if (call->req.in_size < sizeof(call->known))
		return -EINVAL;
	return vmgen_get_id(&call->known, call->req.in_buffer);
}

/* Polling mode without input, event-driven mode with the ID in it. */
static __always_inline int vmgen_begin(struct file *file, struct vmgen_call *call)
{
	struct vmgen *vg = ((struct vmgen_file *)file->private_data)->vg;
	int ret;

	ret = vmgen_check_call(file, call);
	if (ret)
		return ret;
	if (READ_ONCE(vg->gone))
		return -ENODEV;
	if (call->req.in_size && !(READ_ONCE(vg->flags) & VMGENCOUNTER_WAKEUP))
		return -EOPNOTSUPP;
	call->changes = vmgen_look(vg, &call->id);
	return call->req.in_size && vmgen_same(&call->id, &call->known) ? -EAGAIN : 0;
}

static __always_inline int vmgen_end(struct vmgen_file *f, struct vmgen_call *call, int err)
{
	if (!err)
		err = vmgen_put_id(&call->id, call->req.out_buffer);
	err = devioctl_complete(call->block, err ? 0 : sizeof(call->id), err);
	if (!err)
		vmgen_mark_delivered(f, call->changes);
	return err;
}

int vmgen_begin_call(struct file *file, struct vmgen_call *call)
{
	return vmgen_begin(file, call);
}

bool vmgen_can_end_call(const struct vmgen_call *call)
{
	return devioctl_can_write(call->block, sizeof(*call->block)) &&
	       devioctl_can_write(devioctl_user_ptr(call->req.out_buffer), sizeof(call->id));
}

int vmgen_end_call(struct vmgen_file *f, struct vmgen_call *call, int err)
{
	return vmgen_end(f, call, err);
}

/*
 * What can be refused before a wait is refused before the wait; an ID that is new
 * already needs neither.
 */
static noinline int vmgen_wait_for_call(struct file *file, struct vmgen_call *call)
{
	if (file->f_flags & O_NONBLOCK)
		return -EAGAIN;
	if (!vmgen_can_end_call(call))
		return -EFAULT;
	return vmgen_await(file->private_data, &call->known, false, &call->id,
			   &call->changes);
}

static long vmgen_ioctl_read(struct file *file,
			     struct devioctl_request __user *block)
{
	struct vmgen_call call;
	int ret;

	if (copy_from_user(&call.req, block, sizeof(call.req)))
		return -EFAULT;
	call.block = block;
	ret = vmgen_begin(file, &call);
	if (unlikely(ret == -EAGAIN))
		ret = vmgen_wait_for_call(file, &call);
	return vmgen_end(file->private_data, &call, ret);
}

static long vmgen_ioctl_get_info(struct file *file,
				 struct vmgencounter_info __user *argp)
{
	struct vmgen *vg = ((struct vmgen_file *)file->private_data)->vg;
	struct vmgencounter_info info = {};

	if (!(file->f_mode & FMODE_READ))
		return -EACCES;
	if (READ_ONCE(vg->gone))
		return -ENODEV;
	vmgen_get_info(vg, &info);
	return copy_to_user(argp, &info, sizeof(info)) ? -EFAULT : 0;
}

long vmgen_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	void __user *argp = (void __user *)arg;

	switch (cmd) {
	case IOCTL_VMGENCOUNTER_READ:
		return vmgen_ioctl_read(file, argp);
	case VMGENCOUNTER_GET_INFO:
		return vmgen_ioctl_get_info(file, argp);
	default:
		return -ENOTTY;
	}
}
