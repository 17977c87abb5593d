// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the calls of /dev/vmgencounter cost, and calls of other devices beside them:
 *
 *	call_bench		prints "count CALL INSTRUCTIONS" for each call
 *	call_bench CALL		makes that one TRACED times, while the kernel traces
 *
 * The processor's time stamp counter counts instructions where QEMU runs with -icount
 * shift=0; a loop of known length shows whether it does. selftests/host/bench_test
 * has the limits. An interrupt may hit any call, so the median is what counts.
 */
#include <err.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>

#include "vmgen_helpers.h"

#define SAMPLES		1001
#define TRACED		1000
#define LOOPS		500
#define ADDRESS(x)	((long)&(x))
#define READ		IOCTL_VMGENCOUNTER_READ
#define VMCLOCK		"/dev/vmclock0"

/* File descriptors. */
enum { DEVICE = 10, EVENT, TERMINAL };

struct call {
	const char *name;
	long number;		/* of the system call */
	long args[3];
	long result;
	const char *path;	/* of args[0], which is opened anew for each call */
	bool fed;		/* args[0] is an eventfd, which is written before each call */
};

static uint8_t record[256];
static struct vm_gencounter id;
static const struct vm_gencounter stale;
static struct vmgencounter_info info;
static struct devioctl_request polling, behind, waiting;
static struct pollfd ours = { .fd = DEVICE, .events = POLLIN };
static struct pollfd theirs = { .fd = EVENT, .events = POLLIN };

static struct call calls[] = {
	{ "read", SYS_read, { 0, ADDRESS(record), 16 }, .result = 16, .path = VMGEN_DEVICE },
	{ "eventfd-read", SYS_read, { EVENT, ADDRESS(record), 8 }, .result = 8, .fed = true },
	{ "vmclock-read", SYS_read, { 0, ADDRESS(record), 16 }, .result = 16, .path = VMCLOCK },
	{ "eagain", SYS_read, { DEVICE, ADDRESS(record), 16 }, .result = -EAGAIN },
	{ "eventfd-eagain", SYS_read, { EVENT, ADDRESS(record), 8 }, .result = -EAGAIN },
	{ "poll", SYS_poll, { ADDRESS(ours), 1 }, .result = 0 },
	{ "eventfd-poll", SYS_poll, { ADDRESS(theirs), 1 }, .result = 0 },
	{ "ioctl", SYS_ioctl, { DEVICE, READ, ADDRESS(polling) }, .result = 0 },
	{ "event-ioctl", SYS_ioctl, { DEVICE, READ, ADDRESS(behind) }, .result = 0 },
	{ "eagain-ioctl", SYS_ioctl, { DEVICE, READ, ADDRESS(waiting) }, .result = -EAGAIN },
	{ "tcgets", SYS_ioctl, { TERMINAL, TCGETS, ADDRESS(record) }, .result = 0 },
	{ "info", SYS_ioctl, { DEVICE, VMGENCOUNTER_GET_INFO, ADDRESS(info) }, .result = 0 },
	/* where nothing is mapped */
	{ "munmap", SYS_munmap, { 0x10000, 0x1000 }, .result = 0 },
};

static uint64_t overhead;	/* of a measurement */

static inline uint64_t now(void)
{
	uint32_t low, high;

	asm volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

static uint64_t sample_nothing(struct call *c)
{
	uint64_t begin = now();

	(void)c;
	return now() - begin;
}

/* Of two instructions for each time. */
static uint64_t sample_loop(struct call *c)
{
	uint64_t begin, end;
	long n = LOOPS;

	(void)c;
	begin = now();
	asm volatile("1: dec %0\n\tjnz 1b" : "+r"(n));
	end = now();
	return end - begin;
}

static uint64_t sample_call(struct call *c)
{
	uint64_t begin, end;
	long result;

	if (c->path)
		c->args[0] = open(c->path, O_RDONLY | O_CLOEXEC);
	if (c->fed && eventfd_write(c->args[0], 1))
		err(1, "eventfd");
	begin = now();
	asm volatile("syscall"
		     : "=a"(result)
		     : "0"(c->number), "D"(c->args[0]), "S"(c->args[1]), "d"(c->args[2])
		     : "rcx", "r11", "memory");
	end = now();
	if (result != c->result)
		errx(1, "%s: the result is %ld", c->name, result);
	if (c->path)
		close(c->args[0]);
	return end - begin;
}

static int compare(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static uint64_t median(uint64_t (*sample)(struct call *c), struct call *c)
{
	static uint64_t samples[SAMPLES];
	int i;

	for (i = 0; i < SAMPLES; i++)
		samples[i] = sample(c);
	qsort(samples, SAMPLES, sizeof(samples[0]), compare);
	return samples[SAMPLES / 2];
}

static void show(const char *name, uint64_t count)
{
	printf("count %s %llu\n", name, (unsigned long long)(count - overhead));
}

/* Once before, so that each page is there which the call touches. */
static void trace(struct call *c)
{
	const char *file = "/sys/kernel/tracing/tracing_on";
	int i;

	sample_call(c);
	if (write_text(file, "1"))
		errx(1, "%s cannot be written", file);
	for (i = 0; i < TRACED; i++)
		sample_call(c);
	write_text(file, "0");
}

static void place(int fd, int number)
{
	if (dup2(fd, number) != number)
		err(1, "file descriptor %d", number);
	close(fd);
}

/* Once the ID was read, nothing is left to read. */
static void open_files(void)
{
	int pty = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (unlockpt(pty))
		err(1, "pty");
	place(open(ptsname(pty), O_RDWR | O_NOCTTY | O_CLOEXEC), TERMINAL);
	place(eventfd(0, EFD_NONBLOCK), EVENT);
	place(open(VMGEN_DEVICE, O_RDWR | O_NONBLOCK | O_CLOEXEC), DEVICE);
	errno = current_id(DEVICE, &id);
	if (errno)
		err(1, VMGEN_DEVICE);
	fill_request(&polling, NULL, 0, &id, sizeof(id));
	fill_request(&behind, &stale, sizeof(stale), &id, sizeof(id));
	fill_request(&waiting, &id, sizeof(id), &id, sizeof(id));
}

/* Not every machine has a vmclock. */
static void measure_all(void)
{
	size_t i;

	overhead = median(sample_nothing, NULL);
	show("loop", median(sample_loop, NULL));
	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		if (!calls[i].path || !access(calls[i].path, R_OK))
			show(calls[i].name, median(sample_call, &calls[i]));
	}
}

int main(int argc, char **argv)
{
	size_t i;

	open_files();
	if (argc < 2) {
		measure_all();
		return 0;
	}
	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		if (!strcmp(calls[i].name, argv[1])) {
			trace(&calls[i]);
			return 0;
		}
	}
	errx(2, "there is no call '%s'", argv[1]);
}
