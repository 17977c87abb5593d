// SPDX-License-Identifier: GPL-2.0-only
/*
 * Wake-up: who tells us of a change, and whom we tell
 *
 * The ACPI Notify, the devicetree's interrupt, resume and bind all do the same: they
 * queue one work item, which looks at the ID, reseeds the kernel's random number
 * generator if it is new, and then wakes everybody. The in-tree vmgenid driver
 * may hear of the same change before or after us, or not be there: nothing here
 * depends on it.
 *
 * Lifetime: each subscription ends when the platform device is unbound, and its
 * end waits for a handler that runs and then for the work. The reference of that
 * device is put later, so neither needs one of its own.
 *
 * Locks: none. A work item runs once at a time, so vmgen_announce_work() alone writes
 * what it writes.
 */

#include <linux/acpi.h>
#include <linux/device.h>
#include <linux/interrupt.h>
#include <linux/kernel.h>
#include <linux/kobject.h>
#include <linux/moduleparam.h>
#include <linux/suspend.h>

#include "../compat.h"
#include "vmgen.h"

static bool vmgen_platform_hibernation;
module_param_named(platform_hibernation, vmgen_platform_hibernation, bool, 0444);
MODULE_PARM_DESC(platform_hibernation,
		 "leave hibernation mode \"platform\" on, although it may hide a change of the ID (default: N)");

/* ---- waking those who wait ---- */

/*
 * All of them: EPOLLEXCLUSIVE shares a wake-up among those who share a queue,
 * but here the queue is shared by open files that each have news of their own.
 */
void vmgen_wake(struct vmgen *vg)
{
	wake_up_interruptible_all(&vg->wait);
}

static void vmgen_send_uevent(struct vmgen *vg, u64 changes)
{
	char count[48];
	char *env[2] = { count };

	snprintf(count, sizeof(count), "VMGENCOUNTER_CHANGES=%llu", changes);
	kobject_uevent_env(&vg->misc.this_device->kobj, KOBJ_CHANGE, env);
}

static void vmgen_reseed_for(struct vmgen *vg, u64 changes, const struct vm_gencounter *id)
{
	int ret = vmgen_reseed(vg, id);

	if (!ret) {
		vmgen_set_reseeded(vg, changes);
		return;
	}
	if (READ_ONCE(vg->flags) & VMGENCOUNTER_WAKEUP_AFTER_RESEED)
		dev_warn(vg->misc.this_device, "RNDRESEEDCRNG failed (error %d): getrandom() may repeat itself for a minute after a change\n",
			 ret);
	WRITE_ONCE(vg->flags, vg->flags & ~VMGENCOUNTER_WAKEUP_AFTER_RESEED);
}

static void vmgen_announce(struct vmgen *vg, u64 changes)
{
	/* pairs with vmgen_announced() */
	smp_store_release(&vg->announced, (unsigned long)changes);
	vmgen_wake(vg);
	kill_fasync(&vg->fasync, SIGIO, POLL_IN);
	vmgen_send_uevent(vg, changes);
}

/*
 * The order matters to vmgen_await(): the ID is in the buffer, then the generator is
 * reseeded for it, then @announced moves, then everybody wakes. A change that comes
 * in between has a Notify of its own, which queues this work again. It looks under the
 * lock: where an ID comes back, somebody may be about to count the one between.
 *
 * The counter of /dev/sysgenid moves between the reseed and the first who wakes.
 */
static void vmgen_announce_work(struct work_struct *work)
{
	struct vmgen *vg = container_of(work, struct vmgen, announce);
	bool expected = vmgen_sysgenid_is_expected();
	struct vm_gencounter id;
	u64 changes = vmgen_count(vg, &id);
	bool news = vg->announced != (unsigned long)changes;

	if (changes != vg->reseeded || expected)
		vmgen_reseed_for(vg, changes, &id);
	if (!news && !expected)
		return;
	vmgen_move_sysgenid();
	if (news)
		vmgen_announce(vg, changes);
	vmgen_wake_sysgenid();
}

/*
 * For who is no handler: returns when a change that was there has been announced. The
 * machine has slept or the driver was away, and the same ID is no proof that nothing
 * happened meanwhile. So the counter of /dev/sysgenid moves in any case.
 */
static void vmgen_announce_now(struct vmgen *vg)
{
	vmgen_expect_sysgenid();
	schedule_work(&vg->announce);
	flush_work(&vg->announce);
}

/* The change is counted at once, as another one may come before the work is done. */
static void vmgen_announce_soon(struct vmgen *vg)
{
	vmgen_changes(vg);
	schedule_work(&vg->announce);
}

static void vmgen_acpi_notify(acpi_handle handle, u32 event, void *data)
{
	vmgen_announce_soon(data);
}

static irqreturn_t vmgen_irq(int irq, void *data)
{
	vmgen_announce_soon(data);
	return IRQ_HANDLED;
}

/* ---- who tells us of changes ---- */

static void vmgen_unsubscribe_acpi(void *data)
{
	/* Also waits for a handler that runs. */
	acpi_remove_notify_handler(data, ACPI_DEVICE_NOTIFY, vmgen_acpi_notify);
}

/* ACPI takes several handlers for one device; the in-tree driver's is another. */
static int vmgen_subscribe_acpi(struct device *dev, struct vmgen *vg)
{
	acpi_handle handle = ACPI_HANDLE(dev);

	if (ACPI_FAILURE(acpi_install_notify_handler(handle, ACPI_DEVICE_NOTIFY,
						     vmgen_acpi_notify, vg)))
		return -EIO;
	return devm_add_action_or_reset(dev, vmgen_unsubscribe_acpi, handle);
}

/* Shared, as the in-tree driver may want it, too. */
static int vmgen_subscribe_irq(struct device *dev, struct vmgen *vg)
{
	if (vg->irq < 0)
		return vg->irq;
	return devm_request_irq(dev, vg->irq, vmgen_irq, IRQF_SHARED, "vmgencounter", vg);
}

/* A device that cannot notify is still good for polling. */
static void vmgen_no_wakeup(struct device *dev, struct vmgen *vg, int err)
{
	flush_work(&vg->announce);	/* a Notify may have come; both write @flags */
	dev_warn(dev, "no notification of changes (error %d): /dev/vmgencounter can be polled but not waited for\n",
		 err);
	WRITE_ONCE(vg->flags, vg->flags & VMGENCOUNTER_MMAP);
	vmgen_wake(vg);
}

static void vmgen_cancel_work(void *data)
{
	cancel_work_sync(&((struct vmgen *)data)->announce);
}

/*
 * Coming back from hibernation in mode "platform", the kernel copies the firmware's
 * NVS memory of the image over the machine's before it calls any driver. The ID that
 * the machine was given is then gone, so the mode must go first.
 */
static void vmgen_guard_hibernation(struct device *dev, struct vmgen *vg)
{
	if (!vg->nvs)
		return;
	if (vmgen_platform_hibernation) {
		dev_warn(dev, "hibernation mode \"platform\" hides a change of the ID: each resume counts as one\n");
		return;
	}
	hibernation_set_ops(NULL);
	dev_info(dev, "hibernation mode \"platform\" is off until the next boot, as it hides a change of the ID (vmgencounter.platform_hibernation=1 leaves it on)\n");
}

int vmgen_subscribe(struct device *dev, struct vmgen *vg)
{
	bool irq = vmgen_dt_device(dev);
	int ret;

	INIT_WORK(&vg->announce, vmgen_announce_work);
	ret = devm_add_action(dev, vmgen_cancel_work, vg);
	if (ret)
		return ret;
	vmgen_guard_hibernation(dev, vg);
	ret = irq ? vmgen_subscribe_irq(dev, vg) : vmgen_subscribe_acpi(dev, vg);
	if (ret)
		vmgen_no_wakeup(dev, vg, ret);
	else
		dev_info(dev, "generation ID at %pa, changes from %s\n", &vg->addr,
			 irq ? "its interrupt" : "ACPI");
	/* A change before this was nobody's wake-up. */
	vmgen_announce_now(vg);
	return 0;
}

/*
 * Some hypervisors send no Notify for what happened while the guest slept. No process
 * runs yet, so that none draws from a generator that was not reseeded.
 */
static int vmgen_resume(struct device *dev)
{
	vmgen_announce_now(dev_get_drvdata(dev));
	return 0;
}

static int vmgen_restore(struct device *dev)
{
	struct vmgen *vg = dev_get_drvdata(dev);

	if (vg->nvs && vmgen_platform_hibernation)
		vmgen_distrust(vg);
	return vmgen_resume(dev);
}

const struct dev_pm_ops vmgen_pm_ops = {
	.resume		= vmgen_resume,
	.thaw		= vmgen_resume,
	.restore	= vmgen_restore,
};
