/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * DeviceIoControl for Linux character devices.
 *
 * A Windows program hands DeviceIoControl() a control code, an input buffer
 * and an output buffer, and gets back a byte count and an error. Here the
 * control code is the ioctl number as it stands in the Windows headers, and
 * the rest travels in one request block:
 *
 *	ioctl(fd, IOCTL_..., &(struct devioctl_request){ ... });
 *
 * The block has the same layout for 32- and 64-bit callers. All integers are
 * in the byte order of the CPU.
 */
#ifndef _UAPI_LINUX_DEVIOCTL_H
#define _UAPI_LINUX_DEVIOCTL_H

#include <linux/types.h>

/*
 * Control codes, composed as in the Windows header of the same name. Each is
 * left alone where a ported program defines it already.
 */
#ifndef CTL_CODE
#define CTL_CODE(type, function, method, access) \
	(((type) << 16) | ((access) << 14) | ((function) << 2) | (method))
#endif
#ifndef METHOD_BUFFERED
#define METHOD_BUFFERED		0
#endif
#ifndef METHOD_NEITHER
#define METHOD_NEITHER		3
#endif
#ifndef FILE_READ_ACCESS
#define FILE_READ_ACCESS	1
#endif
#ifndef FILE_WRITE_ACCESS
#define FILE_WRITE_ACCESS	2
#endif
#ifndef FILE_DEVICE_ACPI
#define FILE_DEVICE_ACPI	0x32
#endif

/**
 * struct devioctl_request - one DeviceIoControl() call
 * @in_buffer:   in: user address of the input, not looked at if @in_size is 0
 * @out_buffer:  in: user address of the output; may be @in_buffer
 * @in_size:     in: bytes at @in_buffer
 * @out_size:    in: bytes at @out_buffer that the call may write
 * @information: out: bytes written to @out_buffer (lpBytesReturned)
 * @status:      out: NTSTATUS of the call, one of STATUS_* below
 *
 * @information and @status are written on every return, except when the code
 * is unknown to the device (ENOTTY, the block is not touched), a signal ended
 * the wait (EINTR, the block is not touched either) or the block itself cannot
 * be read or written (EFAULT). While a call waits nothing is written.
 * @information is 0 unless the call succeeded. The other members are never
 * written.
 */
struct devioctl_request {
	__aligned_u64 in_buffer;
	__aligned_u64 out_buffer;
	__u32 in_size;
	__u32 out_size;
	__u32 information;
	__u32 status;
};

/**
 * struct devioctl_uring_cmd - what the cmd[] of an io_uring SQE begins with
 * @request:  user address of a struct devioctl_request
 * @reserved: 0
 *
 * For IORING_OP_URING_CMD with the control code as sqe->cmd_op: DeviceIoControl() with
 * an OVERLAPPED. The request block and what it points to must stay until the CQE, whose
 * res is 0 or a negative errno of the dictionary below. ECANCELED leaves the block
 * untouched if it was io_uring that cancelled, as the ring was closed or the thread that
 * submitted the SQE has ended.
 */
struct devioctl_uring_cmd {
	__aligned_u64 request;
	__aligned_u64 reserved;
};

/*
 * The errno dictionary: what ioctl() sets, beside @status and what
 * GetLastError() would say on Windows.
 *
 *	@status				errno		GetLastError()
 *	STATUS_SUCCESS			0		ERROR_SUCCESS
 *	STATUS_BUFFER_TOO_SMALL		ENOBUFS		ERROR_INSUFFICIENT_BUFFER
 *	STATUS_INVALID_PARAMETER	EINVAL		ERROR_INVALID_PARAMETER
 *	STATUS_ACCESS_VIOLATION		EFAULT		ERROR_NOACCESS
 *	STATUS_ACCESS_DENIED		EACCES		ERROR_ACCESS_DENIED
 *	STATUS_CANT_WAIT		EAGAIN		ERROR_CANT_WAIT
 *	STATUS_DEVICE_BUSY		EBUSY		ERROR_BUSY
 *	STATUS_INSUFFICIENT_RESOURCES	ENOMEM		ERROR_NO_SYSTEM_RESOURCES
 *	STATUS_CANCELLED		ECANCELED	ERROR_OPERATION_ABORTED
 *	STATUS_NOT_SUPPORTED		EOPNOTSUPP	ERROR_NOT_SUPPORTED
 *	STATUS_IO_DEVICE_ERROR		EIO		ERROR_IO_DEVICE
 *	STATUS_DEVICE_REMOVED		ENODEV		ERROR_DEVICE_REMOVED
 *	(block untouched)		ENOTTY		ERROR_INVALID_FUNCTION
 *	(block untouched)		EINTR		ERROR_OPERATION_ABORTED
 *
 * STATUS_CANT_WAIT: the descriptor is O_NONBLOCK and the call would have had to
 * wait, so nothing was started. STATUS_DEVICE_BUSY: another has what is asked for.
 * EINTR: a signal handler ran while the call waited. ECANCELED: a command of io_uring
 * was cancelled.
 */
#ifndef STATUS_SUCCESS
#define STATUS_SUCCESS			0x00000000
#endif
#ifndef STATUS_DEVICE_BUSY
#define STATUS_DEVICE_BUSY		0x80000011
#endif
#ifndef STATUS_ACCESS_VIOLATION
#define STATUS_ACCESS_VIOLATION		0xc0000005
#endif
#ifndef STATUS_INVALID_PARAMETER
#define STATUS_INVALID_PARAMETER	0xc000000d
#endif
#ifndef STATUS_ACCESS_DENIED
#define STATUS_ACCESS_DENIED		0xc0000022
#endif
#ifndef STATUS_BUFFER_TOO_SMALL
#define STATUS_BUFFER_TOO_SMALL		0xc0000023
#endif
#ifndef STATUS_INSUFFICIENT_RESOURCES
#define STATUS_INSUFFICIENT_RESOURCES	0xc000009a
#endif
#ifndef STATUS_NOT_SUPPORTED
#define STATUS_NOT_SUPPORTED		0xc00000bb
#endif
#ifndef STATUS_CANT_WAIT
#define STATUS_CANT_WAIT		0xc00000d8
#endif
#ifndef STATUS_CANCELLED
#define STATUS_CANCELLED		0xc0000120
#endif
#ifndef STATUS_IO_DEVICE_ERROR
#define STATUS_IO_DEVICE_ERROR		0xc0000185
#endif
#ifndef STATUS_DEVICE_REMOVED
#define STATUS_DEVICE_REMOVED		0xc00002b6
#endif

#endif /* _UAPI_LINUX_DEVIOCTL_H */
