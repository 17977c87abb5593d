// SPDX-License-Identifier: GPL-2.0-only
/*
 * The attributes in sysfs, below /sys/class/misc/vmgencounter
 *
 * Lifetime: the driver core removes the attributes when driver.c unregisters the
 * misc device, and waits for those who read them. struct vmgen stays until then.
 *
 * Locks: none here. vmgen_look() takes vmgen.lock if the ID is new.
 */

#include <linux/device.h>

#include "vmgen.h"

static struct vmgen *vmgen_of(struct device *dev)
{
	return container_of(dev_get_drvdata(dev), struct vmgen, misc);
}

/* As Microsoft's example prints it: low half, high half, as numbers. */
static ssize_t generation_show(struct device *dev,
			       struct device_attribute *attr, char *buf)
{
	struct vm_gencounter id;

	vmgen_look(vmgen_of(dev), &id);
	return sysfs_emit(buf, "%016llx:%016llx\n", id.generation_count,
			  id.generation_count_high);
}
static DEVICE_ATTR_ADMIN_RO(generation);

/* As QEMU and libvirt print it: the 16 bytes in memory as a GUID. */
static ssize_t generation_guid_show(struct device *dev,
				    struct device_attribute *attr, char *buf)
{
	struct vm_gencounter id;
	__le64 bytes[2];

	vmgen_look(vmgen_of(dev), &id);
	bytes[0] = cpu_to_le64(id.generation_count);
	bytes[1] = cpu_to_le64(id.generation_count_high);
	return sysfs_emit(buf, "%pUl\n", bytes);
}
static DEVICE_ATTR_ADMIN_RO(generation_guid);

static ssize_t changes_show(struct device *dev, struct device_attribute *attr,
			    char *buf)
{
	return sysfs_emit(buf, "%llu\n", vmgen_changes(vmgen_of(dev)));
}
static DEVICE_ATTR_RO(changes);

/* Secrets may be drawn from the kernel when this is what changes is; -1 before. */
static ssize_t reseeded_show(struct device *dev, struct device_attribute *attr,
			     char *buf)
{
	struct vmgencounter_info info = {};

	vmgen_get_info(vmgen_of(dev), &info);
	return sysfs_emit(buf, "%lld\n", info.reseeded);
}
static DEVICE_ATTR_RO(reseeded);

/* For programs that cannot call ioctl(), such as a driver of Wine. */
static ssize_t flags_show(struct device *dev, struct device_attribute *attr,
			  char *buf)
{
	struct vmgencounter_info info = {};

	vmgen_get_info(vmgen_of(dev), &info);
	return sysfs_emit(buf, "%#x\n", info.flags);
}
static DEVICE_ATTR_RO(flags);

static ssize_t device_interface_guid_show(struct device *dev,
					  struct device_attribute *attr,
					  char *buf)
{
	return sysfs_emit(buf, "%s\n", VM_GENCOUNTER_INTERFACE_GUID);
}
static DEVICE_ATTR_RO(device_interface_guid);

static struct attribute *vmgen_attrs[] = {
	&dev_attr_generation.attr,
	&dev_attr_generation_guid.attr,
	&dev_attr_changes.attr,
	&dev_attr_reseeded.attr,
	&dev_attr_flags.attr,
	&dev_attr_device_interface_guid.attr,
	NULL
};

static const struct attribute_group vmgen_group = {
	.attrs = vmgen_attrs,
};

/* As ATTRIBUTE_GROUPS() has it, but for another file. */
const struct attribute_group *vmgen_groups[] = {
	&vmgen_group,
	NULL
};
