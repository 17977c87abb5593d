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
	struct vm_gencounter __user *from = u64_to_user_ptr(address);

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
	struct vm_gencounter __user *to = u64_to_user_ptr(address);

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

static int vmgen_check_request(struct file *file,
			       const struct devioctl_request *req,
			       struct vm_gencounter *known)
{
	const fmode_t both = FMODE_READ | FMODE_WRITE;

	if ((file->f_mode & both) != both)
		return -EACCES;
	if (req->out_size < sizeof(*known))
		return -ENOBUFS;
	if (!req->in_size)
		return 0;
	if (req->in_size < sizeof(*known))
		return -EINVAL;
	return vmgen_get_id(known, req->in_buffer);
}

/*
 * Event-driven mode. What can be refused before a wait is refused before the wait;
 * an ID that is new already needs neither.
 */
static int vmgen_get_new(struct file *file, const struct devioctl_request *req,
			 struct devioctl_request __user *block,
			 const struct vm_gencounter *known,
			 struct vm_gencounter *id, u64 *changes)
{
	struct vmgen_file *f = file->private_data;

	if (!(READ_ONCE(f->vg->flags) & VMGENCOUNTER_WAKEUP))
		return -EOPNOTSUPP;
	*changes = vmgen_look(f->vg, id);
	if (!vmgen_same(id, known))
		return 0;
	if (file->f_flags & O_NONBLOCK)
		return -EAGAIN;
	if (!devioctl_can_write(block, sizeof(*block)) ||
	    !devioctl_can_write(u64_to_user_ptr(req->out_buffer), sizeof(*id)))
		return -EFAULT;
	return vmgen_await(f, known, false, id, changes);
}

/* Polling mode without input, event-driven mode with the ID in it. */
static int vmgen_get_requested(struct file *file,
			       const struct devioctl_request *req,
			       struct devioctl_request __user *block,
			       struct vm_gencounter *id, u64 *changes)
{
	struct vmgen_file *f = file->private_data;
	struct vm_gencounter known;
	int ret;

	ret = vmgen_check_request(file, req, &known);
	if (ret)
		return ret;
	if (READ_ONCE(f->vg->gone))
		return -ENODEV;
	if (req->in_size)
		return vmgen_get_new(file, req, block, &known, id, changes);
	*changes = vmgen_look(f->vg, id);
	return 0;
}

static long vmgen_ioctl_read(struct file *file,
			     struct devioctl_request __user *block)
{
	struct devioctl_request req;
	struct vm_gencounter id;
	u64 changes;
	int ret;

	if (copy_from_user(&req, block, sizeof(req)))
		return -EFAULT;
	ret = vmgen_get_requested(file, &req, block, &id, &changes);
	if (!ret)
		ret = vmgen_put_id(&id, req.out_buffer);
	ret = devioctl_complete(block, ret ? 0 : sizeof(id), ret);
	if (!ret)
		vmgen_mark_delivered(file->private_data, changes);
	return ret;
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
