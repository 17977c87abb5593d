// SPDX-License-Identifier: GPL-2.0-only
/* Print the generation of this machine, and each new one, from a loop of libuv. */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
#include <uv.h>
#include <linux/vmgencounter.h>

static void ready(uv_poll_t *poll, int error, int events)
{
	struct vm_gencounter id;

	if (read(*(int *)poll->data, &id, sizeof(id)) == sizeof(id))
		dprintf(1, "ID %016llx:%016llx\n", id.generation_count, id.generation_count_high);
	if (error || !(events & UV_READABLE))
		errx(1, "the device is gone, or cannot notify");
}

int main(void)
{
	int dev = open("/dev/vmgencounter", O_RDONLY | O_NONBLOCK);
	uv_poll_t poll = { .data = &dev };

	if (dev < 0 || uv_poll_init(uv_default_loop(), &poll, dev))
		err(1, "/dev/vmgencounter");
	uv_poll_start(&poll, UV_READABLE, ready);
	return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}
