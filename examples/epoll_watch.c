// SPDX-License-Identifier: GPL-2.0-only
/* Print the generation of this machine, and each new one, from an epoll loop. */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <linux/vmgencounter.h>

int main(void)
{
	int dev = open("/dev/vmgencounter", O_RDONLY | O_NONBLOCK);
	struct epoll_event event = { .events = EPOLLIN };
	int epoll = epoll_create1(0);
	struct vm_gencounter id;

	if (dev < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, dev, &event))
		err(1, "/dev/vmgencounter");
	for (;;) {
		if (epoll_wait(epoll, &event, 1, -1) < 1)
			continue;	/* a signal came */
		if (read(dev, &id, sizeof(id)) == sizeof(id))
			printf("generation %016llx:%016llx\n",
			       id.generation_count, id.generation_count_high);
		else if (event.events & EPOLLERR)
			errx(1, "the device is gone, or cannot notify");
		fflush(stdout);
	}
}
