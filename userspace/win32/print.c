// SPDX-License-Identifier: MIT
/*
 * printf() and its kin with Windows' formats
 *
 * A format is translated into one of the C library's. Wide output is put together in memory
 * and written as bytes, as a stream of Linux takes either bytes or wide characters, and one of
 * Windows both.
 *
 * Lifetime: what is allocated here is freed before the call returns. Locks: that of the stream.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include <win32_print.h>

/* ---- formats ---- */

/* Sizes of Windows, the longer ones first, and what the C library calls them. */
static const struct size {
	const wchar_t *windows, *number;
	char text;		/* w: a wide one, n: a narrow one, 0: as the function has it */
} sizes[] = {
	{ L"I64", L"ll", 0 },
	{ L"I32", L"", 0 },
	{ L"I", L"z", 0 },
	{ L"ll", L"ll", 0 },
	{ L"l", L"", 'w' },	/* a LONG has 32 bits */
	{ L"w", L"", 'w' },
	{ L"hh", L"hh", 'n' },
	{ L"h", L"h", 'n' },
	{ L"", L"", 0 },
};

static const struct size *take_size(const wchar_t **from)
{
	const struct size *size = sizes;

	while (wcsncmp(*from, size->windows, wcslen(size->windows)))
		size++;
	*from += wcslen(size->windows);
	return size;
}

static void append(wchar_t **to, const wchar_t *text)
{
	while (*text)
		*(*to)++ = *text++;
}

/* What stands behind the %; capital letters mean the other kind of text. */
static const wchar_t *translate_one(wchar_t **to, const wchar_t *from, bool wide)
{
	const struct size *size;

	while (*from && wcschr(L"-+ #0123456789.*", *from))
		*(*to)++ = *from++;
	size = take_size(&from);
	switch (*from) {
	case 's': case 'c': case 'S': case 'C':
		if (*from == 'S' || *from == 'C')
			wide = !wide;
		append(to, size->text == 'w' || (wide && !size->text) ? L"l" : L"");
		*(*to)++ = *from == 'S' ? 's' : *from == 'C' ? 'c' : *from;
		return from + 1;
	default:
		append(to, size->number);
		if (*from)
			*(*to)++ = *from++;
		return from;
	}
}

/* In new memory, or NULL. No part of it becomes more than twice as long. */
static wchar_t *translate(const wchar_t *from, bool wide)
{
	wchar_t *format = calloc(2 * wcslen(from) + 1, sizeof(*format)), *to = format;

	while (format && *from) {
		*to++ = *from;
		if (*from++ != '%')
			continue;
		if (*from == '%')
			*to++ = *from++;
		else
			from = translate_one(&to, from, wide);
	}
	return format;
}

/* The same for bytes, each of which stands in a wide character meanwhile. */
static char *translate_bytes(const char *from)
{
	size_t i, length = strlen(from);
	wchar_t *wide = calloc(length + 1, sizeof(*wide)), *translated;
	char *format = NULL;

	for (i = 0; wide && i < length; i++)
		wide[i] = (unsigned char)from[i];
	translated = wide ? translate(wide, false) : NULL;
	if (translated)
		format = calloc(wcslen(translated) + 1, 1);
	for (i = 0; format && translated[i]; i++)
		format[i] = (char)translated[i];
	free(translated);
	free(wide);
	return format;
}

/* ---- bytes ---- */

static int print(FILE *stream, const char *format, va_list args)
{
	char *translated = translate_bytes(format);
	int length = translated ? vfprintf(stream, translated, args) : -1;

	free(translated);
	return length;
}

int win32_printf(const char *format, ...)
{
	va_list args;
	int length;

	va_start(args, format);
	length = print(stdout, format, args);
	va_end(args);
	return length;
}

int win32_fprintf(FILE *stream, const char *format, ...)
{
	va_list args;
	int length;

	va_start(args, format);
	length = print(stream, format, args);
	va_end(args);
	return length;
}

int win32_snprintf(char *buffer, size_t size, const char *format, ...)
{
	char *translated = translate_bytes(format);
	va_list args;
	int length;

	va_start(args, format);
	length = translated ? vsnprintf(buffer, size, translated, args) : -1;
	va_end(args);
	free(translated);
	return length;
}

/* ---- wide characters ---- */

/* In new memory, or NULL; @length is that of the text. */
static wchar_t *wide_text(const wchar_t *format, va_list args, int *length)
{
	wchar_t *translated = translate(format, true), *text = NULL;
	size_t size;
	FILE *memory = translated ? open_wmemstream(&text, &size) : NULL;

	*length = memory ? vfwprintf(memory, translated, args) : -1;
	free(translated);
	if ((memory && fclose(memory)) || *length < 0) {
		free(text);
		return NULL;
	}
	return text;
}

/* As the locale has it, and a ? for what it has not. */
static void put_bytes(FILE *stream, const wchar_t *text, int length)
{
	char bytes[16];	/* MB_LEN_MAX */
	mbstate_t state = { 0 };
	size_t n;

	flockfile(stream);
	for (; length--; text++) {
		n = wcrtomb(bytes, *text, &state);
		if (n == (size_t)-1) {
			memset(&state, 0, sizeof(state));
			putc_unlocked('?', stream);
		} else {
			fwrite(bytes, 1, n, stream);
		}
	}
	funlockfile(stream);
}

static int print_wide(FILE *stream, const wchar_t *format, va_list args)
{
	int length;
	wchar_t *text = wide_text(format, args, &length);

	if (!text)
		return -1;
	if (fwide(stream, 0) > 0)	/* something else made it one of wide characters */
		fputws(text, stream);
	else
		put_bytes(stream, text, length);
	free(text);
	return ferror(stream) ? -1 : length;
}

int win32_wprintf(const wchar_t *format, ...)
{
	va_list args;
	int length;

	va_start(args, format);
	length = print_wide(stdout, format, args);
	va_end(args);
	return length;
}

int win32_fwprintf(FILE *stream, const wchar_t *format, ...)
{
	va_list args;
	int length;

	va_start(args, format);
	length = print_wide(stream, format, args);
	va_end(args);
	return length;
}

int win32_swprintf(wchar_t *buffer, size_t size, const wchar_t *format, ...)
{
	wchar_t *text;
	va_list args;
	int length;

	va_start(args, format);
	text = wide_text(format, args, &length);
	va_end(args);
	if (text && (size_t)length < size)
		wmemcpy(buffer, text, length + 1);
	else
		length = -1;
	free(text);
	return length;
}
