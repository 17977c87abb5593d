/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the tests of /dev/vpci/DDDD:BB:DD.F share: commands for the module that plays
 * the host, and calls that wait.
 *
 * The same programs run with vpci_fake.ko, which takes hv_pci's place, and with
 * Debian's own hv_pci over a simulated VMBus (vpci_sim.ko). The commands that they have
 * are in selftests/modules/vpci_fake.c and vpci_sim_control.c.
 */
#ifndef VPCI_HELPERS_H
#define VPCI_HELPERS_H

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

#include <linux/vpci.h>

#include "../common.h"

/* For the host: 0 or an errno, ENAMETOOLONG for what no command can be. */
int host(const char *format, ...);

/* What the block @id has; @len 0: there is no such block. */
int host_block(uint32_t id, const void *bytes, size_t len);

/* What it has seen since it was loaded. */
struct host_counters {
	unsigned int requests, reads, writes, kept, errors;
	uint32_t last_id;	/* of the last block that was written ... */
	unsigned int last_len;	/* ... and what */
	uint8_t last[VPCI_BLOCK_SIZE_MAX];
};

struct host_counters host_counters(void);

/* Wait until @more requests than @before have come. 0 or an errno. */
int host_wait(const struct host_counters *before, unsigned int more);

/* Is that hv_pci itself, and a host that sees packets? */
bool real_hv_pci(void);

/*
 * The state in which tests begin: a bus with the function 00.0 alone, just added, and a
 * host that answers. 0 or an errno.
 */
int reset_host(void);

/* The PCI device's name of @function ("00.0") on the host's first bus; "" if it is not there. */
const char *function_name(const char *function);

/* What sysfs says of its node: a number, -1 if there is none. */
long long function_number(const char *function, const char *name);

/* "bind" a driver to the function 00.0, or "unbind" it: 0 or an errno. */
int set_driver(const char *driver, const char *what);

/*
 * Uevents from now on, as udev hears them: a descriptor, or -1. next_uevent() waits for the
 * next one that has to do with a function on the first bus or its node, and gives all of its
 * words, apart by newlines: 0 or an errno.
 */
int open_uevents(void);
int next_uevent(int fd, char *words, size_t size);

/* Its node, O_CLOEXEC added to the @flags. A descriptor, or -1. */
int open_node(const char *function, int flags);

/* Is there a node for it? */
bool has_node(const char *function);

/* Nodes in all. */
int count_nodes(void);

/* DeviceIoControl(). 0 or an errno, and @req as it came back. */
int call(int fd, unsigned int code, struct devioctl_request *req, const void *in,
	 uint32_t in_size, void *out, uint32_t out_size);

/* The well-formed calls: 0 or an errno. read_block() stores how many bytes came. */
int read_block(int fd, uint32_t id, void *out, uint32_t len, uint32_t *came);
int write_block(int fd, uint32_t id, const void *data, uint32_t len);
int invalid_blocks(int fd, uint64_t *mask);

/* What a call came to, all of it. */
#define EXPECT_RESULT(err, came, seen, req) do {			\
	const int seen_ = (seen), err_ = (err);				\
	const struct devioctl_request *req_ = (req);			\
									\
	EXPECT_EQ(err_, seen_);						\
	EXPECT_EQ(status_of(err_), req_->status);			\
	EXPECT_EQ(came, req_->information);				\
} while (0)

/* Bytes that differ from each other, and from those of another @seed. */
void fill_pattern(void *bytes, size_t len, unsigned int seed);

/* A call in a thread of its own, on a descriptor that is not its own. */
struct caller {
	int fd;
	unsigned int code;
	struct devioctl_request req;
	struct {
		uint32_t block_id, length;
		uint8_t data[VPCI_BLOCK_SIZE_MAX];
	} in;
	uint8_t out[VPCI_BLOCK_SIZE_MAX + 8];	/* 0xa5 at first */
	bool restart;		/* SIGUSR1 has SA_RESTART */
	pthread_t thread;
	pid_t tid;
	int err;
};

/* READ and WRITE are on their way when these return, but may not be there yet. */
int start_read(struct caller *c, int fd, uint32_t id, uint32_t len);
int start_read_into(struct caller *c, int fd, uint32_t id, void *out, uint32_t len);
int start_write(struct caller *c, int fd, uint32_t id, uint32_t len);

/* INVALIDATE; returns when the thread sleeps. */
int start_invalidate(struct caller *c, int fd, bool restart);
int start_invalidate_into(struct caller *c, int fd, void *out);
int join_caller(struct caller *c);	/* returns c->err */
void interrupt_caller(const struct caller *c);

/* Has the call not come back? */
bool is_waiting(const struct caller *c);

/* Wait until the thread sleeps, in whatever way. */
void wait_asleep(pid_t tid);

/* A number in a file, -1 if there is none. */
long long read_number(const char *path);

/*
 * Add and remove modules: 0 or an errno. It is all right to add what is there; what a
 * module needs must be there. EWOULDBLOCK: it is in use.
 */
int load_module(const char *name);
int unload_module(const char *name);

/* Wait until nothing uses a module. */
void wait_unused(const char *name);

/* As far as everything is frozen, in two seconds at most: 0 or an errno. */
int sleep_for_a_moment(void);

/* Objects that kmalloc() has given out. */
long kmalloc_objects(void);

double seconds(void);

#endif /* VPCI_HELPERS_H */
