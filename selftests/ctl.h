/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For tests of vmgenctl: the program beside the test's own, run to its end, or for as long as
 * a test has it wait.
 */
#ifndef CTL_H
#define CTL_H

#include <stdbool.h>
#include <sys/types.h>

struct ctl {
	pid_t pid;
	int out_fd;		/* its standard output: a pipe, or a terminal */
	int err_fd;		/* a file */
	int status;		/* of its end, or 128 and the signal that it ended by */
	size_t len;		/* of what ctl_end() has found in @out */
	char out[8192];		/* what ctl_line() has not taken */
	char err[2048];
};

/* The words of a shell, quoted and redirected as there. */
void ctl_run(struct ctl *c, const char *format, ...);
void ctl_run_on_terminal(struct ctl *c, const char *words);
void ctl_start(struct ctl *c, const char *format, ...);

/* Its next line, with no newline: false at the end of its output. */
bool ctl_line(struct ctl *c, char *line, size_t size);

/* Returns when it sleeps in poll(), or has ended. */
void ctl_wait_asleep(const struct ctl *c);

/* Waits for its end, and for what it says until then. */
void ctl_end(struct ctl *c);

/* What a run has to come to: all of its output, and what its errors say among other things. */
#define EXPECT_RUN(expected_status, expected_out, err_has, run) do {		\
	const struct ctl *c_ = (run);						\
	const char *has_ = (err_has);						\
										\
	EXPECT_EQ(expected_status, c_->status) TH_LOG("%s", c_->err);		\
	EXPECT_STREQ(expected_out, c_->out);					\
	EXPECT_NE(NULL, strstr(c_->err, has_)) TH_LOG("%s", c_->err);		\
	if (!*has_)								\
		EXPECT_STREQ("", c_->err);					\
} while (0)

#endif /* CTL_H */
