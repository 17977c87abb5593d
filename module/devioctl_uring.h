/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Commands of io_uring that wait: what the devices do alike with IORING_OP_URING_CMD
 *
 * What an OVERLAPPED is on Windows: the command completes when what it waits for has come
 * about. It is on a wait queue of the device, where others wait by their own threads. What
 * wakes it only queues its task work; that looks and writes, in the context of the task that
 * submitted it.
 *
 * Lifetime: a struct devioctl_uring is one command that has to wait, until
 * devioctl_uring_end(). io_uring keeps the open file until then. Whoever takes the command
 * off its queue must see it through: by its task work, which ends it or puts it back, or, if
 * io_uring cancels because the ring or the task goes, at once. No block is written then.
 *
 * Locks: that of the queue is for being on it, and that of the list, which comes before,
 * for the list. io_uring holds the lock of its ring when it cancels and when it lets go of
 * what is done, so that what is being cancelled is there.
 */
#ifndef _VMGENCOUNTER_DEVIOCTL_URING_H
#define _VMGENCOUNTER_DEVIOCTL_URING_H

#include <linux/errno.h>
#include <linux/fs.h>
#include <linux/list.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

#include <linux/devioctl.h>

#include "compat.h"
#include "devioctl.h"

struct devioctl_uring;

/**
 * struct devioctl_uring_ops - what commands of a device wait for
 * @is_ready: has it come about? With the lock of the queue, so no lock that is held by who
 *	      wakes
 * @look: in the task's context: the result, or -EAGAIN to wait on
 * @finish: in the task's context: write the block; the result, or -EAGAIN to wait on
 * @free: let go of it; when there was no @finish, too
 * @may_cancel: can it be cancelled as long as the program is there? NULL: always
 */
struct devioctl_uring_ops {
	bool (*is_ready)(struct devioctl_uring *u);
	int (*look)(struct devioctl_uring *u);
	int (*finish)(struct devioctl_uring *u, int ret);
	void (*free)(struct devioctl_uring *u);
	bool (*may_cancel)(struct devioctl_uring *u);
};

struct devioctl_uring {
	const struct devioctl_uring_ops *ops;
	struct wait_queue_head *queue;
	struct devioctl_uring_list *list;
	struct devioctl_request __user *block;

	struct wait_queue_entry wait;	/* on @queue, or empty */
	struct hlist_node node;		/* on @list */
	struct io_uring_cmd *cmd;
	const struct mm_struct *mm;	/* whose addresses are meant; not for use */
	bool cancelled;			/* by the program */
};

/* Where io_uring keeps a word for us. */
static struct devioctl_uring **devioctl_uring_of(struct io_uring_cmd *cmd)
{
	return io_uring_cmd_to_pdu(cmd, struct devioctl_uring *);
}

static void devioctl_uring_work(struct io_uring_cmd *cmd, unsigned int issue_flags, bool dead);
COMPAT_URING_TASK_WORK(devioctl_uring_task_work, devioctl_uring_work)

/* The caller holds the lock of the queue; once it is dropped, the command may be gone. */
static int devioctl_uring_wake(struct wait_queue_entry *wait, unsigned int mode, int flags,
			       void *key)
{
	struct devioctl_uring *u = container_of(wait, struct devioctl_uring, wait);

	list_del_init(&wait->entry);
	compat_uring_complete_in_wake(u->cmd, devioctl_uring_task_work);
	return 1;
}

/*
 * No wake-up is lost: the command is on the queue, and then looks. Who wakes takes the lock
 * after what it wakes for, so it either finds the command or is found.
 */
static void devioctl_uring_wait(struct devioctl_uring *u)
{
	struct wait_queue_head *queue = u->queue;

	spin_lock_irq(&queue->lock);
	__add_wait_queue_entry_tail(queue, &u->wait);
	if (u->cancelled || u->ops->is_ready(u))
		devioctl_uring_wake(&u->wait, 0, 0, NULL);
	spin_unlock_irq(&queue->lock);
}

/* Freed last: until io_uring has the command back, it may call to cancel it. */
static void devioctl_uring_end(struct devioctl_uring *u, int ret, unsigned int issue_flags)
{
	spin_lock(&u->list->lock);
	hlist_del(&u->node);
	spin_unlock(&u->list->lock);
	io_uring_cmd_done(u->cmd, ret, issue_flags);
	u->ops->free(u);
}

/* @dead: the task exits or the ring closes, so the memory may be another's by now. */
static void devioctl_uring_work(struct io_uring_cmd *cmd, unsigned int issue_flags, bool dead)
{
	struct devioctl_uring *u = *devioctl_uring_of(cmd);
	int ret = dead || READ_ONCE(u->cancelled) ? -ECANCELED : u->ops->look(u);

	if (!dead && ret != -EAGAIN)
		ret = u->ops->finish(u, ret);
	if (ret == -EAGAIN)
		devioctl_uring_wait(u);
	else
		devioctl_uring_end(u, ret, issue_flags);
}

/* The caller has set the first four members, and zeroed the rest. */
static int devioctl_uring_start(struct devioctl_uring *u, struct io_uring_cmd *cmd,
				unsigned int issue_flags)
{
	init_waitqueue_func_entry(&u->wait, devioctl_uring_wake);
	INIT_LIST_HEAD(&u->wait.entry);
	u->cmd = cmd;
	u->mm = current->mm;
	*devioctl_uring_of(cmd) = u;
	spin_lock(&u->list->lock);
	hlist_add_head(&u->node, &u->list->head);
	spin_unlock(&u->list->lock);
	io_uring_cmd_mark_cancelable(cmd, issue_flags);
	devioctl_uring_wait(u);
	return -EIOCBQUEUED;
}

static int devioctl_uring_cancel_one(struct devioctl_uring *u)
{
	if (u->ops->may_cancel && !u->ops->may_cancel(u))
		return -EALREADY;
	spin_lock_irq(&u->queue->lock);
	WRITE_ONCE(u->cancelled, true);
	if (!list_empty(&u->wait.entry))
		devioctl_uring_wake(&u->wait, 0, 0, NULL);
	spin_unlock_irq(&u->queue->lock);
	return 0;
}

/* Those whose task work is under way, too: it may put them back. */
static int devioctl_uring_cancel(struct devioctl_uring_list *list,
				 struct devioctl_request __user *block)
{
	struct devioctl_uring *u;
	int ret = -ENOENT;

	spin_lock(&list->lock);
	hlist_for_each_entry(u, &list->head, node)
		if (u->block == block && u->mm == current->mm)
			ret = devioctl_uring_cancel_one(u);
	spin_unlock(&list->lock);
	return ret;
}

/* io_uring asks again until the command is done, so its task work may come first. */
static void devioctl_uring_abort(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	struct devioctl_uring *u = *devioctl_uring_of(cmd);
	bool waits;

	spin_lock_irq(&u->queue->lock);
	waits = !list_empty(&u->wait.entry);
	list_del_init(&u->wait.entry);
	spin_unlock_irq(&u->queue->lock);
	if (waits)
		devioctl_uring_end(u, -ECANCELED, issue_flags);
}

/* The address of the block that a command has, or an error. */
static int devioctl_uring_block(struct io_uring_cmd *cmd, struct devioctl_request __user **block)
{
	/* The program can change it meanwhile. */
	const struct devioctl_uring_cmd *arg = (const void *)cmd->sqe->cmd;

	*block = devioctl_user_ptr(READ_ONCE(arg->request));
	return READ_ONCE(arg->reserved) || cmd->flags & IORING_URING_CMD_MASK ? -EINVAL : 0;
}

#endif /* _VMGENCOUNTER_DEVIOCTL_URING_H */
