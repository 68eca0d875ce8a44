package rollcall

import (
	"context"
	"errors"
	"time"
)

// A Store keeps facts. It has no rules, no clock, makes no ids, and starts no
// goroutine that Close does not end. All methods may be called at once from
// many goroutines. What it returns belongs to the caller, and what it is given
// is not kept beyond the call.
//
// The clauses below are the whole contract. Package storetest holds every
// engine to each of them, by the clause's name.
//
// Snapshot: each read sees the store at one moment; a commit is seen whole or
// not at all, and is seen by every read that starts after Commit returned nil.
//
// Cancel: a call whose context is already done returns the context's error and
// does nothing. A Commit or Touch that has begun is finished.
//
// Instants are whole milliseconds between the years 1970 and 9999, and come back
// in UTC. Text may hold any bytes; user ids may be prefixes of one another.
type Store interface {
	// Session returns a session by id with its user's row, both of one moment.
	// An ended session is returned until it has been swept.
	//
	// Errors: ErrNoSession when no session has the id.
	Session(ctx context.Context, id string) (Session, User, error)

	// Sessions returns up to limit of a user's sessions that follow after, in
	// the order of Position, and the user's row, all of one moment. It leaves
	// out sessions whose EndedAt is set, and nothing else: other ways to be over
	// are rules. limit 0 returns the row alone. A user nobody has seen has a row
	// of version 0.
	Sessions(ctx context.Context, userID string, after Position, limit int) (User, []Session, error)

	// Document returns a named document; one that was never put has version 0
	// and no body.
	Document(ctx context.Context, name string) (Document, error)

	// Events returns up to limit events after the position, oldest first; ""
	// is before the first. A user's events are in the order of their commits.
	// Nothing past the oldest unfinished commit is returned, so whoever reads on
	// from the last position misses nothing. A position whose event has been
	// swept stays good.
	Events(ctx context.Context, after string, limit int) ([]StoredEvent, error)

	// Commit makes a change, all or nothing, and returns nil when it is
	// durable.
	//
	// Every put carries the version that it replaces, 0 for "must be absent",
	// and the row then has the next version. A session's id is claimed by its
	// first put and stays claimed, whichever user's it is, until the session has
	// been swept. A put keeps the stored interaction when that is later than
	// the one it carries. A put never moves a session to another user or another
	// created_at, and a change puts no row twice: what does is refused.
	//
	// Errors: ErrConflict when a version does not hold, and then nothing
	// changed; ErrFull when there is no room, and then nothing changed. After
	// any other error the outcome is unknown.
	Commit(ctx context.Context, change Change) error

	// Touch records uses of sessions. It is the one unguarded write: the later
	// of the stored and the given interaction stays, the stored one when both
	// have the same instant. It moves no version, and has no effect on a session
	// that is ended or gone. Durable when it returns nil; after an error any
	// part may have happened, and it may be repeated.
	Touch(ctx context.Context, touches []Touch) error

	// Sweep removes what is over, a bounded bite at a time. See Sweep. After an
	// error, ErrFull among them, a part of the bite may have happened.
	Sweep(ctx context.Context, bite Sweep) (Swept, error)

	// Ready returns nil when the store can serve.
	Ready(ctx context.Context) error

	// Close ends everything the store started and makes the next opening quick.
	// It is called once, after all other calls have returned.
	Close() error
}

// A Locator is a Store that takes fewer looks for a session when it is told where it may
// lie. An engine need not be one.
type Locator interface {
	// SessionAt is Session for a caller who believes to know the session's user and
	// CreatedAt. A wrong belief costs looks, and changes nothing of what is returned.
	SessionAt(ctx context.Context, id, userID string, createdAt time.Time) (Session, User, error)
}

// What a Store's methods can fail with; all other errors are the engine's own.
var (
	ErrNoSession = errors.New("no such session")
	ErrConflict  = errors.New("version conflict")
	ErrFull      = errors.New("no room left in the store")
)

// A Counter is a [Store] that can count. Engines may do without.
type Counter interface {
	// CountSessions asks about every session whose EndedAt is not set, with its
	// user's row, and returns how many were to be counted, all as of one moment at
	// or after the call. A user's sessions come one after the other, in the order of
	// Position. counts must not keep what it is given, nor change it. It takes time
	// that grows with the store, keeps nobody waiting, and ends early with the
	// context.
	CountSessions(ctx context.Context, counts func(*Session, *User) bool) (int, error)
}
