// SPDX-License-Identifier: GPL-2.0-only
/*
 * What goes to stdout: in columns and colours for people, plain for programs. An output that
 * cannot be written whole is an error, of which nobody would know otherwise.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmgenctl.h"

bool on_terminal(void)
{
	static int known = -1;

	if (known < 0)
		known = isatty(STDOUT_FILENO);
	return known;
}

/* Of no-color.org: any value but an empty one switches colours off. */
static bool has_colour(void)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

	return on_terminal() && !(no_color && *no_color) && term && strcmp(term, "dumb");
}

const char *style(enum style style)
{
	static const char * const codes[] = {
		[PLAIN] = "\033[0m", [BOLD] = "\033[1m", [GOOD] = "\033[32m", [BAD] = "\033[31m",
	};

	return has_colour() ? codes[style] : "";
}

static noreturn void die_output(void)
{
	warn("cannot write to standard output");
	_exit(EXIT_ERROR);	/* exit() would try again to write what is left */
}

void flush_output(void)
{
	if (fflush(stdout) || ferror(stdout))
		die_output();
}

/* Some file systems tell of a full disk when a file is closed. */
void close_output(void)
{
	flush_output();
	if (fclose(stdout) && errno != EBADF)
		die_output();
}

/* Names of drivers and the like: in UTF-8, as far as they are not ASCII. */
void print_json_string(const char *text)
{
	putchar('"');
	for (; *text; text++) {
		if ((unsigned char)*text < ' ')
			printf("\\u%04x", *text);
		else
			printf("%s%c", strchr("\"\\", *text) ? "\\" : "", *text);
	}
	putchar('"');
}
