// SPDX-License-Identifier: GPL-2.0-only
/*
 * sleepers COMMAND [ARGUMENT]... - what programs find when the machine has slept
 *
 * For each way to wait for a change of the generation a thread waits. Once all of them
 * sleep, COMMAND is run: it puts the machine to sleep, and returns when that is awake, maybe
 * as another machine of the same past. Then a line for each thread is printed, and for what
 * the calls say now. IDs are GUIDs, as the host has them.
 *
 *	past BYTES	drawn from getrandom() before: the same in machines of one past
 *	woken ID CHANGES RESEEDED WAY BYTES
 *			the ID that the thread was given, and as soon as it was woken: both
 *			counts of GET_INFO, and what it drew from getrandom()
 *	asleep WAY	nobody has woken it
 *	failed ERRNO WAY
 *	polling ID, read ID, mmap ID, info ID, sysfs ID
 *			by each of the calls; read: by an open file that had the old one
 *	counted CHANGES	since COMMAND was started
 *	flags FLAGS	of GET_INFO, in hexadecimal
 *
 * The exit status is COMMAND's.
 */
#include <endian.h>
#include <err.h>
#include <linux/random.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "vmgen_helpers.h"

/* A thread that has not ended so many seconds after COMMAND was not woken. */
#define PATIENCE	30
#define DRAWN		16

struct sleeper {
	struct waiter waiter;	/* the first, as the thread is given its address */
	struct vmgencounter_info info;
	unsigned char drawn[DRAWN];
};

/* Of this process, and ready before anybody sleeps. */
struct machine {
	int polled;
	int told;		/* has the old ID, and does not wait */
	const char *page;
	struct vmgencounter_info info;
	unsigned char past[DRAWN];
	struct sleeper sleepers[WAITER_KINDS];
};

/* ---- before ---- */

static void draw(unsigned char *bytes)
{
	if (getrandom(bytes, DRAWN, 0) != DRAWN)
		err(1, "getrandom");
}

/* The kernel does so each minute, and what it does next is to be somebody else's doing. */
static void reseed(void)
{
	int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || ioctl(fd, RNDRESEEDCRNG))
		err(1, "RNDRESEEDCRNG");
	close(fd);
}

static void *sleep_until_woken(void *arg)
{
	struct sleeper *s = arg;

	__atomic_store_n(&s->waiter.tid, syscall(SYS_gettid), __ATOMIC_RELEASE);
	s->waiter.err = waiter_sleep(&s->waiter);
	draw(s->drawn);
	if (ioctl(s->waiter.fd, VMGENCOUNTER_GET_INFO, &s->info))
		s->waiter.err = errno;
	s->waiter.err = s->waiter.err ?: waiter_take(&s->waiter);
	return NULL;
}

static void start(struct sleeper *s, enum waiter_kind kind)
{
	errno = waiter_open(&s->waiter, kind);
	if (errno)
		err(1, "%s", waiter_kind_name(kind));
	s->waiter.restart = true;
	errno = waiter_spawn(&s->waiter, sleep_until_woken);
	if (errno)
		err(1, "thread");
	while (!__atomic_load_n(&s->waiter.tid, __ATOMIC_ACQUIRE))
		sched_yield();
	wait_asleep(s->waiter.tid);
}

static void prepare(struct machine *m)
{
	struct vm_gencounter id;
	int i;

	m->polled = open(VMGEN_DEVICE, O_RDWR | O_CLOEXEC);
	m->told = open(VMGEN_DEVICE, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (ioctl(m->polled, VMGENCOUNTER_GET_INFO, &m->info) ||
	    read(m->told, &id, ID_SIZE) != ID_SIZE)
		err(1, VMGEN_DEVICE);
	m->page = mmap(NULL, getpagesize(), PROT_READ, MAP_SHARED, m->polled, 0);
	if (m->page == MAP_FAILED)
		err(1, "mmap");
	for (i = 0; i < WAITER_KINDS; i++)
		start(&m->sleepers[i], i);
	reseed();
	draw(m->past);
}

/* Not with the signals that waiter_spawn() has blocked: a shell waits for SIGCHLD. */
static int run(char *argv[])
{
	pid_t child = fork();
	sigset_t none;
	int status;

	if (!child) {
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		execvp(argv[0], argv);
		err(127, "%s", argv[0]);
	}
	if (child < 0 || waitpid(child, &status, 0) != child)
		err(1, "%s", argv[0]);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* ---- after ---- */

static void print_bytes(const unsigned char *bytes)
{
	int i;

	for (i = 0; i < DRAWN; i++)
		printf("%02x", bytes[i]);
	printf("\n");
}

/* Of the 16 bytes in memory the first three fields are little-endian. */
static void print_guid(const char *name, const struct vm_gencounter *id)
{
	uint64_t low = id->generation_count, high = htobe64(id->generation_count_high);

	printf("%s %08x-%04x-%04x-%04x-%012llx", name, (uint32_t)low,
	       (uint16_t)(low >> 32), (uint16_t)(low >> 48), (uint16_t)(high >> 48),
	       (unsigned long long)high & 0xffffffffffff);
}

static void print_id(const char *name, int error, const struct vm_gencounter *id)
{
	if (error)
		printf("%s error %d", name, error);
	else
		print_guid(name, id);
	printf("\n");
}

static void print_sleeper(struct sleeper *s, const struct timespec *deadline)
{
	const char *way = waiter_kind_name(s->waiter.kind);

	if (pthread_timedjoin_np(s->waiter.thread, NULL, deadline)) {
		printf("asleep %s\n", way);
	} else if (s->waiter.err) {
		printf("failed %d %s\n", s->waiter.err, way);
	} else {
		print_guid("woken", &s->waiter.known);
		printf(" %llu %llu %s ", s->info.changes, s->info.reseeded, way);
		print_bytes(s->drawn);
	}
}

static void print_sleepers(struct machine *m)
{
	struct timespec deadline;
	int i;

	clock_gettime(CLOCK_REALTIME, &deadline);
	deadline.tv_sec += PATIENCE;
	for (i = 0; i < WAITER_KINDS; i++)
		print_sleeper(&m->sleepers[i], &deadline);
}

static void print_calls(struct machine *m)
{
	const uint64_t *mapped = (const void *)(m->page + m->info.offset);
	struct vm_gencounter id = { le64toh(mapped[0]), le64toh(mapped[1]) };
	struct vmgencounter_info info = {};
	char line[64];
	int error;

	print_id("mmap", 0, &id);
	error = ioctl(m->polled, VMGENCOUNTER_GET_INFO, &info) ? errno : 0;
	print_id("info", error, &info.id);
	printf("counted %llu\nflags %x\n", info.changes - m->info.changes, info.flags);
	print_id("polling", current_id(m->polled, &id), &id);
	error = read(m->told, &id, ID_SIZE) < 0 ? errno : 0;
	print_id("read", error, &id);
	error = read_line(VMGEN_SYSFS "/generation_guid", line, sizeof(line));
	printf("sysfs %s\n", error ? strerror(error) : line);
}

int main(int argc, char *argv[])
{
	static struct machine m;
	int status;

	if (argc < 2)
		errx(2, "usage: sleepers COMMAND [ARGUMENT]...");
	prepare(&m);
	status = run(argv + 1);
	printf("past ");
	print_bytes(m.past);
	print_sleepers(&m);
	print_calls(&m);
	return status;
}
