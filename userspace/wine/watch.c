// SPDX-License-Identifier: GPL-2.0-only
/*
 * The watcher, a thread that waits for three things at a time and for nothing else:
 *
 *	the node has another generation: a read of it, pending in Wine's server, ends
 *	/dev has changed: the node may have come, gone, or got another mode
 *	the driver is to be unloaded
 *
 * A read of the open file gives each generation once, so there is no loop without a change.
 * Wine's server polls the node for us, and a pending request can be cancelled: nobody is stuck
 * in a read when the driver is unloaded.
 *
 * Where Linux does not hear of changes, no read may be pending: poll() of the node reports an error
 * all the time, the server would ask it in a loop, and a thread with such a read gets no time for
 * anything else. The module says so in sysfs, but a node that has just come may be there before the
 * module knows. So the node is opened when it has been there for a second. Until then
 * requests may wait: the first read of the open file ends those whose ID is an old one.
 *
 * Lifetime: watch_start() to watch_stop(), which waits for the thread. The thread alone
 * touches what is below, but for stop and thread. Locks: none.
 */
#include "driver.h"

/* A file that Wine's server watches for us, if any: the event is set when a request ends. */
struct source {
	HANDLE file;
	HANDLE event;
	IO_STATUS_BLOCK io;
};

static struct {
	HANDLE thread;
	HANDLE stop;
	void (*show)(bool there);
	bool there;			/* as show() was told */
	bool settled;			/* it has been there for a second */
	struct source directory;
	struct source node;
	struct generation news;		/* what the pending read is for */
} watch;

static void close_source(struct source *source)
{
	IO_STATUS_BLOCK io;

	if (!source->file)
		return;
	if (!ZwCancelIoFile(source->file, &io))
		ZwWaitForSingleObject(source->event, FALSE, NULL);
	ZwClose(source->file);
	source->file = NULL;
}

/* Before the look at the node: whatever changes after that look ends the request. */
static void watch_directory(void)
{
	node_watch_directory(watch.directory.file, watch.directory.event, &watch.directory.io);
}

/* Reads until a read is pending. The first one of an open file never is. */
static NTSTATUS read_news(void)
{
	NTSTATUS status;

	do {
		status = ZwReadFile(watch.node.file, watch.node.event, NULL, NULL,
				    &watch.node.io, &watch.news, sizeof(watch.news),
				    NULL, NULL);
		if (!status)
			requests_wake(&watch.news);
	} while (!status);
	return status;
}

/* Whose read is not pending. What comes in its place has to settle, too. */
static void close_node(void)
{
	ZwClose(watch.node.file);
	watch.node.file = NULL;
	watch.settled = false;
}

static NTSTATUS follow_node(void)
{
	NTSTATUS status;

	if (!node_notifies())
		return STATUS_NOT_SUPPORTED;
	requests_allow();
	if (!watch.settled)
		return STATUS_SUCCESS;
	status = node_open(&watch.node.file);
	if (status) {
		watch.node.file = NULL;
		return status;
	}
	status = read_news();
	if (status == STATUS_PENDING)
		return STATUS_SUCCESS;
	close_node();
	return status;
}

/* Whoever may not wait for it, or for whom Linux hears of nothing, has a device all the same. */
static bool is_there(NTSTATUS status)
{
	return !status || status == STATUS_ACCESS_DENIED || status == STATUS_NOT_SUPPORTED;
}

static void look_at_node(void)
{
	struct generation now;
	NTSTATUS status;

	if (watch.node.file)
		return;
	status = node_read(&now);
	if (!status)
		status = follow_node();
	if (status)
		requests_refuse(is_there(status) ? status : STATUS_DEVICE_REMOVED);
	if (!is_there(status))
		watch.settled = false;
	if (watch.there != is_there(status)) {
		watch.there = is_there(status);
		watch.show(watch.there);
	}
}

/* The pending read has ended: another generation, or the device is gone. */
static void take_news(void)
{
	NTSTATUS status = watch.node.io.Status;

	if (!status) {
		requests_wake(&watch.news);
		status = read_news();
	}
	if (status != STATUS_PENDING)
		close_node();
}

/* Waits for what is to be done next, and does it; false at the end. */
static bool do_next(void)
{
	HANDLE events[] = { watch.stop, watch.directory.event, watch.node.event };
	LARGE_INTEGER second = { .QuadPart = -10000000 };	/* from now */

	switch (ZwWaitForMultipleObjects(ARRAYSIZE(events), events, WaitAny, FALSE,
					 watch.there && !watch.settled ? &second : NULL)) {
	case STATUS_WAIT_0 + 1:
		watch_directory();
		return true;
	case STATUS_WAIT_0 + 2:
		take_news();
		return true;
	case STATUS_TIMEOUT:
		watch.settled = true;
		return true;
	default:
		return false;
	}
}

static void NTAPI watch_thread(void *context)
{
	if (node_open_directory(&watch.directory.file))
		watch.directory.file = NULL;
	else
		watch_directory();
	do
		look_at_node();
	while (do_next());
	close_source(&watch.node);
	close_source(&watch.directory);
	requests_refuse(STATUS_DEVICE_REMOVED);
	if (watch.there)
		watch.show(false);
	watch.there = false;
}

static NTSTATUS new_event(HANDLE *event, EVENT_TYPE type)
{
	return ZwCreateEvent(event, EVENT_ALL_ACCESS, NULL, type, FALSE);
}

/* From then on show() is called by the thread, whenever the device comes or goes. */
NTSTATUS watch_start(void (*show)(bool there))
{
	NTSTATUS status;

	watch.show = show;
	watch.settled = false;
	status = new_event(&watch.stop, NotificationEvent);
	if (status)
		return status;
	status = new_event(&watch.directory.event, SynchronizationEvent);
	if (status)
		goto close_stop;
	status = new_event(&watch.node.event, SynchronizationEvent);
	if (status)
		goto close_directory;
	status = PsCreateSystemThread(&watch.thread, THREAD_ALL_ACCESS, NULL, NULL, NULL,
				      watch_thread, NULL);
	if (!status)
		return STATUS_SUCCESS;
	ZwClose(watch.node.event);
close_directory:
	ZwClose(watch.directory.event);
close_stop:
	ZwClose(watch.stop);
	return status;
}

void watch_stop(void)
{
	ZwSetEvent(watch.stop, NULL);
	ZwWaitForSingleObject(watch.thread, FALSE, NULL);
	ZwClose(watch.thread);
	ZwClose(watch.node.event);
	ZwClose(watch.directory.event);
	ZwClose(watch.stop);
}
