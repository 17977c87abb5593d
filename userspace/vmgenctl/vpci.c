// SPDX-License-Identifier: GPL-2.0-only
/*
 * vpci list, read and write: the functions that Hyper-V has passed through, and their blocks.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/vpci.h>

#include "vmgenctl.h"

/* ---- list ---- */

/* Attributes of a function, all but the first one being numbers. */
static const char * const attributes[] = {
	"listener", "in_flight", "waiting", "failed", "left_behind",
};

void read_attribute(const char *function, const char *name, char *value, size_t size)
{
	char path[PATH_MAX];
	ssize_t n = -1;
	int fd;

	snprintf(path, sizeof(path), VPCI_CLASS "/%s/%s", function, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, value, size - 1);
		close(fd);
	}
	value[n < 0 ? 0 : n] = '\0';
	value[strcspn(value, "\n")] = '\0';
	if (!*value)
		snprintf(value, size, "?");
}

static void print_heading(void)
{
	size_t i;

	printf("%s%-16s", style(BOLD), "FUNCTION");
	for (i = 0; i < ARRAY_SIZE(attributes); i++)
		printf(i ? "  %11s" : "  %-14s", attributes[i]);
	printf("%s\n", style(PLAIN));
}

static void print_row(const char *function)
{
	const bool columns = on_terminal();
	char value[64];
	size_t i;

	printf(columns ? "%-16s" : "%s", function);
	for (i = 0; i < ARRAY_SIZE(attributes); i++) {
		read_attribute(function, attributes[i], value, sizeof(value));
		printf(!columns ? "\t%s" : i ? "  %11s" : "  %-14s", value);
	}
	putchar('\n');
}

static void print_json_row(const char *function)
{
	char value[64];
	size_t i;

	printf("{\"function\":");
	print_json_string(function);
	for (i = 0; i < ARRAY_SIZE(attributes); i++) {
		read_attribute(function, attributes[i], value, sizeof(value));
		printf(",\"%s\":", attributes[i]);
		if (i && *value != '?')
			printf("%s", value);
		else if (i)
			printf("null");
		else
			print_json_string(value);
	}
	putchar('}');
}

int cmd_vpci_list(const struct options *o, char **words)
{
	const bool json = o->given & HAS(JSON);
	glob_t found = { .gl_pathc = 0 };
	const char *name;
	size_t i;

	(void)words;
	if (access(VPCI_CLASS, F_OK))
		errx(EXIT_ERROR, NO_VPCI_BLOCK);
	if (glob(VPCI_CLASS "/*", 0, NULL, &found) && !json)
		warnx("Hyper-V has passed no PCI function through to this machine");
	if (json)
		putchar('[');
	else if (on_terminal() && found.gl_pathc)
		print_heading();
	for (i = 0; i < found.gl_pathc; i++) {
		name = strrchr(found.gl_pathv[i], '/') + 1;
		if (json && i)
			putchar(',');
		if (json)
			print_json_row(name);
		else
			print_row(name);
	}
	if (json)
		printf("]\n");
	globfree(&found);
	return 0;
}

/* ---- read and write ---- */

void open_function(struct function *function, const char *text, int flags)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s%s", strchr(text, '/') ? "" : "/dev/vpci/", text);
	function->name = strrchr(text, '/') ? strrchr(text, '/') + 1 : text;
	function->fd = open(path, flags | O_CLOEXEC);
	if (function->fd < 0)
		die_function(text, errno);
}

/* 0 or an errno. */
int function_call(const struct function *function, unsigned int code,
		  struct devioctl_request *request)
{
	return ioctl(function->fd, (unsigned long)code, request) ? errno : 0;
}

static unsigned long block_number(const char *text)
{
	unsigned long number;

	if (!parse_number(text, 0, UINT32_MAX, &number))
		die_usage("'%s' is no number of a block", text);
	return number;
}

static void print_hexdump(const uint8_t *data, unsigned int len)
{
	unsigned int at, i;

	for (at = 0; at < len; at += 16) {
		printf("%08x ", at);
		for (i = at; i < at + 16; i++) {
			if (i % 8 == 0)
				putchar(' ');
			printf(i < len ? "%02x " : "   ", i < len ? data[i] : 0);
		}
		printf(" |");
		for (i = at; i < at + 16 && i < len; i++)
			putchar(data[i] >= ' ' && data[i] <= '~' ? data[i] : '.');
		printf("|\n");
	}
}

static void print_json_block(const char *function, unsigned long block, const uint8_t *data,
			     unsigned int len)
{
	unsigned int i;

	printf("{\"function\":");
	print_json_string(function);
	printf(",\"block\":%lu,\"length\":%u,\"data\":\"", block, len);
	for (i = 0; i < len; i++)
		printf("%02x", data[i]);
	printf("\"}\n");
}

int cmd_vpci_read(const struct options *o, char **words)
{
	struct vpci_read_block_input in = { .block_id = block_number(words[1]) };
	unsigned long len = VPCI_BLOCK_SIZE_MAX;
	uint8_t data[VPCI_BLOCK_SIZE_MAX];
	struct devioctl_request request = {
		.in_buffer = (uintptr_t)&in, .in_size = sizeof(in), .out_buffer = (uintptr_t)data,
	};
	struct function function;
	int err;

	if (words[2] && !parse_number(words[2], 1, VPCI_BLOCK_SIZE_MAX, &len))
		die_usage("'%s' is no length from 1 to %d", words[2], VPCI_BLOCK_SIZE_MAX);
	if (o->given & HAS(JSON) && o->given & HAS(RAW))
		die_usage("--json or --raw, not both");
	in.bytes_requested = len;
	request.out_size = len;
	open_function(&function, words[0], O_RDONLY);
	err = function_call(&function, IOCTL_VPCI_READ_BLOCK, &request);
	if (err)
		die_function(words[0], err);
	if (o->given & HAS(JSON))
		print_json_block(function.name, in.block_id, data, request.information);
	else if (o->given & HAS(RAW))
		fwrite(data, 1, request.information, stdout);
	else
		print_hexdump(data, request.information);
	return 0;
}

/* One more than there may be, so that too much is seen. */
#define DATA_MAX	(VPCI_BLOCK_SIZE_MAX + 1)

/* Pairs of digits. Adds them to @data, of which @len bytes are there; returns how many then. */
static size_t add_hex(uint8_t *data, size_t len, const char *text)
{
	const char *at;
	unsigned int byte;

	for (at = text; *at; at += 2) {
		if (!isxdigit((unsigned char)at[0]) || !isxdigit((unsigned char)at[1]) ||
		    sscanf(at, "%2x", &byte) != 1)
			die_usage("'%s' is not bytes of two hexadecimal digits each", text);
		if (len < DATA_MAX)
			data[len++] = byte;
	}
	return len;
}

static size_t read_data(uint8_t *data, char **words)
{
	size_t len = 0;

	if (*words) {
		while (*words)
			len = add_hex(data, len, *words++);
	} else {
		len = fread(data, 1, DATA_MAX, stdin);
		if (ferror(stdin))
			err(EXIT_ERROR, "cannot read standard input");
	}
	if (!len || len > VPCI_BLOCK_SIZE_MAX)
		errx(EXIT_ERROR, "a block has 1 to %d bytes, and these are %s",
		     VPCI_BLOCK_SIZE_MAX, len ? "more" : "none");
	return len;
}

int cmd_vpci_write(const struct options *o, char **words)
{
	struct {
		struct vpci_write_block_input head;
		uint8_t data[DATA_MAX];
	} in = { .head.block_id = block_number(words[1]) };
	struct devioctl_request request = { .in_buffer = (uintptr_t)&in };
	struct function function;
	int err;

	(void)o;
	in.head.data_length = read_data(in.data, words + 2);
	request.in_size = sizeof(in.head) + in.head.data_length;
	open_function(&function, words[0], O_RDWR);
	err = function_call(&function, IOCTL_VPCI_WRITE_BLOCK, &request);
	if (err)
		die_function(words[0], err);
	return 0;
}
