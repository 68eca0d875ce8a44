// Package postgres keeps what Rollcall knows in PostgreSQL 13 or later: the engine for
// several nodes that share one database.
//
// What may be relied on today: every clause of [rollcall.Store] on one primary, but that
// endings outlast creations on a full disk. Reads are one statement and one snapshot each,
// and checks that come together share a statement. A commit is one statement, whose guards
// are all looked at under locks before anything is written, so a conflict changes nothing
// and leaves no error in the server's log. A use is written in place. Events are read in the
// order of their users' commits, and none is passed over.
//
// Through a failover a node accepts nothing that was ended before, if the mode of the store
// is [ModeExact]: what a read says counts once the read's own transaction has committed
// synchronously. See docs/design/0034.
//
// A read is answered within 3.1 s, a write that found no connection within 5 s: with
// CodeUnavailable when the server is gone, takes no writes, has no connection left, or does
// not answer in time. A write that has begun is finished. No fault needs a restart.
//
// [Migrate] takes a database to the form of the program, step by step, and [Create] makes
// the tables in an empty one; [Open] refuses every other form. Both may be called by many
// programs at once, and through a pooler.
//
// What is missing:
//
//   - deployment: no roles, no advice on sizes
//   - room for endings on a full disk: a server does not tell how much room is left, so
//     nothing is refused while a creation still finds some, and then an ending may find
//     none: ErrFull for both
//   - noticing a copy that was restored from a dump: whoever restores one calls [Renew]
//   - a bound on a write that has begun: one that was sent to a server that stands still
//     keeps its connection until the server or the network ends it
//
// A transaction that stays open anywhere on the server, in another database too, holds
// back the log of events: events behind it are shown when it has ended. Touches, checks
// and endings do not wait for it.
package postgres
