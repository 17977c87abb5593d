/* SPDX-License-Identifier: MIT */
/* <cfgmgr32.h>: device interfaces as lists of names, each with a NUL, and one more at the end. */
#ifndef VMGENCOUNTER_WIN32_CFGMGR32_H
#define VMGENCOUNTER_WIN32_CFGMGR32_H

#include "windows.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef DWORD CONFIGRET;
typedef CHAR *DEVINSTID_A;
typedef WCHAR *DEVINSTID_W;

#define CR_SUCCESS		0x00
#define CR_OUT_OF_MEMORY	0x02
#define CR_INVALID_POINTER	0x03
#define CR_INVALID_FLAG		0x04
#define CR_BUFFER_SMALL		0x1a
#define CR_CALL_NOT_IMPLEMENTED	0x20

#define CM_GET_DEVICE_INTERFACE_LIST_PRESENT		0
#define CM_GET_DEVICE_INTERFACE_LIST_ALL_DEVICES	1

CONFIGRET CM_Get_Device_Interface_List_SizeA(PULONG length, LPGUID class_guid,
					     DEVINSTID_A device, ULONG flags);
CONFIGRET CM_Get_Device_Interface_List_SizeW(PULONG length, LPGUID class_guid,
					     DEVINSTID_W device, ULONG flags);
CONFIGRET CM_Get_Device_Interface_ListA(LPGUID class_guid, DEVINSTID_A device, PZZSTR buffer,
					ULONG length, ULONG flags);
CONFIGRET CM_Get_Device_Interface_ListW(LPGUID class_guid, DEVINSTID_W device, PZZWSTR buffer,
					ULONG length, ULONG flags);

#ifdef UNICODE
#define CM_Get_Device_Interface_List_Size	CM_Get_Device_Interface_List_SizeW
#define CM_Get_Device_Interface_List		CM_Get_Device_Interface_ListW
#else
#define CM_Get_Device_Interface_List_Size	CM_Get_Device_Interface_List_SizeA
#define CM_Get_Device_Interface_List		CM_Get_Device_Interface_ListA
#endif

#ifdef __cplusplus
}
#endif

#endif /* VMGENCOUNTER_WIN32_CFGMGR32_H */
