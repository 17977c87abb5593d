// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/vmgencounter_id: the ID and nothing else, for the programs of every user
 *
 * Generators of random numbers live in programs of every user, and each must see that
 * its machine was cloned. So this node has mode 0444, and no more than they need:
 * VMGENCOUNTER_GET_INFO and read(), which look at the ID, and mmap() of the firmware's
 * page, by which a look takes no system call. Sandboxes that end a program for an ioctl()
 * allow read(). The page is shown only while all the rest of it is
 * zero: what firmware keeps beside the ID is not for everyone. Nobody waits here, so
 * that no user can make another wait. An open file and a mapping pin the module, as all
 * of them do; they are to be seen in /proc/PID/fd and /proc/PID/maps.
 *
 * Lifetime: each open file has a reference to struct vmgen. Mappings are those of
 * chardev.c.
 *
 * Locks: none. generation.c takes its own if an ID is new.
 */

#include <linux/errno.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "vmgen.h"

/* What can be done here is less. */
#define VMGEN_NOT_PUBLIC \
	(VMGENCOUNTER_WAKEUP | VMGENCOUNTER_WAKEUP_AFTER_RESEED | VMGENCOUNTER_MMAP)

static void vmgen_get_public_info(struct vmgen *vg, struct vmgencounter_info *info)
{
	vmgen_get_info(vg, info);
	info->flags &= ~VMGEN_NOT_PUBLIC;
	info->flags |= VMGENCOUNTER_PUBLIC;
	if (info->flags & VMGENCOUNTER_ID_ALONE)
		info->flags |= VMGENCOUNTER_MMAP;
	else
		info->offset = 0;
}

static long vmgen_public_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct vmgen *vg = file->private_data;
	struct vmgencounter_info info = {};

	if (cmd != VMGENCOUNTER_GET_INFO)
		return -ENOTTY;
	if (READ_ONCE(vg->gone))
		return -ENODEV;
	vmgen_get_public_info(vg, &info);
	return copy_to_user((void __user *)arg, &info, sizeof(info)) ? -EFAULT : 0;
}

/* The current ID, whatever this open file was told before. */
static ssize_t vmgen_public_read(struct file *file, char __user *buf, size_t count, loff_t *pos)
{
	struct vmgen *vg = file->private_data;
	struct vm_gencounter id;

	if (count < sizeof(id))
		return -EINVAL;
	if (READ_ONCE(vg->gone))
		return -ENODEV;
	vmgen_look(vg, &id);
	return copy_to_user(buf, &id, sizeof(id)) ? -EFAULT : sizeof(id);
}

/* Firmware may have begun to use the page. */
static int vmgen_public_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct vmgen *vg = file->private_data;

	if (!vmgen_look_around(vg) && !READ_ONCE(vg->gone))
		return -EOPNOTSUPP;
	return vmgen_mmap_page(vg, vma);
}

/* misc_mtx is held, so the device cannot be unregistered meanwhile. */
static int vmgen_public_open(struct inode *inode, struct file *file)
{
	struct vmgen *vg = container_of(file->private_data, struct vmgen, public);

	if (file->f_mode & FMODE_WRITE)
		return -EROFS;
	kref_get(&vg->refs);
	file->private_data = vg;
	return stream_open(inode, file);
}

static int vmgen_public_close(struct inode *inode, struct file *file)
{
	vmgen_put(file->private_data);
	return 0;
}

const struct file_operations vmgen_public_fops = {
	.owner		= THIS_MODULE,
	.open		= vmgen_public_open,
	.release	= vmgen_public_close,
	.read		= vmgen_public_read,
	.mmap		= vmgen_public_mmap,
	.unlocked_ioctl	= vmgen_public_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
};
