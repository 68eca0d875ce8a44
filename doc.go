// Package rollcall is the domain of a session server: who is signed in, on
// which device, from where and since when, and the acts that change it.
//
// Nouns ([Session], [User], [Event], [Policy], [Token]) carry the rules as pure
// functions of their state and an instant that is passed in. A [Store] keeps
// them. The [Manager] is the one way to act on them: it reads, decides with the
// pure functions, and commits.
//
// All instants are UTC and whole milliseconds, the precision that the published
// API shows.
package rollcall
