// SPDX-License-Identifier: GPL-2.0-only
/*
 * The three requests: what is looked at before, and written after
 *
 * Lifetime: a request for the host belongs to the call that made it until it is put.
 *
 * Locks: none is held while user memory is touched.
 */

#include <linux/build_bug.h>
#include <linux/errno.h>
#include <linux/uaccess.h>

#include "../devioctl.h"
#include "vpci.h"

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

static int vpci_begin_invalidate(struct file *file, struct vpci_call *call)
{
	struct vpci_file *f = file->private_data;
	int ret = vpci_check_invalidate(file, &call->req);

	if (!ret)
		vpci_ask_again(f->fn);
	return ret;
}

static int vpci_begin_request(struct file *file, struct vpci_call *call, bool write)
{
	int ret;

	call->rq = vpci_new_request(file->private_data);
	if (!call->rq)
		return -ENOMEM;
	ret = write ? vpci_get_write(file, &call->req, call->rq) :
		      vpci_get_read(file, &call->req, call->rq);
	if (ret)
		vpci_put_request(call->rq);
	return ret;
}

/* A host's answer, or a write's success, must not be lost by a bad address of the block. */
int vpci_begin_call(struct file *file, unsigned int code, struct vpci_call *call)
{
	int ret;

	call->rq = NULL;
	if (code != IOCTL_VPCI_INVALIDATE_BLOCK && code != IOCTL_VPCI_READ_BLOCK &&
	    code != IOCTL_VPCI_WRITE_BLOCK)
		return -ENOTTY;
	if (copy_from_user(&call->req, call->block, sizeof(call->req)) ||
	    !devioctl_can_write(call->block, sizeof(*call->block)))
		return -EFAULT;
	if (code == IOCTL_VPCI_INVALIDATE_BLOCK)
		ret = vpci_begin_invalidate(file, call);
	else
		ret = vpci_begin_request(file, call, code == IOCTL_VPCI_WRITE_BLOCK);
	return ret ? devioctl_complete(call->block, 0, ret) : 0;
}

int vpci_end_request(struct vpci_call *call, int ret)
{
	const struct vpci_request *rq = call->rq;
	u32 information = 0;

	if (!ret && !rq->write) {
		information = rq->returned;
		if (copy_to_user(devioctl_user_ptr(call->req.out_buffer), rq->data, information))
			ret = -EFAULT;
	}
	return devioctl_complete(call->block, ret ? 0 : information, ret);
}

/* Copied out before they are marked, so that a bad address loses nothing. */
int vpci_end_invalidate(struct vpci_file *f, struct vpci_call *call, int ret, u64 mask)
{
	const struct vpci_invalidate_block_output out = { .block_mask = mask };

	if (!ret && copy_to_user(devioctl_user_ptr(call->req.out_buffer), &out, sizeof(out)))
		ret = -EFAULT;
	ret = devioctl_complete(call->block, ret ? 0 : sizeof(out), ret);
	return ret || vpci_mark_told(f, mask) ? ret : -EINPROGRESS;
}

static long vpci_ioctl_invalidate(struct file *file, struct vpci_call *call)
{
	struct vpci_file *f = file->private_data;
	u64 mask;
	int ret;

	do {
		ret = vpci_await(f, file->f_flags & O_NONBLOCK, &mask);
		ret = vpci_end_invalidate(f, call, ret, mask);
	} while (ret == -EINPROGRESS);
	return ret;
}

long vpci_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct vpci_call call = { .block = (void __user *)arg };
	int ret = vpci_begin_call(file, cmd, &call);

	if (ret)
		return ret;
	if (!call.rq)
		return vpci_ioctl_invalidate(file, &call);
	ret = vpci_end_request(&call, vpci_exchange(call.rq));
	vpci_put_request(call.rq);
	return ret;
}
