// SPDX-License-Identifier: GPL-2.0-only
/*
 * The firmware: where the ID is, and which interrupt tells of its changes
 *
 * ACPI's object ADDR has the address of the ID, or a devicetree's property reg. This
 * file checks an address before it maps it, as firmware may be wrong.
 *
 * Lifetime: vmgen_map_buffer() maps the buffer once, while the platform device is
 * being bound. vmgen_put() unmaps it with the last reference to struct vmgen.
 *
 * Locks: none. Nobody else has struct vmgen yet when this file writes to it.
 */

#include <linux/acpi.h>
#include <linux/device.h>
#include <linux/io.h>
#include <linux/ioport.h>
#include <linux/mm.h>
#include <linux/of.h>
#include <linux/platform_device.h>
#include <linux/string.h>

#include "../compat.h"
#include "vmgen.h"

static int vmgen_parse_addr(struct device *dev, const union acpi_object *obj,
			    u64 *addr)
{
	u64 low, high;

	if (!obj || obj->type != ACPI_TYPE_PACKAGE || obj->package.count != 2 ||
	    obj->package.elements[0].type != ACPI_TYPE_INTEGER ||
	    obj->package.elements[1].type != ACPI_TYPE_INTEGER) {
		dev_err(dev, FW_BUG "ADDR is not a package of two integers, device ignored\n");
		return -EINVAL;
	}
	low = obj->package.elements[0].integer.value;
	high = obj->package.elements[1].integer.value;
	if (low > U32_MAX || high > U32_MAX) {
		dev_err(dev, FW_BUG "ADDR {%#llx, %#llx} has a half of more than 32 bits, device ignored\n",
			low, high);
		return -EINVAL;
	}
	*addr = high << 32 | low;
	return 0;
}

static int vmgen_find_acpi_buffer(struct device *dev, u64 *addr)
{
	struct acpi_buffer out = { ACPI_ALLOCATE_BUFFER, NULL };
	acpi_status status;
	int ret;

	status = acpi_evaluate_object(ACPI_HANDLE(dev), "ADDR", NULL, &out);
	if (ACPI_FAILURE(status)) {
		dev_err(dev, FW_BUG "ADDR cannot be evaluated (%s), device ignored\n",
			acpi_format_exception(status) ?: "no ACPI");
		return -ENODEV;
	}
	ret = vmgen_parse_addr(dev, out.pointer, addr);
	ACPI_FREE(out.pointer);
	return ret;
}

bool vmgen_has_dt_node(struct device *dev)
{
	return of_device_is_compatible(dev->of_node, VMGEN_COMPATIBLE);
}

/* That of the devicetree: @dev itself, or the one that we added @dev to. */
struct platform_device *vmgen_dt_device(struct device *dev)
{
	if (!vmgen_has_dt_node(dev))
		dev = dev->parent;
	return dev && vmgen_has_dt_node(dev) ? to_platform_device(dev) : NULL;
}

static int vmgen_find_dt_buffer(struct device *dev, u64 *addr)
{
	const struct resource *reg =
		platform_get_resource(vmgen_dt_device(dev), IORESOURCE_MEM, 0);

	if (!reg) {
		dev_err(dev, FW_BUG "there is no reg, device ignored\n");
		return -ENODEV;
	}
	if (resource_size(reg) < sizeof(struct vm_gencounter)) {
		dev_err(dev, FW_BUG "reg has %llu bytes and not 16, device ignored\n",
			(u64)resource_size(reg));
		return -EINVAL;
	}
	*addr = reg->start;
	return 0;
}

static bool vmgen_is_ram(u64 addr)
{
	return region_intersects(addr, 1, IORESOURCE_SYSTEM_RAM,
				 IORES_DESC_NONE) == REGION_INTERSECTS;
}

/*
 * @name is what the firmware calls the address. Both ends of the ID are asked
 * about, as of all 16 bytes region_intersects() says that they are RAM if RAM ends
 * among them and nothing follows. memremap() believes it.
 */
static int vmgen_check_addr(struct device *dev, const char *name, u64 addr)
{
	const size_t size = sizeof(struct vm_gencounter);

	if (!addr) {
		dev_err(dev, FW_BUG "%s is zero, device ignored\n", name);
		return -EINVAL;
	}
	if (!IS_ALIGNED(addr, 8)) {
		dev_err(dev, FW_BUG "%s %#llx is not 8-byte aligned, device ignored\n",
			name, addr);
		return -EINVAL;
	}
	if (addr > compat_phys_addr_max() - (size - 1)) {
		dev_err(dev, FW_BUG "%s %#llx is beyond the last physical address, device ignored\n",
			name, addr);
		return -EINVAL;
	}
	if (vmgen_is_ram(addr) != vmgen_is_ram(addr + size - 1)) {
		dev_err(dev, FW_BUG "%s %#llx is half in System RAM, device ignored\n",
			name, addr);
		return -EINVAL;
	}
	return 0;
}

static int vmgen_find_buffer(struct device *dev, phys_addr_t *addr)
{
	bool dt = vmgen_dt_device(dev);
	u64 value;
	int ret = dt ? vmgen_find_dt_buffer(dev, &value) :
		       vmgen_find_acpi_buffer(dev, &value);

	ret = ret ?: vmgen_check_addr(dev, dt ? "reg" : "ADDR", value);
	if (!ret)
		*addr = value;
	return ret;
}

/*
 * A page may be shown to user space if the firmware owns all of it. System RAM
 * is the kernel's, may be encrypted, and has a mapping that we must not change.
 */
static bool vmgen_can_mmap(struct device *dev, phys_addr_t addr)
{
	if (offset_in_page(addr) + sizeof(struct vm_gencounter) > PAGE_SIZE) {
		dev_warn(dev, FW_BUG "the ID at %pa crosses a page end, mmap is not available\n",
			 &addr);
		return false;
	}
	if (region_intersects(addr & PAGE_MASK, PAGE_SIZE, IORESOURCE_SYSTEM_RAM,
			      IORES_DESC_NONE) != REGION_DISJOINT) {
		dev_warn(dev, FW_BUG "the ID at %pa shares its page with System RAM, mmap is not available\n",
			 &addr);
		return false;
	}
	/* User space would have it decrypted, and the calls would not. */
	if (!compat_memremap_decrypts()) {
		dev_warn(dev, "this kernel may map the ID of a confidential guest encrypted, mmap is not available (use Linux 6.15 or later)\n");
		return false;
	}
	return true;
}

/* Memory that the kernel saves into a hibernation image, and restores from it. */
static bool vmgen_is_nvs(phys_addr_t addr)
{
	return region_intersects(addr, sizeof(struct vm_gencounter), IORESOURCE_MEM,
				 IORES_DESC_ACPI_NV_STORAGE) != REGION_DISJOINT;
}

/* A device without an interrupt is deaf; one whose interrupt is yet to come waits. */
int vmgen_find_irq(struct device *dev, struct vmgen *vg)
{
	struct platform_device *dt = vmgen_dt_device(dev);

	vg->irq = dt ? platform_get_irq_optional(dt, 0) : -ENXIO;
	return vg->irq == -EPROBE_DEFER ? -EPROBE_DEFER : 0;
}

bool vmgen_look_around(struct vmgen *vg)
{
	const size_t begin = offset_in_page(vg->addr);
	const size_t end = begin + sizeof(struct vm_gencounter);
	const void *page = (const void *)vg->buffer - begin;
	bool alone;

	if (!(READ_ONCE(vg->flags) & VMGENCOUNTER_MMAP))
		return false;
	alone = !memchr_inv(page, 0, begin) && !memchr_inv(page + end, 0, PAGE_SIZE - end);
	WRITE_ONCE(vg->alone, alone);
	return alone;
}

/* All of the page if it may be shown, else the ID alone. */
static const void *vmgen_memremap(const struct vmgen *vg)
{
	const size_t size = sizeof(struct vm_gencounter);
	const size_t begin = offset_in_page(vg->addr);
	unsigned long how = MEMREMAP_WB;
	const void *page;

	/* memremap() gives System RAM as the direct map has it, or not at all. */
	if (region_intersects(vg->addr, size, IORESOURCE_SYSTEM_RAM,
			      IORES_DESC_NONE) == REGION_DISJOINT)
		how |= MEMREMAP_DEC;
	if (!(vg->flags & VMGENCOUNTER_MMAP))
		return memremap(vg->addr, size, how);
	page = memremap(vg->addr - begin, PAGE_SIZE, how);
	return page ? page + begin : NULL;
}

int vmgen_map_buffer(struct device *dev, struct vmgen *vg)
{
	int ret;

	ret = vmgen_find_buffer(dev, &vg->addr);
	if (ret)
		return ret;
	if (vmgen_can_mmap(dev, vg->addr))
		vg->flags |= VMGENCOUNTER_MMAP;
	vg->buffer = vmgen_memremap(vg);
	if (!vg->buffer) {
		dev_err(dev, "the ID at %pa cannot be mapped\n", &vg->addr);
		return -ENOMEM;
	}
	vmgen_look_around(vg);
	vg->nvs = vmgen_is_nvs(vg->addr);
	if (!vmgen_read_buffer(vg, &vg->seen)) {
		dev_err(dev, FW_BUG "the ID at %pa does not stand still, device ignored\n",
			&vg->addr);
		return -EIO;
	}
	return 0;
}
