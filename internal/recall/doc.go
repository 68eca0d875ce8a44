// Package recall is what one node remembers of a store that it alone writes: the sessions
// of users that were looked for, with the rows that decide about them. It knows the nouns
// of the root package, and no store, no rules and no clock. The package sessions reads the
// store and tells a [Memory] what was read and what is written.
//
// # What lies where
//
// A user's hash chooses one of up to 64 shards, each with a lock of its own. A shard has
// eight segments of bytes, and writes one entry after the other into the newest:
//
//	segment   | entry | entry | entry | …
//
//	entry     | size | user's hash | looked for | block |
//	       or | size | user's hash | looked for | appended session |
//
//	block     | head: state … count | user's id | rest of the user's row | record | record | …
//
//	appended  | state | serial of the block | offset of the one before | record |
//
//	record    | size | way back to the block | latest use | secret's hash | … | lists |
//
//	index       hash of a session's id  -> address of the record, in any shard
//	blocks      hash of a user's id     -> offset of the block, in the user's shard
//
// A look for a session takes the record's address from the index, locks the shard, compares
// the id, and goes back to the block, which says whether it is good and whose it is. The
// look allocates what the session is decoded into: an object for the texts and one for each
// list. None of the above holds pointers: a million sessions cost the garbage collector
// nothing.
//
// When the newest segment is full, the oldest is cleared and written next. Blocks in it that
// were looked for since it was written move to the newest one.
//
// # What is remembered when
//
//   - A look misses: the one session that was read, in a lone block ([Fill.KeepOne]).
//   - Another session of the user is missed, as far back as memory reaches, or an act has
//     outdated what was found: all sessions of the user, in a block ([Fill.Again],
//     [Fill.Keep]).
//   - A list misses: all sessions of the user.
//   - Of a user with more than [MaxSessions] sessions: that there are too many, and lone
//     blocks.
//   - An act commits: a good block takes the change, a new user gets a block.
//   - The process starts: what fits of a walk through the store ([Memory.Warm]).
//
// # Words
//
//	act        a commit that is under way, on a user or on everybody
//	address    where a record is: a shard and an offset
//	appended   of a session: put after its user's block was made, in an entry of its own
//	arena      the memory of the texts of a decoded session
//	block      what is remembered of a user: the user's row and the sessions that have not ended
//	durable    of an idle end or a use: in the store
//	epoch      a number that moves when an act begins and when it ends; see epochs
//	everybody  the row of [rollcall.Everybody]
//	fill       a read of the store whose result is remembered
//	good       of a block: looks can be answered from it
//	hand over  give the caller a use that is not written, since its record goes
//	index      the table that leads from a session to its record
//	lone       of a block: with one session, for a user of whom no more is worth remembering
//	offset     where an entry or a record is in a shard: a segment and a position
//	profile    what most sessions share with others, by number
//	record     one session in a block
//	round      the time from one [Memory.Collect] to the next; see uses
//	segment    one of the eight parts of a shard's memory
//	serial     the number of a block in its shard, by which appended sessions know it
//	snapshot   a copy of a block that is read without a lock
//	stamp      what a list was read at
//	touch      a use of a session
//
// # Invariants
//
// A look is answered only when all of these hold; else the store is read.
//
//  1. The record has the id that is looked for. (Hashes may be alike.)
//  2. The record's block is good. A block is
//     good, when it was read from the store in a quiet epoch that has not moved since, or took
//     the change of each act since;
//     suspended, from the beginning of an act until the act's change is in the block;
//     gone, when another act begins on a suspended block, and for ever.
//     A lone block is good as long as the user's epoch is the one that it was read at.
//  3. An appended session has the serial of its user's present block.
//  4. Everybody's row is known at everybody's present epoch.
//
// What was answered is one moment of the store: no act on the user begins while the shard is
// locked.
//
// Of uses:
//
//  5. A use is in a record alone, with the caller, or in the store, and goes only in this
//     direction: so who reads the store looks into memory next ([Memory.Unwritten]), and then
//     through what the caller holds.
//  6. A record never shows an earlier use than the store has, as of the last [Memory.Show].
//  7. Before a block goes, for whatever reason, its uses are handed over.
//  8. The durable idle end that a decision is given is one that the store has, or had before a
//     later use: then a use may be written first that need not be.
//
// Of memory:
//
//  9. A Memory takes the bytes that it was given, and about a tenth more, for good.
//  10. Ended sessions are not remembered; sessions that are over for another reason are.
//
// # When it is wrong
//
//   - Another process writes to the store: an ended session is accepted. Who makes a Memory
//     must know that nobody does; see [rollcall.Traits].
//   - An act commits without [Memory.Committing], or ends before its commit does: the same.
//   - The store loses what it said was durable: the same, until the process ends.
package recall
