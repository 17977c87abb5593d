// SPDX-License-Identifier: GPL-2.0-only
/*
 * calls.exe - does what its standard input says, and prints what came of it
 *
 * The words, one a line, are in commands[] below; a line with a dot ends an answer. A number in an
 * answer is what GetLastError() said, or 0. One device, opened with FILE_FLAG_OVERLAPPED, and one
 * request of it that waits stay from word to word; the others have their own.
 */
#define UNICODE
#include "vmgencounter.h"
#include <setupapi.h>

static const GUID interface_class = {
	0x3ff2c92b, 0x6598, 0x4e60, { 0x8e, 0x1c, 0x0c, 0xcf, 0x49, 0x27, 0xe3, 0x19 }
};

#define NAME	L"\\\\.\\VmGenerationCounter"
#define ROUNDS	300

struct request {
	OVERLAPPED overlapped;
	VM_GENCOUNTER counter;		/* input and output */
};

static HANDLE device = INVALID_HANDLE_VALUE;
static struct request waiting;

static void say(const char *what, DWORD error)
{
	printf("%s %lu\n", what, error);
	fflush(stdout);
}

static HANDLE open_name(const WCHAR *name, DWORD access, DWORD flags)
{
	return CreateFile(name, access, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, OPEN_EXISTING,
			  flags, NULL);
}

static HANDLE open_device(void)
{
	return open_name(NAME, GENERIC_READ | GENERIC_WRITE, FILE_FLAG_OVERLAPPED);
}

/* Returns the error of a request, which waits if there is input; ERROR_IO_PENDING: it does. */
static DWORD start(HANDLE file, struct request *request, DWORD in_size)
{
	if (!request->overlapped.hEvent)
		request->overlapped.hEvent = CreateEvent(NULL, TRUE, FALSE, NULL);
	return DeviceIoControl(file, IOCTL_VMGENCOUNTER_READ, &request->counter, in_size,
			       &request->counter, sizeof(request->counter), NULL,
			       &request->overlapped) ? 0 : GetLastError();
}

static DWORD finish(HANDLE file, struct request *request)
{
	DWORD returned = 0;

	if (!GetOverlappedResult(file, &request->overlapped, &returned, TRUE))
		return GetLastError();
	return returned == sizeof(request->counter) ? 0 : ERROR_INVALID_DATA;
}

/* A request from begin to end. */
static DWORD call(HANDLE file, struct request *request, DWORD in_size)
{
	DWORD error = start(file, request, in_size);

	return error && error != ERROR_IO_PENDING ? error : finish(file, request);
}

static void show(const char *what, DWORD error, const VM_GENCOUNTER *counter)
{
	if (error)
		say(what, error);
	else
		print_counter(what, counter);
}

static void open_it(void)
{
	device = open_device();
	say("open", device == INVALID_HANDLE_VALUE ? GetLastError() : 0);
}

/* As a program that starts before its device: until the name is there, or is not any more. */
static void appear(void)
{
	while ((device = open_device()) == INVALID_HANDLE_VALUE)
		Sleep(10);
	say("appear", 0);
}

static void vanish(void)
{
	HANDLE file;

	CloseHandle(device);
	while ((file = open_device()) != INVALID_HANDLE_VALUE) {
		CloseHandle(file);
		Sleep(10);
	}
	say("vanish", GetLastError());
}

static void poll(void)
{
	struct request request = { 0 };
	DWORD error = call(device, &request, 0);

	show("poll", error, &request.counter);
}

/* By the class of its interface, as a program that does not know the name. */
static void find(void)
{
	struct { SP_DEVICE_INTERFACE_DETAIL_DATA_W detail; WCHAR rest[256]; } path;
	SP_DEVICE_INTERFACE_DATA found = { .cbSize = sizeof(found) };
	struct request request = { 0 };
	DWORD error = ERROR_SUCCESS;
	HDEVINFO all;
	HANDLE file;

	all = SetupDiGetClassDevs(&interface_class, NULL, NULL,
				  DIGCF_PRESENT | DIGCF_DEVICEINTERFACE);
	path.detail.cbSize = sizeof(path.detail);
	if (!SetupDiEnumDeviceInterfaces(all, NULL, &interface_class, 0, &found) ||
	    !SetupDiGetDeviceInterfaceDetail(all, &found, &path.detail, sizeof(path), NULL,
					     NULL)) {
		say("find", GetLastError());
		return;
	}
	file = open_name(path.detail.DevicePath, GENERIC_READ | GENERIC_WRITE,
			 FILE_FLAG_OVERLAPPED);
	error = file == INVALID_HANDLE_VALUE ? GetLastError() : call(file, &request, 0);
	show("find", error, &request.counter);
	CloseHandle(file);
}

/* A call with these sizes, which is wrong, and how many bytes it says to have returned. */
static void wrong(const char *what, DWORD access, DWORD code, DWORD in_size, DWORD out_size)
{
	HANDLE file = open_name(NAME, access, 0);
	VM_GENCOUNTER in = { 0 }, out = { 0 };
	DWORD returned = 1;
	BOOL ok;

	ok = DeviceIoControl(file, code, &in, in_size, &out, out_size, &returned, NULL);
	printf("%s %lu, %lu bytes\n", what, ok ? 0 : GetLastError(), returned);
	fflush(stdout);
	CloseHandle(file);
}

static void errors(void)
{
	const DWORD both = GENERIC_READ | GENERIC_WRITE;

	wrong("small", both, IOCTL_VMGENCOUNTER_READ, 0, 15);
	wrong("short", both, IOCTL_VMGENCOUNTER_READ, 15, 16);
	wrong("unknown", both, IOCTL_VMGENCOUNTER_READ + 4, 0, 16);
	wrong("reader", GENERIC_READ, IOCTL_VMGENCOUNTER_READ, 0, 16);
	wrong("writer", GENERIC_WRITE, IOCTL_VMGENCOUNTER_READ, 0, 16);
}

/* Event mode with an ID that is not the current one. */
static void stale(void)
{
	struct request request = { .counter = { 1, 1 } };
	DWORD error = call(device, &request, sizeof(request.counter));

	show("stale", error, &request.counter);
}

static void pend(void)
{
	call(device, &waiting, 0);
	say("pend", start(device, &waiting, sizeof(waiting.counter)));
}

/* One that has to wait, and is not to: it fails at once or, if the device has just come, later. */
static void refused(void)
{
	struct request request = { 0 };

	call(device, &request, 0);
	say("refused", call(device, &request, sizeof(request.counter)));
}

static void done(void)
{
	DWORD error = finish(device, &waiting);

	show("done", error, &waiting.counter);
}

static void cancel(void)
{
	if (!CancelIoEx(device, &waiting.overlapped))
		say("cancel", GetLastError());
	else
		say("cancel", finish(device, &waiting));
}

/* A handle is closed whose request waits: nothing else ends it. */
static void close_waiting(void)
{
	static struct request request;
	HANDLE file = open_device();

	call(file, &request, 0);
	if (start(file, &request, sizeof(request.counter)) != ERROR_IO_PENDING) {
		say("close", GetLastError());
		return;
	}
	CloseHandle(file);
	WaitForSingleObject(request.overlapped.hEvent, INFINITE);
	printf("close %08lx\n", (DWORD)request.overlapped.Internal);
	fflush(stdout);
}

static DWORD WINAPI change_id(void *file)
{
	DWORD written;

	return !WriteFile(file, "change\n", 7, &written, NULL);
}

/*
 * A request and the change that it waits for, at the same time, again and again. A change that is
 * lost ends this: nothing else follows it.
 */
static void race(void)
{
	HANDLE hypervisor = CreateFile(L"\\\\?\\unix\\dev\\vmgen_test", GENERIC_WRITE, 0, NULL,
				       OPEN_EXISTING, 0, NULL);
	struct request request = { 0 };
	DWORD error, bad = 0;
	HANDLE thread;
	int i;

	for (i = 0; i < ROUNDS && !bad; i++) {
		call(device, &request, 0);
		thread = CreateThread(NULL, 0, change_id, hypervisor, 0, NULL);
		error = call(device, &request, sizeof(request.counter));
		WaitForSingleObject(thread, INFINITE);
		GetExitCodeThread(thread, &bad);
		bad |= error;
		CloseHandle(thread);
	}
	CloseHandle(hypervisor);
	say("race", bad);
}

static const struct command {
	const char *word;
	void (*function)(void);
} commands[] = {
	{ "open", open_it }, { "appear", appear }, { "vanish", vanish }, { "poll", poll },
	{ "find", find }, { "errors", errors }, { "stale", stale }, { "pend", pend },
	{ "done", done }, { "refused", refused }, { "cancel", cancel },
	{ "close", close_waiting }, { "race", race },
};

static void obey(const char *word)
{
	const struct command *command;

	for (command = commands; command < commands + ARRAYSIZE(commands); command++)
		if (!strcmp(word, command->word))
			command->function();
	puts(".");
	fflush(stdout);
}

int main(void)
{
	char line[32];

	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\r\n")] = '\0';
		obey(line);
	}
	return 0;
}
