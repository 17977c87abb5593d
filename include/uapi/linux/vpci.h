/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * /dev/vpci/DDDD:BB:DD.F: the configuration blocks of a PCI function that a
 * Hyper-V host has passed through to this guest.
 *
 * A virtual function's driver exchanges blocks of up to 128 bytes with the driver
 * of the physical function, in the parent partition. What is in a block, and how
 * many there are, is between these two. There is a node for each function below a
 * Hyper-V root bus (driver hv_pci), and for no other.
 *
 *	ioctl()	the three requests below, for a descriptor that is open for
 *		reading; writing wants one that is open for both
 *	poll()	EPOLLIN while there are invalidated blocks that this open
 *		file was not told of; EPOLLERR while it cannot hear of them;
 *		EPOLLHUP | EPOLLERR once the function is gone
 *
 * The argument of all three is a struct devioctl_request, which see for what
 * status each errno goes with. READ and WRITE wait for the host's answer without a
 * limit, as a read from a disk does, O_NONBLOCK or not. A signal ends the wait with EINTR,
 * or restarts the call where the handler has SA_RESTART; that of a WRITE which the host
 * has been asked for is ended by nothing but a signal that kills. The host's part of a
 * request goes on without its caller: after ENODEV a WRITE may have taken effect, or will.
 *
 * Of one function the host is asked at most VPCI_REQUESTS_MAX things at a time, and 32 of
 * all functions of a VMBus device, those included whose callers have gone. More wait, and
 * the open files take turns. After many failures (ten in five seconds) an open file waits,
 * as the kernel logs each.
 *
 * open() fails with EAGAIN while hv_pci is still being bound.
 *
 * Beside the errors listed below each call may fail with EFAULT where the request block
 * itself cannot be read or written, and READ and WRITE with ENOMEM, before all others.
 */
#ifndef _UAPI_LINUX_VPCI_H
#define _UAPI_LINUX_VPCI_H

#include <linux/devioctl.h>
#include <linux/ioctl.h>
#include <linux/types.h>

#ifndef FILE_DEVICE_BUS_EXTENDER
#define FILE_DEVICE_BUS_EXTENDER	0x2a
#endif
#ifndef FILE_DEVICE_VPCI
#define FILE_DEVICE_VPCI		FILE_DEVICE_BUS_EXTENDER
#endif

/* Bytes in the longest block. */
#define VPCI_BLOCK_SIZE_MAX		128

/* Requests of one function that the host has at a time. */
#define VPCI_REQUESTS_MAX		8

/**
 * struct vpci_read_block_input - which block to read (VPCI_READ_BLOCK_INPUT)
 * @block_id:        its number (BlockId)
 * @bytes_requested: 1 to 128, and the length of the output (BytesRequested)
 */
struct vpci_read_block_input {
	__u32 block_id;
	__u32 bytes_requested;
};

/**
 * struct vpci_write_block_input - what to write (VPCI_WRITE_BLOCK_INPUT)
 * @block_id:    the block's number (BlockId)
 * @data_length: 1 to 128 (DataLength)
 *
 * The data follow at once, @data_length bytes.
 */
struct vpci_write_block_input {
	__u32 block_id;
	__u32 data_length;
};

/**
 * struct vpci_invalidate_block_output - which blocks are no longer what they were
 *					 (VPCI_INVALIDATE_BLOCK_OUTPUT)
 * @block_mask: bit N for block N; only the first 64 blocks can be invalidated
 *		(BlockMask)
 */
struct vpci_invalidate_block_output {
	__aligned_u64 block_mask;
};

/*
 * IOCTL_VPCI_INVALIDATE_BLOCK. No input; output: struct
 * vpci_invalidate_block_output.
 *
 * Returns the blocks that the host has invalidated since this open file was last
 * told, or opened; waits if there are none. A signal ends the wait with EINTR, or
 * restarts the call where the handler has SA_RESTART.
 *
 * The host's word goes to one listener, and a driver of the function comes first: while
 * one is bound that does not leave the function to programs, as vfio-pci does, this fails
 * with EBUSY, and so does a call that waits when one comes. What is invalidated meanwhile,
 * that driver alone is told, and what is invalidated while the machine sleeps, nobody: the
 * first call after that returns a mask of all ones. So does the first call in an open file
 * for which it was not known at first whether there is a driver.
 *
 * Errors, in the order in which they are looked for: EACCES, ENOBUFS (the output is
 * too small), EFAULT, ENODEV (the function is gone), EBUSY, EAGAIN (there are
 * none, and the descriptor is O_NONBLOCK), EINTR.
 */
#define IOCTL_VPCI_INVALIDATE_BLOCK \
	CTL_CODE(FILE_DEVICE_VPCI, 1, METHOD_NEITHER, \
		 FILE_READ_ACCESS | FILE_WRITE_ACCESS)

/*
 * IOCTL_VPCI_READ_BLOCK. Input: struct vpci_read_block_input. Output: the block,
 * @bytes_requested bytes. The host may have less: @information says how many came,
 * and the rest of the output is not written. VMBus carries multiples of eight bytes, so
 * what came may be up to seven bytes more than the host has.
 *
 * Errors, in the order in which they are looked for: EACCES, ENOBUFS (the input is
 * too small), EFAULT, EINVAL (@bytes_requested is 0 or more than 128), ENOBUFS (the
 * output is smaller than @bytes_requested), EINVAL (it is larger), EFAULT, ENODEV
 * (the function is gone), EINTR, EIO (the host refused, or answered with nothing).
 */
#define IOCTL_VPCI_READ_BLOCK \
	CTL_CODE(FILE_DEVICE_VPCI, 2, METHOD_NEITHER, \
		 FILE_READ_ACCESS | FILE_WRITE_ACCESS)

/*
 * IOCTL_VPCI_WRITE_BLOCK. Input: struct vpci_write_block_input and the data. No
 * output, @information is 0.
 *
 * Errors, in the order in which they are looked for: EACCES, ENOBUFS (the input is
 * too small for the structure), EFAULT, EINVAL (@data_length is 0 or more than
 * 128), ENOBUFS (the input is too small for the data), EFAULT, ENODEV (the function
 * is gone), EINTR (it has not been sent), EIO (the host refused).
 */
#define IOCTL_VPCI_WRITE_BLOCK \
	CTL_CODE(FILE_DEVICE_VPCI, 3, METHOD_NEITHER, \
		 FILE_READ_ACCESS | FILE_WRITE_ACCESS)

/*
 * All three are commands of io_uring as well (IORING_OP_URING_CMD, Linux 6.8 and later;
 * before, EOPNOTSUPP), with a struct devioctl_uring_cmd in the SQE, and then wait whether or
 * not the descriptor has O_NONBLOCK.
 *
 * VPCI_CANCEL, a command of io_uring alone, completes those of this open file that are
 * pending with the same address of a block, with ECANCELED and STATUS_CANCELLED; the host's
 * answer to a READ is dropped. It fails with ENOENT if there is none, and with EALREADY for a
 * WRITE that the host has been asked for. (IORING_OP_ASYNC_CANCEL does not know of commands.)
 */
#define VPCI_CANCEL	_IO(0xC0, 0x12)

#endif /* _UAPI_LINUX_VPCI_H */
