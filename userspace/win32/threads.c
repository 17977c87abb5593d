// SPDX-License-Identifier: MIT
/*
 * Requests by threads, for kernels whose io_uring does not take them: one thread waits for
 * each, in the ioctl itself.
 *
 * A signal ends the ioctl, but one that comes before the ioctl has begun is lost. So who
 * cancels first makes the request one that cannot be: it says that the buffer has no room. The
 * kernel reads that when the ioctl begins. If it had begun, the signal finds it, and if it had
 * not, it fails at once. Either way no success is taken for a cancelled request.
 *
 * Lifetime: the thread is detached, and is there as long as its request is on the list. Locks:
 * none of its own; win32_lock is not held in the ioctl.
 */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <sys/ioctl.h>

#include "win32.h"

/* Of our threads alone: no other one is sent it. */
#define CANCEL_SIGNAL	(SIGRTMAX - 1)
#define STACK		(PTHREAD_STACK_MIN + 64 * 1024)

static void interrupt(int signal)
{
	(void)signal;
}

static int carry_out(struct win32_request *request)
{
	int err;

	/* A stop, a debugger: nobody has cancelled it. */
	do
		err = ioctl(request->file->fd, request->code, &request->block) ? errno : 0;
	while (err == EINTR && !__atomic_load_n(&request->cancelled, __ATOMIC_ACQUIRE));
	return err;
}

static void *work(void *arg)
{
	struct win32_request *request = arg;
	int err = carry_out(request);

	pthread_mutex_lock(&win32_lock);
	win32_end(request, err && request->cancelled ? ECANCELED : err);
	pthread_mutex_unlock(&win32_lock);
	return NULL;
}

static int start_thread(struct win32_request *request)
{
	pthread_attr_t attributes;
	int err = pthread_attr_init(&attributes);

	if (err)
		return err;
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attributes, STACK);
	err = pthread_create(&request->worker, &attributes, work, request);
	pthread_attr_destroy(&attributes);
	return err;
}

/* The program's signals are for its own threads. */
static int begin(struct win32_request *request)
{
	struct sigaction action = { .sa_handler = interrupt };
	sigset_t all, old;
	int err;

	if (sigaction(CANCEL_SIGNAL, &action, NULL))
		return errno;
	sigfillset(&all);
	sigdelset(&all, CANCEL_SIGNAL);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = start_thread(request);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return err ? ENOMEM : 0;
}

/* All that write do so from the input, and all others into the output. */
static void cancel(struct win32_request *request)
{
	struct devioctl_request *block = &request->block;
	bool writes = request->code == IOCTL_VPCI_WRITE_BLOCK;

	__atomic_store_n(writes ? &block->in_size : &block->out_size, 0, __ATOMIC_SEQ_CST);
	pthread_kill(request->worker, CANCEL_SIGNAL);
}

const struct win32_backend win32_threads = { begin, cancel };
