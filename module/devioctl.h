/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What all devices do with the request block of <linux/devioctl.h>.
 */
#ifndef _VMGENCOUNTER_DEVIOCTL_H
#define _VMGENCOUNTER_DEVIOCTL_H

#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/uaccess.h>

#include <linux/devioctl.h>

#include "compat.h"

/* Of an open file: what waits in devioctl_uring.h. */
struct devioctl_uring_list {
	spinlock_t lock;		/* for @head */
	struct hlist_head head;
};

/**
 * devioctl_status() - the dictionary of <linux/devioctl.h>
 * @err: 0 or a negative errno
 *
 * Return: the NTSTATUS that goes with it.
 */
static inline u32 devioctl_status(int err)
{
	switch (err) {
	case 0:
		return STATUS_SUCCESS;
	case -ENOBUFS:
		return STATUS_BUFFER_TOO_SMALL;
	case -EINVAL:
		return STATUS_INVALID_PARAMETER;
	case -EFAULT:
		return STATUS_ACCESS_VIOLATION;
	case -EACCES:
		return STATUS_ACCESS_DENIED;
	case -EAGAIN:
		return STATUS_CANT_WAIT;
	case -EBUSY:
		return STATUS_DEVICE_BUSY;
	case -ENOMEM:
		return STATUS_INSUFFICIENT_RESOURCES;
	case -EINTR:
	case -ECANCELED:
		return STATUS_CANCELLED;
	case -EOPNOTSUPP:
		return STATUS_NOT_SUPPORTED;
	case -ENODEV:
		return STATUS_DEVICE_REMOVED;
	default:
		return STATUS_IO_DEVICE_ERROR;
	}
}

/**
 * devioctl_complete() - write the result of a call into its block
 * @block: the caller's block
 * @information: bytes written to the output, 0 if the call failed
 * @err: 0 or a negative errno
 *
 * -ERESTARTSYS writes nothing: the program may never hear of it, as after SIGSTOP and
 * SIGCONT the call goes on with the same block.
 *
 * Return: what the ioctl returns, which is @err if that is not 0.
 */
static inline int devioctl_complete(struct devioctl_request __user *block,
				    u32 information, int err)
{
	if (err == -ERESTARTSYS)
		return err;
	if (!user_write_access_begin(block, sizeof(*block)))
		return err ?: -EFAULT;
	unsafe_put_user(information, &block->information, bad);
	unsafe_put_user(devioctl_status(err), &block->status, bad);
	user_write_access_end();
	return err;
bad:
	user_write_access_end();
	return err ?: -EFAULT;
}

/* As most that is passed can be: found out without a lock, and without touching it. */
static inline bool devioctl_is_writable(void __user *addr, size_t size)
{
	const unsigned long start = (unsigned long)addr;
	struct page *page;

	if (offset_in_page(start) + size > PAGE_SIZE || !access_ok(addr, size) ||
	    !get_user_page_fast_only(start & PAGE_MASK, FOLL_WRITE, &page))
		return false;
	put_page(page);
	return true;
}

/**
 * devioctl_can_write() - can the caller's memory be written?
 * @addr: where it begins
 * @size: its length in bytes
 *
 * What can be refused before a wait is refused before the wait: an address that
 * cannot be written would else be told of only when the wait is over. Nothing is
 * written yet, as the output may overlap the input of a restarted call. Where it is not
 * writable already, reading makes the stack grow, which the last step does not.
 *
 * Return: true if it can.
 */
static inline bool devioctl_can_write(void __user *addr, size_t size)
{
	if (devioctl_is_writable(addr, size))
		return true;
	fault_in_readable(addr, size);
	return !fault_in_safe_writeable(addr, size);
}

/**
 * devioctl_user_ptr() - an address that a block has
 * @address: of 64 bits in every kernel
 *
 * A 32-bit kernel would lose the upper half, and take one that nobody meant.
 *
 * Return: the pointer, or one that cannot be used if the address is no pointer here.
 */
static inline void __user *devioctl_user_ptr(u64 address)
{
	return u64_to_user_ptr(min_t(u64, address, ULONG_MAX));
}

#endif /* _VMGENCOUNTER_DEVIOCTL_H */
