// SPDX-License-Identifier: GPL-2.0-only
/*
 * wait and monitor: changes as they come. None is missed, as each look compares with what was
 * told last, and poll() returns at once if the ID is another one by then.
 *
 * Nothing here catches a signal. What was printed are whole lines, so that to end by SIGINT
 * or SIGTERM leaves nothing to be cleaned up, and tells the caller why it ended.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "vmgenctl.h"

#define RESEED_MS	3000

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

/* The millisecond that has begun does not count, so that no wait is too short. */
int64_t end_of(int64_t timeout_ms)
{
	return timeout_ms == FOREVER ? FOREVER : now_ms() + timeout_ms + !!timeout_ms;
}

static int left_until(int64_t end)
{
	int64_t left;

	if (end == FOREVER)
		return -1;
	left = end - now_ms();
	return left < 0 ? 0 : left > INT_MAX ? INT_MAX : left;
}

/* As a write would tell, were there something to write. */
static noreturn void die_unread(void)
{
	raise(SIGPIPE);
	errx(EXIT_ERROR, "nobody reads standard output any more");
}

bool wait_readable(int fd, int64_t end, bool stdout_too)
{
	struct pollfd p[] = {
		{ .fd = fd, .events = POLLIN },
		{ .fd = STDOUT_FILENO },
	};

	do {
		if (poll(p, stdout_too ? 2 : 1, left_until(end)) < 0) {
			if (errno != EINTR)
				err(EXIT_ERROR, "poll");
			continue;	/* it was stopped and goes on */
		}
		if (p[0].revents)
			return true;
		if (stdout_too && p[1].revents & (POLLERR | POLLHUP))
			die_unread();
	} while (left_until(end));
	return false;
}

static bool same_id(const struct vm_gencounter *a, const struct vm_gencounter *b)
{
	return a->generation_count == b->generation_count &&
	       a->generation_count_high == b->generation_count_high;
}

void watch_open(struct watch *watch, const struct options *o, bool stdout_too)
{
	struct vmgencounter_info *info = &watch->device.info;

	open_device(&watch->device, o);
	if (!(info->flags & VMGENCOUNTER_WAKEUP))
		die_cannot_wait(watch->device.path, info->flags & VMGENCOUNTER_PUBLIC);
	if (o->given & HAS(FROM))
		info->id = o->from;
	watch->stdout_too = stdout_too;
}

/*
 * Who finds the new ID without having slept can be ahead of the reseed, by a moment where the
 * hypervisor's Notify is on its way, and for good where that is lost.
 */
static void wait_for_reseed(struct device *device)
{
	const int64_t end = end_of(RESEED_MS);

	while (device->info.flags & VMGENCOUNTER_WAKEUP_AFTER_RESEED &&
	       !is_reseeded(&device->info) && left_until(end)) {
		poll(NULL, 0, 1);
		look_at_device(device);
	}
}

/*
 * vmgen_wait() is for what it takes: poll() then tells of what comes after that alone. Whether
 * something has come, @changes tells, too, where a resume counts as a change of an ID that is
 * the same.
 */
bool watch_next(struct watch *watch, int64_t end)
{
	const struct vmgencounter_info before = watch->device.info;
	struct vmgencounter_info *now = &watch->device.info;
	struct vm_gencounter id;
	int ret;

	for (;;) {
		ret = vmgen_wait(watch->device.vmgen, &before.id, &id, 0);
		if (ret < 0 && errno == EOPNOTSUPP)
			die_cannot_wait(watch->device.path, false);
		if (ret < 0)
			die_device(watch->device.path, errno);
		look_at_device(&watch->device);
		if (!same_id(&now->id, &before.id) || now->changes != before.changes) {
			wait_for_reseed(&watch->device);
			watch->old = before.id;
			return true;
		}
		if (!wait_readable(vmgen_fd(watch->device.vmgen), end, watch->stdout_too))
			return false;
	}
}

static void print_generation(const struct vmgencounter_info *info, bool json, unsigned int format)
{
	if (json) {
		putchar('{');
		print_json_id(&info->id);
		putchar(',');
		print_json_changes(info);
		printf("}\n");
		return;
	}
	print_id(&info->id, format);
	if (format != FORMAT_RAW)
		putchar('\n');
}

int cmd_wait(const struct options *o, char **words)
{
	struct watch watch;

	(void)words;
	watch_open(&watch, o, true);
	if (!watch_next(&watch, end_of(o->timeout_ms)))
		return EXIT_TIMED_OUT;
	print_generation(&watch.device.info, o->given & HAS(JSON), o->format);
	warn_untrusted(&watch.device.info);
	vmgen_close(watch.device.vmgen);
	return 0;
}

static void print_change(const struct watch *watch, const struct options *o)
{
	const struct vmgencounter_info *info = &watch->device.info;
	char at[TIME_SIZE];

	if (o->given & HAS(JSON)) {
		printf("{\"old\":{");
		print_json_id(&watch->old);
		printf("},\"new\":{");
		print_json_id(&info->id);
		printf("},");
		print_json_changes(info);
		printf("}\n");
		return;
	}
	format_changed_at(info, at);
	print_id(&info->id, o->format);
	printf("\t%llu\t%s\t%s%s%s\n", info->changes, at,
	       style(is_reseeded(info) ? GOOD : BAD),
	       is_reseeded(info) ? "reseeded" : "not-reseeded", style(PLAIN));
}

/* Whoever reads it knows that each later change gets a line. */
static void print_banner(const struct watch *watch, const struct options *o)
{
	if (o->given & HAS(JSON)) {
		printf("{\"monitoring\":{");
		print_json_id(&watch->device.info.id);
		printf("}}\n");
	} else {
		printf("Monitoring %s, at generation ", watch->device.path);
		print_id(&watch->device.info.id, o->format);
		printf("...\n");
	}
	flush_output();
}

int cmd_monitor(const struct options *o, char **words)
{
	struct watch watch;
	unsigned long n;

	(void)words;
	if (o->format == FORMAT_RAW)
		die_usage("lines have no --format raw");
	watch_open(&watch, o, true);
	if (o->given & HAS(BANNER))
		print_banner(&watch, o);
	for (n = 0; !o->num_events || n < o->num_events; n++) {
		if (!watch_next(&watch, end_of(o->timeout_ms)))
			break;
		print_change(&watch, o);
		flush_output();
		warn_untrusted(&watch.device.info);
	}
	vmgen_close(watch.device.vmgen);
	return 0;
}
