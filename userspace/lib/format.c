// SPDX-License-Identifier: MIT
/*
 * IDs as text, and the library's version. Nothing here has a state.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "vmgencounter.h"

static const char digits[] = "0123456789abcdef";

/* Each digit stands for one of the 16 bytes in memory, anything else for itself. */
static const char * const layouts[] = {
	[VMGEN_FORMAT_WINDOWS] = "76543210:fedcba98",
	[VMGEN_FORMAT_GUID] = "3210-54-76-89-abcdef",
	[VMGEN_FORMAT_HEX] = "0123456789abcdef",
};

#define FORMATS		(VMGEN_FORMAT_HEX + 1)
#define LENGTH_MAX	36

/* Its number, or -1. */
static int digit(char c)
{
	const char *at = memchr(digits, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c, 16);

	return at ? at - digits : -1;
}

/* Byte 0 is the lowest one of the low half, on a processor of any byte order. */
static unsigned char get_byte(const struct vm_gencounter *id, int i)
{
	return (i < 8 ? id->generation_count : id->generation_count_high) >> 8 * (i % 8);
}

static void add_byte(struct vm_gencounter *id, int i, unsigned long long byte)
{
	*(i < 8 ? &id->generation_count : &id->generation_count_high) |= byte << 8 * (i % 8);
}

int vmgen_format(const struct vm_gencounter *id, enum vmgen_format format,
		 char *buf, size_t size)
{
	char text[LENGTH_MAX + 1], *to = text;
	unsigned char byte;
	const char *at;

	if ((unsigned int)format >= FORMATS) {
		errno = EINVAL;
		return -1;
	}
	for (at = layouts[format]; *at; at++) {
		if (digit(*at) < 0) {
			*to++ = *at;
			continue;
		}
		byte = get_byte(id, digit(*at));
		*to++ = digits[byte >> 4];
		*to++ = digits[byte & 15];
	}
	*to = '\0';
	return snprintf(buf, size, "%s", text);
}

/* The end of the text is no digit, and so is looked for no further than it goes. */
static int parse_as(const char *layout, const char *text, struct vm_gencounter *id)
{
	struct vm_gencounter result = { 0, 0 };

	for (; *layout; layout++) {
		if (digit(*layout) < 0) {
			if (*text++ != *layout)
				return -1;
			continue;
		}
		if (digit(text[0]) < 0 || digit(text[1]) < 0)
			return -1;
		add_byte(&result, digit(*layout), digit(text[0]) << 4 | digit(text[1]));
		text += 2;
	}
	if (*text)
		return -1;
	*id = result;
	return 0;
}

int vmgen_parse(const char *text, struct vm_gencounter *id)
{
	unsigned int i;

	for (i = 0; i < FORMATS; i++) {
		if (!parse_as(layouts[i], text, id))
			return 0;
	}
	errno = EINVAL;
	return -1;
}

const char *vmgen_version(void)
{
	return VERSION;
}
