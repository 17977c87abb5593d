// SPDX-License-Identifier: GPL-2.0-only
/*
 * vpci_sim - the VMBus: its driver model, a channel with two rings, request IDs, MMIO
 *
 * The ring to the host is no ring: the host takes a message while it is sent. In the
 * other direction packets wait for the channel's tasklet, as they do on a real VMBus.
 * All packets are multiples of eight bytes long there, and so they are here.
 */

#include "vpci_sim.h"

#include <linux/bitmap.h>
#include <linux/module.h>
#include <linux/slab.h>

#define VSIM_FILLER	0xee		/* what a packet has where nobody wrote */

struct vsim_packet {
	struct list_head list;
	u32 length;
	u8 bytes[] __aligned(8);	/* a struct vmpacket_descriptor and what follows */
};

static LIST_HEAD(vsim_buses);		/* vsim_lock: until they are freed */
static bool vsim_window_used;		/* vsim_lock */

static struct vsim_bus *to_vsim_bus(struct vmbus_channel *channel)
{
	return container_of(channel, struct vsim_bus, channel);
}

/* ---- packets to the guest ---- */

/**
 * vsim_new_packet() - Make a packet for a ring to the guest
 * @type: VM_PKT_...
 * @trans_id: of the request that it answers, or 0
 * @length: of what follows its descriptor
 *
 * Return: where to put what follows, for vsim_deliver(), or NULL without memory
 */
void *vsim_new_packet(u16 type, u64 trans_id, u32 length)
{
	const u32 header = sizeof(struct vmpacket_descriptor);
	u32 whole = round_up(header + length, 8);
	struct vmpacket_descriptor *descriptor;
	struct vsim_packet *packet;

	packet = kzalloc(offsetof(struct vsim_packet, bytes) + whole, GFP_ATOMIC);
	if (!packet)
		return NULL;
	packet->length = whole;
	memset(packet->bytes, VSIM_FILLER, whole);
	descriptor = (struct vmpacket_descriptor *)packet->bytes;
	descriptor->type = type;
	descriptor->offset8 = header / 8;
	descriptor->len8 = whole / 8;
	descriptor->flags = 0;
	descriptor->trans_id = trans_id;
	return packet->bytes + header;
}

/**
 * vsim_deliver() - Put a packet into a bus' ring and tell the guest; vsim_lock is held
 * @bus: whose
 * @payload: from vsim_new_packet()
 *
 * Return: the number of the packet on this bus
 */
u64 vsim_deliver(struct vsim_bus *bus, void *payload)
{
	struct vsim_packet *packet = container_of(payload - sizeof(struct vmpacket_descriptor),
						  struct vsim_packet, bytes);

	if (!bus->open) {
		kfree(packet);
		return 0;
	}
	list_add_tail(&packet->list, &bus->packets);
	tasklet_schedule(&bus->channel.callback_event);
	return ++bus->sent;
}

static void vsim_on_event(unsigned long data)
{
	struct vsim_bus *bus = (struct vsim_bus *)data;
	void (*callback)(void *context) = READ_ONCE(bus->channel.onchannel_callback);
	unsigned long flags;

	if (!callback)
		return;
	callback(bus->channel.channel_callback_context);
	spin_lock_irqsave(&vsim_lock, flags);
	bus->handled = bus->taken;
	spin_unlock_irqrestore(&vsim_lock, flags);
	wake_up_all(&vsim_wait);
}

int vmbus_recvpacket_raw(struct vmbus_channel *channel, void *buffer, u32 size,
			 u32 *length, u64 *trans_id)
{
	struct vsim_bus *bus = to_vsim_bus(channel);
	struct vsim_packet *packet;
	unsigned long flags;
	int ret = 0;

	*length = 0;
	*trans_id = 0;
	spin_lock_irqsave(&vsim_lock, flags);
	packet = list_first_entry_or_null(&bus->packets, struct vsim_packet, list);
	if (packet) {
		*length = packet->length;
		*trans_id = ((struct vmpacket_descriptor *)packet->bytes)->trans_id;
		ret = packet->length > size ? -ENOBUFS : 0;
	}
	if (packet && !ret) {
		memcpy(buffer, packet->bytes, packet->length);
		list_del(&packet->list);
		kfree(packet);
		bus->taken++;
	}
	spin_unlock_irqrestore(&vsim_lock, flags);
	return ret;
}
EXPORT_SYMBOL_GPL(vmbus_recvpacket_raw);

/* ---- IDs of requests, where the kernel has them instead of addresses ---- */

#ifdef VSIM_HAS_REQUESTOR
static int vsim_alloc_requestor(struct vmbus_channel *channel)
{
	struct vmbus_requestor *requestor = &channel->requestor;
	u32 id;

	requestor->req_arr = kcalloc(channel->rqstor_size, sizeof(u64), GFP_KERNEL);
	requestor->req_bitmap = bitmap_zalloc(channel->rqstor_size, GFP_KERNEL);
	if (!requestor->req_arr || !requestor->req_bitmap) {
		kfree(requestor->req_arr);
		bitmap_free(requestor->req_bitmap);
		return -ENOMEM;
	}
	for (id = 0; id < channel->rqstor_size; id++)
		requestor->req_arr[id] = id + 1;	/* the next free one */
	requestor->size = channel->rqstor_size;
	requestor->next_request_id = 0;
	spin_lock_init(&requestor->req_lock);
	return 0;
}

static void vsim_free_requestor(struct vmbus_channel *channel)
{
	channel->rqstor_size = 0;
	channel->requestor.size = 0;
	kfree(channel->requestor.req_arr);
	bitmap_free(channel->requestor.req_bitmap);
}

u64 vmbus_next_request_id(struct vmbus_channel *channel, u64 address)
{
	struct vmbus_requestor *requestor = &channel->requestor;
	unsigned long flags;
	u64 id;

	if (!channel->rqstor_size)
		return VMBUS_NO_RQSTOR;
	lock_requestor(channel, flags);
	id = requestor->next_request_id;
	if (id < requestor->size) {
		requestor->next_request_id = requestor->req_arr[id];
		requestor->req_arr[id] = address;
		__set_bit(id, requestor->req_bitmap);
	}
	unlock_requestor(channel, flags);
	return id < requestor->size ? id + 1 : VMBUS_RQST_ERROR;
}
EXPORT_SYMBOL_GPL(vmbus_next_request_id);

u64 __vmbus_request_addr_match(struct vmbus_channel *channel, u64 trans_id, u64 address)
{
	struct vmbus_requestor *requestor = &channel->requestor;
	u64 id = trans_id - 1, found;

	if (!channel->rqstor_size)
		return VMBUS_NO_RQSTOR;
	if (!trans_id || id >= requestor->size || !test_bit(id, requestor->req_bitmap))
		return VMBUS_RQST_ERROR;
	found = requestor->req_arr[id];
	if (address == VMBUS_RQST_ADDR_ANY || address == found) {
		requestor->req_arr[id] = requestor->next_request_id;
		requestor->next_request_id = id;
		__clear_bit(id, requestor->req_bitmap);
	}
	return found;
}
EXPORT_SYMBOL_GPL(__vmbus_request_addr_match);

u64 vmbus_request_addr_match(struct vmbus_channel *channel, u64 trans_id, u64 address)
{
	unsigned long flags;
	u64 found;

	lock_requestor(channel, flags);
	found = __vmbus_request_addr_match(channel, trans_id, address);
	unlock_requestor(channel, flags);
	return found;
}
EXPORT_SYMBOL_GPL(vmbus_request_addr_match);

u64 vmbus_request_addr(struct vmbus_channel *channel, u64 trans_id)
{
	return vmbus_request_addr_match(channel, trans_id, VMBUS_RQST_ADDR_ANY);
}
EXPORT_SYMBOL_GPL(vmbus_request_addr);

/* What the host is told to name a request by. */
static u64 vsim_name_request(struct vmbus_channel *channel, u64 request)
{
	u64 id = VMBUS_NO_RQSTOR;

	if (channel->next_request_id_callback)
		id = channel->next_request_id_callback(channel, request);
	return id == VMBUS_NO_RQSTOR ? request : id;
}
#else
static int vsim_alloc_requestor(struct vmbus_channel *channel)
{
	return 0;
}

static void vsim_free_requestor(struct vmbus_channel *channel)
{
}

static u64 vsim_name_request(struct vmbus_channel *channel, u64 request)
{
	return request;
}
#endif

/* ---- the channel ---- */

int vmbus_open(struct vmbus_channel *channel, u32 send_size, u32 receive_size,
	       void *userdata, u32 userdata_size, void (*callback)(void *context),
	       void *context)
{
	struct vsim_bus *bus = to_vsim_bus(channel);
	int ret = vsim_alloc_requestor(channel);

	if (ret)
		return ret;
	channel->onchannel_callback = callback;
	channel->channel_callback_context = context;
	spin_lock_irq(&vsim_lock);
	bus->open = true;
	channel->state = CHANNEL_OPENED_STATE;
	spin_unlock_irq(&vsim_lock);
	return 0;
}
EXPORT_SYMBOL_GPL(vmbus_open);

/* From here on the guest hears nothing more of the host. */
static void vsim_silence(struct vmbus_channel *channel)
{
	tasklet_disable(&channel->callback_event);
	spin_lock_irq(&channel->sched_lock);
	channel->onchannel_callback = NULL;
	spin_unlock_irq(&channel->sched_lock);
	tasklet_enable(&channel->callback_event);
}

static void vsim_drop_packets(struct vsim_bus *bus)
{
	struct vsim_packet *packet, *next;

	list_for_each_entry_safe(packet, next, &bus->packets, list)
		kfree(packet);
	INIT_LIST_HEAD(&bus->packets);
}

void vmbus_close(struct vmbus_channel *channel)
{
	struct vsim_bus *bus = to_vsim_bus(channel);
	bool open;

	vsim_silence(channel);
	spin_lock_irq(&vsim_lock);
	open = bus->open;
	bus->open = false;
	channel->state = CHANNEL_OPEN_STATE;
	vsim_drop_packets(bus);
	if (open)
		vsim_closed(bus);
	spin_unlock_irq(&vsim_lock);
	wake_up_all(&vsim_wait);
	if (open)
		vsim_free_requestor(channel);
}
EXPORT_SYMBOL_GPL(vmbus_close);

static int vsim_send(struct vsim_message *message, enum vmbus_packet_type type, u32 flags)
{
	unsigned long lock_flags;
	int ret = 0;

	spin_lock_irqsave(&vsim_lock, lock_flags);
	if (message->bus->channel.rescind) {
		ret = -ENODEV;
	} else if (!message->bus->open) {	/* there would be no ring to write to */
		vsim_violation(message, "sent on a closed channel");
		ret = -ENODEV;
	} else {
		if (type != VM_PKT_DATA_INBAND)
			vsim_violation(message, "a packet of type %d", type);
		if (flags & ~VMBUS_DATA_PACKET_FLAG_COMPLETION_REQUESTED)
			vsim_violation(message, "a packet with flags %#x", flags);
		vsim_receive(message);
	}
	spin_unlock_irqrestore(&vsim_lock, lock_flags);
	wake_up_all(&vsim_wait);
	return ret;
}

/* Its driver has not room for more that are not answered. */
static int vsim_unnamed(struct vsim_bus *bus)
{
	unsigned long flags;

	spin_lock_irqsave(&vsim_lock, flags);
	bus->unnamed++;
	spin_unlock_irqrestore(&vsim_lock, flags);
	wake_up_all(&vsim_wait);
	return -EAGAIN;
}

int vmbus_sendpacket_getid(struct vmbus_channel *channel, void *buffer, u32 length,
			   u64 request, u64 *trans_id, enum vmbus_packet_type type, u32 flags)
{
	struct vsim_message message = {
		.bus		= to_vsim_bus(channel),
		.data		= buffer,
		.length		= length,
		.trans_id	= request,
		.completion	= flags & VMBUS_DATA_PACKET_FLAG_COMPLETION_REQUESTED,
	};

	if (channel->rescind)
		return -ENODEV;
	if (vsim_is_full(&message))
		return -EAGAIN;
	if (message.completion)
		message.trans_id = vsim_name_request(channel, request);
	if (message.completion && message.trans_id == VMBUS_RQST_ERROR)
		return vsim_unnamed(message.bus);
	if (trans_id)
		*trans_id = message.trans_id;
	return vsim_send(&message, type, flags);
}
EXPORT_SYMBOL_GPL(vmbus_sendpacket_getid);

int vmbus_sendpacket(struct vmbus_channel *channel, void *buffer, u32 length,
		     u64 request, enum vmbus_packet_type type, u32 flags)
{
	return vmbus_sendpacket_getid(channel, buffer, length, request, NULL, type, flags);
}
EXPORT_SYMBOL_GPL(vmbus_sendpacket);

/* ---- memory for configuration space; functions here have none of their own ---- */

int vmbus_allocate_mmio(struct resource **new, struct hv_device *hdev, resource_size_t min,
			resource_size_t max, resource_size_t size, resource_size_t align,
			bool fb_overlap_ok)
{
	struct vsim_bus *bus = container_of(hdev, struct vsim_bus, hdev);
	int ret = -ENXIO;

	spin_lock_irq(&vsim_lock);
	if (size == VSIM_WINDOW_SIZE && !vsim_window_used && vsim_window >= min &&
	    vsim_window + size - 1 <= max && IS_ALIGNED(vsim_window, align)) {
		vsim_window_used = true;
		*new = &bus->window;
		ret = 0;
	}
	spin_unlock_irq(&vsim_lock);
	return ret;
}
EXPORT_SYMBOL_GPL(vmbus_allocate_mmio);

void vmbus_free_mmio(resource_size_t start, resource_size_t size)
{
	WARN(start != vsim_window || size != VSIM_WINDOW_SIZE || !vsim_window_used,
	     "vpci_sim: what was not allocated is freed");
	spin_lock_irq(&vsim_lock);
	vsim_window_used = false;
	spin_unlock_irq(&vsim_lock);
}
EXPORT_SYMBOL_GPL(vmbus_free_mmio);

/* ---- the driver model ---- */

static const struct hv_vmbus_device_id *vsim_find_id(const struct hv_driver *driver,
						     const struct hv_device *hdev)
{
	const struct hv_vmbus_device_id *id;

	for (id = driver->id_table; !guid_is_null(&id->guid); id++)
		if (guid_equal(&id->guid, &hdev->dev_type))
			return id;
	return NULL;
}

static int vsim_match(struct device *dev, VSIM_MATCH_CONST struct device_driver *driver)
{
	return !!vsim_find_id(drv_to_hv_drv(driver), device_to_hv_device(dev));
}

static int vsim_probe(struct device *dev)
{
	struct hv_driver *driver = drv_to_hv_drv(dev->driver);
	struct hv_device *hdev = device_to_hv_device(dev);
	struct vsim_bus *bus = container_of(hdev, struct vsim_bus, hdev);
	int ret = driver->probe(hdev, vsim_find_id(driver, hdev));

	spin_lock_irq(&vsim_lock);
	bus->probed = true;
	spin_unlock_irq(&vsim_lock);
	wake_up_all(&vsim_wait);
	return ret;
}

static void vsim_remove(struct device *dev)
{
	drv_to_hv_drv(dev->driver)->remove(device_to_hv_device(dev));
}

#ifdef VSIM_REMOVE_RETURNS_INT
static int vsim_remove_int(struct device *dev)
{
	vsim_remove(dev);
	return 0;
}

#define vsim_remove vsim_remove_int
#endif

/* The type has const in newer kernels. */
static typeof(pci_bus_type) vsim_bus_type = {
	.name	= "vmbus",
	.match	= vsim_match,
	.probe	= vsim_probe,
	.remove	= vsim_remove,
};

static bool vsim_have_driver;		/* vsim_lock */

int __vmbus_driver_register(struct hv_driver *driver, struct module *owner, const char *name)
{
	int ret;

	driver->driver.name = driver->name;
	driver->driver.owner = owner;
	driver->driver.mod_name = name;
	driver->driver.bus = &vsim_bus_type;
	spin_lock_irq(&vsim_lock);
	vsim_have_driver = true;
	spin_unlock_irq(&vsim_lock);
	ret = driver_register(&driver->driver);
	if (ret)
		vsim_have_driver = false;
	return ret;
}
EXPORT_SYMBOL_GPL(__vmbus_driver_register);

void vmbus_driver_unregister(struct hv_driver *driver)
{
	driver_unregister(&driver->driver);
	spin_lock_irq(&vsim_lock);
	vsim_have_driver = false;
	spin_unlock_irq(&vsim_lock);
}
EXPORT_SYMBOL_GPL(vmbus_driver_unregister);

bool hv_is_hyperv_initialized(void)
{
	return true;
}
EXPORT_SYMBOL_GPL(hv_is_hyperv_initialized);

bool hv_vmbus_exists(void)
{
	return true;
}
EXPORT_SYMBOL_GPL(hv_vmbus_exists);

/* ---- offers ---- */

static void vsim_release_device(struct device *dev)
{
	struct vsim_bus *bus = container_of(device_to_hv_device(dev), struct vsim_bus, hdev);

	tasklet_kill(&bus->channel.callback_event);
	WARN(bus->open, "vpci_sim: a channel was never closed");
	spin_lock_irq(&vsim_lock);
	list_del(&bus->list);
	spin_unlock_irq(&vsim_lock);
	kfree(bus);
	wake_up_all(&vsim_wait);
}

static struct vsim_bus *vsim_new_bus(void)
{
	static const guid_t type = GUID_INIT(0x44c4f61d, 0x4444, 0x4400,
					     0x9d, 0x52, 0x80, 0x2e, 0x27, 0xed, 0xe1, 0x9f);
	static const guid_t instance = GUID_INIT(0x5e1f7e57, VSIM_DOMAIN, 0x4400,
						 0x9d, 0x52, 0x80, 0x2e, 0x27, 0xed, 0xe1, 0x9f);
	struct resource window = DEFINE_RES_MEM(vsim_window, VSIM_WINDOW_SIZE);
	struct vsim_bus *bus = kzalloc(sizeof(*bus), GFP_KERNEL);

	if (!bus)
		return NULL;
	bus->window = window;
	INIT_LIST_HEAD(&bus->packets);
	spin_lock_init(&bus->channel.sched_lock);
	tasklet_init(&bus->channel.callback_event, vsim_on_event, (unsigned long)bus);
	bus->channel.device_obj = &bus->hdev;
	guid_copy(&bus->hdev.dev_type, &type);
	guid_copy(&bus->hdev.dev_instance, &instance);
	bus->hdev.channel = &bus->channel;
	bus->hdev.device.bus = &vsim_bus_type;
	bus->hdev.device.release = vsim_release_device;
	return bus;
}

static bool vsim_is_probed(struct vsim_bus *bus)
{
	bool probed;

	spin_lock_irq(&vsim_lock);
	probed = bus->probed || !vsim_have_driver;
	spin_unlock_irq(&vsim_lock);
	return probed;
}

/**
 * vsim_offer() - Offer a new channel to the guest, and wait until a driver has taken it
 *
 * Return: the bus, with the function 00.0, or an error
 */
struct vsim_bus *vsim_offer(void)
{
	struct vsim_bus *bus = vsim_new_bus();
	int ret;

	if (!bus)
		return ERR_PTR(-ENOMEM);
	bus->functions[0] = (struct vsim_function) { .present = true, .serial = 1 };
	dev_set_name(&bus->hdev.device, "%pUl", &bus->hdev.dev_instance);
	spin_lock_irq(&vsim_lock);
	list_add_tail(&bus->list, &vsim_buses);
	spin_unlock_irq(&vsim_lock);
	ret = device_register(&bus->hdev.device);
	if (ret) {
		put_device(&bus->hdev.device);
		return ERR_PTR(ret);
	}
	wait_event(vsim_wait, vsim_is_probed(bus));
	/* The driver core has yet to say that it is bound, and holds this until then. */
	device_lock(&bus->hdev.device);
	device_unlock(&bus->hdev.device);
	return bus;
}

/**
 * vsim_withdraw() - Rescind a channel, as VMBus does when the host says so
 * @bus: gone on return, but for the memory that others have references to
 */
void vsim_withdraw(struct vsim_bus *bus)
{
	vsim_silence(&bus->channel);
	spin_lock_irq(&vsim_lock);
	WRITE_ONCE(bus->channel.rescind, true);
	spin_unlock_irq(&vsim_lock);
	device_unregister(&bus->hdev.device);
}

int vsim_vmbus_init(void)
{
	return bus_register(&vsim_bus_type);
}

static bool vsim_all_freed(void)
{
	bool freed;

	spin_lock_irq(&vsim_lock);
	freed = list_empty(&vsim_buses);
	spin_unlock_irq(&vsim_lock);
	return freed;
}

/* Waits for references that the module under test may still have. */
void vsim_vmbus_exit(void)
{
	WARN(!wait_event_timeout(vsim_wait, vsim_all_freed(), 10 * HZ),
	     "vpci_sim: a reference to vmbus' device leaks");
	WARN(vsim_window_used, "vpci_sim: the configuration window leaks");
	bus_unregister(&vsim_bus_type);
}
