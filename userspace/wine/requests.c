// SPDX-License-Identifier: GPL-2.0-only
/*
 * Requests that wait for the next generation
 *
 * Lifetime: a request is in the queue from requests_add() until one of those who can end it
 * has taken it out, and that one completes it: the watcher, who has another generation
 * (requests_wake()) or none any more (requests_refuse()), its own dispatch (requests_take()),
 * the close of its handle (requests_end()), or its cancellation.
 *
 * Locks: queue.lock. Whoever takes a request out first takes its cancel routine away. If that
 * is gone, the routine runs already, waits for the lock, and takes the request out itself.
 */
#include "driver.h"

static struct {
	KSPIN_LOCK lock;
	LIST_ENTRY waiting;
	NTSTATUS refused;	/* why nobody can wait, or STATUS_SUCCESS */
} queue;

static IRP *irp_of(LIST_ENTRY *entry)
{
	return CONTAINING_RECORD(entry, IRP, Tail.Overlay.ListEntry);
}

/* The input is where the output will be. */
static bool knows(IRP *irp, const struct generation *now)
{
	return is_same(irp->AssociatedIrp.SystemBuffer, now);
}

NTSTATUS request_finish(IRP *irp, NTSTATUS status, const struct generation *now)
{
	if (!status && now)
		*(struct generation *)irp->AssociatedIrp.SystemBuffer = *now;
	irp->IoStatus.Status = status;
	irp->IoStatus.Information = status ? 0 : sizeof(*now);
	IoCompleteRequest(irp, IO_NO_INCREMENT);
	return status;
}

static void NTAPI cancel(DEVICE_OBJECT *device, IRP *irp)
{
	KIRQL irql;

	IoReleaseCancelSpinLock(irp->CancelIrql);
	KeAcquireSpinLock(&queue.lock, &irql);
	RemoveEntryList(&irp->Tail.Overlay.ListEntry);
	KeReleaseSpinLock(&queue.lock, irql);
	request_finish(irp, STATUS_CANCELLED, NULL);
}

void requests_init(void)
{
	KeInitializeSpinLock(&queue.lock);
	InitializeListHead(&queue.waiting);
	queue.refused = STATUS_DEVICE_NOT_READY;
}

void requests_allow(void)
{
	KIRQL irql;

	KeAcquireSpinLock(&queue.lock, &irql);
	queue.refused = STATUS_SUCCESS;
	KeReleaseSpinLock(&queue.lock, irql);
}

/* From now on nobody waits. */
void requests_refuse(NTSTATUS why)
{
	KIRQL irql;

	KeAcquireSpinLock(&queue.lock, &irql);
	queue.refused = why;
	KeReleaseSpinLock(&queue.lock, irql);
	requests_end(NULL, why);
}

/* Returns why it cannot wait, or STATUS_PENDING: others may have completed it by then. */
NTSTATUS requests_add(IRP *irp)
{
	NTSTATUS status;
	KIRQL irql;

	KeAcquireSpinLock(&queue.lock, &irql);
	status = queue.refused;
	if (!status) {
		status = STATUS_PENDING;
		InsertTailList(&queue.waiting, &irp->Tail.Overlay.ListEntry);
		IoSetCancelRoutine(irp, cancel);
		if (irp->Cancel && IoSetCancelRoutine(irp, NULL)) {
			RemoveEntryList(&irp->Tail.Overlay.ListEntry);
			status = STATUS_CANCELLED;
		} else {
			IoMarkIrpPending(irp);
		}
	}
	KeReleaseSpinLock(&queue.lock, irql);
	return status;
}

/* For the thread that has added it, before another can be at the same address. */
bool requests_take(IRP *irp)
{
	bool found = false;
	LIST_ENTRY *entry;
	KIRQL irql;

	KeAcquireSpinLock(&queue.lock, &irql);
	for (entry = queue.waiting.Flink; entry != &queue.waiting; entry = entry->Flink)
		found |= irp_of(entry) == irp;
	found = found && IoSetCancelRoutine(irp, NULL);
	if (found)
		RemoveEntryList(&irp->Tail.Overlay.ListEntry);
	KeReleaseSpinLock(&queue.lock, irql);
	return found;
}

/* Of one handle or all, those that another generation is news for or all. */
static void take_all(FILE_OBJECT *file, const struct generation *now, LIST_ENTRY *taken)
{
	LIST_ENTRY *entry, *next;
	KIRQL irql;
	IRP *irp;

	KeAcquireSpinLock(&queue.lock, &irql);
	for (entry = queue.waiting.Flink; entry != &queue.waiting; entry = next) {
		irp = irp_of(entry);
		next = entry->Flink;
		if ((file && IoGetCurrentIrpStackLocation(irp)->FileObject != file) ||
		    (now && knows(irp, now)) || !IoSetCancelRoutine(irp, NULL))
			continue;
		RemoveEntryList(entry);
		InsertTailList(taken, entry);
	}
	KeReleaseSpinLock(&queue.lock, irql);
}

static void finish_all(FILE_OBJECT *file, NTSTATUS status, const struct generation *now)
{
	LIST_ENTRY taken;

	InitializeListHead(&taken);
	take_all(file, now, &taken);
	while (!IsListEmpty(&taken))
		request_finish(irp_of(RemoveHeadList(&taken)), status, now);
}

void requests_wake(const struct generation *now)
{
	finish_all(NULL, STATUS_SUCCESS, now);
}

/* Those of a handle, or all of them. */
void requests_end(FILE_OBJECT *file, NTSTATUS status)
{
	finish_all(file, status, NULL);
}
