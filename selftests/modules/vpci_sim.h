/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vpci_sim - a VMBus with a Hyper-V host behind it, without Hyper-V
 *
 * Three parts: the VMBus (vpci_sim_vmbus.c), as hv_pci sees it; the host's end of the
 * protocol (vpci_sim_host.c); and the commands by which tests have the host do things
 * (vpci_sim_control.c).
 *
 * A struct vsim_bus is one offer of the host's: a device on the bus "vmbus", with the
 * channel to hv_pci. It is freed with the last reference to the device, as VMBus does,
 * which may be long after a rescind. vsim_current is the only one that hv_pci may still
 * be told something by.
 */
#ifndef VPCI_SIM_H
#define VPCI_SIM_H

#include "vpci_vmbus.h"
#include "vpci_host.h"

#include <linux/ioport.h>
#include <linux/list.h>

/*
 * Whether the kernel tells the host IDs of requests. The others tell addresses, even
 * with messages that ask for no completion, and believe what comes back: a second answer
 * to a request of theirs is an oops.
 */
#ifdef VSIM_HAS_REQUESTOR
#define VSIM_HAS_IDS	true
#else
#define VSIM_HAS_IDS	false
#endif

#define VSIM_DOMAIN		0x1111	/* from the device's GUID */
#define VSIM_WINDOW_SIZE	0x2000	/* which function, and a page of its registers */

/* A function that the host has on a bus. */
struct vsim_function {
	bool present;
	u32 serial;
};

struct vsim_bus {
	struct hv_device hdev;
	struct vmbus_channel channel;
	struct list_head list;		/* in vsim_buses, vsim_lock */
	struct resource window;

	/* vsim_lock: */
	struct list_head packets;	/* to the guest, in the ring */
	u64 sent, taken, handled;	/* their numbers */
	unsigned int unnamed;		/* requests that there was no ID for */
	bool open;
	bool probed;			/* or tried to */
	u32 version;			/* of the protocol; 0: not agreed on */
	bool d0;
	struct vsim_function functions[256];	/* by devfn */
};

/* What comes out of the ring at the host's end. */
struct vsim_message {
	struct vsim_bus *bus;
	const void *data;
	u32 length;
	u64 trans_id;
	bool completion;		/* is asked for */
};

extern spinlock_t vsim_lock;		/* all that the host knows, and its end of the rings */
extern wait_queue_head_t vsim_wait;	/* for any change of it */
extern struct vsim_bus *vsim_current;	/* vsim_lock */
extern unsigned long vsim_window;	/* address; set before anything else runs */
extern unsigned int vsim_version;

/* ---- vpci_sim_vmbus.c ---- */

void *vsim_new_packet(u16 type, u64 trans_id, u32 length);
u64 vsim_deliver(struct vsim_bus *bus, void *payload);
struct vsim_bus *vsim_offer(void);
void vsim_withdraw(struct vsim_bus *bus);
int vsim_vmbus_init(void);
void vsim_vmbus_exit(void);

/* ---- vpci_sim_host.c; vsim_lock is held, but for the last four ---- */

__printf(2, 3) void vsim_violation(const struct vsim_message *message, const char *format, ...);
void vsim_receive(const struct vsim_message *message);
void vsim_closed(struct vsim_bus *bus);
void vsim_send_relations(struct vsim_bus *bus);
void vsim_send_eject(struct vsim_bus *bus, unsigned int devfn);
u64 vsim_send_invalidate(struct vsim_bus *bus, unsigned int devfn, u64 mask);
bool vsim_is_full(const struct vsim_message *message);
int vsim_set_how(enum vpci_host_how how, u32 argument);
void vsim_release_kept(void);
void vsim_get_counters(struct vpci_host_counters *counters);
int vsim_release_one(void);
int vsim_set_block(u32 id, const char *hex);
void vsim_free_blocks(void);

#endif
