/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vpci_block - configuration blocks of passed-through PCI functions, for user space
 *
 * hv_pci has a backchannel for the drivers of virtual functions: it reads and
 * writes blocks of the physical function's driver, in the Hyper-V host, and is told
 * when the host has invalidated some. /dev/vpci/DDDD:BB:DD.F gives it to programs.
 *
 * hv_pci waits for the host's answer without a bound, and takes any function for
 * one of its own. So a request runs on a workqueue with a buffer of its own and is
 * left alone there if its caller goes, and only functions of hv_pci get a node.
 *
 * Lifetime: struct vpci_function has a reference from the presence of its PCI device
 * and one from each struct vpci_file, which has one from the open file and one from each
 * of its requests that has a worker. A request has one from its caller and one from the
 * worker, and pins our module; the PCI device only while it is inside hv_pci, as whoever
 * keeps that may keep the next bus from having the same domain. Files and workers together
 * pin hv_pci's module, and listen to the bus "vmbus" for hv_pci being unbound.
 *
 * Removal of a function marks it gone, wakes everybody, and waits for nobody but, for a
 * tenth of a second, its requests inside hv_pci. Before hv_pci is unbound from a VMBus
 * device, and frees the bus that is its state, all functions of that are gone, and nobody
 * is inside.
 *
 * Locks, outermost first:
 *   device_lock() of the VMBus device: hv_pci is bound or unbound
 *   pci_lock_rescan_remove(), device_lock() of the function: the PCI core's
 *   vpci_mutex    functions and files come and go, and hv_pci's slots with them
 *   vpci_lock     all state that is looked at elsewhere; taken in interrupts
 * The notifiers' own semaphores come before vpci_mutex. With none of these held:
 *   vpci_watch_mutex   whether we listen to "vmbus"; the semaphore of its notifiers
 *
 * Each file calls only those below it, and what it uses of a file is declared
 * under that file's name. Nothing calls function.c:
 *   function.c    functions come and go
 *   node.c        a function's node
 *   chardev.c     the open files
 *   uring.c       their calls by io_uring
 *   ioctl.c       their calls
 *   sysfs.c       what a function's directory says
 *   request.c     whose turn it is
 *   hv_pci.c      to the host and back, as long as hv_pci is there
 *   slot.c        who hears of invalidations
 */
#ifndef _VPCI_BLOCK_VPCI_H
#define _VPCI_BLOCK_VPCI_H

#include <linux/cdev.h>
#include <linux/device.h>
#include <linux/fs.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/refcount.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include <linux/vpci.h>

#include "../devioctl.h"

struct io_uring_cmd;

/* Failures of requests, in a period that the first of them begins. */
struct vpci_failures {
	unsigned int count;
	unsigned long end;		/* jiffies, if @count is not 0 */
};

struct vpci_function {
	struct device dev;
	struct cdev cdev;
	unsigned long id;		/* what hv_pci knows us by; never used again */
	struct pci_dev *pdev;		/* only while not @gone */
	struct device *hdev;		/* the VMBus device; once @gone, only to be compared */
	struct list_head node;		/* vpci_mutex and vpci_lock: vpci_functions */
	struct list_head files;		/* vpci_mutex and vpci_lock: struct vpci_file */
	struct delayed_work announce;	/* sends the uevent; has a reference */
	unsigned int opens;		/* vpci_mutex: files that are open, or are being opened */

	/* vpci_lock, and changed with vpci_mutex, too: */
	bool gone;			/* set once */
	const char *listener;		/* vpci_us, vpci_unknown, or the name of a driver */
	int slot_err;			/* 0 if we have it, else -EBUSY or -ENODEV */

	/* vpci_lock: */
	struct list_head turns;		/* struct vpci_file, in the order of their turns */
	unsigned int in_flight;		/* requests that have a worker */
	unsigned int waiting;		/* requests that have none yet */
	unsigned long failed;		/* requests, ever */
	u64 last_sent;			/* the number of its last request, of all that were sent */
	struct vpci_failures failures;

	wait_queue_head_t news;		/* for vpci_file.invalid, @gone and @slot_err */
};

struct vpci_file {
	refcount_t refs;
	struct vpci_function *fn;
	struct list_head node;		/* vpci_mutex and vpci_lock: vpci_function.files */
	u64 invalid;			/* vpci_lock: blocks it was not told of */

	/* vpci_lock: */
	struct list_head turn;		/* vpci_function.turns, if its turn may come */
	struct list_head waiting;	/* struct vpci_request, first come, first served */
	unsigned int in_flight;
	bool good;			/* a request has succeeded */
	struct vpci_failures failures;
	struct delayed_work retry;	/* its turn may come when a period has ended */

	struct devioctl_uring_list uring;
};

struct vpci_request {
	refcount_t refs;
	struct work_struct work;
	struct vpci_file *f;		/* the worker has a reference */
	bool write;
	u32 block_id;
	u32 length;			/* 1 to VPCI_BLOCK_SIZE_MAX */

	/* vpci_lock: */
	struct list_head node;		/* vpci_file.waiting, or, when @sent, vpci_in_flight */
	struct pci_dev *pdev;		/* while it is inside hv_pci */
	bool sent;			/* it has a worker ... */
	bool done;			/* ... which is done with it */
	bool left;			/* the caller has gone before that */
	int result;			/* valid with @done */
	wait_queue_head_t wait;		/* for @sent, @done and vpci_function.gone */

	/* The worker's until @done: */
	u32 returned;			/* bytes of @data, if read */
	u8 data[VPCI_BLOCK_SIZE_MAX];
};

/* ---- node.c ---- */

/* A function that has no node yet, and its node's beginning and end; all with vpci_mutex. */
struct vpci_function *vpci_create(struct pci_dev *pdev);
int vpci_publish(struct vpci_function *fn);

/* Without it. */
void vpci_unpublish(struct vpci_function *fn);

/* What all nodes have in common. */
int vpci_init_nodes(void);
void vpci_exit_nodes(void);

/* ---- uring.c, where the kernel has what it needs ---- */

/* &file_operations.uring_cmd */
int vpci_uring_cmd(struct io_uring_cmd *cmd, unsigned int issue_flags);

/* ---- chardev.c ---- */

/* Of /dev/vpci/DDDD:BB:DD.F. */
extern const struct file_operations vpci_fops;

/* ---- ioctl.c ---- */

/**
 * struct vpci_call - one of the three requests, by ioctl() or io_uring
 * @block: the program's, and ...
 * @req: ... what was in it
 * @rq: what the host is asked for, NULL for an INVALIDATE
 */
struct vpci_call {
	struct devioctl_request __user *block;
	struct devioctl_request req;
	struct vpci_request *rq;
};

/* &file_operations.unlocked_ioctl */
long vpci_ioctl(struct file *file, unsigned int cmd, unsigned long arg);

/**
 * vpci_begin_call() - all that comes before the host is asked, or blocks are waited for
 * @file: the open file
 * @code: the control code
 * @call: has @block, and gets the rest
 *
 * Return: 0, or the error with which the call has ended.
 */
int vpci_begin_call(struct file *file, unsigned int code, struct vpci_call *call);

/*
 * Write what a READ or WRITE came to, and what an INVALIDATE, and note that it is told. @ret is
 * 0 or an error; then @mask is not looked at. Both return what the call returns, or, if others
 * were told meanwhile, -EINPROGRESS. @call->rq stays the caller's.
 */
int vpci_end_request(struct vpci_call *call, int ret);
int vpci_end_invalidate(struct vpci_file *f, struct vpci_call *call, int ret, u64 mask);

/* ---- sysfs.c ---- */

extern const struct attribute_group *vpci_groups[];

/* ---- request.c ---- */

/* It runs requests, and whatever else waits. function.c makes and destroys it. */
extern struct workqueue_struct *vpci_wq;

/* A file with one reference, or NULL. It has one of @fn. */
struct vpci_file *vpci_new_file(struct vpci_function *fn);
void vpci_put_file(struct vpci_file *f);

/*
 * A request of an open file, with one reference, or NULL. The caller fills in @write,
 * @block_id, @length and, for a write, @data.
 */
struct vpci_request *vpci_new_request(struct vpci_file *f);
void vpci_put_request(struct vpci_request *rq);

/**
 * vpci_exchange() - send a request to the host and wait for its answer
 * @rq: the request, which this may leave to its worker
 *
 * After an error the worker may still write to @rq, and the caller may only put it.
 *
 * Return: 0, then @returned and @data are valid for a read; -ERESTARTSYS if a signal
 * has ended the wait, which that of a write that was sent ends only by killing the
 * caller; -ENODEV once the function is gone; -EIO if the host says no.
 */
int vpci_exchange(struct vpci_request *rq);

/*
 * The parts of that. vpci_dequeue() is true if the request was not sent, and now never will
 * be. Who has no use for the answer any more calls vpci_abandon().
 */
void vpci_enqueue(struct vpci_request *rq);
int vpci_result(struct vpci_request *rq);	/* or -EINPROGRESS */
bool vpci_dequeue(struct vpci_request *rq);
void vpci_abandon(struct vpci_request *rq);

/* ---- hv_pci.c ---- */

/**
 * vpci_call() - have hv_pci ask the host, unless the function is gone
 * @rq: the request, which has a worker
 *
 * Return: what vpci_exchange() does, or -EAGAIN if VMBus has no room for it.
 */
int vpci_call(struct vpci_request *rq);

/**
 * vpci_wait_a_while() - wait for requests inside hv_pci, but not for long
 * @hdev: the VMBus device whose requests these are
 * @fn: the function whose requests these are, or NULL for all of @hdev
 * @tenth: jiffies, of which there are ten
 */
void vpci_wait_a_while(const struct device *hdev, const struct vpci_function *fn, long tenth);

/* Is hv_pci still being bound to the VMBus device of its PCI device? */
bool vpci_is_probing(const struct pci_dev *pdev);

/* Is it bound, or being bound, and the PCI device on the bus that it has now? */
bool vpci_is_bound(const struct pci_dev *pdev);

/*
 * Pin hv_pci and listen to it being unbound: 0, -ENODEV if @fn is gone or hv_pci is going, or
 * what registering the notifier says. The caller holds none of the locks above.
 */
int vpci_watch(struct vpci_function *fn);

/* One more, of who watches already. */
void vpci_watch_too(void);

/* The end of one of these two. The caller holds none of the locks above. */
void vpci_unwatch(void);

/* ---- slot.c ---- */

/* See "Locks" above. */
extern struct mutex vpci_mutex;
extern spinlock_t vpci_lock;

/* Of struct vpci_function, those present; of struct vpci_request, those that have a worker. */
extern struct list_head vpci_functions, vpci_in_flight;

/* See vpci_function.listener. */
extern const char *const vpci_us, *const vpci_unknown;

/*
 * With vpci_lock: is the function gone, or hv_pci without a channel to the host, as it is
 * after a resume that failed?
 */
bool vpci_is_lost(const struct vpci_function *fn);

/* With vpci_mutex: mark a function gone and wake everybody. */
void vpci_end(struct vpci_function *fn);

/* With vpci_mutex: take hv_pci's slot or give it back, whichever is due. */
void vpci_update_slot(struct vpci_function *fn);

/* With vpci_mutex: tell every open file of all blocks, as it may have missed some. */
void vpci_missed(struct vpci_function *fn);

/**
 * vpci_listener_of() - whose is the slot, with a driver or without?
 * @drv: the driver that is bound to the function, or NULL
 *
 * Return: the driver's name, or vpci_us if there is none, or one that leaves the function
 * to programs.
 */
const char *vpci_listener_of(const struct device_driver *drv);

/* With vpci_mutex: whose the slot is, from the next vpci_update_slot() on. */
void vpci_set_listener(struct vpci_function *fn, const char *listener);

/* With vpci_mutex: the slot has changed hands. Tells who watches "listener". */
void vpci_tell_listener(struct vpci_function *fn);

/*
 * With vpci_mutex, and @fn not gone: find out whose the slot is, unless that is known. What
 * cannot be known at once stays unknown.
 */
void vpci_check_driver(struct vpci_function *fn);

/* The same and the update, without any lock, and for a function that may be gone. */
void vpci_ask_again(struct vpci_function *fn);

/**
 * vpci_look() - which invalidated blocks is an open file to be told of?
 * @f: the open file
 * @mask: gets them
 *
 * Return: 0, -EAGAIN if there are none, -ENODEV once the function is gone for hv_pci or
 * for all, or -EBUSY if the slot is a driver's.
 */
int vpci_look(struct vpci_file *f, u64 *mask);

/**
 * vpci_await() - wait for invalidated blocks
 * @f: the open file
 * @nonblock: do not sleep
 * @mask: gets the blocks that @f was not told of
 *
 * Return: what vpci_look() does, -EAGAIN only if @nonblock, or -ERESTARTSYS.
 */
int vpci_await(struct vpci_file *f, bool nonblock, u64 *mask);

/* An open file was told of these blocks. True if any is news to those who share it. */
bool vpci_mark_told(struct vpci_file *f, u64 mask);

#endif /* _VPCI_BLOCK_VPCI_H */
