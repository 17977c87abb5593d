// SPDX-License-Identifier: GPL-2.0-only
/*
 * The generation: the ID, the count of its changes, what an open file was told
 *
 * All other files look at the ID by way of this one, which calls none of them.
 *
 * Lifetime: vmgen_put() unmaps the buffer and frees struct vmgen when it puts the
 * last reference. Each caller has one, or runs before the bound device puts its own.
 *
 * Locks: vmgen.lock protects the count. The vmfork chain may take it in hard
 * interrupt. vmgen_file.lock protects what the open file has delivered. Only
 * processes take that. Who waits in vmgen_await() holds neither.
 */

#include <linux/errno.h>
#include <linux/io.h>
#include <linux/kernel.h>
#include <linux/ktime.h>
#include <linux/slab.h>

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
void vmgen_read_buffer(struct vmgen *vg, struct vm_gencounter *id)
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
u64 vmgen_look(struct vmgen *vg, struct vm_gencounter *id)
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

unsigned long vmgen_announced(struct vmgen *vg)
{
	/* pairs with vmgen_announce(): whoever sees it moved sees the new ID */
	return smp_load_acquire(&vg->announced);
}

/* ---- delivering the ID through an open file ---- */

static bool vmgen_unread(const struct vmgen_file *f,
			 const struct vm_gencounter *id)
{
	return !f->told || !vmgen_same(id, &f->delivered);
}

bool vmgen_is_unread(struct vmgen_file *f, const struct vm_gencounter *id)
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
bool vmgen_mark_delivered(struct vmgen_file *f, u64 changes,
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
int vmgen_await(struct vmgen_file *f, const struct vm_gencounter *known,
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
