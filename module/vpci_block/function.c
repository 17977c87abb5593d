// SPDX-License-Identifier: GPL-2.0-only
/*
 * Functions come and go, and the module with them
 *
 * A notifier of the PCI bus tells of devices and of their drivers, one of power management
 * that the machine is awake again. This file calls the others, and only the kernel calls it.
 *
 * Lifetime: a function has a node from when its PCI device is added until that is
 * removed. Open files and requests pin the module. So the end of the workqueue waits only
 * for workers that have put all they had.
 *
 * Locks: vpci_mutex is held while functions come, go, or get a driver, vpci_lock while
 * the list of them changes. The PCI core may hold its own when it calls. vpci_init()
 * and vpci_exit() take pci_lock_rescan_remove(), to meet no removal.
 */

#include <linux/errno.h>
#include <linux/hyperv.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/notifier.h>
#include <linux/rcupdate.h>
#include <linux/string.h>
#include <linux/suspend.h>

#include "vpci.h"

static bool vpci_closing;		/* vpci_mutex: no new functions */

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
	if (!drv || strcmp(drv->name, "hv_pci"))
		return false;
	if (vpci_is_bound(pdev))
		return true;
	dev_info_once(hdev, "no /dev/vpci/%s: hv_pci has left it behind, is going, or is not one that is known here\n",
		      pci_name(pdev));
	return false;
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

/* hv_pci has come back with a new bus, perhaps at the address of the one that it has left. */
static void vpci_end_left_behind(const struct pci_dev *pdev)
{
	struct vpci_function *fn;

	list_for_each_entry(fn, &vpci_functions, node)
		if (!fn->gone && fn->hdev == pdev->bus->bridge->parent &&
		    fn->pdev->bus != pdev->bus)
			vpci_end(fn);
}

/* Who has opened a node that was not to be finds it gone. */
static int vpci_add_new(struct pci_dev *pdev)
{
	struct vpci_function *fn = vpci_create(pdev);
	int ret;

	vpci_end_left_behind(pdev);
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
		vpci_set_listener(fn, vpci_unknown);	/* nobody tells us any more */
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
	vpci_unpublish(fn);
	/* One that hv_pci has yet to send would reach whatever has the slot by then. */
	vpci_wait_a_while(fn->hdev, fn, max(HZ / 100, 1));
	pci_dev_put(fn->pdev);
	put_device(&fn->dev);
}

/*
 * hv_pci reads first the slot's function and then its argument, in softirq: before
 * it changes hands nobody may be in between. A driver that takes a slot that was not ours
 * need not wait for that.
 */
static void vpci_hand_over(struct vpci_function *fn, const char *listener)
{
	const bool ours = !fn->slot_err;

	vpci_set_listener(fn, vpci_unknown);
	vpci_update_slot(fn);
	if (ours || listener == vpci_us)
		synchronize_rcu();
	vpci_set_listener(fn, listener);
	vpci_update_slot(fn);
	vpci_tell_listener(fn);
}

static void vpci_driver_event(struct pci_dev *pdev, const struct device_driver *drv)
{
	const char *listener = vpci_listener_of(drv);
	struct vpci_function *fn;

	mutex_lock(&vpci_mutex);
	fn = vpci_find(pdev);
	if (fn && fn->listener != listener)
		vpci_hand_over(fn, listener);
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
		vpci_driver_event(pdev, dev->driver);
		break;
	case BUS_NOTIFY_UNBOUND_DRIVER:
	case BUS_NOTIFY_DRIVER_NOT_BOUND:
		vpci_driver_event(pdev, NULL);
		break;
	}
	return NOTIFY_DONE;
}

static struct notifier_block vpci_bus_nb = {
	.notifier_call = vpci_bus_event,
};

/* The host cannot tell a machine that sleeps, and hv_pci's children may be new ones. */
static void vpci_awake(void)
{
	struct vpci_function *fn;

	mutex_lock(&vpci_mutex);
	list_for_each_entry(fn, &vpci_functions, node) {
		if (fn->gone)
			continue;
		vpci_update_slot(fn);
		if (!fn->slot_err)
			vpci_missed(fn);
		wake_up_all(&fn->news);		/* it may be lost */
	}
	mutex_unlock(&vpci_mutex);
}

static int vpci_pm_event(struct notifier_block *nb, unsigned long event, void *unused)
{
	switch (event) {
	case PM_POST_SUSPEND:
	case PM_POST_HIBERNATION:
	case PM_POST_RESTORE:
		vpci_awake();
		break;
	}
	return NOTIFY_DONE;
}

static struct notifier_block vpci_pm_nb = {
	.notifier_call = vpci_pm_event,
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
	int ret = vpci_init_nodes();

	if (ret)
		return ret;
	/*
	 * One that the host never answers is never done. So many are enough for sixteen VMBus
	 * devices, and more since Linux 7.
	 */
	vpci_wq = alloc_workqueue("vpci_block", WQ_UNBOUND | WQ_FREEZABLE, WQ_MAX_ACTIVE);
	if (!vpci_wq) {
		ret = -ENOMEM;
		goto err_nodes;
	}
	ret = register_pm_notifier(&vpci_pm_nb);
	if (ret)
		goto err_wq;
	ret = bus_register_notifier(&pci_bus_type, &vpci_bus_nb);
	if (ret)
		goto err_pm;
	vpci_add_present();
	return 0;

err_pm:
	unregister_pm_notifier(&vpci_pm_nb);
err_wq:
	destroy_workqueue(vpci_wq);
err_nodes:
	vpci_exit_nodes();
	return ret;
}

static void __exit vpci_exit(void)
{
	vpci_remove_all();
	bus_unregister_notifier(&pci_bus_type, &vpci_bus_nb);
	unregister_pm_notifier(&vpci_pm_nb);
	destroy_workqueue(vpci_wq);
	vpci_exit_nodes();
	synchronize_rcu(); /* hv_pci's tasklet may still be in vpci_invalidated() */
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
