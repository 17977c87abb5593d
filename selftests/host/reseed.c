// SPDX-License-Identifier: GPL-2.0-only
/*
 * For tests that compare what the kernel draws in two clones: the kernel reseeds its generator
 * from what interrupts have brought, and differently in each, when half of its uptime is over
 * since the last time. This has it done now, and late enough for the next time to be ten
 * seconds away.
 */
#include <err.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <linux/random.h>

#define UPTIME_S	20

int main(void)
{
	int fd = open("/dev/urandom", O_RDONLY);
	struct timespec now;

	while (!clock_gettime(CLOCK_BOOTTIME, &now) && now.tv_sec < UPTIME_S)
		sleep(1);
	if (fd < 0 || ioctl(fd, RNDRESEEDCRNG))
		err(1, "RNDRESEEDCRNG");
	close(fd);
	return 0;
}
