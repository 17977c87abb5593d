// SPDX-License-Identifier: GPL-2.0-only
/*
 * The generation: the ID, the count of its changes, what an open file was told
 *
 * All other files look at the ID by way of this one, which calls none of them.
 *
 * Lifetime: vmgen_put() unmaps the buffer and frees struct vmgen when it puts the
 * last reference. Each caller has one, or runs before the bound device puts its own.
 *
 * Locks: vmgen.lock is for who counts a change, and vmgen.seq within it; the hard
 * interrupt's handler is one of them. Who only looks writes nothing that others share:
 * it reads all in a section of vmgen.seq.
 * A file's vmgen_file.told moves by compare-and-exchange. Who waits in vmgen_await()
 * holds nothing.
 */

#include <linux/errno.h>
#include <linux/io.h>
#include <linux/kernel.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "../compat.h"
#include "vmgen.h"

static void vmgen_release(struct kref *refs)
{
	struct vmgen *vg = container_of(refs, struct vmgen, refs);

	if (vg->buffer)
		memunmap((void *)vg->buffer);
	kfree(vg);
}

void vmgen_put(void *vg)
{
	kref_put(&((struct vmgen *)vg)->refs, vmgen_release);
}

/* ---- the ID and the count of its changes ---- */

/* A buffer that differs from itself this often has no ID in it. */
#define VMGEN_READS	1000

/*
 * The hypervisor writes while all CPUs stand still, but they may stand between two
 * of our loads, of which 32-bit kernels make two for each half: only two equal
 * readings in a row are an ID.
 */
bool vmgen_read_buffer(struct vmgen *vg, struct vm_gencounter *id)
{
	const __le64 *buffer = vg->buffer;
	unsigned int reads = VMGEN_READS;
	__le64 low, high;

	do {
		low = READ_ONCE(buffer[0]);
		high = READ_ONCE(buffer[1]);
		virt_rmb(); /* a second reading, not the first one again */
		if (likely(low == READ_ONCE(buffer[0]) && high == READ_ONCE(buffer[1])))
			break;
	} while (--reads);
	id->generation_count = le64_to_cpu(low);
	id->generation_count_high = le64_to_cpu(high);
	return reads;
}

/* @untrusted: count even if the ID is the same. The caller holds the lock. */
static void vmgen_count_locked(struct vmgen *vg, struct vm_gencounter *id, bool untrusted)
{
	bool same;

	if (unlikely(!vmgen_read_buffer(vg, id)))
		pr_err_once(FW_BUG "vmgencounter: the ID no longer stands still\n");
	same = vmgen_same(id, &vg->seen);
	if (same && !untrusted)
		return;
	write_seqcount_begin(&vg->seq);
	vg->seen = *id;
	vg->changes++;
	vg->changed_at = ktime_get_boottime_ns();
	vg->untrusted = same;
	write_seqcount_end(&vg->seq);
}

/*
 * Reading under the lock keeps an ID that was read earlier from being counted
 * later.
 */
u64 vmgen_count(struct vmgen *vg, struct vm_gencounter *id)
{
	unsigned long flags;
	u64 changes;

	raw_spin_lock_irqsave(&vg->lock, flags);
	vmgen_count_locked(vg, id, false);
	changes = vg->changes;
	raw_spin_unlock_irqrestore(&vg->lock, flags);
	return changes;
}

u64 vmgen_count_only(struct vmgen *vg)
{
	struct vm_gencounter id;

	return vmgen_count(vg, &id);
}

void vmgen_distrust(struct vmgen *vg)
{
	struct vm_gencounter id;
	unsigned long flags;

	raw_spin_lock_irqsave(&vg->lock, flags);
	vmgen_count_locked(vg, &id, true);
	raw_spin_unlock_irqrestore(&vg->lock, flags);
}

void vmgen_set_reseeded(struct vmgen *vg, u64 changes)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&vg->lock, flags);
	write_seqcount_begin(&vg->seq);
	vg->reseeded = changes;
	write_seqcount_end(&vg->seq);
	raw_spin_unlock_irqrestore(&vg->lock, flags);
}

void vmgen_get_info(struct vmgen *vg, struct vmgencounter_info *info)
{
	unsigned int seq;
	bool untrusted;

	vmgen_look(vg, &info->id);	/* counts a change that nobody saw yet */
	do {
		seq = read_seqcount_begin(&vg->seq);
		info->id = vg->seen;
		info->changes = vg->changes;
		info->changed_at = vg->changed_at;
		info->reseeded = vg->reseeded;
		untrusted = vg->untrusted;
	} while (read_seqcount_retry(&vg->seq, seq));
	info->flags = READ_ONCE(vg->flags) | (untrusted ? VMGENCOUNTER_ID_UNTRUSTED : 0) |
		      (READ_ONCE(vg->alone) ? VMGENCOUNTER_ID_ALONE : 0);
	if (info->flags & VMGENCOUNTER_MMAP)
		info->offset = offset_in_page(vg->addr);
}

/* ---- delivering the ID through an open file ---- */

/*
 * False if somebody who shares the open file was told the same or a later one
 * meanwhile: that one then stays the last.
 */
bool vmgen_mark_delivered(struct vmgen_file *f, u64 changes)
{
	long told = atomic_long_read(&f->told);

	do {
		if (vmgen_told(changes) - told <= 0)
			return false;
	} while (!atomic_long_try_cmpxchg(&f->told, &told, vmgen_told(changes)));
	return true;
}

bool vmgen_must_wait(struct vmgen *vg, unsigned long announced)
{
	return vmgen_announced(vg) == announced && !READ_ONCE(vg->gone) &&
	       (READ_ONCE(vg->flags) & VMGENCOUNTER_WAKEUP);
}

static int vmgen_wait_announced(struct vmgen *vg, unsigned long announced)
{
	if (!(READ_ONCE(vg->flags) & VMGENCOUNTER_WAKEUP))
		return -EOPNOTSUPP;
	return wait_event_freezable(vg->wait, !vmgen_must_wait(vg, announced));
}

/*
 * An ID that is not to be trusted is news to who waits for another one, even if it is
 * the same.
 */
static bool vmgen_is_news(struct vmgen_file *f, const struct vm_gencounter *known,
			  const struct vm_gencounter *id, u64 changes, bool slept)
{
	if (!known)
		return vmgen_is_unread(f, changes);
	return !vmgen_same(id, known) || (slept && READ_ONCE(f->vg->untrusted));
}

/*
 * No wake-up is lost: @announced is read before the buffer. If the change that
 * we wait for is announced in between, the wait does not begin. And nobody who
 * slept is let go by the buffer alone, as the generator is not reseeded then: it may
 * have changed once more since the announcement that ended the sleep.
 */
static __always_inline int vmgen_try(struct vmgen_file *f, const struct vm_gencounter *known,
				     bool slept, struct vm_gencounter *id, u64 *changes,
				     unsigned long *announced)
{
	*announced = vmgen_announced(f->vg);
	if (READ_ONCE(f->vg->gone))
		return -ENODEV;
	*changes = vmgen_look(f->vg, id);
	if (vmgen_is_news(f, known, id, *changes, slept) &&
	    (!slept || *announced == (unsigned long)*changes))
		return 0;
	return -EAGAIN;
}

int vmgen_await(struct vmgen_file *f, const struct vm_gencounter *known,
		bool nonblock, struct vm_gencounter *id, u64 *changes)
{
	unsigned long announced;
	bool slept = false;
	int ret;

	for (;;) {
		ret = vmgen_try(f, known, slept, id, changes, &announced);
		if (ret != -EAGAIN || nonblock)
			return ret;
		ret = vmgen_wait_announced(f->vg, announced);
		if (ret)
			return ret;
		slept = true;
	}
}

int vmgen_look_again(struct vmgen_file *f, const struct vm_gencounter *known,
		     struct vm_gencounter *id, u64 *changes, unsigned long *announced)
{
	int ret = vmgen_try(f, known, true, id, changes, announced);

	if (ret == -EAGAIN && !(READ_ONCE(f->vg->flags) & VMGENCOUNTER_WAKEUP))
		return -EOPNOTSUPP;
	return ret;
}
