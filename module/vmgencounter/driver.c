// SPDX-License-Identifier: GPL-2.0-only
/*
 * The driver: bind and unbind, beside the in-tree one
 *
 * Where the in-tree vmgenid driver keeps the device of the firmware, or no match
 * table can name it, this file adds a platform device of its own and binds that.
 * It calls the other files, and only the kernel calls it.
 *
 * Lifetime: vmgen_probe() leaves all that it sets up to devm, which undoes it in
 * reverse: first nobody tells us of changes any more, then nobody can open the node
 * and vmgen.gone is set, and last the reference to struct vmgen is put. The device
 * of our own stays until the module goes, or an overlay with its parent.
 *
 * Locks: the device lock of the firmware's device, while its driver is looked at.
 * The driver core holds that of the device that is being bound. The chain of the
 * devicetree's changes is left before vmgen_beside goes with the module.
 */

#include <linux/acpi.h>
#include <linux/bitops.h>
#include <linux/device.h>
#include <linux/err.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/notifier.h>
#include <linux/of.h>
#include <linux/of_device.h>
#include <linux/of_platform.h>
#include <linux/platform_device.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "../compat.h"
#include "vmgen.h"

/* The documented _CID of the device, as ACPICA upper-cases it, and a shorter one. */
#define VMGEN_CID	"VM_GEN_COUNTER"
#define VMGEN_SHORT_CID	"VMGENCTR"

/* Bit 0: a device is bound. The node has one name, so there can be one. */
static unsigned long vmgen_taken;

/* ---- bind and unbind ---- */

static bool vmgen_is_intree_driver(const struct device_driver *drv)
{
	return drv && !strcmp(drv->name, "vmgenid");
}

static bool vmgen_has_intree_driver(struct device *dev)
{
	bool bound;

	device_lock(dev);
	bound = vmgen_is_intree_driver(dev->driver);
	device_unlock(dev);
	return bound;
}

static void vmgen_unclaim(void *taken)
{
	clear_bit(0, taken);
}

static int vmgen_claim(struct device *dev)
{
	if (test_and_set_bit(0, &vmgen_taken)) {
		dev_err(dev, FW_BUG "a second VM generation ID device, ignored: /dev/vmgencounter shows the first\n");
		return -EBUSY;
	}
	return devm_add_action_or_reset(dev, vmgen_unclaim, &vmgen_taken);
}

static void vmgen_fill_misc(struct miscdevice *misc, struct device *dev, const char *name,
			    umode_t mode, const struct file_operations *fops)
{
	misc->minor = MISC_DYNAMIC_MINOR;
	misc->name = name;
	misc->mode = mode;
	misc->fops = fops;
	misc->parent = dev;
}

static struct vmgen *vmgen_create(struct device *dev)
{
	struct vmgen *vg = kzalloc(sizeof(*vg), GFP_KERNEL);
	int ret;

	if (!vg)
		return ERR_PTR(-ENOMEM);
	kref_init(&vg->refs);
	init_waitqueue_head(&vg->wait);
	raw_spin_lock_init(&vg->lock);
	seqcount_raw_spinlock_init(&vg->seq, &vg->lock);
	vg->reseeded = U64_MAX;		/* for none yet */
	vmgen_fill_misc(&vg->misc, dev, "vmgencounter", 0600, &vmgen_fops);
	vg->misc.groups = vmgen_groups;
	vmgen_fill_misc(&vg->public, dev, "vmgencounter_id", 0444, &vmgen_public_fops);
	ret = devm_add_action_or_reset(dev, vmgen_put, vg);
	return ret ? ERR_PTR(ret) : vg;
}

static int vmgen_register(struct device *dev, struct miscdevice *misc)
{
	int ret = misc_register(misc);

	if (ret)
		dev_err(dev, "cannot register /dev/%s: %d\n", misc->name, ret);
	return ret;
}

static void vmgen_unpublish(void *data)
{
	struct vmgen *vg = data;

	misc_deregister(&vg->public);
	misc_deregister(&vg->misc);
	WRITE_ONCE(vg->gone, true);
	vmgen_wake(vg);
	kill_fasync(&vg->fasync, SIGIO, POLL_HUP);
}

/* From here on, files can be opened. */
static int vmgen_publish(struct device *dev, struct vmgen *vg)
{
	int ret = vmgen_register(dev, &vg->misc);

	if (ret)
		return ret;
	ret = vmgen_register(dev, &vg->public);
	if (ret) {
		misc_deregister(&vg->misc);
		return ret;
	}
	return devm_add_action_or_reset(dev, vmgen_unpublish, vg);
}

static int vmgen_bind(struct device *dev, struct vmgen *vg)
{
	int ret;

	ret = vmgen_find_irq(dev, vg) ?: vmgen_map_buffer(dev, vg);
	if (ret)
		return ret;
	ret = vmgen_open_urandom(dev, vg);
	if (ret)
		return ret;
	vg->flags |= VMGENCOUNTER_WAKEUP;
	ret = vmgen_publish(dev, vg);
	if (ret)
		return ret;
	dev_set_drvdata(dev, vg);
	return vmgen_subscribe(dev, vg) ?: vmgen_publish_sysgenid(dev, vg);
}

/* A device that was added beside waits, too, for an interrupt that is yet to come. */
static bool vmgen_deferred;

static int vmgen_probe(struct platform_device *pdev)
{
	struct device *dev = &pdev->dev;
	struct vmgen *vg;
	int ret;

	if (!ACPI_COMPANION(dev) && !vmgen_dt_device(dev))
		return -ENODEV;		/* bound by hand to something else */
	ret = vmgen_claim(dev);
	if (ret)
		return ret;
	vg = vmgen_create(dev);
	if (IS_ERR(vg))
		return PTR_ERR(vg);
	ret = vmgen_bind(dev, vg);
	vmgen_deferred = ret == -EPROBE_DEFER;
	return ret;
}

static const struct acpi_device_id vmgen_acpi_ids[] = {
	COMPAT_ACPI_LONG_ID(VMGEN_CID)
	{ VMGEN_SHORT_CID },
	{ }
};
MODULE_DEVICE_TABLE(acpi, vmgen_acpi_ids);
COMPAT_ACPI_LONG_ALIAS(VMGEN_CID);

static const struct of_device_id vmgen_of_ids[] = {
	{ .compatible = VMGEN_COMPATIBLE },
	{ }
};
MODULE_DEVICE_TABLE(of, vmgen_of_ids);

static struct platform_driver vmgen_driver = {
	.probe	= vmgen_probe,
	.driver	= {
		.name			= "vmgencounter",
		/* What vmgenid may yet come for is not for us to take. */
		.acpi_match_table	= COMPAT_VMGENID_MAY_LOAD ? NULL : vmgen_acpi_ids,
		.of_match_table		= COMPAT_VMGENID_MAY_LOAD ? NULL : vmgen_of_ids,
		.pm			= &vmgen_pm_ops,
		.probe_type		= PROBE_FORCE_SYNCHRONOUS, /* vmgen_try_beside() */
	},
};

/* ---- a platform device of our own, where that of the firmware is not to be had ---- */

static struct platform_device *vmgen_beside;

/* By hand, as the match tables of old kernels have no room for VMGEN_CID. */
static bool vmgen_has_id(struct device *dev)
{
	struct acpi_device *adev = ACPI_COMPANION(dev);

	if (!adev)
		return vmgen_has_dt_node(dev);
	return compat_acpi_has_id(adev, VMGEN_CID) ||
	       compat_acpi_has_id(adev, VMGEN_SHORT_CID);
}

/*
 * An ACPI device may have several physical ones, of which the first is matched
 * by its ID and others by their name. The in-tree driver keeps the first. All that
 * have a devicetree's node are matched by that, so there ours is the child of the
 * first and has none.
 */
static bool vmgen_needs_beside(struct device *first)
{
	const struct device_driver *drv = &vmgen_driver.driver;

	return vmgen_has_id(first) &&
	       (vmgen_has_intree_driver(first) ||
		!(acpi_match_device(drv->acpi_match_table, first) ||
		  of_match_device(drv->of_match_table, first)));
}

/* For each device until one is bound, or will be: then it returns 1. */
static int vmgen_try_beside(struct device *first, void *unused)
{
	struct platform_device_info info = {
		.name = "vmgencounter",
		.id = PLATFORM_DEVID_NONE,
	};
	struct platform_device *pdev;

	if (test_bit(0, &vmgen_taken))
		return 1;
	if (!vmgen_needs_beside(first))
		return 0;
	if (vmgen_has_dt_node(first))
		info.parent = first;
	else
		info.fwnode = acpi_fwnode_handle(ACPI_COMPANION(first));
	vmgen_deferred = false;
	pdev = platform_device_register_full(&info);
	if (IS_ERR(pdev))
		return PTR_ERR(pdev);
	if (!test_bit(0, &vmgen_taken) && !vmgen_deferred) {
		platform_device_unregister(pdev);
		return 0;
	}
	vmgen_beside = pdev;
	return 1;
}

/* A devicetree's overlay that is removed takes its device, and must find no child. */
static int vmgen_of_removed(struct notifier_block *nb, unsigned long action, void *data)
{
	struct of_reconfig_data *event = data;

	if (of_reconfig_get_state_change(action, event) != OF_RECONFIG_CHANGE_REMOVE ||
	    !vmgen_beside || !vmgen_beside->dev.parent ||
	    vmgen_beside->dev.parent->of_node != event->dn)
		return NOTIFY_DONE;
	platform_device_unregister(vmgen_beside);
	vmgen_beside = NULL;
	return NOTIFY_OK;
}

/* One that is applied brings a device, which vmgenid may have got by now. */
static int vmgen_of_added(struct notifier_block *nb, unsigned long action, void *data)
{
	struct of_reconfig_data *event = data;
	struct platform_device *pdev;
	int ret = 0;

	if (of_reconfig_get_state_change(action, event) != OF_RECONFIG_CHANGE_ADD ||
	    vmgen_beside)
		return NOTIFY_DONE;
	pdev = of_find_device_by_node(event->dn);
	if (pdev)
		ret = vmgen_try_beside(&pdev->dev, NULL);
	platform_device_put(pdev);
	return notifier_from_errno(min(ret, 0));
}

static struct notifier_block vmgen_of_removed_nb = {
	.notifier_call	= vmgen_of_removed,
	.priority	= 1,		/* before who takes the parent */
};

static struct notifier_block vmgen_of_added_nb = {
	.notifier_call	= vmgen_of_added,
	.priority	= -1,		/* after who adds it */
};

static int __init vmgen_init(void)
{
	int ret = vmgen_init_sysgenid();

	if (ret)
		return ret;
	ret = platform_driver_register(&vmgen_driver);
	if (ret)
		goto exit_sysgenid;
	ret = bus_for_each_dev(&platform_bus_type, NULL, NULL, vmgen_try_beside);
	if (ret < 0)
		goto unregister;
	of_reconfig_notifier_register(&vmgen_of_removed_nb);	/* -EINVAL: no overlays here */
	of_reconfig_notifier_register(&vmgen_of_added_nb);
	return 0;
unregister:
	platform_driver_unregister(&vmgen_driver);
exit_sysgenid:
	vmgen_exit_sysgenid();
	return ret;
}

static void __exit vmgen_exit(void)
{
	of_reconfig_notifier_unregister(&vmgen_of_added_nb);
	of_reconfig_notifier_unregister(&vmgen_of_removed_nb);
	platform_device_unregister(vmgen_beside);
	platform_driver_unregister(&vmgen_driver);
	vmgen_exit_sysgenid();
}

module_init(vmgen_init);
module_exit(vmgen_exit);

MODULE_DESCRIPTION("VM generation ID for user space (/dev/vmgencounter)");
MODULE_LICENSE("GPL");
MODULE_VERSION(VMGENCOUNTER_VERSION);
MODULE_SOFTDEP("pre: vmgenid");
