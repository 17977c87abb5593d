// SPDX-License-Identifier: GPL-2.0-only
#include <glob.h>
#include <libgen.h>
#include <limits.h>
#include <linux/netlink.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <time.h>

#include "vpci_helpers.h"

#define HOST	"/dev/vpci_host"

/* ---- files ---- */

long long read_number(const char *path)
{
	char line[64];

	return read_line(path, line, sizeof(line)) ? -1 : atoll(line);
}

int load_module(const char *name)
{
	char path[PATH_MAX];
	struct utsname system;
	int fd, err = 0;

	uname(&system);
	snprintf(path, sizeof(path), "/lib/modules/%s/%s.ko", system.release, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (syscall(SYS_finit_module, fd, "", 0) && errno != EEXIST)
		err = errno;
	close(fd);
	return err;
}

int unload_module(const char *name)
{
	return syscall(SYS_delete_module, name, O_NONBLOCK) ? errno : 0;
}

void wait_unused(const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/sys/module/%s/refcnt", name);
	while (read_number(path) > 0)
		usleep(1000);
}

int sleep_for_a_moment(void)
{
	return write_text("/sys/module/suspend/parameters/pm_test_delay", "0") ?:
	       write_text("/sys/power/pm_freeze_timeout", "2000") ?:
	       write_text("/sys/power/pm_test", "freezer") ?:
	       write_text("/sys/power/state", "freeze");
}

long kmalloc_objects(void)
{
	FILE *slabs = fopen("/proc/slabinfo", "r");
	char line[256], name[64];
	long active, sum = 0;

	while (slabs && fgets(line, sizeof(line), slabs)) {
		if (sscanf(line, "%63s %ld", name, &active) == 2 && strstr(name, "kmalloc-"))
			sum += active;
	}
	if (slabs)
		fclose(slabs);
	return sum;
}

double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

/* ---- the host ---- */

int host(const char *format, ...)
{
	char line[512];
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	return len < (int)sizeof(line) ? write_text(HOST, line) : ENAMETOOLONG;
}

static void to_hex(char *hex, const void *bytes, size_t len)
{
	const uint8_t *at = bytes;

	*hex = '\0';
	while (len--)
		hex += sprintf(hex, "%02x", *at++);
}

int host_block(uint32_t id, const void *bytes, size_t len)
{
	char hex[2 * VPCI_BLOCK_SIZE_MAX + 1];

	to_hex(hex, bytes, len < VPCI_BLOCK_SIZE_MAX ? len : VPCI_BLOCK_SIZE_MAX);
	return host("block %#x %s", id, hex);
}

struct host_counters host_counters(void)
{
	struct host_counters c = {};
	char line[512], hex[2 * VPCI_BLOCK_SIZE_MAX + 1] = "";
	unsigned int byte;
	int at = 0;
	char *errors;

	if (read_line(HOST, line, sizeof(line)) ||
	    sscanf(line, "requests %u reads %u writes %u kept %u last-write %u:%n",
		   &c.requests, &c.reads, &c.writes, &c.kept, &c.last_id, &at) != 5 || !at)
		abort();
	if (sscanf(line + at, "%256[0-9a-f]", hex) != 1)
		hex[0] = '\0';
	while (sscanf(hex + 2 * c.last_len, "%2x", &byte) == 1)
		c.last[c.last_len++] = byte;
	errors = strstr(line, " errors ");
	c.errors = errors ? atoi(errors + strlen(" errors ")) : -1;
	return c;
}

int host_wait(const struct host_counters *before, unsigned int more)
{
	return host("wait %u", before->requests + more);
}

bool real_hv_pci(void)
{
	return access("/sys/module/vpci_fake", F_OK) != 0;
}

/* Ejects the function whose device has this path. */
static void eject_path(const char *path)
{
	const char *name = strrchr(path, ':');

	if (name)
		host("eject %s", name + 1);
}

#define FUNCTIONS	"/sys/bus/vmbus/devices/*/pci1111:*/*:*:%s"

static int find_functions(const char *pattern, glob_t *found)
{
	char path[128];

	snprintf(path, sizeof(path), FUNCTIONS, pattern);
	return glob(path, 0, NULL, found);
}

int reset_host(void)
{
	glob_t found;
	size_t i;
	int err;

	err = host("release");
	if (err)
		return err;
	if (!find_functions("??.?", &found)) {
		for (i = 0; i < found.gl_pathc; i++)
			eject_path(found.gl_pathv[i]);
		globfree(&found);
	}
	err = host("plug");
	return err == EEXIST ? host("add 00.0") : err;
}

const char *function_name(const char *function)
{
	static __thread char name[64];
	glob_t found;

	name[0] = '\0';
	if (!find_functions(function, &found)) {
		snprintf(name, sizeof(name), "%s", basename(found.gl_pathv[0]));
		globfree(&found);
	}
	return name;
}

long long function_number(const char *function, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/class/vpci/%s/%s", function_name(function), name);
	return read_number(path);
}

int set_driver(const char *driver, const char *what)
{
	char path[PATH_MAX];
	int err;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver_override",
		 function_name("00.0"));
	err = write_text(path, driver);
	if (err)
		return err;
	snprintf(path, sizeof(path), "/sys/bus/pci/drivers/%s/%s", driver, what);
	return write_text(path, function_name("00.0"));
}

/* Also of a function that is gone, as all are on the first bus: "DDDD:BB:" and its own. */
static void node_path(const char *function, char *path, size_t size)
{
	static __thread char bus[9];
	const char *name = function_name(function);

	if (*name)
		snprintf(bus, sizeof(bus), "%s", name);
	snprintf(path, size, "/dev/vpci/%s%s", bus, function);
}

int open_node(const char *function, int flags)
{
	char path[128];

	node_path(function, path, sizeof(path));
	return open(path, flags | O_CLOEXEC);
}

bool has_node(const char *function)
{
	char path[128];

	node_path(function, path, sizeof(path));
	return !access(path, F_OK);
}

int count_nodes(void)
{
	glob_t found;
	int n = 0;

	if (!glob("/dev/vpci/*", 0, NULL, &found)) {
		n = found.gl_pathc;
		globfree(&found);
	}
	return n;
}

int open_uevents(void)
{
	const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
	const int size = 4 << 20;	/* a lost one would be waited for in vain */

	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	if (fd >= 0 && bind(fd, (const struct sockaddr *)&kernel, sizeof(kernel))) {
		close(fd);
		fd = -1;
	}
	return fd;
}

int next_uevent(int fd, char *words, size_t size)
{
	ssize_t len, i;

	do {
		len = recv(fd, words, size - 1, 0);
		if (len < 0)
			return errno;
		words[len] = '\0';
	} while (!strstr(words, "/1111:"));
	for (i = 0; i < len; i++)
		if (!words[i])
			words[i] = '\n';
	return 0;
}

/* ---- calls ---- */

int call(int fd, unsigned int code, struct devioctl_request *req, const void *in,
	 uint32_t in_size, void *out, uint32_t out_size)
{
	fill_request(req, in, in_size, out, out_size);
	return ioctl(fd, (unsigned long)code, req) ? errno : 0;
}

int read_block(int fd, uint32_t id, void *out, uint32_t len, uint32_t *came)
{
	const struct vpci_read_block_input in = { id, len };
	struct devioctl_request req;
	int err;

	err = call(fd, IOCTL_VPCI_READ_BLOCK, &req, &in, sizeof(in), out, len);
	if (came)
		*came = req.information;
	return err;
}

int write_block(int fd, uint32_t id, const void *data, uint32_t len)
{
	struct vpci_write_block_input *in = malloc(sizeof(*in) + len);
	struct devioctl_request req;
	int err;

	*in = (struct vpci_write_block_input) { id, len };
	memcpy(in + 1, data, len);
	err = call(fd, IOCTL_VPCI_WRITE_BLOCK, &req, in, sizeof(*in) + len, NULL, 0);
	free(in);
	return err;
}

int invalid_blocks(int fd, uint64_t *mask)
{
	struct devioctl_request req;

	return call(fd, IOCTL_VPCI_INVALIDATE_BLOCK, &req, NULL, 0, mask, sizeof(*mask));
}

void fill_pattern(void *bytes, size_t len, unsigned int seed)
{
	uint8_t *at = bytes;
	size_t i;

	for (i = 0; i < len; i++)
		at[i] = i + 16 * seed;
}

/* ---- calls in threads ---- */

static void do_nothing(int sig)
{
	(void)sig;
}

static void *call_once(void *arg)
{
	struct caller *c = arg;

	__atomic_store_n(&c->tid, syscall(SYS_gettid), __ATOMIC_RELEASE);
	c->err = ioctl(c->fd, (unsigned long)c->code, &c->req) ? errno : 0;
	return NULL;
}

static int start_caller(struct caller *c)
{
	const struct sigaction sa = {
		.sa_handler = do_nothing,
		.sa_flags = c->restart ? SA_RESTART : 0,
	};
	int err;

	sigaction(SIGUSR1, &sa, NULL);
	err = pthread_create(&c->thread, NULL, call_once, c);
	while (!err && !__atomic_load_n(&c->tid, __ATOMIC_ACQUIRE))
		sched_yield();
	return err;
}

static void prepare_caller(struct caller *c, int fd, unsigned int code)
{
	memset(c, 0, sizeof(*c));
	memset(c->out, 0xa5, sizeof(c->out));
	c->fd = fd;
	c->code = code;
}

int start_read_into(struct caller *c, int fd, uint32_t id, void *out, uint32_t len)
{
	prepare_caller(c, fd, IOCTL_VPCI_READ_BLOCK);
	c->in.block_id = id;
	c->in.length = len;
	fill_request(&c->req, &c->in, 8, out, len);
	return start_caller(c);
}

int start_read(struct caller *c, int fd, uint32_t id, uint32_t len)
{
	return start_read_into(c, fd, id, c->out, len);
}

int start_write(struct caller *c, int fd, uint32_t id, uint32_t len)
{
	prepare_caller(c, fd, IOCTL_VPCI_WRITE_BLOCK);
	c->in.block_id = id;
	c->in.length = len;
	fill_pattern(c->in.data, len, id);
	fill_request(&c->req, &c->in, 8 + len, NULL, 0);
	return start_caller(c);
}

static int start_listener(struct caller *c, int fd, void *out, bool restart)
{
	int err;

	prepare_caller(c, fd, IOCTL_VPCI_INVALIDATE_BLOCK);
	c->restart = restart;
	fill_request(&c->req, NULL, 0, out, sizeof(uint64_t));
	err = start_caller(c);
	if (!err)
		wait_asleep(c->tid);
	return err;
}

int start_invalidate(struct caller *c, int fd, bool restart)
{
	return start_listener(c, fd, c->out, restart);
}

int start_invalidate_into(struct caller *c, int fd, void *out)
{
	return start_listener(c, fd, out, false);
}

int join_caller(struct caller *c)
{
	pthread_join(c->thread, NULL);
	return c->err;
}

void interrupt_caller(const struct caller *c)
{
	syscall(SYS_tgkill, getpid(), c->tid, SIGUSR1);
}

/* 'S', 'D', 'R' and so on, as in ps; 0 if it is no more. */
static char thread_state(pid_t tid)
{
	char path[64], line[512], *state;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	if (read_line(path, line, sizeof(line)))
		return 0;
	state = strrchr(line, ')');
	return state ? state[2] : 0;
}

void wait_asleep(pid_t tid)
{
	char state;

	do {
		usleep(1000);
		state = thread_state(tid);
	} while (state && !((state == 'S' || state == 'D') && is_in_syscall(tid)));
}

bool is_waiting(const struct caller *c)
{
	return pthread_tryjoin_np(c->thread, NULL) == EBUSY;
}
