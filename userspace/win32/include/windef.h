/* SPDX-License-Identifier: MIT */
/*
 * <windef.h>: Windows' types, at the sizes that they have there. A LONG and a DWORD have 32
 * bits in 64-bit programs, too, where the compiler's long has 64.
 *
 * WCHAR is the compiler's wchar_t, so that L"" is a string of it: four bytes here, two there.
 */
#ifndef VMGENCOUNTER_WIN32_WINDEF_H
#define VMGENCOUNTER_WIN32_WINDEF_H

#include <stddef.h>
#include <stdint.h>
#include <wchar.h>

#include "guiddef.h"
#include "sal.h"

#define WINAPI
#define APIENTRY
#define CALLBACK
#define __cdecl
#define __stdcall

#define CONST		const
#define VOID		void
#define FALSE		0
#define TRUE		1
#define MAX_PATH	260
#define ANYSIZE_ARRAY	1

#define __int8		char
#define __int16		short
#define __int32		int
#define __int64		long long

typedef int BOOL, *PBOOL, *LPBOOL;
typedef unsigned char BYTE, *PBYTE, *LPBYTE, BOOLEAN, *PBOOLEAN;
typedef char CHAR, *PCHAR, *LPSTR, *PSTR, *PZZSTR;
typedef const char *LPCSTR, *PCSTR;
typedef wchar_t WCHAR, *PWCHAR, *LPWSTR, *PWSTR, *PZZWSTR;
typedef const wchar_t *LPCWSTR, *PCWSTR;
typedef unsigned char UCHAR, *PUCHAR, UINT8;
typedef signed char INT8;
typedef short SHORT, *PSHORT, INT16;
typedef unsigned short USHORT, *PUSHORT, WORD, *PWORD, *LPWORD, UINT16;
typedef int INT, *PINT, INT32, *PINT32, LONG, *PLONG, *LPLONG, LONG32, *PLONG32;
typedef unsigned int UINT, *PUINT, UINT32, *PUINT32, ULONG, *PULONG, ULONG32, *PULONG32;
typedef unsigned int DWORD, *PDWORD, *LPDWORD, DWORD32, *PDWORD32;
typedef long long LONGLONG, *PLONGLONG, INT64, *PINT64, LONG64, *PLONG64;
typedef unsigned long long ULONGLONG, *PULONGLONG, UINT64, *PUINT64, ULONG64, *PULONG64;
typedef unsigned long long DWORD64, *PDWORD64, DWORDLONG, *PDWORDLONG;
typedef intptr_t INT_PTR, *PINT_PTR, LONG_PTR, *PLONG_PTR, SSIZE_T, *PSSIZE_T;
typedef uintptr_t UINT_PTR, *PUINT_PTR, ULONG_PTR, *PULONG_PTR, DWORD_PTR, *PDWORD_PTR;
typedef size_t SIZE_T, *PSIZE_T;
typedef float FLOAT;
typedef void *PVOID, *LPVOID;
typedef const void *LPCVOID;
typedef void *HANDLE, **PHANDLE, **LPHANDLE, *HWND, *HLOCAL, *HMODULE, *HINSTANCE;
typedef LONG HRESULT, NTSTATUS, *PNTSTATUS;

#ifdef UNICODE
typedef WCHAR TCHAR, *PTCHAR, *LPTSTR, *PTSTR;
typedef const WCHAR *LPCTSTR, *PCTSTR;
#define __TEXT(quote)	L##quote
#else
typedef char TCHAR, *PTCHAR, *LPTSTR, *PTSTR;
typedef const char *LPCTSTR, *PCTSTR;
#define __TEXT(quote)	quote
#endif
#define TEXT(quote)	__TEXT(quote)

typedef union _LARGE_INTEGER {
	__extension__ struct {
		DWORD LowPart;
		LONG HighPart;
	};
	struct {
		DWORD LowPart;
		LONG HighPart;
	} u;
	LONGLONG QuadPart;
} LARGE_INTEGER, *PLARGE_INTEGER;

typedef union _ULARGE_INTEGER {
	__extension__ struct {
		DWORD LowPart;
		DWORD HighPart;
	};
	struct {
		DWORD LowPart;
		DWORD HighPart;
	} u;
	ULONGLONG QuadPart;
} ULARGE_INTEGER, *PULARGE_INTEGER;

#define LOWORD(l)	((WORD)((DWORD_PTR)(l) & 0xffff))
#define HIWORD(l)	((WORD)((DWORD_PTR)(l) >> 16 & 0xffff))

#define FIELD_OFFSET(type, field)	((LONG)offsetof(type, field))
#define ARRAYSIZE(array)		(sizeof(array) / sizeof((array)[0]))
#define UNREFERENCED_PARAMETER(name)	((void)(name))

#endif /* VMGENCOUNTER_WIN32_WINDEF_H */
