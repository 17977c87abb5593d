// SPDX-License-Identifier: GPL-2.0-only
/*
 * What only the wire shows: the kernel's own hv_pci talks to the simulated host of
 * vpci_sim.ko, which compares each of its messages byte for byte with what it has to be,
 * and answers in all the ways that a host should not.
 */
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include "vpci_helpers.h"
#include "kselftest_harness.h"

#define FILLER		0xee	/* what a packet ends with, up to a multiple of 8 bytes */
#define BLOCK		7
#define IN_FLIGHT	8	/* of one function, at most */
#define PLACES		32	/* of all functions of a bus */

FIXTURE(wire) {
	int fd;
	uint8_t block[VPCI_BLOCK_SIZE_MAX];
	uint8_t out[VPCI_BLOCK_SIZE_MAX + 8];
	unsigned int errors;
};

static int open_function(const char *function)
{
	return open_node(function, O_RDWR);
}

FIXTURE_SETUP(wire)
{
	if (!real_hv_pci())
		SKIP(return, "there is no wire: vpci_fake takes hv_pci's place");
	ASSERT_EQ(0, reset_host());
	self->errors = host_counters().errors;
	fill_pattern(self->block, sizeof(self->block), 1);
	ASSERT_EQ(0, host_block(BLOCK, self->block, sizeof(self->block)));
	self->fd = open_function("00.0");
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(wire)
{
	close(self->fd);
	EXPECT_EQ(0, host("release"));
	EXPECT_EQ(self->errors, host_counters().errors);
}

/* Bytes that hv_pci gets where the host has sent @len: see vpci_sim_control.c. */
static uint32_t on_wire(uint32_t len)
{
	return ((20 + len + 7) & ~7u) - 20;
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static bool all_filler(const uint8_t *from, const uint8_t *to)
{
	while (from < to && *from == FILLER)
		from++;
	return from >= to;
}

/* Is it @sent bytes of the block, @came in all, and nothing else has been written? */
static bool is_answer(const uint8_t *out, const uint8_t *block, uint32_t sent, uint32_t came)
{
	return !memcmp(out, block, smaller(sent, came)) && all_filler(out + sent, out + came) &&
	       all_a5(out + came, out + VPCI_BLOCK_SIZE_MAX + 8);
}

TEST_F_TIMEOUT(wire, every_length, TEST_TIMEOUT)
{
	struct host_counters now;
	uint32_t len, came;

	for (len = 1; len <= VPCI_BLOCK_SIZE_MAX; len++) {
		memset(self->out, 0xa5, sizeof(self->out));
		ASSERT_EQ(0, read_block(self->fd, BLOCK, self->out, len, &came));
		ASSERT_EQ(len, came);
		ASSERT_TRUE(is_answer(self->out, self->block, len, len));
		ASSERT_EQ(0, write_block(self->fd, BLOCK, self->block, len));
		now = host_counters();
		ASSERT_EQ(BLOCK, now.last_id);
		ASSERT_EQ(len, now.last_len);
		ASSERT_EQ(0, memcmp(now.last, self->block, len));
	}
	EXPECT_EQ(self->errors, now.errors);
}

/* More functions, too, than hv_pci has room for at its first attempt to take a packet. */
TEST_F_TIMEOUT(wire, every_kind_of_slot, TEST_TIMEOUT)
{
	static const char * const functions[] = {
		"00.1", "00.7", "01.0", "02.0", "08.0", "10.0", "10.3", "1f.0", "1f.6", "1f.7",
	};
	uint32_t came;
	size_t i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(functions); i++)
		ASSERT_EQ(0, host("add %s", functions[i]));
	for (i = 0; i < ARRAY_SIZE(functions); i++) {
		fd = open_function(functions[i]);
		ASSERT_LE(0, fd);
		EXPECT_EQ(0, read_block(fd, BLOCK, self->out, 128, &came));
		EXPECT_EQ(0, write_block(fd, BLOCK, self->block, 5));
		close(fd);
		EXPECT_EQ(0, host("eject %s", functions[i]));
		EXPECT_FALSE(has_node(functions[i]));
	}
	EXPECT_EQ(0, read_block(self->fd, BLOCK, self->out, 128, &came));
}

TEST_F_TIMEOUT(wire, short_answers, TEST_TIMEOUT)
{
	static const uint32_t lengths[] = { 1, 4, 5, 12, 64, 127, 128 };
	uint32_t n, came, expected;
	size_t i;

	for (n = 0; n <= VPCI_BLOCK_SIZE_MAX; n++) {
		ASSERT_EQ(0, host("answer short %u", n));
		for (i = 0; i < ARRAY_SIZE(lengths); i++) {
			memset(self->out, 0xa5, sizeof(self->out));
			ASSERT_EQ(0, read_block(self->fd, BLOCK, self->out, lengths[i], &came));
			expected = smaller(lengths[i], on_wire(smaller(n, lengths[i])));
			ASSERT_EQ(expected, came);
			ASSERT_TRUE(is_answer(self->out, self->block, n, came));
		}
	}
}

TEST_F_TIMEOUT(wire, long_answers, TEST_TIMEOUT)
{
	static const uint32_t more[] = { 1, 4, 5, 8, 100, 101, 102, 127, 128, 4096 };
	static const uint32_t lengths[] = { 1, 127, 128 };
	uint32_t came;
	size_t i, j;

	for (i = 0; i < ARRAY_SIZE(more); i++) {
		ASSERT_EQ(0, host("answer long %u", more[i]));
		for (j = 0; j < ARRAY_SIZE(lengths); j++) {
			memset(self->out, 0xa5, sizeof(self->out));
			ASSERT_EQ(0, read_block(self->fd, BLOCK, self->out, lengths[j], &came));
			ASSERT_EQ(lengths[j], came);
			ASSERT_TRUE(is_answer(self->out, self->block, lengths[j], lengths[j]));
		}
		ASSERT_EQ(0, write_block(self->fd, BLOCK, self->block, 9));
	}
}

/* As many as may fail in one period: see module/vpci_block/request.c. */
TEST_F_TIMEOUT(wire, failing_statuses, TEST_TIMEOUT)
{
	static const uint32_t statuses[] = { 0xc0000001, 0x80000005, 0xffffffff, 1 };
	struct devioctl_request req;
	const struct vpci_read_block_input in = { BLOCK, 128 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(statuses); i++) {
		ASSERT_EQ(0, host("answer status %x", statuses[i]));
		memset(self->out, 0xa5, sizeof(self->out));
		EXPECT_RESULT(EIO, 0, call(self->fd, IOCTL_VPCI_READ_BLOCK, &req, &in, sizeof(in),
					   self->out, 128), &req);
		EXPECT_TRUE(all_a5(self->out, self->out + sizeof(self->out)));
		EXPECT_EQ(EIO, write_block(self->fd, BLOCK, self->block, 128));
	}
	ASSERT_EQ(0, host("answer ok"));
	EXPECT_EQ(0, read_block(self->fd, BLOCK, self->out, 128, NULL));
}

/*
 * The first answer wakes the caller, and the next request gets the same ID: the second answer must
 * have come before. An invalidation comes after it.
 */
TEST_F_TIMEOUT(wire, answers_that_come_twice, TEST_TIMEOUT)
{
	const int logged = count_in_log("Invalid transaction ID");
	uint8_t block[VPCI_BLOCK_SIZE_MAX];
	uint32_t came;
	int i;

	if (host("answer twice") == EOPNOTSUPP)
		SKIP(return, "hv_pci takes the ID of a request for an address here");
	for (i = 0; i < 20; i++) {
		fill_pattern(block, sizeof(block), i);
		ASSERT_EQ(0, host_block(BLOCK, block, sizeof(block)));
		memset(self->out, 0xa5, sizeof(self->out));
		ASSERT_EQ(0, read_block(self->fd, BLOCK, self->out, 128, &came));
		ASSERT_EQ(128, came);
		ASSERT_TRUE(is_answer(self->out, block, 128, 128));
		ASSERT_EQ(0, host("invalidate 00.0 1"));
		ASSERT_EQ(0, write_block(self->fd, BLOCK, block, 3));
		ASSERT_EQ(0, host("invalidate 00.0 1"));
	}
	EXPECT_EQ(logged + 2 * i, count_in_log("Invalid transaction ID"));
}

/* The request is long done, and its stack used by others. */
TEST_F_TIMEOUT(wire, late_second_answers, TEST_TIMEOUT)
{
	const int logged = count_in_log("Invalid transaction ID");
	int i;

	if (host("answer again") == EOPNOTSUPP)
		SKIP(return, "hv_pci takes the ID of a request for an address here");
	for (i = 0; i < 20; i++) {
		ASSERT_EQ(0, host("answer again"));
		ASSERT_EQ(0, read_block(self->fd, BLOCK, self->out, 128, NULL));
		ASSERT_EQ(1, host_counters().kept);
		ASSERT_EQ(0, host("release"));
		ASSERT_EQ(0, host("invalidate 00.0 1"));	/* comes after it */
	}
	EXPECT_EQ(logged + i, count_in_log("Invalid transaction ID"));
}

/* hv_pci does not take it for an answer. */
TEST_F_TIMEOUT(wire, runts, TEST_TIMEOUT)
{
	const struct host_counters before = host_counters();
	struct caller reader, writer;

	ASSERT_EQ(0, host("answer runt"));
	ASSERT_EQ(0, start_read(&reader, self->fd, BLOCK, 128));
	ASSERT_EQ(0, start_write(&writer, self->fd, BLOCK, 128));
	ASSERT_EQ(0, host_wait(&before, 2));
	ASSERT_EQ(0, host("invalidate 00.0 1"));	/* comes after them */
	EXPECT_TRUE(is_waiting(&reader));
	EXPECT_TRUE(is_waiting(&writer));
	EXPECT_EQ(2, host_counters().kept);
	ASSERT_EQ(0, host("release"));
	EXPECT_EQ(0, join_caller(&reader));
	EXPECT_EQ(0, join_caller(&writer));
	EXPECT_EQ(128, reader.req.information);
	EXPECT_EQ(0, memcmp(reader.out, self->block, 128));
}

/* Starts @n reads of the blocks 100, 101 ... and returns when the host has got them. */
static int hang(struct caller *callers, int n, int fd)
{
	const struct host_counters before = host_counters();
	uint8_t block[VPCI_BLOCK_SIZE_MAX];
	int i, err = host("answer never");

	for (i = 0; i < n && !err; i++) {
		fill_pattern(block, sizeof(block), 100 + i);
		err = host_block(100 + i, block, sizeof(block));
		err = err ?: start_read(&callers[i], fd, 100 + i, 128);
	}
	return err ?: host_wait(&before, n);
}

/* How many of them came to @err (and their own block, if that is 0). */
static int joined(struct caller *callers, int n, int err)
{
	uint8_t block[VPCI_BLOCK_SIZE_MAX];
	int i, count = 0;

	for (i = 0; i < n; i++) {
		fill_pattern(block, sizeof(block), 100 + i);
		if (join_caller(&callers[i]) == err &&
		    (err || !memcmp(callers[i].out, block, sizeof(block))))
			count++;
	}
	return count;
}

TEST_F_TIMEOUT(wire, late_answers_find_their_requests, TEST_TIMEOUT)
{
	struct caller callers[IN_FLIGHT];

	ASSERT_EQ(0, hang(callers, IN_FLIGHT, self->fd));
	EXPECT_EQ(IN_FLIGHT, host_counters().kept);
	ASSERT_EQ(0, host("release"));
	EXPECT_EQ(IN_FLIGHT, joined(callers, IN_FLIGHT, 0));
	EXPECT_EQ(0, host_counters().kept);
}

static void read_in_child(int fd, uint8_t *out)
{
	read_block(fd, BLOCK, out, 128, NULL);
	_exit(1);
}

/* The answers to requests of the dead, and others meanwhile. */
TEST_F_TIMEOUT(wire, killed_callers, TEST_TIMEOUT)
{
	const struct host_counters before = host_counters();
	uint8_t block[VPCI_BLOCK_SIZE_MAX];
	int i, status;
	pid_t pid;

	for (i = 0; i < IN_FLIGHT - 1; i++) {
		ASSERT_EQ(0, host("answer never"));
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid)
			read_in_child(self->fd, self->out);
		ASSERT_EQ(0, host_wait(&before, 2 * i + 1));
		kill(pid, SIGKILL);
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_TRUE(WIFSIGNALED(status));
		ASSERT_EQ(0, host("answer ok"));
		fill_pattern(block, sizeof(block), i);
		ASSERT_EQ(0, host_block(BLOCK + i, block, sizeof(block)));
		ASSERT_EQ(0, read_block(self->fd, BLOCK + i, self->out, 128, NULL));
		EXPECT_EQ(0, memcmp(self->out, block, sizeof(block)));
	}
	EXPECT_EQ(i, host_counters().kept);
	ASSERT_EQ(0, host("release"));
	ASSERT_EQ(0, read_block(self->fd, BLOCK + 1, self->out, 128, NULL));
	fill_pattern(block, sizeof(block), 1);
	EXPECT_EQ(0, memcmp(self->out, block, sizeof(block)));
}

/* The old function's answers come when there is a new one, with requests of its own. */
TEST_F_TIMEOUT(wire, ejected_while_requests_hang, TEST_TIMEOUT)
{
	struct caller old[IN_FLIGHT], new[IN_FLIGHT];
	int i, fd;

	for (i = 0; i < 10; i++) {
		fd = open_function("00.0");
		ASSERT_LE(0, fd);
		ASSERT_EQ(0, hang(old, IN_FLIGHT, fd));
		ASSERT_EQ(0, host("eject 00.0"));
		EXPECT_EQ(IN_FLIGHT, joined(old, IN_FLIGHT, ENODEV));
		EXPECT_EQ(ENODEV, read_block(fd, BLOCK, self->out, 128, NULL));
		EXPECT_EQ(POLLHUP | POLLERR, readiness(fd));
		close(fd);
		EXPECT_EQ(IN_FLIGHT, host_counters().kept);
		ASSERT_EQ(0, host("add 00.0"));
		fd = open_function("00.0");
		ASSERT_LE(0, fd);
		ASSERT_EQ(0, hang(new, IN_FLIGHT, fd));
		EXPECT_EQ(2 * IN_FLIGHT, host_counters().kept);
		ASSERT_EQ(0, host("release"));
		EXPECT_EQ(IN_FLIGHT, joined(new, IN_FLIGHT, 0));
		close(fd);
	}
}

TEST_F_TIMEOUT(wire, rescinded_while_requests_hang, TEST_TIMEOUT)
{
	struct caller callers[IN_FLIGHT];
	int i, fd;

	for (i = 0; i < 30; i++) {
		fd = open_function("00.0");
		ASSERT_LE(0, fd);
		ASSERT_EQ(0, hang(callers, IN_FLIGHT, fd));
		ASSERT_EQ(0, host("rescind"));
		EXPECT_EQ(IN_FLIGHT, joined(callers, IN_FLIGHT, ENODEV));
		EXPECT_EQ(0, host_counters().kept);
		ASSERT_EQ(0, host("release"));
		EXPECT_EQ(ENODEV, read_block(fd, BLOCK, self->out, 128, NULL));
		close(fd);
		ASSERT_EQ(0, host("plug"));
	}
}

/* Reads and writes on whatever node there is, until told to stop. */
struct traffic {
	pthread_t thread;
	bool stop;
	int good, bad;
};

static bool is_good(int err, const uint8_t *out, const uint8_t *block)
{
	return err == ENODEV || (!err && !memcmp(out, block, VPCI_BLOCK_SIZE_MAX));
}

static void *make_traffic(void *arg)
{
	uint8_t block[VPCI_BLOCK_SIZE_MAX], out[VPCI_BLOCK_SIZE_MAX];
	struct traffic *traffic = arg;
	int fd, err;

	fill_pattern(block, sizeof(block), 1);
	while (!__atomic_load_n(&traffic->stop, __ATOMIC_RELAXED)) {
		fd = open_function("00.0");
		if (fd < 0) {
			sched_yield();
			continue;
		}
		do {
			err = read_block(fd, BLOCK, out, sizeof(out), NULL);
			if (!is_good(err, out, block))
				traffic->bad++;
			traffic->good += !err;
			err = err ?: write_block(fd, BLOCK, block, sizeof(block));
		} while (!err && !__atomic_load_n(&traffic->stop, __ATOMIC_RELAXED));
		traffic->bad += err && err != ENODEV;
		close(fd);
	}
	return NULL;
}

/* Each has had an answer since the function came back. */
static int remove_and_add(int i)
{
	struct host_counters before;
	int err;

	err = i % 2 ? host("rescind") : host("eject 00.0");
	err = err ?: i % 2 ? host("plug") : host("add 00.0");
	before = host_counters();
	return err ?: host_wait(&before, 10);
}

TEST_F_TIMEOUT(wire, traffic_while_functions_come_and_go, TEST_TIMEOUT)
{
	struct traffic traffic[3] = {};
	size_t t;
	int i;

	for (t = 0; t < ARRAY_SIZE(traffic); t++)
		ASSERT_EQ(0, pthread_create(&traffic[t].thread, NULL, make_traffic, &traffic[t]));
	for (i = 0; i < 60; i++)
		ASSERT_EQ(0, remove_and_add(i));
	for (t = 0; t < ARRAY_SIZE(traffic); t++) {
		__atomic_store_n(&traffic[t].stop, true, __ATOMIC_RELAXED);
		pthread_join(traffic[t].thread, NULL);
		EXPECT_LT(0, traffic[t].good);
		EXPECT_EQ(0, traffic[t].bad);
	}
}

static int add_and_open(unsigned int slot)
{
	char function[8];
	int err;

	snprintf(function, sizeof(function), "%02x.0", slot);
	err = host("add %s", function);
	return err ? -err : open_function(function);
}

/* On arm64 hv_pci leaves an interrupt domain behind that points into its freed memory. */
static bool hv_pci_can_go(void)
{
	struct utsname names;

	uname(&names);
	return strcmp(names.machine, "aarch64") != 0;
}

/*
 * hv_pci has 64 IDs for what a bus has not answered. Requests for blocks get half of them,
 * and functions can still come, which takes some.
 */
TEST_F_TIMEOUT(wire, a_bus_keeps_ids_for_itself, TEST_TIMEOUT)
{
	enum { FULL = PLACES / IN_FLIGHT };
	struct caller callers[FULL + 1][IN_FLIGHT];
	const struct host_counters before = host_counters();
	int fd[FULL + 1] = { self->fd };
	int i, answered = 0;

	for (i = 1; i <= FULL; i++) {
		fd[i] = add_and_open(i);
		ASSERT_LE(0, fd[i]);
	}
	for (i = 0; i < FULL; i++)
		ASSERT_EQ(0, hang(callers[i], IN_FLIGHT, fd[i]));
	for (i = 0; i < IN_FLIGHT; i++) {
		ASSERT_EQ(0, start_read(&callers[FULL][i], fd[FULL], 100 + i, 128));
		wait_asleep(callers[FULL][i].tid);
	}
	EXPECT_EQ(PLACES, host_counters().kept);
	ASSERT_EQ(0, host("add 1f.0"));
	ASSERT_EQ(0, host("eject 1f.0"));
	/* The function that has nothing in flight is the next one. */
	ASSERT_EQ(0, host("release one"));
	ASSERT_EQ(0, host_wait(&before, PLACES + 1));
	EXPECT_EQ(1, function_number("04.0", "in_flight"));
	ASSERT_EQ(0, host("release"));
	for (i = 0; i <= FULL; i++)
		answered += joined(callers[i], IN_FLIGHT, 0);
	EXPECT_EQ(PLACES + IN_FLIGHT, answered);
	for (i = 1; i <= FULL; i++)
		close(fd[i]);
	EXPECT_EQ(0, read_block(self->fd, BLOCK, self->out, 128, NULL));
}

/* The driver leaves the bus in good order: the host finds no error in what it says. */
TEST_F_TIMEOUT(wire, hv_pci_is_unloaded, TEST_TIMEOUT)
{
	struct caller caller;

	ASSERT_EQ(0, hang(&caller, 1, self->fd));
	EXPECT_EQ(EWOULDBLOCK, unload_module("vpci_hv_pci"));
	ASSERT_EQ(0, host("release"));
	EXPECT_EQ(1, joined(&caller, 1, 0));
	EXPECT_EQ(EWOULDBLOCK, unload_module("vpci_hv_pci"));
	close(self->fd);
	wait_unused("vpci_hv_pci");
	self->fd = -1;
	if (!hv_pci_can_go())
		SKIP(return, "hv_pci is not to be unloaded here");
	ASSERT_EQ(0, unload_module("vpci_hv_pci"));
	EXPECT_FALSE(has_node("00.0"));
	ASSERT_EQ(0, load_module("vpci_hv_pci"));
	self->fd = open_function("00.0");
	EXPECT_EQ(0, read_block(self->fd, BLOCK, self->out, 128, NULL));
}

/* The host anew, with this as the newest version of the protocol. */
static int load_host(unsigned int version)
{
	char path[128], options[32];
	struct utsname names;
	int fd, err = 0;

	uname(&names);
	snprintf(path, sizeof(path), "/lib/modules/%s/vpci_sim.ko", names.release);
	snprintf(options, sizeof(options), "version=%#x", version);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (syscall(SYS_finit_module, fd, options, 0))
		err = errno;
	close(fd);
	return err;
}

/* A kernel may not know the newest. */
TEST_F_TIMEOUT(wire, versions_of_the_protocol, TEST_TIMEOUT)
{
	char used[64];
	unsigned int minor;

	if (!hv_pci_can_go())
		SKIP(return, "hv_pci is not to be unloaded here");
	close(self->fd);
	for (minor = 1; minor <= 4; minor++) {
		ASSERT_EQ(0, unload_module("vpci_hv_pci"));
		ASSERT_EQ(0, unload_module("vpci_sim"));
		ASSERT_EQ(0, load_host(0x10000 | minor));
		ASSERT_EQ(0, load_module("vpci_hv_pci"));
		snprintf(used, sizeof(used), "Using version %#x", 0x10000 | minor);
		EXPECT_TRUE(minor == 4 || count_in_log(used));
		ASSERT_EQ(0, host_block(BLOCK, self->block, sizeof(self->block)));
		ASSERT_EQ(0, host("add 01.0"));
		self->fd = open_function("01.0");
		ASSERT_LE(0, self->fd);
		EXPECT_EQ(0, read_block(self->fd, BLOCK, self->out, 128, NULL));
		EXPECT_EQ(0, write_block(self->fd, BLOCK, self->block, 128));
		close(self->fd);
		ASSERT_EQ(0, host("eject 01.0"));
		EXPECT_EQ(0, host_counters().errors);
	}
	self->errors = 0;
	self->fd = open_function("00.0");
}

TEST_HARNESS_MAIN
