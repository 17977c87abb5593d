// SPDX-License-Identifier: GPL-2.0-only
/*
 * For tests that compare what the kernel draws in two clones: the kernel reseeds its generator
 * from what interrupts have brought, and differently in each, when half of its uptime is over
 * since the last time. This comes back right after such a time, and late enough for the next
 * one to be ten seconds away.
 *
 * Before Linux 6.2, the kernel looks at the time when somebody draws, and RNDRESEEDCRNG begins
 * a new period. Since then a work of its own comes back at the end of each period, whatever
 * else has reseeded meanwhile. That one has to be waited for, and is told by the function
 * tracer. The guest is booted with: ftrace=function ftrace_filter=crng_reseed
 */
#include <err.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include <linux/random.h>

#define UPTIME_S	20
#define TRACE		"/sys/kernel/tracing/trace"

/* How many times that work has run so far. */
static unsigned int count_works(void)
{
	FILE *trace = fopen(TRACE, "r");
	unsigned int count = 0;
	char line[256];

	if (!trace)
		err(1, TRACE);
	while (fgets(line, sizeof(line), trace))
		count += !!strstr(line, "crng_reseed <-process_one_work");
	fclose(trace);
	return count;
}

static bool kernel_has_that_work(void)
{
	int major = 0, minor = 0;
	struct utsname name;

	if (uname(&name) || sscanf(name.release, "%d.%d", &major, &minor) != 2)
		errx(1, "this kernel's version is no version");
	return major > 6 || (major == 6 && minor >= 2);
}

int main(void)
{
	int fd = open("/dev/urandom", O_RDONLY);
	struct timespec now;
	unsigned int works;

	while (!clock_gettime(CLOCK_BOOTTIME, &now) && now.tv_sec < UPTIME_S)
		sleep(1);
	works = count_works();
	if (!works && kernel_has_that_work())
		errx(1, "%s knows no crng_reseed() by a work of the kernel's", TRACE);
	while (works && count_works() == works)
		usleep(100000);
	if (fd < 0 || ioctl(fd, RNDRESEEDCRNG))
		err(1, "RNDRESEEDCRNG");
	close(fd);
	return 0;
}
