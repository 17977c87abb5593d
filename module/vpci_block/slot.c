// SPDX-License-Identifier: GPL-2.0-only
/*
 * The slot: who hears of invalidated blocks
 *
 * hv_pci has one slot per function for who wants to hear of them. A driver of the
 * function fills it unasked and takes it to be its own, so we have it only while a
 * file is open and no such driver is bound or about to be.
 *
 * Lifetime: what the slot remembers of us is a number, never a pointer: hv_pci may
 * call with what it read before we gave the slot back. The number is looked up among
 * the functions that are present.
 *
 * Locks: vpci_mutex is held while the slot changes hands, vpci_lock while blocks are
 * marked or told of. hv_pci calls in its tasklet or with interrupts off. The two, and
 * the lists that they protect, are defined here, as this file is the lowest, and so is the
 * end of a function.
 */

#include <linux/errno.h>
#include <linux/freezer.h>
#include <linux/hyperv.h>
#include <linux/kernel.h>
#include <linux/kobject.h>
#include <linux/sysfs.h>

#include "../compat.h"
#include "vpci.h"
#include "vpci_trace.h"

DEFINE_MUTEX(vpci_mutex);		/* functions and files come and go, slots too */
DEFINE_SPINLOCK(vpci_lock);		/* all state that is looked at elsewhere */
LIST_HEAD(vpci_functions);		/* vpci_mutex and vpci_lock: those present */
LIST_HEAD(vpci_in_flight);		/* vpci_lock: requests that have a worker */
const char *const vpci_us = "vpci_block";
const char *const vpci_unknown = "unknown";

bool vpci_is_lost(const struct vpci_function *fn)
{
	return fn->gone ||
	       device_to_hv_device(fn->hdev)->channel->state != CHANNEL_OPENED_STATE;
}

/* In hv_pci's tasklet or with interrupts off, for anything that the slot ever held. */
static void vpci_invalidated(void *context, u64 block_mask)
{
	struct vpci_function *fn;
	struct vpci_file *f;
	unsigned long flags;

	spin_lock_irqsave(&vpci_lock, flags);
	list_for_each_entry(fn, &vpci_functions, node) {
		if (fn->id != (unsigned long)context || fn->slot_err)
			continue;
		trace_vpci_invalidated(fn, block_mask);
		list_for_each_entry(f, &fn->files, node)
			f->invalid |= block_mask;
		wake_up_interruptible_all(&fn->news);
	}
	spin_unlock_irqrestore(&vpci_lock, flags);
}

static void vpci_set_slot(struct vpci_function *fn, int err)
{
	spin_lock_irq(&vpci_lock);
	fn->slot_err = err;
	spin_unlock_irq(&vpci_lock);
	wake_up_interruptible_all(&fn->news);
}

void vpci_missed(struct vpci_function *fn)
{
	struct vpci_file *f;

	spin_lock_irq(&vpci_lock);
	list_for_each_entry(f, &fn->files, node)
		f->invalid = U64_MAX;
	spin_unlock_irq(&vpci_lock);
	wake_up_interruptible_all(&fn->news);
}

/*
 * Files that are open already were not told of what came before: of what hv_pci calls with
 * until we hear, too. It may have no child in the slot, shortly before the function goes.
 */
static void vpci_take_slot(struct vpci_function *fn)
{
	int err = hyperv_reg_block_invalidate(fn->pdev, (void *)fn->id, vpci_invalidated);

	if (err)
		err = -ENODEV;
	if (err == fn->slot_err)
		return;
	if (!err)
		vpci_missed(fn);
	vpci_set_slot(fn, err);
}

/*
 * With vpci_mutex, after any change to what it depends on. A slot that is ours is taken again,
 * as hv_pci may have put a new child into it, which knows of nobody.
 */
void vpci_update_slot(struct vpci_function *fn)
{
	if (!fn->gone && fn->listener == vpci_us && fn->opens) {
		vpci_take_slot(fn);
		return;
	}
	if (!fn->slot_err)
		hyperv_reg_block_invalidate(fn->pdev, NULL, NULL);
	if (fn->slot_err != -EBUSY)
		vpci_set_slot(fn, -EBUSY);
}

static void vpci_wake_callers(struct vpci_function *fn)
{
	struct vpci_request *rq;
	struct vpci_file *f;

	list_for_each_entry(rq, &vpci_in_flight, node)
		if (rq->f->fn == fn)
			wake_up(&rq->wait);
	list_for_each_entry(f, &fn->files, node)
		list_for_each_entry(rq, &f->waiting, node)
			wake_up(&rq->wait);
}

void vpci_end(struct vpci_function *fn)
{
	if (fn->gone)
		return;
	spin_lock_irq(&vpci_lock);
	WRITE_ONCE(fn->gone, true);
	vpci_wake_callers(fn);
	spin_unlock_irq(&vpci_lock);
	vpci_update_slot(fn);
	wake_up_all(&fn->news);
}

const char *vpci_listener_of(const struct device_driver *drv)
{
	return drv && !compat_pci_driver_is_for_programs(drv) ? drv->name : vpci_us;
}

void vpci_set_listener(struct vpci_function *fn, const char *listener)
{
	spin_lock_irq(&vpci_lock);
	fn->listener = listener;
	spin_unlock_irq(&vpci_lock);
}

void vpci_tell_listener(struct vpci_function *fn)
{
	char listener[64], *env[2] = { listener };

	snprintf(listener, sizeof(listener), "LISTENER=%s", fn->listener);
	sysfs_notify(&fn->dev.kobj, NULL, "listener");
	kobject_uevent_env(&fn->dev.kobj, KOBJ_CHANGE, env);
}

/*
 * With vpci_mutex. Whoever has the device's lock binds or unbinds a driver, and the
 * notifier tells us of it, unless it just did before it knew us: then we ask again
 * with the next file or call. Waiting would be for a driver's probe(), and that for us.
 */
void vpci_check_driver(struct vpci_function *fn)
{
	struct device *dev = &fn->pdev->dev;

	if (fn->listener != vpci_unknown || !device_trylock(dev))
		return;
	vpci_set_listener(fn, vpci_listener_of(dev->driver));
	device_unlock(dev);
	vpci_update_slot(fn);
	vpci_tell_listener(fn);		/* after it, as they look at once */
}

void vpci_ask_again(struct vpci_function *fn)
{
	mutex_lock(&vpci_mutex);
	if (!fn->gone) {
		vpci_check_driver(fn);
		vpci_update_slot(fn);
	}
	mutex_unlock(&vpci_mutex);
}

int vpci_look(struct vpci_file *f, u64 *mask)
{
	int ret = 0;

	spin_lock_irq(&vpci_lock);
	*mask = f->invalid;
	if (vpci_is_lost(f->fn))
		ret = -ENODEV;
	else if (f->fn->slot_err)
		ret = f->fn->slot_err;	/* what there is stays for later */
	else if (!*mask)
		ret = -EAGAIN;
	spin_unlock_irq(&vpci_lock);
	return ret;
}

int vpci_await(struct vpci_file *f, bool nonblock, u64 *mask)
{
	int result = vpci_look(f, mask);
	int ret;

	if (result != -EAGAIN || nonblock)
		return result;
	ret = wait_event_freezable(f->fn->news,
				   (result = vpci_look(f, mask)) != -EAGAIN);
	return ret ?: result;
}

/*
 * The caller has got @mask, and will only now read the blocks. False if those who
 * share the open file were told of all of them meanwhile.
 */
bool vpci_mark_told(struct vpci_file *f, u64 mask)
{
	bool news;

	spin_lock_irq(&vpci_lock);
	news = f->invalid & mask;
	f->invalid &= ~mask;
	spin_unlock_irq(&vpci_lock);
	return news;
}
