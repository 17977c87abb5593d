// SPDX-License-Identifier: GPL-2.0-only
/*
 * Requests: whose turn it is to ask the host
 *
 * The open files of a function take turns, and the requests of a file have them in the order
 * in which they came; where functions share a VMBus device, the one with the fewest in flight
 * is next. So a file waits for no more answers than there are others in the row, and one.
 * Nobody who waits for a turn keeps the machine from suspending, but a request that is with
 * the host does: hv_pci would lose the answer, and wait for it ever after.
 *
 * Lifetime: a request belongs to its caller and, once it is sent, to its worker; the last
 * of the two frees it. The worker keeps the file and so the function, our module and the
 * watch over hv_pci until it returns.
 *
 * Locks: vpci_lock for all of it.
 */

#include <linux/errno.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "../compat.h"
#include "vpci.h"

/*
 * hv_pci has 64 IDs for what a VMBus device has not answered, and needs some itself when a
 * function comes. Those of functions that were ejected count until the host answers.
 */
#define VPCI_BUS_REQUESTS_MAX	32

/*
 * hv_pci logs every request that the host fails. After so many of one file, its next one
 * waits for the end of the period, so that users cannot flood the log. After so many of all
 * files, each one waits that has failed in this period or never succeeded, so that opening
 * another file is no way around that; but once, as others may go on failing.
 */
#define VPCI_FAILURES_MAX	10
#define VPCI_ALL_FAILURES_MAX	100
#define VPCI_FAILURES_PERIOD	(5 * HZ)

struct workqueue_struct *vpci_wq;
static u64 vpci_sent;			/* vpci_lock: requests, ever */

static void vpci_dispatch(const struct device *hdev);

/* ---- failures ---- */

static unsigned int vpci_count_failures(struct vpci_failures *failures)
{
	if (failures->count && time_after_eq(jiffies, failures->end))
		failures->count = 0;
	return failures->count;
}

static void vpci_add_failure(struct vpci_failures *failures)
{
	if (!vpci_count_failures(failures))
		failures->end = jiffies + VPCI_FAILURES_PERIOD;
	failures->count++;
}

/* How long to wait, at most, before the next request of a file; 0 is not at all. */
static long vpci_pause(struct vpci_file *f, bool has_waited)
{
	const unsigned int mine = vpci_count_failures(&f->failures);
	const struct vpci_failures *due = NULL;

	/* Those in flight may fail yet. */
	if (mine && mine + f->in_flight >= VPCI_FAILURES_MAX)
		due = &f->failures;
	else if (!has_waited && (mine || !f->good) &&
		 vpci_count_failures(&f->fn->failures) >= VPCI_ALL_FAILURES_MAX)
		due = &f->fn->failures;
	return due ? max_t(long, due->end - jiffies, 1) : 0;
}

/* ---- turns ---- */

/* A file is in the row if a request of it may be sent, which then comes in its turn. */
static void vpci_queue_file(struct vpci_file *f, bool has_waited)
{
	long pause;

	if (f->fn->gone || list_empty(&f->waiting) || !list_empty(&f->turn))
		return;
	pause = vpci_pause(f, has_waited);
	if (pause)
		queue_delayed_work(vpci_wq, &f->retry, pause);
	else
		list_add_tail(&f->turn, &f->fn->turns);
}

static void vpci_retry_work(struct work_struct *work)
{
	struct vpci_file *f = container_of(to_delayed_work(work), struct vpci_file, retry);

	spin_lock_irq(&vpci_lock);
	vpci_queue_file(f, true);
	vpci_dispatch(f->fn->hdev);
	spin_unlock_irq(&vpci_lock);
}

static unsigned int vpci_bus_in_flight(const struct device *hdev)
{
	const struct vpci_request *rq;
	unsigned int n = 0;

	list_for_each_entry(rq, &vpci_in_flight, node)
		n += rq->f->fn->hdev == hdev;
	return n;
}

/* Of two that have as many in flight, the one that has waited longer. */
static bool vpci_is_before(const struct vpci_function *fn, const struct vpci_function *other)
{
	if (fn->in_flight != other->in_flight)
		return fn->in_flight < other->in_flight;
	return fn->last_sent < other->last_sent;
}

static struct vpci_function *vpci_next_function(const struct device *hdev)
{
	struct vpci_function *fn, *next = NULL;

	list_for_each_entry(fn, &vpci_functions, node) {
		if (fn->hdev != hdev || fn->gone || list_empty(&fn->turns) ||
		    fn->in_flight >= VPCI_REQUESTS_MAX)
			continue;
		if (!next || vpci_is_before(fn, next))
			next = fn;
	}
	return next;
}

/* ---- the worker's side ---- */

/* There was no room in the ring: it is the first of its file again, whose turn comes later. */
static void vpci_requeue(struct vpci_request *rq)
{
	list_move(&rq->node, &rq->f->waiting);
	rq->f->fn->waiting++;
	list_del_init(&rq->f->turn);
	WRITE_ONCE(rq->sent, false);
	wake_up(&rq->wait);
	queue_delayed_work(vpci_wq, &rq->f->retry, msecs_to_jiffies(10));
}

static void vpci_complete(struct vpci_request *rq, int result)
{
	struct vpci_file *f = rq->f;

	if (result == -EIO) {
		vpci_add_failure(&f->failures);
		vpci_add_failure(&f->fn->failures);
		f->fn->failed++;
	}
	if (!result)
		f->good = true;
	list_del_init(&rq->node);
	rq->result = result;
	smp_store_release(&rq->done, true);	/* pairs with vpci_result() */
	wake_up(&rq->wait);
}

static void vpci_finish(struct vpci_request *rq, int result)
{
	struct vpci_file *f = rq->f;
	struct vpci_function *fn = f->fn;

	spin_lock_irq(&vpci_lock);
	f->in_flight--;
	fn->in_flight--;
	if (result == -EAGAIN && !rq->left && !fn->gone) {
		vpci_requeue(rq);
	} else {
		vpci_complete(rq, result == -EAGAIN ? -ENODEV : result);
		vpci_queue_file(f, false);
	}
	vpci_dispatch(fn->hdev);
	spin_unlock_irq(&vpci_lock);
}

/* Puts what vpci_send() took. The module may then go; its exit waits for the workqueue. */
static void vpci_work(struct work_struct *work)
{
	struct vpci_request *rq = container_of(work, struct vpci_request, work);
	struct vpci_file *f = rq->f;

	vpci_finish(rq, vpci_call(rq));
	vpci_put_request(rq);
	vpci_put_file(f);
	vpci_unwatch();
	module_put(THIS_MODULE);
}

/* The caller has the file open, and so what that pins. */
static void vpci_send(struct vpci_request *rq)
{
	struct vpci_file *f = rq->f;

	list_move_tail(&rq->node, &vpci_in_flight);
	WRITE_ONCE(rq->sent, true);
	if (rq->write)
		wake_up(&rq->wait);
	f->fn->waiting--;
	f->fn->in_flight++;
	f->fn->last_sent = ++vpci_sent;
	f->in_flight++;
	refcount_inc(&f->refs);
	refcount_inc(&rq->refs);
	vpci_watch_too();
	__module_get(THIS_MODULE);
	queue_work(vpci_wq, &rq->work);
}

/* With vpci_lock, whenever one more request may go to a VMBus device. */
static void vpci_dispatch(const struct device *hdev)
{
	unsigned int in_flight = vpci_bus_in_flight(hdev);
	struct vpci_function *fn;
	struct vpci_file *f;

	for (; in_flight < VPCI_BUS_REQUESTS_MAX; in_flight++) {
		fn = vpci_next_function(hdev);
		if (!fn)
			break;
		f = list_first_entry(&fn->turns, struct vpci_file, turn);
		vpci_send(list_first_entry(&f->waiting, struct vpci_request, node));
		list_del_init(&f->turn);
		vpci_queue_file(f, false);
	}
}

/* ---- the caller's side ---- */

struct vpci_file *vpci_new_file(struct vpci_function *fn)
{
	struct vpci_file *f = kzalloc(sizeof(*f), GFP_KERNEL_ACCOUNT);

	if (!f)
		return NULL;
	refcount_set(&f->refs, 1);
	f->fn = fn;
	get_device(&fn->dev);
	INIT_LIST_HEAD(&f->turn);
	INIT_LIST_HEAD(&f->waiting);
	INIT_DELAYED_WORK(&f->retry, vpci_retry_work);
	spin_lock_init(&f->uring.lock);
	return f;
}

void vpci_put_file(struct vpci_file *f)
{
	if (!refcount_dec_and_test(&f->refs))
		return;
	put_device(&f->fn->dev);
	kfree(f);
}

struct vpci_request *vpci_new_request(struct vpci_file *f)
{
	struct vpci_request *rq = kzalloc(sizeof(*rq), GFP_KERNEL_ACCOUNT);

	if (!rq)
		return NULL;
	refcount_set(&rq->refs, 1);
	rq->f = f;
	INIT_WORK(&rq->work, vpci_work);
	INIT_LIST_HEAD(&rq->node);
	init_waitqueue_head(&rq->wait);
	return rq;
}

void vpci_put_request(struct vpci_request *rq)
{
	if (refcount_dec_and_test(&rq->refs))
		kfree(rq);
}

void vpci_enqueue(struct vpci_request *rq)
{
	struct vpci_file *f = rq->f;

	spin_lock_irq(&vpci_lock);
	list_add_tail(&rq->node, &f->waiting);
	f->fn->waiting++;
	vpci_queue_file(f, false);
	vpci_dispatch(f->fn->hdev);
	spin_unlock_irq(&vpci_lock);
}

/* With vpci_lock. True if it was not sent, and now never will be. */
static bool vpci_unqueue(struct vpci_request *rq)
{
	if (rq->sent || list_empty(&rq->node))
		return false;
	list_del_init(&rq->node);
	rq->f->fn->waiting--;
	if (list_empty(&rq->f->waiting))
		list_del_init(&rq->f->turn);
	return true;
}

bool vpci_dequeue(struct vpci_request *rq)
{
	bool waiting;

	spin_lock_irq(&vpci_lock);
	waiting = vpci_unqueue(rq);
	spin_unlock_irq(&vpci_lock);
	return waiting;
}

/* -EINPROGRESS while the worker may still write to the request. */
int vpci_result(struct vpci_request *rq)
{
	if (smp_load_acquire(&rq->done))	/* pairs with vpci_complete() */
		return rq->result;
	return READ_ONCE(rq->f->fn->gone) ? -ENODEV : -EINPROGRESS;
}

/* At once, as its worker may put it back into the queue. */
void vpci_abandon(struct vpci_request *rq)
{
	if (smp_load_acquire(&rq->done))	/* as in vpci_result() */
		return;
	spin_lock_irq(&vpci_lock);
	rq->left = !vpci_unqueue(rq) && !rq->done;
	spin_unlock_irq(&vpci_lock);
}

/* The host may act on a write that was sent, so its caller waits for what becomes of it. */
int vpci_exchange(struct vpci_request *rq)
{
	int result = -EINPROGRESS, ret;

	vpci_enqueue(rq);
	do {
		ret = wait_event_freezable(rq->wait, (rq->write && READ_ONCE(rq->sent)) ||
					   (result = vpci_result(rq)) != -EINPROGRESS);
		if (result != -EINPROGRESS || !rq->write || (ret && vpci_dequeue(rq)))
			break;
		ret = compat_wait_event_killable(rq->wait, !READ_ONCE(rq->sent) ||
						 (result = vpci_result(rq)) != -EINPROGRESS);
	} while (!ret && result == -EINPROGRESS);
	vpci_abandon(rq);
	return ret ?: result;
}
