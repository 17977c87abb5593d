// SPDX-License-Identifier: GPL-2.0-only
/*
 * What libvmgencounter does without the device: text, and what is no device.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vmgencounter.h>

#include "../common.h"
#include "kselftest_harness.h"

/* One ID in all formats, the GUID as QEMU was given it. */
static const struct vm_gencounter id = { 0x4ddfe2286a7440f9, 0x639bebe6a3f517b4 };
static const char * const texts[] = {
	[VMGEN_FORMAT_WINDOWS] = "4ddfe2286a7440f9:639bebe6a3f517b4",
	[VMGEN_FORMAT_GUID] = "6a7440f9-e228-4ddf-b417-f5a3e6eb9b63",
	[VMGEN_FORMAT_HEX] = "f940746a28e2df4db417f5a3e6eb9b63",
};

static bool parses_to(const char *text, const struct vm_gencounter *expected)
{
	struct vm_gencounter parsed;

	return !vmgen_parse(text, &parsed) && !memcmp(&parsed, expected, sizeof(parsed));
}

/* Refused by its errno, and the result left as it was. */
static bool is_no_id(const char *text)
{
	struct vm_gencounter parsed;

	memset(&parsed, 0xa5, sizeof(parsed));
	errno = 0;
	return vmgen_parse(text, &parsed) == -1 && errno == EINVAL && all_a5(&parsed, &parsed + 1);
}

TEST(formats)
{
	char text[64];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(texts); i++) {
		EXPECT_EQ((int)strlen(texts[i]), vmgen_format(&id, i, text, sizeof(text)));
		EXPECT_STREQ(texts[i], text);
		EXPECT_TRUE(parses_to(texts[i], &id));
	}
}

TEST(zeros_are_kept)
{
	static const struct vm_gencounter small = { 0, 1 };
	char text[64];

	vmgen_format(&small, VMGEN_FORMAT_WINDOWS, text, sizeof(text));
	EXPECT_STREQ("0000000000000000:0000000000000001", text);
	EXPECT_TRUE(parses_to(text, &small));
	vmgen_format(&small, VMGEN_FORMAT_GUID, text, sizeof(text));
	EXPECT_STREQ("00000000-0000-0000-0100-000000000000", text);
	EXPECT_TRUE(parses_to(text, &small));
}

TEST(format_is_as_snprintf)
{
	char text[8];

	EXPECT_EQ(36, vmgen_format(&id, VMGEN_FORMAT_GUID, NULL, 0));
	memset(text, 0xa5, sizeof(text));
	EXPECT_EQ(36, vmgen_format(&id, VMGEN_FORMAT_GUID, text, 5));
	EXPECT_STREQ("6a74", text);
	EXPECT_TRUE(all_a5(text + 5, text + sizeof(text)));
}

TEST(unknown_format)
{
	char text[64];

	EXPECT_EQ(-1, vmgen_format(&id, (enum vmgen_format)3, text, sizeof(text)));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, vmgen_format(&id, (enum vmgen_format)-1, text, sizeof(text)));
	EXPECT_EQ(EINVAL, errno);
}

TEST(capitals_are_digits)
{
	EXPECT_TRUE(parses_to("6A7440F9-E228-4DDF-B417-F5A3E6EB9B63", &id));
	EXPECT_TRUE(parses_to("4DDFE2286a7440f9:639bebe6a3F517b4", &id));
}

/* Each text, cut or with anything else in any place. Every hole of a GUID has its own. */
TEST(nothing_else_is_parsed)
{
	static const char others[] = " g/:-;@G`\n\x80";
	char text[64];
	size_t i, at, other;

	for (i = 0; i < ARRAY_SIZE(texts); i++) {
		for (at = 0; at < strlen(texts[i]); at++) {
			snprintf(text, sizeof(text), "%s", texts[i]);
			for (other = 0; other < sizeof(others); other++) {
				text[at] = others[other];
				if (text[at] != texts[i][at])
					EXPECT_TRUE(is_no_id(text)) TH_LOG("%s", text);
			}
		}
		snprintf(text, sizeof(text), "%s0", texts[i]);
		EXPECT_TRUE(is_no_id(text));
		snprintf(text, sizeof(text), " %s", texts[i]);
		EXPECT_TRUE(is_no_id(text));
		snprintf(text, sizeof(text), "{%s}", texts[i]);
		EXPECT_TRUE(is_no_id(text));
	}
}

/* A text is not read beyond its end: there is no more of the page. */
TEST(parse_stops_at_the_end)
{
	char *edge;
	size_t length;

	for (length = 0; length < 32; length++) {
		edge = page_edge(length + 1, PAGE_MISSING);
		ASSERT_NE((void *)-1, edge);
		memcpy(edge, texts[VMGEN_FORMAT_HEX], length);
		EXPECT_TRUE(is_no_id(edge));
	}
}

/* ---- what is no device ---- */

static int open_error(const char *path)
{
	struct vmgen *vmgen = vmgen_open(path);

	if (!vmgen)
		return errno;
	vmgen_close(vmgen);
	return 0;
}

TEST(open_errors)
{
	char path[] = "/tmp/library.XXXXXX", name[PATH_MAX];
	int next = open("/dev/null", O_RDONLY);

	close(next);
	close(mkstemp(path));
	EXPECT_EQ(ENOTTY, open_error(path));
	unlink(path);
	EXPECT_EQ(ENOENT, open_error(path));
	EXPECT_EQ(ENOENT, open_error(""));
	EXPECT_EQ(ENOTTY, open_error("/"));
	EXPECT_EQ(ENOTTY, open_error("/dev/null"));
	EXPECT_EQ(ENOTDIR, open_error("/dev/null/x"));
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	EXPECT_EQ(ENAMETOOLONG, open_error(name));
	/* None has left a descriptor behind. */
	EXPECT_EQ(next, open("/dev/null", O_RDONLY));
}

/* It would wait for ever, if it opened it as shells do. */
TEST(open_does_not_wait_for_a_writer)
{
	char path[] = "/tmp/library.XXXXXX";

	ASSERT_NE(NULL, mkdtemp(path));
	ASSERT_EQ(0, chdir(path));
	ASSERT_EQ(0, mkfifo("fifo", 0600));
	EXPECT_EQ(ENOTTY, open_error("fifo"));
	unlink("fifo");
	rmdir(path);
}

TEST(open_without_the_device)
{
	if (!access("/dev/vmgencounter", F_OK) || !access("/dev/vmgencounter_id", F_OK))
		SKIP(return, "this machine has the device");
	EXPECT_EQ(ENOENT, open_error(NULL));
}

TEST(close_of_nothing)
{
	errno = 0;
	vmgen_close(NULL);
	EXPECT_EQ(0, errno);
}

TEST_HARNESS_MAIN
