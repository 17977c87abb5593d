/* SPDX-License-Identifier: MIT */
/*
 * <windows.h> for programs that read the generation ID of the virtual machine, or the
 * configuration blocks of a PCI function: what they need of it, as Windows has it, over
 * /dev/vmgencounter and /dev/vpci/DDDD:BB:DD.F. C11, and C++11 and later.
 *
 * docs/windows.rst has each call and error, and all that is different from Windows. Compile
 * with -DUNICODE -D_UNICODE what Visual Studio does, and link with libvmgencounter-win32.
 */
#ifndef VMGENCOUNTER_WIN32_WINDOWS_H
#define VMGENCOUNTER_WIN32_WINDOWS_H

#include <stdlib.h>
#include <string.h>

#include "windef.h"
#include "winerror.h"
#ifndef WIN32_LEAN_AND_MEAN
#include "winioctl.h"
#endif
#ifndef VMGENCOUNTER_WIN32_NO_PRINT
#include "win32_print.h"
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Rights of a handle. */
#define GENERIC_READ		0x80000000
#define GENERIC_WRITE		0x40000000
#define GENERIC_EXECUTE		0x20000000
#define GENERIC_ALL		0x10000000
#define SYNCHRONIZE		0x00100000
#define FILE_READ_DATA		0x00000001
#define FILE_WRITE_DATA		0x00000002
#define FILE_READ_ATTRIBUTES	0x00000080
#define FILE_GENERIC_READ	0x00120089
#define FILE_GENERIC_WRITE	0x00120116

#define FILE_SHARE_READ		0x00000001
#define FILE_SHARE_WRITE	0x00000002
#define FILE_SHARE_DELETE	0x00000004

#define CREATE_NEW		1
#define CREATE_ALWAYS		2
#define OPEN_EXISTING		3
#define OPEN_ALWAYS		4
#define TRUNCATE_EXISTING	5

#define FILE_ATTRIBUTE_NORMAL	0x00000080
#define FILE_FLAG_OVERLAPPED	0x40000000

#define INVALID_HANDLE_VALUE	((HANDLE)(LONG_PTR)-1)
#define INFINITE		0xffffffff
#define MAXIMUM_WAIT_OBJECTS	64
#define WAIT_OBJECT_0		0
#define WAIT_ABANDONED_0	0x80
#define WAIT_FAILED		((DWORD)0xffffffff)
#define STATUS_PENDING		((DWORD)0x00000103)

typedef struct _SECURITY_ATTRIBUTES {
	DWORD nLength;
	LPVOID lpSecurityDescriptor;
	BOOL bInheritHandle;
} SECURITY_ATTRIBUTES, *PSECURITY_ATTRIBUTES, *LPSECURITY_ATTRIBUTES;

typedef struct _OVERLAPPED {
	ULONG_PTR Internal;		/* NTSTATUS, STATUS_PENDING until the end */
	ULONG_PTR InternalHigh;		/* bytes */

	__extension__ union {
		__extension__ struct {
			DWORD Offset;
			DWORD OffsetHigh;
		};
		PVOID Pointer;
	};
	HANDLE hEvent;
} OVERLAPPED, *LPOVERLAPPED;

#define HasOverlappedIoCompleted(overlapped) \
	(__atomic_load_n(&(overlapped)->Internal, __ATOMIC_ACQUIRE) != STATUS_PENDING)

DWORD GetLastError(void);
void SetLastError(DWORD error);

HANDLE CreateFileA(LPCSTR name, DWORD access, DWORD share, LPSECURITY_ATTRIBUTES security,
		   DWORD disposition, DWORD flags, HANDLE template_file);
HANDLE CreateFileW(LPCWSTR name, DWORD access, DWORD share, LPSECURITY_ATTRIBUTES security,
		   DWORD disposition, DWORD flags, HANDLE template_file);
BOOL CloseHandle(HANDLE handle);

BOOL DeviceIoControl(HANDLE device, DWORD code, LPVOID in, DWORD in_size, LPVOID out,
		     DWORD out_size, LPDWORD returned, LPOVERLAPPED overlapped);
BOOL GetOverlappedResult(HANDLE file, LPOVERLAPPED overlapped, LPDWORD transferred, BOOL wait);
BOOL GetOverlappedResultEx(HANDLE file, LPOVERLAPPED overlapped, LPDWORD transferred,
			   DWORD milliseconds, BOOL alertable);
BOOL CancelIo(HANDLE file);
BOOL CancelIoEx(HANDLE file, LPOVERLAPPED overlapped);

HANDLE CreateEventA(LPSECURITY_ATTRIBUTES security, BOOL manual_reset, BOOL initial_state,
		    LPCSTR name);
HANDLE CreateEventW(LPSECURITY_ATTRIBUTES security, BOOL manual_reset, BOOL initial_state,
		    LPCWSTR name);
BOOL SetEvent(HANDLE event);
BOOL ResetEvent(HANDLE event);
DWORD WaitForSingleObject(HANDLE handle, DWORD milliseconds);
DWORD WaitForMultipleObjects(DWORD count, const HANDLE *handles, BOOL all, DWORD milliseconds);

void Sleep(DWORD milliseconds);
ULONGLONG GetTickCount64(void);

#define FORMAT_MESSAGE_ALLOCATE_BUFFER	0x00000100
#define FORMAT_MESSAGE_IGNORE_INSERTS	0x00000200
#define FORMAT_MESSAGE_FROM_SYSTEM	0x00001000
#define FORMAT_MESSAGE_MAX_WIDTH_MASK	0x000000ff
#define MAKELANGID(primary, sub)	((WORD)((sub) << 10 | (primary)))
#define LANG_NEUTRAL			0
#define SUBLANG_DEFAULT			1

/* Only from the system, and in English. */
DWORD FormatMessageA(DWORD flags, LPCVOID source, DWORD error, DWORD language, LPSTR buffer,
		     DWORD size, void *arguments);
DWORD FormatMessageW(DWORD flags, LPCVOID source, DWORD error, DWORD language, LPWSTR buffer,
		     DWORD size, void *arguments);
HLOCAL LocalFree(HLOCAL memory);

#ifdef UNICODE
#define CreateFile	CreateFileW
#define CreateEvent	CreateEventW
#define FormatMessage	FormatMessageW
#else
#define CreateFile	CreateFileA
#define CreateEvent	CreateEventA
#define FormatMessage	FormatMessageA
#endif

#define ZeroMemory(to, size)		memset(to, 0, size)
#define RtlZeroMemory(to, size)		memset(to, 0, size)
#define CopyMemory(to, from, size)	memcpy(to, from, size)

#ifdef __cplusplus
}

/* All ways to write it are one function, which the library's main() calls. */
int wmain() __asm__("wmain");
int wmain(int argc, wchar_t **argv) __asm__("wmain");
int wmain(int argc, wchar_t **argv, wchar_t **environment) __asm__("wmain");
#endif

#endif /* VMGENCOUNTER_WIN32_WINDOWS_H */
