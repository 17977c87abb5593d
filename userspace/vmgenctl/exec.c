// SPDX-License-Identifier: GPL-2.0-only
/*
 * exec: a command at each change, one at a time. A change that comes while it runs has it run
 * again as soon as it has ended; of several the last one counts, as with all that looks at IDs.
 *
 * Who wants to end us while COMMAND runs means that, too: it gets the signal, and we end by the
 * same once it has ended. The terminal's signals it has already, as one of the terminal's group.
 */
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmgenctl.h"

extern char **environ;

/* While COMMAND runs. All but the first one are passed on. */
static const int waited_for[] = { SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM };

static bool can_run(const char *path)
{
	struct stat s;

	return !stat(path, &s) && S_ISREG(s.st_mode) && !access(path, X_OK);
}

/* As execvp() looks for it. */
static bool is_in_path(const char *name)
{
	const char *dir = getenv("PATH") ?: "/bin:/usr/bin";
	char path[4096];
	size_t len;

	for (;; dir += len + 1) {
		len = strcspn(dir, ":");
		snprintf(path, sizeof(path), "%.*s%s%s", (int)len, dir, len ? "/" : "", name);
		if (can_run(path))
			return true;
		if (!dir[len])
			return false;
	}
}

/* The first change may be months away, and would be the wrong time to find this out. */
static int check_command(const char *name)
{
	if (strchr(name, '/') ? can_run(name) : is_in_path(name))
		return 0;
	if (strchr(name, '/') && !access(name, F_OK)) {
		warnx("%s cannot be run: is it a program, and its mode has x?", name);
		return EXIT_CANNOT_RUN;
	}
	warnx("%s: there is no such command; its whole path finds it wherever it is", name);
	return EXIT_NOT_FOUND;
}

static void set_id(const char *name, const struct vm_gencounter *id, unsigned int format)
{
	char text[64];

	vmgen_format(id, format, text, sizeof(text));
	setenv(name, text, 1);
}

static void set_environment(const struct watch *watch, unsigned int format)
{
	const struct vmgencounter_info *info = &watch->device.info;
	char changes[24];

	set_id("VMGENCOUNTER_OLD_ID", &watch->old, format);
	set_id("VMGENCOUNTER_NEW_ID", &info->id, format);
	snprintf(changes, sizeof(changes), "%llu", info->changes);
	setenv("VMGENCOUNTER_CHANGES", changes, 1);
	setenv("VMGENCOUNTER_RESEEDED", is_reseeded(info) ? "1" : "0", 1);
}

/* 0, or an errno. @mask is what it has blocked. */
static int spawn(pid_t *pid, char **words, const sigset_t *mask)
{
	posix_spawnattr_t how;
	int err;

	posix_spawnattr_init(&how);
	posix_spawnattr_setflags(&how, POSIX_SPAWN_SETSIGMASK);
	posix_spawnattr_setsigmask(&how, mask);
	err = posix_spawnp(pid, words[0], NULL, &how, words, environ);
	posix_spawnattr_destroy(&how);
	return err;
}

/* Until it has ended; @ended_by is the signal that we were to end by, if any. */
static int wait_for(pid_t pid, const sigset_t *signals, int *ended_by)
{
	siginfo_t info;
	int status;

	for (;;) {
		if (sigwaitinfo(signals, &info) < 0)
			continue;
		if (info.si_signo == SIGCHLD) {
			if (waitpid(pid, &status, WNOHANG) != pid)
				continue;
			return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		}
		*ended_by = info.si_signo;
		if (info.si_code != SI_KERNEL)
			kill(pid, info.si_signo);
	}
}

/* Returns its status, as a shell would tell it. What our caller has us ignore ends nobody. */
static int run_command(char **words)
{
	sigset_t signals, before;
	int ended_by = 0, status, err;
	pid_t pid;
	size_t i;

	sigemptyset(&signals);
	for (i = 0; i < ARRAY_SIZE(waited_for); i++)
		sigaddset(&signals, waited_for[i]);
	sigprocmask(SIG_BLOCK, &signals, &before);
	err = spawn(&pid, words, &before);
	if (err) {
		warnx("%s cannot be run: %s", words[0], strerror(err));
		status = err == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN;
	} else {
		status = wait_for(pid, &signals, &ended_by);
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (ended_by)
		raise(ended_by);
	return status;
}

int cmd_exec(const struct options *o, char **words)
{
	struct watch watch;
	int status;

	if (o->format == FORMAT_RAW)
		die_usage("the environment has no --format raw");
	signal(SIGCHLD, SIG_DFL);	/* or else the kernel would not keep the status */
	status = check_command(words[0]);
	if (status)
		return status;
	watch_open(&watch, o, false);
	for (;;) {
		watch_next(&watch, FOREVER);
		warn_untrusted(&watch.device.info);
		set_environment(&watch, o->format);
		status = run_command(words);
		if (o->given & HAS(ONCE))
			break;
		if (status)
			warnx("%s: exit status %d; it is run again at the next change",
			      words[0], status);
	}
	vmgen_close(watch.device.vmgen);
	return status;
}
