// Package rollcall has the words and the rules of a session server: who is signed in,
// on which device, from where and since when, and when a session is over. The package
// runs nothing and imports the standard library only.
//
// # Where the rest is
//
//	sessions                       the Manager: every act reads, decides, commits
//	store/memory, store/pebble,    engines, which keep what is true
//	store/postgres
//	store/storetest                the suite that holds every engine to the contract
//	management, api, gate          doors: HTTP in front of the Manager
//	oauth, reference               doors beside it: management tokens, the OpenAPI document
//	server, cmd/rollcall           listeners, and the program
//	client, rollcalltest           for applications in Go, and for their tests
//
// Import paths that are promises: this one, sessions, store/memory, store/pebble,
// store/postgres, store/storetest, client and rollcalltest. All other packages may
// change with any version. docs/architecture.md has the map, the way of a check, of a
// list and of an ending, and the files that a change touches.
//
// # Words
//
//   - A [Session] is one user's signed-in state on one device. Its id is public; its
//     [Secret] proves possession; a [Token] is both, as a text.
//   - A use is a request that a session was used for; an [Interaction] is what the
//     session keeps of its latest use; a [Touch] stores one.
//   - An act changes sessions by a decision: a creation, a further authentication, an
//     ending. An act is one [Change], committed all or nothing, and leaves an [Event].
//   - An ending of many ends many sessions at once: all of a user's, all but one, or
//     everybody's. It moves a generation, a number of a [User]'s row or of [Everybody]'s:
//     sessions that have the number from before are over.
//   - A session that is not live is over: ended by name, by a generation, or past a limit
//     of the [Policy].
//   - A [Store] is an engine. It keeps facts and has no rules.
//
// # Read in this order
//
//  1. session.go, policy.go, check.go: what a session is, when it is over, and the one
//     rule of a check
//  2. signin.go, level.go, method.go, origin.go: what callers say, and what is required
//  3. store.go, change.go, sweep.go: the engine contract
//  4. package sessions: act.go, then an act: create.go, check.go, end.go
//
// All instants are UTC and whole milliseconds, the precision that the published API
// shows. Rules are pure functions: the present instant is passed in.
package rollcall
