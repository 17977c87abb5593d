// SPDX-License-Identifier: GPL-2.0-only
/*
 * vmgencounter - the generation ID of a virtual machine, for user space
 *
 * The hypervisor keeps a 128-bit ID in a page of guest memory, changes it when
 * the machine is restored, cloned or failed over, and then sends an ACPI
 * Notify, or an interrupt where a devicetree describes the machine.
 * /dev/vmgencounter lets programs read the ID and wait for a change.
 *
 * The buffer is the truth: each call compares against it, never against a
 * copy. A Notify only wakes those who sleep, and only if the ID changed. What is
 * said of the Notify here holds for that interrupt, too.
 *
 * Lifetime: struct vmgen has one reference from the bound platform device and
 * one from each open file, and keeps the buffer mapped until the last is put.
 * Unbinding marks it gone, wakes everybody and does not wait for user space.
 * Mappings of the page need nothing of ours but the module, which the file
 * behind them pins; they stay valid, as firmware memory does not go away.
 *
 * Wake-up: where the in-tree vmgenid driver is bound it hears the Notify,
 * reseeds the kernel's RNG and then calls the vmfork notifier chain, where we
 * listen. A Notify handler of our own would run before that reseed, so there
 * is one only where that driver is not bound.
 *
 * Locks, outermost first; none is held while user memory is touched, so no page
 * fault of one thread can hold up another one that shares its open file:
 *   vmgen.announcing   one announcement of a change at a time
 *   vmgen.lock         the count of changes
 *   vmgen_file.lock    the last ID delivered
 */

#include <linux/acpi.h>
#include <linux/bitops.h>
#include <linux/device.h>
#include <linux/fs.h>
#include <linux/interrupt.h>
#include <linux/ioport.h>
#include <linux/io.h>
#include <linux/kref.h>
#include <linux/ktime.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/of.h>
#include <linux/of_device.h>
#include <linux/platform_device.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/uaccess.h>
#include <linux/uio.h>
#include <linux/uuid.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include <linux/devioctl.h>
#include <linux/vmgencounter.h>

#include "compat.h"
#include "devioctl.h"

/* The documented _CID of the device, as ACPICA upper-cases it, and a shorter one. */
#define VMGEN_CID	"VM_GEN_COUNTER"
#define VMGEN_SHORT_CID	"VMGENCTR"

/* Of the devicetree's node. */
#define VMGEN_COMPATIBLE	"microsoft,vmgenid"

struct vmgen {
	struct kref refs;
	struct miscdevice misc;
	phys_addr_t addr;
	const __le64 *buffer;		/* the live ID, low half first */
	u32 flags;			/* VMGENCOUNTER_* */
	int irq;			/* of the devicetree's device, or an error */
	bool gone;			/* set once, when unbound */
	struct notifier_block vmfork;
	struct work_struct announce;	/* for a vmfork chain that must not sleep */

	wait_queue_head_t wait;
	struct fasync_struct *fasync;

	struct mutex announcing;	/* one announcement at a time */
	unsigned long announced;	/* @changes when @wait was last woken */

	spinlock_t lock;		/* protects the three below */
	struct vm_gencounter seen;	/* @lock: the last ID anybody saw */
	u64 changes;			/* @lock: how often that changed */
	u64 changed_at;			/* @lock: and when it last did */
};

struct vmgen_file {
	struct vmgen *vg;
	spinlock_t lock;		/* protects the three below */
	bool told;			/* @lock: @delivered is valid */
	struct vm_gencounter delivered;	/* @lock: the last ID */
	u64 changes;			/* @lock: what vmgen_look() said of it */
};

/* Bit 0: a device is bound. The node has one name, so there can be one. */
static unsigned long vmgen_taken;

static void vmgen_release(struct kref *refs)
{
	struct vmgen *vg = container_of(refs, struct vmgen, refs);

	if (vg->buffer)
		memunmap((void *)vg->buffer);
	kfree(vg);
}

static void vmgen_put(void *vg)
{
	kref_put(&((struct vmgen *)vg)->refs, vmgen_release);
}

/* ---- the ID and the count of its changes ---- */

static bool vmgen_same(const struct vm_gencounter *a,
		       const struct vm_gencounter *b)
{
	return a->generation_count == b->generation_count &&
	       a->generation_count_high == b->generation_count_high;
}

/*
 * The hypervisor writes while all CPUs stand still, but they may stand between
 * our two loads: only two equal readings in a row are an ID.
 */
static void vmgen_read_buffer(struct vmgen *vg, struct vm_gencounter *id)
{
	struct vm_gencounter again;

	do {
		id->generation_count = le64_to_cpu(READ_ONCE(vg->buffer[0]));
		id->generation_count_high = le64_to_cpu(READ_ONCE(vg->buffer[1]));
		rmb(); /* a second reading, not the first one again */
		again.generation_count = le64_to_cpu(READ_ONCE(vg->buffer[0]));
		again.generation_count_high = le64_to_cpu(READ_ONCE(vg->buffer[1]));
	} while (!vmgen_same(id, &again));
}

/*
 * The current ID. Whoever is the first to see a new one counts the change: a
 * reader may be earlier than the Notify, and then the count must not lag the ID
 * that comes with it. Reading under the lock keeps an ID that was read earlier
 * from being counted later. Returns the count.
 */
static u64 vmgen_look(struct vmgen *vg, struct vm_gencounter *id)
{
	unsigned long flags;
	u64 changes;

	spin_lock_irqsave(&vg->lock, flags);
	vmgen_read_buffer(vg, id);
	if (!vmgen_same(id, &vg->seen)) {
		vg->seen = *id;
		vg->changes++;
		vg->changed_at = ktime_get_boottime_ns();
	}
	changes = vg->changes;
	spin_unlock_irqrestore(&vg->lock, flags);
	return changes;
}

/* ---- waking those who wait ---- */

static unsigned long vmgen_announced(struct vmgen *vg)
{
	/* pairs with vmgen_announce(): whoever sees it moved sees the new ID */
	return smp_load_acquire(&vg->announced);
}

/*
 * All of them: EPOLLEXCLUSIVE shares a wake-up among those who share a queue,
 * but here the queue is shared by open files that each have news of their own.
 */
static void vmgen_wake(struct vmgen *vg)
{
	wake_up_interruptible_all(&vg->wait);
}

static void vmgen_send_uevent(struct vmgen *vg, u64 changes)
{
	char count[48];
	char *env[2] = { count };

	snprintf(count, sizeof(count), "VMGENCOUNTER_CHANGES=%llu", changes);
	kobject_uevent_env(&vg->misc.this_device->kobj, KOBJ_CHANGE, env);
}

/*
 * Wake everybody if there is a change that they were not woken for. The order
 * matters to vmgen_await(): @announced moves after the new ID is in the buffer
 * and before the wake-up.
 */
static void vmgen_announce(struct vmgen *vg)
{
	struct vm_gencounter id;
	u64 changes;

	mutex_lock(&vg->announcing);
	changes = vmgen_look(vg, &id);
	if (vg->announced != (unsigned long)changes) {
		/* pairs with vmgen_announced(): the ID changed before this */
		smp_store_release(&vg->announced, (unsigned long)changes);
		vmgen_wake(vg);
		kill_fasync(&vg->fasync, SIGIO, POLL_IN);
		vmgen_send_uevent(vg, changes);
	}
	mutex_unlock(&vg->announcing);
}

/*
 * For changes that the in-tree driver does not hear of. The RNG comes first.
 * Not under @announcing: mixing may call the vmfork chain, and that us.
 */
static void vmgen_mix_and_announce(struct vmgen *vg)
{
	struct vm_gencounter id;

	if ((unsigned long)vmgen_look(vg, &id) != vmgen_announced(vg))
		compat_mix_generation((const void *)vg->buffer, sizeof(id));
	vmgen_announce(vg);
}

static int vmgen_vmfork(struct notifier_block *nb, unsigned long action,
			void *data)
{
	vmgen_announce(container_of(nb, struct vmgen, vmfork));
	return NOTIFY_DONE;
}

static void vmgen_announce_work(struct work_struct *work)
{
	vmgen_announce(container_of(work, struct vmgen, announce));
}

/*
 * The in-tree driver of a devicetree's device calls the chain in hard interrupt,
 * so nothing here sleeps. The change is counted at once, as another one may come
 * before the work is done.
 */
static int vmgen_vmfork_atomic(struct notifier_block *nb, unsigned long action,
			       void *data)
{
	struct vmgen *vg = container_of(nb, struct vmgen, vmfork);
	struct vm_gencounter id;

	vmgen_look(vg, &id);
	schedule_work(&vg->announce);
	return NOTIFY_DONE;
}

static void vmgen_acpi_notify(acpi_handle handle, u32 event, void *data)
{
	vmgen_mix_and_announce(data);
}

static irqreturn_t vmgen_irq(int irq, void *data)
{
	return IRQ_WAKE_THREAD;
}

static irqreturn_t vmgen_irq_thread(int irq, void *data)
{
	vmgen_mix_and_announce(data);
	return IRQ_HANDLED;
}

/* ---- delivering the ID through an open file ---- */

static bool vmgen_unread(const struct vmgen_file *f,
			 const struct vm_gencounter *id)
{
	return !f->told || !vmgen_same(id, &f->delivered);
}

static bool vmgen_is_unread(struct vmgen_file *f, const struct vm_gencounter *id)
{
	bool unread;

	spin_lock(&f->lock);
	unread = vmgen_unread(f, id);
	spin_unlock(&f->lock);
	return unread;
}

/*
 * The caller has got @id, which was current when there had been @changes. False
 * if somebody who shares the open file was told the same or a later one
 * meanwhile: that one then stays the last.
 */
static bool vmgen_mark_delivered(struct vmgen_file *f, u64 changes,
				 const struct vm_gencounter *id)
{
	bool first = false;

	spin_lock(&f->lock);
	if (changes >= f->changes) {
		first = vmgen_unread(f, id);
		f->delivered = *id;
		f->changes = changes;
		f->told = true;
	}
	spin_unlock(&f->lock);
	return first;
}

static int vmgen_wait_announced(struct vmgen *vg, unsigned long announced)
{
	if (!(READ_ONCE(vg->flags) & VMGENCOUNTER_WAKEUP))
		return -EOPNOTSUPP;
	return wait_event_interruptible(vg->wait,
					vmgen_announced(vg) != announced ||
					READ_ONCE(vg->gone) ||
					!(READ_ONCE(vg->flags) & VMGENCOUNTER_WAKEUP));
}

/*
 * Wait for an ID that differs from @known, or, where that is NULL, that @f has
 * not delivered yet.
 *
 * No wake-up is lost: @announced is read before the buffer. If the change that
 * we wait for is announced in between, the wait does not begin. And nobody who
 * sleeps is let go by the buffer alone, as the RNG is not reseeded then.
 */
static int vmgen_await(struct vmgen_file *f, const struct vm_gencounter *known,
		       bool nonblock, struct vm_gencounter *id, u64 *changes)
{
	unsigned long announced;
	int ret;

	for (;;) {
		announced = vmgen_announced(f->vg);
		if (READ_ONCE(f->vg->gone))
			return -ENODEV;
		*changes = vmgen_look(f->vg, id);
		if (known ? !vmgen_same(id, known) : vmgen_is_unread(f, id))
			return 0;
		if (nonblock)
			return -EAGAIN;
		ret = vmgen_wait_announced(f->vg, announced);
		if (ret)
			return ret;
	}
}

/*
 * The record is copied out before it is marked, so that a bad address loses
 * nothing. Of several threads that copied it, the first to mark it has read it.
 */
static ssize_t vmgen_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	struct file *file = iocb->ki_filp;
	struct vmgen_file *f = file->private_data;
	bool nonblock = (file->f_flags & O_NONBLOCK) || (iocb->ki_flags & IOCB_NOWAIT);
	struct vm_gencounter id;
	u64 changes;
	int ret;

	if (iov_iter_count(to) < sizeof(id))
		return -EINVAL;
	for (;;) {
		ret = vmgen_await(f, NULL, nonblock, &id, &changes);
		if (ret)
			return ret;
		if (copy_to_iter(&id, sizeof(id), to) != sizeof(id))
			return -EFAULT;
		if (vmgen_mark_delivered(f, changes, &id))
			return sizeof(id);
		iov_iter_revert(to, sizeof(id));
	}
}

/* Changes nothing: epoll calls it whenever it likes. */
static __poll_t vmgen_poll(struct file *file, poll_table *wait)
{
	struct vmgen_file *f = file->private_data;
	struct vm_gencounter id;
	__poll_t ready = 0;

	/*
	 * The announcer writes, then takes the queue's lock to wake us; we take
	 * it here to queue, then read. Whoever is second sees the other.
	 */
	poll_wait(file, &f->vg->wait, wait);
	if (READ_ONCE(f->vg->gone))
		return EPOLLHUP | EPOLLERR;
	if (!(READ_ONCE(f->vg->flags) & VMGENCOUNTER_WAKEUP))
		ready |= EPOLLERR;
	vmgen_read_buffer(f->vg, &id);
	if (vmgen_is_unread(f, &id))
		ready |= EPOLLIN | EPOLLRDNORM;
	return ready;
}

static int vmgen_fasync(int fd, struct file *file, int on)
{
	struct vmgen_file *f = file->private_data;

	return fasync_helper(fd, file, on, &f->vg->fasync);
}

/* ---- ioctl ---- */

static int vmgen_check_request(struct file *file,
			       const struct devioctl_request *req,
			       struct vm_gencounter *known)
{
	const fmode_t both = FMODE_READ | FMODE_WRITE;

	if ((file->f_mode & both) != both)
		return -EACCES;
	if (req->out_size < sizeof(*known))
		return -ENOBUFS;
	if (req->in_size && req->in_size < sizeof(*known))
		return -EINVAL;
	if (req->in_size &&
	    copy_from_user(known, u64_to_user_ptr(req->in_buffer), sizeof(*known)))
		return -EFAULT;
	if (!devioctl_can_write(u64_to_user_ptr(req->out_buffer), sizeof(*known)))
		return -EFAULT;
	return 0;
}

/* Polling mode without input, event-driven mode with the ID in it. */
static int vmgen_get_requested(struct file *file,
			       const struct devioctl_request *req,
			       struct vm_gencounter *id, u64 *changes)
{
	struct vmgen_file *f = file->private_data;
	struct vm_gencounter known;
	int ret;

	ret = vmgen_check_request(file, req, &known);
	if (ret)
		return ret;
	if (READ_ONCE(f->vg->gone))
		return -ENODEV;
	if (req->in_size && !(READ_ONCE(f->vg->flags) & VMGENCOUNTER_WAKEUP))
		return -EOPNOTSUPP;
	if (req->in_size)
		return vmgen_await(f, &known, file->f_flags & O_NONBLOCK, id, changes);
	*changes = vmgen_look(f->vg, id);
	return 0;
}

static long vmgen_ioctl_read(struct file *file,
			     struct devioctl_request __user *block)
{
	struct devioctl_request req;
	struct vm_gencounter id;
	u64 changes;
	int ret;

	if (copy_from_user(&req, block, sizeof(req)) ||
	    !devioctl_can_write(block, sizeof(*block)))
		return -EFAULT;
	ret = vmgen_get_requested(file, &req, &id, &changes);
	if (!ret && copy_to_user(u64_to_user_ptr(req.out_buffer), &id, sizeof(id)))
		ret = -EFAULT;
	ret = devioctl_complete(block, ret ? 0 : sizeof(id), ret);
	if (!ret)
		vmgen_mark_delivered(file->private_data, changes, &id);
	return ret;
}

static long vmgen_ioctl_get_info(struct file *file,
				 struct vmgencounter_info __user *argp)
{
	struct vmgen *vg = ((struct vmgen_file *)file->private_data)->vg;
	struct vmgencounter_info info = {};

	if (!(file->f_mode & FMODE_READ))
		return -EACCES;
	if (READ_ONCE(vg->gone))
		return -ENODEV;
	vmgen_look(vg, &info.id);	/* counts a change that nobody saw yet */
	spin_lock_irq(&vg->lock);
	info.id = vg->seen;
	info.changes = vg->changes;
	info.changed_at = vg->changed_at;
	spin_unlock_irq(&vg->lock);
	info.flags = READ_ONCE(vg->flags);
	if (info.flags & VMGENCOUNTER_MMAP)
		info.offset = offset_in_page(vg->addr);
	return copy_to_user(argp, &info, sizeof(info)) ? -EFAULT : 0;
}

static long vmgen_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	void __user *argp = (void __user *)arg;

	switch (cmd) {
	case IOCTL_VMGENCOUNTER_READ:
		return vmgen_ioctl_read(file, argp);
	case VMGENCOUNTER_GET_INFO:
		return vmgen_ioctl_get_info(file, argp);
	default:
		return -ENOTTY;
	}
}

/* ---- open, mmap, close ---- */

static int vmgen_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct vmgen *vg = ((struct vmgen_file *)file->private_data)->vg;

	if (READ_ONCE(vg->gone))
		return -ENODEV;
	if (!(READ_ONCE(vg->flags) & VMGENCOUNTER_MMAP))
		return -EOPNOTSUPP;
	if (vma->vm_flags & VM_WRITE)
		return -EROFS;
	if ((vma->vm_flags & (VM_READ | VM_EXEC)) != VM_READ)
		return -EPERM;
	if (vma->vm_end - vma->vm_start != PAGE_SIZE || vma->vm_pgoff)
		return -EINVAL;
	vm_flags_clear(vma, VM_MAYWRITE | VM_MAYEXEC);
	return remap_pfn_range(vma, vma->vm_start, PHYS_PFN(vg->addr), PAGE_SIZE,
			       pgprot_decrypted(vma->vm_page_prot));
}

/* misc_mtx is held, so the device cannot be unregistered meanwhile. */
static int vmgen_open(struct inode *inode, struct file *file)
{
	struct vmgen *vg = container_of(file->private_data, struct vmgen, misc);
	struct vmgen_file *f;

	f = kzalloc(sizeof(*f), GFP_KERNEL_ACCOUNT);
	if (!f)
		return -ENOMEM;
	kref_get(&vg->refs);
	f->vg = vg;
	spin_lock_init(&f->lock);
	file->private_data = f;
	file->f_mode |= FMODE_NOWAIT;
	return stream_open(inode, file);
}

static int vmgen_close(struct inode *inode, struct file *file)
{
	struct vmgen_file *f = file->private_data;

	vmgen_put(f->vg);
	kfree(f);
	return 0;
}

static const struct file_operations vmgen_fops = {
	.owner		= THIS_MODULE,
	.open		= vmgen_open,
	.release	= vmgen_close,
	.read_iter	= vmgen_read_iter,
	.poll		= vmgen_poll,
	.fasync		= vmgen_fasync,
	.mmap		= vmgen_mmap,
	.unlocked_ioctl	= vmgen_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
};

/* ---- sysfs, below /sys/class/misc/vmgencounter ---- */

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
	struct vm_gencounter id;

	return sysfs_emit(buf, "%llu\n", vmgen_look(vmgen_of(dev), &id));
}
static DEVICE_ATTR_RO(changes);

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
	&dev_attr_device_interface_guid.attr,
	NULL
};
ATTRIBUTE_GROUPS(vmgen);

/* ---- what the firmware says ---- */

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
			acpi_format_exception(status));
		return -ENODEV;
	}
	ret = vmgen_parse_addr(dev, out.pointer, addr);
	ACPI_FREE(out.pointer);
	return ret;
}

static bool vmgen_has_dt_node(struct device *dev)
{
	return of_device_is_compatible(dev->of_node, VMGEN_COMPATIBLE);
}

/* That of the devicetree: @dev itself, or the one that we added @dev to. */
static struct platform_device *vmgen_dt_device(struct device *dev)
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
	return true;
}

/* A device without an interrupt is deaf; one whose interrupt is yet to come waits. */
static int vmgen_find_irq(struct device *dev, struct vmgen *vg)
{
	struct platform_device *dt = vmgen_dt_device(dev);

	vg->irq = dt ? platform_get_irq_optional(dt, 0) : -ENXIO;
	return vg->irq == -EPROBE_DEFER ? -EPROBE_DEFER : 0;
}

static int vmgen_map_buffer(struct device *dev, struct vmgen *vg)
{
	const size_t size = sizeof(struct vm_gencounter);
	unsigned long how = MEMREMAP_WB;
	int ret;

	ret = vmgen_find_buffer(dev, &vg->addr);
	if (ret)
		return ret;
	if (vmgen_can_mmap(dev, vg->addr))
		vg->flags |= VMGENCOUNTER_MMAP;
	/* memremap() gives System RAM as the direct map has it, or not at all. */
	if (region_intersects(vg->addr, size, IORESOURCE_SYSTEM_RAM,
			      IORES_DESC_NONE) == REGION_DISJOINT)
		how |= MEMREMAP_DEC;
	vg->buffer = memremap(vg->addr, size, how);
	if (!vg->buffer) {
		dev_err(dev, "the ID at %pa cannot be mapped\n", &vg->addr);
		return -ENOMEM;
	}
	vmgen_read_buffer(vg, &vg->seen);
	return 0;
}

/* ---- bind and unbind ---- */

static bool vmgen_is_intree_driver(const struct device_driver *drv)
{
	return drv && !strcmp(drv->name, "vmgenid");
}

static bool vmgen_has_intree_driver(struct device *dev)
{
	bool bound;

	device_lock(dev);
	bound = vmgen_is_intree_driver(dev->driver);
	device_unlock(dev);
	return bound;
}

/*
 * @dev is locked, and its parent cannot be waited for then: device_shutdown() takes
 * the two in the other order.
 */
static int vmgen_intree_bound_dt(struct device *dev)
{
	struct device *first = &vmgen_dt_device(dev)->dev;
	bool bound;

	if (first == dev)
		return false;
	if (!device_trylock(first))
		return -EPROBE_DEFER;
	bound = vmgen_is_intree_driver(first->driver);
	device_unlock(first);
	return bound;
}

/*
 * The in-tree driver binds the ACPI device itself, or in newer kernels its
 * platform device; then @dev is the one that we added beside that.
 */
static int vmgen_intree_bound_acpi(struct device *dev)
{
	struct acpi_device *adev = ACPI_COMPANION(dev);
	struct device *first = bus_find_device_by_acpi_dev(&platform_bus_type, adev);
	bool bound = vmgen_has_intree_driver(compat_acpi_dev(adev));

	if (first && first != dev)
		bound |= vmgen_has_intree_driver(first);
	put_device(first);
	return bound;
}

static void vmgen_unclaim(void *taken)
{
	clear_bit(0, taken);
}

static int vmgen_claim(struct device *dev)
{
	if (test_and_set_bit(0, &vmgen_taken)) {
		dev_err(dev, FW_BUG "a second VM generation ID device, ignored: /dev/vmgencounter shows the first\n");
		return -EBUSY;
	}
	return devm_add_action_or_reset(dev, vmgen_unclaim, &vmgen_taken);
}

static struct vmgen *vmgen_create(struct device *dev)
{
	struct vmgen *vg = kzalloc(sizeof(*vg), GFP_KERNEL);
	int ret;

	if (!vg)
		return ERR_PTR(-ENOMEM);
	kref_init(&vg->refs);
	INIT_WORK(&vg->announce, vmgen_announce_work);
	init_waitqueue_head(&vg->wait);
	mutex_init(&vg->announcing);
	spin_lock_init(&vg->lock);
	vg->misc.minor = MISC_DYNAMIC_MINOR;
	vg->misc.name = "vmgencounter";
	vg->misc.mode = 0600;
	vg->misc.fops = &vmgen_fops;
	vg->misc.groups = vmgen_groups;
	vg->misc.parent = dev;
	ret = devm_add_action_or_reset(dev, vmgen_put, vg);
	return ret ? ERR_PTR(ret) : vg;
}

static void vmgen_unpublish(void *data)
{
	struct vmgen *vg = data;

	misc_deregister(&vg->misc);
	WRITE_ONCE(vg->gone, true);
	vmgen_wake(vg);
	kill_fasync(&vg->fasync, SIGIO, POLL_HUP);
}

/* From here on, files can be opened. */
static int vmgen_publish(struct device *dev, struct vmgen *vg)
{
	int ret = misc_register(&vg->misc);

	if (ret) {
		dev_err(dev, "cannot register /dev/vmgencounter: %d\n", ret);
		return ret;
	}
	return devm_add_action_or_reset(dev, vmgen_unpublish, vg);
}

/*
 * The chain's lock is one that sleeps, and where the interrupt's hard handler takes
 * it, nobody may hold it meanwhile. What comes in between comes afterwards.
 */
static int vmgen_change_vmfork(struct vmgen *vg, int (*change)(struct notifier_block *))
{
	int ret;

	if (vg->irq > 0)
		disable_irq(vg->irq);
	ret = change(&vg->vmfork);
	if (vg->irq > 0)
		enable_irq(vg->irq);
	return ret;
}

static void vmgen_unsubscribe_vmfork(void *data)
{
	struct vmgen *vg = data;

	vmgen_change_vmfork(vg, unregister_random_vmfork_notifier);
	cancel_work_sync(&vg->announce);
}

static int vmgen_subscribe_vmfork(struct device *dev, struct vmgen *vg)
{
	int ret;

	vg->vmfork.notifier_call = vmgen_dt_device(dev) ? vmgen_vmfork_atomic :
							  vmgen_vmfork;
	ret = vmgen_change_vmfork(vg, register_random_vmfork_notifier);
	return ret ?: devm_add_action_or_reset(dev, vmgen_unsubscribe_vmfork, vg);
}

static void vmgen_unsubscribe_acpi(void *data)
{
	/* Also waits for a handler that runs. */
	acpi_remove_notify_handler(data, ACPI_DEVICE_NOTIFY, vmgen_acpi_notify);
}

static int vmgen_subscribe_acpi(struct device *dev, struct vmgen *vg)
{
	acpi_handle handle = ACPI_HANDLE(dev);

	if (ACPI_FAILURE(acpi_install_notify_handler(handle, ACPI_DEVICE_NOTIFY,
						     vmgen_acpi_notify, vg)))
		return -EIO;
	return devm_add_action_or_reset(dev, vmgen_unsubscribe_acpi, handle);
}

/*
 * Shared, and with a first handler that does not mask the line, so that the in-tree
 * driver may still come and want it, too.
 */
static int vmgen_subscribe_irq(struct device *dev, struct vmgen *vg)
{
	if (vg->irq < 0)
		return vg->irq;
	return devm_request_threaded_irq(dev, vg->irq, vmgen_irq, vmgen_irq_thread,
					 IRQF_SHARED, "vmgencounter", vg);
}

/* A device that cannot notify is still good for polling. */
static void vmgen_no_wakeup(struct device *dev, struct vmgen *vg, int err)
{
	dev_warn(dev, "no notification of changes (error %d): /dev/vmgencounter can be polled but not waited for\n",
		 err);
	WRITE_ONCE(vg->flags, vg->flags & VMGENCOUNTER_MMAP);
	vmgen_wake(vg);
}

/* A change before this was nobody's wake-up: the caller looks once more. */
static void vmgen_subscribe(struct device *dev, struct vmgen *vg, bool vmfork)
{
	const char *source;
	int ret;

	if (vmfork) {
		source = "the vmgenid driver";
		ret = vmgen_subscribe_vmfork(dev, vg);
	} else if (vmgen_dt_device(dev)) {
		source = "its interrupt";
		ret = vmgen_subscribe_irq(dev, vg);
	} else {
		source = "ACPI";
		ret = vmgen_subscribe_acpi(dev, vg);
	}
	if (ret)
		vmgen_no_wakeup(dev, vg, ret);
	else
		dev_info(dev, "generation ID at %pa, changes from %s\n", &vg->addr,
			 source);
}

static int vmgen_probe(struct platform_device *pdev)
{
	struct device *dev = &pdev->dev;
	struct vmgen *vg;
	int vmfork, ret;

	if (!ACPI_COMPANION(dev) && !vmgen_dt_device(dev))
		return -ENODEV;		/* bound by hand to something else */
	ret = vmgen_claim(dev);
	if (ret)
		return ret;
	vg = vmgen_create(dev);
	if (IS_ERR(vg))
		return PTR_ERR(vg);
	ret = vmgen_find_irq(dev, vg) ?: vmgen_map_buffer(dev, vg);
	if (ret)
		return ret;
	vmfork = vmgen_dt_device(dev) ? vmgen_intree_bound_dt(dev) :
					vmgen_intree_bound_acpi(dev);
	if (vmfork < 0)
		return vmfork;
	vg->flags |= VMGENCOUNTER_WAKEUP;
	if (vmfork || COMPAT_CAN_RESEED)
		vg->flags |= VMGENCOUNTER_WAKEUP_AFTER_RESEED;
	ret = vmgen_publish(dev, vg);
	if (ret)
		return ret;
	platform_set_drvdata(pdev, vg);
	vmgen_subscribe(dev, vg, vmfork);
	vmgen_mix_and_announce(vg);
	return 0;
}

/* Some hypervisors send no Notify for what happened while the guest slept. */
static int vmgen_resume(struct device *dev)
{
	vmgen_mix_and_announce(dev_get_drvdata(dev));
	return 0;
}

static const struct dev_pm_ops vmgen_pm_ops = {
	.resume		= vmgen_resume,
	.thaw		= vmgen_resume,
	.restore	= vmgen_resume,
};

static const struct acpi_device_id vmgen_acpi_ids[] = {
	COMPAT_ACPI_LONG_ID(VMGEN_CID)
	{ VMGEN_SHORT_CID },
	{ }
};
MODULE_DEVICE_TABLE(acpi, vmgen_acpi_ids);
COMPAT_ACPI_LONG_ALIAS(VMGEN_CID);

static const struct of_device_id vmgen_of_ids[] = {
	{ .compatible = VMGEN_COMPATIBLE },
	{ }
};
MODULE_DEVICE_TABLE(of, vmgen_of_ids);

static struct platform_driver vmgen_driver = {
	.probe	= vmgen_probe,
	.driver	= {
		.name			= "vmgencounter",
		/* What vmgenid may yet come for is not for us to take. */
		.acpi_match_table	= COMPAT_VMGENID_MAY_LOAD ? NULL : vmgen_acpi_ids,
		.of_match_table		= COMPAT_VMGENID_MAY_LOAD ? NULL : vmgen_of_ids,
		.pm			= &vmgen_pm_ops,
		.probe_type		= PROBE_FORCE_SYNCHRONOUS, /* vmgen_try_beside() */
	},
};

/* ---- a platform device of our own, where that of the firmware is not to be had ---- */

static struct platform_device *vmgen_beside;

/* By hand, as the match tables of old kernels have no room for VMGEN_CID. */
static bool vmgen_has_id(struct device *dev)
{
	struct acpi_device *adev = ACPI_COMPANION(dev);

	if (!adev)
		return vmgen_has_dt_node(dev);
	return compat_acpi_has_id(adev, VMGEN_CID) ||
	       compat_acpi_has_id(adev, VMGEN_SHORT_CID);
}

/*
 * An ACPI device may have several physical ones, of which the first is matched
 * by its ID and others by their name. The in-tree driver keeps the first. All that
 * have a devicetree's node are matched by that, so there ours is the child of the
 * first and has none.
 */
static bool vmgen_needs_beside(struct device *first)
{
	const struct device_driver *drv = &vmgen_driver.driver;

	return vmgen_has_id(first) &&
	       (vmgen_has_intree_driver(first) ||
		!(acpi_match_device(drv->acpi_match_table, first) ||
		  of_match_device(drv->of_match_table, first)));
}

/* For each device until one is bound: then it returns 1. */
static int vmgen_try_beside(struct device *first, void *unused)
{
	struct platform_device_info info = {
		.name = "vmgencounter",
		.id = PLATFORM_DEVID_NONE,
	};
	struct platform_device *pdev;

	if (test_bit(0, &vmgen_taken))
		return 1;
	if (!vmgen_needs_beside(first))
		return 0;
	if (vmgen_has_dt_node(first))
		info.parent = first;
	else
		info.fwnode = acpi_fwnode_handle(ACPI_COMPANION(first));
	pdev = platform_device_register_full(&info);
	if (IS_ERR(pdev))
		return PTR_ERR(pdev);
	if (!test_bit(0, &vmgen_taken)) {
		platform_device_unregister(pdev);
		return 0;
	}
	vmgen_beside = pdev;
	return 1;
}

static int __init vmgen_init(void)
{
	int ret = platform_driver_register(&vmgen_driver);

	if (ret)
		return ret;
	ret = bus_for_each_dev(&platform_bus_type, NULL, NULL, vmgen_try_beside);
	if (ret < 0) {
		platform_driver_unregister(&vmgen_driver);
		return ret;
	}
	return 0;
}

static void __exit vmgen_exit(void)
{
	platform_device_unregister(vmgen_beside);
	platform_driver_unregister(&vmgen_driver);
}

module_init(vmgen_init);
module_exit(vmgen_exit);

MODULE_DESCRIPTION("VM generation ID for user space (/dev/vmgencounter)");
MODULE_LICENSE("GPL");
MODULE_VERSION(VMGENCOUNTER_VERSION);
MODULE_SOFTDEP("pre: vmgenid");
