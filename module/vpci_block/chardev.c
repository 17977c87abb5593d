// SPDX-License-Identifier: GPL-2.0-only
/*
 * The open files of /dev/vpci/DDDD:BB:DD.F: open, poll, ioctl and close
 *
 * Lifetime: each open file has a reference to its function, which may be gone, and
 * watches hv_pci. A request belongs to the call that made it until it is put.
 *
 * Locks: vpci_mutex while a file is added or taken away, vpci_lock for what poll()
 * looks at. None is held while user memory is touched.
 */

#include <linux/build_bug.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/uaccess.h>

#include <linux/devioctl.h>

#include "../devioctl.h"
#include "vpci.h"

/* ---- ioctl ---- */

/* Reading is for who may look on; what is written may change how the function works. */
static bool vpci_may_read(struct file *file)
{
	return file->f_mode & FMODE_READ;
}

static bool vpci_may_write(struct file *file)
{
	const fmode_t both = FMODE_READ | FMODE_WRITE;

	return (file->f_mode & both) == both;
}

static int vpci_check_invalidate(struct file *file, const struct devioctl_request *req)
{
	const size_t size = sizeof(struct vpci_invalidate_block_output);

	if (!vpci_may_read(file))
		return -EACCES;
	if (req->out_size < size)
		return -ENOBUFS;
	if (!devioctl_can_write(devioctl_user_ptr(req->out_buffer), size))
		return -EFAULT;
	return 0;
}

/* Copied out before they are marked, so that a bad address loses nothing. */
static int vpci_ioctl_invalidate(struct file *file, const struct devioctl_request *req,
				 struct devioctl_request __user *block)
{
	struct vpci_invalidate_block_output out = {};
	struct vpci_file *f = file->private_data;
	u64 mask;
	int ret;

	ret = vpci_check_invalidate(file, req);
	if (ret)
		return devioctl_complete(block, 0, ret);
	vpci_ask_again(f->fn);
	for (;;) {
		ret = vpci_await(f, file->f_flags & O_NONBLOCK, &mask);
		out.block_mask = mask;
		if (!ret && copy_to_user(devioctl_user_ptr(req->out_buffer), &out, sizeof(out)))
			ret = -EFAULT;
		ret = devioctl_complete(block, ret ? 0 : sizeof(out), ret);
		if (ret || vpci_mark_told(f, mask))
			return ret;
	}
}

/* Both structures are a block's number and a length. */
static int vpci_get_input(const struct devioctl_request *req, struct vpci_request *rq)
{
	struct vpci_read_block_input in;

	BUILD_BUG_ON(sizeof(in) != sizeof(struct vpci_write_block_input));
	if (req->in_size < sizeof(in))
		return -ENOBUFS;
	if (copy_from_user(&in, devioctl_user_ptr(req->in_buffer), sizeof(in)))
		return -EFAULT;
	if (!in.bytes_requested || in.bytes_requested > VPCI_BLOCK_SIZE_MAX)
		return -EINVAL;
	rq->block_id = in.block_id;
	rq->length = in.bytes_requested;
	return 0;
}

static int vpci_get_read(struct file *file, const struct devioctl_request *req,
			 struct vpci_request *rq)
{
	int ret = vpci_may_read(file) ? vpci_get_input(req, rq) : -EACCES;

	if (ret)
		return ret;
	if (req->out_size < rq->length)
		return -ENOBUFS;
	if (req->out_size > rq->length)
		return -EINVAL;
	if (!devioctl_can_write(devioctl_user_ptr(req->out_buffer), rq->length))
		return -EFAULT;
	return 0;
}

static int vpci_ioctl_read(struct file *file, const struct devioctl_request *req,
			   struct devioctl_request __user *block)
{
	struct vpci_file *f = file->private_data;
	struct vpci_request *rq = vpci_new_request(f);
	u32 information = 0;
	int ret;

	if (!rq)
		return devioctl_complete(block, 0, -ENOMEM);
	ret = vpci_get_read(file, req, rq);
	if (!ret)
		ret = vpci_exchange(rq);
	if (!ret && copy_to_user(devioctl_user_ptr(req->out_buffer), rq->data, rq->returned))
		ret = -EFAULT;
	if (!ret)
		information = rq->returned;
	vpci_put_request(rq);
	return devioctl_complete(block, information, ret);
}

static int vpci_get_write(struct file *file, const struct devioctl_request *req,
			  struct vpci_request *rq)
{
	const size_t header = sizeof(struct vpci_write_block_input);
	int ret = vpci_may_write(file) ? vpci_get_input(req, rq) : -EACCES;

	if (ret)
		return ret;
	if (req->in_size - header < rq->length)
		return -ENOBUFS;
	if (copy_from_user(rq->data, devioctl_user_ptr(req->in_buffer + header), rq->length))
		return -EFAULT;
	rq->write = true;
	return 0;
}

static int vpci_ioctl_write(struct file *file, const struct devioctl_request *req,
			    struct devioctl_request __user *block)
{
	struct vpci_file *f = file->private_data;
	struct vpci_request *rq = vpci_new_request(f);
	int ret;

	if (!rq)
		return devioctl_complete(block, 0, -ENOMEM);
	ret = vpci_get_write(file, req, rq);
	if (!ret)
		ret = vpci_exchange(rq);
	vpci_put_request(rq);
	return devioctl_complete(block, 0, ret);
}

static long vpci_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct devioctl_request __user *block = (void __user *)arg;
	int (*handler)(struct file *file, const struct devioctl_request *req,
		       struct devioctl_request __user *block);
	struct devioctl_request req;

	switch (cmd) {
	case IOCTL_VPCI_INVALIDATE_BLOCK:
		handler = vpci_ioctl_invalidate;
		break;
	case IOCTL_VPCI_READ_BLOCK:
		handler = vpci_ioctl_read;
		break;
	case IOCTL_VPCI_WRITE_BLOCK:
		handler = vpci_ioctl_write;
		break;
	default:
		return -ENOTTY;
	}
	/* A host's answer, or a write's success, must not be lost by a bad address. */
	if (copy_from_user(&req, block, sizeof(req)) ||
	    !devioctl_can_write(block, sizeof(*block)))
		return -EFAULT;
	return handler(file, &req, block);
}

/* ---- open, poll and close ---- */

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
};
