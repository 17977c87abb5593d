/* SPDX-License-Identifier: MIT */
/*
 * <setupapi.h>: device interfaces, of the classes GUID_DEVINTERFACE_VM_GENCOUNTER and
 * GUID_DEVINTERFACE_VPCI. docs/windows.rst has what is different from Windows.
 */
#ifndef VMGENCOUNTER_WIN32_SETUPAPI_H
#define VMGENCOUNTER_WIN32_SETUPAPI_H

#include "windows.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef PVOID HDEVINFO;

#define DIGCF_DEFAULT		0x01
#define DIGCF_PRESENT		0x02
#define DIGCF_ALLCLASSES	0x04
#define DIGCF_PROFILE		0x08
#define DIGCF_DEVICEINTERFACE	0x10
#define DIGCF_INTERFACEDEVICE	DIGCF_DEVICEINTERFACE

#define SPINT_ACTIVE	1
#define SPINT_DEFAULT	2
#define SPINT_REMOVED	4

typedef struct _SP_DEVINFO_DATA {
	DWORD cbSize;
	GUID ClassGuid;
	DWORD DevInst;
	ULONG_PTR Reserved;
} SP_DEVINFO_DATA, *PSP_DEVINFO_DATA;

typedef struct _SP_DEVICE_INTERFACE_DATA {
	DWORD cbSize;
	GUID InterfaceClassGuid;
	DWORD Flags;
	ULONG_PTR Reserved;
} SP_DEVICE_INTERFACE_DATA, *PSP_DEVICE_INTERFACE_DATA;

typedef struct _SP_DEVICE_INTERFACE_DETAIL_DATA_A {
	DWORD cbSize;
	CHAR DevicePath[ANYSIZE_ARRAY];
} SP_DEVICE_INTERFACE_DETAIL_DATA_A, *PSP_DEVICE_INTERFACE_DETAIL_DATA_A;

typedef struct _SP_DEVICE_INTERFACE_DETAIL_DATA_W {
	DWORD cbSize;
	WCHAR DevicePath[ANYSIZE_ARRAY];
} SP_DEVICE_INTERFACE_DETAIL_DATA_W, *PSP_DEVICE_INTERFACE_DETAIL_DATA_W;

HDEVINFO SetupDiGetClassDevsA(const GUID *class_guid, LPCSTR enumerator, HWND parent, DWORD flags);
HDEVINFO SetupDiGetClassDevsW(const GUID *class_guid, LPCWSTR enumerator, HWND parent, DWORD flags);
BOOL SetupDiEnumDeviceInterfaces(HDEVINFO set, PSP_DEVINFO_DATA device, const GUID *class_guid,
				 DWORD index, PSP_DEVICE_INTERFACE_DATA data);
BOOL SetupDiGetDeviceInterfaceDetailA(HDEVINFO set, PSP_DEVICE_INTERFACE_DATA data,
				      PSP_DEVICE_INTERFACE_DETAIL_DATA_A detail, DWORD size,
				      PDWORD required, PSP_DEVINFO_DATA device);
BOOL SetupDiGetDeviceInterfaceDetailW(HDEVINFO set, PSP_DEVICE_INTERFACE_DATA data,
				      PSP_DEVICE_INTERFACE_DETAIL_DATA_W detail, DWORD size,
				      PDWORD required, PSP_DEVINFO_DATA device);
BOOL SetupDiDestroyDeviceInfoList(HDEVINFO set);

#ifdef UNICODE
typedef SP_DEVICE_INTERFACE_DETAIL_DATA_W SP_DEVICE_INTERFACE_DETAIL_DATA;
typedef PSP_DEVICE_INTERFACE_DETAIL_DATA_W PSP_DEVICE_INTERFACE_DETAIL_DATA;
#define SetupDiGetClassDevs		SetupDiGetClassDevsW
#define SetupDiGetDeviceInterfaceDetail	SetupDiGetDeviceInterfaceDetailW
#else
typedef SP_DEVICE_INTERFACE_DETAIL_DATA_A SP_DEVICE_INTERFACE_DETAIL_DATA;
typedef PSP_DEVICE_INTERFACE_DETAIL_DATA_A PSP_DEVICE_INTERFACE_DETAIL_DATA;
#define SetupDiGetClassDevs		SetupDiGetClassDevsA
#define SetupDiGetDeviceInterfaceDetail	SetupDiGetDeviceInterfaceDetailA
#endif

#ifdef __cplusplus
}
#endif

#endif /* VMGENCOUNTER_WIN32_SETUPAPI_H */
