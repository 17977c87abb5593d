// SPDX-License-Identifier: GPL-2.0-only
/*
 * vmgen_test - change the generation ID from inside the guest
 *
 * Plays the hypervisor for the device of vmgen-ssdt.asl or of vmgen.dtsi: writes
 * a new ID into its buffer while all CPUs stand still, as a restored guest would
 * find it, and has the firmware send its Notify or the interrupt controller the
 * interrupt. Everything after that is the real path.
 *
 * Commands, written to /dev/vmgen_test, each finished when write() returns:
 *
 *	change [N]	N times (1): a new random ID, a Notify (or interrupt), and
 *			wait until all that handles it has returned
 *	set [LOW:HIGH]	a new ID (random, or this one) and no Notify
 *	notify		a Notify and no new ID
 *	beside BYTE	what stands behind the ID, as firmware's own data may
 *	settle		wait until all that vmgencounter has left to a work item is done
 *	poke ADDR VALUE	the u32 at the caller's address, which the caller may only read;
 *			for a page that the kernel has an address of
 */

#include <linux/acpi.h>
#include <linux/fs.h>
#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/irq.h>
#include <linux/irqdesc.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/of.h>
#include <linux/of_platform.h>
#include <linux/platform_device.h>
#include <linux/random.h>
#include <linux/sched/signal.h>
#include <linux/stop_machine.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>

static struct acpi_device *vmgt_device;		/* or else ... */
static struct platform_device *vmgt_dt_device;	/* ... with this: */
static int vmgt_irq;				/* negative: there is none */
static __le64 *vmgt_buffer;			/* the ID and what stands beside it */
static DEFINE_MUTEX(vmgt_lock);

static int vmgt_store(void *id)
{
	memcpy(vmgt_buffer, id, 16);
	return 0;
}

static int vmgt_set(u64 low, u64 high)
{
	__le64 id[2] = { cpu_to_le64(low), cpu_to_le64(high) };

	return stop_machine(vmgt_store, id, NULL);
}

static int vmgt_set_beside(u8 byte)
{
	WRITE_ONCE(*(u8 *)(vmgt_buffer + 2), byte);
	return 0;
}

static int vmgt_set_random(void)
{
	u64 id[2];

	get_random_bytes(id, sizeof(id));
	return vmgt_set(id[0], id[1]);
}

/* flush_workqueue() does not know this queue when it sees it, or would object. */
static int vmgt_settle(void)
{
	struct workqueue_struct *queue = VMGT_SYSTEM_WQ;

	OPTIMIZER_HIDE_VAR(queue);
	flush_workqueue(queue);
	return 0;
}

/*
 * Pending until the interrupt has reached a CPU, or for as long as nobody wants it,
 * and then active until its handlers have run, which is what synchronize_irq() waits
 * for. From there vmgencounter may have gone on in a work item.
 */
static int vmgt_raise_interrupt(void)
{
	bool pending = true;
	int ret;

	if (vmgt_irq < 0)
		return vmgt_irq;
	ret = irq_set_irqchip_state(vmgt_irq, IRQCHIP_STATE_PENDING, true);
	while (!ret && pending && irq_has_action(vmgt_irq)) {
		cond_resched();
		ret = fatal_signal_pending(current) ? -EINTR :
		      irq_get_irqchip_state(vmgt_irq, IRQCHIP_STATE_PENDING, &pending);
	}
	synchronize_irq(vmgt_irq);
	vmgt_settle();
	return ret;
}

static int vmgt_notify_acpi(void)
{
	if (ACPI_FAILURE(acpi_evaluate_object(vmgt_device->handle, "NTFY", NULL, NULL)))
		return -EIO;
	acpi_os_wait_events_complete();
	return 0;
}

static int vmgt_notify(void)
{
	return vmgt_device ? vmgt_notify_acpi() : vmgt_raise_interrupt();
}

static int vmgt_change(unsigned int times)
{
	int ret = 0;

	while (!ret && times--) {
		ret = vmgt_set_random() ?: vmgt_notify();
		if (fatal_signal_pending(current))
			ret = -EINTR;
	}
	return ret;
}

static int vmgt_poke(unsigned long addr, u32 value)
{
	struct page *page;

	if (!IS_ALIGNED(addr, sizeof(value)) || get_user_pages_fast(addr, 1, 0, &page) != 1)
		return -EFAULT;
	WRITE_ONCE(*(u32 *)(page_address(page) + offset_in_page(addr)), value);
	put_page(page);
	return 0;
}

static int vmgt_command(const char *line)
{
	unsigned int times = 1, value;
	u64 low, high;
	u8 byte;

	if (!strcmp(line, "change") || sscanf(line, "change %u", &times) == 1)
		return vmgt_change(times);
	if (sscanf(line, "set %llx:%llx", &low, &high) == 2)
		return vmgt_set(low, high);
	if (!strcmp(line, "set"))
		return vmgt_set_random();
	if (!strcmp(line, "notify"))
		return vmgt_notify();
	if (sscanf(line, "beside %hhu", &byte) == 1)
		return vmgt_set_beside(byte);
	if (!strcmp(line, "settle"))
		return vmgt_settle();
	if (sscanf(line, "poke %llx %x", &low, &value) == 2)
		return vmgt_poke(low, value);
	return -EINVAL;
}

static ssize_t vmgt_write(struct file *file, const char __user *buf,
			  size_t count, loff_t *pos)
{
	char line[64];
	int ret;

	if (count >= sizeof(line))
		return -EINVAL;
	if (copy_from_user(line, buf, count))
		return -EFAULT;
	line[count] = '\0';
	mutex_lock(&vmgt_lock);
	ret = vmgt_command(strim(line));
	mutex_unlock(&vmgt_lock);
	return ret ?: count;
}

static const struct file_operations vmgt_fops = {
	.owner	= THIS_MODULE,
	.write	= vmgt_write,
};

static struct miscdevice vmgt_misc = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= "vmgen_test",
	.mode	= 0600,
	.fops	= &vmgt_fops,
};

static int __init vmgt_map_acpi(void)
{
	struct acpi_buffer out = { ACPI_ALLOCATE_BUFFER, NULL };
	union acpi_object *addr;

	if (ACPI_FAILURE(acpi_evaluate_object(vmgt_device->handle, "ADDR", NULL, &out)))
		return -ENODEV;
	addr = out.pointer;
	vmgt_buffer = memremap(addr->package.elements[0].integer.value, 24,
			       MEMREMAP_WB);
	ACPI_FREE(out.pointer);
	return vmgt_buffer ? 0 : -ENOMEM;
}

static int __init vmgt_map_dt(void)
{
	struct resource *reg = platform_get_resource(vmgt_dt_device, IORESOURCE_MEM, 0);

	if (!reg)
		return -ENODEV;
	vmgt_irq = platform_get_irq_optional(vmgt_dt_device, 0);
	vmgt_buffer = memremap(reg->start, 24, MEMREMAP_WB);
	return vmgt_buffer ? 0 : -ENOMEM;
}

static void __init vmgt_find(void)
{
	struct device_node *node;

	vmgt_device = acpi_dev_get_first_match_dev("VMGT0001", NULL, -1);
	if (vmgt_device)
		return;
	node = of_find_compatible_node(NULL, NULL, "microsoft,vmgenid");
	vmgt_dt_device = of_find_device_by_node(node);
	of_node_put(node);
}

static void vmgt_put(void)
{
	put_device(vmgt_device ? &vmgt_device->dev : &vmgt_dt_device->dev);
}

static int __init vmgt_init(void)
{
	int ret;

	vmgt_find();
	if (!vmgt_device && !vmgt_dt_device) {
		pr_err("vmgen_test: no VMGT0001: boot with vmgen-ssdt.aml or vmgen.dtsi\n");
		return -ENODEV;
	}
	ret = vmgt_device ? vmgt_map_acpi() : vmgt_map_dt();
	if (ret)
		goto put;
	ret = misc_register(&vmgt_misc);
	if (ret)
		goto unmap;
	return 0;
unmap:
	memunmap(vmgt_buffer);
put:
	vmgt_put();
	return ret;
}

static void __exit vmgt_exit(void)
{
	misc_deregister(&vmgt_misc);
	memunmap(vmgt_buffer);
	vmgt_put();
}

module_init(vmgt_init);
module_exit(vmgt_exit);

MODULE_DESCRIPTION("Test only: changes the VM generation ID from inside the guest");
MODULE_LICENSE("GPL");
