package rollcall

import (
	"context"
	"errors"
	"time"
)

// A Store keeps facts. A Store has no rules and no clock, makes no ids, and starts
// no goroutine that Close does not end. All methods may be called at once from many
// goroutines. What a method returns belongs to the caller; what a method is given is
// not kept beyond the call.
//
// The clauses below are the whole contract. Package storetest holds every engine to
// each clause, by the clause's name.
//
// Snapshot: each read sees one moment of the store; a commit is seen whole or not at
// all, and is seen by every read that begins after Commit returned nil, on every
// node.
//
// Cancel: a call whose context is already done returns the context's error and does
// nothing. A Commit or Touch that has begun is finished.
//
// Values: instants are whole milliseconds between the years 1970 and 9999 and come
// back in UTC. Text is valid UTF-8 without NUL; see [Change.Check]. User ids may be
// prefixes of one another. Ids are ordered by their bytes.
type Store interface {
	// Traits says what kind of engine this is. The answer never changes.
	Traits() Traits

	// Session returns a session with the standing that decides about the session,
	// both of one moment. An ended session is returned until a sweep has removed the
	// row.
	//
	// Errors: ErrNoSession when no session has the id.
	Session(ctx context.Context, at At) (Session, Standing, error)

	// Sessions returns a part of a user's sessions, in the order of Position, and the
	// user's standing, all of one moment. A user whom nobody has seen has a row of
	// version 0.
	Sessions(ctx context.Context, q SessionsOf) (Standing, []Session, error)

	// Walk calls visit with every session, ended ones too, of the users that follow
	// after; "" is before the first. The sessions of one user come one after the
	// other in the order of Position, all of one moment; different users may be seen
	// at different moments. A user who has a session from before the call until its
	// end is visited.
	//
	// When visit returns false, Walk returns: next then stands before the user whose
	// session was visited last, so that a further Walk begins with that user's first
	// session. At the end of all users next is "". A position is good on every node
	// and has no end of life. visit must not call the store, and must not keep or
	// change what visit is given.
	Walk(ctx context.Context, after string, visit func(Walked) bool) (next string, err error)

	// Document returns a named document; one that was never put has version 0 and no
	// body.
	Document(ctx context.Context, name string) (Document, error)

	// Events returns a page of the log of events; see [EventsAfter] and [EventPage].
	//
	// Errors: ErrBadPosition when After is no position of any store.
	Events(ctx context.Context, q EventsAfter) (EventPage, error)

	// Commit makes a change, all or nothing, and returns when the change is durable,
	// with the standing that the change left: that of the change's user, or of
	// everybody alone when the change belongs to no user.
	//
	// Guards: every put names the version that the put replaces, 0 for "must be
	// absent", and the row then has the next version. A session's id is claimed by the
	// session's first put, whoever the user is, until a sweep has removed the row.
	// A put keeps the stored interaction when that is later than the one it carries.
	//
	// A change of a user whose row neither exists nor is put is a conflict.
	//
	// Errors: ErrConflict when a guard does not hold, and then nothing changed;
	// ErrFull when there is no room, and then nothing changed; the error of
	// [Change.Check], and then nothing changed. After any other error the outcome is
	// unknown.
	//
	// Full: an engine that can be full has two floors of free room.
	//
	//   - Below the upper floor a change fails with ErrFull that claims an id (puts a
	//     session with Replaces 0) or puts a document, whatever else is in it.
	//   - Below the lower floor every change may fail with ErrFull; so may Touch and Sweep.
	//
	// Between the two, endings, updates, uses and sweeps go on.
	Commit(ctx context.Context, change Change) (Standing, error)

	// Touch records uses of sessions: the one write without a guard. The later of the
	// stored and the given interaction stays, the stored one when both have the same
	// instant. Touch moves no version and has no effect on a session that is ended or
	// gone. The uses are durable when Touch returns nil; after an error any part may
	// have happened, and the call may be repeated.
	Touch(ctx context.Context, touches []Touch) error

	// Sweep looks at sessions that are filed, a bounded bite at a time, and removes
	// events; see [Sweep]. After an error, ErrFull among them, a part of the bite may
	// have happened.
	Sweep(ctx context.Context, bite Sweep) (Swept, error)

	// Ready returns nil when the store can serve, and the store's own clock: zero for
	// an engine that has none but this process's.
	Ready(ctx context.Context) (now time.Time, err error)

	// Close ends everything the store started and makes the next opening quick. Close
	// is called once, after all other calls have returned.
	Close() error
}

// MaxClockError is the largest difference from the store's own clock with which a node is
// ready.
const MaxClockError = 30 * time.Second

// Traits tell the kinds of engine apart. The zero value is the strictest engine: one
// that this process alone writes.
type Traits struct {
	// Shared says that other processes may write to the store: nothing of a session
	// may be remembered between two calls.
	Shared bool
}

// An At names a session. UserID and CreatedAt are what the caller believes of the
// session, both empty when the caller believes nothing. They may save an engine a
// look. A wrong belief changes nothing of the answer.
type At struct {
	ID        string
	UserID    string
	CreatedAt time.Time
}

// A SessionsOf asks for up to Limit of a user's sessions that follow After. Limit 0
// asks for the standing alone.
type SessionsOf struct {
	UserID string
	// Ended asks for ended sessions as well. Without Ended the answer leaves out the
	// sessions whose EndedAt is set, and nothing else: other ways to be over are rules.
	Ended bool
	After Position
	Limit int
}

// A Walked is one session with its user's standing, both of one moment.
type Walked struct {
	Standing Standing
	Session  *Session
}

// An EventsAfter asks for up to Limit events that follow the position After; "" is
// before the first.
type EventsAfter struct {
	After string
	Limit int
	// UserID and Types, unless empty, leave out the events of other users and types.
	UserID string
	Types  []EventType
}

// An EventPage is a part of the log of events, oldest first. A user's events come in
// the order of their commits. No event past the oldest unfinished commit is in a page,
// so who reads on from Next misses nothing.
type EventPage struct {
	Events []StoredEvent
	// Next is the position to read on from, also when no event was found: it then
	// lies behind everything that was looked at.
	Next string
	// Head is a position. Every commit that returned before the call lies at or before
	// Head: who has read on to Head has seen them all.
	Head string
	// Missed says that events after After are no longer kept, or that After is a
	// position of another incarnation of the store (a restored copy, say). The page
	// then begins with the oldest event kept.
	Missed bool
}

// What a Store's methods can fail with; all other errors are the engine's own.
var (
	ErrNoSession   = errors.New("no such session")
	ErrConflict    = errors.New("version conflict")
	ErrFull        = errors.New("no room left in the store")
	ErrBadPosition = errors.New("no position of the log of events")
)
