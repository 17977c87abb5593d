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
 * left alone there if its caller is killed, and only functions of hv_pci get a node.
 *
 * Lifetime: struct vpci_function has a reference from the presence of its PCI
 * device, one from each open file and one from each request that hv_pci may still
 * be busy with. A request has one from its caller and one from the worker, and
 * pins our module; the PCI device only while it is inside hv_pci, as whoever keeps
 * that may keep the next bus from having the same domain. Files and workers together
 * pin hv_pci's module, and listen to the bus "vmbus" for hv_pci being unbound.
 *
 * Removal of a function marks it gone, wakes everybody, and waits for nobody but, for
 * a second, its requests inside hv_pci. Before hv_pci is unbound from a VMBus device,
 * and frees the bus that is its state, all functions of that are gone, and nobody is
 * inside.
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
 *   chardev.c     the open files and their calls
 *   request.c     to the host and back, as long as hv_pci is there
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

struct vpci_function {
	struct device dev;
	struct cdev cdev;
	unsigned long id;		/* what hv_pci knows us by; never used again */
	struct pci_dev *pdev;		/* only while not @gone */
	struct device *hdev;		/* the VMBus device, if not @gone: the bus's parent */
	struct list_head node;		/* vpci_mutex and vpci_lock: vpci_functions */
	struct list_head files;		/* vpci_mutex and vpci_lock: struct vpci_file */
	unsigned int opens;		/* vpci_mutex: files that are open, or are being opened */
	bool has_driver;		/* vpci_mutex: one that the slot belongs to ... */
	bool knows_driver;		/* vpci_mutex: ... or so we assume */

	/* vpci_lock: */
	bool gone;			/* set once, with vpci_mutex, too */
	bool hears;			/* hv_pci's slot is ours; with vpci_mutex, too */
	unsigned int in_flight;		/* requests that have a worker */
	unsigned int failures;		/* in this period */
	unsigned long failures_end;	/* jiffies when the period ends */
	struct list_head waiting;	/* struct vpci_request, first come, first served */
	struct delayed_work retry;	/* vpci_dispatch(), when the period ends */

	wait_queue_head_t requests;	/* for vpci_request.done and @gone */
	wait_queue_head_t news;		/* for vpci_file.invalid, @gone and @hears */
};

struct vpci_file {
	struct vpci_function *fn;
	struct list_head node;		/* vpci_mutex and vpci_lock: vpci_function.files */
	u64 invalid;			/* vpci_lock: blocks it was not told of */
};

struct vpci_request {
	refcount_t refs;
	struct work_struct work;
	struct list_head node;		/* vpci_lock: vpci_function.waiting */
	struct list_head call;		/* vpci_lock: vpci_calls */
	struct vpci_function *fn;
	struct pci_dev *pdev;		/* from vpci_begin_call() to vpci_end_call() */
	bool write;
	u32 block_id;
	u32 length;			/* 1 to VPCI_BLOCK_SIZE_MAX */

	/* The worker's until @done, which is under vpci_lock: */
	bool done;
	int result;
	u32 returned;			/* bytes of @data, if read */
	u8 data[VPCI_BLOCK_SIZE_MAX];
};

/* ---- chardev.c ---- */

/* Of /dev/vpci/DDDD:BB:DD.F. */
extern const struct file_operations vpci_fops;

/* ---- request.c ---- */

/* It runs requests and vpci_retry_work(). function.c makes and destroys it. */
extern struct workqueue_struct *vpci_wq;

/**
 * vpci_new_request() - make a request, of which the caller has a reference
 * @fn: the function that it is for, which the caller keeps
 *
 * The caller fills in @write, @block_id, @length and, for a write, @data.
 *
 * Return: the request, or NULL if there is no memory.
 */
struct vpci_request *vpci_new_request(struct vpci_function *fn);

/**
 * vpci_put_request() - give a reference back
 * @rq: the request
 */
void vpci_put_request(struct vpci_request *rq);

/**
 * vpci_exchange() - send a request to the host and wait for its answer
 * @rq: the request, which this may leave to its worker
 *
 * After an error the worker may still write to @rq, and the caller may only put it.
 *
 * Return: 0, then @returned and @data are valid for a read; -EINTR if the caller is
 * killed, -ENODEV once the function is gone, -EIO or -EOPNOTSUPP if the host or hv_pci
 * says no.
 */
int vpci_exchange(struct vpci_request *rq);

/**
 * vpci_retry_work() - send what waits, when a period of failures has ended
 * @work: vpci_function.retry of the function
 */
void vpci_retry_work(struct work_struct *work);

/**
 * vpci_wait_a_while() - wait for requests inside hv_pci, but not for long
 * @hdev: the VMBus device whose requests these are
 * @fn: the function whose requests these are, or NULL for all of @hdev
 */
void vpci_wait_a_while(const struct device *hdev, const struct vpci_function *fn);

/**
 * vpci_is_bound() - is hv_pci bound to a function's VMBus device, and stays?
 * @pdev: a PCI device of hv_pci
 *
 * Return: true if it is, and @pdev is on the bus that it has now.
 */
bool vpci_is_bound(struct pci_dev *pdev);

/**
 * vpci_end() - mark a function gone and wake everybody
 * @fn: the function
 *
 * The caller holds vpci_mutex.
 */
void vpci_end(struct vpci_function *fn);

/**
 * vpci_watch() - pin hv_pci and listen to it being unbound
 * @fn: a function of hv_pci
 *
 * The caller holds none of the locks above.
 *
 * Return: 0, -ENODEV if @fn is gone or hv_pci is going, or what registering the
 * notifier says.
 */
int vpci_watch(struct vpci_function *fn);

/**
 * vpci_unwatch() - the end of a vpci_watch()
 *
 * The caller holds none of the locks above.
 */
void vpci_unwatch(void);

/* ---- slot.c ---- */

/* See "Locks" above. */
extern struct mutex vpci_mutex;
extern spinlock_t vpci_lock;

/* Of struct vpci_function, those present. */
extern struct list_head vpci_functions;

/**
 * vpci_update_slot() - take hv_pci's slot or give it back, whichever is due
 * @fn: the function whose slot this is
 *
 * The caller holds vpci_mutex.
 */
void vpci_update_slot(struct vpci_function *fn);

/**
 * vpci_missed() - tell every open file of all blocks, as it may not have been told of some
 * @fn: the function
 *
 * The caller holds vpci_mutex.
 */
void vpci_missed(struct vpci_function *fn);

/**
 * vpci_has_driver() - does the slot belong to a driver of the function?
 * @dev: the function's device, locked or of a notifier
 *
 * Return: true if it does.
 */
bool vpci_has_driver(struct device *dev);

/**
 * vpci_check_driver() - find out about a driver, unless that is known
 * @fn: the function, not gone
 *
 * The caller holds vpci_mutex. What cannot be known at once stays unknown.
 */
void vpci_check_driver(struct vpci_function *fn);

/**
 * vpci_ask_again() - find out about a driver if that is unknown, and update the slot
 * @fn: the function
 *
 * The caller holds none of the locks above.
 */
void vpci_ask_again(struct vpci_function *fn);

/**
 * vpci_await() - wait for invalidated blocks
 * @f: the open file
 * @nonblock: do not sleep
 * @mask: gets the blocks that @f was not told of
 *
 * Return: 0, -ENODEV once the function is gone, -EOPNOTSUPP if the slot is not ours,
 * -EAGAIN if @nonblock, or -ERESTARTSYS.
 */
int vpci_await(struct vpci_file *f, bool nonblock, u64 *mask);

/**
 * vpci_mark_told() - note what an open file was told of
 * @f: the open file
 * @mask: the blocks
 *
 * Return: true if any of them is news to those who share the open file.
 */
bool vpci_mark_told(struct vpci_file *f, u64 mask);

#endif /* _VPCI_BLOCK_VPCI_H */
