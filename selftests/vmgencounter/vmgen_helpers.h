/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the tests of /dev/vmgencounter share: real generation changes, and a
 * waiter of each kind.
 *
 * The tests run on either of two devices. On QEMU's, a change is a snapshot
 * restored under a new ID (half a second); on ours of vmgen-ssdt.asl or vmgen.dtsi the
 * test module makes it (under a millisecond). Tests that need many changes or the
 * steps of a change apart are for the second only, and their programs are not
 * started on the first.
 */
#ifndef VMGEN_HELPERS_H
#define VMGEN_HELPERS_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/vmgencounter.h>

#include "../common.h"

#define VMGEN_DEVICE	"/dev/vmgencounter"
#define VMGEN_SYSFS	"/sys/class/misc/vmgencounter"
#define ID_SIZE		sizeof(struct vm_gencounter)

/* Ours, of the SSDT or the devicetree: changes are fast, and their steps can be had alone. */
bool fast_device(void);

/*
 * A real change; returns when the guest runs with the new ID and the generator is reseeded for
 * it. 0 or an errno.
 */
int new_generation(void);

/* A Notify without a change, by the means of the device. 0 or an errno. */
int spurious_notify(void);

#define GUID_SIZE	37	/* with the NUL */

/*
 * Have vm restore a snapshot of this guest, as selftests/qemu/new-generation does, but without
 * running programs. An emulator that has just begun takes a tenth of a second for each.
 * @wish is a GUID, "--same" or "". @guid is what the guest has then, GUID_SIZE bytes. 0 or an
 * errno.
 */
int restore_snapshot(const char *wish, char *guid);

/* Write a command to the test module: 0 or an errno. Fast device only. */
int test_command(const char *command);

/* DeviceIoControl(): the return value of ioctl(), with @req as it came back. */
int device_io_control(int fd, struct devioctl_request *req, const void *in,
		      uint32_t in_size, void *out, uint32_t out_size);

/* The current ID (polling mode, so it counts as delivered). 0 or an errno. */
int current_id(int fd, struct vm_gencounter *id);

/* The call in event-driven mode. 0 or an errno. */
int other_id(int fd, const struct vm_gencounter *known, struct vm_gencounter *id);

/* The state of a process: S if it sleeps, T if it is stopped; ? if it is not there. */
char state_of(pid_t pid);
void wait_state(pid_t pid, char state);

/* A call in event-driven mode that waits in a process of its own, in memory of both. */
struct shared_call {
	pid_t pid;
	struct devioctl_request req;
	struct vm_gencounter id;	/* input and output */
	int err;			/* once the process has ended */
};

/* Returns when the call sleeps; the caller waits for its process. NULL on error. */
struct shared_call *shared_call_start(int fd, const struct vm_gencounter *known);

/* The current ID, by an open file of its own: delivered to nobody else. */
int peek_id(struct vm_gencounter *id);

/* All that the device tells: 0 or an errno. */
int peek_info(struct vmgencounter_info *info);

bool same_id(const struct vm_gencounter *a, const struct vm_gencounter *b);

/*
 * The path (PATH_MAX) of the ACPI device or, of a devicetree, the device that ours
 * was added to. NULL on error.
 */
char *firmware_device(char *path);

/* Does the kernel's own vmgenid driver have the device, too? */
bool intree_driver_bound(void);
bool intree_driver_on(const char *firmware_device);

/* What is it in this kernel? If neither, it is not there. */
bool intree_driver_is_module(void);
bool intree_driver_is_builtin(void);

/* Was it loaded after ours, so that both hear each Notify? */
bool intree_driver_late(void);

/* 1 for the module loaded last, 2 for the one before, and so on; 0: not loaded. */
int module_position(const char *name);

/* The name under which the platform bus knows the bound device. */
void device_name(char *name, size_t size);

/*
 * The ways to wait for a change. Each waiter has an open file of its own unless
 * it was given one.
 */
enum waiter_kind {
	WAIT_READ,
	WAIT_IOCTL,
	WAIT_POLL,
	WAIT_SELECT,
	WAIT_EPOLL,
	WAIT_EPOLL_EDGE,
	WAIT_EPOLL_EXCLUSIVE,
	WAIT_SIGIO,
	WAITER_KINDS
};

const char *waiter_kind_name(enum waiter_kind kind);

struct waiter {
	enum waiter_kind kind;
	int fd;
	int epfd;
	bool restart;		/* go on after a signal (SIGUSR1: SA_RESTART) */
	struct vm_gencounter known;	/* the last ID that it was given */
	int err;		/* of the wait: 0 or an errno */
	pthread_t thread;
	pid_t tid;		/* 0 until the thread runs */
};

/* Open the device, learn the current ID, get ready to wait. 0 or an errno. */
int waiter_open(struct waiter *w, enum waiter_kind kind);
void waiter_close(struct waiter *w);

/* In the calling thread: wait for a change and take the new ID into w->known. */
int waiter_wait(struct waiter *w);

/* Its two halves: until there is a change, and the new ID for those who do not have it yet. */
int waiter_sleep(struct waiter *w);
int waiter_take(struct waiter *w);

/* The same in a thread; returns when the thread sleeps in its wait. */
int waiter_start(struct waiter *w);
int waiter_join(struct waiter *w);	/* returns w->err */

/* Run @body in w's thread, as waiter_start() but without waiting for sleep. */
int waiter_spawn(struct waiter *w, void *(*body)(void *));

/* Does the thread sleep interruptibly, its CPU given up? */
bool is_asleep(pid_t tid);

/* Wait until it does, or has ended. */
void wait_asleep(pid_t tid);

/* How often the thread went to sleep: a wake-up that was none shows here. */
long voluntary_switches(pid_t tid);

/* SIGUSR1 gets a handler that does nothing, so that it only interrupts. */
void catch_sigusr1(bool restart);

#endif /* VMGEN_HELPERS_H */
