// SPDX-License-Identifier: GPL-2.0-only
/*
 * Entries of the journal that have an ID and fields, so that one query finds all of a kind, and
 * those of all machines where journals are collected. vmgencounter-hooks.catalog has the same IDs.
 *
 * Without a journal the text goes where the service's other messages go.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <syslog.h>

#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-daemon.h>
#include <systemd/sd-journal.h>

#include "hooks.h"

#define NEW_GENERATION	"2431d38d8f4d445eb4bfea1b937d8783"
#define HOOK_FAILED	"95701b588036432280673043ec04ab0b"

static bool has_journal(void)
{
	return getenv("JOURNAL_STREAM");
}

void journal_generation(const struct hook_run *run)
{
	const char *old = *run->old ? run->old : "unknown";

	if (has_journal() &&
	    !sd_journal_send("MESSAGE_ID=" NEW_GENERATION, "PRIORITY=%d", LOG_NOTICE,
			     "MESSAGE=this machine has a new generation: %s", run->new,
			     "VMGENCOUNTER_OLD_ID=%s", old,
			     "VMGENCOUNTER_NEW_ID=%s", run->new,
			     "VMGENCOUNTER_CHANGES=%llu", run->changes, NULL))
		return;
	fprintf(stderr, SD_NOTICE "this machine has a new generation: %s\n", run->new);
}

void journal_failure(const struct hook_run *run, const char *format, ...)
{
	char why[512];
	va_list args;

	va_start(args, format);
	vsnprintf(why, sizeof(why), format, args);
	va_end(args);
	if (has_journal() &&
	    !sd_journal_send("MESSAGE_ID=" HOOK_FAILED, "PRIORITY=%d", LOG_ERR,
			     "MESSAGE=hook %s: %s", run->name, why,
			     "VMGENCOUNTER_HOOK=%s", run->name,
			     "VMGENCOUNTER_HOOK_PATH=%s", run->path,
			     "VMGENCOUNTER_OLD_ID=%s", run->old,
			     "VMGENCOUNTER_NEW_ID=%s", run->new, NULL))
		return;
	fprintf(stderr, SD_ERR "hook %s: %s\n", run->name, why);
}
