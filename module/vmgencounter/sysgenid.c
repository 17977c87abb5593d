// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/sysgenid: a counter of generations, for programs that look for that device
 *
 * A page of the kernel's own begins with a u32 that moves whenever the machine may
 * share its past with another one. Everybody may map it. The node is there only if the
 * module's parameter asks for it.
 *
 * Lifetime: the page is the module's, which each open file and mapping pins. So a
 * mapping outlives the device, and one that is bound later goes on from the value that
 * the mapping shows. The node is there while a device is bound that can notify. Files
 * that are open without one say so, and work again with the next.
 *
 * Locks: none. vmgen_announce_work() alone moves the counter, and is one work item, as
 * one device is bound at a time. vmgen_announce_now(), of which one runs at a time,
 * leaves it a flag.
 */

#include <linux/device.h>
#include <linux/errno.h>
#include <linux/freezer.h>
#include <linux/fs.h>
#include <linux/gfp.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/poll.h>
#include <linux/uaccess.h>
#include <linux/wait.h>

#include "../compat.h"
#include "vmgen.h"

#define SYSGENID_NAME	"sysgenid"

static bool vmgen_sysgenid;
module_param_named(sysgenid, vmgen_sysgenid, bool, 0444);
MODULE_PARM_DESC(sysgenid, "provide /dev/sysgenid, a counter of generations (default: N)");

static u32 *sysgenid_page;	/* the counter is at its start; NULL without the parameter */
static bool sysgenid_due;	/* the counter moves even if the ID is the same */
static bool sysgenid_bound;	/* something moves the counter */
static DECLARE_WAIT_QUEUE_HEAD(sysgenid_wait);

/* ---- the counter ---- */

static u32 sysgenid_counter(void)
{
	/* pairs with vmgen_move_sysgenid(): who sees it moved finds the generator reseeded */
	return smp_load_acquire(sysgenid_page);
}

void vmgen_expect_sysgenid(void)
{
	WRITE_ONCE(sysgenid_due, !!sysgenid_page);
}

bool vmgen_sysgenid_is_expected(void)
{
	if (!READ_ONCE(sysgenid_due))
		return false;
	WRITE_ONCE(sysgenid_due, false);
	return true;
}

void vmgen_move_sysgenid(void)
{
	u32 next;

	if (!sysgenid_page)
		return;
	next = READ_ONCE(*sysgenid_page) + 1;
	/* 0 is no generation: to some programs it is what a machine without a counter has. */
	smp_store_release(sysgenid_page, next ?: 1);
}

void vmgen_wake_sysgenid(void)
{
	wake_up_interruptible_all(&sysgenid_wait);
}

/* ---- the open files ---- */

/* All that there is of an open file is the counter that it knows, in place of a pointer. */
static void sysgenid_acknowledge(struct file *file, u32 counter)
{
	WRITE_ONCE(file->private_data, (void *)(unsigned long)counter);
}

static bool sysgenid_is_outdated(struct file *file)
{
	return (u32)(unsigned long)READ_ONCE(file->private_data) != sysgenid_counter();
}

static bool sysgenid_must_wait(struct file *file)
{
	return READ_ONCE(sysgenid_bound) && !sysgenid_is_outdated(file);
}

static ssize_t sysgenid_read(struct file *file, char __user *buf, size_t count, loff_t *pos)
{
	u32 counter;
	int ret = 0;

	if (count < sizeof(counter))
		return -EINVAL;
	if (!(file->f_flags & O_NONBLOCK))
		ret = wait_event_freezable(sysgenid_wait, !sysgenid_must_wait(file));
	else if (sysgenid_must_wait(file))
		ret = -EAGAIN;
	if (ret)
		return ret;
	if (!READ_ONCE(sysgenid_bound))
		return -ENODEV;
	counter = sysgenid_counter();
	return copy_to_user(buf, &counter, sizeof(counter)) ? -EFAULT : sizeof(counter);
}

/* If the counter moves meanwhile, the file has acknowledged an old one and is outdated. */
static ssize_t sysgenid_write(struct file *file, const char __user *buf, size_t count,
			      loff_t *pos)
{
	u32 counter;

	if (count != sizeof(counter))
		return -EINVAL;
	if (!READ_ONCE(sysgenid_bound))
		return -ENODEV;
	if (copy_from_user(&counter, buf, sizeof(counter)))
		return -EFAULT;
	if (counter != sysgenid_counter())
		return -EINVAL;
	sysgenid_acknowledge(file, counter);
	return sizeof(counter);
}

static __poll_t sysgenid_poll(struct file *file, poll_table *wait)
{
	poll_wait(file, &sysgenid_wait, wait);
	if (!READ_ONCE(sysgenid_bound))
		return EPOLLHUP | EPOLLERR;
	return sysgenid_is_outdated(file) ? EPOLLIN | EPOLLRDNORM : 0;
}

static int sysgenid_mmap(struct file *file, struct vm_area_struct *vma)
{
	int ret;

	if (!READ_ONCE(sysgenid_bound))
		return -ENODEV;
	ret = vmgen_allow_mapping(vma);
	if (ret)
		return ret;
	vm_flags_set(vma, VM_DONTEXPAND | VM_DONTDUMP);
	return vm_insert_page(vma, vma->vm_start, virt_to_page(sysgenid_page));
}

static int sysgenid_open(struct inode *inode, struct file *file)
{
	sysgenid_acknowledge(file, sysgenid_counter());
	return stream_open(inode, file);
}

static const struct file_operations sysgenid_fops = {
	.owner	= THIS_MODULE,
	.open	= sysgenid_open,
	.read	= sysgenid_read,
	.write	= sysgenid_write,
	.poll	= sysgenid_poll,
	.mmap	= sysgenid_mmap,
};

/* ---- the node ---- */

static struct miscdevice sysgenid_misc = {
	.name	= SYSGENID_NAME,
	.mode	= 0444,
	.fops	= &sysgenid_fops,
};

/* misc_register() would find out, too, but not without a stack trace in the log. */
static bool sysgenid_is_taken(struct vmgen *vg)
{
	struct device *other;

	other = class_find_device_by_name(vg->misc.this_device->class, SYSGENID_NAME);
	put_device(other);
	return other;
}

static int sysgenid_register(struct device *dev, struct vmgen *vg)
{
	if (sysgenid_is_taken(vg))
		return -EEXIST;
	sysgenid_misc.minor = MISC_DYNAMIC_MINOR;	/* not that of the last time */
	sysgenid_misc.parent = dev;
	return misc_register(&sysgenid_misc);
}

static void sysgenid_set_bound(bool bound)
{
	WRITE_ONCE(sysgenid_bound, bound);
	vmgen_wake_sysgenid();
}

static void sysgenid_unpublish(void *unused)
{
	misc_deregister(&sysgenid_misc);
	sysgenid_set_bound(false);
}

int vmgen_publish_sysgenid(struct device *dev, struct vmgen *vg)
{
	int ret;

	if (!sysgenid_page)
		return 0;
	if (!(READ_ONCE(vg->flags) & VMGENCOUNTER_WAKEUP)) {
		dev_warn(dev, "no /dev/sysgenid, as its counter would never move\n");
		return 0;
	}
	sysgenid_set_bound(true);
	ret = sysgenid_register(dev, vg);
	if (!ret)
		return devm_add_action_or_reset(dev, sysgenid_unpublish, NULL);
	sysgenid_set_bound(false);
	if (ret == -EEXIST)
		dev_warn(dev, "another driver has the name sysgenid: /dev/sysgenid is not ours\n");
	else
		dev_warn(dev, "cannot register /dev/sysgenid: %d\n", ret);
	return 0;
}

int __init vmgen_init_sysgenid(void)
{
	if (!vmgen_sysgenid)
		return 0;
	sysgenid_page = (u32 *)get_zeroed_page(GFP_KERNEL);
	return sysgenid_page ? 0 : -ENOMEM;
}

void vmgen_exit_sysgenid(void)
{
	free_page((unsigned long)sysgenid_page);
}
