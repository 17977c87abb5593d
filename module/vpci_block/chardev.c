// SPDX-License-Identifier: GPL-2.0-only
/*
 * The open files of /dev/vpci/DDDD:BB:DD.F: open, poll and close
 *
 * Lifetime: each open file has a reference to its function, which may be gone, and
 * watches hv_pci.
 *
 * Locks: vpci_mutex while a file is added or taken away, vpci_lock for what poll()
 * looks at.
 */

#include <linux/errno.h>
#include <linux/module.h>
#include <linux/poll.h>

#include "../compat.h"
#include "vpci.h"

/* Changes nothing: epoll calls it whenever it likes. */
static __poll_t vpci_poll(struct file *file, poll_table *wait)
{
	struct vpci_file *f = file->private_data;
	u64 mask;

	poll_wait(file, &f->fn->news, wait);
	switch (vpci_look(f, &mask)) {
	case 0:
		return EPOLLIN | EPOLLRDNORM;
	case -EAGAIN:
		return 0;
	case -EBUSY:
		return EPOLLERR;
	default:
		return EPOLLHUP | EPOLLERR;
	}
}

/* hv_pci is not to be asked before its probe is over, as a failure of that goes unheard. */
static int vpci_may_open(const struct vpci_function *fn)
{
	if (fn->gone || !vpci_is_bound(fn->pdev))
		return -ENODEV;
	return vpci_is_probing(fn->pdev) ? -EAGAIN : 0;
}

/* The slot first: this file has missed nothing. */
static int vpci_add_file(struct vpci_file *f)
{
	struct vpci_function *fn = f->fn;
	int ret;

	mutex_lock(&vpci_mutex);
	ret = vpci_may_open(fn);
	if (!ret) {
		fn->opens++;
		vpci_check_driver(fn);
		vpci_update_slot(fn);
		spin_lock_irq(&vpci_lock);
		list_add(&f->node, &fn->files);
		spin_unlock_irq(&vpci_lock);
	}
	mutex_unlock(&vpci_mutex);
	return ret;
}

static int vpci_open(struct inode *inode, struct file *file)
{
	struct vpci_function *fn = container_of(inode->i_cdev, struct vpci_function, cdev);
	struct vpci_file *f = vpci_new_file(fn);
	int ret;

	if (!f)
		return -ENOMEM;
	ret = vpci_watch(fn);
	if (ret)
		goto err_file;
	ret = vpci_add_file(f);
	if (ret)
		goto err_watch;
	file->private_data = f;
	return nonseekable_open(inode, file);

err_watch:
	vpci_unwatch();
err_file:
	vpci_put_file(f);
	return ret;
}

static int vpci_close(struct inode *inode, struct file *file)
{
	struct vpci_file *f = file->private_data;
	struct vpci_function *fn = f->fn;

	mutex_lock(&vpci_mutex);
	spin_lock_irq(&vpci_lock);
	list_del(&f->node);
	spin_unlock_irq(&vpci_lock);
	fn->opens--;
	vpci_update_slot(fn);
	mutex_unlock(&vpci_mutex);
	cancel_delayed_work_sync(&f->retry);
	vpci_unwatch();
	vpci_put_file(f);
	return 0;
}

const struct file_operations vpci_fops = {
	.owner		= THIS_MODULE,
	.open		= vpci_open,
	.release	= vpci_close,
	.poll		= vpci_poll,
	.unlocked_ioctl	= vpci_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
	COMPAT_URING_CMD(vpci_uring_cmd)
};
