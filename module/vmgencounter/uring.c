// SPDX-License-Identifier: GPL-2.0-only
/*
 * IORING_OP_URING_CMD: IOCTL_VMGENCOUNTER_READ, for who waits without a thread
 *
 * What an OVERLAPPED is on Windows: the command completes when the ID is another one.
 * It waits on vmgen.wait, where everybody waits. What wakes it only queues its task
 * work; that looks at the ID and writes, in the context of the task that submitted it.
 *
 * Lifetime: a struct vmgen_uring is one command that has to wait, until vmgen_uring_end().
 * io_uring keeps the open file until then, and so struct vmgen. Whoever takes the command
 * off vmgen.wait must see it through: by its task work, which ends it or puts it back, or,
 * if io_uring cancels because the ring or the task goes, at once. No block is written then.
 *
 * Locks: that of vmgen.wait is for the queue, and for vmgen_file.uring with what is on it.
 * io_uring holds the lock of its ring when it cancels and when it lets go of what is done,
 * so that what is being cancelled is there.
 */

#include <linux/errno.h>
#include <linux/fs.h>
#include <linux/list.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/wait.h>

#include "../compat.h"
#include "../devioctl.h"
#include "vmgen.h"

struct vmgen_uring {
	struct wait_queue_entry wait;	/* on vmgen.wait, or empty */
	struct hlist_node node;		/* on vmgen_file.uring */
	struct io_uring_cmd *cmd;
	struct vmgen_file *f;
	const struct mm_struct *mm;	/* whose addresses are meant; not for use */
	bool cancelled;			/* by VMGENCOUNTER_CANCEL */
	unsigned long announced;	/* for vmgen_must_wait() */
	struct vmgen_call call;
};

/* Where io_uring keeps a word for us. */
static struct vmgen_uring **vmgen_uring_of(struct io_uring_cmd *cmd)
{
	return io_uring_cmd_to_pdu(cmd, struct vmgen_uring *);
}

static void vmgen_uring_work(struct io_uring_cmd *cmd, unsigned int issue_flags, bool dead);
COMPAT_URING_TASK_WORK(vmgen_uring_task_work, vmgen_uring_work)

/* The caller holds the lock of vmgen.wait; once it is dropped, the command may be gone. */
static int vmgen_uring_wake(struct wait_queue_entry *wait, unsigned int mode, int flags,
			    void *key)
{
	struct vmgen_uring *u = container_of(wait, struct vmgen_uring, wait);

	list_del_init(&wait->entry);
	compat_uring_complete_in_wake(u->cmd, vmgen_uring_task_work);
	return 1;
}

/*
 * No wake-up is lost: the command is on the queue, and then looks. vmgen_wake() takes the
 * lock after what it wakes for, so it either finds the command or is found.
 */
static void vmgen_uring_wait(struct vmgen_uring *u)
{
	struct vmgen *vg = u->f->vg;

	spin_lock_irq(&vg->wait.lock);
	__add_wait_queue_entry_tail(&vg->wait, &u->wait);
	if (u->cancelled || !vmgen_must_wait(vg, u->announced))
		vmgen_uring_wake(&u->wait, 0, 0, NULL);
	spin_unlock_irq(&vg->wait.lock);
}

/* Freed last: until io_uring has the command back, it may call to cancel it. */
static void vmgen_uring_end(struct vmgen_uring *u, int ret, unsigned int issue_flags)
{
	struct vmgen *vg = u->f->vg;

	spin_lock_irq(&vg->wait.lock);
	hlist_del(&u->node);
	spin_unlock_irq(&vg->wait.lock);
	io_uring_cmd_done(u->cmd, ret, issue_flags);
	kfree(u);
}

static int vmgen_uring_look(struct vmgen_uring *u)
{
	struct vmgen_call *call = &u->call;

	if (READ_ONCE(u->cancelled))
		return -ECANCELED;
	return vmgen_look_again(u->f, &call->known, &call->id, &call->changes, &u->announced);
}

/* @dead: the task exits or the ring closes, so the memory may be another's by now. */
static void vmgen_uring_work(struct io_uring_cmd *cmd, unsigned int issue_flags, bool dead)
{
	struct vmgen_uring *u = *vmgen_uring_of(cmd);
	int ret = dead ? -ECANCELED : vmgen_uring_look(u);

	if (ret == -EAGAIN) {
		vmgen_uring_wait(u);
		return;
	}
	if (!dead)
		ret = vmgen_end_call(u->f, &u->call, ret);
	vmgen_uring_end(u, ret, issue_flags);
}

static int vmgen_uring_start(struct io_uring_cmd *cmd, unsigned int issue_flags,
			     const struct vmgen_call *call, unsigned long announced)
{
	struct vmgen_file *f = cmd->file->private_data;
	struct vmgen_uring *u = kzalloc(sizeof(*u), GFP_KERNEL_ACCOUNT);

	if (!u)
		return -ENOMEM;
	init_waitqueue_func_entry(&u->wait, vmgen_uring_wake);
	INIT_LIST_HEAD(&u->wait.entry);
	u->cmd = cmd;
	u->f = f;
	u->mm = current->mm;
	u->call = *call;
	u->announced = announced;
	*vmgen_uring_of(cmd) = u;
	spin_lock_irq(&f->vg->wait.lock);
	hlist_add_head(&u->node, &f->uring);
	spin_unlock_irq(&f->vg->wait.lock);
	io_uring_cmd_mark_cancelable(cmd, issue_flags);
	vmgen_uring_wait(u);
	return -EIOCBQUEUED;
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

/* Those whose task work is under way, too: it may put them back. */
static int vmgen_uring_cancel(struct vmgen_file *f, struct devioctl_request __user *block)
{
	struct vmgen_uring *u;
	int ret = -ENOENT;

	spin_lock_irq(&f->vg->wait.lock);
	hlist_for_each_entry(u, &f->uring, node) {
		if (u->call.block != block || u->mm != current->mm)
			continue;
		WRITE_ONCE(u->cancelled, true);
		if (!list_empty(&u->wait.entry))
			vmgen_uring_wake(&u->wait, 0, 0, NULL);
		ret = 0;
	}
	spin_unlock_irq(&f->vg->wait.lock);
	return ret;
}

/* io_uring asks again until the command is done, so its task work may come first. */
static void vmgen_uring_abort(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	struct vmgen_uring *u = *vmgen_uring_of(cmd);
	struct vmgen *vg = u->f->vg;
	bool waits;

	spin_lock_irq(&vg->wait.lock);
	waits = !list_empty(&u->wait.entry);
	list_del_init(&u->wait.entry);
	spin_unlock_irq(&vg->wait.lock);
	if (waits)
		vmgen_uring_end(u, -ECANCELED, issue_flags);
}

int vmgen_uring_cmd(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	const struct devioctl_uring_cmd *arg;
	struct devioctl_request __user *block;

	if (issue_flags & IO_URING_F_CANCEL) {
		vmgen_uring_abort(cmd, issue_flags);
		return 0;
	}
	arg = (const void *)cmd->sqe->cmd;	/* the program can change it meanwhile */
	block = devioctl_user_ptr(READ_ONCE(arg->request));
	if (READ_ONCE(arg->reserved) || cmd->flags & IORING_URING_CMD_MASK)
		return -EINVAL;
	switch (cmd->cmd_op) {
	case IOCTL_VMGENCOUNTER_READ:
		return vmgen_uring_read(cmd, issue_flags, block);
	case VMGENCOUNTER_CANCEL:
		return vmgen_uring_cancel(cmd->file->private_data, block);
	default:
		return -ENOTTY;
	}
}
