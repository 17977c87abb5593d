// SPDX-License-Identifier: GPL-2.0-only
/*
 * IOCTL_VPCI_INVALIDATE_BLOCK, IOCTL_VPCI_READ_BLOCK and IOCTL_VPCI_WRITE_BLOCK: what
 * each condition gives, that nothing else is touched, and that the host is not asked
 * in vain.
 */
#include <linux/fs.h>
#include <stddef.h>
#include <sys/stat.h>

#include "vpci_helpers.h"
#include "kselftest_harness.h"

/* ---- the ABI, the same for both word sizes ---- */

ASSERT_SIZE(struct vpci_read_block_input, 8);
ASSERT_OFFSET(struct vpci_read_block_input, block_id, 0);
ASSERT_OFFSET(struct vpci_read_block_input, bytes_requested, 4);
ASSERT_SIZE(struct vpci_write_block_input, 8);
ASSERT_OFFSET(struct vpci_write_block_input, block_id, 0);
ASSERT_OFFSET(struct vpci_write_block_input, data_length, 4);
ASSERT_SIZE(struct vpci_invalidate_block_output, 8);
ASSERT_OFFSET(struct vpci_invalidate_block_output, block_mask, 0);

static_assert(IOCTL_VPCI_INVALIDATE_BLOCK == 0x2ac007, "the Windows code");
static_assert(IOCTL_VPCI_READ_BLOCK == 0x2ac00b, "the Windows code");
static_assert(IOCTL_VPCI_WRITE_BLOCK == 0x2ac00f, "the Windows code");
static_assert(VPCI_BLOCK_SIZE_MAX == 128, "the host's limit");

static const uint32_t ours[] = {
	IOCTL_VPCI_INVALIDATE_BLOCK, IOCTL_VPCI_READ_BLOCK, IOCTL_VPCI_WRITE_BLOCK,
};

/* ---- what the tests share ---- */

#define BLOCK	3		/* 128 bytes of pattern 1 */

struct write_input {
	struct vpci_write_block_input head;
	uint8_t data[VPCI_BLOCK_SIZE_MAX + 8];
};

struct state {
	int fd;
	uint8_t block[VPCI_BLOCK_SIZE_MAX];
	uint8_t out[VPCI_BLOCK_SIZE_MAX + 8];
	struct vpci_read_block_input read;
	struct write_input write;	/* of 16 bytes */
	struct devioctl_request req;
	struct host_counters before;
};

static void set_up(struct state *s)
{
	fill_pattern(s->block, sizeof(s->block), 1);
	memset(s->out, 0xa5, sizeof(s->out));
	s->read = (struct vpci_read_block_input) { BLOCK, VPCI_BLOCK_SIZE_MAX };
	s->write.head = (struct vpci_write_block_input) { BLOCK, 16 };
	fill_pattern(s->write.data, sizeof(s->write.data), 7);
	s->fd = -1;
	if (!reset_host() && !host_block(BLOCK, s->block, sizeof(s->block)))
		s->fd = open_node("00.0", O_RDWR);
	s->before = host_counters();
}

static void tear_down(struct __test_metadata *_metadata, struct state *s)
{
	EXPECT_EQ(s->before.errors, host_counters().errors);
	close(s->fd);
}

FIXTURE(vpci) {
	struct state s;
};

FIXTURE_SETUP(vpci)
{
	set_up(&self->s);
	ASSERT_LE(0, self->s.fd);
}

FIXTURE_TEARDOWN(vpci)
{
	tear_down(_metadata, &self->s);
}

/* How often the host was asked since. */
static unsigned int asked(const struct state *s)
{
	return host_counters().requests - s->before.requests;
}

static int read_call(struct state *s, const void *in, uint32_t in_size,
		     void *out, uint32_t out_size)
{
	return call(s->fd, IOCTL_VPCI_READ_BLOCK, &s->req, in, in_size, out, out_size);
}

static int write_call(struct state *s, const void *in, uint32_t in_size)
{
	return call(s->fd, IOCTL_VPCI_WRITE_BLOCK, &s->req, in, in_size, NULL, 0);
}

/* ---- what a call is for ---- */

TEST_F_TIMEOUT(vpci, reads_a_block, TEST_TIMEOUT)
{
	struct state *s = &self->s;

	EXPECT_RESULT(0, 128, read_call(s, &s->read, 8, s->out, 128), &s->req);
	EXPECT_EQ(0, memcmp(s->block, s->out, 128));
	EXPECT_TRUE(all_a5(s->out + 128, s->out + sizeof(s->out)));
	EXPECT_EQ(1, asked(s));
}

TEST_F_TIMEOUT(vpci, writes_a_block, TEST_TIMEOUT)
{
	struct state *s = &self->s;
	struct host_counters after;

	EXPECT_RESULT(0, 0, write_call(s, &s->write, 24), &s->req);
	after = host_counters();
	EXPECT_EQ(1, after.writes - s->before.writes);
	EXPECT_EQ(BLOCK, after.last_id);
	EXPECT_EQ(16, after.last_len);
	EXPECT_EQ(0, memcmp(s->write.data, after.last, 16));
}

/* All 32 bits of it. */
TEST_F_TIMEOUT(vpci, any_block_id, TEST_TIMEOUT)
{
	struct state *s = &self->s;
	static const uint32_t ids[] = { 0, 1, 63, 64, 0x10000, 0x7fffffff, 0x80000001, ~0U };
	uint8_t block[5], out[5];
	uint32_t came;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ids); i++) {
		fill_pattern(block, sizeof(block), i);
		ASSERT_EQ(0, host_block(ids[i], block, sizeof(block)));
		EXPECT_EQ(0, read_block(s->fd, ids[i], out, sizeof(out), &came));
		EXPECT_EQ(sizeof(out), came);
		EXPECT_EQ(0, memcmp(block, out, sizeof(out)));
		EXPECT_EQ(0, write_block(s->fd, ids[i], block, sizeof(block)));
		EXPECT_EQ(ids[i], host_counters().last_id);
		ASSERT_EQ(0, host_block(ids[i], NULL, 0));
	}
}

/* What the host has may be shorter, or sent in part; for lengths that packets can have. */
TEST_F_TIMEOUT(vpci, short_answers, TEST_TIMEOUT)
{
	struct state *s = &self->s;
	static const uint32_t lengths[] = { 4, 12, 60, 124 };
	size_t i;

	for (i = 0; i < 2 * ARRAY_SIZE(lengths); i++) {
		const uint32_t len = lengths[i / 2];

		memset(s->out, 0xa5, sizeof(s->out));
		ASSERT_EQ(0, host_block(BLOCK, s->block, i & 1 ? 128 : len));
		ASSERT_EQ(0, host(i & 1 ? "answer short %u" : "answer ok", len));
		EXPECT_RESULT(0, len, read_call(s, &s->read, 8, s->out, 128),
			      &s->req);
		EXPECT_EQ(0, memcmp(s->block, s->out, len));
		EXPECT_TRUE(all_a5(s->out + len, s->out + sizeof(s->out)));
	}
}

/* A host that says it sent more than it was asked for is not believed. */
TEST_F_TIMEOUT(vpci, long_answers, TEST_TIMEOUT)
{
	struct state *s = &self->s;
	static const uint32_t excess[] = { 1, 8, 100 };
	size_t i;

	s->read.bytes_requested = 20;
	for (i = 0; i < ARRAY_SIZE(excess); i++) {
		memset(s->out, 0xa5, sizeof(s->out));
		ASSERT_EQ(0, host("answer long %u", excess[i]));
		EXPECT_RESULT(0, 20, read_call(s, &s->read, 8, s->out, 20),
			      &s->req);
		EXPECT_EQ(0, memcmp(s->block, s->out, 20));
		EXPECT_TRUE(all_a5(s->out + 20, s->out + sizeof(s->out)));
	}
}

TEST_F_TIMEOUT(vpci, output_over_the_input, TEST_TIMEOUT)
{
	struct state *s = &self->s;
	uint8_t buffer[160] = {};
	int at;

	for (at = 0; at < 16; at += 4) {
		memcpy(buffer + 8, &s->read, 8);
		EXPECT_RESULT(0, 128, read_call(s, buffer + 8, 8, buffer + at, 128),
			      &s->req);
		EXPECT_EQ(0, memcmp(s->block, buffer + at, 128));
	}
}

/* A write has no output, and does not look at what might be one. */
TEST_F_TIMEOUT(vpci, output_of_a_write, TEST_TIMEOUT)
{
	struct state *s = &self->s;

	EXPECT_RESULT(0, 0, call(s->fd, IOCTL_VPCI_WRITE_BLOCK, &s->req, &s->write,
				 24, s->out, 128), &s->req);
	EXPECT_TRUE(all_a5(s->out, s->out + sizeof(s->out)));
	EXPECT_RESULT(0, 0, call(s->fd, IOCTL_VPCI_WRITE_BLOCK, &s->req, &s->write,
				 24, (void *)8, 128), &s->req);
}

/* Nor has INVALIDATE an input. */
TEST_F_TIMEOUT(vpci, input_of_invalidate, TEST_TIMEOUT)
{
	struct state *s = &self->s;

	ASSERT_EQ(0, host("invalidate 00.0 5"));
	EXPECT_RESULT(0, 8, call(s->fd, IOCTL_VPCI_INVALIDATE_BLOCK, &s->req, (void *)8,
				 99, s->out, 8), &s->req);
	EXPECT_EQ(5, *(uint64_t *)s->out);
}

TEST_F_TIMEOUT(vpci, waits_without_o_nonblock_or_with, TEST_TIMEOUT)
{
	struct state *s = &self->s;
	struct caller c;

	ASSERT_EQ(0, fcntl(s->fd, F_SETFL, O_RDWR | O_NONBLOCK));
	ASSERT_EQ(0, host("answer never"));
	ASSERT_EQ(0, start_read(&c, s->fd, BLOCK, 128));
	ASSERT_EQ(0, host_wait(&s->before, 1));
	EXPECT_TRUE(is_waiting(&c));
	ASSERT_EQ(0, host("release"));
	EXPECT_RESULT(0, 128, join_caller(&c), &c.req);
	EXPECT_EQ(0, memcmp(s->block, c.out, 128));
}

/*
 * The blocks of mlx5's VF as its driver has them (lib/hv_vhca.c): block 0 is a dialogue
 * with the PF's driver, block 1 statistics, and block N is written at N * 128.
 */
struct mlx5_control_block {
	uint32_t capabilities, control;
	uint16_t command, command_ack, version, rings;
	uint32_t reserved1[28];
};

struct mlx5_data_block {
	uint16_t sequence, offset;
	uint8_t reserved[4];
	__aligned_u64 data[15];
};

ASSERT_SIZE(struct mlx5_control_block, 128);
ASSERT_SIZE(struct mlx5_data_block, 128);

static void answer_control(struct mlx5_control_block *control)
{
	control->capabilities = 1 << 0;		/* BIT(MLX5_HV_VHCA_AGENT_STATS - 1) */
	control->command_ack = control->command;
}

TEST_F_TIMEOUT(vpci, speaks_mlx5, TEST_TIMEOUT)
{
	struct state *s = &self->s;
	struct mlx5_control_block control = { .control = 1, .command = 0x1234, .version = 1 };
	struct mlx5_data_block data = { .sequence = 1, .data = { [14] = 0x0123456789abcdef } };
	struct mlx5_control_block in;
	struct host_counters seen;
	uint64_t mask = 0;
	uint32_t came;

	ASSERT_EQ(0, host_block(0, &control, sizeof(control)));
	ASSERT_EQ(0, host_block(1, &data, sizeof(data)));
	ASSERT_EQ(0, host("invalidate 00.0 1"));
	ASSERT_EQ(0, invalid_blocks(s->fd, &mask));
	EXPECT_EQ(1, mask);
	ASSERT_EQ(0, read_block(s->fd, 0, &in, sizeof(in), &came));
	EXPECT_EQ(sizeof(in), came);
	EXPECT_EQ(0, memcmp(&control, &in, sizeof(in)));

	answer_control(&in);
	ASSERT_EQ(0, write_block(s->fd, 0, &in, sizeof(in)));
	seen = host_counters();
	EXPECT_EQ(0, seen.last_id);
	ASSERT_EQ(sizeof(in), seen.last_len);
	EXPECT_EQ(0, memcmp(&in, seen.last, sizeof(in)));

	ASSERT_EQ(0, write_block(s->fd, 1, &data, sizeof(data)));
	seen = host_counters();
	EXPECT_EQ(1, seen.last_id);
	ASSERT_EQ(sizeof(data), seen.last_len);
	EXPECT_EQ(0, memcmp(&data, seen.last, sizeof(data)));
	host_block(0, NULL, 0);
	host_block(1, NULL, 0);
}

/* ---- sizes ---- */

FIXTURE(read_sizes) {
	struct state s;
};

FIXTURE_VARIANT(read_sizes) {
	uint32_t in_size;
	uint32_t requested;
	uint32_t out_size;
	int err;
};

FIXTURE_VARIANT_ADD(read_sizes, in_0) { 0, 16, 16, ENOBUFS };
FIXTURE_VARIANT_ADD(read_sizes, in_1) { 1, 16, 16, ENOBUFS };
FIXTURE_VARIANT_ADD(read_sizes, in_7) { 7, 16, 16, ENOBUFS };
FIXTURE_VARIANT_ADD(read_sizes, in_9) { 9, 16, 16, 0 };
FIXTURE_VARIANT_ADD(read_sizes, in_4096) { 4096, 16, 16, 0 };
FIXTURE_VARIANT_ADD(read_sizes, in_max) { ~0U, 16, 16, 0 };
FIXTURE_VARIANT_ADD(read_sizes, none) { 8, 0, 0, EINVAL };
FIXTURE_VARIANT_ADD(read_sizes, none_into_1) { 8, 0, 1, EINVAL };
FIXTURE_VARIANT_ADD(read_sizes, one) { 8, 1, 1, 0 };
FIXTURE_VARIANT_ADD(read_sizes, one_into_0) { 8, 1, 0, ENOBUFS };
FIXTURE_VARIANT_ADD(read_sizes, one_into_2) { 8, 1, 2, EINVAL };
FIXTURE_VARIANT_ADD(read_sizes, seven) { 8, 7, 7, 0 };
FIXTURE_VARIANT_ADD(read_sizes, eight) { 8, 8, 8, 0 };
FIXTURE_VARIANT_ADD(read_sizes, nearly_all) { 8, 127, 127, 0 };
FIXTURE_VARIANT_ADD(read_sizes, nearly_all_into_all) { 8, 127, 128, EINVAL };
FIXTURE_VARIANT_ADD(read_sizes, all) { 8, 128, 128, 0 };
FIXTURE_VARIANT_ADD(read_sizes, all_into_0) { 8, 128, 0, ENOBUFS };
FIXTURE_VARIANT_ADD(read_sizes, all_into_127) { 8, 128, 127, ENOBUFS };
FIXTURE_VARIANT_ADD(read_sizes, all_into_129) { 8, 128, 129, EINVAL };
FIXTURE_VARIANT_ADD(read_sizes, all_into_max) { 8, 128, ~0U, EINVAL };
FIXTURE_VARIANT_ADD(read_sizes, more) { 8, 129, 129, EINVAL };
FIXTURE_VARIANT_ADD(read_sizes, more_into_0) { 8, 129, 0, EINVAL };
FIXTURE_VARIANT_ADD(read_sizes, page) { 8, 4096, 4096, EINVAL };
FIXTURE_VARIANT_ADD(read_sizes, half) { 8, 0x80000000, 0x80000000, EINVAL };
FIXTURE_VARIANT_ADD(read_sizes, max) { 8, ~0U, ~0U, EINVAL };

FIXTURE_SETUP(read_sizes)
{
	set_up(&self->s);
	ASSERT_LE(0, self->s.fd);
}

FIXTURE_TEARDOWN(read_sizes)
{
	tear_down(_metadata, &self->s);
}

static size_t limit(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Neither buffer goes on after what the call is about, whatever the sizes claim. */
TEST_F_TIMEOUT(read_sizes, nothing_beyond_is_needed, TEST_TIMEOUT)
{
	uint32_t *in = page_edge(8, PAGE_MISSING);
	uint32_t *out = page_edge(limit(variant->requested, 4096), PAGE_MISSING);
	const uint32_t len = variant->err ? 0 : variant->requested;
	struct state *s = &self->s;

	ASSERT_NE(MAP_FAILED, in);
	ASSERT_NE(MAP_FAILED, out);
	memcpy(in, (uint32_t [2]) { BLOCK, variant->requested }, 8);
	EXPECT_RESULT(variant->err, len,
		      read_call(s, in, variant->in_size, out, variant->out_size), &s->req);
	EXPECT_EQ(0, memcmp(s->block, out, len));
	EXPECT_EQ(!variant->err, asked(s));
}

TEST_F_TIMEOUT(read_sizes, nothing_beyond_is_touched, TEST_TIMEOUT)
{
	const uint32_t in[2] = { BLOCK, variant->requested };
	const uint32_t len = variant->err ? 0 : variant->requested;
	struct state *s = &self->s;

	EXPECT_RESULT(variant->err, len,
		      read_call(s, in, variant->in_size, s->out, variant->out_size), &s->req);
	EXPECT_TRUE(all_a5(s->out + len, s->out + sizeof(s->out)));
}

FIXTURE(write_sizes) {
	struct state s;
};

FIXTURE_VARIANT(write_sizes) {
	uint32_t length;
	uint32_t in_size;
	int err;
};

FIXTURE_VARIANT_ADD(write_sizes, in_0) { 16, 0, ENOBUFS };
FIXTURE_VARIANT_ADD(write_sizes, in_1) { 16, 1, ENOBUFS };
FIXTURE_VARIANT_ADD(write_sizes, in_7) { 16, 7, ENOBUFS };
FIXTURE_VARIANT_ADD(write_sizes, in_without_data) { 16, 8, ENOBUFS };
FIXTURE_VARIANT_ADD(write_sizes, in_short_by_one) { 16, 23, ENOBUFS };
FIXTURE_VARIANT_ADD(write_sizes, in_long_by_one) { 16, 25, 0 };
FIXTURE_VARIANT_ADD(write_sizes, in_max) { 16, ~0U, 0 };
FIXTURE_VARIANT_ADD(write_sizes, none) { 0, 8, EINVAL };
FIXTURE_VARIANT_ADD(write_sizes, none_of_16) { 0, 24, EINVAL };
FIXTURE_VARIANT_ADD(write_sizes, one) { 1, 9, 0 };
FIXTURE_VARIANT_ADD(write_sizes, one_missing) { 1, 8, ENOBUFS };
FIXTURE_VARIANT_ADD(write_sizes, seven) { 7, 15, 0 };
FIXTURE_VARIANT_ADD(write_sizes, nearly_all) { 127, 135, 0 };
FIXTURE_VARIANT_ADD(write_sizes, all) { 128, 136, 0 };
FIXTURE_VARIANT_ADD(write_sizes, all_but_one) { 128, 135, ENOBUFS };
FIXTURE_VARIANT_ADD(write_sizes, more) { 129, 137, EINVAL };
FIXTURE_VARIANT_ADD(write_sizes, more_of_none) { 129, 8, EINVAL };
FIXTURE_VARIANT_ADD(write_sizes, wraps) { 0xfffffff8, 8, EINVAL };
FIXTURE_VARIANT_ADD(write_sizes, max) { ~0U, ~0U, EINVAL };

FIXTURE_SETUP(write_sizes)
{
	set_up(&self->s);
	ASSERT_LE(0, self->s.fd);
}

FIXTURE_TEARDOWN(write_sizes)
{
	tear_down(_metadata, &self->s);
}

TEST_F_TIMEOUT(write_sizes, nothing_beyond_is_needed, TEST_TIMEOUT)
{
	const uint32_t len = limit(variant->length, VPCI_BLOCK_SIZE_MAX);
	struct host_counters after;
	struct state *s = &self->s;
	uint32_t *in;

	in = page_edge(8 + len, PAGE_MISSING);
	ASSERT_NE(MAP_FAILED, in);
	memcpy(in, (uint32_t [2]) { BLOCK, variant->length }, 8);
	memcpy(in + 2, s->write.data, len);
	EXPECT_RESULT(variant->err, 0, write_call(s, in, variant->in_size), &s->req);
	after = host_counters();
	EXPECT_EQ(!variant->err, asked(s));
	if (variant->err)
		return;
	EXPECT_EQ(BLOCK, after.last_id);
	ASSERT_EQ(len, after.last_len);
	EXPECT_EQ(0, memcmp(s->write.data, after.last, len));
}

FIXTURE(invalidate_sizes) {
	struct state s;
};

FIXTURE_VARIANT(invalidate_sizes) {
	uint32_t out_size;
	int err;
};

FIXTURE_VARIANT_ADD(invalidate_sizes, zero) { 0, ENOBUFS };
FIXTURE_VARIANT_ADD(invalidate_sizes, one) { 1, ENOBUFS };
FIXTURE_VARIANT_ADD(invalidate_sizes, seven) { 7, ENOBUFS };
FIXTURE_VARIANT_ADD(invalidate_sizes, eight) { 8, 0 };
FIXTURE_VARIANT_ADD(invalidate_sizes, nine) { 9, 0 };
FIXTURE_VARIANT_ADD(invalidate_sizes, all) { 128, 0 };
FIXTURE_VARIANT_ADD(invalidate_sizes, page) { 4096, 0 };
FIXTURE_VARIANT_ADD(invalidate_sizes, max) { ~0U, 0 };

FIXTURE_SETUP(invalidate_sizes)
{
	set_up(&self->s);
	ASSERT_LE(0, self->s.fd);
	ASSERT_EQ(0, host("invalidate 00.0 8000000000000001"));
}

FIXTURE_TEARDOWN(invalidate_sizes)
{
	tear_down(_metadata, &self->s);
}

TEST_F_TIMEOUT(invalidate_sizes, nothing_beyond, TEST_TIMEOUT)
{
	uint64_t *out = page_edge(8, PAGE_MISSING);
	struct state *s = &self->s;

	ASSERT_NE(MAP_FAILED, out);
	EXPECT_EQ(READABLE, readiness(s->fd));
	EXPECT_RESULT(variant->err, variant->err ? 0 : 8,
		      call(s->fd, IOCTL_VPCI_INVALIDATE_BLOCK, &s->req, NULL, 0, out,
			   variant->out_size), &s->req);
	EXPECT_EQ(variant->err ? 0 : 0x8000000000000001, *out);
	EXPECT_EQ(variant->err ? READABLE : 0, readiness(s->fd));
	EXPECT_EQ(0, asked(s));
}

/* ---- addresses ---- */

FIXTURE(address) {
	struct state s;
	uint64_t bad;
};

#include "../bad_addresses.h"

FIXTURE_SETUP(address)
{
	set_up(&self->s);
	ASSERT_LE(0, self->s.fd);
	ASSERT_TRUE(make_bad_address(&variant->bad, 8, &self->bad));
}

FIXTURE_TEARDOWN(address)
{
	tear_down(_metadata, &self->s);
}

/* A call whose input or output (NULL here) is at the bad address. */
static int call_bad(FIXTURE_DATA(address) * self, uint32_t code, const void *in,
		    uint32_t in_size, void *out, uint32_t out_size)
{
	struct state *s = &self->s;

	fill_bad_request(&s->req, self->bad, in, in_size, out, out_size);
	return ioctl(s->fd, (unsigned long)code, &s->req) ? errno : 0;
}

/* What can be read is a request for no bytes, all zero. */
TEST_F_TIMEOUT(address, of_the_input, TEST_TIMEOUT)
{
	const int err = can_be_read(&variant->bad) ? EINVAL : EFAULT;
	struct state *s = &self->s;

	EXPECT_RESULT(err, 0, call_bad(self, IOCTL_VPCI_READ_BLOCK, NULL, 8, s->out, 16),
		      &s->req);
	EXPECT_RESULT(err, 0, call_bad(self, IOCTL_VPCI_WRITE_BLOCK, NULL, 24, s->out, 0),
		      &s->req);
	EXPECT_TRUE(all_a5(s->out, s->out + sizeof(s->out)));
	EXPECT_EQ(0, asked(s));
}

/* The host is not asked for what has no place to go. */
TEST_F_TIMEOUT(address, of_the_output, TEST_TIMEOUT)
{
	struct state *s = &self->s;

	EXPECT_RESULT(EFAULT, 0, call_bad(self, IOCTL_VPCI_READ_BLOCK, &s->read, 8, NULL, 128),
		      &s->req);
	EXPECT_EQ(0, asked(s));
}

/* Found out before the wait, and nothing is lost by it. */
TEST_F_TIMEOUT(address, of_the_mask, TEST_TIMEOUT)
{
	const uint32_t code = IOCTL_VPCI_INVALIDATE_BLOCK;
	struct state *s = &self->s;
	uint64_t mask;

	EXPECT_RESULT(EFAULT, 0, call_bad(self, code, s->out, 0, NULL, 8), &s->req);
	ASSERT_EQ(0, host("invalidate 00.0 6"));
	EXPECT_RESULT(EFAULT, 0, call_bad(self, code, s->out, 0, NULL, 8), &s->req);
	EXPECT_EQ(READABLE, readiness(s->fd));
	EXPECT_EQ(0, invalid_blocks(s->fd, &mask));
	EXPECT_EQ(6, mask);
}

/* Refused at once, whatever it asks for: a write would be done, and not be reported. */
TEST_F_TIMEOUT(address, of_the_block, TEST_TIMEOUT)
{
	struct state *s = &self->s;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ours); i++) {
		EXPECT_EQ(-1, ioctl(s->fd, (unsigned long)ours[i], (void *)(uintptr_t)self->bad));
		EXPECT_EQ(EFAULT, errno);
	}
	EXPECT_EQ(0, asked(s));
}

TEST_F_TIMEOUT(vpci, data_of_a_write_at_the_edge, TEST_TIMEOUT)
{
	struct state *s = &self->s;
	uint8_t *in;

	in = page_edge(8 + 15, PAGE_MISSING);
	ASSERT_NE(MAP_FAILED, in);
	memcpy(in, &s->write, 8 + 15);
	EXPECT_RESULT(EFAULT, 0, write_call(s, in, 24), &s->req);
	in = page_edge(8, PROT_NONE);
	ASSERT_NE(MAP_FAILED, in);
	memcpy(in, &s->write, 8);
	EXPECT_RESULT(EFAULT, 0, write_call(s, in, 24), &s->req);
	EXPECT_EQ(0, asked(s));
}

TEST_F_TIMEOUT(vpci, output_at_the_edge, TEST_TIMEOUT)
{
	static const int protections[] = { PAGE_MISSING, PROT_NONE, PROT_READ };
	struct state *s = &self->s;
	uint8_t *out;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(protections); i++) {
		out = page_edge(127, protections[i]);
		ASSERT_NE(MAP_FAILED, out);
		EXPECT_RESULT(EFAULT, 0, read_call(s, &s->read, 8, out, 128), &s->req);
	}
	EXPECT_EQ(0, asked(s));
}

/* The results of the block are beyond the edge. */
TEST_F_TIMEOUT(vpci, block_that_cannot_be_written, TEST_TIMEOUT)
{
	const size_t results = offsetof(struct devioctl_request, information);
	struct state *s = &self->s;
	struct devioctl_request *req;
	uint8_t *next;

	next = page_edge(0, PROT_READ);
	ASSERT_NE(MAP_FAILED, next);
	req = (void *)(next - results);
	req->in_buffer = (uintptr_t)&s->write;
	req->in_size = 24;
	EXPECT_EQ(-1, ioctl(s->fd, IOCTL_VPCI_WRITE_BLOCK, req));
	EXPECT_EQ(EFAULT, errno);
	req->in_buffer = (uintptr_t)&s->read;
	req->out_buffer = (uintptr_t)s->out;
	req->out_size = 128;
	EXPECT_EQ(-1, ioctl(s->fd, IOCTL_VPCI_READ_BLOCK, req));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(0, asked(s));
	EXPECT_TRUE(all_a5(s->out, s->out + sizeof(s->out)));

	ASSERT_EQ(0, host("invalidate 00.0 1"));
	req->out_size = 8;
	EXPECT_EQ(-1, ioctl(s->fd, IOCTL_VPCI_INVALIDATE_BLOCK, req));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(READABLE, readiness(s->fd));
}

/* The output goes away while the host thinks. */
TEST_F_TIMEOUT(vpci, output_goes_during_the_wait, TEST_TIMEOUT)
{
	const size_t size = getpagesize();
	uint8_t *out = page_edge(size, PAGE_MISSING);
	struct state *s = &self->s;
	struct caller c;

	ASSERT_NE(MAP_FAILED, out);
	ASSERT_EQ(0, host("answer never"));
	memset(&c, 0, sizeof(c));
	ASSERT_EQ(0, start_read_into(&c, s->fd, BLOCK, out, 128));
	ASSERT_EQ(0, host_wait(&s->before, 1));
	ASSERT_EQ(0, munmap(out, size));
	ASSERT_EQ(0, host("release"));
	EXPECT_RESULT(EFAULT, 0, join_caller(&c), &c.req);
}

/* What was never touched below the stack pointer is memory as good as any. */
TEST_F_TIMEOUT(vpci, output_on_untouched_stack, TEST_TIMEOUT)
{
	uintptr_t below = ((uintptr_t)__builtin_frame_address(0) - (1 << 20)) & ~15ul;
	struct state *s = &self->s;

	EXPECT_RESULT(0, 128, read_call(s, &s->read, 8, (void *)below, 128), &s->req);
}

/* All 64 bits count, also those that a 32-bit caller has no pointers for. */
TEST_F_TIMEOUT(vpci, upper_half_of_an_address, TEST_TIMEOUT)
{
	struct state *s = &self->s;
	__u64 *address[] = { &s->req.in_buffer, &s->req.out_buffer };
	int i;

	ASSERT_EQ(0, read_call(s, &s->read, 8, s->out, 128));
	for (i = 0; i < 2; i++) {
		*address[i] ^= 1ULL << 47;
		EXPECT_EQ(-1, ioctl(s->fd, IOCTL_VPCI_READ_BLOCK, &s->req));
		EXPECT_RESULT(EFAULT, 0, errno, &s->req);
		*address[i] ^= 1ULL << 47;
	}
	EXPECT_EQ(0, ioctl(s->fd, IOCTL_VPCI_READ_BLOCK, &s->req));
}

/* ---- the order of the conditions: all that can be wrong is, then is mended ---- */

TEST_F_TIMEOUT(vpci, order_of_a_read, TEST_TIMEOUT)
{
	void *gone = page_edge(0, PAGE_MISSING);
	int writer = open_node("00.0", O_WRONLY);
	struct state *s = &self->s;

	ASSERT_LE(0, writer);
	ASSERT_NE(MAP_FAILED, gone);
	ASSERT_EQ(0, host_block(BLOCK, NULL, 0));
	ASSERT_EQ(0, host("eject 00.0"));
	EXPECT_EQ(-1, ioctl(writer, IOCTL_VPCI_READ_BLOCK, gone));
	EXPECT_EQ(EFAULT, errno);
	s->read.bytes_requested = 129;
	EXPECT_RESULT(EACCES, 0, call(writer, IOCTL_VPCI_READ_BLOCK, &s->req, gone, 7, gone, 0),
		      &s->req);
	EXPECT_RESULT(ENOBUFS, 0, read_call(s, gone, 7, gone, 0), &s->req);
	EXPECT_RESULT(EFAULT, 0, read_call(s, gone, 8, gone, 0), &s->req);
	EXPECT_RESULT(EINVAL, 0, read_call(s, &s->read, 8, gone, 0), &s->req);
	s->read.bytes_requested = 128;
	EXPECT_RESULT(ENOBUFS, 0, read_call(s, &s->read, 8, gone, 127), &s->req);
	EXPECT_RESULT(EINVAL, 0, read_call(s, &s->read, 8, gone, 129), &s->req);
	EXPECT_RESULT(EFAULT, 0, read_call(s, &s->read, 8, gone, 128), &s->req);
	EXPECT_RESULT(ENODEV, 0, read_call(s, &s->read, 8, s->out, 128), &s->req);
	EXPECT_EQ(0, asked(s));
	close(writer);
}

TEST_F_TIMEOUT(vpci, order_of_a_write, TEST_TIMEOUT)
{
	struct vpci_write_block_input *edge = page_edge(8, PAGE_MISSING);
	void *gone = page_edge(0, PAGE_MISSING);
	int reader = open_node("00.0", O_RDONLY);
	struct state *s = &self->s;

	ASSERT_LE(0, reader);
	ASSERT_NE(MAP_FAILED, gone);
	ASSERT_NE(MAP_FAILED, edge);
	*edge = (struct vpci_write_block_input) { BLOCK, 129 };
	ASSERT_EQ(0, host("eject 00.0"));
	EXPECT_EQ(-1, ioctl(reader, IOCTL_VPCI_WRITE_BLOCK, gone));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_RESULT(EACCES, 0, call(reader, IOCTL_VPCI_WRITE_BLOCK, &s->req, gone, 7, gone, 0),
		      &s->req);
	EXPECT_RESULT(ENOBUFS, 0, write_call(s, gone, 7), &s->req);
	EXPECT_RESULT(EFAULT, 0, write_call(s, gone, 8), &s->req);
	EXPECT_RESULT(EINVAL, 0, write_call(s, edge, 8), &s->req);
	edge->data_length = 128;
	EXPECT_RESULT(ENOBUFS, 0, write_call(s, edge, 135), &s->req);
	EXPECT_RESULT(EFAULT, 0, write_call(s, edge, 136), &s->req);
	EXPECT_RESULT(ENODEV, 0, write_call(s, &s->write, 24), &s->req);
	EXPECT_EQ(0, asked(s));
	close(reader);
}

TEST_F_TIMEOUT(vpci, order_of_invalidate, TEST_TIMEOUT)
{
	const uint32_t code = IOCTL_VPCI_INVALIDATE_BLOCK;
	void *gone = page_edge(0, PAGE_MISSING);
	int writer = open_node("00.0", O_WRONLY);
	struct state *s = &self->s;

	ASSERT_LE(0, writer);
	ASSERT_NE(MAP_FAILED, gone);
	ASSERT_EQ(0, fcntl(s->fd, F_SETFL, O_RDWR | O_NONBLOCK));
	EXPECT_RESULT(EAGAIN, 0, call(s->fd, code, &s->req, NULL, 0, s->out, 8), &s->req);
	ASSERT_EQ(0, host("eject 00.0"));
	EXPECT_EQ(-1, ioctl(writer, IOCTL_VPCI_INVALIDATE_BLOCK, gone));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_RESULT(EACCES, 0, call(writer, code, &s->req, NULL, 0, gone, 7), &s->req);
	EXPECT_RESULT(ENOBUFS, 0, call(s->fd, code, &s->req, NULL, 0, gone, 7), &s->req);
	EXPECT_RESULT(EFAULT, 0, call(s->fd, code, &s->req, NULL, 0, gone, 8), &s->req);
	EXPECT_RESULT(ENODEV, 0, call(s->fd, code, &s->req, NULL, 0, s->out, 8), &s->req);
	close(writer);
}

/* ---- descriptors ---- */

static void expect_no_access(struct __test_metadata *_metadata, struct state *s, int fd,
			     uint32_t code)
{
	EXPECT_RESULT(EACCES, 0, call(fd, code, &s->req, &s->write, 24, s->out, 16), &s->req);
	/* It is the first condition, whatever else is wrong. */
	EXPECT_RESULT(EACCES, 0, call(fd, code, &s->req, NULL, 1, NULL, 1), &s->req);
}

TEST_F_TIMEOUT(vpci, write_only_descriptor, TEST_TIMEOUT)
{
	struct state *s = &self->s;
	int fd = open_node("00.0", O_WRONLY);
	size_t i;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, host("invalidate 00.0 1"));
	for (i = 0; i < ARRAY_SIZE(ours); i++)
		expect_no_access(_metadata, s, fd, ours[i]);
	close(fd);
	EXPECT_TRUE(all_a5(s->out, s->out + sizeof(s->out)));
	EXPECT_EQ(0, asked(s));
}

/* For who may look on, and no more. */
TEST_F_TIMEOUT(vpci, read_only_descriptor, TEST_TIMEOUT)
{
	struct state *s = &self->s;
	int fd = open_node("00.0", O_RDONLY);
	uint64_t mask = 0;

	ASSERT_LE(0, fd);
	expect_no_access(_metadata, s, fd, IOCTL_VPCI_WRITE_BLOCK);
	EXPECT_EQ(0, asked(s));
	EXPECT_EQ(0, read_block(fd, BLOCK, s->out, 128, NULL));
	EXPECT_EQ(0, memcmp(s->block, s->out, 128));
	ASSERT_EQ(0, host("invalidate 00.0 5"));
	EXPECT_EQ(0, invalid_blocks(fd, &mask));
	EXPECT_EQ(5, mask);
	close(fd);
}

TEST_F_TIMEOUT(vpci, path_descriptor, TEST_TIMEOUT)
{
	int fd = open_node("00.0", O_PATH);
	uint8_t out[4];

	ASSERT_LE(0, fd);
	EXPECT_EQ(EBADF, read_block(fd, BLOCK, out, sizeof(out), NULL));
	close(fd);
}

/* There is nothing to read or write but blocks. */
TEST_F_TIMEOUT(vpci, no_file_contents, TEST_TIMEOUT)
{
	struct state *s = &self->s;

	EXPECT_EQ(-1, read(s->fd, s->out, 16));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, write(s->fd, s->out, 16));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, lseek(s->fd, 0, SEEK_CUR));
	EXPECT_EQ(ESPIPE, errno);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, 4096, PROT_READ, MAP_SHARED, s->fd, 0));
	EXPECT_EQ(ENODEV, errno);
	EXPECT_EQ(0, asked(s));
}

/* ---- other codes ---- */

static bool is_known(uint32_t code)
{
	return code == ours[0] || code == ours[1] || code == ours[2];
}

TEST_F_TIMEOUT(vpci, codes_off_by_a_bit, TEST_TIMEOUT)
{
	struct state *s = &self->s;
	uint32_t code;
	size_t i;
	int bit;

	for (i = 0; i < ARRAY_SIZE(ours); i++) {
		for (bit = 0; bit < 32; bit++) {
			code = ours[i] ^ (1U << bit);
			EXPECT_TRUE(is_known(code) || is_refused(s->fd, code))
				TH_LOG("code %#x", code);
		}
	}
	EXPECT_EQ(0, asked(s));
}

/* Every function, method and access of the device type, and those of its neighbours. */
TEST_F_TIMEOUT(vpci, codes_of_this_type, TEST_TIMEOUT)
{
	struct state *s = &self->s;
	uint32_t code;

	for (code = 0x29fff0; code < 0x2b0010; code++) {
		if (code & 0x3f00 && code & 0x7f)
			continue;
		EXPECT_TRUE(is_known(code) || is_refused(s->fd, code))
			TH_LOG("code %#x", code);
	}
}

TEST_F_TIMEOUT(vpci, codes_of_others, TEST_TIMEOUT)
{
	/* The VM generation counter's, its own in Linux, a terminal's, a disk's */
	static const uint32_t others[] = { 0x32c004, 0x8040c010, TCGETS, BLKGETSIZE };
	struct state *s = &self->s;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(others); i++) {
		EXPECT_TRUE(is_refused(s->fd, others[i]))
			TH_LOG("code %#x", others[i]);
	}
}

/* Also where nothing else works any more. */
TEST_F_TIMEOUT(vpci, codes_of_a_function_that_is_gone, TEST_TIMEOUT)
{
	struct state *s = &self->s;

	ASSERT_EQ(0, host("eject 00.0"));
	EXPECT_TRUE(is_refused(s->fd, 0x2ac003));
	EXPECT_TRUE(is_refused(s->fd, 0x32c004));
}

TEST_HARNESS_MAIN
