// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nonces that no clone repeats: for each line of its input one nonce, 96 bits.
 *
 *	cc nonce.c $(pkg-config --cflags --libs libvmgencounter)
 */
#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/random.h>
#include <vmgencounter.h>

struct nonces {
	struct vmgen_watch watch;
	uint64_t prefix;	/* of this generation */
	uint32_t next;
};

/* The ID too, as the kernel may not have heard of the change yet. It is taken first. */
static void start_anew(struct vmgen *vmgen, struct nonces *n)
{
	struct vm_gencounter id;

	if (vmgen_get(vmgen, &id))
		err(1, "vmgencounter");
	if (getrandom(&n->prefix, sizeof(n->prefix), 0) != sizeof(n->prefix))
		err(1, "getrandom");
	n->prefix ^= id.generation_count ^ id.generation_count_high;
	n->next = 0;
	vmgen_watch_set(vmgen, &id, &n->watch);
}

int main(void)
{
	struct vmgen *vmgen = vmgen_open(NULL);
	struct nonces n;
	char line[64];

	if (!vmgen)
		err(1, "vmgencounter");
	start_anew(vmgen, &n);
	while (fgets(line, sizeof(line), stdin)) {
		if (vmgen_changed(&n.watch))
			start_anew(vmgen, &n);
		printf("%016llx%08x\n", (unsigned long long)n.prefix, n.next++);
		fflush(stdout);
	}
	return 0;
}
