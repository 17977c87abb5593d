// SPDX-License-Identifier: GPL-2.0-only
/*
 * vmgen_overlay - while this is loaded, the devicetree has the device of vmgen_overlay.dtso
 *
 * The overlay brings the device into an empty tree, and takes it away again when this goes.
 * Only the controller of its interrupt is simulated: vmgen_test raises it like any other.
 */

#include <linux/bug.h>
#include <linux/device.h>
#include <linux/err.h>
#include <linux/irq_sim.h>
#include <linux/irqdomain.h>
#include <linux/mod_devicetable.h>
#include <linux/module.h>
#include <linux/notifier.h>
#include <linux/of.h>
#include <linux/platform_device.h>
#include <linux/property.h>

#include "vmgen_overlay.h"

static int overlay_id;

static int overlay_probe(struct platform_device *pdev)
{
	struct irq_domain *domain = irq_domain_create_sim(dev_fwnode(&pdev->dev), 1);

	platform_set_drvdata(pdev, domain);
	return PTR_ERR_OR_ZERO(domain);
}

static void overlay_remove(struct platform_device *pdev)
{
	struct irq_domain *domain = platform_get_drvdata(pdev);

	irq_dispose_mapping(irq_find_mapping(domain, 0));
	irq_domain_remove_sim(domain);
}

static const struct of_device_id overlay_of_ids[] = {
	{ .compatible = "vmgencounter,overlay" },
	{ }
};

static struct platform_driver overlay_driver = {
	.probe	= overlay_probe,
	.remove	= overlay_remove,
	.driver	= {
		.name		= "vmgen_overlay",
		.of_match_table	= overlay_of_ids,
	},
};

/* No device may go before those that were added to it. Those of its driver have gone by now. */
static int overlay_watch(struct notifier_block *nb, unsigned long event, void *dev)
{
	struct device *child = NULL;

	if (event == BUS_NOTIFY_REMOVED_DEVICE)
		child = device_find_any_child(dev);
	WARN(child, "%s goes before %s\n", dev_name(dev), dev_name(child));
	put_device(child);
	return NOTIFY_DONE;
}

static struct notifier_block overlay_nb = {
	.notifier_call	= overlay_watch,
};

/* A partly applied one is to be removed, too. */
static void overlay_end(void)
{
	if (overlay_id)
		of_overlay_remove(&overlay_id);
	bus_unregister_notifier(&platform_bus_type, &overlay_nb);
	platform_driver_unregister(&overlay_driver);
}

static int __init overlay_init(void)
{
	int ret = platform_driver_register(&overlay_driver);

	if (ret)
		return ret;
	bus_register_notifier(&platform_bus_type, &overlay_nb);
	ret = of_overlay_fdt_apply(__dtbo_vmgen_overlay_begin,
				   __dtbo_vmgen_overlay_end - __dtbo_vmgen_overlay_begin,
				   &overlay_id, NULL);
	if (ret)
		overlay_end();
	return ret;
}

static void __exit overlay_exit(void)
{
	overlay_end();
}

module_init(overlay_init);
module_exit(overlay_exit);

MODULE_DESCRIPTION("Test only: a devicetree's overlay with a VM generation ID device");
MODULE_LICENSE("GPL");
