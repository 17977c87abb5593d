// SPDX-License-Identifier: GPL-2.0-only
/*
 * IORING_OP_URING_CMD: the three requests, for who waits without a thread
 *
 * A READ or a WRITE waits where the caller of an ioctl() would, on the wait queue of its
 * request, and an INVALIDATE on that of the function's news: see ../devioctl_uring.h.
 *
 * Lifetime: io_uring keeps the open file as long as a command waits. A request for the host
 * that is not done when the command ends is left behind.
 */

#include <linux/errno.h>
#include <linux/fs.h>
#include <linux/slab.h>

#include "../devioctl_uring.h"
#include "vpci.h"

struct vpci_uring {
	struct devioctl_uring u;
	struct vpci_file *f;
	struct vpci_call call;
	u64 mask;
};

static struct vpci_uring *to_vpci_uring(struct devioctl_uring *u)
{
	return container_of(u, struct vpci_uring, u);
}

/* Who wakes has vpci_lock, so this does without. What is missed is looked at again. */
static bool vpci_uring_is_ready(struct devioctl_uring *u)
{
	struct vpci_uring *v = to_vpci_uring(u);
	struct vpci_function *fn = v->f->fn;

	if (v->call.rq)
		return vpci_result(v->call.rq) != -EINPROGRESS;
	return READ_ONCE(v->f->invalid) || READ_ONCE(fn->gone) || READ_ONCE(fn->slot_err);
}

static int vpci_uring_look(struct devioctl_uring *u)
{
	struct vpci_uring *v = to_vpci_uring(u);
	int ret;

	if (!v->call.rq)
		return vpci_look(v->f, &v->mask);
	ret = vpci_result(v->call.rq);
	return ret == -EINPROGRESS ? -EAGAIN : ret;
}

static int vpci_uring_finish(struct devioctl_uring *u, int ret)
{
	struct vpci_uring *v = to_vpci_uring(u);

	if (v->call.rq)
		return vpci_end_request(&v->call, ret);
	ret = vpci_end_invalidate(v->f, &v->call, ret, v->mask);
	return ret == -EINPROGRESS ? -EAGAIN : ret;
}

static void vpci_uring_free(struct devioctl_uring *u)
{
	struct vpci_uring *v = to_vpci_uring(u);

	if (v->call.rq) {
		vpci_abandon(v->call.rq);
		vpci_put_request(v->call.rq);
	}
	kfree(v);
}

/* Nobody could say what becomes of a write that was sent. */
static bool vpci_uring_may_cancel(struct devioctl_uring *u)
{
	struct vpci_uring *v = to_vpci_uring(u);

	return !v->call.rq || !v->call.rq->write || vpci_dequeue(v->call.rq);
}

static const struct devioctl_uring_ops vpci_uring_ops = {
	.is_ready	= vpci_uring_is_ready,
	.look		= vpci_uring_look,
	.finish		= vpci_uring_finish,
	.free		= vpci_uring_free,
	.may_cancel	= vpci_uring_may_cancel,
};

/* The call has begun. Its request, if it has one, is this command's then. */
static int vpci_uring_start(struct io_uring_cmd *cmd, unsigned int issue_flags,
			    const struct vpci_call *call)
{
	struct vpci_file *f = cmd->file->private_data;
	struct vpci_uring *v = kzalloc(sizeof(*v), GFP_KERNEL_ACCOUNT);

	if (!v) {
		if (call->rq)
			vpci_put_request(call->rq);
		return devioctl_complete(call->block, 0, -ENOMEM);
	}
	v->u.ops = &vpci_uring_ops;
	v->u.queue = call->rq ? &call->rq->wait : &f->fn->news;
	v->u.list = &f->uring;
	v->u.block = call->block;
	v->f = f;
	v->call = *call;
	if (call->rq)
		vpci_enqueue(call->rq);
	return devioctl_uring_start(&v->u, cmd, issue_flags);
}

int vpci_uring_cmd(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	struct vpci_file *f = cmd->file->private_data;
	struct vpci_call call;
	int ret;

	if (issue_flags & IO_URING_F_CANCEL) {
		devioctl_uring_abort(cmd, issue_flags);
		return 0;
	}
	ret = devioctl_uring_block(cmd, &call.block);
	if (ret)
		return ret;
	if (cmd->cmd_op == VPCI_CANCEL)
		return devioctl_uring_cancel(&f->uring, call.block);
	ret = vpci_begin_call(cmd->file, cmd->cmd_op, &call);
	return ret ?: vpci_uring_start(cmd, issue_flags, &call);
}
