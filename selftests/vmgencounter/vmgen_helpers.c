// SPDX-License-Identifier: GPL-2.0-only
#include <libgen.h>
#include <limits.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "vmgen_helpers.h"

/* ---- the device under test ---- */

bool fast_device(void)
{
	return access("/dev/vmgen_test", F_OK) == 0;
}

int test_command(const char *command)
{
	return write_text("/dev/vmgen_test", command);
}

/* What vm answers to "new-generation NAME @wish". 0 or an errno. */
static int ask_vm(int fifo, const char *name, const char *wish, char *answer, size_t size)
{
	char request[128];
	ssize_t n;
	int err;

	snprintf(request, sizeof(request), "new-generation %s %s\n", name, wish);
	err = write_text("/dev/vm-control", request);
	if (err)
		return err;
	do
		n = read(fifo, answer, size - 1);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno;
	answer[n] = '\0';
	answer[strcspn(answer, "\n")] = '\0';
	return 0;
}

int restore_snapshot(const char *wish, char *guid)
{
	char path[64], answer[128];
	int fifo, err;

	snprintf(path, sizeof(path), "/run/vm/test-%d", gettid());
	unlink(path);	/* of a test that was killed */
	if (mkfifo(path, 0600))
		return errno;
	/* Opened both ways, so that the answer finds a reader whenever it comes. */
	fifo = open(path, O_RDWR | O_CLOEXEC);
	err = fifo < 0 ? errno : ask_vm(fifo, basename(path), wish, answer, sizeof(answer));
	close(fifo);
	unlink(path);
	if (!err && sscanf(answer, "ok %36s", guid) != 1) {
		fprintf(stderr, "# vm: %s\n", answer);
		err = EIO;
	}
	return err;
}

/* Does not wait where the driver has no device, or where it is not told of changes. */
static void wait_until_reseeded(void)
{
	struct vmgencounter_info info;

	while (!peek_info(&info) && info.flags & VMGENCOUNTER_WAKEUP_AFTER_RESEED &&
	       info.reseeded != info.changes)
		usleep(1000);
}

int new_generation(void)
{
	char guid[GUID_SIZE];
	int err;

	if (fast_device())
		return test_command("change");
	err = restore_snapshot("", guid);
	/* The guest runs a moment before it gets the Notify. */
	if (!err)
		wait_until_reseeded();
	return err;
}

int spurious_notify(void)
{
	char guid[GUID_SIZE];

	return fast_device() ? test_command("notify") : restore_snapshot("--same", guid);
}

void device_name(char *name, size_t size)
{
	char path[PATH_MAX] = "";

	if (!realpath(VMGEN_SYSFS "/device", path))
		path[0] = '\0';
	snprintf(name, size, "%s", basename(path));
}

static bool is_vmgenid(const char *node, const char *link)
{
	char path[PATH_MAX], driver[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", node, link);
	return realpath(path, driver) && !strcmp(basename(driver), "vmgenid");
}

/* On the device of the firmware, or in newer kernels on ACPI's platform device. */
bool intree_driver_on(const char *node)
{
	return is_vmgenid(node, "driver") || is_vmgenid(node, "physical_node/driver");
}

char *firmware_device(char *path)
{
	return realpath(VMGEN_SYSFS "/device/firmware_node", path) ?:
	       realpath(VMGEN_SYSFS "/device/..", path);
}

bool intree_driver_bound(void)
{
	char path[PATH_MAX];

	return firmware_device(path) && intree_driver_on(path);
}

/* Its place in /proc/modules, the module loaded last being first; 0: not there. */
int module_position(const char *name)
{
	FILE *modules = fopen("/proc/modules", "r");
	char line[1024], loaded[64];
	int position = 0, found = 0;

	while (modules && !found && fgets(line, sizeof(line), modules)) {
		position++;
		if (sscanf(line, "%63s", loaded) == 1 && !strcmp(loaded, name))
			found = position;
	}
	if (modules)
		fclose(modules);
	return found;
}

bool intree_driver_late(void)
{
	int position = module_position("vmgenid");

	return position && position < module_position("vmgencounter");
}

/* The lists of the kernel's modules that come with it. */
static bool vmgenid_is_listed(const char *list)
{
	char command[128];

	snprintf(command, sizeof(command),
		 "grep -q '/vmgenid\\.k\\?o' /lib/modules/$(uname -r)/%s", list);
	return !system(command);
}

bool intree_driver_is_module(void)
{
	return vmgenid_is_listed("modules.order");
}

bool intree_driver_is_builtin(void)
{
	return vmgenid_is_listed("modules.builtin");
}

/* ---- calls ---- */

int device_io_control(int fd, struct devioctl_request *req, const void *in,
		      uint32_t in_size, void *out, uint32_t out_size)
{
	fill_request(req, in, in_size, out, out_size);
	return ioctl(fd, IOCTL_VMGENCOUNTER_READ, req);
}

int current_id(int fd, struct vm_gencounter *id)
{
	struct devioctl_request req;

	return device_io_control(fd, &req, NULL, 0, id, sizeof(*id)) ? errno : 0;
}

int other_id(int fd, const struct vm_gencounter *known, struct vm_gencounter *id)
{
	struct devioctl_request req;

	return device_io_control(fd, &req, known, sizeof(*known), id,
				 sizeof(*id)) ? errno : 0;
}

char state_of(pid_t pid)
{
	char path[64], stat[512], *end;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (read_line(path, stat, sizeof(stat)))
		return '?';
	end = strrchr(stat, ')');
	return end ? end[2] : '?';
}

void wait_state(pid_t pid, char state)
{
	while (state_of(pid) != state)
		usleep(1000);
}

struct shared_call *shared_call_start(int fd, const struct vm_gencounter *known)
{
	struct shared_call *c = mmap(NULL, sizeof(*c), PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid;

	if (c == MAP_FAILED)
		return NULL;
	c->id = *known;
	fill_request(&c->req, &c->id, sizeof(c->id), &c->id, sizeof(c->id));
	pid = fork();
	if (pid < 0)
		return NULL;
	if (!pid) {
		c->err = ioctl(fd, IOCTL_VMGENCOUNTER_READ, &c->req) ? errno : 0;
		_exit(0);
	}
	c->pid = pid;
	wait_state(pid, 'S');
	return c;
}

int peek_id(struct vm_gencounter *id)
{
	int fd = open(VMGEN_DEVICE, O_RDWR | O_CLOEXEC);
	int err = fd < 0 ? errno : current_id(fd, id);

	if (fd >= 0)
		close(fd);
	return err;
}

int peek_info(struct vmgencounter_info *info)
{
	int fd = open(VMGEN_DEVICE, O_RDONLY | O_CLOEXEC);
	int err = ioctl(fd, VMGENCOUNTER_GET_INFO, info) ? errno : 0;

	if (fd >= 0)
		close(fd);
	return err;
}

bool same_id(const struct vm_gencounter *a, const struct vm_gencounter *b)
{
	return !memcmp(a, b, sizeof(*a));
}

/* ---- waiters ---- */

const char *waiter_kind_name(enum waiter_kind kind)
{
	static const char * const names[] = {
		"read", "ioctl", "poll", "select", "epoll (level)",
		"epoll (edge)", "epoll (exclusive)", "SIGIO",
	};

	return names[kind];
}

static int open_epoll(struct waiter *w, uint32_t how)
{
	struct epoll_event ev = { .events = EPOLLIN | how };

	w->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (w->epfd < 0)
		return errno;
	return epoll_ctl(w->epfd, EPOLL_CTL_ADD, w->fd, &ev) ? errno : 0;
}

int waiter_open(struct waiter *w, enum waiter_kind kind)
{
	int err;

	*w = (struct waiter) { .kind = kind, .epfd = -1 };
	w->fd = open(VMGEN_DEVICE, O_RDWR | O_CLOEXEC);
	if (w->fd < 0)
		return errno;
	err = current_id(w->fd, &w->known);
	if (err)
		return err;
	switch (kind) {
	case WAIT_EPOLL:
		return open_epoll(w, 0);
	case WAIT_EPOLL_EDGE:
		return open_epoll(w, EPOLLET);
	case WAIT_EPOLL_EXCLUSIVE:
		return open_epoll(w, EPOLLEXCLUSIVE);
	default:
		return 0;
	}
}

void waiter_close(struct waiter *w)
{
	if (w->epfd >= 0)
		close(w->epfd);
	if (w->fd >= 0)
		close(w->fd);
}

static int wait_select(int fd)
{
	fd_set set;

	FD_ZERO(&set);
	FD_SET(fd, &set);
	return select(fd + 1, &set, NULL, NULL, NULL) < 0 ? errno : 0;
}

static int wait_poll(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, -1) < 0 ? errno : 0;
}

static int wait_epoll(int epfd)
{
	struct epoll_event ev;

	return epoll_wait(epfd, &ev, 1, -1) < 0 ? errno : 0;
}

/* SIGIO must be blocked in the whole process: waiter_spawn() does that. */
static int wait_sigio(int fd)
{
	struct f_owner_ex self = { F_OWNER_TID, syscall(SYS_gettid) };
	siginfo_t info;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGIO);
	if (fcntl(fd, F_SETOWN_EX, &self) || fcntl(fd, F_SETFL, O_RDWR | O_ASYNC))
		return errno;
	/* As with any edge: look once more after arming it. */
	if (readiness(fd))
		return 0;
	return sigwaitinfo(&set, &info) < 0 ? errno : 0;
}

static int wait_ready(struct waiter *w)
{
	switch (w->kind) {
	case WAIT_POLL:
		return wait_poll(w->fd);
	case WAIT_SELECT:
		return wait_select(w->fd);
	case WAIT_SIGIO:
		return wait_sigio(w->fd);
	default:
		return wait_epoll(w->epfd);
	}
}

int waiter_sleep(struct waiter *w)
{
	int err;

	if (w->kind == WAIT_READ)
		return read(w->fd, &w->known, ID_SIZE) < 0 ? errno : 0;
	if (w->kind == WAIT_IOCTL)
		return other_id(w->fd, &w->known, &w->known);
	do
		err = wait_ready(w);
	while (err == EINTR && w->restart);
	return err;
}

int waiter_take(struct waiter *w)
{
	if (w->kind == WAIT_READ || w->kind == WAIT_IOCTL)
		return 0;
	return current_id(w->fd, &w->known);
}

int waiter_wait(struct waiter *w)
{
	return waiter_sleep(w) ?: waiter_take(w);
}

static void *wait_once(void *arg)
{
	struct waiter *w = arg;

	catch_sigusr1(w->restart);
	__atomic_store_n(&w->tid, syscall(SYS_gettid), __ATOMIC_RELEASE);
	w->err = waiter_wait(w);
	return NULL;
}

/* SIGCHLD is system()'s, which the kernel would give to any thread. */
int waiter_spawn(struct waiter *w, void *(*body)(void *))
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGIO);
	sigaddset(&set, SIGCHLD);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	return pthread_create(&w->thread, NULL, body, w);
}

int waiter_start(struct waiter *w)
{
	int err = waiter_spawn(w, wait_once);

	if (err)
		return err;
	while (!__atomic_load_n(&w->tid, __ATOMIC_ACQUIRE))
		sched_yield();
	wait_asleep(w->tid);
	return 0;
}

int waiter_join(struct waiter *w)
{
	pthread_join(w->thread, NULL);
	return w->err;
}

/* ---- threads and signals ---- */

bool is_asleep(pid_t tid)
{
	char path[64], line[512], *state;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	if (read_line(path, line, sizeof(line)))
		return false;
	state = strrchr(line, ')');
	return state && state[2] == 'S' && is_in_syscall(tid);
}

static bool is_alive(pid_t tid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/task/%d", tid);
	return !access(path, F_OK);
}

void wait_asleep(pid_t tid)
{
	while (!is_asleep(tid) && is_alive(tid))
		usleep(1000);
}

long voluntary_switches(pid_t tid)
{
	const char *key = "\nvoluntary_ctxt_switches:";
	char path[64], text[4096], *found;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/task/%d/status", tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n < 0 ? 0 : n] = '\0';
	found = strstr(text, key);
	return found ? atol(found + strlen(key)) : -1;
}

static void do_nothing(int sig)
{
	(void)sig;
}

void catch_sigusr1(bool restart)
{
	struct sigaction sa = {
		.sa_handler = do_nothing,
		.sa_flags = restart ? SA_RESTART : 0,
	};

	sigaction(SIGUSR1, &sa, NULL);
}
