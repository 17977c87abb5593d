// SPDX-License-Identifier: GPL-2.0-only
/*
 * A test that hangs, in each of three places, and one that does not. hang_test looks at
 * what is said of them.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>

#include "../common.h"
#include "kselftest_harness.h"

/* Seconds; the places are reached long before, also where others keep the machine busy. */
#define SHORT_TIMEOUT	5

FIXTURE(hang) {
	int pipe[2];		/* nobody writes into it */
};

FIXTURE_SETUP(hang)
{
	ASSERT_EQ(0, pipe(self->pipe));
}

FIXTURE_TEARDOWN(hang)
{
}

static void *wait_in_thread(void *arg)
{
	char byte;

	prctl(PR_SET_NAME, "hang-thread");
	return (void *)(intptr_t)read(*(int *)arg, &byte, 1);
}

static pid_t start_child(void)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_NAME, "hang (child) 1");
	for (;;)
		pause();
}

TEST_F_TIMEOUT(hang, not_at_all, TEST_TIMEOUT)
{
	pid_t child = start_child();
	int status;

	ASSERT_LT(0, child);
	ASSERT_EQ(0, kill(child, SIGKILL));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(SIGKILL, WTERMSIG(status));
}

TEST_F_TIMEOUT(hang, in_three_places, SHORT_TIMEOUT)
{
	pthread_t thread;
	char byte;

	ASSERT_LT(0, start_child());
	ASSERT_EQ(0, pthread_create(&thread, NULL, wait_in_thread, &self->pipe[0]));
	EXPECT_EQ(1, read(self->pipe[0], &byte, 1));
}

TEST_HARNESS_MAIN
