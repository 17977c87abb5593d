// SPDX-License-Identifier: MIT
/*
 * Device interfaces: SetupDi...() and CM_Get_Device_Interface_List()
 *
 * Lifetime: a set is a list of names, as they were when it was made, until
 * SetupDiDestroyDeviceInfoList(). Locks: win32_lock, to find it.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cfgmgr32.h>
#include <setupapi.h>

#include "win32.h"

/* In guids.c; <linux/...> has the rest of what their headers have. */
EXTERN_C const GUID GUID_DEVINTERFACE_VM_GENCOUNTER, GUID_DEVINTERFACE_VPCI;

/* GUID_DEVCLASS_SYSTEM, to which both kinds of devices belong. */
static const GUID system_class = {
	0x4d36e97d, 0xe325, 0x11ce, { 0xbf, 0xc1, 0x08, 0x00, 0x2b, 0xe1, 0x03, 0x18 }
};

struct interface {
	const GUID *class_guid;
	char path[WIN32_NAME_MAX];
};

struct set {
	struct win32_object object;
	size_t count;
	struct interface *interfaces;
};

/* ---- what there is ---- */

static void add(struct set *set, const GUID *class_guid, const char *before, const char *name,
		const char *after)
{
	struct interface *more = realloc(set->interfaces, (set->count + 1) * sizeof(*more));

	if (!more)
		return;
	set->interfaces = more;
	more += set->count++;
	more->class_guid = class_guid;
	snprintf(more->path, sizeof(more->path), "\\\\?\\%s%s%s", before, name, after);
}

static void add_functions(struct set *set)
{
	struct dirent **names;
	int i, n = scandir(WIN32_VPCI_DIRECTORY, &names, NULL, alphasort);

	for (i = 0; i < n; i++) {
		if (names[i]->d_name[0] != '.')
			add(set, &GUID_DEVINTERFACE_VPCI, WIN32_VPCI_PREFIX, names[i]->d_name,
			    WIN32_VPCI_SUFFIX);
		free(names[i]);
	}
	if (n >= 0)
		free(names);
}

/* Those of a class, or of all classes. */
static void fill_set(struct set *set, const GUID *class_guid)
{
	if ((!class_guid || IsEqualGUID(class_guid, &GUID_DEVINTERFACE_VM_GENCOUNTER)) &&
	    !access(WIN32_COUNTER_PATH, F_OK))
		add(set, &GUID_DEVINTERFACE_VM_GENCOUNTER, WIN32_COUNTER_NAME, "", "");
	if (!class_guid || IsEqualGUID(class_guid, &GUID_DEVINTERFACE_VPCI))
		add_functions(set);
}

/* ---- SetupDi ---- */

static void free_set(struct win32_object *object)
{
	struct set *set = (struct set *)object;

	free(set->interfaces);
	free(set);
}

static HDEVINFO new_set(const GUID *class_guid, bool has_enumerator, DWORD flags)
{
	struct set *set;
	DWORD error = ERROR_NOT_ENOUGH_MEMORY;

	if (!class_guid && !(flags & DIGCF_ALLCLASSES))
		error = ERROR_INVALID_PARAMETER;
	else if (has_enumerator)
		error = ERROR_NOT_SUPPORTED;
	set = error == ERROR_NOT_ENOUGH_MEMORY ? calloc(1, sizeof(*set)) : NULL;
	if (!set) {
		win32_fail(error);
		return INVALID_HANDLE_VALUE;
	}
	set->object.kind = WIN32_DEVICE_SET;
	set->object.free = free_set;
	if (flags & DIGCF_DEVICEINTERFACE)
		fill_set(set, flags & DIGCF_ALLCLASSES ? NULL : class_guid);
	return win32_open(&set->object) ?: INVALID_HANDLE_VALUE;
}

HDEVINFO SetupDiGetClassDevsA(const GUID *class_guid, LPCSTR enumerator, HWND parent, DWORD flags)
{
	(void)parent;
	return new_set(class_guid, enumerator, flags);
}

HDEVINFO SetupDiGetClassDevsW(const GUID *class_guid, LPCWSTR enumerator, HWND parent, DWORD flags)
{
	(void)parent;
	return new_set(class_guid, enumerator, flags);
}

/* A reference; NULL and the last error if there is no such set. */
static struct set *get_set(HDEVINFO handle)
{
	struct win32_object *object;

	pthread_mutex_lock(&win32_lock);
	object = win32_get(handle, WIN32_DEVICE_SET);
	pthread_mutex_unlock(&win32_lock);
	return (struct set *)object;
}

static BOOL put_set(struct set *set, DWORD error)
{
	pthread_mutex_lock(&win32_lock);
	win32_put(&set->object);
	pthread_mutex_unlock(&win32_lock);
	return error ? win32_fail(error) : TRUE;
}

/* A device is known by the place of its interface, as each has one. */
static DWORD find_interface(const struct set *set, const SP_DEVINFO_DATA *device,
			    const GUID *class_guid, DWORD index, SP_DEVICE_INTERFACE_DATA *data)
{
	DWORD i, n = 0;

	if (!data || !class_guid)
		return ERROR_INVALID_PARAMETER;
	if (data->cbSize != sizeof(*data))
		return ERROR_INVALID_USER_BUFFER;
	for (i = 0; i < set->count; i++) {
		if (!IsEqualGUID(set->interfaces[i].class_guid, class_guid) ||
		    (device && device->DevInst != i + 1) || n++ != index)
			continue;
		data->InterfaceClassGuid = *class_guid;
		data->Flags = SPINT_ACTIVE;
		data->Reserved = i + 1;
		return ERROR_SUCCESS;
	}
	return ERROR_NO_MORE_ITEMS;
}

BOOL SetupDiEnumDeviceInterfaces(HDEVINFO handle, PSP_DEVINFO_DATA device, const GUID *class_guid,
				 DWORD index, PSP_DEVICE_INTERFACE_DATA data)
{
	struct set *set = get_set(handle);

	return set ? put_set(set, find_interface(set, device, class_guid, index, data)) : FALSE;
}

/*
 * @detail: its size, then the path. Characters have @width bytes. As on Windows, @device is
 * filled in when @size is too small, too.
 */
static DWORD get_detail(const struct set *set, const SP_DEVICE_INTERFACE_DATA *data, void *detail,
			DWORD detail_size, DWORD size, size_t width, DWORD *required,
			SP_DEVINFO_DATA *device)
{
	const char *path;
	DWORD needed;
	size_t i;

	if (!data || data->cbSize != sizeof(*data) || !data->Reserved ||
	    data->Reserved > set->count)
		return ERROR_INVALID_PARAMETER;
	if ((detail && *(DWORD *)detail != detail_size) ||
	    (device && device->cbSize != sizeof(*device)))
		return ERROR_INVALID_USER_BUFFER;
	path = set->interfaces[data->Reserved - 1].path;
	needed = sizeof(DWORD) + (strlen(path) + 1) * width;
	if (required)
		*required = needed;
	if (device) {
		device->ClassGuid = system_class;
		device->DevInst = data->Reserved;
	}
	if (!detail || size < needed)
		return ERROR_INSUFFICIENT_BUFFER;
	for (i = 0; i <= strlen(path); i++) {
		if (width == 1)
			((SP_DEVICE_INTERFACE_DETAIL_DATA_A *)detail)->DevicePath[i] = path[i];
		else
			((SP_DEVICE_INTERFACE_DETAIL_DATA_W *)detail)->DevicePath[i] = path[i];
	}
	return ERROR_SUCCESS;
}

BOOL SetupDiGetDeviceInterfaceDetailA(HDEVINFO handle, PSP_DEVICE_INTERFACE_DATA data,
				      PSP_DEVICE_INTERFACE_DETAIL_DATA_A detail, DWORD size,
				      PDWORD required, PSP_DEVINFO_DATA device)
{
	struct set *set = get_set(handle);

	return set ? put_set(set, get_detail(set, data, detail, sizeof(*detail), size, 1, required,
					     device)) : FALSE;
}

BOOL SetupDiGetDeviceInterfaceDetailW(HDEVINFO handle, PSP_DEVICE_INTERFACE_DATA data,
				      PSP_DEVICE_INTERFACE_DETAIL_DATA_W detail, DWORD size,
				      PDWORD required, PSP_DEVINFO_DATA device)
{
	struct set *set = get_set(handle);

	return set ? put_set(set, get_detail(set, data, detail, sizeof(*detail), size,
					     sizeof(WCHAR), required, device)) : FALSE;
}

BOOL SetupDiDestroyDeviceInfoList(HDEVINFO handle)
{
	struct set *set = get_set(handle);

	return set && put_set(set, ERROR_SUCCESS) && CloseHandle(handle);
}

/* ---- CM ---- */

/* How long the list is, in characters; what fits of it goes to one of the two. */
static CONFIGRET list(const GUID *class_guid, bool has_device, ULONG flags, CHAR *narrow,
		      WCHAR *wide, ULONG length, ULONG *needed)
{
	struct set set = { .count = 0 };
	size_t i, c;
	ULONG n = 0;

	if (!class_guid || !needed)
		return CR_INVALID_POINTER;
	if (flags & ~CM_GET_DEVICE_INTERFACE_LIST_ALL_DEVICES)
		return CR_INVALID_FLAG;
	if (has_device)
		return CR_CALL_NOT_IMPLEMENTED;
	fill_set(&set, class_guid);
	for (i = 0; i <= set.count; i++) {
		const char *path = i < set.count ? set.interfaces[i].path : "";

		for (c = 0; c <= strlen(path); c++, n++) {
			if (n < length && narrow)
				narrow[n] = path[c];
			if (n < length && wide)
				wide[n] = path[c];
		}
	}
	free(set.interfaces);
	*needed = n;
	return (narrow || wide) && n > length ? CR_BUFFER_SMALL : CR_SUCCESS;
}

CONFIGRET CM_Get_Device_Interface_List_SizeA(PULONG length, LPGUID class_guid,
					     DEVINSTID_A device, ULONG flags)
{
	return list(class_guid, device, flags, NULL, NULL, 0, length);
}

CONFIGRET CM_Get_Device_Interface_List_SizeW(PULONG length, LPGUID class_guid,
					     DEVINSTID_W device, ULONG flags)
{
	return list(class_guid, device, flags, NULL, NULL, 0, length);
}

CONFIGRET CM_Get_Device_Interface_ListA(LPGUID class_guid, DEVINSTID_A device, PZZSTR buffer,
					ULONG length, ULONG flags)
{
	ULONG needed;

	return buffer ? list(class_guid, device, flags, buffer, NULL, length, &needed) :
			CR_INVALID_POINTER;
}

CONFIGRET CM_Get_Device_Interface_ListW(LPGUID class_guid, DEVINSTID_W device, PZZWSTR buffer,
					ULONG length, ULONG flags)
{
	ULONG needed;

	return buffer ? list(class_guid, device, flags, NULL, buffer, length, &needed) :
			CR_INVALID_POINTER;
}
