// SPDX-License-Identifier: GPL-2.0-only
/*
 * vpci watch: blocks that the host says are no longer what they were. The node is open before
 * anything is printed, so that nothing is missed after the banner.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include <linux/vpci.h>

#include "vmgenctl.h"

/* All of a mask that is all ones: somebody else was told of some, or nobody. */
static void print_blocks(uint64_t mask, char between)
{
	const char *before = "";
	const char text[] = { between, '\0' };
	int i;

	for (i = 0; i < 64; i++) {
		if (!(mask >> i & 1))
			continue;
		printf("%s%d", before, i);
		before = text;
	}
}

static void print_mask(const char *function, unsigned long long mask, bool json)
{
	if (json) {
		printf("{\"function\":");
		print_json_string(function);
		printf(",\"mask\":\"0x%016llx\",\"blocks\":[", mask);
		print_blocks(mask, ',');
		printf("]}\n");
		return;
	}
	printf("0x%016llx\t", mask);
	if (mask == UINT64_MAX)
		printf("all");
	else
		print_blocks(mask, ' ');
	putchar('\n');
}

static void print_banner(const char *function, bool json)
{
	if (json) {
		printf("{\"watching\":");
		print_json_string(function);
		printf("}\n");
	} else {
		printf("Watching %s...\n", function);
	}
	flush_output();
}

static int take_mask(const struct function *function, uint64_t *mask)
{
	struct vpci_invalidate_block_output out = { .block_mask = 0 };
	struct devioctl_request request = {
		.out_buffer = (uintptr_t)&out, .out_size = sizeof(out),
	};
	int err = function_call(function, IOCTL_VPCI_INVALIDATE_BLOCK, &request);

	*mask = out.block_mask;
	return err;
}

static noreturn void die_watching(const struct function *function, const char *text, int err)
{
	char listener[64];

	if (err != EBUSY)
		die_function(text, err);
	read_attribute(function->name, "listener", listener, sizeof(listener));
	errx(EXIT_ERROR, "%s: the driver %s is told instead\n"
	    "  unbind it, or bind vfio-pci: programs are told then, and of what they missed",
	    text, listener);
}

int cmd_vpci_watch(const struct options *o, char **words)
{
	const bool json = o->given & HAS(JSON);
	bool banner = o->given & HAS(BANNER);
	struct function function;
	unsigned long n = 0;
	uint64_t mask;
	int err;

	open_function(&function, words[0], O_RDONLY | O_NONBLOCK);
	while (!o->num_events || n < o->num_events) {
		err = take_mask(&function, &mask);
		if (err && err != EAGAIN)
			die_watching(&function, words[0], err);
		if (banner)
			print_banner(function.name, json);
		banner = false;
		if (!err) {
			print_mask(function.name, mask, json);
			flush_output();
			n++;
		} else if (!wait_readable(function.fd, end_of(o->timeout_ms), true)) {
			break;
		}
	}
	return 0;
}
