// SPDX-License-Identifier: GPL-2.0-only
/*
 * vmgenctl: each of its commands for the generation ID, across real changes. All that it
 * prints is compared whole, and with what the kernel says.
 */
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>

#include <vmgencounter.h>

#include "../ctl.h"
#include "vmgen_helpers.h"
#include "kselftest_harness.h"

#define DRIVER		"/sys/bus/platform/drivers/vmgencounter"
#define ID_DEVICE	"/dev/vmgencounter_id"
#define NOBODY		65534
#define CHANGES		"\"changes\":%llu,\"changed_at_ns\":%llu,\"changed_at\":\"TIME\",\"reseeded\":true"
#define FLAGS		"\"flags\":[\"WAKEUP\",\"WAKEUP_AFTER_RESEED\",\"MMAP\",\"ID_ALONE\"]"

/* One ID as text. */
struct texts {
	char windows[40], uuid[40], hex[40], json[160];
};

FIXTURE(ctl) {
	struct vmgencounter_info info;	/* before the change */
	struct texts known;		/* the ID of that */
	struct ctl c;
	char line[512], expected[2048];
};

static void fill_texts(struct texts *t, const struct vm_gencounter *id)
{
	vmgen_format(id, VMGEN_FORMAT_WINDOWS, t->windows, sizeof(t->windows));
	vmgen_format(id, VMGEN_FORMAT_GUID, t->uuid, sizeof(t->uuid));
	vmgen_format(id, VMGEN_FORMAT_HEX, t->hex, sizeof(t->hex));
	snprintf(t->json, sizeof(t->json), "\"windows\":\"%s\",\"uuid\":\"%s\",\"hex\":\"%s\"",
		 t->windows, t->uuid, t->hex);
}

FIXTURE_SETUP(ctl)
{
	/* With one change at least there is a time of the last one. */
	ASSERT_EQ(0, peek_info(&self->info));
	if (!self->info.changes)
		ASSERT_EQ(0, new_generation());
	ASSERT_EQ(0, peek_info(&self->info));
	fill_texts(&self->known, &self->info.id);
}

FIXTURE_TEARDOWN(ctl)
{
}

/* A change, and what the new ID is as text. */
static int change(FIXTURE_DATA(ctl) * self, struct texts *now)
{
	int err = new_generation() ?: peek_info(&self->info);

	fill_texts(now, &self->info.id);
	return err;
}

/* Puts TIME where the time of the last change is, if it is that to two seconds. */
static void hide_time(char *text, uint64_t changed_at)
{
	char *at = text, *end = NULL;
	struct timespec real, boot;
	struct tm tm = {};
	long long off;

	while ((at = strchr(at, 'T')) &&
	       (at - text < 10 || !(end = strptime(at - 10, "%Y-%m-%dT%H:%M:%SZ", &tm))))
		at++;
	clock_gettime(CLOCK_REALTIME, &real);
	clock_gettime(CLOCK_BOOTTIME, &boot);
	off = timegm(&tm) - real.tv_sec + boot.tv_sec - (long long)(changed_at / 1000000000);
	if (!at || llabs(off) > 2)
		return;
	memmove(at - 10 + strlen("TIME"), end, strlen(end) + 1);
	memcpy(at - 10, "TIME", strlen("TIME"));
}

/* ---- get and info ---- */

TEST_F_TIMEOUT(ctl, get, TEST_TIMEOUT)
{
	char attribute[64];

	ctl_run(&self->c, "get");
	snprintf(self->expected, sizeof(self->expected), "%s\n", self->known.windows);
	EXPECT_RUN(0, self->expected, "", &self->c);
	ASSERT_EQ(0, read_line(VMGEN_SYSFS "/generation", attribute, sizeof(attribute)));
	EXPECT_STREQ(attribute, self->known.windows);

	ctl_run(&self->c, "get --format uuid");
	ASSERT_EQ(0, read_line(VMGEN_SYSFS "/generation_guid", attribute, sizeof(attribute)));
	snprintf(self->expected, sizeof(self->expected), "%s\n", attribute);
	EXPECT_RUN(0, self->expected, "", &self->c);

	ctl_run(&self->c, "get --json -d " VMGEN_DEVICE);
	snprintf(self->expected, sizeof(self->expected), "{%s}\n", self->known.json);
	EXPECT_RUN(0, self->expected, "", &self->c);

	ctl_run(&self->c, "get -F raw");
	EXPECT_EQ(0, self->c.status);
	EXPECT_EQ(ID_SIZE, self->c.len);
	EXPECT_EQ(0, memcmp(&self->info.id, self->c.out, ID_SIZE));
}

TEST_F_TIMEOUT(ctl, info, TEST_TIMEOUT)
{
	struct vmgencounter_info *info = &self->info;

	ASSERT_EQ(info->changes, info->reseeded);
	ctl_run(&self->c, "info");
	hide_time(self->c.out, info->changed_at);
	snprintf(self->expected, sizeof(self->expected),
		 "device: /dev/vmgencounter\ngeneration: %s\nuuid: %s\nchanges: %llu\n"
		 "changed at: TIME\n"
		 "secrets: may be drawn, the kernel's generator is reseeded\n"
		 "waiting: ends once secrets may be drawn\nmapping: ID at 0x%x of the page\n"
		 "trusted: yes\nflags: WAKEUP WAKEUP_AFTER_RESEED MMAP ID_ALONE\n",
		 self->known.windows, self->known.uuid, info->changes, info->offset);
	EXPECT_RUN(0, self->expected, "", &self->c);

	ctl_run(&self->c, "info --json");
	hide_time(self->c.out, info->changed_at);
	snprintf(self->expected, sizeof(self->expected),
		 "{%s," CHANGES ",\"offset\":%u," FLAGS "}\n",
		 self->known.json, info->changes, info->changed_at, info->offset);
	EXPECT_RUN(0, self->expected, "", &self->c);
}

/* The ID is another one, and nobody was told yet. */
TEST_F_TIMEOUT(ctl, info_before_the_notify, TEST_TIMEOUT)
{
	if (!fast_device())
		SKIP(return, "a change cannot be had without its Notify");
	ASSERT_EQ(0, test_command("set"));
	ctl_run(&self->c, "info");
	EXPECT_NE(NULL, strstr(self->c.out, "\nsecrets: must wait, "));
	ctl_run(&self->c, "info --json");
	EXPECT_NE(NULL, strstr(self->c.out, "\"reseeded\":false"));
	ASSERT_EQ(0, test_command("notify"));
	ctl_run(&self->c, "info");
	EXPECT_NE(NULL, strstr(self->c.out, "\nsecrets: may be drawn, "));
}

TEST_F_TIMEOUT(ctl, terminal, TEST_TIMEOUT)
{
	setenv("TERM", "linux", 1);
	ctl_run_on_terminal(&self->c, "info");
	EXPECT_NE(NULL, strstr(self->c.out, "\033[1mgeneration  \033[0m"));
	setenv("NO_COLOR", "", 1);
	ctl_run_on_terminal(&self->c, "info");
	EXPECT_NE(NULL, strchr(self->c.out, '\033'));
	setenv("NO_COLOR", "1", 1);
	ctl_run_on_terminal(&self->c, "info");
	EXPECT_EQ(NULL, strchr(self->c.out, '\033'));
	snprintf(self->expected, sizeof(self->expected), "generation  %s\n", self->known.windows);
	EXPECT_NE(NULL, strstr(self->c.out, self->expected));
	unsetenv("NO_COLOR");
	setenv("TERM", "dumb", 1);
	ctl_run_on_terminal(&self->c, "info");
	EXPECT_EQ(NULL, strchr(self->c.out, '\033'));
}

/* ---- wait ---- */

TEST_F_TIMEOUT(ctl, wait_for_a_change, TEST_TIMEOUT)
{
	struct texts now;

	ctl_start(&self->c, "wait --format uuid");
	ctl_wait_asleep(&self->c);
	ASSERT_EQ(0, change(self, &now));
	ctl_end(&self->c);
	snprintf(self->expected, sizeof(self->expected), "%s\n", now.uuid);
	EXPECT_RUN(0, self->expected, "", &self->c);

	/* Who knows the ID before is told at once, and who knows the new one waits. */
	ctl_run(&self->c, "wait --json --from %s", self->known.windows);
	hide_time(self->c.out, self->info.changed_at);
	snprintf(self->expected, sizeof(self->expected),
		 "{%s," CHANGES "}\n", now.json, self->info.changes, self->info.changed_at);
	EXPECT_RUN(0, self->expected, "", &self->c);
	ctl_run(&self->c, "wait --from %s --timeout 0s", now.uuid);
	EXPECT_RUN(124, "", "", &self->c);
}

TEST_F_TIMEOUT(ctl, wait_ends_in_time, TEST_TIMEOUT)
{
	struct timespec begin, end;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	ctl_run(&self->c, "wait -t 50ms");
	clock_gettime(CLOCK_MONOTONIC, &end);
	EXPECT_RUN(124, "", "", &self->c);
	EXPECT_LE(50, (end.tv_sec - begin.tv_sec) * 1000 + (end.tv_nsec - begin.tv_nsec) / 1000000);
}

/* The ID has changed, and the Notify that has the kernel reseed is late, or lost. */
TEST_F_TIMEOUT(ctl, wait_for_the_reseed, TEST_TIMEOUT)
{
	if (!fast_device())
		SKIP(return, "a change cannot be had without its Notify");
	ASSERT_EQ(0, test_command("set"));
	ctl_start(&self->c, "wait --json --from %s", self->known.windows);
	ctl_wait_asleep(&self->c);
	ASSERT_EQ(0, test_command("notify"));
	ctl_end(&self->c);
	EXPECT_EQ(0, self->c.status);
	EXPECT_NE(NULL, strstr(self->c.out, "\"reseeded\":true"));

	ASSERT_EQ(0, test_command("set"));
	ctl_run(&self->c, "wait --json --from %s", self->known.windows);
	EXPECT_EQ(0, self->c.status);
	EXPECT_NE(NULL, strstr(self->c.out, "\"reseeded\":false"));
	ASSERT_EQ(0, test_command("notify"));
}

/* ---- monitor ---- */

static void expect_change(struct __test_metadata *_metadata, FIXTURE_DATA(ctl) * self,
			  const char *id)
{
	ASSERT_TRUE(ctl_line(&self->c, self->line, sizeof(self->line)));
	hide_time(self->line, self->info.changed_at);
	snprintf(self->expected, sizeof(self->expected), "%s\t%llu\tTIME\treseeded", id,
		 self->info.changes);
	EXPECT_STREQ(self->expected, self->line);
}

TEST_F_TIMEOUT(ctl, monitor, TEST_TIMEOUT)
{
	struct texts now;

	ctl_start(&self->c, "monitor --banner -n 2 -F hex");
	ASSERT_TRUE(ctl_line(&self->c, self->line, sizeof(self->line)));
	snprintf(self->expected, sizeof(self->expected),
		 "Monitoring /dev/vmgencounter, at generation %s...", self->known.hex);
	EXPECT_STREQ(self->expected, self->line);
	ASSERT_EQ(0, change(self, &now));
	expect_change(_metadata, self, now.hex);
	if (fast_device())
		ASSERT_EQ(0, spurious_notify());
	ASSERT_EQ(0, change(self, &now));
	expect_change(_metadata, self, now.hex);
	ctl_end(&self->c);
	EXPECT_RUN(0, "", "", &self->c);
}

TEST_F_TIMEOUT(ctl, monitor_json, TEST_TIMEOUT)
{
	struct texts now;

	ctl_start(&self->c, "monitor --banner --json --num-events 1");
	ASSERT_TRUE(ctl_line(&self->c, self->line, sizeof(self->line)));
	snprintf(self->expected, sizeof(self->expected), "{\"monitoring\":{%s}}",
		 self->known.json);
	EXPECT_STREQ(self->expected, self->line);
	ASSERT_EQ(0, change(self, &now));
	ctl_end(&self->c);
	hide_time(self->c.out, self->info.changed_at);
	snprintf(self->expected, sizeof(self->expected),
		 "{\"old\":{%s},\"new\":{%s}," CHANGES "}\n", self->known.json, now.json,
		 self->info.changes, self->info.changed_at);
	EXPECT_RUN(0, self->expected, "", &self->c);
}

TEST_F_TIMEOUT(ctl, monitor_ends_when_nothing_happens, TEST_TIMEOUT)
{
	ctl_run(&self->c, "monitor --idle-timeout 20ms");
	EXPECT_RUN(0, "", "", &self->c);
}

/* Whoever has ended it is told that it was a signal. */
TEST_F_TIMEOUT(ctl, monitor_ends_by_signals, TEST_TIMEOUT)
{
	static const int signals[] = { SIGINT, SIGTERM };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(signals); i++) {
		ctl_start(&self->c, "monitor");
		ctl_wait_asleep(&self->c);
		kill(self->c.pid, signals[i]);
		ctl_end(&self->c);
		EXPECT_RUN(128 + signals[i], "", "", &self->c);
	}
}

TEST_F_TIMEOUT(ctl, monitor_goes_on_after_a_stop, TEST_TIMEOUT)
{
	struct texts now;

	ctl_start(&self->c, "monitor -n 1");
	ctl_wait_asleep(&self->c);
	kill(self->c.pid, SIGSTOP);
	wait_state(self->c.pid, 'T');
	kill(self->c.pid, SIGCONT);
	ctl_wait_asleep(&self->c);
	ASSERT_EQ(0, change(self, &now));
	expect_change(_metadata, self, now.windows);
	ctl_end(&self->c);
	EXPECT_RUN(0, "", "", &self->c);
}

/* No change has to come for it to see that. */
TEST_F_TIMEOUT(ctl, monitor_ends_with_its_reader, TEST_TIMEOUT)
{
	const bool ignored[] = { false, true };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ignored); i++) {
		signal(SIGPIPE, ignored[i] ? SIG_IGN : SIG_DFL);
		ctl_start(&self->c, "monitor");
		ctl_wait_asleep(&self->c);
		close(self->c.out_fd);
		ctl_end(&self->c);
		EXPECT_RUN(ignored[i] ? 1 : 128 + SIGPIPE, "",
			   ignored[i] ? "nobody reads standard output" : "", &self->c);
	}
}

TEST_F_TIMEOUT(ctl, disk_is_full, TEST_TIMEOUT)
{
	const char *message = "cannot write to standard output: No space left on device";

	ctl_run(&self->c, "get >/dev/full");
	EXPECT_RUN(1, "", message, &self->c);
	ctl_start(&self->c, "monitor >/dev/full");
	ctl_wait_asleep(&self->c);
	ASSERT_EQ(0, new_generation());
	ctl_end(&self->c);
	EXPECT_RUN(1, "", message, &self->c);
	ctl_run(&self->c, "get >&-");
	EXPECT_RUN(1, "", "cannot write to standard output: Bad file descriptor", &self->c);
}

/* ---- who may not, and a device that is not there ---- */

TEST_F_TIMEOUT(ctl, unprivileged, TEST_TIMEOUT)
{
	ASSERT_EQ(0, setuid(NOBODY));
	ctl_run(&self->c, "get");
	snprintf(self->expected, sizeof(self->expected), "%s\n", self->known.windows);
	EXPECT_RUN(0, self->expected, "", &self->c);
	ctl_run(&self->c, "info");
	EXPECT_EQ(0, self->c.status);
	EXPECT_EQ(&self->c.out[0], strstr(self->c.out, "device: /dev/vmgencounter_id\n"));
	EXPECT_NE(NULL, strstr(self->c.out, "waiting: not by this node, "));
	EXPECT_NE(NULL, strstr(self->c.out, " PUBLIC\n"));
	ctl_run(&self->c, "wait");
	EXPECT_RUN(1, "", "adduser USER vmgencounter", &self->c);
	ctl_run(&self->c, "get --device " VMGEN_DEVICE);
	EXPECT_RUN(1, "", "Permission denied\n  root may, and the group vmgencounter", &self->c);
}

TEST_F_TIMEOUT(ctl, device_goes, TEST_TIMEOUT)
{
	char device[64];

	device_name(device, sizeof(device));
	ctl_start(&self->c, "monitor");
	ctl_wait_asleep(&self->c);
	ASSERT_EQ(0, write_text(DRIVER "/unbind", device));
	ctl_end(&self->c);
	EXPECT_RUN(1, "", "No such device\n  the device is gone", &self->c);
	ctl_run(&self->c, "get");
	EXPECT_RUN(1, "", "or its driver was unbound", &self->c);
	EXPECT_EQ(0, system("rmmod vmgencounter"));
	ctl_run(&self->c, "get");
	EXPECT_RUN(1, "", "not loaded: as root, modprobe vmgencounter", &self->c);
	/* This binds it, too. */
	EXPECT_EQ(0, system("/sbin/modprobe vmgencounter"));
	ctl_run(&self->c, "get");
	EXPECT_EQ(0, self->c.status);
}

/* As in a container. */
TEST_F_TIMEOUT(ctl, no_node, TEST_TIMEOUT)
{
	ASSERT_EQ(0, rename(VMGEN_DEVICE, VMGEN_DEVICE ".kept"));
	ASSERT_EQ(0, rename(ID_DEVICE, ID_DEVICE ".kept"));
	ctl_run(&self->c, "get");
	EXPECT_EQ(0, rename(VMGEN_DEVICE ".kept", VMGEN_DEVICE));
	EXPECT_EQ(0, rename(ID_DEVICE ".kept", ID_DEVICE));
	EXPECT_RUN(1, "", "/dev has no node\n  give this container", &self->c);
	ctl_run(&self->c, "get --device /dev/nonesuch");
	EXPECT_RUN(1, "", "/dev/nonesuch: No such file or directory\n", &self->c);
	ctl_run(&self->c, "get --device /dev/null");
	EXPECT_RUN(1, "", "that is no generation ID device", &self->c);
}

TEST_HARNESS_MAIN
