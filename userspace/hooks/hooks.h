/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vmgencounter-hooks - run what is in /etc/vmgencounter/hooks.d for each new generation
 *
 * For each hook the ID that it has handled is kept on disk. A hook is due while that is not
 * the machine's, whatever happened in between: a change while the service was down, stopped or
 * crashed, or while other hooks ran, or a disk that was cloned and boots elsewhere. So no
 * change is missed, and a hook that was interrupted runs again.
 *
 * Lifetime: one process, which waits for the next change or for a hook that it has started,
 * and lives as long as the device. What is on disk survives it.
 *
 * Locks: none. systemd runs no second one.
 */
#ifndef VMGENCOUNTER_HOOKS_H
#define VMGENCOUNTER_HOOKS_H

#include <stdbool.h>

#include <vmgencounter.h>

/* Of hooks and of their records: letters, digits, "-" and "_", as run-parts has it. */
#define HOOK_NAME_MAX	64

/**
 * struct hook_run - one hook, for one generation
 * @name: its file in the directory of hooks
 * @path: the same, whole
 * @old: the ID that it has handled last, "" if nobody knows
 * @new: the ID that the device has now
 * @changes: and how many changes it has counted
 */
struct hook_run {
	const char *name;
	const char *path;
	char old[40], new[40];
	unsigned long long changes;
};

/* ---- record.c: what is kept on disk ---- */

/* Of the record of a hook: what it has handled. */
enum record {
	RECORD_NONE,			/* the hook is new */
	RECORD_ID,			/* an ID, as text */
	RECORD_BAD,			/* unreadable, or no ID: it may have handled any */
};

/* Opens the directory of records, "hooks" below @state, which it makes: 0 or -1 and errno. */
int record_open(const char *state);
enum record record_get(const char *name, char *id, size_t size);

/* It is on the disk, or unchanged, when this returns: 0 or -1 and errno. */
int record_set(const char *name, const char *id);

/* Forgets the hooks for which @is_there says no. */
void record_forget(bool (*is_there)(const char *name));

/* Replaces the file @path by one line, for who watches it: 0 or -1 and errno. */
int replace_file(int dir, const char *path, const char *line, bool durable);

/* ---- run.c ---- */

/* Runs a hook, at most so many seconds. True if it has succeeded; says if it has not. */
bool run_hook(const struct hook_run *run, unsigned int seconds);

/* ---- journal.c: entries with an ID, which the journal's catalog explains ---- */

/* The generation is new. Which hook it is does not matter. */
void journal_generation(const struct hook_run *run);

/* A hook that is to run again, and why. */
void journal_failure(const struct hook_run *run, const char *format, ...);

#endif /* VMGENCOUNTER_HOOKS_H */
