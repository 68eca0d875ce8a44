// Package postgres keeps what Rollcall knows in PostgreSQL 13 or later: the engine for
// several nodes that share one database.
//
// What may be relied on today: every clause of [rollcall.Store] on one primary, but that
// endings outlast creations on a full disk. Reads are one statement and one snapshot each.
// A commit is one statement, whose guards are all looked at under locks before anything is
// written, so a conflict changes nothing and leaves no error in the server's log. A use is
// written in place. Events are read in the order of their users' commits, and none is
// passed over.
//
// What is missing, so that no command names the engine yet:
//
//   - migrations: [Create] applies one schema to an empty database, and [Open] refuses
//     every other form
//   - failover: nothing fences a primary that has been replaced, so a node that still
//     reaches one may accept what was ended on another
//   - deployment: no poolers between (statements are prepared, and settings are sent when
//     a connection starts), no roles, no metrics, no advice on sizes
//   - room for endings on a full disk: a server does not tell how much room is left, so
//     nothing is refused while a creation still finds some, and then an ending may find
//     none: ErrFull for both
//   - sharing one statement among checks that come together
//   - noticing a copy that was restored from a dump: whoever restores one calls [Renew]
//
// A transaction that stays open anywhere on the server, in another database too, holds
// back the log of events: events behind it are shown when it has ended. Touches, checks
// and endings do not wait for it.
package postgres
