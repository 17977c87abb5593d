// SPDX-License-Identifier: GPL-2.0-only
/*
 * The options of all commands: one table, of which each command takes some. And what stands in
 * them: numbers, times, IDs. Whatever is wrong here ends the program with the status of usage.
 */
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmgenctl.h"

#define NO_LETTER	256		/* what getopt_long() returns for one that has none */

static const struct {
	const char *name;
	char letter;			/* 0: none */
	const char *argument;		/* NULL: none */
	const char *about;
} table[] = {
	[OPT_DEVICE] = { "device", 'd', "PATH", "another device than /dev/vmgencounter" },
	[OPT_FORMAT] = { "format", 'F', "FORMAT", "of IDs: windows (as without), uuid, hex, raw" },
	[OPT_JSON] = { "json", 'j', NULL, "JSON; it has IDs in all formats" },
	[OPT_OPENMETRICS] = { "openmetrics", 0, NULL, "metrics, for Prometheus and its like" },
	[OPT_FROM] = { "from", 0, "ID", "the known ID, in any format: is it another one?" },
	[OPT_TIMEOUT] = { "timeout", 't', "TIME", "end after 500ms, 5s, 2m or 1h; status 124" },
	[OPT_NUM_EVENTS] = { "num-events", 'n', "N", "end after N lines" },
	[OPT_BANNER] = { "banner", 0, NULL, "begin with a line, once nothing is missed any more" },
	[OPT_IDLE_TIMEOUT] = { "idle-timeout", 0, "TIME", "end when nothing happens for so long" },
	[OPT_ONCE] = { "once", 0, NULL, "end after the first change, with COMMAND's exit status" },
	[OPT_RAW] = { "raw", 0, NULL, "the bytes as they are" },
	[OPT_HELP] = { "help", 'h', NULL, "this help" },
	[OPT_VERSION] = { "version", 'V', NULL, "the version" },
};

void print_options(unsigned int allowed)
{
	char name[64], letter[8];
	size_t i;

	printf("Options:\n");
	for (i = 0; i < ARRAY_SIZE(table); i++) {
		if (!(allowed & 1U << i))
			continue;
		snprintf(letter, sizeof(letter), table[i].letter ? "-%c, " : "    ",
			 table[i].letter);
		snprintf(name, sizeof(name), "%s%s%s", table[i].name, table[i].argument ? " " : "",
			 table[i].argument ?: "");
		printf("  %s--%-20s %s\n", letter, name, table[i].about);
	}
}

bool parse_number(const char *text, unsigned long min, unsigned long max, unsigned long *number)
{
	char *end;

	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	*number = strtoul(text, &end, text[0] == '0' && (text[1] | ' ') == 'x' ? 16 : 10);
	return !errno && !*end && *number >= min && *number <= max;
}

/* A number without a unit is milliseconds to some programs and seconds to others. */
static int64_t parse_time(const char *option, const char *text)
{
	static const struct {
		const char *name;
		uint64_t ms;
	} units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 } };
	unsigned long long number;
	char *end;
	size_t i;

	errno = 0;
	number = strtoull(text, &end, 10);
	for (i = 0; i < ARRAY_SIZE(units) && isdigit((unsigned char)*text) && !errno; i++) {
		if (!strcmp(end, units[i].name) && number < UINT64_MAX / 4 / units[i].ms)
			return number * units[i].ms;
	}
	die_usage("--%s '%s' is no time such as 500ms, 5s, 2m or 1h", option, text);
}

static unsigned int parse_format(const char *text)
{
	static const char * const names[] = {
		[VMGEN_FORMAT_WINDOWS] = "windows", [VMGEN_FORMAT_GUID] = "uuid",
		[VMGEN_FORMAT_HEX] = "hex", [FORMAT_RAW] = "raw",
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		if (!strcmp(text, names[i]))
			return i;
	}
	die_usage("--format '%s' is none of windows, uuid, hex and raw", text);
}

static void set_option(struct options *o, unsigned int id, const char *text)
{
	o->given |= 1U << id;
	switch (id) {
	case OPT_DEVICE:
		o->device = text;
		break;
	case OPT_FORMAT:
		o->format = parse_format(text);
		break;
	case OPT_FROM:
		if (vmgen_parse(text, &o->from))
			die_usage("--from '%s' is no ID as 'vmgenctl get' prints it", text);
		break;
	case OPT_TIMEOUT:
	case OPT_IDLE_TIMEOUT:
		o->timeout_ms = parse_time(table[id].name, text);
		break;
	case OPT_NUM_EVENTS:
		if (!parse_number(text, 1, ~0UL, &o->num_events))
			die_usage("--num-events '%s' is no number from 1 on", text);
		break;
	}
}

/* The number of the option that getopt_long() has returned. */
static unsigned int option_of(int value)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		if (value == NO_LETTER + (int)i || (table[i].letter && value == table[i].letter))
			break;
	}
	return i;
}

/* One that is not known, or --json=1. */
static noreturn void die_option(const char *word)
{
	if (!optopt)
		die_usage("there is no option %s, or more than one that begins so", word);
	if (option_of(optopt) == ARRAY_SIZE(table))
		die_usage("there is no option -%c", optopt);
	die_usage("--%s takes no argument", table[option_of(optopt)].name);
}

/* What getopt_long() wants to know of the table. Errors are told here. */
static void fill_getopt(struct option *longs, char *shorts, bool all)
{
	size_t i;

	if (!all)
		*shorts++ = '+';
	*shorts++ = ':';
	for (i = 0; i < ARRAY_SIZE(table); i++) {
		longs[i] = (struct option) {
			.name = table[i].name,
			.has_arg = table[i].argument ? required_argument : no_argument,
			.val = table[i].letter ?: NO_LETTER + (int)i,
		};
		if (table[i].letter)
			*shorts++ = table[i].letter;
		if (table[i].letter && table[i].argument)
			*shorts++ = ':';
	}
	longs[i] = (struct option) {};
	*shorts = '\0';
}

/* getopt_long() takes the word before ours for the name of the program, and never looks at it. */
int parse_options(struct options *o, int argc, char **argv, bool all)
{
	struct option longs[ARRAY_SIZE(table) + 1];
	char shorts[2 * ARRAY_SIZE(table) + 3];
	int value;

	fill_getopt(longs, shorts, all);
	optind = 0;
	opterr = 0;
	while ((value = getopt_long(argc + 1, argv - 1, shorts, longs, NULL)) != -1) {
		if (value == ':')
			die_usage("%s wants an argument", argv[optind - 2]);
		if (value == '?')
			die_option(argv[optind - 2]);
		set_option(o, option_of(value), optarg);
	}
	return optind - 1;
}

void refuse_options(const struct options *o, unsigned int allowed)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		if (o->given & ~allowed & 1U << i)
			die_usage("it takes no --%s", table[i].name);
	}
}
