/* SPDX-License-Identifier: MIT */
/* <tchar.h>: one source for both kinds of strings, as _UNICODE says. */
#ifndef VMGENCOUNTER_WIN32_TCHAR_H
#define VMGENCOUNTER_WIN32_TCHAR_H

#include <string.h>

#include "windows.h"

#ifdef _UNICODE
typedef wchar_t _TCHAR;
#define __T(quote)	L##quote
#define _tmain		wmain
#define _tcslen		wcslen
#define _tcscmp		wcscmp
#define _tcsicmp	wcscasecmp
#define _tprintf	wprintf
#define _ftprintf	fwprintf
#else
typedef char _TCHAR;
#define __T(quote)	quote
#define _tmain		main
#define _tcslen		strlen
#define _tcscmp		strcmp
#define _tcsicmp	strcasecmp
#define _tprintf	printf
#define _ftprintf	fprintf
#endif
#define _T(quote)	__T(quote)
#define _TEXT(quote)	__T(quote)

#endif /* VMGENCOUNTER_WIN32_TCHAR_H */
