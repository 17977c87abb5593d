// SPDX-License-Identifier: GPL-2.0-only
/*
 * /sys/class/vpci/DDDD:BB:DD.F: who has the slot, and how the requests are doing
 *
 * Lifetime: the kernel calls this while the directory is there, and so the function is.
 *
 * Locks: vpci_lock for what is shown. A driver's name is good as long as it is there.
 */

#include <linux/device.h>
#include <linux/sysfs.h>

#include "vpci.h"

static struct vpci_function *vpci_of(struct device *dev)
{
	return container_of(dev, struct vpci_function, dev);
}

static ssize_t listener_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	ssize_t n;

	spin_lock_irq(&vpci_lock);
	n = sysfs_emit(buf, "%s\n", vpci_of(dev)->listener);
	spin_unlock_irq(&vpci_lock);
	return n;
}
static DEVICE_ATTR_RO(listener);

static ssize_t in_flight_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n", READ_ONCE(vpci_of(dev)->in_flight));
}
static DEVICE_ATTR_RO(in_flight);

static ssize_t waiting_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n", READ_ONCE(vpci_of(dev)->waiting));
}
static DEVICE_ATTR_RO(waiting);

static ssize_t failed_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%lu\n", READ_ONCE(vpci_of(dev)->failed));
}
static DEVICE_ATTR_RO(failed);

/* Of all functions that the VMBus device has and had, as they share its places. */
static ssize_t left_behind_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	const struct device *hdev = vpci_of(dev)->hdev;
	const struct vpci_request *rq;
	unsigned int n = 0;

	spin_lock_irq(&vpci_lock);
	list_for_each_entry(rq, &vpci_in_flight, node)
		n += rq->left && rq->f->fn->hdev == hdev;
	spin_unlock_irq(&vpci_lock);
	return sysfs_emit(buf, "%u\n", n);
}
static DEVICE_ATTR_RO(left_behind);

static struct attribute *vpci_attrs[] = {
	&dev_attr_listener.attr,
	&dev_attr_in_flight.attr,
	&dev_attr_waiting.attr,
	&dev_attr_failed.attr,
	&dev_attr_left_behind.attr,
	NULL
};

static const struct attribute_group vpci_group = {
	.attrs = vpci_attrs,
};

const struct attribute_group *vpci_groups[] = {
	&vpci_group,
	NULL
};
