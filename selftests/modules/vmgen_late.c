// SPDX-License-Identifier: GPL-2.0-only
/*
 * vmgen_late - while this is loaded, vmgencounter's interrupt is yet to come
 *
 * As if the driver of the interrupt's controller were loaded later. When this goes, a device
 * is bound, and the kernel probes again what was put off.
 */

#include <linux/errno.h>
#include <linux/kallsyms.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/ptrace.h>
#include <linux/string.h>

/* For arm64 alone: the function returns to its caller at once. */
static int late_put_off(struct kprobe *probe, struct pt_regs *regs)
{
	char caller[KSYM_SYMBOL_LEN];

	sprint_symbol(caller, regs->regs[30]);
	if (!strstr(caller, "[vmgencounter]"))
		return 0;
	regs->regs[0] = -EPROBE_DEFER;
	instruction_pointer_set(regs, regs->regs[30]);
	return 1;
}

static struct kprobe late_probe = {
	.symbol_name	= "platform_get_irq_optional",
	.pre_handler	= late_put_off,
};

static int late_bind(struct platform_device *pdev)
{
	return 0;
}

static struct platform_driver late_driver = {
	.probe	= late_bind,
	.driver	= {
		.name	= "vmgen_late",
	},
};

static int __init late_init(void)
{
	int ret = platform_driver_register(&late_driver);

	if (ret)
		return ret;
	ret = register_kprobe(&late_probe);
	if (ret)
		platform_driver_unregister(&late_driver);
	return ret;
}

static void __exit late_exit(void)
{
	struct platform_device *pdev;

	unregister_kprobe(&late_probe);
	pdev = platform_device_register_simple("vmgen_late", PLATFORM_DEVID_NONE, NULL, 0);
	if (!IS_ERR(pdev))
		platform_device_unregister(pdev);
	platform_driver_unregister(&late_driver);
}

module_init(late_init);
module_exit(late_exit);

MODULE_DESCRIPTION("Test only: platform_get_irq_optional() puts vmgencounter off");
MODULE_LICENSE("GPL");
