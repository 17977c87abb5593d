// SPDX-License-Identifier: GPL-2.0-only
/*
 * vpci_sim - play a Hyper-V host for the kernel's own hv_pci
 *
 * Load this, then vpci_hv_pci: Debian's pci-hyperv.c with this instead of VMBus, or any
 * other hv_pci built with vpci_vmbus.h. (The module of that name needs Hyper-V.) There
 * is a bus then with the function 00.0, and all that hv_pci and the host say to each
 * other has the form that it has on Hyper-V. Configuration space is memory that the
 * guest must leave alone, by memmap= or mem= on its command line: see "window".
 *
 * Commands, written to /dev/vpci_host, each finished when write() returns. What "add",
 * "eject", "invalidate" and "wait" wait for has 100 s (ETIME).
 *
 *	add DD.F		hot-add a function (slot and function in hex)
 *	eject DD.F		have the guest eject it
 *	rescind			the whole bus goes, and with it the channel
 *	plug			a new bus, with the function 00.0; none, and EADDRINUSE, if it
 *				is not in the domain that it always has, as something of the
 *				last bus is still there
 *	block ID HEX		what the block ID has; no HEX: there is none
 *	answer ok		how the next requests are answered
 *	answer never		... when told to
 *	answer status HEX	... with a failing status
 *	answer short N		... with the first N bytes
 *	answer long N		... with N bytes more than were asked for
 *	answer twice		... and at once the same once more
 *	answer again		... and the same once more when told to
 *	answer runt		... with a packet that ends where the status would begin,
 *				and properly when told to
 *	answer full		... not at all: there is no room for them in the ring
 *	release			answer what was kept by "never", "again" or "runt"
 *	release one		answer the first of it; the next ones are kept as before
 *	invalidate DD.F MASK	blocks, by a hex mask
 *	wait N			until N requests have come since this was loaded
 *
 * There is no "answer empty": VMBus' packets are multiples of eight bytes long, and the
 * status ends in the middle. hv_pci takes what follows, up to 7 bytes, for data. So an
 * answer without data has 4 bytes, and generally N bytes are 4, 12, 20 and so on.
 *
 * read() gives a line of counters. "errors" has messages that were not as they have to be.
 */

#include "vpci_sim.h"

#include <linux/io.h>
#include <linux/mutex.h>

#define VSIM_REGISTERS		0x1000	/* their place in the window */

unsigned long vsim_window = IS_ENABLED(CONFIG_ARM64) ? 0x60010000 : 0x10010000;
module_param_named(window, vsim_window, ulong, 0400);
MODULE_PARM_DESC(window, "address of 8 KB that are no RAM of the guest's");

unsigned int vsim_version = 0x10004;
module_param_named(version, vsim_version, uint, 0400);
MODULE_PARM_DESC(version, "newest version of the protocol, 0x10001 to 0x10004");

static DEFINE_MUTEX(vsim_topology);	/* adding and removing; outside of vsim_lock */

#define vsim_await(condition)	vpci_host_await(vsim_wait, condition)

static void vsim_copy_counters(struct vpci_host_counters *counters)
{
	spin_lock_irq(&vsim_lock);
	vsim_get_counters(counters);
	spin_unlock_irq(&vsim_lock);
}

static unsigned int vsim_requests(void)
{
	struct vpci_host_counters counters;

	vsim_copy_counters(&counters);
	return counters.reads + counters.writes;
}

/* ---- configuration space ---- */

/* hv_pci itself answers for the IDs and the class. There may be many in a slot. */
static int vsim_fill_window(void)
{
	void __iomem *window;

	if (region_intersects(vsim_window, VSIM_WINDOW_SIZE, IORESOURCE_SYSTEM_RAM,
			      IORES_DESC_NONE) != REGION_DISJOINT) {
		pr_err("vpci_sim: %#lx is RAM; boot with memmap=8K$%#lx\n",
		       vsim_window, vsim_window);
		return -EBUSY;
	}
	window = ioremap(vsim_window, VSIM_WINDOW_SIZE);
	if (!window)
		return -ENOMEM;
	memset_io(window, 0, VSIM_WINDOW_SIZE);
	writeb(PCI_HEADER_TYPE_NORMAL | 1 << 7, window + VSIM_REGISTERS + PCI_HEADER_TYPE);
	iounmap(window);
	return 0;
}

/* ---- buses and functions; vsim_topology is held ---- */

static bool vsim_is_visible(unsigned int devfn)
{
	struct pci_dev *pdev = pci_get_domain_bus_and_slot(VSIM_DOMAIN, 0, devfn);

	pci_dev_put(pdev);
	return pdev;
}

static int vsim_rescind(void)
{
	struct vsim_bus *bus = vsim_current;

	if (!bus)
		return -ENODEV;
	spin_lock_irq(&vsim_lock);
	vsim_current = NULL;
	spin_unlock_irq(&vsim_lock);
	vsim_withdraw(bus);
	return 0;
}

static int vsim_plug(void)
{
	struct vsim_bus *bus;
	int ret;

	if (vsim_current)
		return -EEXIST;
	ret = vsim_fill_window();
	if (ret)
		return ret;
	bus = vsim_offer();
	if (IS_ERR(bus))
		return PTR_ERR(bus);
	spin_lock_irq(&vsim_lock);
	vsim_current = bus;
	spin_unlock_irq(&vsim_lock);
	if (!bus->probed)
		return 0;
	if (!bus->d0)
		return -ENODEV;
	if (vsim_is_visible(0))
		return 0;
	vsim_rescind();
	return -EADDRINUSE;
}

/* hv_pci lets no driver bind to what it has added; a rescan of the bus would. */
static void vsim_let_drivers_bind(void)
{
	struct pci_bus *bus;

	pci_lock_rescan_remove();
	bus = pci_find_bus(VSIM_DOMAIN, 0);
	if (bus)
		pci_bus_add_devices(bus);
	pci_unlock_rescan_remove();
}

/* hv_pci may have no ID left to ask for a function's resources by. */
static bool vsim_is_taken(unsigned int devfn, unsigned int unnamed)
{
	return vsim_is_visible(devfn) || READ_ONCE(vsim_current->unnamed) != unnamed;
}

static u32 vsim_serial = 1;	/* vsim_lock: the last one */

static int vsim_add(unsigned int devfn)
{
	unsigned int unnamed = 0;
	int ret = 0;

	spin_lock_irq(&vsim_lock);
	if (!vsim_current || !vsim_current->d0) {
		ret = -ENODEV;
	} else if (vsim_current->functions[devfn].present) {
		ret = -EEXIST;
	} else if (PCI_FUNC(devfn) && !vsim_current->functions[devfn & ~7].present) {
		ret = -EINVAL;		/* which no operating system would find */
	} else {
		vsim_current->functions[devfn].serial = ++vsim_serial;
		vsim_current->functions[devfn].present = true;
		unnamed = vsim_current->unnamed;
		vsim_send_relations(vsim_current);
	}
	spin_unlock_irq(&vsim_lock);
	if (ret)
		return ret;
	ret = vsim_await(vsim_is_taken(devfn, unnamed));
	if (ret)
		return ret;
	if (!vsim_is_visible(devfn))
		return -EAGAIN;
	vsim_let_drivers_bind();
	return 0;
}

static bool vsim_has(unsigned int devfn)
{
	bool present;

	spin_lock_irq(&vsim_lock);
	present = vsim_current && vsim_current->functions[devfn].present;
	spin_unlock_irq(&vsim_lock);
	return present;
}

static int vsim_eject(unsigned int devfn)
{
	int ret = 0;

	spin_lock_irq(&vsim_lock);
	if (vsim_current && vsim_current->d0 && vsim_current->functions[devfn].present)
		vsim_send_eject(vsim_current, devfn);
	else
		ret = -ENODEV;
	spin_unlock_irq(&vsim_lock);
	return ret ?: vsim_await(!vsim_has(devfn));
}

/* hv_pci is done when the slot that is named after the old serial has gone. */
static int vsim_replace(unsigned int devfn)
{
	int ret = 0;

	spin_lock_irq(&vsim_lock);
	if (vsim_current && vsim_current->d0 && vsim_current->functions[devfn].present) {
		vsim_current->functions[devfn].serial = ++vsim_serial;
		vsim_send_relations(vsim_current);
	} else {
		ret = -ENODEV;
	}
	spin_unlock_irq(&vsim_lock);
	return ret;
}

static bool vsim_has_handled(u64 number)
{
	bool handled;

	spin_lock_irq(&vsim_lock);
	handled = !vsim_current || !vsim_current->open || vsim_current->handled >= number;
	spin_unlock_irq(&vsim_lock);
	return handled;
}

static int vsim_invalidate(unsigned int devfn, u64 mask)
{
	u64 number = 0;
	int ret = 0;

	spin_lock_irq(&vsim_lock);
	if (vsim_current && vsim_current->d0 && vsim_current->functions[devfn].present)
		number = vsim_send_invalidate(vsim_current, devfn, mask);
	else
		ret = -ENODEV;
	spin_unlock_irq(&vsim_lock);
	return ret ?: vsim_await(vsim_has_handled(number));
}

static int vsim_topology_command(const char *line)
{
	u64 mask;
	int devfn;

	if (!strcmp(line, "rescind"))
		return vsim_rescind();
	if (!strcmp(line, "plug"))
		return vsim_plug();
	if (strstarts(line, "add "))
		return vpci_host_for_function(line + strlen("add "), vsim_add);
	if (strstarts(line, "eject "))
		return vpci_host_for_function(line + strlen("eject "), vsim_eject);
	if (strstarts(line, "replace "))
		return vpci_host_for_function(line + strlen("replace "), vsim_replace);
	if (strstarts(line, "invalidate ")) {
		devfn = vpci_host_parse_function(line + strlen("invalidate "), &mask);
		return devfn < 0 ? devfn : vsim_invalidate(devfn, mask);
	}
	return -EINVAL;
}

/* ---- answers ---- */

static int vsim_answer_command(const char *words)
{
	u32 argument;
	int how = vpci_host_parse_how(words, &argument);

	if (how < 0)
		return how;
	if (how == HOST_EMPTY || (!VSIM_HAS_IDS && (how == HOST_TWICE || how == HOST_AGAIN)))
		return -EOPNOTSUPP;
	return vsim_set_how(how, argument);
}

/* ---- the device ---- */

static int vsim_command(const char *line)
{
	unsigned int number;
	int at = 0, ret;

	if (!strcmp(line, "release one"))
		return vsim_release_one();
	if (sscanf(line, "block %i%n", &number, &at) == 1)
		return vsim_set_block(number, skip_spaces(line + at));
	if (strstarts(line, "answer "))
		return vsim_answer_command(line + strlen("answer "));
	if (sscanf(line, "wait %u", &number) == 1)
		return vsim_await(vsim_requests() >= number);
	if (!strcmp(line, "release")) {
		spin_lock_irq(&vsim_lock);
		vsim_release_kept();
		spin_unlock_irq(&vsim_lock);
		return 0;
	}
	ret = mutex_lock_killable(&vsim_topology);
	if (ret)
		return ret;
	ret = vsim_topology_command(line);
	mutex_unlock(&vsim_topology);
	return ret;
}

static struct vpci_host vsim_host = {
	.command	= vsim_command,
	.get_counters	= vsim_copy_counters,
};

/* ---- coming and going ---- */

/* After everybody else: then the function has all that others give it. */
static int vsim_notified(struct notifier_block *block, unsigned long event, void *dev)
{
	if (event == BUS_NOTIFY_ADD_DEVICE)
		wake_up_all(&vsim_wait);
	return NOTIFY_DONE;
}

static struct notifier_block vsim_notifier = {
	.notifier_call	= vsim_notified,
	.priority	= INT_MIN,
};

static int __init vsim_init(void)
{
	int ret = vsim_vmbus_init();

	if (ret)
		return ret;
	ret = bus_register_notifier(&pci_bus_type, &vsim_notifier);
	if (ret)
		goto exit_vmbus;
	ret = vsim_plug();
	if (ret)
		goto unregister_notifier;
	ret = vpci_host_register(&vsim_host);
	if (ret)
		goto rescind;
	return 0;
rescind:
	vsim_rescind();
unregister_notifier:
	bus_unregister_notifier(&pci_bus_type, &vsim_notifier);
exit_vmbus:
	vsim_vmbus_exit();
	return ret;
}

static void __exit vsim_exit(void)
{
	misc_deregister(&vsim_host.misc);
	vsim_rescind();
	bus_unregister_notifier(&pci_bus_type, &vsim_notifier);
	vsim_vmbus_exit();
	vsim_free_blocks();
}

module_init(vsim_init);
module_exit(vsim_exit);

MODULE_DESCRIPTION("Test only: plays the Hyper-V host for the kernel's own hv_pci");
MODULE_LICENSE("GPL");
