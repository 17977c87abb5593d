// SPDX-License-Identifier: GPL-2.0-only
/*
 * A transaction that commits in the generation in which it began, or not at all: "begin" and
 * "commit" are the lines of its input.
 *
 *	cc commit.c $(pkg-config --cflags --libs libvmgencounter)
 */
#include <err.h>
#include <stdio.h>
#include <string.h>
#include <vmgencounter.h>

int main(void)
{
	struct vmgen *vmgen = vmgen_open(NULL);
	struct vmgen_watch begun_in;
	struct vm_gencounter id;
	char line[64];

	if (!vmgen)
		err(1, "vmgencounter");
	while (fgets(line, sizeof(line), stdin)) {
		if (!strcmp(line, "begin\n")) {
			if (vmgen_get(vmgen, &id))
				err(1, "vmgencounter");
			vmgen_watch_set(vmgen, &id, &begun_in);
			puts("begun");
		} else if (!strcmp(line, "commit\n")) {
			/* here everything is written, but for the record that makes it valid */
			puts(vmgen_changed(&begun_in) ? "aborted" : "committed");
		}
		fflush(stdout);
	}
	return 0;
}
