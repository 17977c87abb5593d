// SPDX-License-Identifier: GPL-2.0-only
/* Print the generation of this machine, and each new one, from a loop of GLib. */
#include <err.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <unistd.h>
#include <linux/vmgencounter.h>

static gboolean ready(gint dev, GIOCondition condition, gpointer data G_GNUC_UNUSED)
{
	struct vm_gencounter id;

	if (read(dev, &id, sizeof(id)) == sizeof(id))
		g_print("ID %016llx:%016llx\n", id.generation_count, id.generation_count_high);
	if (condition & (G_IO_ERR | G_IO_HUP))
		errx(1, "the device is gone, or cannot notify");
	return G_SOURCE_CONTINUE;
}

int main(void)
{
	int dev = open("/dev/vmgencounter", O_RDONLY | O_NONBLOCK);

	if (dev < 0)
		err(1, "/dev/vmgencounter");
	g_unix_fd_add(dev, G_IO_IN | G_IO_ERR | G_IO_HUP, ready, NULL);
	g_main_loop_run(g_main_loop_new(NULL, FALSE));
}
