// SPDX-License-Identifier: GPL-2.0-only
/*
 * vmgenctl: the VM generation ID and VPCI's configuration blocks, for shells
 *
 * vmgenctl(1) has every command, option and exit status. Here are the table of commands,
 * what finds one in it, and --help.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "vmgenctl.h"

#define MANY	(~0U)

static const struct command {
	const char *group;		/* the word before the name, or NULL */
	const char *name;
	const char *arguments;
	unsigned int min, max;		/* how many arguments */
	unsigned int options;		/* HAS() of those that it takes */
	int (*run)(const struct options *o, char **words);
	const char *about;
} commands[] = {
	{ NULL, "get", "", 0, 0, HAS(DEVICE) | HAS(FORMAT) | HAS(JSON), cmd_get,
	  "Print the ID of the current generation." },
	{ NULL, "info", "", 0, 0, HAS(DEVICE) | HAS(JSON) | HAS(OPENMETRICS), cmd_info,
	  "Print all that the device tells of it." },
	{ NULL, "wait", "", 0, 0, HAS(DEVICE) | HAS(FORMAT) | HAS(JSON) | HAS(FROM) | HAS(TIMEOUT),
	  cmd_wait, "Wait until the generation changes, and print the new ID." },
	{ NULL, "monitor", "", 0, 0, HAS(DEVICE) | HAS(FORMAT) | HAS(JSON) | HAS(NUM_EVENTS) |
	  HAS(BANNER) | HAS(IDLE_TIMEOUT), cmd_monitor, "Print a line at each change." },
	{ NULL, "exec", "COMMAND [ARGUMENT]...", 1, MANY, HAS(DEVICE) | HAS(FORMAT) | HAS(FROM) |
	  HAS(ONCE), cmd_exec, "Run COMMAND at each change, and wait for it." },
	{ "vpci", "list", "", 0, 0, HAS(JSON), cmd_vpci_list,
	  "List the PCI functions that Hyper-V has passed through." },
	{ "vpci", "read", "FUNCTION BLOCK [LENGTH]", 2, 3, HAS(JSON) | HAS(RAW), cmd_vpci_read,
	  "Read a configuration block (LENGTH: 1 to 128, the default)." },
	{ "vpci", "write", "FUNCTION BLOCK [HEX]...", 2, MANY, 0, cmd_vpci_write,
	  "Write a configuration block: bytes in HEX, or else from stdin." },
	{ "vpci", "watch", "FUNCTION", 1, 1, HAS(JSON) | HAS(NUM_EVENTS) | HAS(BANNER) |
	  HAS(IDLE_TIMEOUT), cmd_vpci_watch,
	  "Print a line each time that the host invalidates blocks." },
};

static void print_help(void)
{
	char usage[64];
	size_t i;

	printf("usage: vmgenctl COMMAND [OPTION]... [ARGUMENT]...\n\n");
	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		snprintf(usage, sizeof(usage), "%s%s%s %s", commands[i].group ?: "",
			 commands[i].group ? " " : "", commands[i].name, commands[i].arguments);
		printf("  %-36s  %s\n", usage, commands[i].about);
	}
	putchar('\n');
	print_options(HAS(HELP) | HAS(VERSION));
	printf("\nvmgenctl COMMAND --help has a command's options, vmgenctl(1) the rest.\n");
}

static void print_command_help(const struct command *c)
{
	printf("usage: %s%s%s%s%s\n\n%s\n\n", program_invocation_short_name,
	       c->options ? " [OPTION]..." : "", c->run == cmd_exec ? " --" : "",
	       *c->arguments ? " " : "", c->arguments, c->about);
	print_options(c->options | HAS(HELP));
}

static void skip(int *argc, char ***argv, int words)
{
	*argc -= words;
	*argv += words;
}

static const struct command *find_command(const char *group, const char *name)
{
	const struct command *c;

	for (c = commands; c < commands + ARRAY_SIZE(commands); c++) {
		if (!strcmp(c->group ?: "", group) && !strcmp(c->name, name))
			return c;
	}
	die_usage("there is no command '%s%s%s'", group, *group ? " " : "", name);
}

/* Options may stand before, between and behind the words of a command. NULL: there is none. */
static const struct command *parse_command(struct options *o, int *argc, char ***argv)
{
	const struct command *c;
	char name[32];
	const char *group = "";

	skip(argc, argv, parse_options(o, *argc, *argv, false));
	if (*argc && !strcmp(**argv, "vpci")) {
		group = **argv;
		skip(argc, argv, 1);
		skip(argc, argv, parse_options(o, *argc, *argv, false));
	}
	if (!*argc)
		return NULL;
	c = find_command(group, **argv);
	snprintf(name, sizeof(name), "%s%s%s", group, *group ? " " : "", c->name);
	name_program(name);
	skip(argc, argv, 1);
	skip(argc, argv, parse_options(o, *argc, *argv, c->run != cmd_exec));
	return c;
}

static void check_arguments(const struct command *c, unsigned int count)
{
	if (count < c->min)
		die_usage("it wants %s", c->arguments);
	if (count > c->max)
		die_usage("it wants %s", c->max ? c->arguments : "no argument");
}

static int placeholders[3];	/* open to the end */

/* Descriptors 0 to 2 must not become those of a device: each use of one that is closed fails. */
static void occupy_standard_files(void)
{
	int fd;

	for (fd = 0; fd <= 2; fd++) {
		if (fcntl(fd, F_GETFD) < 0)
			placeholders[fd] = open("/dev/null", fd ? O_RDONLY : O_WRONLY);
	}
}

static int run(int argc, char **argv)
{
	struct options o = { .timeout_ms = FOREVER };
	const struct command *c = parse_command(&o, &argc, &argv);

	if (o.given & HAS(HELP)) {
		if (c)
			print_command_help(c);
		else
			print_help();
		return 0;
	}
	if (o.given & HAS(VERSION)) {
		printf("vmgenctl %s\n", VERSION);
		return 0;
	}
	if (!c)
		die_usage("a command is missing");
	refuse_options(&o, c->options);
	check_arguments(c, argc);
	return c->run(&o, argv);
}

int main(int argc, char **argv)
{
	int status;

	occupy_standard_files();
	name_program("");
	if (!argc)
		return EXIT_USAGE;
	status = run(argc - 1, argv + 1);
	close_output();
	return status;
}
