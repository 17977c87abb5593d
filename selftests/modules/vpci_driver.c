// SPDX-License-Identifier: GPL-2.0-only
/*
 * vpci_driver - drivers of PCI functions, as others have them
 *
 * None binds by itself; driver_override and bind, in sysfs, make it do so.
 *
 *	vpci_listener	listens for invalidated blocks from its probe on, as mlx5
 *			does, until its removal
 *	vfio-pci	what the real one is to a function: a driver that leaves it to
 *			a program. (The real one wants an IOMMU.)
 *	vpci_pf		lets its virtual functions be enabled, in sriov_numvfs
 *
 * vpci_listener by parameters of this module: what it was told (heard: the masks since
 * the last probe, and their number: hears), whether its probe fails at its end
 * (probe_error), whether it waits there (hold) and is waiting (holding).
 */

#include <linux/hyperv.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/pci.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

static DEFINE_SPINLOCK(listener_lock);
static DECLARE_WAIT_QUEUE_HEAD(listener_wait);

static unsigned long long listener_heard;	/* listener_lock */
module_param_named(heard, listener_heard, ullong, 0400);
static unsigned int listener_hears;		/* listener_lock */
module_param_named(hears, listener_hears, uint, 0400);
static bool listener_holding;
module_param_named(holding, listener_holding, bool, 0400);
static int listener_probe_error;
module_param_named(probe_error, listener_probe_error, int, 0600);

static bool listener_hold;

static int listener_set_hold(const char *text, const struct kernel_param *param)
{
	int ret = param_set_bool(text, param);

	wake_up_all(&listener_wait);
	return ret;
}

static const struct kernel_param_ops listener_hold_ops = {
	.set	= listener_set_hold,
	.get	= param_get_bool,
};
module_param_cb(hold, &listener_hold_ops, &listener_hold, 0600);

static void listener_invalidate(void *context, u64 mask)
{
	unsigned long flags;

	/* hv_pci looks at the context last: we may have taken ours back. No other's it is. */
	if (!context)
		return;
	WARN_ON(context != &listener_heard);
	spin_lock_irqsave(&listener_lock, flags);
	listener_heard |= mask;
	listener_hears++;
	spin_unlock_irqrestore(&listener_lock, flags);
}

static int listener_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	int ret;

	spin_lock_irq(&listener_lock);
	listener_heard = 0;
	listener_hears = 0;
	spin_unlock_irq(&listener_lock);
	ret = hyperv_reg_block_invalidate(pdev, &listener_heard, listener_invalidate);
	if (ret)
		return ret;
	WRITE_ONCE(listener_holding, true);
	wait_event(listener_wait, !READ_ONCE(listener_hold));
	WRITE_ONCE(listener_holding, false);
	ret = READ_ONCE(listener_probe_error);
	if (ret)
		hyperv_reg_block_invalidate(pdev, NULL, NULL);
	return ret;
}

static void listener_remove(struct pci_dev *pdev)
{
	hyperv_reg_block_invalidate(pdev, NULL, NULL);
}

static struct pci_driver listener_driver = {
	.name	= "vpci_listener",
	.probe	= listener_probe,
	.remove	= listener_remove,
};

static int quiet_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	return 0;
}

static struct pci_driver vfio_driver = {
	.name	= "vfio-pci",
	.probe	= quiet_probe,
#ifdef VPCI_HAS_DRIVER_MANAGED_DMA
	.driver_managed_dma = true,
#endif
};

static struct pci_driver pf_driver = {
	.name			= "vpci_pf",
	.probe			= quiet_probe,
	.sriov_configure	= pci_sriov_configure_simple,
};

static int __init vpci_driver_init(void)
{
	int ret = pci_register_driver(&listener_driver);

	if (ret)
		return ret;
	ret = pci_register_driver(&vfio_driver);
	if (ret)
		goto listener;
	ret = pci_register_driver(&pf_driver);
	if (ret)
		goto vfio;
	return 0;
vfio:
	pci_unregister_driver(&vfio_driver);
listener:
	pci_unregister_driver(&listener_driver);
	return ret;
}

static void __exit vpci_driver_exit(void)
{
	pci_unregister_driver(&pf_driver);
	pci_unregister_driver(&vfio_driver);
	pci_unregister_driver(&listener_driver);
}

module_init(vpci_driver_init);
module_exit(vpci_driver_exit);

MODULE_DESCRIPTION("Test only: drivers for PCI functions");
MODULE_LICENSE("GPL");
