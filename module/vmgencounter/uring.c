// SPDX-License-Identifier: GPL-2.0-only
/*
 * IORING_OP_URING_CMD: IOCTL_VMGENCOUNTER_READ, for who waits without a thread
 *
 * The command completes when the ID is another one. It waits on vmgen.wait, where everybody
 * waits: see ../devioctl_uring.h.
 *
 * Lifetime: io_uring keeps the open file as long as a command waits, and so struct vmgen.
 */

#include <linux/errno.h>
#include <linux/fs.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "../devioctl_uring.h"
#include "vmgen.h"

struct vmgen_uring {
	struct devioctl_uring u;
	struct vmgen_file *f;
	unsigned long announced;	/* for vmgen_must_wait() */
	struct vmgen_call call;
};

static struct vmgen_uring *to_vmgen_uring(struct devioctl_uring *u)
{
	return container_of(u, struct vmgen_uring, u);
}

static bool vmgen_uring_is_ready(struct devioctl_uring *u)
{
	struct vmgen_uring *v = to_vmgen_uring(u);

	return !vmgen_must_wait(v->f->vg, v->announced);
}

static int vmgen_uring_look(struct devioctl_uring *u)
{
	struct vmgen_uring *v = to_vmgen_uring(u);
	struct vmgen_call *call = &v->call;

	return vmgen_look_again(v->f, &call->known, &call->id, &call->changes, &v->announced);
}

static int vmgen_uring_finish(struct devioctl_uring *u, int ret)
{
	struct vmgen_uring *v = to_vmgen_uring(u);

	return vmgen_end_call(v->f, &v->call, ret);
}

static void vmgen_uring_free(struct devioctl_uring *u)
{
	kfree(to_vmgen_uring(u));
}

static const struct devioctl_uring_ops vmgen_uring_ops = {
	.is_ready	= vmgen_uring_is_ready,
	.look		= vmgen_uring_look,
	.finish		= vmgen_uring_finish,
	.free		= vmgen_uring_free,
};

static int vmgen_uring_start(struct io_uring_cmd *cmd, unsigned int issue_flags,
			     const struct vmgen_call *call, unsigned long announced)
{
	struct vmgen_file *f = cmd->file->private_data;
	struct vmgen_uring *v = kzalloc(sizeof(*v), GFP_KERNEL_ACCOUNT);

	if (!v)
		return -ENOMEM;
	v->u.ops = &vmgen_uring_ops;
	v->u.queue = &f->vg->wait;
	v->u.list = &f->uring;
	v->u.block = call->block;
	v->f = f;
	v->announced = announced;
	v->call = *call;
	return devioctl_uring_start(&v->u, cmd, issue_flags);
}

/* -EAGAIN would have io_uring try again, by a thread that may sleep. */
static int vmgen_uring_read(struct io_uring_cmd *cmd, unsigned int issue_flags,
			    struct devioctl_request __user *block)
{
	struct vmgen_file *f = cmd->file->private_data;
	unsigned long announced = vmgen_announced(f->vg);
	struct vmgen_call call;
	int ret;

	if (copy_from_user(&call.req, block, sizeof(call.req)))
		return -EFAULT;
	call.block = block;
	ret = vmgen_begin_call(cmd->file, &call);
	if (ret == -EAGAIN)
		ret = vmgen_can_end_call(&call) ?
		      vmgen_uring_start(cmd, issue_flags, &call, announced) : -EFAULT;
	if (ret == -EIOCBQUEUED)
		return ret;
	return vmgen_end_call(f, &call, ret);
}

int vmgen_uring_cmd(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	struct vmgen_file *f = cmd->file->private_data;
	struct devioctl_request __user *block;
	int ret;

	if (issue_flags & IO_URING_F_CANCEL) {
		devioctl_uring_abort(cmd, issue_flags);
		return 0;
	}
	ret = devioctl_uring_block(cmd, &block);
	if (ret)
		return ret;
	switch (cmd->cmd_op) {
	case IOCTL_VMGENCOUNTER_READ:
		return vmgen_uring_read(cmd, issue_flags, block);
	case VMGENCOUNTER_CANCEL:
		return devioctl_uring_cancel(&f->uring, block);
	default:
		return -ENOTTY;
	}
}
