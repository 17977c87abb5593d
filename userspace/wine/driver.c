// SPDX-License-Identifier: GPL-2.0-only
/*
 * vmgencounter.sys, a driver for Wine: \\.\VmGenerationCounter for programs of Windows
 *
 * Such a program finds the device by this name, or by the class of its interface, and asks by
 * IOCTL_VMGENCOUNTER_READ. The answers come from /dev/vmgencounter of Linux. Wine calls the
 * driver for all processes of a prefix, one request after the other, so nothing here waits.
 *
 * Lifetime: Wine loads the driver when the prefix starts and the device, which is enumerated
 * below ROOT in the registry, is added and started. Its names are there while Linux has the
 * node: the watcher sees to that. Both end when Wine removes the device or unloads the driver,
 * at the latest with the last process of the prefix.
 *
 * Locks: none here. Wine calls all of this from one thread, but for show().
 */
#include "driver.h"

#define IOCTL_VMGENCOUNTER_READ \
	CTL_CODE(FILE_DEVICE_ACPI, 1, METHOD_BUFFERED, FILE_READ_ACCESS | FILE_WRITE_ACCESS)

static const GUID interface_class = {
	0x3ff2c92b, 0x6598, 0x4e60, { 0x8e, 0x1c, 0x0c, 0xcf, 0x49, 0x27, 0xe3, 0x19 }
};

static UNICODE_STRING device_name = RTL_CONSTANT_STRING(L"\\Device\\VmGenerationCounter");
static UNICODE_STRING link_name = RTL_CONSTANT_STRING(L"\\??\\VmGenerationCounter");

static UNICODE_STRING interface_name;
static DEVICE_OBJECT *lower;	/* of the device's stack, Wine's own */
static bool started;

/* Called by the watcher's thread: programs find the device, or find none. */
static void show(bool there)
{
	if (there)
		IoCreateSymbolicLink(&link_name, &device_name);
	else
		IoDeleteSymbolicLink(&link_name);
	IoSetDeviceInterfaceState(&interface_name, there);
}

static NTSTATUS complete(IRP *irp, NTSTATUS status)
{
	irp->IoStatus.Status = status;
	irp->IoStatus.Information = 0;
	IoCompleteRequest(irp, IO_NO_INCREMENT);
	return status;
}

/* A program that has the device open when it goes is told so. */
static NTSTATUS current_generation(struct generation *now)
{
	NTSTATUS status = node_read(now);

	return !status || status == STATUS_ACCESS_DENIED ? status : STATUS_DEVICE_REMOVED;
}

static NTSTATUS poll(IRP *irp)
{
	struct generation now;
	NTSTATUS status;

	status = current_generation(&now);
	return request_finish(irp, status, &now);
}

/*
 * The request is in the queue before the look, so a change is either seen here or wakes it.
 * Only this request gets what was seen: others wait until the change is announced, that is until
 * the kernel's random number generator knows of it.
 */
static NTSTATUS wait_for_next(IRP *irp)
{
	struct generation known = *(struct generation *)irp->AssociatedIrp.SystemBuffer;
	struct generation now;
	NTSTATUS status;

	status = requests_add(irp);
	if (status != STATUS_PENDING)
		return request_finish(irp, status, NULL);
	status = current_generation(&now);
	if ((status || !is_same(&known, &now)) && requests_take(irp))
		request_finish(irp, status, &now);
	return STATUS_PENDING;
}

static NTSTATUS NTAPI control(DEVICE_OBJECT *device, IRP *irp)
{
	IO_STACK_LOCATION *call = IoGetCurrentIrpStackLocation(irp);
	ULONG in_size = call->Parameters.DeviceIoControl.InputBufferLength;
	ULONG out_size = call->Parameters.DeviceIoControl.OutputBufferLength;

	if (call->Parameters.DeviceIoControl.IoControlCode != IOCTL_VMGENCOUNTER_READ)
		return complete(irp, STATUS_INVALID_DEVICE_REQUEST);
	if (out_size < sizeof(struct generation))
		return complete(irp, STATUS_BUFFER_TOO_SMALL);
	if (!in_size)
		return poll(irp);
	if (in_size < sizeof(struct generation))
		return complete(irp, STATUS_INVALID_PARAMETER);
	return wait_for_next(irp);
}

static NTSTATUS NTAPI create(DEVICE_OBJECT *device, IRP *irp)
{
	return complete(irp, STATUS_SUCCESS);
}

/* Of a handle, by whichever of the two Wine tells. */
static NTSTATUS NTAPI cleanup(DEVICE_OBJECT *device, IRP *irp)
{
	requests_end(IoGetCurrentIrpStackLocation(irp)->FileObject, STATUS_CANCELLED);
	return complete(irp, STATUS_SUCCESS);
}

static NTSTATUS start(void)
{
	NTSTATUS status;

	if (started)
		return STATUS_SUCCESS;
	status = watch_start(show);
	started = !status;
	return status;
}

static void stop(void)
{
	if (started)
		watch_stop();
	started = false;
}

/* The device below completes each of these at once. */
static NTSTATUS NTAPI plug_and_play(DEVICE_OBJECT *device, IRP *irp)
{
	UCHAR what = IoGetCurrentIrpStackLocation(irp)->MinorFunction;
	NTSTATUS status;

	if (what == IRP_MN_START_DEVICE) {
		status = start();
		if (status)
			return complete(irp, status);
	}
	if (what == IRP_MN_SURPRISE_REMOVAL || what == IRP_MN_REMOVE_DEVICE)
		stop();
	IoSkipCurrentIrpStackLocation(irp);
	status = IoCallDriver(lower, irp);
	if (what == IRP_MN_REMOVE_DEVICE) {
		IoDetachDevice(lower);
		IoDeleteDevice(device);
		RtlFreeUnicodeString(&interface_name);
	}
	return status;
}

/* A second device has no name left. */
static NTSTATUS NTAPI add_device(DRIVER_OBJECT *driver, DEVICE_OBJECT *physical)
{
	DEVICE_OBJECT *device;
	NTSTATUS status;

	status = IoCreateDevice(driver, 0, &device_name, FILE_DEVICE_ACPI, 0, FALSE, &device);
	if (status)
		return status;
	status = IoRegisterDeviceInterface(physical, &interface_class, NULL, &interface_name);
	if (status) {
		IoDeleteDevice(device);
		return status;
	}
	lower = IoAttachDeviceToDeviceStack(device, physical);
	device->Flags &= ~DO_DEVICE_INITIALIZING;
	return STATUS_SUCCESS;
}

/* The device was removed before. */
static void NTAPI unload(DRIVER_OBJECT *driver)
{
}

NTSTATUS NTAPI DriverEntry(DRIVER_OBJECT *driver, UNICODE_STRING *registry_path)
{
	requests_init();
	driver->MajorFunction[IRP_MJ_CREATE] = create;
	driver->MajorFunction[IRP_MJ_CLEANUP] = cleanup;
	driver->MajorFunction[IRP_MJ_CLOSE] = cleanup;
	driver->MajorFunction[IRP_MJ_DEVICE_CONTROL] = control;
	driver->MajorFunction[IRP_MJ_PNP] = plug_and_play;
	driver->DriverExtension->AddDevice = add_device;
	driver->DriverUnload = unload;
	return STATUS_SUCCESS;
}
