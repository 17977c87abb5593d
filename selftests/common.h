/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the tests of both modules share: files, the kernel's log, requests, addresses that
 * end where they should not, and threads that wait.
 */
#ifndef COMMON_H
#define COMMON_H

#include <assert.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifndef ARRAY_SIZE	/* kselftest.h has it, in some kernels */
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#endif

/* Seconds for a test of several steps, such as restored snapshots; emulation is slow. */
#define TEST_TIMEOUT	300

/* Write @text to an existing file. 0 or an errno. */
int write_text(const char *path, const char *text);

/*
 * How often a race is run that is run @all times where there is time for it: so many percent
 * as ROUNDS of the environment says.
 */
int rounds(int all);

/* First line of a file, without the newline. 0 or an errno. */
int read_line(const char *path, char *line, size_t size);

/* How often the kernel's log has @text. */
int count_in_log(const char *text);

/* poll() for no time at all: its revents. */
#define READABLE	(POLLIN | POLLRDNORM)
short readiness(int fd);

/* The ABI is the same for both word sizes. */
#define ASSERT_SIZE(type, size) \
	static_assert(sizeof(type) == (size), "size of " #type)
#define ASSERT_OFFSET(type, member, offset) \
	static_assert(offsetof(type, member) == (offset), #type "." #member)

/* Is memory that was filled with 0xa5 as it was? */
bool all_a5(const void *from, const void *to);

/* Is a code refused as unknown, and its block left as it was? It may be none of the VFS's. */
bool is_refused(int fd, uint32_t code);

/*
 * The address @valid bytes before the end of a zeroed page. The page that
 * follows has the protection @prot, or is missing. MAP_FAILED on error.
 */
#define PAGE_MISSING	(-1)
void *page_edge(size_t valid, int prot);

/* Where no object is, or only its first half: an address in numbers, or by page_edge(). */
struct bad_address {
	bool fixed;
	uint64_t number;
	bool half;
	int prot;
};

/* For an object of @size bytes. False on error. */
bool make_bad_address(const struct bad_address *bad, size_t size, uint64_t *address);

/* Is there an object that can be read, all zero? */
bool can_be_read(const struct bad_address *bad);

/* Has the thread given up its CPU in a system call? */
bool is_in_syscall(pid_t tid);

/* A request, with results that no call gives. */
#define UNTOUCHED	0xdeadbeef
struct devioctl_request;
void fill_request(struct devioctl_request *req, const void *in, uint32_t in_size,
		  void *out, uint32_t out_size);

/* The same, with the @bad address where there is none. */
void fill_bad_request(struct devioctl_request *req, uint64_t bad, const void *in,
		      uint32_t in_size, void *out, uint32_t out_size);

/* The NTSTATUS that goes with an errno, by the table in <linux/devioctl.h>. */
uint32_t status_of(int err);

#endif /* COMMON_H */
