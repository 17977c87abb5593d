// SPDX-License-Identifier: GPL-2.0-only
/*
 * The open files of /dev/vmgencounter: open, read, poll, mmap and close
 *
 * Lifetime: each open file has a struct vmgen_file and, by that, a reference to
 * struct vmgen. Mappings of the page need nothing of ours but the module, which
 * the file behind them pins; they stay valid, as firmware memory does not go away.
 *
 * Locks: none. generation.c takes its own if an ID is new, and gives it back before
 * this file touches user memory.
 */

#include <linux/mm.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/uio.h>

#include "../compat.h"
#include "vmgen.h"

/*
 * The record is copied out before it is marked, so that a bad address loses
 * nothing. Of several threads that copied it, the first to mark it has read it.
 */
static ssize_t vmgen_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	struct file *file = iocb->ki_filp;
	struct vmgen_file *f = file->private_data;
	bool nonblock = (file->f_flags & O_NONBLOCK) || (iocb->ki_flags & IOCB_NOWAIT);
	struct vm_gencounter id;
	u64 changes;
	int ret;

	if (iov_iter_count(to) < sizeof(id))
		return -EINVAL;
	for (;;) {
		ret = vmgen_await(f, NULL, nonblock, &id, &changes);
		if (ret)
			return ret;
		if (copy_to_iter(&id, sizeof(id), to) != sizeof(id))
			return -EFAULT;
		if (vmgen_mark_delivered(f, changes))
			return sizeof(id);
		iov_iter_revert(to, sizeof(id));
	}
}

/* The same for read() itself, which does without an iterator. */
static ssize_t vmgen_read(struct file *file, char __user *buf, size_t count, loff_t *pos)
{
	struct vmgen_file *f = file->private_data;
	struct vm_gencounter id;
	u64 changes;
	int ret;

	if (count < sizeof(id))
		return -EINVAL;
	do {
		ret = vmgen_await(f, NULL, file->f_flags & O_NONBLOCK, &id, &changes);
		if (ret)
			return ret;
		if (copy_to_user(buf, &id, sizeof(id)))
			return -EFAULT;
	} while (!vmgen_mark_delivered(f, changes));
	return sizeof(id);
}

/* Changes nothing of the file: epoll calls it whenever it likes. */
static __poll_t vmgen_poll(struct file *file, poll_table *wait)
{
	struct vmgen_file *f = file->private_data;
	__poll_t ready = 0;

	/*
	 * The announcer writes, then takes the queue's lock to wake us; we take
	 * it here to queue, then read. Whoever is second sees the other.
	 */
	poll_wait(file, &f->vg->wait, wait);
	if (READ_ONCE(f->vg->gone))
		return EPOLLHUP | EPOLLERR;
	if (!(READ_ONCE(f->vg->flags) & VMGENCOUNTER_WAKEUP))
		ready |= EPOLLERR;
	if (vmgen_is_unread(f, vmgen_changes(f->vg)))
		ready |= EPOLLIN | EPOLLRDNORM;
	return ready;
}

static int vmgen_fasync(int fd, struct file *file, int on)
{
	struct vmgen_file *f = file->private_data;

	return fasync_helper(fd, file, on, &f->vg->fasync);
}

int vmgen_allow_mapping(struct vm_area_struct *vma)
{
	if (vma->vm_flags & VM_WRITE)
		return -EROFS;
	if ((vma->vm_flags & (VM_READ | VM_EXEC)) != VM_READ)
		return -EPERM;
	if (vma->vm_end - vma->vm_start != PAGE_SIZE || vma->vm_pgoff)
		return -EINVAL;
	vm_flags_clear(vma, VM_MAYWRITE | VM_MAYEXEC);
	return 0;
}

int vmgen_mmap_page(struct vmgen *vg, struct vm_area_struct *vma)
{
	int ret;

	if (READ_ONCE(vg->gone))
		return -ENODEV;
	if (!(READ_ONCE(vg->flags) & VMGENCOUNTER_MMAP))
		return -EOPNOTSUPP;
	ret = vmgen_allow_mapping(vma);
	if (ret)
		return ret;
	return remap_pfn_range(vma, vma->vm_start, PHYS_PFN(vg->addr), PAGE_SIZE,
			       pgprot_decrypted(vma->vm_page_prot));
}

static int vmgen_mmap(struct file *file, struct vm_area_struct *vma)
{
	return vmgen_mmap_page(((struct vmgen_file *)file->private_data)->vg, vma);
}

/* misc_mtx is held, so the device cannot be unregistered meanwhile. */
static int vmgen_open(struct inode *inode, struct file *file)
{
	struct vmgen *vg = container_of(file->private_data, struct vmgen, misc);
	struct vmgen_file *f;

	f = kzalloc(sizeof(*f), GFP_KERNEL_ACCOUNT);
	if (!f)
		return -ENOMEM;
	kref_get(&vg->refs);
	f->vg = vg;
	spin_lock_init(&f->uring.lock);
	file->private_data = f;
	file->f_mode |= FMODE_NOWAIT;
	return stream_open(inode, file);
}

static int vmgen_close(struct inode *inode, struct file *file)
{
	struct vmgen_file *f = file->private_data;

	vmgen_put(f->vg);
	kfree(f);
	return 0;
}

const struct file_operations vmgen_fops = {
	.owner		= THIS_MODULE,
	.open		= vmgen_open,
	.release	= vmgen_close,
	.read		= vmgen_read,
	.read_iter	= vmgen_read_iter,
	.poll		= vmgen_poll,
	.fasync		= vmgen_fasync,
	.mmap		= vmgen_mmap,
	.unlocked_ioctl	= vmgen_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
	COMPAT_URING_CMD(vmgen_uring_cmd)
};
