// SPDX-License-Identifier: GPL-2.0-only
/*
 * A program for Windows, for the tests to compile and run as it is: it makes the calls that
 * Microsoft's page "Virtual machine generation identifier" shows, with the same arguments and
 * the same formats. With an argument it waits for one change.
 */
#include <Windows.h>
#include <stdio.h>
#include <initguid.h>

#ifdef OWN_DEFINITIONS
/* What the page says that the header has. */
DEFINE_GUID(
    GUID_DEVINTERFACE_VM_GENCOUNTER,
    0x3ff2c92b, 0x6598, 0x4e60, 0x8e, 0x1c, 0x0c, 0xcf, 0x49, 0x27, 0xe3, 0x19);

#define VM_GENCOUNTER_SYMBOLIC_LINK_NAME L"VmGenerationCounter"

#define IOCTL_VMGENCOUNTER_READ CTL_CODE( \
    FILE_DEVICE_ACPI, \
    0x1, METHOD_BUFFERED, \
    FILE_READ_ACCESS | FILE_WRITE_ACCESS)

typedef struct _VM_GENCOUNTER
{
    ULONGLONG GenerationCount;
    ULONGLONG GenerationCountHigh;
} VM_GENCOUNTER, *PVM_GENCOUNTER;
#else
#include <vmgenerationcounter.h>
#endif

static HRESULT Failed(const wchar_t *what)
{
    DWORD error = GetLastError();

    wprintf(L"%s failed with %d.\n", what, error);
    return HRESULT_FROM_WIN32(error);
}

static HRESULT Follow(HANDLE handle, bool fWaitForChange)
{
    VM_GENCOUNTER vmCounterOutput;
    DWORD size = 0;

    if (!DeviceIoControl(handle, IOCTL_VMGENCOUNTER_READ, NULL, 0,
                         &vmCounterOutput, sizeof(vmCounterOutput), &size, NULL))
        return Failed(L"Call IOCTL_VMGENCOUNTER_READ");
    wprintf(L"VmCounterValue: %I64x:%I64x\n",
            vmCounterOutput.GenerationCount, vmCounterOutput.GenerationCountHigh);
    fflush(stdout);
    if (!fWaitForChange)
        return S_OK;
    if (!DeviceIoControl(handle, IOCTL_VMGENCOUNTER_READ,
                         &vmCounterOutput, sizeof(vmCounterOutput),
                         &vmCounterOutput, sizeof(vmCounterOutput), &size, NULL))
        return Failed(L"Call IOCTL_VMGENCOUNTER_READ");
    wprintf(L"VmCounterValue changed to: %I64x:%I64x\n",
            vmCounterOutput.GenerationCount, vmCounterOutput.GenerationCountHigh);
    return S_OK;
}

int wmain(int argc, wchar_t *argv[])
{
    HRESULT hr;
    HANDLE handle = CreateFile(
        L"\\\\.\\" VM_GENCOUNTER_SYMBOLIC_LINK_NAME,
        GENERIC_READ | GENERIC_WRITE,
        FILE_SHARE_READ | FILE_SHARE_WRITE,
        NULL,
        OPEN_EXISTING,
        0,
        NULL);

    UNREFERENCED_PARAMETER(argv);
    if (handle == INVALID_HANDLE_VALUE)
    {
        wprintf(L"Unable to open device %s. Error code = %d.\n",
                VM_GENCOUNTER_SYMBOLIC_LINK_NAME, GetLastError());
        return 1;
    }
    hr = Follow(handle, argc > 1);
    CloseHandle(handle);
    return FAILED(hr);
}
