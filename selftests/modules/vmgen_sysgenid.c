// SPDX-License-Identifier: GPL-2.0-only
/*
 * vmgen_sysgenid - another driver that has the name of /dev/sysgenid
 *
 * Its device does nothing: every call on an open file fails.
 */

#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>

static const struct file_operations taken_fops = {
	.owner	= THIS_MODULE,
};

static struct miscdevice taken_misc = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= "sysgenid",
	.mode	= 0400,
	.fops	= &taken_fops,
};

module_misc_device(taken_misc);

MODULE_DESCRIPTION("Test only: takes the name sysgenid");
MODULE_LICENSE("GPL");
