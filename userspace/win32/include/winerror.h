/* SPDX-License-Identifier: MIT */
/* <winerror.h>: the errors that the library gives, some that programs ask for, and HRESULTs. */
#ifndef VMGENCOUNTER_WIN32_WINERROR_H
#define VMGENCOUNTER_WIN32_WINERROR_H

#include "windef.h"

#define NO_ERROR			0
#define ERROR_SUCCESS			0
#define ERROR_INVALID_FUNCTION		1
#define ERROR_FILE_NOT_FOUND		2
#define ERROR_PATH_NOT_FOUND		3
#define ERROR_TOO_MANY_OPEN_FILES	4
#define ERROR_ACCESS_DENIED		5
#define ERROR_INVALID_HANDLE		6
#define ERROR_NOT_ENOUGH_MEMORY		8
#define ERROR_INVALID_DATA		13
#define ERROR_OUTOFMEMORY		14
#define ERROR_NOT_READY			21
#define ERROR_GEN_FAILURE		31
#define ERROR_SHARING_VIOLATION		32
#define ERROR_NOT_SUPPORTED		50
#define ERROR_INVALID_PARAMETER		87
#define ERROR_INSUFFICIENT_BUFFER	122
#define ERROR_ALREADY_EXISTS		183
#define ERROR_BUSY			170
#define ERROR_MORE_DATA			234
#define WAIT_TIMEOUT			258
#define ERROR_NO_MORE_ITEMS		259
#define ERROR_MR_MID_NOT_FOUND		317
#define ERROR_CANT_WAIT			554
#define ERROR_OPERATION_ABORTED		995
#define ERROR_IO_INCOMPLETE		996
#define ERROR_IO_PENDING		997
#define ERROR_NOACCESS			998
#define ERROR_IO_DEVICE			1117
#define ERROR_NOT_FOUND			1168
#define ERROR_NO_SYSTEM_RESOURCES	1450
#define ERROR_TIMEOUT			1460
#define ERROR_DEVICE_REMOVED		1617
#define ERROR_INVALID_USER_BUFFER	1784

#define S_OK		((HRESULT)0)
#define S_FALSE		((HRESULT)1)
#define E_NOTIMPL	((HRESULT)0x80004001)
#define E_FAIL		((HRESULT)0x80004005)
#define E_UNEXPECTED	((HRESULT)0x8000ffff)
#define E_ACCESSDENIED	((HRESULT)0x80070005)
#define E_HANDLE	((HRESULT)0x80070006)
#define E_OUTOFMEMORY	((HRESULT)0x8007000e)
#define E_INVALIDARG	((HRESULT)0x80070057)

#define FACILITY_WIN32		7
#define SUCCEEDED(hr)		((HRESULT)(hr) >= 0)
#define FAILED(hr)		((HRESULT)(hr) < 0)
#define HRESULT_CODE(hr)	((hr) & 0xffff)
#define HRESULT_FACILITY(hr)	((hr) >> 16 & 0x1fff)

#ifdef __cplusplus
constexpr	/* for programs that switch by it */
#endif
static inline HRESULT HRESULT_FROM_WIN32(DWORD error)
{
	return (HRESULT)error <= 0 ? (HRESULT)error :
	       (HRESULT)((error & 0xffff) | FACILITY_WIN32 << 16 | 0x80000000);
}

#endif /* VMGENCOUNTER_WIN32_WINERROR_H */
