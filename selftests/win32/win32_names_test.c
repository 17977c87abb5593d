// SPDX-License-Identifier: GPL-2.0-only
/*
 * libvmgencounter-win32: the names under which the counter is opened, what a handle may do, and
 * device interfaces
 */
#include <sys/resource.h>

#include "../vmgencounter/vmgen_helpers.h"
#include "win32_helpers.h"

#include <cfgmgr32.h>
#include <setupapi.h>

#include "kselftest_harness.h"

#define NOBODY		65534
#define INTERFACE_A	"\\\\?\\ACPI#VM_Gen_Counter#0#{3ff2c92b-6598-4e60-8e1c-0ccf4927e319}"
#define INTERFACE_W	L"\\\\?\\ACPI#VM_Gen_Counter#0#{3ff2c92b-6598-4e60-8e1c-0ccf4927e319}"

/* ---- names and rights ---- */

TEST(names)
{
	static const wchar_t * const good[] = {
		NAME, L"\\\\.\\vmgenerationcounter", L"\\\\.\\VMGENERATIONCOUNTER",
		L"\\\\?\\VmGenerationCounter", L"\\\\.\\" VM_GENCOUNTER_SYMBOLIC_LINK_NAME,
		L"\\\\." VM_GENCOUNTER_SYMBOLIC_LINK_NAME, L"//./VmGenerationCounter",
		INTERFACE_W,
		L"\\\\?\\acpi#vm_gen_counter#0#{3FF2C92B-6598-4E60-8E1C-0CCF4927E319}",
	};
	static const wchar_t * const bad[] = {
		L"\\\\.\\VmGenerationCounter2", L"\\\\.\\VmGeneration", L"\\\\.\\", L"\\\\?\\",
		L"\\\\.\\VmGenerationCounter\\", L"\\\\.\\VmGenerationCount\u00e9r",
		L"\\\\?\\\\VmGenerationCounter",
		L"\\\\.\\VPCI#0000:00:00.0/../../vmgencounter", L"\\\\.\\VPCI#fffe:00:00.0",
	};
	HANDLE file;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(good); i++) {
		file = open_as(good[i], BOTH);
		EXPECT_NE(INVALID_HANDLE_VALUE, file) TH_LOG("%ls", good[i]);
		EXPECT_TRUE(CloseHandle(file));
	}
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		EXPECT_NO_FILE(ERROR_FILE_NOT_FOUND, open_as(bad[i], BOTH));
	EXPECT_NO_FILE(ERROR_NOT_SUPPORTED, open_as(L"C:\\file", BOTH));
	EXPECT_NO_FILE(ERROR_NOT_SUPPORTED, open_as(L"/dev/vmgencounter", BOTH));
	EXPECT_NO_FILE(ERROR_PATH_NOT_FOUND, open_as(L"", BOTH));
	EXPECT_NO_FILE(ERROR_PATH_NOT_FOUND, open_as(NULL, BOTH));
}

TEST(narrow_names_and_dispositions)
{
	const char *name = "\\\\.\\VmGenerationCounter";
	DWORD how;
	HANDLE file;

	for (how = CREATE_NEW; how <= TRUNCATE_EXISTING; how++) {
		file = CreateFileA(name, BOTH, 0, NULL, how, FILE_ATTRIBUTE_NORMAL, NULL);
		EXPECT_NE(INVALID_HANDLE_VALUE, file);
		EXPECT_TRUE(CloseHandle(file));
		EXPECT_FAILS(ERROR_INVALID_HANDLE, CloseHandle(file));
	}
	EXPECT_NO_FILE(ERROR_INVALID_PARAMETER, CreateFileA(name, BOTH, 0, NULL, 0, 0, NULL));
	EXPECT_NO_FILE(ERROR_INVALID_PARAMETER, CreateFileA(name, BOTH, 0, NULL, 6, 0, NULL));
}

static BOOL request(HANDLE file, DWORD code)
{
	DWORD n;

	return DeviceIoControl(file, code, NULL, 0, NULL, 0, &n, NULL);
}

TEST(rights)
{
	static const DWORD too_few[] = {
		0, GENERIC_READ, GENERIC_WRITE, FILE_GENERIC_READ,
		FILE_READ_ATTRIBUTES | SYNCHRONIZE,
	};
	static const DWORD enough[] = {
		BOTH, GENERIC_ALL, FILE_READ_DATA | FILE_WRITE_DATA,
		FILE_GENERIC_READ | FILE_GENERIC_WRITE,
	};
	VM_GENCOUNTER id;
	HANDLE file;
	DWORD n;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(too_few); i++) {
		file = open_as(NAME, too_few[i]);
		ASSERT_NE(INVALID_HANDLE_VALUE, file);
		n = 77;
		EXPECT_FAILS(ERROR_ACCESS_DENIED, poll_id(file, &id, &n));
		EXPECT_EQ(0, n);
		/* The right is looked at first, and a code without one needs none. */
		EXPECT_FAILS(ERROR_ACCESS_DENIED, request(file, CTL_CODE(0x22, 1, 0, 3)));
		EXPECT_FAILS(ERROR_INVALID_FUNCTION,
			     request(file, CTL_CODE(0x22, 1, 0, FILE_ANY_ACCESS)));
		CloseHandle(file);
	}
	for (i = 0; i < ARRAY_SIZE(enough); i++) {
		file = open_as(NAME, enough[i]);
		EXPECT_TRUE(poll_id(file, &id, &n));
		CloseHandle(file);
	}
}

/* A handle without rights is to be had by everyone. */
TEST(no_permission)
{
	ASSERT_EQ(0, seteuid(NOBODY));
	EXPECT_NO_FILE(ERROR_ACCESS_DENIED, open_as(NAME, BOTH));
	EXPECT_NO_FILE(ERROR_ACCESS_DENIED, open_as(NAME, GENERIC_READ));
	EXPECT_NE(INVALID_HANDLE_VALUE, open_as(NAME, 0));
	ASSERT_EQ(0, seteuid(0));
}

TEST(no_descriptors)
{
	const struct rlimit none = { 0, 0 };

	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &none));
	EXPECT_NO_FILE(ERROR_TOO_MANY_OPEN_FILES, open_as(NAME, BOTH));
	EXPECT_NO_FILE(ERROR_TOO_MANY_OPEN_FILES, open_as(NAME, 0));
}

/* ---- device interfaces ---- */

#define GUID_OF_COUNTER	(&GUID_DEVINTERFACE_VM_GENCOUNTER)

FIXTURE(set) {
	HDEVINFO set;
	SP_DEVICE_INTERFACE_DATA data;
	union {
		SP_DEVICE_INTERFACE_DETAIL_DATA_A a;
		SP_DEVICE_INTERFACE_DETAIL_DATA_W w;
		char room[512];
	} detail;
	DWORD size;
};

FIXTURE_SETUP(set)
{
	self->set = SetupDiGetClassDevsW(GUID_OF_COUNTER, NULL, NULL,
					 DIGCF_PRESENT | DIGCF_DEVICEINTERFACE);
	ASSERT_NE(INVALID_HANDLE_VALUE, self->set);
	self->data.cbSize = sizeof(self->data);
	ASSERT_TRUE(SetupDiEnumDeviceInterfaces(self->set, NULL, GUID_OF_COUNTER, 0, &self->data));
}

FIXTURE_TEARDOWN(set)
{
	EXPECT_TRUE(SetupDiDestroyDeviceInfoList(self->set));
	EXPECT_FAILS(ERROR_INVALID_HANDLE, SetupDiDestroyDeviceInfoList(self->set));
}

TEST_F(set, enumerated)
{
	EXPECT_EQ(SPINT_ACTIVE, (int)self->data.Flags);
	EXPECT_TRUE(IsEqualGUID(GUID_OF_COUNTER, &self->data.InterfaceClassGuid));
	EXPECT_FAILS(ERROR_NO_MORE_ITEMS,
		     SetupDiEnumDeviceInterfaces(self->set, NULL, GUID_OF_COUNTER, 1, &self->data));
	self->data.cbSize--;
	EXPECT_FAILS(ERROR_INVALID_USER_BUFFER,
		     SetupDiEnumDeviceInterfaces(self->set, NULL, GUID_OF_COUNTER, 0, &self->data));
}

TEST_F(set, wide_path)
{
	SP_DEVINFO_DATA device = { .cbSize = sizeof(device) };

	EXPECT_FAILS(ERROR_INSUFFICIENT_BUFFER,
		     SetupDiGetDeviceInterfaceDetailW(self->set, &self->data, NULL, 0, &self->size,
						      &device));
	EXPECT_EQ(4 + sizeof(INTERFACE_W), self->size);
	self->detail.w.cbSize = sizeof(self->detail.w);
	EXPECT_FAILS(ERROR_INSUFFICIENT_BUFFER,
		     SetupDiGetDeviceInterfaceDetailW(self->set, &self->data, &self->detail.w,
						      self->size - 1, NULL, NULL));
	ASSERT_TRUE(SetupDiGetDeviceInterfaceDetailW(self->set, &self->data, &self->detail.w,
						     self->size, NULL, NULL));
	EXPECT_EQ(0, memcmp(INTERFACE_W, self->detail.room + 4, sizeof(INTERFACE_W)));
	/* The device has this interface and no other. */
	EXPECT_TRUE(SetupDiEnumDeviceInterfaces(self->set, &device, GUID_OF_COUNTER, 0,
						&self->data));
	device.DevInst++;
	EXPECT_FAILS(ERROR_NO_MORE_ITEMS,
		     SetupDiEnumDeviceInterfaces(self->set, &device, GUID_OF_COUNTER, 0,
						 &self->data));
}

TEST_F(set, narrow_path)
{
	self->detail.a.cbSize = sizeof(self->detail.a);
	ASSERT_TRUE(SetupDiGetDeviceInterfaceDetailA(self->set, &self->data, &self->detail.a,
						     sizeof(self->detail), &self->size, NULL));
	EXPECT_EQ(4 + sizeof(INTERFACE_A), self->size);
	EXPECT_EQ(0, memcmp(INTERFACE_A, self->detail.room + 4, sizeof(INTERFACE_A)));
	self->detail.a.cbSize = 1;
	EXPECT_FAILS(ERROR_INVALID_USER_BUFFER,
		     SetupDiGetDeviceInterfaceDetailA(self->set, &self->data, &self->detail.a, 512,
						      &self->size, NULL));
}

TEST(sets_that_are_empty_or_refused)
{
	const GUID other = { 1, 2, 3, { 4 } };
	SP_DEVICE_INTERFACE_DATA data = { .cbSize = sizeof(data) };
	HDEVINFO set = SetupDiGetClassDevsA(&other, NULL, NULL, DIGCF_DEVICEINTERFACE);

	EXPECT_FAILS(ERROR_NO_MORE_ITEMS, SetupDiEnumDeviceInterfaces(set, NULL, &other, 0, &data));
	EXPECT_TRUE(SetupDiDestroyDeviceInfoList(set));
	EXPECT_NO_FILE(ERROR_INVALID_PARAMETER,
		       SetupDiGetClassDevsA(NULL, NULL, NULL, DIGCF_DEVICEINTERFACE));
	EXPECT_NO_FILE(ERROR_NOT_SUPPORTED,
		       SetupDiGetClassDevsA(&other, "ACPI", NULL, DIGCF_DEVICEINTERFACE));
}

TEST(interface_by_list)
{
	GUID guid = GUID_DEVINTERFACE_VM_GENCOUNTER, other = { 1, 2, 3, { 4 } };
	const ULONG length = ARRAY_SIZE(INTERFACE_W) + 1;
	wchar_t wide[128];
	char narrow[128];
	ULONG n = 0;

	EXPECT_EQ(CR_SUCCESS, (int)CM_Get_Device_Interface_List_SizeW(&n, &guid, NULL, 0));
	EXPECT_EQ(length, n);
	EXPECT_EQ(CR_SUCCESS, (int)CM_Get_Device_Interface_ListW(&guid, NULL, wide, n, 0));
	EXPECT_EQ(0, wmemcmp(INTERFACE_W L"\0", wide, length));
	EXPECT_EQ(CR_BUFFER_SMALL, (int)CM_Get_Device_Interface_ListW(&guid, NULL, wide, n - 1, 0));
	EXPECT_EQ(CR_SUCCESS, (int)CM_Get_Device_Interface_ListA(&guid, NULL, narrow, 128, 0));
	EXPECT_EQ(0, memcmp(INTERFACE_A "\0", narrow, length));
	EXPECT_EQ(CR_SUCCESS, (int)CM_Get_Device_Interface_List_SizeA(&n, &other, NULL, 1));
	EXPECT_EQ(1, n);
	EXPECT_EQ(CR_INVALID_POINTER,
		  (int)CM_Get_Device_Interface_List_SizeA(NULL, &guid, NULL, 0));
	EXPECT_EQ(CR_INVALID_POINTER, (int)CM_Get_Device_Interface_ListA(&guid, NULL, NULL, 1, 0));
	EXPECT_EQ(CR_INVALID_FLAG, (int)CM_Get_Device_Interface_List_SizeA(&n, &guid, NULL, 8));
	EXPECT_EQ(CR_CALL_NOT_IMPLEMENTED,
		  (int)CM_Get_Device_Interface_ListA(&guid, narrow, narrow, 128, 0));
}

TEST_HARNESS_MAIN
