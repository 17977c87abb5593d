// SPDX-License-Identifier: GPL-2.0-only
/*
 * Into hv_pci and back, as long as that is there
 *
 * Lifetime: a request keeps its PCI device while it is inside hv_pci, and nothing of it
 * before and after. When hv_pci is unbound, its functions are marked gone, and then nobody
 * begins a call: the notifier waits for those that are inside. Whoever watches, an open
 * file or a worker, pins hv_pci's module, and with it the bus "vmbus".
 *
 * Locks: vpci_lock for what is inside, vpci_mutex when functions end. Nobody holds a lock
 * while hv_pci asks the host. vpci_watch_mutex is for the first and the last who watch, who
 * hold no other one when they take it. That is why each open and each request counts, and
 * not each function: those come and go where a wait for the notifier, which waits for a
 * host, would hold up other adapters.
 */

#include <linux/atomic.h>
#include <linux/errno.h>
#include <linux/hyperv.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/notifier.h>

#include "../compat.h"
#include "vpci.h"

#define CREATE_TRACE_POINTS
#include "vpci_trace.h"

static DECLARE_WAIT_QUEUE_HEAD(vpci_returned);	/* for vpci_request.pdev of all */
static DEFINE_MUTEX(vpci_watch_mutex);
static atomic_t vpci_watchers;		/* files and workers; 0 to 1 and back with the mutex */
static struct module *vpci_hv_pci;	/* vpci_watch_mutex: pinned */
static typeof_member(struct device, bus) vpci_vmbus;	/* vpci_watch_mutex: listened to */

/* ---- calls ---- */

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
	if (ret && ret != -EAGAIN && ret != -ENODEV)
		ret = -EIO;
	return ret;
}

/* False once the function is gone. If true, its bus stays until the call's end. */
static bool vpci_enter(struct vpci_request *rq)
{
	struct vpci_function *fn = rq->f->fn;
	bool present;

	spin_lock_irq(&vpci_lock);
	present = !vpci_is_lost(fn);
	if (present)
		rq->pdev = pci_dev_get(fn->pdev);
	spin_unlock_irq(&vpci_lock);
	return present;
}

/* The device before the call: hv_pci may go as soon as there is no call any more. */
static void vpci_leave(struct vpci_request *rq)
{
	pci_dev_put(rq->pdev);
	spin_lock_irq(&vpci_lock);
	rq->pdev = NULL;
	spin_unlock_irq(&vpci_lock);
	if (wq_has_sleeper(&vpci_returned))
		wake_up_all(&vpci_returned);
}

int vpci_call(struct vpci_request *rq)
{
	int ret;

	if (!vpci_enter(rq))
		return -ENODEV;
	ret = vpci_ask_host(rq);
	trace_vpci_call(rq, ret);
	vpci_leave(rq);
	return ret;
}

/* Of one function or, if that is NULL, of all that the VMBus device has and had. */
static unsigned int vpci_count_calls(const struct device *hdev, const struct vpci_function *fn)
{
	const struct vpci_request *rq;
	unsigned int n = 0;

	spin_lock_irq(&vpci_lock);
	list_for_each_entry(rq, &vpci_in_flight, node)
		n += rq->pdev && rq->f->fn->hdev == hdev && (!fn || rq->f->fn == fn);
	spin_unlock_irq(&vpci_lock);
	return n;
}

/* In several goes, as a guest that was stopped finds all the time gone at once. */
void vpci_wait_a_while(const struct device *hdev, const struct vpci_function *fn, long tenth)
{
	int i;

	for (i = 0; i < 10 && vpci_count_calls(hdev, fn); i++)
		wait_event_timeout(vpci_returned, !vpci_count_calls(hdev, fn), tenth);
}

/* ---- hv_pci goes ---- */

static enum dl_dev_state vpci_state(const struct pci_dev *pdev)
{
	return READ_ONCE(pdev->bus->bridge->parent->links.status);
}

bool vpci_is_probing(const struct pci_dev *pdev)
{
	return vpci_state(pdev) == DL_DEV_PROBING;
}

/*
 * Of a function of hv_pci. Its driver data begin with what is the bus's: hv_pci leaves a
 * bus behind if it goes after it has failed to suspend or to resume, and may be back. Nor
 * may it be on its way out, as the notifier may have been too late to hear of that.
 */
bool vpci_is_bound(const struct pci_dev *pdev)
{
	const enum dl_dev_state state = vpci_state(pdev);

	return (state == DL_DEV_PROBING || state == DL_DEV_DRIVER_BOUND) &&
	       dev_get_drvdata(pdev->bus->bridge->parent) == pdev->bus->sysdata;
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

	vpci_wait_a_while(hdev, NULL, HZ / 10);
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

void vpci_watch_too(void)
{
	atomic_inc(&vpci_watchers);
}

void vpci_unwatch(void)
{
	if (!atomic_dec_and_mutex_lock(&vpci_watchers, &vpci_watch_mutex))
		return;
	bus_unregister_notifier(vpci_vmbus, &vpci_vmbus_nb);
	module_put(vpci_hv_pci);
	mutex_unlock(&vpci_watch_mutex);
}
