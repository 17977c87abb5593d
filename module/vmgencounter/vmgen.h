/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vmgencounter - the generation ID of a virtual machine, for user space
 *
 * The hypervisor keeps a 128-bit ID in a page of guest memory, changes it when
 * the machine is restored, cloned or failed over, and then sends an ACPI
 * Notify, or an interrupt where a devicetree describes the machine.
 * /dev/vmgencounter lets programs read the ID and wait for a change.
 *
 * The buffer is the truth: each call compares against it, never against a
 * copy. A Notify only wakes those who sleep, and only if the ID changed. What
 * these files say of the Notify holds for that interrupt, too.
 *
 * Lifetime: struct vmgen has one reference from the bound platform device and
 * one from each open file, and keeps the buffer mapped until the last is put.
 * Unbinding marks it gone, wakes everybody and does not wait for user space.
 *
 * Locks: vmgen.lock, which who counts a change takes, and nobody while user memory is
 * touched. Who only looks reads in a section of vmgen.seq and writes nothing shared.
 *
 * Each file calls only those below it, and what it uses of a file is declared
 * under that file's name. Nothing calls driver.c:
 *   driver.c           bind and unbind, beside the in-tree driver
 *   wakeup.c           who tells us of a change, and whom we tell
 *   reseed.c           the kernel's random number generator
 *   sysgenid.c         /dev/sysgenid, if the module's parameter asks for it
 *   firmware.c         where the ID is
 *   chardev.c          the open files
 *   public.c           those of the node that every user may open
 *   uring.c            the calls with a request block, by io_uring
 *   ioctl.c            the same by ioctl(), and GET_INFO
 *   sysfs.c            the attributes
 *   generation.c       the ID, the count, and what open files were told
 */
#ifndef _VMGENCOUNTER_VMGEN_H
#define _VMGENCOUNTER_VMGEN_H

#include <linux/atomic.h>
#include <linux/fs.h>
#include <linux/kref.h>
#include <linux/miscdevice.h>
#include <linux/pm.h>
#include <linux/seqlock.h>
#include <linux/spinlock.h>
#include <linux/sysfs.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include <linux/vmgencounter.h>

#include "../devioctl.h"

struct device;
struct io_uring_cmd;
struct platform_device;
struct vm_area_struct;

/* Of the devicetree's node. */
#define VMGEN_COMPATIBLE	"microsoft,vmgenid"

struct vmgen {
	struct kref refs;
	struct miscdevice misc;
	struct miscdevice public;	/* for every user */
	phys_addr_t addr;
	const __le64 *buffer;		/* the live ID, low half first */
	u32 flags;			/* VMGENCOUNTER_*, but for ..._ID_* */
	int irq;			/* of the devicetree's device, or an error */
	bool alone;			/* all else in the page was zero at the last look */
	bool nvs;			/* hibernation may bring back the image's ID */
	bool gone;			/* set once, when unbound */

	struct work_struct announce;	/* who wakes those who wait */
	struct file *urandom;		/* @announce: reseeds by it; NULL if there is none */
	unsigned long announced;	/* @announce: @changes when @wait was last woken */
	wait_queue_head_t wait;
	struct fasync_struct *fasync;

	raw_spinlock_t lock;		/* for who writes the rest, by way of @seq */
	seqcount_raw_spinlock_t seq;
	struct vm_gencounter seen;	/* @seq: the last ID anybody saw */
	u64 changes;			/* @seq: how often that changed */
	u64 changed_at;			/* @seq: and when it last did */
	u64 reseeded;			/* @seq: @changes that the generator knows of */
	bool untrusted;			/* @seq: @seen may be an older one than it should */
};

struct vmgen_file {
	struct vmgen *vg;
	atomic_long_t told;		/* @changes when it last delivered, and 1; or 0 */
	struct devioctl_uring_list uring;
};

/* ---- wakeup.c ---- */

/* It looks at the ID again when the machine has slept. */
extern const struct dev_pm_ops vmgen_pm_ops;

/**
 * vmgen_wake() - wake all who wait for news of a device
 * @vg: the device
 */
void vmgen_wake(struct vmgen *vg);

/**
 * vmgen_subscribe() - hear of changes, until @dev is unbound
 * @dev: the platform device that is being bound
 * @vg: its device
 *
 * A device that cannot notify loses its flags VMGENCOUNTER_WAKEUP*, and remains. The
 * kernel's random number generator is reseeded once before this returns.
 *
 * Return: 0 or -ENOMEM.
 */
int vmgen_subscribe(struct device *dev, struct vmgen *vg);

/* ---- reseed.c ---- */

/**
 * vmgen_open_urandom() - get what vmgen_reseed() needs, until @dev is unbound
 * @dev: the platform device that is being bound
 * @vg: its device, whose @urandom and VMGENCOUNTER_WAKEUP_AFTER_RESEED this sets
 *
 * Return: 0, also if there is no /dev/urandom, or -ENOMEM.
 */
int vmgen_open_urandom(struct device *dev, struct vmgen *vg);

/**
 * vmgen_reseed() - reseed the kernel's random number generator
 * @vg: the device
 * @id: the ID that the generator is to know of
 *
 * For kernel threads alone, as they have CAP_SYS_ADMIN. The function sleeps.
 *
 * Return: 0 or a negative errno; then @id is in the pool for the next reseed.
 */
int vmgen_reseed(struct vmgen *vg, const struct vm_gencounter *id);

/* ---- sysgenid.c ---- */

/**
 * vmgen_init_sysgenid() - make the page, if there is to be one
 *
 * Return: 0 or -ENOMEM.
 */
int vmgen_init_sysgenid(void);

/**
 * vmgen_exit_sysgenid() - undo vmgen_init_sysgenid()
 */
void vmgen_exit_sysgenid(void);

/**
 * vmgen_publish_sysgenid() - make the node, until @dev is unbound
 * @dev: the platform device that is being bound
 * @vg: its device, for which vmgen_subscribe() was called
 *
 * Without the parameter, a name that is free, or VMGENCOUNTER_WAKEUP there is no node,
 * which is no error.
 *
 * Return: 0 or -ENOMEM.
 */
int vmgen_publish_sysgenid(struct device *dev, struct vmgen *vg);

/**
 * vmgen_expect_sysgenid() - have the counter move even if the ID turns out to be the same
 *
 * For who queues the work that announces changes, and waits for it.
 */
void vmgen_expect_sysgenid(void);

/**
 * vmgen_sysgenid_is_expected() - does the counter have to move in any case?
 *
 * For that work. It is answered once.
 *
 * Return: true if vmgen_expect_sysgenid() was called, and there is a counter.
 */
bool vmgen_sysgenid_is_expected(void);

/**
 * vmgen_move_sysgenid() - move the counter
 *
 * After the reseed, as programs draw from the kernel when they see it, and before
 * anybody is woken.
 */
void vmgen_move_sysgenid(void);

/**
 * vmgen_wake_sysgenid() - wake all who wait for the counter
 *
 * After all others, as anybody may wait here, in any number.
 */
void vmgen_wake_sysgenid(void);

/* ---- firmware.c ---- */

/**
 * vmgen_has_dt_node() - does a node of the devicetree describe this very device?
 * @dev: any device
 *
 * Return: true if a node does, and says that it is a generation ID.
 */
bool vmgen_has_dt_node(struct device *dev);

/**
 * vmgen_dt_device() - the platform device of the devicetree's node
 * @dev: the platform device that is bound or being bound
 *
 * Return: @dev, or its parent, or NULL if ACPI describes @dev.
 */
struct platform_device *vmgen_dt_device(struct device *dev);

/**
 * vmgen_find_irq() - find the interrupt that tells of changes
 * @dev: the platform device that is being bound
 * @vg: its device, whose @irq this sets
 *
 * Return: 0, or -EPROBE_DEFER if the interrupt is yet to come.
 */
int vmgen_find_irq(struct device *dev, struct vmgen *vg);

/**
 * vmgen_map_buffer() - find the ID, map it and read it for the first time
 * @dev: the platform device that is being bound
 * @vg: its device, whose @addr, @buffer, @alone, @nvs, @seen and VMGENCOUNTER_MMAP this sets
 *
 * Return: 0 or a negative errno, whose reason has been logged.
 */
int vmgen_map_buffer(struct device *dev, struct vmgen *vg);

/**
 * vmgen_look_around() - has the ID's page nothing else in it?
 * @vg: the device, whose @alone this sets
 *
 * Return: true if all the rest of the page is zero, and mmap() may show it.
 */
bool vmgen_look_around(struct vmgen *vg);

/* ---- chardev.c ---- */

/* Of /dev/vmgencounter. */
extern const struct file_operations vmgen_fops;

/**
 * vmgen_allow_mapping() - allow a mapping of one page to be read, and never more
 * @vma: the mapping that is being made
 *
 * Return: 0, or -EROFS, -EPERM or -EINVAL.
 */
int vmgen_allow_mapping(struct vm_area_struct *vma);

/**
 * vmgen_mmap_page() - map the page of the ID, read-only
 * @vg: the device
 * @vma: where
 *
 * Return: 0 or a negative errno.
 */
int vmgen_mmap_page(struct vmgen *vg, struct vm_area_struct *vma);

/* ---- public.c ---- */

/* Of /dev/vmgencounter_id. */
extern const struct file_operations vmgen_public_fops;

/* ---- uring.c, where the kernel has what it needs ---- */

/**
 * vmgen_uring_cmd() - &file_operations.uring_cmd
 * @cmd: the command
 * @issue_flags: io_uring's
 *
 * Return: the result of the command, or -EIOCBQUEUED if it is yet to come.
 */
int vmgen_uring_cmd(struct io_uring_cmd *cmd, unsigned int issue_flags);

/* ---- ioctl.c ---- */

/**
 * vmgen_ioctl() - &file_operations.unlocked_ioctl
 * @file: the open file
 * @cmd: which ioctl
 * @arg: the address of its structure
 *
 * Return: 0 or a negative errno.
 */
long vmgen_ioctl(struct file *file, unsigned int cmd, unsigned long arg);

/**
 * struct vmgen_call - one IOCTL_VMGENCOUNTER_READ
 * @block:   the caller's block
 * @req:     what the block said when the call began
 * @known:   the ID that the caller knows, in event-driven mode
 * @id:      the result
 * @changes: what vmgen_look() says of @id
 */
struct vmgen_call {
	struct devioctl_request __user *block;
	struct devioctl_request req;
	struct vm_gencounter known;
	struct vm_gencounter id;
	u64 changes;
};

/**
 * vmgen_begin_call() - all of a call that comes before a wait
 * @file: the open file
 * @call: the call, with @block and @req
 *
 * Return: 0 with the result, -EAGAIN if the call has to wait, or another errno.
 */
int vmgen_begin_call(struct file *file, struct vmgen_call *call);

/**
 * vmgen_can_end_call() - can the result be written, as far as can be told before a wait?
 * @call: the call that has to wait
 *
 * Return: true if it can.
 */
bool vmgen_can_end_call(const struct vmgen_call *call);

/**
 * vmgen_end_call() - write the result and the block, and note what was delivered
 * @f: the open file
 * @call: the call
 * @err: 0 or a negative errno
 *
 * Return: what the call returns, which is @err if that is not 0.
 */
int vmgen_end_call(struct vmgen_file *f, struct vmgen_call *call, int err);

/* ---- sysfs.c ---- */

/* The attributes of the misc device. */
extern const struct attribute_group *vmgen_groups[];

/* ---- generation.c ---- */

/**
 * vmgen_put() - give a reference back
 * @vg: a struct vmgen; of this type for devm_add_action()
 */
void vmgen_put(void *vg);

/**
 * vmgen_read_buffer() - read the ID, and count nothing
 * @vg: the device
 * @id: gets the ID
 *
 * Return: false if no two readings in a row are equal, so that there is no ID.
 */
bool vmgen_read_buffer(struct vmgen *vg, struct vm_gencounter *id);

/**
 * vmgen_same() - are two IDs equal?
 * @a: one
 * @b: the other
 *
 * Return: true if they are.
 */
static inline bool vmgen_same(const struct vm_gencounter *a, const struct vm_gencounter *b)
{
	return a->generation_count == b->generation_count &&
	       a->generation_count_high == b->generation_count_high;
}

/**
 * vmgen_count() - read the ID, and count a change that nobody saw before
 * @vg: the device
 * @id: gets the ID
 *
 * For vmgen_look(), and for who must not miss what somebody else is about to count.
 *
 * Return: how often the ID had changed when it was @id.
 */
u64 vmgen_count(struct vmgen *vg, struct vm_gencounter *id);

/**
 * vmgen_count_only() - the same for those who have no use for the ID
 * @vg: the device
 *
 * For vmgen_changes().
 *
 * Return: how often the ID has changed.
 */
u64 vmgen_count_only(struct vmgen *vg);

/*
 * Is the current ID the one that was last counted? Who finds that it is writes nothing.
 * One reading will do here, as halves of two IDs are not what was counted.
 */
static __always_inline bool vmgen_is_counted(struct vmgen *vg, struct vm_gencounter *id,
					     u64 *changes)
{
	unsigned int seq;
	bool same;

	do {
		seq = read_seqcount_begin(&vg->seq);
		id->generation_count = le64_to_cpu(READ_ONCE(vg->buffer[0]));
		id->generation_count_high = le64_to_cpu(READ_ONCE(vg->buffer[1]));
		same = vmgen_same(id, &vg->seen);
		*changes = vg->changes;
	} while (read_seqcount_retry(&vg->seq, seq));
	return same;
}

/**
 * vmgen_look() - the current ID, counted
 * @vg: the device
 * @id: gets the ID
 *
 * Whoever is the first to see a new ID counts the change: a reader may be earlier than
 * the Notify, and then the count must not lag the ID that comes with it.
 *
 * Any context may call this, hard interrupts included.
 *
 * Return: how often the ID had changed when it was @id.
 */
static __always_inline u64 vmgen_look(struct vmgen *vg, struct vm_gencounter *id)
{
	u64 changes;

	return likely(vmgen_is_counted(vg, id, &changes)) ? changes : vmgen_count(vg, id);
}

/**
 * vmgen_changes() - how often the ID has changed, a change that is new included
 * @vg: the device
 *
 * vmgen_look() without the ID, which need not be on the stack then.
 *
 * Return: the count.
 */
static __always_inline u64 vmgen_changes(struct vmgen *vg)
{
	struct vm_gencounter id;
	u64 changes;

	return likely(vmgen_is_counted(vg, &id, &changes)) ? changes : vmgen_count_only(vg);
}

/**
 * vmgen_distrust() - count a change, although the ID may be the same
 * @vg: the device
 *
 * If it is the same, VMGENCOUNTER_ID_UNTRUSTED is set until the ID changes.
 */
void vmgen_distrust(struct vmgen *vg);

/**
 * vmgen_set_reseeded() - note what the kernel's generator was reseeded for
 * @vg: the device
 * @changes: what vmgen_look() said before the reseed
 */
void vmgen_set_reseeded(struct vmgen *vg, u64 changes);

/**
 * vmgen_get_info() - what VMGENCOUNTER_GET_INFO tells, all of one moment
 * @vg: the device
 * @info: gets it; the caller has filled it with zeroes
 */
void vmgen_get_info(struct vmgen *vg, struct vmgencounter_info *info);

/* What vmgen_file.told is when @changes were the last; 0 is for a new file. */
static inline long vmgen_told(u64 changes)
{
	return (long)changes + 1;
}

/**
 * vmgen_is_unread() - has an open file yet to deliver this ID?
 * @f: the open file
 * @changes: what vmgen_look() said of the ID
 *
 * Return: true if another one was the last, or there was none.
 */
static inline bool vmgen_is_unread(struct vmgen_file *f, u64 changes)
{
	return atomic_long_read(&f->told) != vmgen_told(changes);
}

/**
 * vmgen_mark_delivered() - note what an open file has delivered
 * @f: the open file
 * @changes: what vmgen_look() said of the ID that the caller has got
 *
 * Return: true if that ID is news to those who share the open file.
 */
bool vmgen_mark_delivered(struct vmgen_file *f, u64 changes);

/**
 * vmgen_announced() - which change was last announced?
 * @vg: the device
 *
 * Who is going to wait asks before looking at the ID.
 *
 * Return: the count of changes then, for vmgen_must_wait().
 */
static inline unsigned long vmgen_announced(struct vmgen *vg)
{
	/* pairs with vmgen_announce_work(): whoever sees it moved sees the new ID */
	return smp_load_acquire(&vg->announced);
}

/**
 * vmgen_must_wait() - has nothing happened that is worth a look?
 * @vg: the device
 * @announced: what vmgen_announced() said before the last look
 *
 * For who is on vmgen.wait.
 *
 * Return: true if no change was announced, and the device is there and can notify.
 */
bool vmgen_must_wait(struct vmgen *vg, unsigned long announced);

/**
 * vmgen_await() - wait for a new ID
 * @f: the open file
 * @known: the ID that is not new, or NULL for what @f has delivered
 * @nonblock: do not sleep
 * @id: gets the new ID
 * @changes: gets what vmgen_look() says of @id
 *
 * Return: 0, -ENODEV once the device is gone, -EAGAIN if @nonblock, -EOPNOTSUPP if
 * the device cannot notify, or -ERESTARTSYS.
 */
int vmgen_await(struct vmgen_file *f, const struct vm_gencounter *known,
		bool nonblock, struct vm_gencounter *id, u64 *changes);

/**
 * vmgen_look_again() - for who waits without vmgen_await(): is there a new ID now?
 * @f: the open file
 * @known: the ID that is not new
 * @id: gets the new ID
 * @changes: gets what vmgen_look() says of @id
 * @announced: gets what vmgen_must_wait() wants
 *
 * Return: -EAGAIN if the wait goes on, else as vmgen_await().
 */
int vmgen_look_again(struct vmgen_file *f, const struct vm_gencounter *known,
		     struct vm_gencounter *id, u64 *changes, unsigned long *announced);

#endif /* _VMGENCOUNTER_VMGEN_H */
