/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * /dev/vmgencounter: the generation ID of the virtual machine.
 *
 * The hypervisor gives a virtual machine a new 128-bit random ID whenever the
 * machine may share its past with another one or repeat it: after a snapshot
 * was restored, a clone started, a replica failed over. Two IDs can be equal
 * or different and nothing else: they have no order and no fields.
 *
 *	read()	one struct vm_gencounter, the ID, once per generation and
 *		open file; waits for the next generation after that
 *	poll()	EPOLLIN while the ID differs from the last one delivered
 *		through this open file; EPOLLHUP | EPOLLERR once the device
 *		is gone
 *	mmap()	one page, read-only: the firmware's own page, in which the ID
 *		stands at the offset that VMGENCOUNTER_GET_INFO tells
 *	ioctl()	the two requests below
 *
 * /dev/vmgencounter_id is for every user, read-only, and has of all this
 * VMGENCOUNTER_GET_INFO, with the flags that hold there, and the mmap() of a page
 * with VMGENCOUNTER_ID_ALONE. read() gives the current ID at once, each time. Nobody
 * can wait by it.
 */
#ifndef _UAPI_LINUX_VMGENCOUNTER_H
#define _UAPI_LINUX_VMGENCOUNTER_H

#include <linux/devioctl.h>
#include <linux/ioctl.h>
#include <linux/types.h>

/* The device interface class under which Windows programs find the device. */
#define VM_GENCOUNTER_INTERFACE_GUID	"{3ff2c92b-6598-4e60-8e1c-0ccf4927e319}"

/**
 * struct vm_gencounter - a generation ID (VM_GENCOUNTER on Windows)
 * @generation_count:      low 64 bits (GenerationCount)
 * @generation_count_high: high 64 bits (GenerationCountHigh)
 *
 * In the byte order of the CPU, except in the page that mmap() gives, where
 * both are little-endian, the low one first.
 */
struct vm_gencounter {
	__aligned_u64 generation_count;
	__aligned_u64 generation_count_high;
};

/*
 * IOCTL_VMGENCOUNTER_READ, as Windows has it. Argument: struct
 * devioctl_request. Output: one struct vm_gencounter, so @out_size >= 16.
 *
 * Polling mode, @in_size 0: returns the current ID at once.
 * Event-driven mode, @in_size >= 16: the input begins with the ID that the
 * caller knows; returns the current ID as soon as it differs from that one. With
 * VMGENCOUNTER_ID_UNTRUSTED it can be the same, see there.
 *
 * The descriptor must be open for reading and writing. A success marks the ID
 * as delivered for read() and poll(). A signal with a handler ends the wait with
 * EINTR, or restarts the call where the handler has SA_RESTART.
 */
#define IOCTL_VMGENCOUNTER_READ \
	CTL_CODE(FILE_DEVICE_ACPI, 1, METHOD_BUFFERED, \
		 FILE_READ_ACCESS | FILE_WRITE_ACCESS)

/*
 * IOCTL_VMGENCOUNTER_READ is also a command of io_uring (IORING_OP_URING_CMD, Linux 6.8
 * and later; before, EOPNOTSUPP), with a struct devioctl_uring_cmd in the SQE. In
 * event-driven mode it is pending until the ID changes, whether or not the descriptor has
 * O_NONBLOCK.
 *
 * VMGENCOUNTER_CANCEL, a command of io_uring alone, completes those of this open file that
 * are pending with the same address of a block, with ECANCELED and STATUS_CANCELLED. It
 * fails with ENOENT if there is none. (IORING_OP_ASYNC_CANCEL does not know of commands.)
 */
#define VMGENCOUNTER_CANCEL	_IO(0xC0, 0x11)

/*
 * Bits of struct vmgencounter_info.flags.
 *
 * VMGENCOUNTER_WAKEUP: the kernel hears of changes. Without it, event-driven mode
 * and a read() that would have to wait fail with EOPNOTSUPP (a read() with
 * O_NONBLOCK with EAGAIN, as always), and poll() reports EPOLLERR.
 *
 * VMGENCOUNTER_WAKEUP_AFTER_RESEED: whoever waits for a change is woken after
 * the kernel's random number generator was reseeded for it, however the change
 * was noticed. Without it the ID has been mixed into the generator's pool when the
 * waiter wakes, but the next reseed may be up to a minute away. The promise is about
 * waiting: who asks between the change and its notification gets the new ID at
 * once, and learns from @reseeded below whether the generator knows.
 *
 * VMGENCOUNTER_ID_UNTRUSTED: the guest came back from hibernation in mode
 * "platform" (see the module's parameter platform_hibernation), which may have put
 * an old ID in the place of the one that this machine was given. The resume counts
 * as a change and wakes all who wait. Two clones may show the same ID until it
 * changes again, and then the bit goes.
 *
 * VMGENCOUNTER_MMAP: mmap() works.
 *
 * VMGENCOUNTER_ID_ALONE: all else in the page that mmap() gives is zero, or was when it
 * was last looked at: when the driver took the device, and at each mmap() of
 * /dev/vmgencounter_id, which fails with EOPNOTSUPP otherwise.
 *
 * VMGENCOUNTER_PUBLIC: the descriptor is one of /dev/vmgencounter_id.
 */
#define VMGENCOUNTER_WAKEUP			(1U << 0)
#define VMGENCOUNTER_WAKEUP_AFTER_RESEED	(1U << 1)
#define VMGENCOUNTER_MMAP			(1U << 2)
#define VMGENCOUNTER_ID_UNTRUSTED		(1U << 3)
#define VMGENCOUNTER_ID_ALONE			(1U << 4)
#define VMGENCOUNTER_PUBLIC			(1U << 5)

/**
 * struct vmgencounter_info - what VMGENCOUNTER_GET_INFO returns
 * @id:         the current ID; not marked as delivered
 * @changes:    changes of the ID seen since the driver took the device, @id's
 *              included; never decreases
 * @changed_at: when the last of them was seen, CLOCK_BOOTTIME in nanoseconds;
 *              0 while @changes is 0
 * @offset:     of the ID in the page that mmap() gives, in bytes; 0 where
 *              VMGENCOUNTER_MMAP is not set
 * @flags:      VMGENCOUNTER_*
 * @reseeded:   the value of @changes for which the kernel's random number
 *              generator is known to be reseeded; all ones while there is none.
 *              A program may draw secrets from the kernel when it equals @changes
 * @reserved:   0
 */
struct vmgencounter_info {
	struct vm_gencounter id;
	__aligned_u64 changes;
	__aligned_u64 changed_at;
	__u32 offset;
	__u32 flags;
	__aligned_u64 reseeded;
	__aligned_u64 reserved[2];
};

/*
 * VMGENCOUNTER_GET_INFO. The descriptor must be open for reading.
 * Errors: EACCES, EFAULT, ENODEV (the device is gone).
 */
#define VMGENCOUNTER_GET_INFO	_IOR(0xC0, 0x10, struct vmgencounter_info)

#endif /* _UAPI_LINUX_VMGENCOUNTER_H */
