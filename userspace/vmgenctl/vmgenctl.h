/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vmgenctl: what its files share
 *
 *	main.c		finds the command, and its help
 *	options.c	the options of all commands, and numbers and times as text
 *	output.c	stdout: lines, terminals, JSON, and that all of it was written
 *	advice.c	errors, each with what to do
 *	generation.c	get, info
 *	metrics.c	info --openmetrics
 *	watch.c		wait, monitor, and how both wait
 *	exec.c		exec
 *	vpci.c		vpci list, read and write
 *	vpci_watch.c	vpci watch
 *
 * A command returns the exit status. What fails ends the program where it fails.
 */
#ifndef VMGENCTL_H
#define VMGENCTL_H

#include <err.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdnoreturn.h>
#include <time.h>

#include <vmgencounter.h>

enum {
	EXIT_ERROR = 1,
	EXIT_USAGE = 2,
	EXIT_TIMED_OUT = 124,		/* these are those of timeout(1) and env(1) */
	EXIT_CANNOT_RUN = 126,
	EXIT_NOT_FOUND = 127,
};

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

/* ---- options.c ---- */

enum option_id {
	OPT_DEVICE, OPT_FORMAT, OPT_JSON, OPT_OPENMETRICS, OPT_FROM, OPT_TIMEOUT, OPT_NUM_EVENTS,
	OPT_BANNER, OPT_IDLE_TIMEOUT, OPT_ONCE, OPT_RAW, OPT_HELP, OPT_VERSION,
};

#define HAS(option)	(1U << OPT_##option)

/* Beyond those of the library. */
#define FORMAT_RAW	(VMGEN_FORMAT_HEX + 1)

struct options {
	unsigned int given;		/* HAS() of those that are there */
	const char *device;		/* NULL: the library's choice */
	unsigned int format;		/* enum vmgen_format or FORMAT_RAW */
	struct vm_gencounter from;
	int64_t timeout_ms;		/* of wait, or how long nothing may happen; -1: none */
	unsigned long num_events;	/* 0: no limit */
};

/* Up to the first word that is none, or all of them. Returns how many words of @argv are done. */
int parse_options(struct options *o, int argc, char **argv, bool all);
void refuse_options(const struct options *o, unsigned int allowed);
void print_options(unsigned int allowed);

/* The whole text must be a number within the limits. False: it is not. */
bool parse_number(const char *text, unsigned long min, unsigned long max, unsigned long *number);

/* ---- output.c ---- */

enum style { PLAIN, BOLD, GOOD, BAD };

/* Colours and columns are for people. */
bool on_terminal(void);
const char *style(enum style style);

/* To be called when a whole line or all of the output is there. */
void flush_output(void);
void close_output(void);

void print_json_string(const char *text);

/* ---- advice.c ---- */

/*
 * warnx() and errx() tell the rest, with the command as the name of the program: "vpci read",
 * say, or "" before it is known.
 */
void name_program(const char *command);

#define die_usage(...) do {		\
	warnx(__VA_ARGS__);		\
	end_usage();			\
} while (0)
noreturn void end_usage(void);

/* For an errno of the device, of a function's node and of its requests. */
noreturn void die_device(const char *path, int err);
noreturn void die_cannot_wait(const char *path, bool is_public);
noreturn void die_function(const char *name, int err);

#define NO_VPCI_BLOCK	"the module vpci_block is not loaded: as root, modprobe vpci_block"

/* ---- generation.c ---- */

struct device {
	const char *path;
	struct vmgen *vmgen;
	struct vmgencounter_info info;	/* when it was last looked at */
};

void open_device(struct device *device, const struct options *o);
void look_at_device(struct device *device);

/* With no newline. */
void print_id(const struct vm_gencounter *id, unsigned int format);

/* The members of a JSON object that begin with the ID. */
void print_json_id(const struct vm_gencounter *id);
void print_json_changes(const struct vmgencounter_info *info);

bool is_reseeded(const struct vmgencounter_info *info);
void warn_untrusted(const struct vmgencounter_info *info);

/* When the last change was seen, in seconds since the epoch; 0 if there was none. */
time_t changed_at(const struct vmgencounter_info *info);

/* The same as text, UTC; "-" if there was none. */
#define TIME_SIZE	sizeof("2026-11-28T18:00:00Z")
void format_changed_at(const struct vmgencounter_info *info, char text[TIME_SIZE]);

/* ---- metrics.c ---- */

void print_metrics(const struct vmgencounter_info *info);

/* ---- watch.c ---- */

#define FOREVER		(-1)

/* A time of the monotonic clock, for wait_readable(), or FOREVER. */
int64_t end_of(int64_t timeout_ms);

/*
 * Wait until a descriptor has news or an error. False: it is @end. Whoever reads what we write
 * may go before there is any: then there is nothing to wait for, unless @stdout_too is false.
 */
bool wait_readable(int fd, int64_t end, bool stdout_too);

struct watch {
	struct device device;		/* what it shows was told */
	struct vm_gencounter old;	/* the ID before that */
	bool stdout_too;
};

void watch_open(struct watch *watch, const struct options *o, bool stdout_too);

/* The next change that was not told; false: there is none until @end. */
bool watch_next(struct watch *watch, int64_t end);

/* ---- commands: the words behind the command ---- */

int cmd_get(const struct options *o, char **words);
int cmd_info(const struct options *o, char **words);
int cmd_wait(const struct options *o, char **words);
int cmd_monitor(const struct options *o, char **words);
int cmd_exec(const struct options *o, char **words);
int cmd_vpci_list(const struct options *o, char **words);
int cmd_vpci_read(const struct options *o, char **words);
int cmd_vpci_write(const struct options *o, char **words);
int cmd_vpci_watch(const struct options *o, char **words);

/* ---- vpci.c ---- */

#define VPCI_CLASS	"/sys/class/vpci"

/* Of a function that is named, or its node. The last part of its path is its name. */
struct function {
	const char *name;
	int fd;
};

void open_function(struct function *function, const char *text, int flags);
int function_call(const struct function *function, unsigned int code,
		  struct devioctl_request *request);

/* One line of a file in sysfs; "?" where it cannot be read. */
void read_attribute(const char *function, const char *name, char *value, size_t size);

#endif /* VMGENCTL_H */
