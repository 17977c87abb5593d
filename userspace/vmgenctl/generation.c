// SPDX-License-Identifier: GPL-2.0-only
/*
 * get and info: the generation as it is now. Both do for every user, by /dev/vmgencounter_id.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "vmgenctl.h"

/* What @flags has, by bit, without its prefix. */
static const char * const flag_names[] = {
	"WAKEUP", "WAKEUP_AFTER_RESEED", "MMAP", "ID_UNTRUSTED", "ID_ALONE", "PUBLIC",
};

void look_at_device(struct device *device)
{
	if (vmgen_info(device->vmgen, &device->info))
		die_device(device->path, errno);
}

void open_device(struct device *device, const struct options *o)
{
	device->path = o->device ?: "/dev/vmgencounter";
	device->vmgen = vmgen_open(o->device);
	if (!device->vmgen)
		die_device(device->path, errno);
	look_at_device(device);
	if (!o->device && device->info.flags & VMGENCOUNTER_PUBLIC)
		device->path = "/dev/vmgencounter_id";
}

void warn_untrusted(const struct vmgencounter_info *info)
{
	if (info->flags & VMGENCOUNTER_ID_UNTRUSTED)
		warnx("it may be an old ID: the machine has hibernated in mode \"platform\"\n"
			 "  load the module without platform_hibernation=1, which allows that mode");
}

bool is_reseeded(const struct vmgencounter_info *info)
{
	return info->reseeded == info->changes;
}

void print_id(const struct vm_gencounter *id, unsigned int format)
{
	const uint64_t halves[] = { id->generation_count, id->generation_count_high };
	char text[64];
	int i;

	if (format != FORMAT_RAW) {
		vmgen_format(id, format, text, sizeof(text));
		fputs(text, stdout);
		return;
	}
	for (i = 0; i < 16; i++)
		putchar(halves[i / 8] >> 8 * (i % 8) & 0xff);
}

void print_json_id(const struct vm_gencounter *id)
{
	printf("\"windows\":\"");
	print_id(id, VMGEN_FORMAT_WINDOWS);
	printf("\",\"uuid\":\"");
	print_id(id, VMGEN_FORMAT_GUID);
	printf("\",\"hex\":\"");
	print_id(id, VMGEN_FORMAT_HEX);
	putchar('"');
}

int cmd_get(const struct options *o, char **words)
{
	struct device device;

	(void)words;
	open_device(&device, o);
	if (o->given & HAS(JSON)) {
		putchar('{');
		print_json_id(&device.info.id);
		putchar('}');
	} else {
		print_id(&device.info.id, o->format);
	}
	if (o->given & HAS(JSON) || o->format != FORMAT_RAW)
		putchar('\n');
	warn_untrusted(&device.info);
	vmgen_close(device.vmgen);
	return 0;
}

static int64_t nanoseconds(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

time_t changed_at(const struct vmgencounter_info *info)
{
	int64_t age = nanoseconds(CLOCK_BOOTTIME) - info->changed_at;

	return info->changed_at ? (nanoseconds(CLOCK_REALTIME) - age) / 1000000000 : 0;
}

void format_changed_at(const struct vmgencounter_info *info, char text[TIME_SIZE])
{
	time_t at = changed_at(info);
	struct tm tm;

	if (!at || !gmtime_r(&at, &tm) ||
	    !strftime(text, TIME_SIZE, "%Y-%m-%dT%H:%M:%SZ", &tm))
		snprintf(text, TIME_SIZE, "-");
}

void print_json_changes(const struct vmgencounter_info *info)
{
	char at[TIME_SIZE];

	format_changed_at(info, at);
	printf("\"changes\":%llu,\"changed_at_ns\":", info->changes);
	if (info->changed_at)
		printf("%llu,\"changed_at\":\"%s\"", info->changed_at, at);
	else
		printf("null,\"changed_at\":null");
	printf(",\"reseeded\":%s", is_reseeded(info) ? "true" : "false");
}

static void print_flags(uint32_t flags, const char *quote, const char *between)
{
	const char *before = "";
	unsigned int i;

	for (i = 0; i < 32; i++) {
		if (!(flags & 1U << i))
			continue;
		if (i < ARRAY_SIZE(flag_names))
			printf("%s%s%s%s", before, quote, flag_names[i], quote);
		else
			printf("%s%s0x%x%s", before, quote, 1U << i, quote);
		before = between;
	}
}

static void print_json_info(const struct vmgencounter_info *info)
{
	putchar('{');
	print_json_id(&info->id);
	putchar(',');
	print_json_changes(info);
	printf(",\"offset\":");
	if (info->flags & VMGENCOUNTER_MMAP)
		printf("%u", info->offset);
	else
		printf("null");
	printf(",\"flags\":[");
	print_flags(info->flags, "\"", ",");
	printf("]}\n");
}

static void begin_field(const char *name)
{
	if (on_terminal())
		printf("%s%-12s%s", style(BOLD), name, style(PLAIN));
	else
		printf("%s: ", name);
}

static void print_field(const char *name, enum style of, const char *format, ...)
{
	va_list args;

	begin_field(name);
	fputs(style(of), stdout);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("%s\n", style(PLAIN));
}

static const char *how_to_wait(uint32_t flags)
{
	if (flags & VMGENCOUNTER_PUBLIC)
		return "not by this node, which is for every user";
	if (!(flags & VMGENCOUNTER_WAKEUP))
		return "not possible, as the kernel does not hear of changes";
	if (!(flags & VMGENCOUNTER_WAKEUP_AFTER_RESEED))
		return "ends before secrets may be drawn, by up to a minute";
	return "ends once secrets may be drawn";
}

static void print_words(const struct vmgencounter_info *info)
{
	const uint32_t flags = info->flags;

	if (is_reseeded(info))
		print_field("secrets", GOOD, "may be drawn, the kernel's generator is reseeded");
	else
		print_field("secrets", BAD, "must wait, the kernel's generator is not reseeded");
	print_field("waiting", PLAIN, "%s", how_to_wait(flags));
	if (flags & VMGENCOUNTER_MMAP)
		print_field("mapping", PLAIN, "ID at 0x%x of the page", info->offset);
	else
		print_field("mapping", PLAIN, "not possible");
	print_field("trusted", flags & VMGENCOUNTER_ID_UNTRUSTED ? BAD : PLAIN, "%s",
		    flags & VMGENCOUNTER_ID_UNTRUSTED ? "no, it may be an old ID" : "yes");
}

static void print_info(const struct device *device)
{
	char text[64], at[TIME_SIZE];

	print_field("device", PLAIN, "%s", device->path);
	vmgen_format(&device->info.id, VMGEN_FORMAT_WINDOWS, text, sizeof(text));
	print_field("generation", PLAIN, "%s", text);
	vmgen_format(&device->info.id, VMGEN_FORMAT_GUID, text, sizeof(text));
	print_field("uuid", PLAIN, "%s", text);
	print_field("changes", PLAIN, "%llu", device->info.changes);
	format_changed_at(&device->info, at);
	print_field("changed at", PLAIN, "%s", at);
	print_words(&device->info);
	begin_field("flags");
	print_flags(device->info.flags, "", " ");
	putchar('\n');
}

int cmd_info(const struct options *o, char **words)
{
	struct device device;

	(void)words;
	if (o->given & HAS(JSON) && o->given & HAS(OPENMETRICS))
		die_usage("it takes --json or --openmetrics, not both");
	open_device(&device, o);
	if (o->given & HAS(JSON))
		print_json_info(&device.info);
	else if (o->given & HAS(OPENMETRICS))
		print_metrics(&device.info);
	else
		print_info(&device);
	warn_untrusted(&device.info);
	vmgen_close(device.vmgen);
	return 0;
}
