// SPDX-License-Identifier: GPL-2.0-only
/*
 * Wake-up: who tells us of a change, and whom we tell
 *
 * Where the in-tree vmgenid driver is bound it hears the Notify, reseeds the
 * kernel's RNG and then calls the vmfork notifier chain, where we listen. A
 * Notify handler of our own would run before that reseed, so there is one only
 * where that driver is not bound. Resume looks at the ID in any case.
 *
 * Lifetime: each subscription ends when the platform device is unbound, and its
 * end waits for a handler that runs. The reference of that device is put later, so
 * handlers need none of their own.
 *
 * Locks: vmgen.announcing is held while one change is announced. Nobody holds a
 * lock while the RNG gets the ID, as it may call the vmfork chain.
 */

#include <linux/acpi.h>
#include <linux/device.h>
#include <linux/interrupt.h>
#include <linux/kernel.h>
#include <linux/kobject.h>

#include "../compat.h"
#include "vmgen.h"

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

/*
 * Wake everybody if there is a change that they were not woken for. The order
 * matters to vmgen_await(): @announced moves after the new ID is in the buffer
 * and before the wake-up.
 */
static void vmgen_announce(struct vmgen *vg)
{
	struct vm_gencounter id;
	u64 changes;

	mutex_lock(&vg->announcing);
	changes = vmgen_look(vg, &id);
	if (vg->announced != (unsigned long)changes) {
		/* pairs with vmgen_announced(): the ID changed before this */
		smp_store_release(&vg->announced, (unsigned long)changes);
		vmgen_wake(vg);
		kill_fasync(&vg->fasync, SIGIO, POLL_IN);
		vmgen_send_uevent(vg, changes);
	}
	mutex_unlock(&vg->announcing);
}

/*
 * For changes that the in-tree driver does not hear of. The RNG comes first.
 * Not under @announcing: mixing may call the vmfork chain, and that us.
 */
void vmgen_mix_and_announce(struct vmgen *vg)
{
	struct vm_gencounter id;

	if ((unsigned long)vmgen_look(vg, &id) != vmgen_announced(vg))
		compat_mix_generation((const void *)vg->buffer, sizeof(id));
	vmgen_announce(vg);
}

static int vmgen_vmfork(struct notifier_block *nb, unsigned long action,
			void *data)
{
	vmgen_announce(container_of(nb, struct vmgen, vmfork));
	return NOTIFY_DONE;
}

void vmgen_announce_work(struct work_struct *work)
{
	vmgen_announce(container_of(work, struct vmgen, announce));
}

/*
 * The in-tree driver of a devicetree's device calls the chain in hard interrupt,
 * so nothing here sleeps. The change is counted at once, as another one may come
 * before the work is done.
 */
static int vmgen_vmfork_atomic(struct notifier_block *nb, unsigned long action,
			       void *data)
{
	struct vmgen *vg = container_of(nb, struct vmgen, vmfork);
	struct vm_gencounter id;

	vmgen_look(vg, &id);
	schedule_work(&vg->announce);
	return NOTIFY_DONE;
}

static void vmgen_acpi_notify(acpi_handle handle, u32 event, void *data)
{
	vmgen_mix_and_announce(data);
}

static irqreturn_t vmgen_irq(int irq, void *data)
{
	return IRQ_WAKE_THREAD;
}

static irqreturn_t vmgen_irq_thread(int irq, void *data)
{
	vmgen_mix_and_announce(data);
	return IRQ_HANDLED;
}

/* ---- who tells us of changes ---- */

/*
 * The chain's lock is one that sleeps, and where the interrupt's hard handler takes
 * it, nobody may hold it meanwhile. What comes in between comes afterwards.
 */
static int vmgen_change_vmfork(struct vmgen *vg, int (*change)(struct notifier_block *))
{
	int ret;

	if (vg->irq > 0)
		disable_irq(vg->irq);
	ret = change(&vg->vmfork);
	if (vg->irq > 0)
		enable_irq(vg->irq);
	return ret;
}

static void vmgen_unsubscribe_vmfork(void *data)
{
	struct vmgen *vg = data;

	vmgen_change_vmfork(vg, unregister_random_vmfork_notifier);
	cancel_work_sync(&vg->announce);
}

static int vmgen_subscribe_vmfork(struct device *dev, struct vmgen *vg)
{
	int ret;

	vg->vmfork.notifier_call = vmgen_dt_device(dev) ? vmgen_vmfork_atomic :
							  vmgen_vmfork;
	ret = vmgen_change_vmfork(vg, register_random_vmfork_notifier);
	return ret ?: devm_add_action_or_reset(dev, vmgen_unsubscribe_vmfork, vg);
}

static void vmgen_unsubscribe_acpi(void *data)
{
	/* Also waits for a handler that runs. */
	acpi_remove_notify_handler(data, ACPI_DEVICE_NOTIFY, vmgen_acpi_notify);
}

static int vmgen_subscribe_acpi(struct device *dev, struct vmgen *vg)
{
	acpi_handle handle = ACPI_HANDLE(dev);

	if (ACPI_FAILURE(acpi_install_notify_handler(handle, ACPI_DEVICE_NOTIFY,
						     vmgen_acpi_notify, vg)))
		return -EIO;
	return devm_add_action_or_reset(dev, vmgen_unsubscribe_acpi, handle);
}

/*
 * Shared, and with a first handler that does not mask the line, so that the in-tree
 * driver may still come and want it, too.
 */
static int vmgen_subscribe_irq(struct device *dev, struct vmgen *vg)
{
	if (vg->irq < 0)
		return vg->irq;
	return devm_request_threaded_irq(dev, vg->irq, vmgen_irq, vmgen_irq_thread,
					 IRQF_SHARED, "vmgencounter", vg);
}

/* A device that cannot notify is still good for polling. */
static void vmgen_no_wakeup(struct device *dev, struct vmgen *vg, int err)
{
	dev_warn(dev, "no notification of changes (error %d): /dev/vmgencounter can be polled but not waited for\n",
		 err);
	WRITE_ONCE(vg->flags, vg->flags & VMGENCOUNTER_MMAP);
	vmgen_wake(vg);
}

/* A change before this was nobody's wake-up: the caller looks once more. */
void vmgen_subscribe(struct device *dev, struct vmgen *vg, bool vmfork)
{
	const char *source;
	int ret;

	if (vmfork) {
		source = "the vmgenid driver";
		ret = vmgen_subscribe_vmfork(dev, vg);
	} else if (vmgen_dt_device(dev)) {
		source = "its interrupt";
		ret = vmgen_subscribe_irq(dev, vg);
	} else {
		source = "ACPI";
		ret = vmgen_subscribe_acpi(dev, vg);
	}
	if (ret)
		vmgen_no_wakeup(dev, vg, ret);
	else
		dev_info(dev, "generation ID at %pa, changes from %s\n", &vg->addr,
			 source);
}

/* Some hypervisors send no Notify for what happened while the guest slept. */
static int vmgen_resume(struct device *dev)
{
	vmgen_mix_and_announce(dev_get_drvdata(dev));
	return 0;
}

const struct dev_pm_ops vmgen_pm_ops = {
	.resume		= vmgen_resume,
	.thaw		= vmgen_resume,
	.restore	= vmgen_resume,
};
