// SPDX-License-Identifier: GPL-2.0-only
/* Print the generation of this machine, and each new one, from a loop of libevent. */
#include <err.h>
#include <event2/event.h>
#include <fcntl.h>
#include <unistd.h>
#include <linux/vmgencounter.h>

static void ready(evutil_socket_t dev, short what, void *base)
{
	struct vm_gencounter id;

	if (read(dev, &id, sizeof(id)) == sizeof(id))
		dprintf(1, "ID %016llx:%016llx\n", id.generation_count, id.generation_count_high);
	if (what & EV_WRITE)	/* an error: the device is never writable */
		event_base_loopbreak(base);
}

int main(void)
{
	struct event_base *base = event_base_new();
	int dev = open("/dev/vmgencounter", O_RDONLY | O_NONBLOCK);

	if (dev < 0)
		err(1, "/dev/vmgencounter");
	event_add(event_new(base, dev, EV_READ | EV_WRITE | EV_PERSIST, ready, base), NULL);
	event_base_dispatch(base);
	errx(1, "the device is gone, or cannot notify");
}
