/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How vmgencounter waits, for the model checker spin
 *
 * The processes below run at the same time. Spin takes them through every order in which
 * their steps can happen, and shows that in none of them
 *
 *   - somebody who has not got the last ID sleeps on, or anybody when the device is gone;
 *   - a sleeper gets an ID that the kernel's RNG was not reseeded for when it was read, or a
 *     poller is woken before the RNG was reseeded for the change that is announced;
 *   - the RNG is said to be reseeded for the current count, and was not for its ID;
 *   - a count comes with another ID than the one it counts, or counts what was no change, or
 *     somebody gets an older one after a newer one;
 *   - memory is touched after the last reference to it was put.
 *
 *	process		stands for
 *	hypervisor	whoever writes the ID, and what queues the work, vmgen_announce_soon()
 *			and vmgen_resume(): a Notify that nothing calls for may be a resume
 *	announcer	vmgen_announce_work()
 *	reader		vmgen_await(), once in read() and once in the event-driven ioctl
 *	poller		vmgen_poll(), and a program that reads what it reports
 *	other		whoever else looks at the ID, and does not wait
 *	unbinder	vmgen_unsubscribe_*(), vmgen_cancel_work(), vmgen_unpublish(), and the
 *			device's vmgen_put()
 *
 * look() is vmgen_look(), of which look_fast() is vmgen_is_counted() and look_slow() is
 * vmgen_count(); wake_all() is vmgen_wake().
 *
 * What is left out: an ID is a number here, and is read at once. Each
 * process has an open file of its own, as to share one only makes less of it unread. The
 * driver is bound, hears of changes, and its reseeds succeed. A signal ends a call, and the
 * next one is a new one. There is no vmgen_distrust().
 *
 * What no other process can tell apart is one step: what is done under the lock, but for
 * what the fast path sees of it; and the ends of the fast path's read section, as what is
 * in between counts only if nothing was written meanwhile. Spin knows no processor that does
 * things out of order. The code keeps them in order by the lock, the queue's lock, the
 * seqcount, or the release and acquire of @announced; without these two, the orders
 * that could be seen are MUTATE_ANNOUNCED_BEFORE_RESEED and MUTATE_ANNOUNCED_AFTER_LOOK.
 *
 * A MUTATE_* is a mistake. check-model makes each by itself, and spin must find it by what
 * stands beside it: a part of the assertion that fails, or the end state in which somebody
 * sleeps for ever.
 *
 *	MUTATE_ANNOUNCED_BEFORE_RESEED		safe
 *	MUTATE_ANNOUNCED_AFTER_LOOK		told.*==changes
 *	MUTATE_WAKE_BEFORE_ANNOUNCED		told.*==changes
 *	MUTATE_SLEEPER_TRUSTS_BUFFER		safe
 *	MUTATE_POLLER_LOOKS_FIRST		told.*==changes
 *	MUTATE_ANNOUNCER_LOOKS_UNLOCKED		==changes
 *	MUTATE_RESEEDED_BEFORE_RESEED		rng==seen
 *	MUTATE_NO_SEQCOUNT_RETRY		counted
 *	MUTATE_COUNT_OUTSIDE_SEQCOUNT		counted|rng==seen
 *	MUTATE_COUNT_WHAT_WAS_READ_UNLOCKED	changes<written
 *	MUTATE_GONE_AFTER_WAKE			invalid end state
 *	MUTATE_CANCEL_BEFORE_UNSUBSCRIBE	freed
 *	MUTATE_NO_REFERENCE_OF_FILE		freed
 */

#define MOST	2	/* changes at most */
#define NONE	255	/* neither an ID nor a count */

/* What lies outside of the driver. */
byte limit;		/* the hypervisor makes so many changes */
byte buffer;		/* the live ID */
byte written;		/* how often it was changed */
byte rng;		/* the ID that the RNG was last reseeded with: safe while that is @buffer */
bool owed;		/* there was no Notify since the last change */
bool quiet;		/* the hypervisor will do nothing any more */

/* struct vmgen */
bool locked;
byte seq;		/* odd while the two below are written */
byte seen;
byte changes;
byte announced;
byte reseeded;
bool gone;
byte refs = 1;		/* the device's own */
bool freed;

/* What the kernel keeps for us. */
mtype = { NOBODY, AWAY, QUEUED, ASLEEP, WOKEN };
mtype queue[3] = NOBODY;	/* vmgen.wait, and what those who use it do */
bool node = true;		/* /dev/vmgencounter can be opened */
bool subscribed = true;
bool handling;
bool pending, working;		/* vmgen.announce */

/* Who waits. To IOCTL an ID is told, to the others a count. */
#define READ	0
#define IOCTL	1
#define POLL	2
byte told[3] = NONE;

byte counted[MOST + 2];		/* the ID of each count, to compare with */

inline touch()
{
	assert(!freed)
}

#define wake(who)	queue[who] = (queue[who] == QUEUED || queue[who] == ASLEEP -> WOKEN : queue[who])

inline wake_all()
{
	d_step { touch(); wake(READ); wake(IOCTL); wake(POLL) }
}

inline put()
{
	d_step { touch(); refs--; freed = (refs == 0) }
}

/* ---- the ID and the count of its changes ---- */

/* Looks give the ID and its count. @safe: the RNG knew the ID at the time when it was read. */
#define LOOKER	byte id, c, s; bool same, safe

inline forget()
{
	id = 0;
	c = 0;
	s = 0;
	same = false;
	safe = false
}

inline read_id()
{
	touch();
	id = buffer;
	safe = (rng == buffer)
}

inline look_fast()
{
	do
	:: atomic { !(seq & 1) -> s = seq; read_id() };
	   same = (id == seen);
	   atomic {
		c = changes;
#ifndef MUTATE_NO_SEQCOUNT_RETRY
		if
		:: s == seq -> s = 0; break
		:: else -> forget()
		fi
#else
		s = 0;
		break
#endif
	   }
	od
}

inline look_slow()
{
	atomic {
		!locked -> locked = true;
		c = 0;
#ifndef MUTATE_COUNT_WHAT_WAS_READ_UNLOCKED
		read_id();
#endif
		same = (id == seen)
	}
	if
	:: same
	:: else ->
	   d_step {
		assert(changes < written);
		counted[changes + 1] = id;
		seq++;
		seen = id;
#ifdef MUTATE_COUNT_OUTSIDE_SEQCOUNT
		seq++
#endif
	   }
	fi;
	d_step {
		if
		:: same
		:: else ->
		   changes++;
#ifndef MUTATE_COUNT_OUTSIDE_SEQCOUNT
		   seq++
#endif
		fi;
		c = changes;
		locked = false
	}
}

inline look()
{
	look_fast();
	if
	:: same
	:: else -> look_slow()
	fi;
	same = false;
	assert(counted[c] == id)
}

/* ---- who tells of a change ---- */

/*
 * Two changes may have one Notify, and a Notify may come without a change. The second one may
 * go back to the first ID.
 */
proctype hypervisor()
{
	do
	:: atomic { written < limit ->
		written++;
		if
		:: buffer = written
		:: buffer != 0 -> buffer = 0
		fi;
		owed = true
	   }
	:: atomic { owed = false; handling = subscribed };
	   if
	   :: handling -> d_step { touch(); pending = true; handling = false }
	   :: else
	   fi
	:: atomic { !owed -> quiet = true; break }
	od
}

inline reseed()
{
	if
#ifndef MUTATE_RESEEDED_BEFORE_RESEED
	:: reseeded != c -> rng = id; reseeded = c
#else
	:: reseeded != c -> reseeded = c; rng = id
#endif
	:: else
	fi
}

proctype announcer()
{
	LOOKER;

end:	do
	:: atomic { pending -> pending = false; working = true };
#ifndef MUTATE_ANNOUNCER_LOOKS_UNLOCKED
	   look_slow();
	   same = false;
#else
	   look();
#endif
#ifndef MUTATE_ANNOUNCED_BEFORE_RESEED
	   reseed();
#endif
	   if
#ifndef MUTATE_WAKE_BEFORE_ANNOUNCED
	   :: announced != c -> announced = c; wake_all()
#else
	   :: announced != c -> wake_all(); announced = c
#endif
	   :: else
	   fi;
#ifdef MUTATE_ANNOUNCED_BEFORE_RESEED
	   reseed();
#endif
	   d_step { forget(); working = false }
	od
}

/* ---- who has an open file ---- */

inline open_file()
{
	atomic {
		if
		:: !node -> goto closed
		:: else
		fi;
#ifndef MUTATE_NO_REFERENCE_OF_FILE
		refs++
#endif
	}
}

inline close_file()
{
#ifndef MUTATE_NO_REFERENCE_OF_FILE
	put()
#else
	skip
#endif
}

#define NEWS	(me == IOCTL -> id : c)

/* A count that is told later is later. */
inline deliver()
{
	assert(told[me] == NONE || me == IOCTL || told[me] < NEWS);
	told[me] = NEWS;
	forget()
}

inline fall_asleep()
{
	queue[me] = (queue[me] == QUEUED -> ASLEEP : queue[me])
}

/* wait_event(vg->wait, announced != a || gone) */
inline wait_announced()
{
	d_step { touch(); queue[me] = QUEUED };
	do
	:: atomic {
		touch();
		if
		:: announced != a || gone -> queue[me] = AWAY; a = 0; break
		:: else -> fall_asleep()
		fi
	   };
	   atomic { queue[me] == WOKEN -> queue[me] = QUEUED }
	od
}

inline acquire_announced()
{
	atomic {
		touch();
		a = announced;
		if
		:: gone -> break
		:: else
		fi
	}
}

#ifdef MUTATE_SLEEPER_TRUSTS_BUFFER
#define ANNOUNCED	true
#else
#define ANNOUNCED	(!slept || c == a)
#endif

proctype reader(byte me)
{
	LOOKER;
	byte a;
	bool slept;

	open_file();
	do
	::
#ifndef MUTATE_ANNOUNCED_AFTER_LOOK
	   acquire_announced();
	   look();
#else
	   look();
	   acquire_announced();
#endif
	   if
	   :: atomic { told[me] != NEWS && ANNOUNCED ->
		assert(!slept || (safe && reseeded >= c));
		deliver();
		a = 0;
		slept = false
	      }
	   :: atomic { else -> forget(); slept = true };
	      wait_announced()
	   fi
	od;
	close_file();
closed:	skip
}

/* Queueing is that of poll(), and of epoll when it has taken note of a wake-up. */
proctype poller(byte me)
{
	LOOKER;

	open_file();
	do
	::
#ifdef MUTATE_POLLER_LOOKS_FIRST
	   look();
#endif
	   d_step { touch(); queue[me] = QUEUED };
	   if
	   :: gone -> break
	   :: else
	   fi;
#ifndef MUTATE_POLLER_LOOKS_FIRST
	   look();
#endif
	   if
	   :: atomic { told[me] != NEWS -> deliver() }
	   :: atomic { else -> forget(); fall_asleep() };
	      queue[me] == WOKEN;
	      assert(gone || reseeded >= announced)
	   fi
	od;
	atomic { touch(); queue[me] = AWAY };
	close_file();
closed:	skip
}

/*
 * It has an open file. Each look is one step, as all that look() has is elsewhere. And
 * VMGENCOUNTER_GET_INFO reads in a section of its own what is of one moment here.
 */
proctype other()
{
	do
	:: d_step { !locked && seen != buffer ->
		touch();
		assert(changes < written);
		seen = buffer;
		changes++;
		seq = seq + 2;
		counted[changes] = seen
	   }
	:: atomic { !(seq & 1) && reseeded == changes -> assert(rng == seen) }
	:: gone -> break
	od;
	put()
}

/* ---- the end ---- */

#define still(who)	(queue[who] == ASLEEP || queue[who] == NOBODY)
#define knows(who, what)	(queue[who] == NOBODY || told[who] == what)

/* Where nothing more would happen, all is told, and who sleeps has no news. */
inline check_quiet()
{
	if
	:: quiet && !pending && !working && still(READ) && still(IOCTL) && still(POLL) ->
	   assert(seen == buffer && rng == buffer && reseeded == changes && announced == changes);
	   assert(knows(READ, changes) && knows(IOCTL, buffer) && knows(POLL, changes))
	:: else
	fi
}

/* At any time. What it waits for stays so: a wait is one step with what follows. */
proctype unbinder()
{
#ifndef MUTATE_CANCEL_BEFORE_UNSUBSCRIBE
	d_step { check_quiet(); subscribed = false };
	atomic { !handling -> pending = false };
	atomic { !working -> node = false };
#else
	d_step { check_quiet(); pending = false };
	atomic { !working -> subscribed = false };
	atomic { !handling -> node = false };
#endif
#ifndef MUTATE_GONE_AFTER_WAKE
	gone = true;
	wake_all();
#else
	wake_all();
	gone = true;
#endif
	put();
	freed		/* everybody closes his file now */
}

#define wait_as(kind, who)	run kind(who); queue[who] = AWAY

/* One of them and somebody else see two changes, or two of them see one. */
init
{
	atomic {
		limit = MOST;
		if
		:: wait_as(reader, READ)
		:: wait_as(reader, IOCTL)
		:: wait_as(poller, POLL)
		:: wait_as(reader, READ); wait_as(poller, POLL); limit = 1
		fi;
		if
		:: limit == MOST -> refs++; run other()
		:: else
		fi;
		run hypervisor();
		run announcer();
		run unbinder()
	}
}
