// Package storetest is one suite for every engine: a named clause for each promise of
// [rollcall.Store], and a random-operation test that holds an engine against the one in
// memory.
//
// An engine's own test is a call of Run with a Harness. What an engine cannot do the
// Harness has to say: nothing is left out silently.
package storetest

import (
	"slices"
	"testing"

	"github.com/rollcall-id/rollcall"
)

// A Harness opens the engine under test.
type Harness struct {
	// Open returns a fresh, empty store, whose incarnation no other store has. The suite
	// closes the store.
	Open func(t *testing.T) rollcall.Store

	// Reopen closes a store that Open or Reopen returned and opens the store again with
	// the same data. An engine that keeps nothing sets Volatile instead.
	Reopen   func(t *testing.T, s rollcall.Store) rollcall.Store
	Volatile bool

	// OpenHeld returns a store that calls hold in each Commit, after the change's events
	// have taken their positions and before anybody can see the change. An engine whose
	// commits never overlap sets Serial instead.
	OpenHeld func(t *testing.T, hold func(rollcall.Change)) rollcall.Store
	Serial   bool

	// Copy closes a store that Open returned and returns what a restored copy of the
	// store is: the same data, another incarnation. Nil for an engine without copies.
	Copy func(t *testing.T, s rollcall.Store) rollcall.Store

	// Another opens, for another node, a store that Open returned, and leaves that one
	// open. The suite closes both. Nil for an engine that is not shared.
	Another func(t *testing.T, s rollcall.Store) rollcall.Store

	// OpenFull returns a store with room for all, and what sets the room that is left.
	// Nil for an engine that is never full.
	OpenFull func(t *testing.T) (s rollcall.Store, set func(Room))
	// OneFloor says that the engine does not know how much room is left, against the
	// contract: set is not called with RoomForEndings.
	OneFloor bool
}

// A Room says for what a store has room.
type Room int

// The rooms, each less than the one before.
const (
	RoomForAll Room = iota
	RoomForEndings
	RoomForNothing
)

// A Clause is one promise of the contract, and a test of the promise.
type Clause struct {
	Group string
	Name  string
	Test  func(t *testing.T, h Harness)
}

// Clauses lists the clauses, in the order of the contract.
func Clauses() []Clause {
	return slices.Concat(
		callClauses, sessionClauses, sessionsClauses, walkClauses, documentClauses, eventClauses,
		commitClauses, userClauses, endClauses, touchClauses, sweepClauses, rowClauses, userSweepClauses, valueClauses,
		fullClauses, reopenClauses, nodeClauses, modelClauses,
	)
}

// Groups lists the groups of clauses.
func Groups() (groups []string) {
	for _, c := range Clauses() {
		if !slices.Contains(groups, c.Group) {
			groups = append(groups, c.Group)
		}
	}
	return groups
}

// Run holds an engine to every clause.
func Run(t *testing.T, h Harness) {
	t.Helper()
	RunGroups(t, h, Groups()...)
}

// RunGroups holds an engine to the clauses of some groups: an engine that is in the making
// can keep one group after the other.
func RunGroups(t *testing.T, h Harness, groups ...string) {
	t.Helper()
	if (h.Reopen == nil) != h.Volatile {
		t.Fatal("an engine either reopens or says that it is volatile")
	}
	if (h.OpenHeld == nil) != h.Serial {
		t.Fatal("an engine either can be held in a commit or says that its commits are serial")
	}
	s := h.Open(t)
	if shared := s.Traits().Shared; shared != (h.Another != nil) {
		t.Fatalf("Shared is %v: a shared engine can be opened for another node, and no other engine", shared)
	}
	if err := s.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	for _, group := range groups {
		if !slices.Contains(Groups(), group) {
			t.Fatalf("no group of clauses is called %q", group)
		}
		t.Run(group, func(t *testing.T) {
			for _, c := range Clauses() {
				if c.Group == group {
					t.Run(c.Name, func(t *testing.T) { c.Test(t, h) })
				}
			}
		})
	}
}
