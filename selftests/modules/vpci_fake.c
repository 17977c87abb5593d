// SPDX-License-Identifier: GPL-2.0-only
/*
 * vpci_fake - a Hyper-V host's PCI bus and its configuration blocks, without Hyper-V
 *
 * Stands in for hv_pci: the bus "vmbus" and a driver "hv_pci" on it, a root bus of
 * PCI functions below each of its devices, and hvpci_block_ops, through which
 * hyperv_read_cfg_blk() and the like come here. It waits for the host as hv_pci does
 * (uninterruptibly, until the answer or a rescind), and what hv_pci would find
 * freed is here marked as such and complained about.
 *
 * Commands, written to /dev/vpci_host, each finished when write() returns:
 *
 *	add DD.F		hot-add a function (slot and function in hex)
 *	eject DD.F		remove it, politely
 *	replace DD.F		there is another one in its place, which the PCI bus does not
 *				see: hv_pci has forgotten who listens
 *	rescind			the whole bus goes, and requests fail
 *	plug			a new bus, with the function 00.0
 *	other plug		one more bus, in domain 0x1112, with the function 00.0; what
 *				there is of blocks, answers and requests is about both, and
 *				all else that does not say "other" about the first
 *	other rescind		it goes
 *	lose			hv_pci fails to resume: its channel is closed, and when it
 *				is unbound, it leaves its functions behind. If it is bound
 *				again, it has a new channel, and none of them
 *	stall			hv_pci's removal, the next time, until told to go on
 *	wait stalled		... until it is
 *	go on
 *	strangers come		more root buses, each below a device that is not hv_pci's
 *				on vmbus, but almost; in domains from 0x2220 on
 *	strangers go		all of them
 *	block ID HEX		what the block ID has; no HEX: there is none
 *	answer ok		how the next requests are answered
 *	answer never		... when told to
 *	answer status HEX	... with a failing status
 *	answer empty		... with no data
 *	answer full		... not at all: VMBus has no room for them
 *	answer short N		... with the first N bytes
 *	answer long N		... with N bytes more than were asked for
 *	release			answer what was kept by "never"
 *	release slowly		the same, and for a second nobody notices
 *	release one		answer the first of them; the next ones are kept
 *	invalidate DD.F MASK	blocks, by a hex mask
 *	invalidate slowly DD.F MASK
 *				... in a moment in which the listener changes, if that
 *				can be had within 100 ms
 *	wait N			until N requests have come since this was loaded, for 100 s
 *
 * read() gives a line of counters. "errors" has what the module under test must not do.
 *
 * Buses are kept until this module goes, with their memory; so a request that outlives
 * its bus finds it, and so do checks.
 */

#include "vpci_host.h"

#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/device.h>
#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/pci-ecam.h>

#define FAKE_DOMAIN		0x1111
#define FAKE_OTHER_DOMAIN	0x1112
#define FAKE_STRANGE_DOMAIN	0x2220
#define FAKE_ID			0x101815b3	/* device and vendor: a ConnectX's VF */
#define FAKE_CLASS		0x02000000	/* an Ethernet controller */
#define FAKE_STATUS		0xc0000001	/* STATUS_UNSUCCESSFUL */
#define FAKE_SLOW_MS		100

/* What hv_pci has there, and the architecture expects. */
#ifdef CONFIG_X86
#define fake_sysdata	struct pci_sysdata
#else
#define fake_sysdata	struct pci_config_window
#endif

struct fake_function {
	bool present;			/* by fake_topology */
	u16 command;
	/* written with fake_lock: the one listener */
	void (*invalidate)(void *context, u64 mask);
	void *context;
};

/* A device of the bus "vmbus", and its root bus. */
struct fake_bus {
	struct hv_device hdev;
	struct vmbus_channel channel;	/* of which only the mark of a rescind is used */
	struct list_head list;		/* in fake_buses, fake_topology */
	fake_sysdata sysdata;
	int domain;
	struct pci_host_bridge *bridge;
	bool lost;			/* without a channel */
	bool removed;			/* from here on hv_pci's own would be freed */
	bool released;			/* ... and the device of vmbus be freed, too */
	bool bridge_released;		/* nobody has a function any more */
	bool stranger;
	struct fake_function functions[256];
};

/* On the stack of whoever waits for the answer. */
struct fake_request {
	struct list_head kept;
	struct completion done;
	bool write;
	u32 id;
	void *buf;
	unsigned int len;
	unsigned int returned;
	u32 status;
};

static DEFINE_MUTEX(fake_topology);	/* adding and removing */
static LIST_HEAD(fake_buses);
static struct fake_bus *fake_present, *fake_other;

static DEFINE_SPINLOCK(fake_lock);	/* all that follows */
static DEFINE_XARRAY(fake_blocks);
static LIST_HEAD(fake_kept);
static enum vpci_host_how fake_how;
static u32 fake_argument;	/* of fake_how */
static bool fake_slow;
static struct vpci_host_counters fake_counters;

static enum { FAKE_GOES_ON, FAKE_STALLS, FAKE_STALLED } fake_stall;
static DECLARE_WAIT_QUEUE_HEAD(fake_wait);
static atomic_t fake_in_flight = ATOMIC_INIT(0);

static struct fake_bus *to_fake_bus(struct device *dev)
{
	return container_of(dev, struct fake_bus, hdev.device);
}

static unsigned int fake_requests(void)
{
	return READ_ONCE(fake_counters.reads) + READ_ONCE(fake_counters.writes);
}

static void fake_error(const char *what)
{
	unsigned long flags;

	spin_lock_irqsave(&fake_lock, flags);
	fake_counters.errors++;
	spin_unlock_irqrestore(&fake_lock, flags);
	pr_err("vpci_fake: %s\n", what);
}

/* ---- configuration space ---- */

static u32 fake_register(const struct fake_function *function, int where)
{
	switch (where) {
	case PCI_VENDOR_ID:
	case PCI_SUBSYSTEM_VENDOR_ID:
		return FAKE_ID;
	case PCI_COMMAND:
		return function->command;
	case PCI_CLASS_REVISION:
		return FAKE_CLASS;
	case PCI_CACHE_LINE_SIZE:	/* there may be other functions in this slot */
		return PCI_HEADER_TYPE_NORMAL << 16 | 1 << 23;
	default:
		return 0;
	}
}

static struct fake_function *fake_at(struct pci_bus *bus, unsigned int devfn)
{
	struct fake_bus *fake = container_of(bus->sysdata, struct fake_bus, sysdata);

	return fake->functions[devfn].present ? &fake->functions[devfn] : NULL;
}

static int fake_config_read(struct pci_bus *bus, unsigned int devfn, int where,
			    int size, u32 *value)
{
	const struct fake_function *function = fake_at(bus, devfn);

	*value = ~0;
	if (!function)
		return PCIBIOS_DEVICE_NOT_FOUND;
	*value = fake_register(function, where & ~3) >> (where & 3) * 8;
	if (size < 4)
		*value &= (1U << size * 8) - 1;
	return PCIBIOS_SUCCESSFUL;
}

static int fake_config_write(struct pci_bus *bus, unsigned int devfn, int where,
			     int size, u32 value)
{
	struct fake_function *function = fake_at(bus, devfn);

	if (!function)
		return PCIBIOS_DEVICE_NOT_FOUND;
	if (where == PCI_COMMAND)
		function->command = value;
	return PCIBIOS_SUCCESSFUL;
}

static struct pci_ops fake_pci_ops = {
	.read	= fake_config_read,
	.write	= fake_config_write,
};

/* ---- the host's answers; fake_lock is held ---- */

static void fake_answer_read(struct fake_request *req, const struct vpci_host_block *block)
{
	unsigned int len = min(req->len, block->length);

	if (fake_how == HOST_EMPTY)
		len = 0;
	else if (fake_how == HOST_SHORT)
		len = min(len, fake_argument);
	memcpy(req->buf, block->bytes, len);
	req->returned = fake_how == HOST_LONG ? req->len + fake_argument : len;
}

static void fake_answer(struct fake_request *req)
{
	const struct vpci_host_block *block = xa_load(&fake_blocks, req->id);

	if (fake_how == HOST_FAILS)
		req->status = fake_argument;
	else if (!block)
		req->status = FAKE_STATUS;
	else if (!req->write)
		fake_answer_read(req, block);
	complete(&req->done);
}

static void fake_count(const struct fake_request *req)
{
	if (req->write)
		vpci_host_count_write(&fake_counters, req->id, req->buf, req->len);
	else
		fake_counters.reads++;
}

static void fake_receive(struct fake_request *req)
{
	spin_lock_irq(&fake_lock);
	fake_count(req);
	if (fake_how == HOST_NEVER) {
		list_add_tail(&req->kept, &fake_kept);
		fake_counters.kept++;
	} else {
		fake_answer(req);
	}
	spin_unlock_irq(&fake_lock);
	wake_up_all(&fake_wait);
}

/* A request that was not answered is no longer there. */
static void fake_withdraw(struct fake_request *req)
{
	spin_lock_irq(&fake_lock);
	if (!list_empty(&req->kept)) {
		list_del_init(&req->kept);
		fake_counters.kept--;
	}
	spin_unlock_irq(&fake_lock);
}

/* With fake_lock. */
static void fake_release_first(void)
{
	struct fake_request *req = list_first_entry(&fake_kept, struct fake_request, kept);

	list_del_init(&req->kept);
	fake_counters.kept--;
	fake_answer(req);
}

static void fake_release_kept(bool slowly)
{
	spin_lock_irq(&fake_lock);
	fake_how = HOST_OK;
	fake_slow = slowly;
	while (!list_empty(&fake_kept))
		fake_release_first();
	spin_unlock_irq(&fake_lock);
}

static int fake_release_one(void)
{
	int ret = -ENOENT;

	spin_lock_irq(&fake_lock);
	if (!list_empty(&fake_kept)) {
		fake_release_first();
		ret = 0;
	}
	spin_unlock_irq(&fake_lock);
	return ret;
}

/* ---- what hv_pci does in hvpci_block_ops ---- */

/*
 * hv_pci takes its bus from the function's without a look at what that is. Here it
 * is looked at; and between this and the call there is time for the bus to go.
 */
static struct fake_bus *fake_bus_of(struct pci_dev *pdev)
{
	static atomic_t calls;
	struct fake_bus *bus;

	if (WARN(pdev->bus->ops != &fake_pci_ops, "vpci_fake: a function that is not of hv_pci"))
		return NULL;
	if (atomic_inc_return(&calls) & 1)
		schedule_timeout_uninterruptible(1);
	bus = container_of(pdev->bus->sysdata, struct fake_bus, sysdata);
	WARN(READ_ONCE(bus->hdev.device.links.status) == DL_DEV_PROBING,
	     "vpci_fake: hv_pci's probe, which may yet fail, is not over");
	if (WARN(READ_ONCE(bus->removed), "vpci_fake: hv_pci's bus, used after it was freed"))
		return NULL;
	return bus;
}

/* There would be no ring to write to. */
static bool fake_has_channel(struct fake_bus *bus)
{
	return !WARN(bus->channel.state != CHANNEL_OPENED_STATE, "vpci_fake: no channel");
}

static int fake_wait_for_host(struct fake_bus *bus, struct fake_request *req)
{
	do {
		WARN(READ_ONCE(bus->released), "vpci_fake: vmbus' device, used after it was freed");
		if (READ_ONCE(bus->channel.rescind)) {
			fake_withdraw(req);
			return -ENODEV;
		}
	} while (!wait_for_completion_timeout(&req->done, HZ / 10));
	return 0;
}

/* With the answer, hv_pci looks at its bus once more. It may take its time. */
static void fake_look_again(struct fake_bus *bus)
{
	if (READ_ONCE(fake_slow))
		wait_event_timeout(fake_wait, READ_ONCE(bus->removed), HZ);
	WARN(READ_ONCE(bus->removed), "vpci_fake: hv_pci's bus, used after its answer came");
}

static int fake_exchange(struct fake_bus *bus, struct fake_request *req)
{
	int ret;

	atomic_inc(&fake_in_flight);
	INIT_LIST_HEAD(&req->kept);
	init_completion(&req->done);
	fake_receive(req);
	ret = fake_wait_for_host(bus, req);
	if (!ret)
		fake_look_again(bus);
	if (atomic_dec_and_test(&fake_in_flight))
		wake_up_all(&fake_wait);
	return ret;
}

static int fake_read(struct pci_dev *pdev, void *buf, unsigned int len,
		     unsigned int id, unsigned int *returned)
{
	struct fake_request req = { .buf = buf, .len = len, .id = id };
	struct fake_bus *bus = fake_bus_of(pdev);
	int ret;

	if (!bus || !fake_has_channel(bus) || !len || len > HV_CONFIG_BLOCK_SIZE_MAX)
		return -EINVAL;
	if (READ_ONCE(fake_how) == HOST_FULL)
		return -EAGAIN;
	ret = fake_exchange(bus, &req);
	if (ret)
		return ret;
	if (req.status || !req.returned) {
		dev_err(&bus->hdev.device, "Read Config Block failed: 0x%x, bytes_returned=%u\n",
			req.status, req.returned);
		return -EIO;
	}
	*returned = req.returned;
	return 0;
}

static int fake_write(struct pci_dev *pdev, void *buf, unsigned int len, unsigned int id)
{
	struct fake_request req = { .buf = buf, .len = len, .id = id, .write = true };
	struct fake_bus *bus = fake_bus_of(pdev);
	int ret;

	if (!bus || !fake_has_channel(bus) || !len || len > HV_CONFIG_BLOCK_SIZE_MAX)
		return -EINVAL;
	if (READ_ONCE(fake_how) == HOST_FULL)
		return -EAGAIN;
	ret = fake_exchange(bus, &req);
	if (ret)
		return ret;
	if (req.status) {
		dev_err(&bus->hdev.device, "Write Config Block failed: 0x%x\n", req.status);
		return -EIO;
	}
	return 0;
}

/* hv_pci lets anybody take the place of anybody else, who is then never told again. */
static int fake_register_invalidate(struct pci_dev *pdev, void *context,
				    void (*invalidate)(void *context, u64 mask))
{
	struct fake_bus *bus = fake_bus_of(pdev);
	struct fake_function *function;
	bool stolen = false;
	int ret = -ENODEV;

	if (!bus)
		return -EINVAL;
	function = &bus->functions[pdev->devfn];
	spin_lock_irq(&fake_lock);
	if (function->present) {
		stolen = invalidate && function->invalidate &&
			 (invalidate != function->invalidate || context != function->context);
		WRITE_ONCE(function->invalidate, invalidate);
		WRITE_ONCE(function->context, context);
		ret = 0;
	}
	spin_unlock_irq(&fake_lock);
	if (stolen)
		fake_error("a listener took the place of another");
	return ret;
}

/* Until the listener is another one. By the clock: emulated processors differ in udelay(). */
static void fake_wait_for_change(const struct fake_function *function)
{
	const ktime_t end = ktime_add_ms(ktime_get(), FAKE_SLOW_MS);
	const void *before = READ_ONCE(function->context);
	const void *now = before;

	while ((!now || now == before) && ktime_before(ktime_get(), end)) {
		cpu_relax();
		now = READ_ONCE(function->context);
	}
}

/* In a tasklet there. It takes no lock, and looks for whom to call before what to tell it. */
static void fake_tell(const struct fake_function *function, u64 mask, bool slowly)
{
	void (*invalidate)(void *context, u64 mask);

	local_bh_disable();
	invalidate = READ_ONCE(function->invalidate);
	if (invalidate) {
		if (slowly)
			fake_wait_for_change(function);
		else
			udelay(9);
		invalidate(READ_ONCE(function->context), mask);
	}
	local_bh_enable();
}

static int fake_invalidate(unsigned int devfn, u64 mask, bool slowly)
{
	int ret = -ENODEV;

	mutex_lock(&fake_topology);
	if (fake_present && fake_present->functions[devfn].present) {
		fake_tell(&fake_present->functions[devfn], mask, slowly);
		ret = 0;
	}
	mutex_unlock(&fake_topology);
	return ret;
}

static int fake_replace(unsigned int devfn)
{
	struct fake_function *function;

	if (!fake_present || !fake_present->functions[devfn].present)
		return -ENODEV;
	function = &fake_present->functions[devfn];
	spin_lock_irq(&fake_lock);
	WRITE_ONCE(function->invalidate, NULL);
	WRITE_ONCE(function->context, NULL);
	spin_unlock_irq(&fake_lock);
	return 0;
}

static const struct hyperv_pci_block_ops fake_block_ops = {
	.read_block		= fake_read,
	.write_block		= fake_write,
	.reg_blk_invalidate	= fake_register_invalidate,
};

/* ---- the bus "vmbus", the driver "hv_pci" ---- */

static void fake_bridge_released(struct pci_host_bridge *bridge)
{
	struct fake_bus *bus = bridge->release_data;

	WRITE_ONCE(bus->bridge_released, true);
	wake_up_all(&fake_wait);
}

#ifdef CONFIG_X86
static void fake_set_domain(struct fake_bus *bus)
{
	bus->sysdata.domain = bus->domain;
	bus->sysdata.node = NUMA_NO_NODE;
}
#else
static void fake_set_domain(struct fake_bus *bus)
{
	bus->bridge->domain_nr = bus->domain;
}
#endif

static int fake_create_root_bus(struct fake_bus *bus)
{
	struct pci_host_bridge *bridge = bus->bridge;
	int ret;

	bridge->dev.parent = &bus->hdev.device;
	bridge->sysdata = &bus->sysdata;
	bridge->ops = &fake_pci_ops;
	pci_set_host_bridge_release(bridge, fake_bridge_released, bus);
	ret = pci_scan_root_bus_bridge(bridge);
	if (ret)
		return ret;
	pci_lock_rescan_remove();
	pci_bus_add_devices(bridge->bus);
	pci_unlock_rescan_remove();
	return 0;
}

static int fake_probe(struct device *dev)
{
	struct fake_bus *bus = to_fake_bus(dev);
	int ret;

	if (bus->lost) {	/* nothing is found on the new bus */
		dev_set_drvdata(dev, bus);
		bus->channel.state = CHANNEL_OPENED_STATE;
		return 0;
	}
	dev_set_drvdata(dev, &bus->sysdata);
	bus->bridge = pci_alloc_host_bridge(0);
	if (!bus->bridge)
		return -ENOMEM;
	fake_set_domain(bus);
	ret = fake_create_root_bus(bus);
	if (ret) {
		pci_free_host_bridge(bus->bridge);
		bus->bridge = NULL;
	}
	return ret;
}

static void fake_remove_root_bus(struct fake_bus *bus)
{
	pci_lock_rescan_remove();
	pci_stop_root_bus(bus->bridge->bus);
	pci_remove_root_bus(bus->bridge->bus);
	pci_unlock_rescan_remove();
}

static int fake_remove(struct device *dev)
{
	struct fake_bus *bus = to_fake_bus(dev);

	if (READ_ONCE(fake_stall) == FAKE_STALLS) {
		WRITE_ONCE(fake_stall, FAKE_STALLED);
		wake_up_all(&fake_wait);
		wait_event(fake_wait, READ_ONCE(fake_stall) != FAKE_STALLED);
	}
	if (!bus->lost)
		fake_remove_root_bus(bus);
	WRITE_ONCE(bus->removed, true);
	wake_up_all(&fake_wait);
	if (!bus->lost)
		pci_free_host_bridge(bus->bridge);
	return 0;
}

/* What hv_pci has left behind, which itself never does that. */
static void fake_collect(struct fake_bus *bus)
{
	device_release_driver(&bus->hdev.device);
	fake_remove_root_bus(bus);
	pci_free_host_bridge(bus->bridge);
}

/* The type of a bus: newer kernels want it to be constant. */
#define BUS_TYPE	typeof(pci_bus_type)

static BUS_TYPE fake_vmbus = {
	.name	= "vmbus",
};

static struct device_driver fake_hv_pci = {
	.name	= "hv_pci",
	.bus	= &fake_vmbus,
	.owner	= THIS_MODULE,
	.probe	= fake_probe,
	.remove	= fake_remove,
};

static void fake_released(struct device *dev)
{
	WRITE_ONCE(to_fake_bus(dev)->released, true);
	wake_up_all(&fake_wait);
}

/* ---- commands ---- */

/* A name that no bus had before, and a domain as on the last one. */
static struct fake_bus *fake_new_bus(BUS_TYPE *vmbus, int domain)
{
	static unsigned int number;
	struct fake_bus *bus = kzalloc(sizeof(*bus), GFP_KERNEL);
	int ret;

	if (!bus)
		return ERR_PTR(-ENOMEM);
	bus->domain = domain;
	bus->functions[0].present = true;
	bus->hdev.channel = &bus->channel;
	bus->channel.state = CHANNEL_OPENED_STATE;
	bus->hdev.device.bus = vmbus;
	bus->hdev.device.release = fake_released;
	dev_set_name(&bus->hdev.device, "vpci-fake-%u", number++);
	list_add(&bus->list, &fake_buses);
	ret = device_register(&bus->hdev.device);
	if (!ret)
		return bus;
	put_device(&bus->hdev.device);
	return ERR_PTR(ret);
}

static int fake_plug(struct fake_bus **where, int domain)
{
	struct fake_bus *bus;

	if (*where)
		return -EEXIST;
	bus = fake_new_bus(&fake_vmbus, domain);
	if (IS_ERR(bus))
		return PTR_ERR(bus);
	*where = bus;
	return bus->hdev.device.driver ? 0 : -ENODEV;
}

static int fake_rescind(struct fake_bus **where)
{
	struct fake_bus *bus = *where;

	if (!bus)
		return -ENODEV;
	WRITE_ONCE(bus->channel.rescind, true);
	if (bus->lost)
		fake_collect(bus);
	device_unregister(&bus->hdev.device);
	/* With Linux 7.3, the next bus would be in another domain. */
	if (bus->bridge && !READ_ONCE(bus->bridge_released))
		fake_error("a function outlives the removal of its bus");
	*where = NULL;
	return 0;
}

static int fake_lose(void)
{
	if (!fake_present)
		return -ENODEV;
	fake_present->lost = true;
	fake_present->channel.state = CHANNEL_OPEN_STATE;
	return 0;
}

/*
 * What the device below which a root bus is has for a bus and for a driver. Nobody but
 * the module under test looks at it: the driver core does not know of either.
 */
static struct fake_stranger {
	BUS_TYPE bus;
	struct device_driver driver;
} fake_strangers[] = {
	{ { .name = "vmbus" },		{ .name = "hv_netvsc" } },
	{ { .name = "vmbus" } },
	{ { .name = "platform" },	{ .name = "hv_pci" } },
	{ {},				{ .name = "hv_pci" } },
	{ },
};

static int fake_add_stranger(unsigned int i)
{
	struct fake_bus *bus = fake_new_bus(NULL, FAKE_STRANGE_DOMAIN + i);
	struct fake_stranger *stranger = &fake_strangers[i];

	if (IS_ERR(bus))
		return PTR_ERR(bus);
	bus->hdev.device.bus = stranger->bus.name ? &stranger->bus : NULL;
	bus->hdev.device.driver = stranger->driver.name ? &stranger->driver : NULL;
	bus->stranger = true;
	return fake_probe(&bus->hdev.device);
}

static void fake_remove_strangers(void)
{
	struct fake_bus *bus;

	list_for_each_entry(bus, &fake_buses, list) {
		if (!bus->stranger)
			continue;
		bus->stranger = false;
		if (bus->bridge)
			fake_remove(&bus->hdev.device);
		bus->hdev.device.bus = NULL;
		bus->hdev.device.driver = NULL;
		device_unregister(&bus->hdev.device);
	}
}

static int fake_add_strangers(void)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < ARRAY_SIZE(fake_strangers) && !ret; i++)
		ret = fake_add_stranger(i);
	if (ret)
		fake_remove_strangers();
	return ret;
}

static int fake_add(unsigned int devfn)
{
	struct pci_bus *bus;

	if (!fake_present)
		return -ENODEV;
	if (fake_present->functions[devfn].present)
		return -EEXIST;
	fake_present->functions[devfn].present = true;
	bus = fake_present->bridge->bus;
	pci_lock_rescan_remove();
	pci_scan_slot(bus, PCI_DEVFN(PCI_SLOT(devfn), 0));
	pci_bus_add_devices(bus);
	pci_unlock_rescan_remove();
	return 0;
}

static int fake_eject(unsigned int devfn)
{
	struct pci_dev *pdev = pci_get_domain_bus_and_slot(FAKE_DOMAIN, 0, devfn);

	if (!pdev)
		return -ENODEV;
	pci_stop_and_remove_bus_device_locked(pdev);
	pci_dev_put(pdev);
	spin_lock_irq(&fake_lock);
	memset(&fake_present->functions[devfn], 0, sizeof(struct fake_function));
	spin_unlock_irq(&fake_lock);
	return 0;
}

static int fake_topology_command(const char *line)
{
	if (!strcmp(line, "rescind"))
		return fake_rescind(&fake_present);
	if (!strcmp(line, "plug"))
		return fake_plug(&fake_present, FAKE_DOMAIN);
	if (!strcmp(line, "other rescind"))
		return fake_rescind(&fake_other);
	if (!strcmp(line, "other plug"))
		return fake_plug(&fake_other, FAKE_OTHER_DOMAIN);
	if (!strcmp(line, "lose"))
		return fake_lose();
	if (!strcmp(line, "strangers come"))
		return fake_add_strangers();
	if (!strcmp(line, "strangers go")) {
		fake_remove_strangers();
		return 0;
	}
	if (strstarts(line, "add "))
		return vpci_host_for_function(line + strlen("add "), fake_add);
	if (strstarts(line, "eject "))
		return vpci_host_for_function(line + strlen("eject "), fake_eject);
	if (strstarts(line, "replace "))
		return vpci_host_for_function(line + strlen("replace "), fake_replace);
	return -EINVAL;
}

static int fake_set_how(const char *words)
{
	u32 argument;
	int how = vpci_host_parse_how(words, &argument);

	if (how < 0)
		return how;
	if (how == HOST_TWICE || how == HOST_AGAIN || how == HOST_RUNT)
		return -EOPNOTSUPP;
	spin_lock_irq(&fake_lock);
	fake_how = how;
	fake_argument = argument;
	fake_slow = false;
	spin_unlock_irq(&fake_lock);
	return 0;
}

static int fake_invalidate_command(const char *words)
{
	bool slowly = strstarts(words, "slowly ");
	int devfn;
	u64 mask;

	if (slowly)
		words += strlen("slowly ");
	devfn = vpci_host_parse_function(words, &mask);
	return devfn < 0 ? devfn : fake_invalidate(devfn, mask, slowly);
}

static int fake_command(const char *line)
{
	unsigned int number;
	int at = 0;

	if (sscanf(line, "block %i%n", &number, &at) == 1)
		return vpci_host_set_block(&fake_blocks, &fake_lock, number,
					   skip_spaces(line + at));
	if (strstarts(line, "answer "))
		return fake_set_how(line + strlen("answer "));
	if (strstarts(line, "invalidate "))
		return fake_invalidate_command(line + strlen("invalidate "));
	if (!strcmp(line, "wait stalled"))
		return wait_event_killable(fake_wait, READ_ONCE(fake_stall) == FAKE_STALLED);
	if (!strcmp(line, "stall") || !strcmp(line, "go on")) {
		WRITE_ONCE(fake_stall, line[0] == 's' ? FAKE_STALLS : FAKE_GOES_ON);
		wake_up_all(&fake_wait);
		return 0;
	}
	if (sscanf(line, "wait %u", &number) == 1)
		return vpci_host_await(fake_wait, fake_requests() >= number);
	if (!strcmp(line, "release one"))
		return fake_release_one();
	if (!strcmp(line, "release") || !strcmp(line, "release slowly")) {
		fake_release_kept(!strcmp(line, "release slowly"));
		return 0;
	}
	mutex_lock(&fake_topology);
	at = fake_topology_command(line);
	mutex_unlock(&fake_topology);
	return at;
}

static void fake_get_counters(struct vpci_host_counters *counters)
{
	spin_lock_irq(&fake_lock);
	*counters = fake_counters;
	spin_unlock_irq(&fake_lock);
}

static struct vpci_host fake_host = {
	.command	= fake_command,
	.get_counters	= fake_get_counters,
};

/* ---- coming and going ---- */

/* A function has a reference to its bus, and that one to its bridge. */
static bool fake_all_released(struct fake_bus *bus)
{
	return READ_ONCE(bus->released) && READ_ONCE(bus->bridge_released);
}

static void fake_remove_all(void)
{
	struct fake_bus *bus, *next;

	mutex_lock(&fake_topology);
	fake_rescind(&fake_present);
	fake_rescind(&fake_other);
	fake_remove_strangers();
	mutex_unlock(&fake_topology);
	wait_event(fake_wait, !atomic_read(&fake_in_flight));
	list_for_each_entry_safe(bus, next, &fake_buses, list) {
		if (WARN(!wait_event_timeout(fake_wait, fake_all_released(bus), 10 * HZ),
			 "vpci_fake: a reference leaks, to vmbus' device or to a function"))
			continue;
		kfree(bus);
	}
}

static int __init fake_register_vmbus(void)
{
	int ret = bus_register(&fake_vmbus);

	if (ret)
		return ret;
	ret = driver_register(&fake_hv_pci);
	if (ret)
		bus_unregister(&fake_vmbus);
	return ret;
}

static void fake_unregister_vmbus(void)
{
	driver_unregister(&fake_hv_pci);
	bus_unregister(&fake_vmbus);
}

static int __init fake_init(void)
{
	int ret;

	if (hvpci_block_ops.read_block) {
		pr_err("vpci_fake: there is an hv_pci already\n");
		return -EBUSY;
	}
	ret = fake_register_vmbus();
	if (ret)
		return ret;
	hvpci_block_ops = fake_block_ops;
	ret = fake_plug(&fake_present, FAKE_DOMAIN);
	if (ret)
		goto remove;
	ret = vpci_host_register(&fake_host);
	if (ret)
		goto remove;
	return 0;
remove:
	fake_remove_all();
	hvpci_block_ops = (struct hyperv_pci_block_ops) {};
	fake_unregister_vmbus();
	return ret;
}

static void __exit fake_exit(void)
{
	misc_deregister(&fake_host.misc);
	fake_remove_all();
	hvpci_block_ops = (struct hyperv_pci_block_ops) {};
	fake_unregister_vmbus();
	vpci_host_free_blocks(&fake_blocks);
}

module_init(fake_init);
module_exit(fake_exit);

MODULE_DESCRIPTION("Test only: plays hv_pci and the Hyper-V host behind it");
MODULE_LICENSE("GPL");
