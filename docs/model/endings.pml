/*
 * Endings on several nodes: a model of the rules by which Rollcall accepts and ends one
 * session. README.md beside this file says how to run the model, what is left out, and
 * what each wrong rule leads to.
 *
 * Claims, each an assertion in Checks:
 *
 *   1. After an ending's answer no check that begins is accepted.
 *   2. After a check's refusal no check that begins is accepted. A refusal for want of use
 *      counts only in the world IN_TIME, or with IDLE_REFUSALS_COUNT.
 *
 * Worlds, chosen with -D:
 *
 *   (none)    A use may reach the store at any later time. Clocks of nodes are a tick apart.
 *             A failover.
 *   IN_TIME   A use that a node writes reaches the store in the same tick, or never. The
 *             clocks of nodes agree. A failover.
 *   LOST_ROW  The user's row is lost. No time passes, and there is no failover.
 *
 * Wrong rules, at most one at a time, chosen with -D: ONE_MINUTE_GUESS, SMALLER_GENERATION,
 * GUARD_READ_LATE, KEPT_UNGUARDED, NO_BARRIER, BARRIER_BEFORE_THE_READ,
 * BARRIER_ON_ANOTHER_SERVER, ACTS_WITHOUT_BARRIER, CANCELLED_WAIT_IS_SUCCESS,
 * STANDBY_NOT_NEEDED, UNWRITTEN_USES_COUNT, USES_KEPT_TOO_LONG, IDLE_REFUSALS_COUNT.
 */

/* Times, in ticks. */
#ifdef IN_TIME
#define IDLE 3 /* the session's idle time: Lifetimes.Idle */
#else
#define IDLE 2
#endif
#define EXPIRES     (IDLE + 1) /* the session's absolute end: Session.ExpiresAt */
#define WRITE_FIRST 2          /* with less idle time left a check writes first: WriteFirstIntervals */
#define MARGIN      1          /* how long after a limit a sweep marks the row: overMargin */

#define OLD 0 /* the first primary */
#define NEW 1 /* the standby of OLD, which may be promoted */

/* A server's rows, as the server shows them to a read: store/postgres/schema.sql. */
typedef Rows {
	bool stored;         /* the session has a row */
	bool ended;          /* Session.EndedAt is set */
	byte idle;           /* Session.Last.IdleExpiresAt */
	byte born;           /* Session.Generation.User */
	byte version;        /* Session.Version */
	byte generation = 1; /* User.Generation; 0 while the user has no row */
}
Rows shown[2];

/*
 * How OLD stands to NEW. linked: NEW confirms each commit of OLD (synchronous_commit =
 * remote_apply). cut: OLD hears nothing of NEW. promoted: NEW is the primary, with a standby
 * of its own; OLD still answers reads, and its commits wait for ever.
 */
mtype:link = { linked, cut, promoted };
mtype:link link = linked;
mtype:verdict = { over, unused, no_use, record, write_first }; /* Session.Check's */

byte clock;     /* of node 0, and of the sweep */
byte unwritten; /* the idle end that a use of node 0 would set which is not written yet; 0 for none */
#ifdef IN_TIME
byte writable;  /* the stored idle end from which on that use is not written: pendingUse.durable */
#endif
bool checking;  /* a check is under way */
bool signed_in; /* the creation was answered, with the token */

/* The most that was told of the session's end: nothing, a check's refusal, an ending's answer. */
#define NOTHING 0
#define REFUSAL 1
#define ENDING  2
byte told = NOTHING;

#ifdef IN_TIME
#define NOW(node) clock
#define IDLE_REFUSALS_COUNT
#define A_TICK_MAY_PASS !checking
#else
#define NOW(node) (clock + node) /* the clock of node 1 is ahead */
#define A_TICK_MAY_PASS true
#endif

/* Session.Outdated */
#ifdef SMALLER_GENERATION
#define OUTDATED(born, generation) (born < generation)
#else
#define OUTDATED(born, generation) (born != generation)
#endif

/* PutSession.Replaces */
#ifdef KEPT_UNGUARDED
#define UNCHANGED(s, read) true
#else
#define UNCHANGED(s, read) (shown[s].version == read)
#endif

/* Neither ended nor outdated, whatever the limits say. */
#define STANDS(s) (shown[s].stored && !shown[s].ended && !OUTDATED(shown[s].born, shown[s].generation))

/* Case 4 of Session.Check: by the stored idle end, not by the latest that is known. */
#ifdef UNWRITTEN_USES_COUNT
#define WRITES_FIRST(last, idle, now) (last < now + WRITE_FIRST)
#else
#define WRITES_FIRST(last, idle, now) (idle < now + WRITE_FIRST)
#endif

/* Whether a commit on a server ends, and is on the server that is or will be the primary. */
#ifdef STANDBY_NOT_NEEDED
#define COMMITS(s) true
#else
#define COMMITS(s) (s == OLD && link == linked || s == NEW)
#endif

/* A connection of a node's pool. Those to OLD outlive the promotion. */
inline connect(s) {
	if
	:: s = OLD
	:: link == promoted -> s = NEW
	fi
}

/* primary is the server that commits. Nothing commits while the link is cut. */
inline primary(s) {
	if
	:: link != promoted -> s = OLD
	:: link == promoted -> s = NEW
#ifdef STANDBY_NOT_NEEDED
	:: link == promoted -> s = OLD
#endif
	fi
}

/* committer is the server of an act's commit: the primary, or OLD while the link is cut. */
inline committer(s) {
	if
	:: link == cut -> s = OLD
	:: link != cut -> primary(s)
	fi
}

/* mirror shows on NEW what a commit on s has changed, while NEW confirms commits. */
inline mirror(s) {
	if
	:: s == OLD && link == linked -> copy_to_new()
	:: else
	fi
}

/*
 * finish ends a commit of an act on server s. sure says whether the node is told of success.
 * Without a standby's word the commit waits; a wait that is cancelled shows the commit on
 * OLD alone, and warns: any warning is an unknown outcome (store/postgres/errors.go).
 */
inline finish(s, sure) {
	mirror(s);
#ifdef CANCELLED_WAIT_IS_SUCCESS
	sure = true
#else
	sure = COMMITS(s)
#endif
}

/* copy_to_new makes NEW show what OLD shows. */
inline copy_to_new() {
	shown[NEW].stored = shown[OLD].stored;
	shown[NEW].ended = shown[OLD].ended;
	shown[NEW].idle = shown[OLD].idle;
	shown[NEW].born = shown[OLD].born;
	shown[NEW].version = shown[OLD].version;
	shown[NEW].generation = shown[OLD].generation
}

/*
 * barrier follows a read of server s: a commit there that began after the read was
 * answered. counts says whether the read counts; if it does not, the node reads again, or
 * answers 503, which tells nothing.
 */
inline barrier(s, counts) {
#ifdef NO_BARRIER
	counts = true
#else
#ifdef BARRIER_ON_ANOTHER_SERVER
	connect(s);
#endif
	counts = COMMITS(s)
#endif
}

/* barrier_of_act is the barrier behind what an act decides on. */
inline barrier_of_act(s, counts) {
#ifdef ACTS_WITHOUT_BARRIER
	counts = true
#else
	barrier(s, counts)
#endif
}

/*
 * touch writes a use on server s, which can commit: Store.Touch. An ended session has no
 * use to be moved.
 */
inline touch(s, idle_end) {
	if
	:: shown[s].stored && !shown[s].ended && shown[s].idle < idle_end -> shown[s].idle = idle_end
	:: else
	fi;
	mirror(s)
}

/* later makes a the later of both. */
inline later(a, b) {
	if
	:: a < b -> a = b
	:: else
	fi
}

/* used is the idle end that a use at a time sets: Session.Touched. */
inline used(idle_end, at) {
	idle_end = at + IDLE;
	if
	:: idle_end > EXPIRES -> idle_end = EXPIRES
	:: else
	fi
}

/* SignIn makes the session: Manager.Create, with nothing that the creation rests on. */
active proctype SignIn() {
	byte s;
	atomic {
		link != cut ->
		primary(s);
		shown[s].stored = true;
		shown[s].idle = IDLE;
		shown[s].born = shown[s].generation;
		shown[s].version = 1;
		mirror(s);
		signed_in = true
	}
}

/*
 * Checks are checks of the session's token, one after the other, each by any node:
 * Manager.Check and Session.Check. What checks at the same time add, uses that wait or are
 * under way, is added by those before.
 */
active proctype Checks() {
	byte s, node, now; /* the server that is read, who checks, and when the check began */
	byte idle, last;   /* the stored idle end, and the latest that the node knows of; then the use's */
	byte told_before;  /* as the check began */
	mtype:verdict verdict;
	bool counts;

	signed_in;
end:	do
	:: atomic { /* one statement: the session, the user's row and the use, of one moment */
		if
		:: node = 0
		:: node = 1
		fi;
		now = NOW(node);
		told_before = told;
		checking = true;
		connect(s);
#ifdef BARRIER_BEFORE_THE_READ
		barrier(s, counts)
	   }
	   atomic {
#endif
		idle = shown[s].idle;
		last = idle;
#ifdef UNWRITTEN_USES_COUNT /* as built, they show only while the stored idle end is to come: Manager.overlay */
		if
		:: node == 0 -> later(last, unwritten)
		:: else
		fi;
#endif
		if /* Session.Check */
		:: !STANDS(s) -> verdict = over
		:: else ->
			if
			:: now >= last -> verdict = unused
			:: now < last && node == 1 -> verdict = no_use
			:: now < last && node == 0 && WRITES_FIRST(last, idle, now) -> verdict = write_first
			:: now < last && node == 0 && !WRITES_FIRST(last, idle, now) -> verdict = record
			fi
		fi;
		if
		:: verdict == record -> used(last, now)
		:: verdict == write_first -> idle = 0; used(last, now)
		:: else -> idle = 0; last = 0
		fi;
		now = 0
	   }
	   atomic {
#ifndef BARRIER_BEFORE_THE_READ
		barrier(s, counts);
#endif
		s = OLD;
		if
		:: !counts -> goto unknown
		:: counts && verdict == over -> goto refuse
		:: counts && verdict == unused -> goto refuse_unused
		:: counts && verdict == no_use -> goto good
		:: counts && verdict == record ->
			later(unwritten, last);
#ifdef IN_TIME
			later(writable, idle);
#endif
			goto good
		:: counts && verdict == write_first
		fi;
		/* The use is written before the answer. */
		counts = false; verdict = over
	   }
	   atomic {
		if
		:: link != cut -> primary(s);
		   touch(s, last);
		   goto good
		:: true -> /* errOverdue: the answer is 503, and the write goes on */
#ifndef IN_TIME
		   later(unwritten, last);
#endif
		   goto unknown
		fi;
good:		assert(told_before != ENDING);  /* claim 1 */
		assert(told_before != REFUSAL); /* claim 2 */
		goto unknown;
refuse_unused:
#ifndef IDLE_REFUSALS_COUNT
		goto unknown;
#endif
refuse:		if
		:: told == NOTHING -> told = REFUSAL
		:: else
		fi;
unknown:	/* 503, which tells nothing; and behind each check */
		s = OLD; node = 0; idle = 0; last = 0;
		verdict = over; counts = false; told_before = NOTHING; checking = false
	   }
	od
}

/* Uses writes what a node has recorded: pendingTouches.flush, and writes that go on. */
active proctype Uses() {
	byte s;
end:	do
	:: atomic {
		unwritten != 0 && link != cut ->
#if defined(IN_TIME) && !defined(USES_KEPT_TOO_LONG)
		if
		:: clock >= writable -> unwritten = 0
		:: else
		fi;
#endif
		primary(s);
		touch(s, unwritten);
		s = OLD;
		unwritten = 0;
#ifdef IN_TIME
		writable = 0
#endif
	   }
	od
}

/*
 * Endings are endings of the session, one after the other, each a read, the barrier behind
 * the read, and the commit.
 */
active proctype Endings() {
	byte s;
	byte read;   /* the session's version, or the user's generation, as it was read */
	bool stands; /* the session is neither ended nor outdated */
	bool counts, sure;

	signed_in;
end:	do
	:: atomic { /* by name: Manager.endIf */
		connect(s);
		stands = STANDS(s);
		read = shown[s].version;
#ifdef ONE_MINUTE_GUESS
		stands = stands && NOW(1) < shown[s].idle + MARGIN
#endif
	   }
	   atomic {
		barrier_of_act(s, counts);
		if
		:: !counts -> goto unknown
		:: counts && !stands -> goto answer /* not found */
		:: counts && stands -> stands = false
		fi
	   }
	   atomic {
		committer(s);
		if
		:: shown[s].stored && shown[s].version == read -> /* PutSession.Replaces */
			shown[s].ended = true;
			shown[s].version++;
			finish(s, sure)
		:: else -> sure = false /* ErrConflict: decided anew */
		fi;
		if
		:: sure -> goto answer
		:: else -> goto unknown
		fi
	   }
	:: atomic { /* by generation: Manager.endMany */
		connect(s);
		stands = STANDS(s);
		read = shown[s].generation;
#ifdef ONE_MINUTE_GUESS
		stands = stands && NOW(1) < shown[s].idle + MARGIN
#endif
	   }
	   atomic {
		barrier_of_act(s, counts);
		if
		:: !counts -> goto unknown
		:: counts && !stands -> goto answer /* nothing to end: nothing is committed */
		:: counts && stands -> stands = false
		fi
	   }
	   atomic {
		committer(s);
		if
		:: shown[s].generation == read && read != 0 -> /* PutUser.NextGeneration */
			shown[s].generation++;
			finish(s, sure)
		:: else -> sure = false /* ErrConflict: decided anew */
		fi;
		if
		:: sure -> goto answer
		:: else -> goto unknown
		fi;
answer:		told = ENDING;
unknown:	s = OLD; read = 0; stands = false; counts = false; sure = false
	   }
	od
}

/* read_guard reads what guards the move of the generation. */
inline read_guard(s) {
	generation = shown[s].generation
}

/* read_kept reads the session that stays. */
inline read_kept(s) {
	live = STANDS(s) && NOW(1) < shown[s].idle;
	version = shown[s].version
}

/*
 * EndOthers ends all sessions of the user but this one, and puts this one with the next
 * generation: Manager.endMany with keepID. Of many sessions, the kept one is read after
 * the user's row.
 */
active proctype EndOthers() {
	byte s, generation, version;
	bool live, counts;

	signed_in;
	atomic {
		connect(s);
#ifdef GUARD_READ_LATE
		read_kept(s)
#else
		read_guard(s)
#endif
	}
	atomic {
		barrier_of_act(s, counts);
		if
		:: !counts -> goto gone
		:: counts -> connect(s)
		fi;
#ifdef GUARD_READ_LATE
		read_guard(s)
#else
		read_kept(s)
#endif
	}
	atomic {
		barrier_of_act(s, counts);
		if
		:: !counts || !live -> goto gone /* 503, or not found: says nothing of this session */
		:: counts && live && link != cut -> primary(s)
		fi;
		if
		:: shown[s].generation == generation && generation != 0 && UNCHANGED(s, version) ->
			shown[s].generation++;
			shown[s].born = shown[s].generation;
			shown[s].ended = false; /* the put is of the whole row, as it was read */
			shown[s].version++;
			mirror(s)
		:: else /* ErrConflict */
		fi;
gone:		s = OLD; generation = 0; version = 0; live = false; counts = false
	}
}

/* Sweep marks what is over as ended, a while later: Manager.sweepVerdict, tidyUser. */
#define LONG_OVER(s) (clock >= shown[s].idle + MARGIN)
active proctype Sweep() {
	byte s;
end:	do
	:: atomic {
		link != cut ->
		primary(s);
		if
		:: shown[s].stored && !shown[s].ended && (LONG_OVER(s) || !STANDS(s)) ->
			shown[s].ended = true;
			shown[s].version++;
			mirror(s)
		:: else
		fi;
		s = OLD
	   }
	od
}

#ifdef LOST_ROW

/*
 * LostRow loses the user's row, by a restored table or a wrong sweep, and a further sign-in
 * makes another, whose generation begins with the instant and so has never been: newUser.
 */
#define NEVER_BEEN 7
active proctype LostRow() {
	atomic {
		signed_in ->
		shown[OLD].generation = 0;
		shown[NEW].generation = 0
	}
	atomic {
		shown[OLD].generation = NEVER_BEEN;
		shown[NEW].generation = NEVER_BEEN
	}
}

#else

/* Time passes. The idle and the absolute end of the session expire by it. */
active proctype Time() {
	signed_in;
end:	do
	:: atomic { clock < EXPIRES && A_TICK_MAY_PASS -> clock++ }
	od
}

/* Failover cuts OLD off, and then promotes NEW. */
active proctype Failover() {
end:	do
	:: atomic { link == linked -> link = cut }
	:: atomic { link == cut -> link = promoted }
	od
}

#endif
