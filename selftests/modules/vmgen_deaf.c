// SPDX-License-Identifier: GPL-2.0-only
/*
 * vmgen_deaf - no ACPI Notify handler can be installed while this is loaded
 *
 * Spoils an argument of acpi_install_notify_handler(), which then refuses.
 */

#include <linux/acpi.h>
#include <linux/kprobes.h>
#include <linux/module.h>

static int deaf_spoil(struct kprobe *probe, struct pt_regs *regs)
{
	/* The second argument, handler_type, of which there are three. */
#ifdef CONFIG_X86_64
	regs->si = ~0UL;
#else
	regs->regs[1] = ~0UL;
#endif
	return 0;
}

static struct kprobe deaf_probe = {
	.symbol_name	= "acpi_install_notify_handler",
	.pre_handler	= deaf_spoil,
};

static int __init deaf_init(void)
{
	return register_kprobe(&deaf_probe);
}

static void __exit deaf_exit(void)
{
	unregister_kprobe(&deaf_probe);
}

module_init(deaf_init);
module_exit(deaf_exit);

MODULE_DESCRIPTION("Test only: acpi_install_notify_handler() fails");
MODULE_LICENSE("GPL");
