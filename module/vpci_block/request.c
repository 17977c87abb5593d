// SPDX-License-Identifier: GPL-2.0-only
/*
 * Requests: to the host and back, as long as hv_pci is there
 *
 * Requests of a function wait their turn in the order in which they came. Nobody who
 * waits keeps the machine from suspending, but a request that is with the host does:
 * hv_pci would lose the answer, and wait for it ever after.
 *
 * Lifetime: a request belongs to its caller and, once it is given to one, to its
 * worker; the last of the two frees it. The worker keeps the function, our module and
 * the watch over hv_pci until it returns, the PCI device only inside hv_pci. When
 * hv_pci is unbound, its functions are marked gone, and then nobody begins a call: the
 * notifier waits for those that are inside.
 *
 * Locks: vpci_lock for the requests and their lists, vpci_mutex when functions end.
 * Nobody holds a lock while hv_pci asks the host. vpci_watch_mutex is for the first
 * and the last who watch, who hold no other one when they take it.
 */

#include <linux/atomic.h>
#include <linux/errno.h>
#include <linux/hyperv.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/notifier.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "../compat.h"
#include "vpci.h"

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

static LIST_HEAD(vpci_calls);		/* vpci_lock: the requests inside hv_pci */
static DECLARE_WAIT_QUEUE_HEAD(vpci_returned);	/* for vpci_calls */
static DEFINE_MUTEX(vpci_watch_mutex);
static atomic_t vpci_watchers;		/* files and workers; 0 to 1 and back with the mutex */
static struct module *vpci_hv_pci;	/* vpci_watch_mutex: pinned */
static typeof_member(struct device, bus) vpci_vmbus;	/* vpci_watch_mutex: listened to */
struct workqueue_struct *vpci_wq;

static void vpci_dispatch(struct vpci_function *fn);

/* ---- requests: the worker's side ---- */

struct vpci_request *vpci_new_request(struct vpci_function *fn)
{
	struct vpci_request *rq = kzalloc(sizeof(*rq), GFP_KERNEL_ACCOUNT);

	if (rq) {
		refcount_set(&rq->refs, 1);
		INIT_LIST_HEAD(&rq->node);
		rq->fn = fn;
	}
	return rq;
}

void vpci_put_request(struct vpci_request *rq)
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
void vpci_wait_a_while(const struct device *hdev, const struct vpci_function *fn)
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

void vpci_retry_work(struct work_struct *work)
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
int vpci_exchange(struct vpci_request *rq)
{
	int result, ret;

	vpci_enqueue(rq);
	ret = compat_wait_event_killable(rq->fn->requests,
					 (result = vpci_result(rq)) != -EINPROGRESS);
	vpci_dequeue(rq);
	return ret ? -EINTR : result;
}

/* ---- hv_pci goes ---- */

/*
 * Of a function of hv_pci. Its driver data begin with what is the bus's: hv_pci leaves a
 * bus behind if it goes after it has failed to suspend or to resume, and may be back. Nor
 * may it be on its way out, as the notifier may have been too late to hear of that.
 */
bool vpci_is_bound(struct pci_dev *pdev)
{
	struct device *hdev = pdev->bus->bridge->parent;
	const enum dl_dev_state state = READ_ONCE(hdev->links.status);

	return (state == DL_DEV_PROBING || state == DL_DEV_DRIVER_BOUND) &&
	       dev_get_drvdata(hdev) == pdev->bus->sysdata;
}

/* With vpci_mutex: nothing of it begins any more. Done once. */
void vpci_end(struct vpci_function *fn)
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

int vpci_watch(struct vpci_function *fn)
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

void vpci_unwatch(void)
{
	if (!atomic_dec_and_mutex_lock(&vpci_watchers, &vpci_watch_mutex))
		return;
	bus_unregister_notifier(vpci_vmbus, &vpci_vmbus_nb);
	module_put(vpci_hv_pci);
	mutex_unlock(&vpci_watch_mutex);
}
