/* SPDX-License-Identifier: MIT */
/*
 * printf() and its kin as Windows has them: %I64x and %I32x, an l that stands for 32 bits (the
 * size of a LONG), and in the wide ones a %s that is wide. <windows.h> includes this, unless
 * the program has defined VMGENCOUNTER_WIN32_NO_PRINT.
 *
 * Wide and other output go to the same stream, as they may on Windows: all is written as bytes.
 */
#ifndef VMGENCOUNTER_WIN32_PRINT_H
#define VMGENCOUNTER_WIN32_PRINT_H

/* Before the macros, so that none of these takes them away or is changed by them. */
#ifdef __cplusplus
#include <cstdio>
#include <cwchar>
#else
#include <stdio.h>
#include <wchar.h>
#endif

#ifdef __cplusplus
extern "C" {
#endif

int win32_printf(const char *format, ...);
int win32_fprintf(FILE *stream, const char *format, ...);
int win32_snprintf(char *buffer, size_t size, const char *format, ...);
int win32_wprintf(const wchar_t *format, ...);
int win32_fwprintf(FILE *stream, const wchar_t *format, ...);
int win32_swprintf(wchar_t *buffer, size_t size, const wchar_t *format, ...);

#ifdef __cplusplus
}

namespace std {
using ::win32_printf;
using ::win32_fprintf;
using ::win32_snprintf;
using ::win32_wprintf;
using ::win32_fwprintf;
using ::win32_swprintf;
}
#endif

/* Calls alone: the names stand in attributes of other headers, too. */
#define printf(...)	win32_printf(__VA_ARGS__)
#define fprintf(...)	win32_fprintf(__VA_ARGS__)
#define snprintf(...)	win32_snprintf(__VA_ARGS__)
#define wprintf(...)	win32_wprintf(__VA_ARGS__)
#define fwprintf(...)	win32_fwprintf(__VA_ARGS__)
#define swprintf(...)	win32_swprintf(__VA_ARGS__)

#define printf_s	win32_printf
#define fprintf_s	win32_fprintf
#define wprintf_s	win32_wprintf
#define fwprintf_s	win32_fwprintf

#endif /* VMGENCOUNTER_WIN32_PRINT_H */
