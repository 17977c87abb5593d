// SPDX-License-Identifier: GPL-2.0-only
/*
 * vpci_sim - the host's end of the protocol by which it gives a guest PCI functions
 *
 * Every message of the guest's is compared byte for byte with what it has to be there
 * and then; what differs is an error that tests find counted. All that is here is
 * called with vsim_lock held, but for the blocks' setting.
 *
 * A message begins with its type. A slot is a device's number in its five low bits, and
 * the function's in the next three. Requests ask for a completion, which begins with a
 * status (negative: failed) and carries the request's transaction ID.
 */

#include "vpci_sim.h"

#define WIRE_BASE			0x42490000
#define WIRE_RELATIONS			(WIRE_BASE + 0x00)	/* to the guest */
#define WIRE_QUERY_RELATIONS		(WIRE_BASE + 0x01)
#define WIRE_QUERY_RESOURCES		(WIRE_BASE + 0x05)
#define WIRE_D0_ENTRY			(WIRE_BASE + 0x07)
#define WIRE_D0_EXIT			(WIRE_BASE + 0x08)
#define WIRE_READ_BLOCK			(WIRE_BASE + 0x09)
#define WIRE_WRITE_BLOCK		(WIRE_BASE + 0x0a)
#define WIRE_EJECT			(WIRE_BASE + 0x0b)	/* to the guest */
#define WIRE_EJECTED			(WIRE_BASE + 0x0f)
#define WIRE_ASSIGNED			(WIRE_BASE + 0x10)
#define WIRE_RELEASED			(WIRE_BASE + 0x11)
#define WIRE_INVALIDATE			(WIRE_BASE + 0x12)	/* to the guest */
#define WIRE_QUERY_VERSION		(WIRE_BASE + 0x13)
#define WIRE_ASSIGNED2			(WIRE_BASE + 0x16)
#define WIRE_RELATIONS2			(WIRE_BASE + 0x19)	/* to the guest */

#define WIRE_VERSION(major, minor)	((major) << 16 | (minor))

#define STATUS_REVISION_MISMATCH	0xc0000059
#define STATUS_NOT_FOUND		0xc0000225
#define STATUS_NO_SUCH_DEVICE		0xc000000e

/* With WIRE_QUERY_RESOURCES and WIRE_RELEASED; the others have more after these. */
struct wire_function {
	__le32 type;
	__le32 slot;
} __packed;

struct wire_version {
	__le32 type;
	__le32 version;
} __packed;

struct wire_d0_entry {
	__le32 type;
	__le32 reserved;
	__le64 window;
} __packed;

struct wire_assigned {
	__le32 type;
	__le32 slot;
	u8 memory[20][6];
	__le32 msis;
	__le32 reserved[4];
} __packed;

struct wire_assigned2 {
	__le32 type;
	__le32 slot;
	u8 memory[20][6];
	__le32 msis;
	u8 reserved[70];
} __packed;

struct wire_block {
	__le32 type;
	__le32 block;
	__le32 slot;
	__le32 count;
	u8 bytes[];			/* written ones, and four more */
} __packed;

struct wire_ejected {
	__le32 type;
	__le32 slot;
	__le32 status;
} __packed;

/* To the guest: */
struct wire_description {
	__le16 vendor, device;
	u8 revision, interface, subclass, class;
	__le32 subsystem;
	__le32 slot;
	__le32 serial;
} __packed;

struct wire_description2 {
	struct wire_description description;
	__le32 flags;
	__le16 numa_node;
	__le16 reserved;
} __packed;

struct wire_relations {
	__le32 type;
	__le32 count;
	u8 descriptions[];		/* of whichever version */
} __packed;

struct wire_invalidate {
	__le32 type;
	__le32 slot;
	__le64 mask;
} __packed;

struct wire_resources {
	__le32 status;
	__le32 bars[6];
} __packed;

/* A request for a block, which may wait for its answer. */
struct vsim_request {
	struct list_head list;
	struct vsim_bus *bus;
	u64 trans_id;
	bool write;
	u32 id;
	u32 count;
};

DEFINE_SPINLOCK(vsim_lock);
DECLARE_WAIT_QUEUE_HEAD(vsim_wait);
struct vsim_bus *vsim_current;

static DEFINE_XARRAY(vsim_blocks);
static LIST_HEAD(vsim_kept);
static enum vpci_host_how vsim_how;
static u32 vsim_argument;		/* of vsim_how */
static struct vpci_host_counters vsim_counters;

/**
 * vsim_violation() - Count and tell of a message that is not as it has to be
 * @message: the guest's
 * @format: what is wrong with it
 */
void vsim_violation(const struct vsim_message *message, const char *format, ...)
{
	struct va_format what = { .fmt = format };
	va_list arguments;

	vsim_counters.errors++;
	va_start(arguments, format);
	what.va = &arguments;
	pr_err("vpci_sim: %pV: %u bytes, begin with %*ph\n", &what, message->length,
	       min_t(int, message->length, 32), message->data);
	va_end(arguments);
}

/* ---- to the guest ---- */

static u32 vsim_slot(unsigned int devfn)
{
	return PCI_SLOT(devfn) | PCI_FUNC(devfn) << 5;
}

static void *vsim_event(u32 length)
{
	void *payload = vsim_new_packet(VM_PKT_DATA_INBAND, 0, length);

	WARN(!payload, "vpci_sim: no memory");
	return payload;
}

static void *vsim_completion(u64 trans_id, u32 status, u32 length)
{
	__le32 *payload = vsim_new_packet(VM_PKT_COMP, trans_id, length);

	if (WARN(!payload, "vpci_sim: no memory"))
		return NULL;
	if (length)
		*payload = cpu_to_le32(status);
	return payload;
}

static void vsim_complete(const struct vsim_message *message, u32 status)
{
	void *payload = vsim_completion(message->trans_id, status, sizeof(__le32));

	if (payload)
		vsim_deliver(message->bus, payload);
}

static struct wire_description vsim_describe(const struct vsim_bus *bus, unsigned int devfn)
{
	return (struct wire_description) {
		.vendor		= cpu_to_le16(0x15b3),
		.device		= cpu_to_le16(0x1018),
		.class		= PCI_BASE_CLASS_NETWORK,
		.subsystem	= cpu_to_le32(0x101815b3),
		.slot		= cpu_to_le32(vsim_slot(devfn)),
		.serial		= cpu_to_le32(bus->functions[devfn].serial),
	};
}

/**
 * vsim_send_relations() - Tell the guest which functions there are on a bus
 * @bus: the bus
 */
void vsim_send_relations(struct vsim_bus *bus)
{
	bool second = bus->version >= WIRE_VERSION(1, 3);
	u32 size = second ? sizeof(struct wire_description2) : sizeof(struct wire_description);
	struct wire_relations *relations;
	unsigned int devfn, count = 0;

	for (devfn = 0; devfn < ARRAY_SIZE(bus->functions); devfn++)
		count += bus->functions[devfn].present;
	relations = vsim_event(sizeof(*relations) + count * size);
	if (!relations)
		return;
	relations->type = cpu_to_le32(second ? WIRE_RELATIONS2 : WIRE_RELATIONS);
	relations->count = cpu_to_le32(count);
	memset(relations->descriptions, 0, count * size);
	for (devfn = 0, count = 0; devfn < ARRAY_SIZE(bus->functions); devfn++) {
		struct wire_description description = vsim_describe(bus, devfn);

		if (bus->functions[devfn].present)
			memcpy(relations->descriptions + count++ * size, &description,
			       sizeof(description));
	}
	vsim_deliver(bus, relations);
}

void vsim_send_eject(struct vsim_bus *bus, unsigned int devfn)
{
	struct wire_function *eject = vsim_event(sizeof(*eject));

	if (!eject)
		return;
	eject->type = cpu_to_le32(WIRE_EJECT);
	eject->slot = cpu_to_le32(vsim_slot(devfn));
	vsim_deliver(bus, eject);
}

/**
 * vsim_send_invalidate() - Tell the guest which blocks are not what they were
 * @bus: of the function
 * @devfn: the function
 * @mask: the blocks
 *
 * Return: the number of the packet
 */
u64 vsim_send_invalidate(struct vsim_bus *bus, unsigned int devfn, u64 mask)
{
	struct wire_invalidate *invalidate = vsim_event(sizeof(*invalidate));

	if (!invalidate)
		return 0;
	invalidate->type = cpu_to_le32(WIRE_INVALIDATE);
	invalidate->slot = cpu_to_le32(vsim_slot(devfn));
	invalidate->mask = cpu_to_le64(mask);
	return vsim_deliver(bus, invalidate);
}

/* ---- answers to requests for blocks ---- */

/* How many bytes follow the status. */
static u32 vsim_answer_length(const struct vsim_request *request,
			      const struct vpci_host_block *block, enum vpci_host_how how)
{
	u32 length = request->write ? 0 : min(request->count, block->length);

	if (how == HOST_LONG)
		return (request->write ? 0 : request->count) + vsim_argument;
	return how == HOST_SHORT ? min(length, vsim_argument) : length;
}

static void vsim_answer_once(const struct vsim_request *request, enum vpci_host_how how)
{
	const struct vpci_host_block *block = xa_load(&vsim_blocks, request->id);
	u32 status = block ? 0 : STATUS_NOT_FOUND, length = 0;
	u8 *payload;

	if (how == HOST_FAILS)
		status = vsim_argument;
	else if (block)
		length = vsim_answer_length(request, block, how);
	payload = vsim_completion(request->trans_id, status, sizeof(__le32) + length);
	if (!payload)
		return;
	if (length && !request->write)
		memcpy(payload + sizeof(__le32), block->bytes, min(length, block->length));
	vsim_deliver(request->bus, payload);
}

static void vsim_keep(const struct vsim_request *request)
{
	struct vsim_request *kept = kmemdup(request, sizeof(*request), GFP_ATOMIC);

	if (WARN(!kept, "vpci_sim: no memory"))
		return;
	list_add_tail(&kept->list, &vsim_kept);
	vsim_counters.kept++;
}

/* What is too short to be an answer is none: the real one may still come. */
static void vsim_answer_runt(const struct vsim_request *request)
{
	void *payload = vsim_completion(request->trans_id, 0, 0);

	if (payload)
		vsim_deliver(request->bus, payload);
	vsim_keep(request);
}

static void vsim_answer(const struct vsim_request *request)
{
	switch (vsim_how) {
	case HOST_NEVER:
		vsim_keep(request);
		break;
	case HOST_RUNT:
		vsim_answer_runt(request);
		break;
	case HOST_TWICE:
		vsim_answer_once(request, HOST_OK);
		vsim_answer_once(request, HOST_OK);
		break;
	case HOST_AGAIN:
		vsim_answer_once(request, HOST_OK);
		vsim_keep(request);
		break;
	default:
		vsim_answer_once(request, vsim_how);
	}
}

/* ---- from the guest ---- */

/* The whole of it is known beforehand. */
static bool vsim_is(const struct vsim_message *message, const void *expected, u32 length)
{
	if (message->length == length && !memcmp(message->data, expected, length))
		return true;
	vsim_violation(message, "is not %*ph (%u bytes)", min_t(int, length, 32), expected,
		       length);
	return false;
}

/* The function of a slot, if there is one; its devfn is known by its place. */
static struct vsim_function *vsim_find(const struct vsim_message *message, __le32 wire)
{
	u32 slot = le32_to_cpu(wire);
	struct vsim_function *function;

	if (slot > 0xff) {
		vsim_violation(message, "slot %#x has reserved bits", slot);
		return NULL;
	}
	function = &message->bus->functions[PCI_DEVFN(slot & 0x1f, slot >> 5)];
	if (function->present)
		return function;
	vsim_violation(message, "slot %#x has no function", slot);
	return NULL;
}

static void vsim_on_query_version(const struct vsim_message *message)
{
	const struct wire_version *query = message->data;
	u32 version;

	if (message->length != sizeof(*query)) {
		vsim_violation(message, "has %zu bytes", sizeof(*query));
		return;
	}
	version = le32_to_cpu(query->version);
	if (message->bus->version)
		vsim_violation(message, "a version is agreed on");
	if (version < WIRE_VERSION(1, 1) || version > WIRE_VERSION(1, 4))
		vsim_violation(message, "there is no version %#x", version);
	if (version > vsim_version) {
		vsim_complete(message, STATUS_REVISION_MISMATCH);
		return;
	}
	message->bus->version = version;
	vsim_complete(message, 0);
}

static void vsim_on_query_relations(const struct vsim_message *message)
{
	const __le32 expected = cpu_to_le32(WIRE_QUERY_RELATIONS);

	if (vsim_is(message, &expected, sizeof(expected)))
		vsim_send_relations(message->bus);
}

static void vsim_on_query_resources(const struct vsim_message *message)
{
	const struct wire_function *query = message->data;
	struct wire_resources *resources;

	if (message->length != sizeof(*query))
		vsim_violation(message, "has %zu bytes", sizeof(*query));
	else
		vsim_find(message, query->slot);
	resources = vsim_completion(message->trans_id, 0, sizeof(*resources));
	if (!resources)
		return;
	memset(resources, 0, sizeof(*resources));	/* nothing but configuration space */
	vsim_deliver(message->bus, resources);
}

static void vsim_on_d0_entry(const struct vsim_message *message)
{
	const struct wire_d0_entry expected = {
		.type	= cpu_to_le32(WIRE_D0_ENTRY),
		.window	= cpu_to_le64(vsim_window),
	};

	vsim_is(message, &expected, sizeof(expected));
	if (message->bus->d0)
		vsim_violation(message, "in D0 already");
	message->bus->d0 = true;
	vsim_complete(message, 0);
}

static void vsim_on_d0_exit(const struct vsim_message *message)
{
	const __le32 expected = cpu_to_le32(WIRE_D0_EXIT);

	vsim_is(message, &expected, sizeof(expected));
	if (!message->bus->d0)
		vsim_violation(message, "not in D0");
	message->bus->d0 = false;
	vsim_complete(message, 0);
}

/* The slot is the guest's choice; all the rest is zero. */
static void vsim_on_assigned(const struct vsim_message *message)
{
	const struct wire_function *function = message->data;
	bool second = message->bus->version >= WIRE_VERSION(1, 2);
	union {
		__le32 words[2];
		struct wire_assigned first;
		struct wire_assigned2 second;
	} expected = {};

	if (!message->bus->d0)
		vsim_violation(message, "not in D0");
	if (message->length < sizeof(*function)) {
		vsim_violation(message, "has no slot");
	} else if (vsim_find(message, function->slot)) {
		expected.words[0] = cpu_to_le32(second ? WIRE_ASSIGNED2 : WIRE_ASSIGNED);
		expected.words[1] = function->slot;
		vsim_is(message, &expected,
			second ? sizeof(expected.second) : sizeof(expected.first));
	}
	vsim_complete(message, 0);
}

/* With each function that was assigned, before D0 is left; hv_pci seldom does. */
static void vsim_on_released(const struct vsim_message *message)
{
	const struct wire_function *released = message->data;

	if (message->length != sizeof(*released))
		vsim_violation(message, "has %zu bytes", sizeof(*released));
	else
		vsim_find(message, released->slot);
}

static void vsim_on_ejected(const struct vsim_message *message)
{
	const struct wire_ejected *ejected = message->data;
	struct vsim_function *function;

	if (message->length != sizeof(*ejected)) {
		vsim_violation(message, "has %zu bytes", sizeof(*ejected));
		return;
	}
	if (ejected->status)
		vsim_violation(message, "a status");
	function = vsim_find(message, ejected->slot);
	if (function)
		function->present = false;
}

static void vsim_on_block_request(const struct vsim_message *message, bool write)
{
	const struct wire_block *wire = message->data;
	struct vsim_request request = {
		.bus		= message->bus,
		.trans_id	= message->trans_id,
		.write		= write,
		.id		= le32_to_cpu(wire->block),
		.count		= le32_to_cpu(wire->count),
	};

	if (write)
		vpci_host_count_write(&vsim_counters, request.id, wire->bytes, request.count);
	else
		vsim_counters.reads++;
	if (!message->bus->d0)
		vsim_violation(message, "not in D0");
	if (vsim_find(message, wire->slot))
		vsim_answer(&request);
	else
		vsim_complete(message, STATUS_NO_SUCH_DEVICE);
}

/* Whether it is long enough to look at, and asks for as many bytes as a block may have. */
static bool vsim_is_block_request(const struct vsim_message *message)
{
	const struct wire_block *wire = message->data;
	u32 count;

	if (message->length < sizeof(*wire)) {
		vsim_violation(message, "has at least %zu bytes", sizeof(*wire));
		return false;
	}
	count = le32_to_cpu(wire->count);
	if (count && count <= HV_CONFIG_BLOCK_SIZE_MAX)
		return true;
	vsim_violation(message, "asks for %u bytes", count);
	return false;
}

static void vsim_on_read_block(const struct vsim_message *message)
{
	if (!vsim_is_block_request(message))
		return;
	if (message->length != sizeof(struct wire_block))
		vsim_violation(message, "has %zu bytes", sizeof(struct wire_block));
	vsim_on_block_request(message, false);
}

/* Some hosts of 2018 take no message that has not four bytes more than it needs. */
static void vsim_on_write_block(const struct vsim_message *message)
{
	const struct wire_block *wire = message->data;
	u32 count;

	if (!vsim_is_block_request(message))
		return;
	count = le32_to_cpu(wire->count);
	if (message->length != sizeof(*wire) + count + sizeof(__le32)) {
		vsim_violation(message, "has %zu bytes", sizeof(*wire) + count + sizeof(__le32));
		return;
	}
	if (memchr_inv(wire->bytes + count, 0, sizeof(__le32)))
		vsim_violation(message, "does not end with zeroes");
	vsim_on_block_request(message, true);
}

static const struct vsim_rule {
	u32 type;
	bool completion;
	void (*receive)(const struct vsim_message *message);
} vsim_rules[] = {
	{ WIRE_QUERY_VERSION,	true,	vsim_on_query_version },
	{ WIRE_QUERY_RELATIONS,	false,	vsim_on_query_relations },
	{ WIRE_QUERY_RESOURCES,	true,	vsim_on_query_resources },
	{ WIRE_D0_ENTRY,	true,	vsim_on_d0_entry },
	{ WIRE_D0_EXIT,		true,	vsim_on_d0_exit },
	{ WIRE_ASSIGNED,	true,	vsim_on_assigned },
	{ WIRE_ASSIGNED2,	true,	vsim_on_assigned },
	{ WIRE_RELEASED,	false,	vsim_on_released },
	{ WIRE_EJECTED,		false,	vsim_on_ejected },
	{ WIRE_READ_BLOCK,	true,	vsim_on_read_block },
	{ WIRE_WRITE_BLOCK,	true,	vsim_on_write_block },
};

static const struct vsim_rule *vsim_find_rule(const struct vsim_message *message)
{
	const __le32 *type = message->data;
	size_t i;

	if (message->length < sizeof(*type))
		return NULL;
	for (i = 0; i < ARRAY_SIZE(vsim_rules); i++)
		if (vsim_rules[i].type == le32_to_cpu(*type))
			return &vsim_rules[i];
	return NULL;
}

/**
 * vsim_receive() - Take a message from the guest
 * @message: the message
 */
void vsim_receive(const struct vsim_message *message)
{
	const struct vsim_rule *rule = vsim_find_rule(message);

	if (!rule) {
		vsim_violation(message, "of no known type");
		return;
	}
	if (!message->bus->version && rule->type != WIRE_QUERY_VERSION)
		vsim_violation(message, "before a version is agreed on");
	if (rule->completion != message->completion)
		vsim_violation(message, "asks for %s completion", rule->completion ? "no" : "a");
	if (message->trans_id ? !rule->completion && VSIM_HAS_IDS : rule->completion)
		vsim_violation(message, "has the ID %#llx", message->trans_id);
	rule->receive(message);
}

/**
 * vsim_closed() - Forget what was agreed on, and what was asked for
 * @bus: whose channel the guest has closed
 */
void vsim_closed(struct vsim_bus *bus)
{
	const struct vsim_message nothing = { .bus = bus };
	struct vsim_request *kept, *next;

	if (bus->d0 && !bus->channel.rescind)
		vsim_violation(&nothing, "the channel is closed in D0");
	bus->version = 0;
	bus->d0 = false;
	list_for_each_entry_safe(kept, next, &vsim_kept, list) {
		if (kept->bus != bus)
			continue;
		list_del(&kept->list);
		kfree(kept);
		vsim_counters.kept--;
	}
}

/**
 * vsim_is_full() - is there no room in the ring for a request for a block?
 * @message: the request, or something else, for which there always is
 */
bool vsim_is_full(const struct vsim_message *message)
{
	const struct vsim_rule *rule = vsim_find_rule(message);

	return READ_ONCE(vsim_how) == HOST_FULL && rule &&
	       (rule->type == WIRE_READ_BLOCK || rule->type == WIRE_WRITE_BLOCK);
}

/* ---- what tests want ---- */

/**
 * vsim_set_how() - Say how requests for blocks are answered from now on
 * @how: how
 * @argument: the status, or a number of bytes
 *
 * Return: 0
 */
int vsim_set_how(enum vpci_host_how how, u32 argument)
{
	unsigned long flags;

	spin_lock_irqsave(&vsim_lock, flags);
	vsim_how = how;
	vsim_argument = argument;
	spin_unlock_irqrestore(&vsim_lock, flags);
	return 0;
}

static void vsim_release_first(void)
{
	struct vsim_request *kept = list_first_entry(&vsim_kept, struct vsim_request, list);

	list_del(&kept->list);
	vsim_counters.kept--;
	vsim_answer_once(kept, HOST_OK);
	kfree(kept);
}

/* Late answers; those to come are in time again. */
void vsim_release_kept(void)
{
	vsim_how = HOST_OK;
	while (!list_empty(&vsim_kept))
		vsim_release_first();
}

/**
 * vsim_release_one() - Answer what is kept for longest, and nothing else
 *
 * Return: 0, or -ENOENT if nothing is kept
 */
int vsim_release_one(void)
{
	int ret = -ENOENT;

	spin_lock_irq(&vsim_lock);
	if (!list_empty(&vsim_kept)) {
		vsim_release_first();
		ret = 0;
	}
	spin_unlock_irq(&vsim_lock);
	return ret;
}

void vsim_get_counters(struct vpci_host_counters *counters)
{
	*counters = vsim_counters;
}

/**
 * vsim_set_block() - Set what a block has
 * @id: which
 * @hex: its contents; empty: there is no such block
 *
 * Return: 0, or an error
 */
int vsim_set_block(u32 id, const char *hex)
{
	return vpci_host_set_block(&vsim_blocks, &vsim_lock, id, hex);
}

void vsim_free_blocks(void)
{
	vpci_host_free_blocks(&vsim_blocks);
}
