// SPDX-License-Identifier: GPL-2.0-only
/*
 * vmgen_sealed - the kernel takes itself for a confidential guest while this is loaded
 *
 * cc_platform_has() says that the guest's memory is encrypted. Nothing is: the bit that
 * would encrypt a mapping is 0 on this machine.
 */

#include <linux/cc_platform.h>
#include <linux/kprobes.h>
#include <linux/module.h>

static int sealed_enter(struct kretprobe_instance *call, struct pt_regs *regs)
{
	/* Nonzero: the return is not looked at. */
	return regs_get_kernel_argument(regs, 0) != CC_ATTR_GUEST_MEM_ENCRYPT;
}

static int sealed_return(struct kretprobe_instance *call, struct pt_regs *regs)
{
	regs_set_return_value(regs, true);
	return 0;
}

static struct kretprobe sealed_probe = {
	.kp.symbol_name	= "cc_platform_has",
	.entry_handler	= sealed_enter,
	.handler	= sealed_return,
};

static int __init sealed_init(void)
{
	return register_kretprobe(&sealed_probe);
}

static void __exit sealed_exit(void)
{
	unregister_kretprobe(&sealed_probe);
}

module_init(sealed_init);
module_exit(sealed_exit);

MODULE_DESCRIPTION("Test only: the guest seems to be a confidential one");
MODULE_LICENSE("GPL");
