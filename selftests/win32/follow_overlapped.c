// SPDX-License-Identifier: GPL-2.0-only
/*
 * A program for Windows, for the tests to compile as it is: it finds the device by its
 * interface, waits for a change by an OVERLAPPED, and is told to stop by another event.
 */
#include <windows.h>
#include <stdio.h>
#include <setupapi.h>
#include <cfgmgr32.h>
#include <initguid.h>
#include <vmgenerationcounter.h>

static HANDLE OpenByInterface(HDEVINFO set)
{
    SP_DEVICE_INTERFACE_DATA interfaceData;
    PSP_DEVICE_INTERFACE_DETAIL_DATA detail;
    HANDLE handle = INVALID_HANDLE_VALUE;
    DWORD size = 0;

    interfaceData.cbSize = sizeof(interfaceData);
    if (!SetupDiEnumDeviceInterfaces(set, NULL, &GUID_DEVINTERFACE_VM_GENCOUNTER, 0,
                                     &interfaceData))
        return handle;
    SetupDiGetDeviceInterfaceDetail(set, &interfaceData, NULL, 0, &size, NULL);
    detail = (PSP_DEVICE_INTERFACE_DETAIL_DATA)malloc(size);
    if (!detail)
        return handle;
    detail->cbSize = sizeof(*detail);
    if (SetupDiGetDeviceInterfaceDetail(set, &interfaceData, detail, size, NULL, NULL))
        handle = CreateFile(detail->DevicePath, GENERIC_READ | GENERIC_WRITE, 0, NULL,
                            OPEN_EXISTING, FILE_FLAG_OVERLAPPED, NULL);
    free(detail);
    return handle;
}

HANDLE OpenCounter(void)
{
    HDEVINFO set = SetupDiGetClassDevs(&GUID_DEVINTERFACE_VM_GENCOUNTER, NULL, NULL,
                                       DIGCF_PRESENT | DIGCF_DEVICEINTERFACE);
    HANDLE handle;

    if (set == INVALID_HANDLE_VALUE)
        return INVALID_HANDLE_VALUE;
    handle = OpenByInterface(set);
    SetupDiDestroyDeviceInfoList(set);
    return handle;
}

/* The next generation, or the error: ERROR_OPERATION_ABORTED once the other event is set. */
DWORD WaitForChange(HANDLE counter, HANDLE stop, VM_GENCOUNTER *generation)
{
    OVERLAPPED overlapped = { 0 };
    HANDLE events[2];
    DWORD size, error = ERROR_SUCCESS;

    overlapped.hEvent = CreateEvent(NULL, TRUE, FALSE, NULL);
    events[0] = overlapped.hEvent;
    events[1] = stop;
    if (!DeviceIoControl(counter, IOCTL_VMGENCOUNTER_READ, generation, sizeof(*generation),
                         generation, sizeof(*generation), NULL, &overlapped))
        error = GetLastError();
    if (error == ERROR_IO_PENDING) {
        if (WaitForMultipleObjects(2, events, FALSE, INFINITE) != WAIT_OBJECT_0)
            CancelIoEx(counter, &overlapped);
        error = GetOverlappedResult(counter, &overlapped, &size, TRUE) ?
            ERROR_SUCCESS : GetLastError();
    }
    CloseHandle(overlapped.hEvent);
    return error;
}
