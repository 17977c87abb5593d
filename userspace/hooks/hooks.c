// SPDX-License-Identifier: GPL-2.0-only
/*
 * The service: which hooks are due, and when it looks
 *
 * A pass runs all hooks that are due, in order. When the ID changes meanwhile it begins anew.
 * Hooks that have failed are due again after a second, two, four, and so on. The journal's entry
 * of a generation comes before all hooks, and has a record as they have: so it tells of a disk
 * that was cloned, too, and not again when the service starts anew.
 *
 * systemd is told that the service is ready after the first pass: what is ordered after it
 * starts with all hooks done, or failed once.
 *
 * Where the kernel does not hear of changes it looks at the ID each second: a hook that is late
 * is better than none.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <systemd/sd-daemon.h>

#include "hooks.h"

#define HOOKS		"/etc/vmgencounter/hooks.d"
#define TARGET		"vmgencounter.target"
#define JOURNAL		"vmgencounter.journal"	/* no hook has such a name */
#define TIMEOUT		90		/* seconds a hook may take */
#define RETRY_MAX	300		/* seconds between two times that a hook fails */

static struct vmgen *device;
static unsigned int timeout = TIMEOUT;

static const char *from_environment(const char *name, const char *otherwise)
{
	const char *value = getenv(name);

	return value && *value ? value : otherwise;
}

static void die(const char *what, const char *advice)
{
	fprintf(stderr, SD_CRIT "%s: %s%s%s\n", what, strerror(errno), advice ? "; " : "",
		advice ?: "");
	exit(EXIT_FAILURE);
}

/* ---- hooks ---- */

/* What editors and packages leave beside a hook has other characters in its name. */
static int is_hook_name(const struct dirent *entry)
{
	const char *c = entry->d_name;

	while (isalnum((unsigned char)*c) || *c == '-' || *c == '_')
		c++;
	return c > entry->d_name && !*c && c - entry->d_name < HOOK_NAME_MAX;
}

/* Where it is, in a buffer of this function's. */
static const char *path_of(const char *name)
{
	static char path[sizeof(HOOKS) + HOOK_NAME_MAX];

	if (!strcmp(name, TARGET))
		return LIBEXECDIR "/restart-target";
	snprintf(path, sizeof(path), "%s/%.*s", HOOKS, HOOK_NAME_MAX - 1, name);
	return path;
}

static bool is_there(const char *name)
{
	return !strcmp(name, JOURNAL) || !access(path_of(name), F_OK);
}

/* Not one that is due again now: there may be no room on the disk for a long time. */
static void note_handled(const char *name, const char *id)
{
	if (record_set(name, id))
		fprintf(stderr, SD_ERR "hook %s: no record, so it will run again: %s\n",
			name, strerror(errno));
}

/* Sets what it has handled last, if it has to handle another one now. */
static bool is_due(struct hook_run *run, bool forced)
{
	enum record record = record_get(run->name, run->old, sizeof(run->old));

	if (record == RECORD_NONE) {		/* there was nothing before for it to handle */
		note_handled(run->name, run->new);
		return false;
	}
	if (record == RECORD_ID && !strcmp(run->old, run->new) && !forced)
		return false;
	if (record == RECORD_BAD)
		run->old[0] = '\0';
	else if (forced)
		record_set(run->name, "due");	/* until it succeeds, whatever the ID is */
	return true;
}

static struct hook_run run_for(const char *name, const struct vmgencounter_info *info)
{
	struct hook_run run = { .name = name, .path = path_of(name), .changes = info->changes };

	vmgen_format(&info->id, VMGEN_FORMAT_GUID, run.new, sizeof(run.new));
	return run;
}

static void tell_journal(const struct vmgencounter_info *info, bool forced)
{
	struct hook_run run = run_for(JOURNAL, info);

	if (!is_due(&run, forced))
		return;
	journal_generation(&run);
	note_handled(JOURNAL, run.new);
}

/* Runs it if it is due. False if it is due again. */
static bool handle(const char *name, const struct vmgencounter_info *info, bool forced)
{
	struct hook_run run = run_for(name, info);

	if (!is_due(&run, forced))
		return true;
	if (access(run.path, X_OK)) {
		fprintf(stderr, SD_WARNING "hook %s: not executable: chmod +x %s, or remove it\n",
			name, run.path);
		return true;
	}
	fprintf(stderr, SD_INFO "hook %s: generation %s\n", name, run.new);
	if (!run_hook(&run, timeout))
		return false;
	note_handled(name, run.new);
	return true;
}

/* ---- the device ---- */

static bool is_same(const struct vm_gencounter *a, const struct vm_gencounter *b)
{
	return a->generation_count == b->generation_count &&
	       a->generation_count_high == b->generation_count_high;
}

/* The generation; once the kernel's generator is reseeded for it, as hooks make keys. */
static void get_info(struct vmgencounter_info *info)
{
	int i;

	for (i = 0; i < 500; i++) {
		if (vmgen_info(device, info))
			die("/dev/vmgencounter", NULL);
		if (!info->changes || info->reseeded == info->changes ||
		    !(info->flags & VMGENCOUNTER_WAKEUP_AFTER_RESEED))
			return;
		poll(NULL, 0, 10);
	}
	fprintf(stderr, SD_WARNING "the kernel has not told of a reseed: hooks run without it\n");
}

static bool has_changed(const struct vmgencounter_info *known)
{
	struct vmgencounter_info info;

	return !vmgen_info(device, &info) &&
	       (info.changes != known->changes || !is_same(&info.id, &known->id));
}

static bool can_notify(const struct vmgencounter_info *info)
{
	return info->flags & VMGENCOUNTER_WAKEUP;
}

/* What is not as it should be, which nobody sees who does not read the kernel's log. */
static void warn_of(const struct vmgencounter_info *info, bool first)
{
	if (first && !can_notify(info))
		fprintf(stderr, SD_WARNING
			"the kernel does not hear of changes here, and dmesg tells why: hooks run up to a second late; let those that make keys sleep a minute before, as the kernel's random numbers may be another clone's until then\n");
	if (info->flags & VMGENCOUNTER_ID_UNTRUSTED)
		fprintf(stderr, SD_WARNING
			"the ID may be an old one, as the machine has hibernated in mode \"platform\", so all hooks run: load the module without platform_hibernation=1, which allows that mode\n");
}

/* Until there is news, or so many seconds are over; 0 is never. What is read is not news again. */
static void wait_for_news(unsigned int seconds)
{
	struct pollfd p = { .fd = vmgen_fd(device), .events = POLLIN };
	struct vm_gencounter id;

	for (;;) {
		if (poll(&p, 1, seconds ? (int)seconds * 1000 : -1) < 0 && errno != EINTR)
			die("poll", NULL);
		if (p.revents & POLLHUP) {
			fprintf(stderr, SD_NOTICE "the device is gone\n");
			exit(EXIT_SUCCESS);
		}
		if (p.revents & POLLIN && read(p.fd, &id, sizeof(id)) < 0 && errno != EAGAIN)
			die("/dev/vmgencounter", NULL);
		if (p.revents != POLLERR)	/* else it cannot notify, and has no news */
			return;
		sleep(1);
		if (seconds && !--seconds)
			return;
	}
}

/* ---- passes ---- */

/* For path units and whoever watches. */
static void publish(const struct vmgencounter_info *info)
{
	char path[4096], id[40];

	vmgen_format(&info->id, VMGEN_FORMAT_GUID, id, sizeof(id));
	snprintf(path, sizeof(path), "%s/generation",
		 from_environment("RUNTIME_DIRECTORY", "/run/vmgencounter"));
	if (replace_file(AT_FDCWD, path, id, false))
		fprintf(stderr, SD_ERR "%s cannot be written: %s\n", path, strerror(errno));
}

/* How many are due again. Ends when the generation does. */
static unsigned int run_due_hooks(const struct vmgencounter_info *info, bool forced)
{
	struct dirent **hooks;
	int n = scandir(HOOKS, &hooks, is_hook_name, alphasort), i;
	unsigned int failed = 0;

	if (n < 0 && errno != ENOENT)
		fprintf(stderr, SD_ERR "%s cannot be read: %s\n", HOOKS, strerror(errno));
	for (i = 0; i < n; i++) {
		if (!has_changed(info))
			failed += !handle(hooks[i]->d_name, info, forced);
		free(hooks[i]);
	}
	if (n >= 0)
		free(hooks);
	if (!has_changed(info) && is_there(TARGET))
		failed += !handle(TARGET, info, forced);
	if (n >= 0)			/* not those of a directory that is not there now */
		record_forget(is_there);
	return failed;
}

static void tell_systemd(const struct vmgencounter_info *info, unsigned int failed,
			 unsigned int pause)
{
	const char *more = can_notify(info) ? "" : "; looks each second, as nobody notifies";

	if (failed)
		sd_notifyf(0, "READY=1\nSTATUS=%u hooks have failed, and run again in %u s%s",
			   failed, pause, more);
	else
		sd_notifyf(0, "READY=1\nSTATUS=All hooks have handled this generation%s", more);
}

/* Seconds until hooks that have failed run again. */
static unsigned int next_pause(unsigned int pause)
{
	return !pause ? 1 : pause < RETRY_MAX / 2 ? 2 * pause : RETRY_MAX;
}

/* An ID that is not to be trusted may be the one before: then all hooks run for each change. */
static void serve(void)
{
	struct vmgencounter_info info, last;
	unsigned int failed, pause = 0;
	bool first = true, news, forced;

	for (;; last = info, first = false) {
		get_info(&info);
		news = first || info.changes != last.changes || !is_same(&info.id, &last.id);
		forced = news && info.flags & VMGENCOUNTER_ID_UNTRUSTED;
		if (news) {
			publish(&info);
			tell_journal(&info, forced && !first);
			warn_of(&info, first);
			pause = 0;
		}
		failed = run_due_hooks(&info, forced);
		if (has_changed(&info))
			continue;
		pause = failed ? next_pause(pause) : 0;
		tell_systemd(&info, failed, pause);
		wait_for_news(pause);
	}
}

static void set_timeout(void)
{
	const char *text = getenv("VMGENCOUNTER_HOOK_TIMEOUT");
	char *end;

	if (!text)
		return;
	timeout = strtoul(text, &end, 10);
	if (!timeout || *end || timeout > INT32_MAX) {
		fprintf(stderr, SD_CRIT "VMGENCOUNTER_HOOK_TIMEOUT=%s is no number of seconds\n",
			text);
		exit(EXIT_FAILURE);
	}
}

int main(int argc, char **argv)
{
	const char *state = from_environment("STATE_DIRECTORY", "/var/lib/vmgencounter");
	sigset_t child;

	if (argc > 1) {
		fprintf(stderr, "usage: %s, which systemd runs; see vmgencounter-hooks(8)\n",
			argv[0]);
		return 2;
	}
	set_timeout();
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	device = vmgen_open("/dev/vmgencounter");
	if (!device)
		die("/dev/vmgencounter", "is the module loaded, on a machine that has an ID?");
	if (record_open(state))
		die(state, "hooks cannot be run without what they have handled");
	serve();
}
