// SPDX-License-Identifier: GPL-2.0-only
/*
 * A function's node: how it is made, and who is told of it
 *
 * Lifetime: struct vpci_function is made with its node, before that can be opened. Who has
 * the node open keeps it and its minor, which vpci_release() gives back. The work that
 * announces the node has a reference until it is done or was cancelled.
 *
 * Locks: vpci_mutex is held while nodes are made and announced.
 */

#include <linux/errno.h>
#include <linux/idr.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/kobject.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "../compat.h"
#include "vpci.h"

#define VPCI_MINORS		65536

static unsigned long vpci_last_id;	/* vpci_mutex */
static DEFINE_IDA(vpci_minors);
static unsigned int vpci_next_minor;	/* vpci_mutex */
static dev_t vpci_devt;

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

/* In turn: a node that somebody has made for an old function must not open another one. */
static int vpci_new_minor(void)
{
	int minor = ida_alloc_range(&vpci_minors, vpci_next_minor, VPCI_MINORS - 1, GFP_KERNEL);

	if (minor == -ENOSPC)
		minor = ida_alloc_max(&vpci_minors, VPCI_MINORS - 1, GFP_KERNEL);
	if (minor >= 0)
		vpci_next_minor = (minor + 1) % VPCI_MINORS;
	return minor;
}

/* False if it is too early. */
static bool vpci_tell_of_node(struct vpci_function *fn)
{
	if (!dev_get_uevent_suppress(&fn->dev))
		return true;
	if (vpci_is_probing(fn->pdev))
		return false;
	dev_set_uevent_suppress(&fn->dev, false);
	kobject_uevent(&fn->dev.kobj, KOBJ_ADD);
	return true;
}

/*
 * The PCI core, which still has its lock when it tells us of a function, sends the uevent
 * of that afterwards. Who is told of the node may look for its parent, and open it: so it
 * is told last, and when hv_pci's probe is over. Whose the slot is may not be known yet
 * either, and those who wait for it rely on being told. Then the reference of this work goes.
 */
static void vpci_announce(struct work_struct *work)
{
	struct vpci_function *fn =
		container_of(to_delayed_work(work), struct vpci_function, announce);
	bool again = false;

	pci_lock_rescan_remove();
	mutex_lock(&vpci_mutex);
	if (!fn->gone) {
		again = !vpci_tell_of_node(fn);
		if (fn->listener == vpci_unknown) {
			vpci_check_driver(fn);
			again |= fn->listener == vpci_unknown;
		}
	}
	if (again)
		queue_delayed_work(vpci_wq, &fn->announce, HZ / 50);
	mutex_unlock(&vpci_mutex);
	pci_unlock_rescan_remove();
	if (!again)
		put_device(&fn->dev);
}

struct vpci_function *vpci_create(struct pci_dev *pdev)
{
	struct vpci_function *fn = kzalloc(sizeof(*fn), GFP_KERNEL);
	int minor;

	if (!fn)
		return NULL;
	minor = vpci_new_minor();
	if (minor < 0) {
		kfree(fn);
		return NULL;
	}
	fn->id = ++vpci_last_id;
	fn->pdev = pdev;
	fn->hdev = pdev->bus->bridge->parent;
	fn->listener = vpci_unknown;
	fn->slot_err = -EBUSY;
	INIT_LIST_HEAD(&fn->files);
	INIT_LIST_HEAD(&fn->turns);
	INIT_DELAYED_WORK(&fn->announce, vpci_announce);
	init_waitqueue_head(&fn->news);
	device_initialize(&fn->dev);
	fn->dev.class = &vpci_class;
	fn->dev.groups = vpci_groups;
	fn->dev.parent = &pdev->dev;
	fn->dev.release = vpci_release;
	fn->dev.devt = MKDEV(MAJOR(vpci_devt), MINOR(vpci_devt) + minor);
	cdev_init(&fn->cdev, &vpci_fops);
	fn->cdev.owner = THIS_MODULE;
	return fn;
}

int vpci_publish(struct vpci_function *fn)
{
	int ret = dev_set_name(&fn->dev, "%s", pci_name(fn->pdev));

	dev_set_uevent_suppress(&fn->dev, true);
	ret = ret ?: cdev_device_add(&fn->cdev, &fn->dev);
	if (ret)
		return ret;
	pci_dev_get(fn->pdev);
	get_device(&fn->dev);
	queue_delayed_work(vpci_wq, &fn->announce, 0);
	spin_lock_irq(&vpci_lock);
	list_add(&fn->node, &vpci_functions);
	spin_unlock_irq(&vpci_lock);
	vpci_check_driver(fn);
	return 0;
}

/* The end of a node. The last reference may be that of who has it open. */
void vpci_unpublish(struct vpci_function *fn)
{
	/* Not waited for: it may be waiting for the lock that we have, and finds us gone. */
	if (cancel_delayed_work(&fn->announce))
		put_device(&fn->dev);
	cdev_device_del(&fn->cdev, &fn->dev);
}

int vpci_init_nodes(void)
{
	int ret = alloc_chrdev_region(&vpci_devt, 0, VPCI_MINORS, "vpci");

	if (ret)
		return ret;
	ret = class_register(&vpci_class);
	if (ret)
		unregister_chrdev_region(vpci_devt, VPCI_MINORS);
	return ret;
}

void vpci_exit_nodes(void)
{
	class_unregister(&vpci_class);
	unregister_chrdev_region(vpci_devt, VPCI_MINORS);
	ida_destroy(&vpci_minors);
}
