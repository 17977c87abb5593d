// SPDX-License-Identifier: GPL-2.0-only
/*
 * All at once: open files and callers that are killed, drivers that come and go, blocks that
 * are invalidated, a host that falls silent, fails and answers again, and functions and
 * buses that go. Other tests know what comes next; here chance chooses what meets what.
 *
 * This goes on for TORTURE_SECONDS (60), in rounds. After each one all has to become
 * quiet: nobody hangs, nothing is left with the host, and the modules can be unloaded.
 *
 * TORTURE_SEED repeats the choices of a run, not what they meet. Whoever does not get on,
 * for as long as that cannot be the guest's slowness, has the watchdog say where everybody
 * stands.
 */
#include <limits.h>
#include <stdarg.h>
#include <sys/wait.h>

#include "vpci_helpers.h"
#include "kselftest_harness.h"

#define SECONDS		"60"	/* unless TORTURE_SECONDS says otherwise */
#define ROUND		20	/* seconds */
#define PROGRESS	10	/* seconds between two lines about it */

#define PARAM		"/sys/module/vpci_driver/parameters"
#define GONE		(POLLHUP | POLLERR)

#define BLOCKS		8	/* each of 128 bytes of its own */
#define SHORT		12	/* hv_pci hears of 4, 12, 20 ... bytes exactly */
#define INVALID_BITS	16	/* of the blocks that the host invalidates */
#define UNMARKED	0x123456789abcdefULL	/* no mask that it gives */

#define OPENERS		2
#define CALLERS		4	/* of each opener */
#define DOOMED		2	/* processes that are killed ... */
#define THREADS		5	/* ... with so many callers: some have to wait their turn */
#define FIXED_FD	100	/* from here on: what nobody gets by chance */

/*
 * hv_pci has 64 IDs for what the host has not answered, and each ejection may leave eight
 * requests behind.
 */
#define EJECTIONS	4

/* ---- who takes part ---- */

struct actor {
	const char *name;
	void (*act)(struct actor *a);	/* once */
	int fd;				/* a caller's is its opener's */
	int flags;			/* with which an opener opens */
	bool signalled;			/* now and then, in the middle of calls */
	unsigned int random;
	const char *doing;		/* NULL: nothing that could hang */
	unsigned int moves;		/* odd while it is in a call */
	pthread_t thread;
};

struct counts {
	unsigned int good, gone, failed, told, nothing, not_ours, interrupted, opens, kills,
		     ejections, rescinds, binds, places, invalidations, answers;
};

/* Shared with the processes that are killed. */
struct torture {
	bool stop;
	unsigned int bad;
	struct counts counts;
	struct actor judge;		/* the test itself */
	struct actor openers[OPENERS], callers[OPENERS * CALLERS];	/* in this order */
	struct actor doomed[DOOMED][THREADS];
	struct actor binder, remover, answerer, invalidator, killer;
	pid_t killers_pid;
	unsigned int errors;		/* of the host, at the beginning */
	unsigned int left;		/* remover: ejections since the host answered all */
	double limit;			/* seconds in which everybody gets on */
};

static struct torture *t;
static bool fake;

/*
 * Outermost first. The function stays while its place is held, its bus while the bus is, and
 * the host answers as before while it is held.
 */
static pthread_mutex_t place_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t bus_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t host_lock = PTHREAD_MUTEX_INITIALIZER;

#define COUNT(what)	__atomic_add_fetch(&t->counts.what, 1, __ATOMIC_RELAXED)

static bool stopped(void)
{
	return __atomic_load_n(&t->stop, __ATOMIC_RELAXED);
}

/* What must not be. The first ones are shown at once. */
static void complain(const struct actor *a, const char *format, ...)
{
	char text[256];
	va_list args;

	if (__atomic_add_fetch(&t->bad, 1, __ATOMIC_RELAXED) > 20)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	fprintf(stderr, "# BAD: %s: %s\n", a->name, text);
}

/* 0 to @n - 1. */
static unsigned int draw(struct actor *a, unsigned int n)
{
	a->random ^= a->random << 13;
	a->random ^= a->random >> 17;
	a->random ^= a->random << 5;
	return a->random % n;
}

/* It is chance, too, how long somebody does nothing. */
static void pause_up_to(struct actor *a, unsigned int milliseconds)
{
	usleep(draw(a, milliseconds * 1000));
}

static void begin(struct actor *a, const char *doing)
{
	__atomic_store_n(&a->doing, doing, __ATOMIC_RELAXED);
	__atomic_add_fetch(&a->moves, 1, __ATOMIC_SEQ_CST);
}

static void end(struct actor *a)
{
	__atomic_add_fetch(&a->moves, 1, __ATOMIC_SEQ_CST);
	__atomic_store_n(&a->doing, NULL, __ATOMIC_RELAXED);
}

/* A command for the host, which may come to @allowed instead of 0. */
static int command(struct actor *a, const char *words, int allowed)
{
	int err;

	begin(a, words);
	err = host("%s", words);
	end(a);
	if (err && err != allowed)
		complain(a, "host: %s: error %d", words, err);
	return err;
}

/* ---- calls ---- */

/* The opener has closed it, in the middle of its call or before. */
static bool is_closed(struct actor *a, int err)
{
	if (err == EBADF)
		pause_up_to(a, 5);
	return err == EBADF;
}

static void check_result(struct actor *a, const char *what, int err, uint32_t came,
			 const struct devioctl_request *req)
{
	const uint32_t status = status_of(err);

	if (err == EINTR) {		/* and the block is as it was */
		if (req->status != UNTOUCHED || req->information != UNTOUCHED)
			complain(a, "%s has touched the block, and was interrupted", what);
	} else if (req->information != came) {
		complain(a, "%s: error %d, information %u", what, err, req->information);
	} else if (status != status_of(-1) && status != req->status) {
		complain(a, "%s: error %d, status %#x", what, err, req->status);
	}
}

static void count_exchange(struct actor *a, const char *what, int err)
{
	if (!err) {
		COUNT(good);
	} else if (err == ENODEV) {
		COUNT(gone);
		pause_up_to(a, 20);
	} else if (err == EIO) {
		COUNT(failed);
	} else if (err == EINTR && a->signalled) {
		COUNT(interrupted);
	} else {
		complain(a, "%s: error %d", what, err);
	}
}

static void act_read(struct actor *a)
{
	const struct vpci_read_block_input in = {
		draw(a, BLOCKS), 1 + draw(a, VPCI_BLOCK_SIZE_MAX)
	};
	const uint32_t len = in.bytes_requested;
	uint8_t out[VPCI_BLOCK_SIZE_MAX], block[VPCI_BLOCK_SIZE_MAX];
	struct devioctl_request req;
	uint32_t came;
	int err;

	memset(out, 0xa5, sizeof(out));
	fill_pattern(block, sizeof(block), in.block_id);
	begin(a, "READ");
	err = call(a->fd, IOCTL_VPCI_READ_BLOCK, &req, &in, sizeof(in), out, len);
	end(a);
	if (is_closed(a, err))
		return;
	count_exchange(a, "READ", err);
	came = err ? 0 : len;
	if (!err && req.information == SHORT && len > SHORT)
		came = SHORT;
	check_result(a, "READ", err, came, &req);
	if (memcmp(block, out, came) || !all_a5(out + came, out + sizeof(out)))
		complain(a, "READ: error %d, wrong contents in %u bytes", err, came);
}

static void act_write(struct actor *a)
{
	struct {
		struct vpci_write_block_input header;
		uint8_t data[VPCI_BLOCK_SIZE_MAX];
	} in;
	struct devioctl_request req;
	int err;

	in.header.block_id = draw(a, BLOCKS);
	in.header.data_length = 1 + draw(a, VPCI_BLOCK_SIZE_MAX);
	fill_pattern(in.data, in.header.data_length, in.header.block_id);
	begin(a, "WRITE");
	err = call(a->fd, IOCTL_VPCI_WRITE_BLOCK, &req, &in,
		   sizeof(in.header) + in.header.data_length, NULL, 0);
	end(a);
	if (is_closed(a, err))
		return;
	count_exchange(a, "WRITE", err);
	check_result(a, "WRITE", err, 0, &req);
}

static void count_invalidate(struct actor *a, int err)
{
	if (!err) {
		COUNT(told);
	} else if (err == ENODEV) {
		COUNT(gone);
		pause_up_to(a, 20);
	} else if (err == EBUSY) {
		COUNT(not_ours);
		pause_up_to(a, 20);
	} else if (err == EAGAIN && a->flags & O_NONBLOCK) {
		COUNT(nothing);
		pause_up_to(a, 20);
	} else if (err == EINTR && a->signalled) {
		COUNT(interrupted);
	} else {
		complain(a, "INVALIDATE: error %d", err);
	}
}

/* What the host may have invalidated, or everything, and not nothing. */
static bool is_mask(uint64_t mask)
{
	const uint64_t beyond = mask >> INVALID_BITS;

	return mask && (!beyond || beyond == UINT64_MAX >> INVALID_BITS);
}

static void act_invalidate(struct actor *a)
{
	struct devioctl_request req;
	uint64_t mask = UNMARKED;
	int err;

	begin(a, "INVALIDATE");
	err = call(a->fd, IOCTL_VPCI_INVALIDATE_BLOCK, &req, NULL, 0, &mask, sizeof(mask));
	end(a);
	if (is_closed(a, err))
		return;
	count_invalidate(a, err);
	check_result(a, "INVALIDATE", err, err ? 0 : sizeof(mask), &req);
	if (err ? mask != UNMARKED : !is_mask(mask))
		complain(a, "INVALIDATE: error %d, mask %#llx", err, (unsigned long long)mask);
}

static void act_poll(struct actor *a)
{
	struct pollfd p = { .fd = a->fd, .events = READABLE };
	int n;

	begin(a, "poll");
	n = poll(&p, 1, -1);
	end(a);
	if (n != 1 || (p.revents != READABLE && p.revents != POLLERR && p.revents != GONE &&
		       p.revents != POLLNVAL))
		complain(a, "poll: %d, events %#x", n, p.revents);
	pause_up_to(a, 20);
}

/* ---- openers ---- */

/* To whom signals come as well. */
static void interrupt_somebody(struct actor *a)
{
	struct actor *caller = &t->callers[(a - t->openers) * CALLERS + draw(a, CALLERS)];

	if (caller->signalled)
		pthread_kill(caller->thread, SIGUSR1);
}

/* ENXIO: the node outlives its device number for a moment. EAGAIN: hv_pci's probe is not over. */
static void act_open(struct actor *a)
{
	int fd, err;

	begin(a, "open");
	fd = open_node("00.0", O_RDWR | a->flags);
	err = errno;
	end(a);
	if (fd < 0) {
		if (err != ENOENT && err != ENODEV && err != ENXIO && err != EAGAIN)
			complain(a, "open: error %d", err);
		pause_up_to(a, 5);
		return;
	}
	COUNT(opens);
	begin(a, "close of the last one");
	dup3(fd, a->fd, O_CLOEXEC);
	close(fd);
	end(a);
	pause_up_to(a, 60);
	interrupt_somebody(a);
	if (!draw(a, 3))
		return;
	begin(a, "close");
	close(a->fd);
	end(a);
	pause_up_to(a, 20);
}

/* ---- processes that are killed ---- */

static void *act_for_ever(void *arg)
{
	struct actor *a = arg;

	for (;;)
		a->act(a);
	return NULL;
}

/* It lives until it is killed, wherever its threads are then. */
static void be_doomed(struct actor *actors)
{
	int i, fd;

	do
		fd = open_node("00.0", O_RDWR);
	while (fd < 0 && !usleep(1000));
	for (i = 0; i < THREADS; i++) {
		actors[i].fd = fd;
		pthread_create(&actors[i].thread, NULL, act_for_ever, &actors[i]);
	}
	for (;;)
		pause();
}

static void kill_doomed(struct actor *a, pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	begin(a, "wait for a process that was killed");
	if (waitpid(pid, &status, 0) != pid || !WIFSIGNALED(status))
		complain(a, "a process that was killed did not die of it");
	end(a);
	COUNT(kills);
}

static void act_kill(struct actor *a)
{
	pid_t pids[DOOMED];
	int i;

	for (i = 0; i < DOOMED; i++) {
		pids[i] = fork();
		if (!pids[i])
			be_doomed(t->doomed[i]);
	}
	for (i = 0; i < DOOMED; i++) {
		pause_up_to(a, 200);
		kill_doomed(a, pids[i]);
	}
}

/* ---- drivers ---- */

/* 0 or an errno. The function may be another one each time. */
static int move_driver(struct actor *a, const char *driver, const char *what)
{
	int err;

	begin(a, what);
	err = set_driver(driver, what);
	end(a);
	return err;
}

/* INVALIDATE of a file that was opened just now. */
static int invalidate_anew(uint64_t *mask)
{
	int fd = open_node("00.0", O_RDWR | O_NONBLOCK);
	int err = invalid_blocks(fd, mask);

	close(fd);
	return err;
}

/* With the place: the listener has the slot, and nobody else hears anything. */
static void expect_drivers_place(struct actor *a)
{
	long long hears;
	uint64_t mask;
	int i, err;

	for (i = 0; i < 4; i++) {
		hears = read_number(PARAM "/hears");
		command(a, "invalidate 00.0 1", 0);
		if (read_number(PARAM "/hears") <= hears)
			complain(a, "the driver has lost its place");
		err = invalidate_anew(&mask);
		if (err != EBUSY)
			complain(a, "beside a driver INVALIDATE has the error %d", err);
		pause_up_to(a, 20);
	}
	COUNT(places);
}

/* With the place, and vfio-pci, which leaves it to us. */
static void expect_our_place(struct actor *a)
{
	int fd = open_node("00.0", O_RDWR | O_NONBLOCK);
	uint64_t mask = 0;
	int err;

	command(a, "invalidate 00.0 1", 0);
	err = invalid_blocks(fd, &mask);
	if (err || !(mask & 1))
		complain(a, "beside vfio-pci INVALIDATE has the error %d", err);
	close(fd);
	COUNT(places);
}

/* The function may go at any time, unless we hold its place. */
static void bind_driver(struct actor *a, const char *driver, bool holds_place)
{
	int err;

	pthread_mutex_lock(&bus_lock);
	err = move_driver(a, driver, "bind");
	pthread_mutex_unlock(&bus_lock);
	if (!err)
		COUNT(binds);
	else if (holds_place)
		complain(a, "%s does not bind: error %d", driver, err);
}

/* The last one may have come late: while a function is added, what is written binds it. */
static void unbind_all(struct actor *a)
{
	move_driver(a, "vpci_listener", "unbind");
	move_driver(a, "vfio-pci", "unbind");
}

static void act_bind(struct actor *a)
{
	const bool listens = draw(a, 3), holds_place = draw(a, 2);
	const char *driver = listens ? "vpci_listener" : "vfio-pci";

	if (holds_place) {
		pthread_mutex_lock(&place_lock);
		unbind_all(a);
	}
	bind_driver(a, driver, holds_place);
	if (holds_place) {
		if (listens)
			expect_drivers_place(a);
		else
			expect_our_place(a);
		pthread_mutex_unlock(&place_lock);
	}
	pause_up_to(a, 100);
	pthread_mutex_lock(&bus_lock);
	move_driver(a, driver, "unbind");
	pthread_mutex_unlock(&bus_lock);
	pause_up_to(a, 100);
}

/* ---- the host ---- */

static void act_answer(struct actor *a)
{
	static const char * const answers[] = {
		"answer ok", "answer ok", "answer ok", "answer ok", "answer never",
		"answer never", "answer never", "answer short 12", "answer short 12",
		"answer status c0000001",
	};
	const char *words = answers[draw(a, ARRAY_SIZE(answers))];

	pthread_mutex_lock(&host_lock);
	command(a, words, 0);
	COUNT(answers);
	pthread_mutex_unlock(&host_lock);
	pause_up_to(a, 150);
	if (!draw(a, 3))
		return;
	pthread_mutex_lock(&host_lock);
	if (draw(a, 3))
		command(a, "release", 0);
	else
		command(a, "release one", ENOENT);
	pthread_mutex_unlock(&host_lock);
	pause_up_to(a, 50);
}

static void act_tell(struct actor *a)
{
	char words[64];
	int err;

	snprintf(words, sizeof(words), "%x", 1 + draw(a, (1 << INVALID_BITS) - 1));
	begin(a, "invalidate");
	err = host("invalidate %s00.0 %s", fake && !draw(a, 50) ? "slowly " : "", words);
	end(a);
	if (err && err != ENODEV)
		complain(a, "host: invalidate: error %d", err);
	COUNT(invalidations);
	pause_up_to(a, 20);
}

/* Calls of what is gone end, although the host may be silent. */
static void expect_all_leave(struct actor *a)
{
	struct actor *caller = t->callers;
	unsigned int moves;
	int i;

	for (i = 0; i < OPENERS * CALLERS; i++, caller++) {
		moves = __atomic_load_n(&caller->moves, __ATOMIC_SEQ_CST);
		begin(a, caller->name);
		while (moves % 2 && moves == __atomic_load_n(&caller->moves, __ATOMIC_SEQ_CST))
			usleep(1000);
		end(a);
	}
}

static void eject_function(struct actor *a)
{
	command(a, "eject 00.0", 0);
	COUNT(ejections);
	expect_all_leave(a);
	if (++t->left < EJECTIONS)
		return;
	command(a, "release", 0);
	t->left = 0;
}

/* A bus may go, too, when a function that has gone before has left requests in hv_pci. */
static void take_away_and_give(struct actor *a, bool rescind)
{
	if (!rescind || draw(a, 2))
		eject_function(a);
	if (!rescind) {
		command(a, "add 00.0", 0);
		return;
	}
	command(a, "rescind", 0);
	COUNT(rescinds);
	expect_all_leave(a);
	command(a, "plug", 0);
}

static void act_remove(struct actor *a)
{
	const bool rescind = !draw(a, 3), silent = draw(a, 2);

	pause_up_to(a, 250);
	pthread_mutex_lock(&place_lock);
	if (rescind)
		pthread_mutex_lock(&bus_lock);
	if (silent) {
		pthread_mutex_lock(&host_lock);
		command(a, "answer never", 0);
		pause_up_to(a, 50);
	}
	take_away_and_give(a, rescind);
	if (silent)
		pthread_mutex_unlock(&host_lock);
	if (rescind)
		pthread_mutex_unlock(&bus_lock);
	pthread_mutex_unlock(&place_lock);
}

/* ---- the watchdog ---- */

#define ACTORS	(6 + OPENERS * (1 + CALLERS))

/* All who must get on: not those who are killed. */
static int list_actors(struct actor **actors)
{
	int i, n = 0;

	actors[n++] = &t->judge;
	actors[n++] = &t->binder;
	actors[n++] = &t->remover;
	actors[n++] = &t->answerer;
	actors[n++] = &t->invalidator;
	actors[n++] = &t->killer;
	for (i = 0; i < OPENERS; i++)
		actors[n++] = &t->openers[i];
	for (i = 0; i < OPENERS * CALLERS; i++)
		actors[n++] = &t->callers[i];
	return n;
}

static void show_progress(double since)
{
	const struct counts *c = &t->counts;

	fprintf(stderr, "# %.0f s: %u READ and WRITE, %u failed, %u of what is gone\n",
		seconds() - since, c->good, c->failed, c->gone);
	fprintf(stderr, "# ... INVALIDATE: %u told, %u nothing, %u a driver's, %u interrupted\n",
		c->told, c->nothing, c->not_ours, c->interrupted);
	fprintf(stderr, "# ... %u opens, %u killed, %u binds, %u places looked at, %u ejections\n",
		c->opens, c->kills, c->binds, c->places, c->ejections);
	fprintf(stderr, "# ... %u rescinds, %u invalidations, %u answers\n",
		c->rescinds, c->invalidations, c->answers);
}

/* kill() of common.c says where each thread is in the kernel, before it ends this all. */
static void give_up(struct actor **actors, int n, const struct actor *first)
{
	const char *doing;
	int i;

	fprintf(stderr, "# %s has not moved for %.0f s; what everybody does:\n",
		first->name, t->limit);
	for (i = 0; i < n; i++) {
		doing = __atomic_load_n(&actors[i]->doing, __ATOMIC_RELAXED);
		fprintf(stderr, "#   %s: %s\n", actors[i]->name ?: "nobody", doing ?: "-");
	}
	kill(-getpgrp(), SIGKILL);
}

struct watched {
	struct actor *actors[ACTORS];
	unsigned int moves[ACTORS];
	double since[ACTORS];
};

static void look_at(struct watched *w, int i, int n)
{
	struct actor *a = w->actors[i];
	const unsigned int moves = __atomic_load_n(&a->moves, __ATOMIC_RELAXED);

	if (moves != w->moves[i] || !__atomic_load_n(&a->doing, __ATOMIC_RELAXED)) {
		w->moves[i] = moves;
		w->since[i] = seconds();
	} else if (seconds() - w->since[i] > t->limit) {
		give_up(w->actors, n, a);
	}
}

/* It ends with the process. */
static void *watch(void *unused)
{
	const double begun = seconds();
	struct watched w = {};
	int i, n = list_actors(w.actors);
	double shown = begun;

	(void)unused;
	for (i = 0; i < n; i++)
		w.since[i] = begun;
	for (;;) {
		sleep(1);
		for (i = 0; i < n; i++)
			look_at(&w, i, n);
		if (seconds() - shown >= PROGRESS) {
			shown = seconds();
			show_progress(begun);
		}
	}
	return NULL;
}

/* ---- rounds ---- */

static void *act_until_stopped(void *arg)
{
	struct actor *a = arg;

	while (!stopped())
		a->act(a);
	return NULL;
}

static int start(struct actor *a)
{
	return pthread_create(&a->thread, NULL, act_until_stopped, a);
}

static int start_killer(void)
{
	t->killers_pid = fork();
	if (!t->killers_pid) {
		act_until_stopped(&t->killer);
		_exit(0);
	}
	return t->killers_pid < 0 ? errno : 0;
}

/* The process before all threads but the watchdog: it inherits no locks. */
static int start_all(void)
{
	int i, err;

	__atomic_store_n(&t->stop, false, __ATOMIC_RELAXED);
	err = start_killer();
	for (i = 0; i < OPENERS * CALLERS && !err; i++)
		err = start(&t->callers[i]);
	for (i = 0; i < OPENERS && !err; i++)
		err = start(&t->openers[i]);
	err = err ?: start(&t->binder);
	err = err ?: start(&t->remover);
	err = err ?: start(&t->answerer);
	return err ?: start(&t->invalidator);
}

static void join(struct actor *a)
{
	begin(&t->judge, a->name);
	pthread_join(a->thread, NULL);
	end(&t->judge);
}

/* What they began goes on until the host answers and the function is gone. */
static void stop_all(void)
{
	int i;

	__atomic_store_n(&t->stop, true, __ATOMIC_RELAXED);
	join(&t->remover);
	join(&t->binder);
	join(&t->answerer);
	join(&t->invalidator);
	for (i = 0; i < OPENERS; i++)
		join(&t->openers[i]);
	command(&t->judge, "release", 0);
	command(&t->judge, "eject 00.0", 0);
	for (i = 0; i < OPENERS * CALLERS; i++)
		join(&t->callers[i]);
	begin(&t->judge, "wait for who kills");
	waitpid(t->killers_pid, NULL, 0);
	end(&t->judge);
	for (i = 0; i < OPENERS; i++)
		close(t->openers[i].fd);
	command(&t->judge, "add 00.0", 0);
}

static int give_blocks(void)
{
	uint8_t block[VPCI_BLOCK_SIZE_MAX];
	int i, err = 0;

	for (i = 0; i < BLOCKS && !err; i++) {
		fill_pattern(block, sizeof(block), i);
		err = host_block(i, block, sizeof(block));
	}
	return err;
}

static void wait_idle(const char *module)
{
	begin(&t->judge, module);
	wait_unused(module);
	end(&t->judge);
}

/* SLUB, where the guest has it check, says so in the log, and no more than that. */
#define TAINT_BAD_PAGE	0x20

static void expect_quiet(struct __test_metadata *_metadata)
{
	const struct host_counters seen = host_counters();

	EXPECT_EQ(0, seen.kept);
	EXPECT_EQ(t->errors, seen.errors);
	EXPECT_EQ(0, t->bad);
	EXPECT_EQ(0, read_number("/proc/sys/kernel/tainted") & TAINT_BAD_PAGE);
	wait_idle("vpci_block");
	wait_idle(fake ? "vpci_fake" : "vpci_hv_pci");
	ASSERT_EQ(0, unload_module("vpci_block"));
	EXPECT_EQ(0, count_nodes());
	/* It complains of references to what was its own. */
	if (fake) {
		begin(&t->judge, "unload of vpci_fake");
		ASSERT_EQ(0, unload_module("vpci_fake"));
		ASSERT_EQ(0, load_module("vpci_fake"));
		end(&t->judge);
	}
	ASSERT_EQ(0, load_module("vpci_block"));
	ASSERT_EQ(0, give_blocks());
	t->errors = host_counters().errors;
}

/* Each call, now that nothing is in its way. */
static void expect_works(struct __test_metadata *_metadata)
{
	struct counts *c = &t->counts, before = *c;
	struct actor *a = &t->judge;
	int i;

	a->fd = open_node("00.0", O_RDWR);
	ASSERT_LE(0, a->fd);
	for (i = 0; i < 20; i++) {
		act_read(a);
		act_write(a);
		command(a, "invalidate 00.0 5", 0);
		act_invalidate(a);
	}
	close(a->fd);
	EXPECT_EQ(2 * i, c->good - before.good);
	EXPECT_EQ(i, c->told - before.told);
}

/* That came so far: nothing else comes so seldom and may leave something behind. */
static long functions(void)
{
	return t->counts.ejections + t->counts.rescinds;
}

static void run_round(struct __test_metadata *_metadata, double until)
{
	ASSERT_EQ(0, start_all());
	while (seconds() < until && !__atomic_load_n(&t->bad, __ATOMIC_RELAXED))
		usleep(100000);
	stop_all();
	expect_quiet(_metadata);
	expect_works(_metadata);
}

/* ---- the test ---- */

static void cast(struct actor *a, const char *name, void (*act)(struct actor *a))
{
	static unsigned int seed;

	if (!seed) {
		seed = atoi(getenv("TORTURE_SEED") ?: "0") ?: time(NULL);
		fprintf(stderr, "# TORTURE_SEED=%u\n", seed);
	}
	a->name = name;
	a->act = act;
	a->random = (seed += 0x9e3779b9) ?: 1;
}

/* The second opener and its callers wait in poll() alone. */
static void cast_opener(int i)
{
	static const char * const names[OPENERS][1 + CALLERS] = {
		{ "opener", "reader", "writer", "listener", "poller" },
		{ "opener 2", "reader 2", "writer 2", "listener 2", "poller 2" },
	};
	static void (* const acts[CALLERS])(struct actor *a) = {
		act_read, act_write, act_invalidate, act_poll,
	};
	struct actor *a = &t->openers[i], *caller = &t->callers[i * CALLERS];
	int j;

	cast(a, names[i][0], act_open);
	a->fd = FIXED_FD + i;
	a->flags = i ? O_NONBLOCK : 0;
	for (j = 0; j < CALLERS; j++, caller++) {
		cast(caller, names[i][1 + j], acts[j]);
		caller->fd = a->fd;
		caller->flags = a->flags;
		caller->signalled = !i && acts[j] != act_poll;
	}
}

static void cast_all(void)
{
	int i, j;

	cast(&t->judge, "judge", NULL);
	for (i = 0; i < OPENERS; i++)
		cast_opener(i);
	for (i = 0; i < DOOMED; i++) {
		cast(&t->doomed[i][0], "doomed listener", act_invalidate);
		for (j = 1; j < THREADS; j++)
			cast(&t->doomed[i][j], "doomed", j & 1 ? act_read : act_write);
	}
	cast(&t->binder, "binder", act_bind);
	cast(&t->remover, "remover", act_remove);
	cast(&t->answerer, "answerer", act_answer);
	cast(&t->invalidator, "invalidator", act_tell);
	cast(&t->killer, "killer", act_kill);
}

/* So long does what takes longest never take: the host is asked, and takes the function. */
static void measure_guest(void)
{
	double begun = seconds();
	int i;

	for (i = 0; i < 5; i++) {
		act_open(&t->judge);
		act_read(&t->judge);
		command(&t->judge, "eject 00.0", 0);
		command(&t->judge, "add 00.0", 0);
	}
	t->limit = 30 + 40 * (seconds() - begun);
	t->counts = (struct counts) {};
	fprintf(stderr, "# who does not move for %.0f s hangs; slabs are %schecked\n", t->limit,
		read_number("/sys/kernel/slab/kmalloc-256/poison") == 1 ? "" : "not ");
}

static void do_nothing(int sig)
{
	(void)sig;
}

FIXTURE(torture) {
	double begun, until;
	long objects;
	long functions;
};

FIXTURE_SETUP(torture)
{
	const struct sigaction sa = { .sa_handler = do_nothing };
	pthread_t thread;

	fake = !real_hv_pci();
	t = mmap(NULL, sizeof(*t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, t);
	t->limit = TEST_TIMEOUT;
	cast_all();
	sigaction(SIGUSR1, &sa, NULL);
	ASSERT_EQ(0, write_text(PARAM "/hold", "0"));
	ASSERT_EQ(0, write_text(PARAM "/probe_error", "0"));
	ASSERT_EQ(0, reset_host());
	ASSERT_EQ(0, give_blocks());
	t->errors = host_counters().errors;
	t->judge.fd = FIXED_FD;
	ASSERT_EQ(0, pthread_create(&thread, NULL, watch, NULL));
	measure_guest();
	self->begun = seconds();
	self->until = self->begun + atoi(getenv("TORTURE_SECONDS") ?: SECONDS);
}

FIXTURE_TEARDOWN(torture)
{
}

/* The first round fills the allocator's own stores, too. */
TEST_F_TIMEOUT(torture, all_at_once, 3600)
{
	long came, more;
	double now;

	do {
		now = seconds();
		run_round(_metadata, now + ROUND < self->until ? now + ROUND : self->until);
		if (self->objects)
			continue;
		self->objects = kmalloc_objects();
		self->functions = functions();
		ASSERT_LT(0, self->objects);
	} while (!t->bad && seconds() < self->until);
	show_progress(self->begun);
	came = functions() - self->functions;
	more = kmalloc_objects() - self->objects;
	TH_LOG("%ld objects of kmalloc() more, after %ld functions more", more, came);
	EXPECT_GT(100 + came, more);
	EXPECT_LT(0, t->counts.places);
	EXPECT_LT(0, t->counts.kills);
}

TEST_HARNESS_MAIN
