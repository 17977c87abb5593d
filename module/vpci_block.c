// SPDX-License-Identifier: GPL-2.0-only
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
 * Requests of a function wait their turn in the order in which they came. Nobody who
 * waits keeps the machine from suspending, but a request that is with the host does:
 * hv_pci would lose the answer, and wait for it ever after.
 *
 * Invalidations: hv_pci has one slot per function for who wants to hear of them. A
 * driver of the function fills it unasked and takes it to be its own, so we have it
 * only while a file is open and no such driver is bound or about to be. What the
 * slot remembers of us is a number, never a pointer: hv_pci may call with what it
 * read before we gave the slot back.
 *
 * Locks, outermost first:
 *   device_lock() of the VMBus device: hv_pci is bound or unbound
 *   pci_lock_rescan_remove(), device_lock() of the function: the PCI core's
 *   vpci_mutex    functions and files come and go, and hv_pci's slots with them
 *   vpci_lock     all state that is looked at elsewhere; taken in interrupts
 * The notifiers' own semaphores come before vpci_mutex. With none of these held:
 *   vpci_watch_mutex   whether we listen to "vmbus"; the semaphore of its notifiers
 */

#include <linux/atomic.h>
#include <linux/build_bug.h>
#include <linux/cdev.h>
#include <linux/device.h>
#include <linux/fs.h>
#include <linux/hyperv.h>
#include <linux/idr.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/pci.h>
#include <linux/poll.h>
#include <linux/refcount.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include <linux/devioctl.h>
#include <linux/vpci.h>

#include "compat.h"
#include "devioctl.h"

#define VPCI_MINORS		65536

/*
 * hv_pci logs every request that the host fails. After so many of one function, its
 * next one waits for the end of the period, so that users cannot flood the log.
 */
#define VPCI_FAILURES_MAX	10
#define VPCI_FAILURES_PERIOD	(5 * HZ)

/*
 * How often removal of a function waits for HZ / 10 for its requests: one that hv_pci has
 * yet to send would reach whatever function has the slot by then. In several goes, as a
 * guest that was stopped finds all the time gone at once. An ejection must not wait longer
 * for a host that does not answer. Where hv_pci is unbound, it is until we say why we wait.
 */
#define VPCI_REMOVAL_WAITS	10

struct vpci_function {
	struct device dev;
	struct cdev cdev;
	unsigned long id;		/* what hv_pci knows us by; never used again */
	struct pci_dev *pdev;		/* only while not @gone */
	struct device *hdev;		/* the VMBus device, if not @gone: the bus's parent */
	struct list_head node;		/* vpci_mutex and vpci_lock: vpci_functions */
	struct list_head files;		/* vpci_mutex and vpci_lock: struct vpci_file */
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

static DEFINE_MUTEX(vpci_mutex);
static DEFINE_SPINLOCK(vpci_lock);
static LIST_HEAD(vpci_functions);	/* those present */
static LIST_HEAD(vpci_calls);		/* vpci_lock: the requests inside hv_pci */
static DECLARE_WAIT_QUEUE_HEAD(vpci_returned);	/* for vpci_calls */
static DEFINE_MUTEX(vpci_watch_mutex);
static atomic_t vpci_watchers;		/* files and workers; 0 to 1 and back with the mutex */
static struct module *vpci_hv_pci;	/* vpci_watch_mutex: pinned */
static typeof_member(struct device, bus) vpci_vmbus;	/* vpci_watch_mutex: listened to */
static unsigned long vpci_last_id;	/* vpci_mutex */
static bool vpci_closing;		/* vpci_mutex: no new functions */
static DEFINE_IDA(vpci_minors);
static dev_t vpci_devt;
static struct workqueue_struct *vpci_wq;

static bool vpci_is_bound(struct pci_dev *pdev);
static void vpci_dispatch(struct vpci_function *fn);
static void vpci_unwatch(void);

/* ---- requests: the worker's side ---- */

static struct vpci_request *vpci_new_request(struct vpci_function *fn)
{
	struct vpci_request *rq = kzalloc(sizeof(*rq), GFP_KERNEL_ACCOUNT);

	if (rq) {
		refcount_set(&rq->refs, 1);
		INIT_LIST_HEAD(&rq->node);
		rq->fn = fn;
	}
	return rq;
}

static void vpci_put_request(struct vpci_request *rq)
{
	if (refcount_dec_and_test(&rq->refs))
		kfree(rq);
}

/* Neither the host nor hv_pci is believed more than it has to be. */
static int vpci_ask_host(struct vpci_request *rq)
{
	unsigned int returned = 0;
	int ret;

	if (rq->write) {
		ret = hyperv_write_cfg_blk(rq->pdev, rq->data, rq->length, rq->block_id);
	} else {
		ret = hyperv_read_cfg_blk(rq->pdev, rq->data, rq->length, rq->block_id,
					  &returned);
		rq->returned = min(returned, rq->length);
		if (!ret && !returned)
			ret = -EIO;
	}
	if (ret && ret != -EOPNOTSUPP && ret != -ENODEV)
		ret = -EIO;
	return ret;
}

/* hv_pci has no channel left after a resume that failed, and does not look. */
static bool vpci_has_channel(struct device *hdev)
{
	return device_to_hv_device(hdev)->channel->state == CHANNEL_OPENED_STATE;
}

/* False once the function is gone. If true, its bus stays until the call's end. */
static bool vpci_begin_call(struct vpci_request *rq)
{
	bool present;

	spin_lock_irq(&vpci_lock);
	present = !rq->fn->gone && vpci_has_channel(rq->fn->hdev);
	if (present) {
		rq->pdev = pci_dev_get(rq->fn->pdev);
		list_add(&rq->call, &vpci_calls);
	}
	spin_unlock_irq(&vpci_lock);
	return present;
}

/* The device before the call: hv_pci may go as soon as there is no call any more. */
static void vpci_end_call(struct vpci_request *rq)
{
	pci_dev_put(rq->pdev);
	spin_lock_irq(&vpci_lock);
	list_del(&rq->call);
	spin_unlock_irq(&vpci_lock);
	wake_up_all(&vpci_returned);
}

/* Of one function or, if that is NULL, of all that the VMBus device has and had. */
static unsigned int vpci_count_calls(const struct device *hdev, const struct vpci_function *fn)
{
	const struct vpci_request *rq;
	unsigned int n = 0;

	spin_lock_irq(&vpci_lock);
	list_for_each_entry(rq, &vpci_calls, call)
		n += rq->fn->hdev == hdev && (!fn || rq->fn == fn);
	spin_unlock_irq(&vpci_lock);
	return n;
}

/* See VPCI_REMOVAL_WAITS. */
static void vpci_wait_a_while(const struct device *hdev, const struct vpci_function *fn)
{
	int i;

	for (i = 0; i < VPCI_REMOVAL_WAITS && vpci_count_calls(hdev, fn); i++)
		wait_event_timeout(vpci_returned, !vpci_count_calls(hdev, fn), HZ / 10);
}

/* In this period. The first one begins it. */
static unsigned int vpci_failures(struct vpci_function *fn)
{
	if (fn->failures && time_after_eq(jiffies, fn->failures_end))
		fn->failures = 0;
	return fn->failures;
}

static void vpci_count_failure(struct vpci_function *fn)
{
	if (!vpci_failures(fn))
		fn->failures_end = jiffies + VPCI_FAILURES_PERIOD;
	fn->failures++;
}

static void vpci_finish(struct vpci_request *rq, int result)
{
	struct vpci_function *fn = rq->fn;

	spin_lock_irq(&vpci_lock);
	if (result == -EIO)
		vpci_count_failure(fn);
	fn->in_flight--;
	rq->result = result;
	rq->done = true;
	vpci_dispatch(fn);
	spin_unlock_irq(&vpci_lock);
	wake_up_all(&fn->requests);
}

/*
 * Puts what vpci_give_to_worker() took. The module may then be on its way out; its exit
 * waits for the workqueue, so that we can return.
 */
static void vpci_work(struct work_struct *work)
{
	struct vpci_request *rq = container_of(work, struct vpci_request, work);
	struct vpci_function *fn = rq->fn;
	int result = -ENODEV;

	if (vpci_begin_call(rq)) {
		result = vpci_ask_host(rq);
		vpci_end_call(rq);
	}
	vpci_finish(rq, result);
	vpci_unwatch();
	vpci_put_request(rq);
	put_device(&fn->dev);
	module_put(THIS_MODULE);
}

/* ---- requests: the caller's side ---- */

/* How long to wait, at most, before the host is asked again; 0 is not at all. */
static long vpci_pause(struct vpci_function *fn)
{
	/* Those in flight may fail yet. */
	if (vpci_failures(fn) + fn->in_flight < VPCI_FAILURES_MAX)
		return 0;
	return max_t(long, fn->failures_end - jiffies, 1);
}

/* All that vpci_work() puts. The caller has a file open, and so what that pins. */
static void vpci_give_to_worker(struct vpci_request *rq)
{
	struct vpci_function *fn = rq->fn;

	fn->in_flight++;
	atomic_inc(&vpci_watchers);
	get_device(&fn->dev);
	refcount_inc(&rq->refs);
	__module_get(THIS_MODULE);
	INIT_WORK(&rq->work, vpci_work);
	queue_work(vpci_wq, &rq->work);
}

/* With vpci_lock, whenever one more request may go to the host. */
static void vpci_dispatch(struct vpci_function *fn)
{
	struct vpci_request *rq;
	long pause;

	while (!fn->gone && !list_empty(&fn->waiting) &&
	       fn->in_flight < VPCI_REQUESTS_MAX) {
		pause = vpci_pause(fn);
		if (pause) {
			mod_delayed_work(vpci_wq, &fn->retry, pause);
			break;
		}
		rq = list_first_entry(&fn->waiting, struct vpci_request, node);
		list_del_init(&rq->node);
		vpci_give_to_worker(rq);
	}
}

static void vpci_retry_work(struct work_struct *work)
{
	struct vpci_function *fn =
		container_of(to_delayed_work(work), struct vpci_function, retry);

	spin_lock_irq(&vpci_lock);
	vpci_dispatch(fn);
	spin_unlock_irq(&vpci_lock);
}

static void vpci_enqueue(struct vpci_request *rq)
{
	spin_lock_irq(&vpci_lock);
	list_add_tail(&rq->node, &rq->fn->waiting);
	vpci_dispatch(rq->fn);
	spin_unlock_irq(&vpci_lock);
}

static void vpci_dequeue(struct vpci_request *rq)
{
	spin_lock_irq(&vpci_lock);
	list_del_init(&rq->node);
	spin_unlock_irq(&vpci_lock);
}

/* -EINPROGRESS while the worker may still write to the request. */
static int vpci_result(struct vpci_request *rq)
{
	int ret = -EINPROGRESS;

	spin_lock_irq(&vpci_lock);
	if (rq->done)
		ret = rq->result;
	else if (rq->fn->gone)
		ret = -ENODEV;
	spin_unlock_irq(&vpci_lock);
	return ret;
}

/* Once killed, or the function gone, the caller leaves the request to the worker. */
static int vpci_exchange(struct vpci_request *rq)
{
	int result, ret;

	vpci_enqueue(rq);
	ret = compat_wait_event_killable(rq->fn->requests,
					 (result = vpci_result(rq)) != -EINPROGRESS);
	vpci_dequeue(rq);
	return ret ? -EINTR : result;
}

/* ---- invalidated blocks ---- */

/* In hv_pci's tasklet or with interrupts off, for anything that the slot ever held. */
static void vpci_invalidated(void *context, u64 block_mask)
{
	struct vpci_function *fn;
	struct vpci_file *f;
	unsigned long flags;

	spin_lock_irqsave(&vpci_lock, flags);
	list_for_each_entry(fn, &vpci_functions, node) {
		if (fn->id != (unsigned long)context || !fn->hears)
			continue;
		list_for_each_entry(f, &fn->files, node)
			f->invalid |= block_mask;
		wake_up_interruptible_all(&fn->news);
	}
	spin_unlock_irqrestore(&vpci_lock, flags);
}

static void vpci_set_hears(struct vpci_function *fn, bool hears)
{
	spin_lock_irq(&vpci_lock);
	fn->hears = hears;
	spin_unlock_irq(&vpci_lock);
}

/*
 * Take hv_pci's slot or give it back, whichever is due. With vpci_mutex, after any
 * change to what it depends on.
 */
static void vpci_update_slot(struct vpci_function *fn)
{
	bool wanted = !fn->gone && !fn->has_driver && !list_empty(&fn->files);

	if (wanted == fn->hears)
		return;
	if (wanted) {
		/* before hv_pci calls */
		vpci_set_hears(fn, true);
		if (hyperv_reg_block_invalidate(fn->pdev, (void *)fn->id, vpci_invalidated))
			vpci_set_hears(fn, false);
	} else {
		hyperv_reg_block_invalidate(fn->pdev, NULL, NULL);
		vpci_set_hears(fn, false);
	}
	wake_up_interruptible_all(&fn->news);
}

/* vfio-pci knows nothing of the slot, and leaves it to the programs that use it. */
static bool vpci_has_driver(struct device *dev)
{
	return dev->driver && strcmp(dev->driver->name, "vfio-pci");
}

/*
 * With vpci_mutex. Whoever has the device's lock binds or unbinds a driver, and the
 * notifier tells us of it, unless it just did before it knew us: then we ask again
 * with the next file or call. Waiting would be for a driver's probe(), and that for us.
 */
static void vpci_check_driver(struct vpci_function *fn)
{
	struct device *dev = &fn->pdev->dev;

	if (fn->knows_driver || !device_trylock(dev))
		return;
	fn->has_driver = vpci_has_driver(dev);
	fn->knows_driver = true;
	device_unlock(dev);
}

static void vpci_ask_again(struct vpci_function *fn)
{
	if (READ_ONCE(fn->knows_driver))
		return;
	mutex_lock(&vpci_mutex);
	if (!fn->gone) {
		vpci_check_driver(fn);
		vpci_update_slot(fn);
	}
	mutex_unlock(&vpci_mutex);
}

static int vpci_look(struct vpci_file *f, u64 *mask)
{
	int ret = 0;

	spin_lock_irq(&vpci_lock);
	*mask = f->invalid;
	if (f->fn->gone)
		ret = -ENODEV;
	else if (!f->fn->hears)
		ret = -EOPNOTSUPP;	/* what there is stays for later */
	else if (!*mask)
		ret = -EAGAIN;
	spin_unlock_irq(&vpci_lock);
	return ret;
}

static int vpci_await(struct vpci_file *f, bool nonblock, u64 *mask)
{
	int result = vpci_look(f, mask);
	int ret;

	if (result != -EAGAIN || nonblock)
		return result;
	ret = wait_event_interruptible(f->fn->news,
				       (result = vpci_look(f, mask)) != -EAGAIN);
	return ret ?: result;
}

/*
 * The caller has got @mask, and will only now read the blocks. False if those who
 * share the open file were told of all of them meanwhile.
 */
static bool vpci_mark_told(struct vpci_file *f, u64 mask)
{
	bool news;

	spin_lock_irq(&vpci_lock);
	news = f->invalid & mask;
	f->invalid &= ~mask;
	spin_unlock_irq(&vpci_lock);
	return news;
}

/* Changes nothing: epoll calls it whenever it likes. */
static __poll_t vpci_poll(struct file *file, poll_table *wait)
{
	struct vpci_file *f = file->private_data;
	__poll_t ready = 0;

	poll_wait(file, &f->fn->news, wait);
	spin_lock_irq(&vpci_lock);
	if (f->fn->gone)
		ready = EPOLLHUP | EPOLLERR;
	else if (!f->fn->hears)
		ready = EPOLLERR;
	else if (f->invalid)
		ready = EPOLLIN | EPOLLRDNORM;
	spin_unlock_irq(&vpci_lock);
	return ready;
}

/* ---- ioctl ---- */

static bool vpci_may_call(struct file *file)
{
	const fmode_t both = FMODE_READ | FMODE_WRITE;

	return (file->f_mode & both) == both;
}

static int vpci_check_invalidate(struct file *file, const struct devioctl_request *req)
{
	const size_t size = sizeof(struct vpci_invalidate_block_output);

	if (!vpci_may_call(file))
		return -EACCES;
	if (req->out_size < size)
		return -ENOBUFS;
	if (!devioctl_can_write(u64_to_user_ptr(req->out_buffer), size))
		return -EFAULT;
	return 0;
}

/* Copied out before they are marked, so that a bad address loses nothing. */
static int vpci_ioctl_invalidate(struct file *file, const struct devioctl_request *req,
				 struct devioctl_request __user *block)
{
	struct vpci_invalidate_block_output out = {};
	struct vpci_file *f = file->private_data;
	u64 mask;
	int ret;

	ret = vpci_check_invalidate(file, req);
	if (ret)
		return devioctl_complete(block, 0, ret);
	vpci_ask_again(f->fn);
	for (;;) {
		ret = vpci_await(f, file->f_flags & O_NONBLOCK, &mask);
		out.block_mask = mask;
		if (!ret && copy_to_user(u64_to_user_ptr(req->out_buffer), &out, sizeof(out)))
			ret = -EFAULT;
		ret = devioctl_complete(block, ret ? 0 : sizeof(out), ret);
		if (ret || vpci_mark_told(f, mask))
			return ret;
	}
}

/* Both structures are a block's number and a length. */
static int vpci_get_input(struct file *file, const struct devioctl_request *req,
			  struct vpci_request *rq)
{
	struct vpci_read_block_input in;

	BUILD_BUG_ON(sizeof(in) != sizeof(struct vpci_write_block_input));
	if (!vpci_may_call(file))
		return -EACCES;
	if (req->in_size < sizeof(in))
		return -ENOBUFS;
	if (copy_from_user(&in, u64_to_user_ptr(req->in_buffer), sizeof(in)))
		return -EFAULT;
	if (!in.bytes_requested || in.bytes_requested > VPCI_BLOCK_SIZE_MAX)
		return -EINVAL;
	rq->block_id = in.block_id;
	rq->length = in.bytes_requested;
	return 0;
}

static int vpci_get_read(struct file *file, const struct devioctl_request *req,
			 struct vpci_request *rq)
{
	int ret = vpci_get_input(file, req, rq);

	if (ret)
		return ret;
	if (req->out_size < rq->length)
		return -ENOBUFS;
	if (req->out_size > rq->length)
		return -EINVAL;
	if (!devioctl_can_write(u64_to_user_ptr(req->out_buffer), rq->length))
		return -EFAULT;
	return 0;
}

static int vpci_ioctl_read(struct file *file, const struct devioctl_request *req,
			   struct devioctl_request __user *block)
{
	struct vpci_file *f = file->private_data;
	struct vpci_request *rq = vpci_new_request(f->fn);
	u32 information = 0;
	int ret;

	if (!rq)
		return devioctl_complete(block, 0, -ENOMEM);
	ret = vpci_get_read(file, req, rq);
	if (!ret)
		ret = vpci_exchange(rq);
	if (!ret && copy_to_user(u64_to_user_ptr(req->out_buffer), rq->data, rq->returned))
		ret = -EFAULT;
	if (!ret)
		information = rq->returned;
	vpci_put_request(rq);
	return devioctl_complete(block, information, ret);
}

static int vpci_get_write(struct file *file, const struct devioctl_request *req,
			  struct vpci_request *rq)
{
	const size_t header = sizeof(struct vpci_write_block_input);
	int ret = vpci_get_input(file, req, rq);

	if (ret)
		return ret;
	if (req->in_size - header < rq->length)
		return -ENOBUFS;
	if (copy_from_user(rq->data, u64_to_user_ptr(req->in_buffer + header), rq->length))
		return -EFAULT;
	rq->write = true;
	return 0;
}

static int vpci_ioctl_write(struct file *file, const struct devioctl_request *req,
			    struct devioctl_request __user *block)
{
	struct vpci_file *f = file->private_data;
	struct vpci_request *rq = vpci_new_request(f->fn);
	int ret;

	if (!rq)
		return devioctl_complete(block, 0, -ENOMEM);
	ret = vpci_get_write(file, req, rq);
	if (!ret)
		ret = vpci_exchange(rq);
	vpci_put_request(rq);
	return devioctl_complete(block, 0, ret);
}

static long vpci_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct devioctl_request __user *block = (void __user *)arg;
	int (*handler)(struct file *file, const struct devioctl_request *req,
		       struct devioctl_request __user *block);
	struct devioctl_request req;

	switch (cmd) {
	case IOCTL_VPCI_INVALIDATE_BLOCK:
		handler = vpci_ioctl_invalidate;
		break;
	case IOCTL_VPCI_READ_BLOCK:
		handler = vpci_ioctl_read;
		break;
	case IOCTL_VPCI_WRITE_BLOCK:
		handler = vpci_ioctl_write;
		break;
	default:
		return -ENOTTY;
	}
	/* A host's answer, or a write's success, must not be lost by a bad address. */
	if (copy_from_user(&req, block, sizeof(req)) ||
	    !devioctl_can_write(block, sizeof(*block)))
		return -EFAULT;
	return handler(file, &req, block);
}

/* ---- hv_pci goes ---- */

/* With vpci_mutex: nothing of it begins any more. Done once. */
static void vpci_end(struct vpci_function *fn)
{
	if (fn->gone)
		return;
	spin_lock_irq(&vpci_lock);
	fn->gone = true;
	spin_unlock_irq(&vpci_lock);
	vpci_update_slot(fn);
	wake_up_all(&fn->requests);
	wake_up_all(&fn->news);
}

/* It wants the lock of each device, the one included that hv_pci is being unbound from. */
static bool vpci_is_shutdown(void)
{
	return system_state == SYSTEM_HALT || system_state == SYSTEM_POWER_OFF ||
	       system_state == SYSTEM_RESTART;
}

/*
 * A request looks at hv_pci's bus when it begins and when its answer is there. If the host
 * has taken the bus away, all return within HZ / 10. If somebody has unbound hv_pci by
 * hand, it is for the host to answer, as it is for drivers of functions that ask it.
 */
static void vpci_wait_for_host(struct device *hdev)
{
	unsigned int n;

	vpci_wait_a_while(hdev, NULL);
	n = vpci_count_calls(hdev, NULL);
	if (!n)
		return;
	dev_warn(hdev, "waiting for the host: it has to answer %u requests or rescind the bus\n",
		 n);
	while (vpci_count_calls(hdev, NULL) && !vpci_is_shutdown())
		wait_event_idle_timeout(vpci_returned, !vpci_count_calls(hdev, NULL), HZ);
}

static int vpci_vmbus_event(struct notifier_block *nb, unsigned long event, void *hdev)
{
	struct vpci_function *fn;

	if (event != BUS_NOTIFY_UNBIND_DRIVER)
		return NOTIFY_DONE;
	mutex_lock(&vpci_mutex);
	list_for_each_entry(fn, &vpci_functions, node)
		if (fn->hdev == hdev)
			vpci_end(fn);
	mutex_unlock(&vpci_mutex);
	vpci_wait_for_host(hdev);
	return NOTIFY_DONE;
}

static struct notifier_block vpci_vmbus_nb = {
	.notifier_call = vpci_vmbus_event,
};

/* "vmbus" is hv_pci's as long as that is pinned. */
static bool vpci_pin_hv_pci(struct vpci_function *fn)
{
	const struct device_driver *drv = NULL;
	bool pinned;

	spin_lock_irq(&vpci_lock);
	if (!fn->gone)
		drv = READ_ONCE(fn->hdev->driver);
	pinned = drv && try_module_get(drv->owner);
	if (pinned) {
		vpci_hv_pci = drv->owner;
		vpci_vmbus = fn->hdev->bus;
	}
	spin_unlock_irq(&vpci_lock);
	return pinned;
}

/* With vpci_watch_mutex. Nobody waits in the notifier, as that is for workers. */
static int vpci_begin_watch(struct vpci_function *fn)
{
	int ret;

	if (!vpci_pin_hv_pci(fn))
		return -ENODEV;
	ret = bus_register_notifier(vpci_vmbus, &vpci_vmbus_nb);
	if (ret)
		module_put(vpci_hv_pci);
	smp_mb();	/* before vpci_is_bound(): the notifier hears of it, or we see it */
	return ret;
}

static int vpci_watch(struct vpci_function *fn)
{
	int ret = 0;

	mutex_lock(&vpci_watch_mutex);
	if (!atomic_read(&vpci_watchers))
		ret = vpci_begin_watch(fn);
	if (!ret)
		atomic_inc(&vpci_watchers);
	mutex_unlock(&vpci_watch_mutex);
	return ret;
}

static void vpci_unwatch(void)
{
	if (!atomic_dec_and_mutex_lock(&vpci_watchers, &vpci_watch_mutex))
		return;
	bus_unregister_notifier(vpci_vmbus, &vpci_vmbus_nb);
	module_put(vpci_hv_pci);
	mutex_unlock(&vpci_watch_mutex);
}

/* ---- open and close ---- */

static int vpci_add_file(struct vpci_function *fn, struct vpci_file *f)
{
	int ret = -ENODEV;

	mutex_lock(&vpci_mutex);
	if (!fn->gone && vpci_is_bound(fn->pdev)) {
		ret = 0;
		get_device(&fn->dev);
		spin_lock_irq(&vpci_lock);
		list_add(&f->node, &fn->files);
		spin_unlock_irq(&vpci_lock);
		vpci_check_driver(fn);
		vpci_update_slot(fn);
	}
	mutex_unlock(&vpci_mutex);
	return ret;
}

static int vpci_open(struct inode *inode, struct file *file)
{
	struct vpci_function *fn = container_of(inode->i_cdev, struct vpci_function, cdev);
	struct vpci_file *f = kzalloc(sizeof(*f), GFP_KERNEL_ACCOUNT);
	int ret;

	if (!f)
		return -ENOMEM;
	f->fn = fn;
	ret = vpci_watch(fn);
	if (ret)
		goto err_file;
	ret = vpci_add_file(fn, f);
	if (ret)
		goto err_watch;
	file->private_data = f;
	return nonseekable_open(inode, file);

err_watch:
	vpci_unwatch();
err_file:
	kfree(f);
	return ret;
}

static int vpci_close(struct inode *inode, struct file *file)
{
	struct vpci_file *f = file->private_data;
	struct vpci_function *fn = f->fn;

	mutex_lock(&vpci_mutex);
	spin_lock_irq(&vpci_lock);
	list_del(&f->node);
	spin_unlock_irq(&vpci_lock);
	vpci_update_slot(fn);
	mutex_unlock(&vpci_mutex);
	vpci_unwatch();
	kfree(f);
	put_device(&fn->dev);
	return 0;
}

static const struct file_operations vpci_fops = {
	.owner		= THIS_MODULE,
	.open		= vpci_open,
	.release	= vpci_close,
	.poll		= vpci_poll,
	.unlocked_ioctl	= vpci_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
};

/* ---- functions come and go ---- */

static char *vpci_devnode(COMPAT_DEVNODE_CONST struct device *dev, umode_t *mode)
{
	if (mode)
		*mode = 0600;
	return kasprintf(GFP_KERNEL, "vpci/%s", dev_name(dev));
}

static struct class vpci_class = {
	.name		= "vpci",
	.devnode	= vpci_devnode,
};

static void vpci_release(struct device *dev)
{
	ida_free(&vpci_minors, MINOR(dev->devt) - MINOR(vpci_devt));
	kfree(container_of(dev, struct vpci_function, dev));
}

/*
 * Of a function of hv_pci. Its driver data begin with what is the bus's: hv_pci leaves a
 * bus behind if it goes after it has failed to suspend or to resume, and may be back. Nor
 * may it be on its way out, as the notifier may have been too late to hear of that.
 */
static bool vpci_is_bound(struct pci_dev *pdev)
{
	struct device *hdev = pdev->bus->bridge->parent;
	const enum dl_dev_state state = READ_ONCE(hdev->links.status);

	return (state == DL_DEV_PROBING || state == DL_DEV_DRIVER_BOUND) &&
	       dev_get_drvdata(hdev) == pdev->bus->sysdata;
}

/*
 * Of hv_pci, and no other: it finds its state at fixed distances from what these
 * pointers point to.
 */
static bool vpci_is_of_hv_pci(struct pci_dev *pdev)
{
	const struct device_driver *drv;
	struct device *hdev;

	if (!pci_is_root_bus(pdev->bus) || !pdev->bus->bridge)
		return false;
	hdev = pdev->bus->bridge->parent;
	if (!hdev || !hdev->bus || strcmp(hdev->bus->name, "vmbus"))
		return false;
	drv = READ_ONCE(hdev->driver);
	return drv && !strcmp(drv->name, "hv_pci") && vpci_is_bound(pdev);
}

/* With vpci_mutex. */
static struct vpci_function *vpci_find(struct pci_dev *pdev)
{
	struct vpci_function *fn;

	list_for_each_entry(fn, &vpci_functions, node)
		if (fn->pdev == pdev)
			return fn;
	return NULL;
}

static struct vpci_function *vpci_create(struct pci_dev *pdev)
{
	struct vpci_function *fn = kzalloc(sizeof(*fn), GFP_KERNEL);
	int minor;

	if (!fn)
		return NULL;
	minor = ida_alloc_max(&vpci_minors, VPCI_MINORS - 1, GFP_KERNEL);
	if (minor < 0) {
		kfree(fn);
		return NULL;
	}
	fn->id = ++vpci_last_id;
	fn->pdev = pdev;
	fn->hdev = pdev->bus->bridge->parent;
	fn->has_driver = true;
	INIT_LIST_HEAD(&fn->files);
	INIT_LIST_HEAD(&fn->waiting);
	INIT_DELAYED_WORK(&fn->retry, vpci_retry_work);
	init_waitqueue_head(&fn->requests);
	init_waitqueue_head(&fn->news);
	device_initialize(&fn->dev);
	fn->dev.class = &vpci_class;
	fn->dev.parent = &pdev->dev;
	fn->dev.release = vpci_release;
	fn->dev.devt = MKDEV(MAJOR(vpci_devt), MINOR(vpci_devt) + minor);
	cdev_init(&fn->cdev, &vpci_fops);
	fn->cdev.owner = THIS_MODULE;
	return fn;
}

static int vpci_publish(struct vpci_function *fn)
{
	int ret = dev_set_name(&fn->dev, "%s", pci_name(fn->pdev));

	ret = ret ?: cdev_device_add(&fn->cdev, &fn->dev);
	if (ret)
		return ret;
	pci_dev_get(fn->pdev);
	spin_lock_irq(&vpci_lock);
	list_add(&fn->node, &vpci_functions);
	spin_unlock_irq(&vpci_lock);
	vpci_check_driver(fn);
	return 0;
}

/* Who has opened a node that was not to be finds it gone. */
static int vpci_add_new(struct pci_dev *pdev)
{
	struct vpci_function *fn = vpci_create(pdev);
	int ret;

	if (!fn)
		return -ENOMEM;
	ret = vpci_publish(fn);
	if (ret) {
		vpci_end(fn);
		put_device(&fn->dev);
	}
	return ret;
}

/* Whoever opens the node at once waits for vpci_mutex. */
static void vpci_add(struct pci_dev *pdev)
{
	int ret = 0;

	if (!vpci_is_of_hv_pci(pdev))
		return;
	mutex_lock(&vpci_mutex);
	if (!vpci_closing && !vpci_find(pdev))
		ret = vpci_add_new(pdev);
	if (ret)
		dev_err(&pdev->dev, "no /dev/vpci/%s: error %d\n", pci_name(pdev), ret);
	mutex_unlock(&vpci_mutex);
}

/* Out of everybody's reach, and out of hv_pci's slot. */
static struct vpci_function *vpci_unlink(struct pci_dev *pdev)
{
	struct vpci_function *fn;

	mutex_lock(&vpci_mutex);
	fn = vpci_find(pdev);
	if (fn) {
		vpci_end(fn);
		spin_lock_irq(&vpci_lock);
		list_del(&fn->node);
		spin_unlock_irq(&vpci_lock);
	}
	mutex_unlock(&vpci_mutex);
	return fn;
}

static void vpci_remove(struct pci_dev *pdev)
{
	struct vpci_function *fn = vpci_unlink(pdev);

	if (!fn)
		return;
	cdev_device_del(&fn->cdev, &fn->dev);
	cancel_delayed_work_sync(&fn->retry);
	vpci_wait_a_while(fn->hdev, fn);
	pci_dev_put(fn->pdev);
	put_device(&fn->dev);
}

/*
 * hv_pci reads first the slot's function and then its argument, in softirq: before
 * it changes hands nobody may be in between.
 */
static void vpci_set_driver(struct pci_dev *pdev, bool has_driver)
{
	struct vpci_function *fn;

	mutex_lock(&vpci_mutex);
	fn = vpci_find(pdev);
	if (fn)
		fn->knows_driver = true;
	if (fn && fn->has_driver != has_driver) {
		fn->has_driver = true;
		vpci_update_slot(fn);
		synchronize_rcu();
		fn->has_driver = has_driver;
		vpci_update_slot(fn);
	}
	mutex_unlock(&vpci_mutex);
}

/*
 * A driver is told of before its probe() runs, and with dev->driver set. It is gone
 * when its remove() has run, or probe() has failed.
 */
static int vpci_bus_event(struct notifier_block *nb, unsigned long event, void *data)
{
	struct device *dev = data;
	struct pci_dev *pdev = to_pci_dev(dev);

	switch (event) {
	case BUS_NOTIFY_ADD_DEVICE:
		vpci_add(pdev);
		break;
	case BUS_NOTIFY_DEL_DEVICE:
		vpci_remove(pdev);
		break;
	case BUS_NOTIFY_BIND_DRIVER:
	case BUS_NOTIFY_BOUND_DRIVER:
		vpci_set_driver(pdev, vpci_has_driver(dev));
		break;
	case BUS_NOTIFY_UNBOUND_DRIVER:
	case BUS_NOTIFY_DRIVER_NOT_BOUND:
		vpci_set_driver(pdev, false);
		break;
	}
	return NOTIFY_DONE;
}

static struct notifier_block vpci_bus_nb = {
	.notifier_call = vpci_bus_event,
};

/* Those that were there before the notifier. */
static void vpci_add_present(void)
{
	struct pci_dev *pdev = NULL;

	pci_lock_rescan_remove();
	for_each_pci_dev(pdev)
		vpci_add(pdev);
	pci_unlock_rescan_remove();
}

/* No removal is under way then, which would leave us the child of what is gone. */
static void vpci_remove_all(void)
{
	struct vpci_function *fn;

	pci_lock_rescan_remove();
	mutex_lock(&vpci_mutex);
	vpci_closing = true;
	mutex_unlock(&vpci_mutex);
	while ((fn = list_first_entry_or_null(&vpci_functions, struct vpci_function, node)))
		vpci_remove(fn->pdev);
	pci_unlock_rescan_remove();
}

static int __init vpci_init(void)
{
	int ret;

	ret = alloc_chrdev_region(&vpci_devt, 0, VPCI_MINORS, "vpci");
	if (ret)
		return ret;
	ret = class_register(&vpci_class);
	if (ret)
		goto err_region;
	/* As many as there can be: one that the host never answers is never done. */
	vpci_wq = alloc_workqueue("vpci_block", WQ_UNBOUND | WQ_FREEZABLE, WQ_MAX_ACTIVE);
	if (!vpci_wq) {
		ret = -ENOMEM;
		goto err_class;
	}
	ret = bus_register_notifier(&pci_bus_type, &vpci_bus_nb);
	if (ret)
		goto err_wq;
	vpci_add_present();
	return 0;

err_wq:
	destroy_workqueue(vpci_wq);
err_class:
	class_unregister(&vpci_class);
err_region:
	unregister_chrdev_region(vpci_devt, VPCI_MINORS);
	return ret;
}

static void __exit vpci_exit(void)
{
	vpci_remove_all();
	bus_unregister_notifier(&pci_bus_type, &vpci_bus_nb);
	destroy_workqueue(vpci_wq);
	class_unregister(&vpci_class);
	unregister_chrdev_region(vpci_devt, VPCI_MINORS);
	synchronize_rcu(); /* hv_pci's tasklet may still be in vpci_invalidated() */
	ida_destroy(&vpci_minors);
}

module_init(vpci_init);
module_exit(vpci_exit);

/* So that it is loaded with the first passed-through function. Nothing is bound. */
static const struct hv_vmbus_device_id vpci_vmbus_ids[] = {
	{ HV_PCIE_GUID, },
	{ }
};
MODULE_DEVICE_TABLE(vmbus, vpci_vmbus_ids);

MODULE_DESCRIPTION("Configuration blocks of Hyper-V PCI functions for user space (/dev/vpci/*)");
MODULE_LICENSE("GPL");
MODULE_VERSION(VMGENCOUNTER_VERSION);
