// SPDX-License-Identifier: GPL-2.0-only
/*
 * One hook runs: its environment, its output, its end
 *
 * Lifetime: a hook is a process group of its own, so that what it has started ends with it
 * when its time is over. What it leaves running when it ends by itself stays, until the
 * service ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include <systemd/sd-journal.h>

#include "hooks.h"

#define MERCY	5			/* seconds between SIGTERM and SIGKILL */

static void set_environment(const struct hook_run *run)
{
	char changes[24];

	snprintf(changes, sizeof(changes), "%llu", run->changes);
	setenv("VMGENCOUNTER_OLD_ID", run->old, 1);
	setenv("VMGENCOUNTER_NEW_ID", run->new, 1);
	setenv("VMGENCOUNTER_CHANGES", changes, 1);
}

/* In the journal its lines are the hook's own, not the service's. Else they go where ours do. */
static int open_output(const char *name)
{
	int fd = getenv("JOURNAL_STREAM") ? sd_journal_stream_fd(name, LOG_INFO, 1) : -1;

	return fd < 0 ? fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0) : fd;
}

static int spawn(const struct hook_run *run, pid_t *pid)
{
	char *const words[] = { (char *)run->path, NULL };
	posix_spawn_file_actions_t files;
	posix_spawnattr_t how;
	sigset_t none;
	int output = open_output(run->name), err;

	sigemptyset(&none);
	posix_spawnattr_init(&how);
	posix_spawnattr_setflags(&how, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
	posix_spawnattr_setsigmask(&how, &none);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&files, output, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&files, output, STDERR_FILENO);
	err = posix_spawn(pid, run->path, &files, &how, words, environ);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&how);
	close(output);
	return err;
}

static time_t seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

/* It has ended, and is still there to be waited for. */
static bool has_ended(pid_t pid)
{
	siginfo_t info = { 0 };

	return waitid(P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT) || info.si_pid == pid;
}

/* False once its time is over. SIGCHLD is blocked, so none is lost between the two calls. */
static bool wait_for(pid_t pid, unsigned int seconds)
{
	const time_t end = seconds_now() + seconds;
	struct timespec left = { 0 };
	sigset_t child;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	while (!has_ended(pid)) {
		left.tv_sec = end - seconds_now();
		if (left.tv_sec <= 0)
			return false;
		sigtimedwait(&child, NULL, &left);
	}
	return true;
}

/* All of its group, as what it waits for may be what hangs; before its number is free. */
static void end_group(pid_t pid)
{
	kill(-pid, SIGTERM);
	wait_for(pid, MERCY);
	kill(-pid, SIGKILL);
}

static bool judge(const struct hook_run *run, int status)
{
	if (WIFSIGNALED(status))
		journal_failure(run, "killed by signal %d", WTERMSIG(status));
	else if (WEXITSTATUS(status))
		journal_failure(run, "failed with status %d", WEXITSTATUS(status));
	return !status;
}

bool run_hook(const struct hook_run *run, unsigned int seconds)
{
	int status = 0, err;
	bool in_time;
	pid_t pid;

	set_environment(run);
	err = spawn(run, &pid);
	if (err) {
		journal_failure(run, "%s does not start: %s", run->path, strerror(err));
		return false;
	}
	in_time = wait_for(pid, seconds);
	if (!in_time) {
		journal_failure(run, "not done after %u seconds, so it is killed", seconds);
		end_group(pid);
	}
	waitpid(pid, &status, 0);
	return in_time && judge(run, status);
}
