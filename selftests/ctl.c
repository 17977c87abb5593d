// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdnoreturn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "common.h"
#include "ctl.h"

/* The shell becomes the program, so that its process is the one that was started. */
static noreturn void become_program(const char *words, int out, int err)
{
	char self[PATH_MAX] = "", command[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	self[n < 0 ? 0 : n] = '\0';
	snprintf(command, sizeof(command), "exec %s/vmgenctl %s", dirname(self), words);
	dup2(out, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	execl("/bin/sh", "sh", "-c", command, NULL);
	_exit(255);
}

static void start(struct ctl *c, const char *words, int out)
{
	memset(c, 0, sizeof(*c));
	c->err_fd = memfd_create("stderr", MFD_CLOEXEC);
	c->pid = fork();
	if (!c->pid)
		become_program(words, out, c->err_fd);
}

static void start_with_pipe(struct ctl *c, const char *format, va_list args)
{
	char words[2048];
	int pipes[2];

	vsnprintf(words, sizeof(words), format, args);
	if (pipe2(pipes, O_CLOEXEC))
		abort();
	start(c, words, pipes[1]);
	close(pipes[1]);
	c->out_fd = pipes[0];
}

void ctl_start(struct ctl *c, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	start_with_pipe(c, format, args);
	va_end(args);
}

void ctl_run(struct ctl *c, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	start_with_pipe(c, format, args);
	va_end(args);
	ctl_end(c);
}

/* One that leaves newlines as they are. */
void ctl_run_on_terminal(struct ctl *c, const char *words)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), terminal;
	struct termios how;

	if (master < 0 || grantpt(master) || unlockpt(master))
		abort();
	terminal = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (tcgetattr(terminal, &how))
		abort();
	how.c_oflag &= ~OPOST;
	tcsetattr(terminal, TCSANOW, &how);
	start(c, words, terminal);
	close(terminal);
	c->out_fd = master;
	ctl_end(c);
}

bool ctl_line(struct ctl *c, char *line, size_t size)
{
	size_t n = 0;

	while (n + 1 < size && read(c->out_fd, line + n, 1) == 1 && line[n] != '\n')
		n++;
	line[n] = '\0';
	return n;
}

/* The first word is the number of the call; one that a stop has ended goes on as another one. */
static bool is_in_poll(pid_t pid)
{
	char path[64], line[512], *end;
	long call;

	snprintf(path, sizeof(path), "/proc/%d/syscall", pid);
	if (read_line(path, line, sizeof(line)))
		return false;
	call = strtol(line, &end, 10);
#ifdef SYS_poll
	if (end != line && call == SYS_poll)
		return true;
#endif
	return end != line && (call == SYS_ppoll || call == SYS_restart_syscall);
}

static bool has_ended(pid_t pid)
{
	siginfo_t info = { .si_pid = 0 };

	return waitid(P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT) || info.si_pid;
}

void ctl_wait_asleep(const struct ctl *c)
{
	while (!is_in_poll(c->pid) && !has_ended(c->pid))
		usleep(1000);
}

/* A terminal without its program gives EIO. */
static size_t read_all(int fd, char *text, size_t size)
{
	size_t len = 0;
	ssize_t n;

	while ((n = read(fd, text + len, size - 1 - len)) > 0)
		len += n;
	text[len] = '\0';
	return len;
}

void ctl_end(struct ctl *c)
{
	int status;

	c->len = read_all(c->out_fd, c->out, sizeof(c->out));
	waitpid(c->pid, &status, 0);
	c->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	lseek(c->err_fd, 0, SEEK_SET);
	read_all(c->err_fd, c->err, sizeof(c->err));
	close(c->out_fd);
	close(c->err_fd);
}
