package storetest

import (
	"slices"
	"sync"
	"testing"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/store/memory"
)

// wholeSuite stands for Run, in the place of a clause.
const wholeSuite = "the whole suite"

// model is the clause that finds nearly all that is broken.
const modelClause = "any sequence of operations gives what memory gives"

// A brokenEngine is the engine in memory, broken in one way, with the clauses that each
// must find it.
type brokenEngine struct {
	name    string
	clauses []string
	open    func(*memory.Store) rollcall.Store
	// harness is other than that of a volatile, serial engine.
	harness func() Harness
}

func intact(*testing.T) rollcall.Store { return memory.New() }

// shared opens an engine that several nodes share.
func shared(*testing.T) rollcall.Store { return sharing(&altered{Store: memory.New()}) }

func sharing(a *altered) rollcall.Store {
	a.traits = func() rollcall.Traits { return rollcall.Traits{Shared: true} }
	return a
}

// sharedHarness is that of a shared engine, each node of which is broken.
func sharedHarness(node func(*memory.Store) rollcall.Store) Harness {
	open := func(s *memory.Store) rollcall.Store { return sharing(node(s).(*altered)) }
	return Harness{
		Open: func(*testing.T) rollcall.Store { return open(memory.New()) }, Volatile: true, Serial: true,
		Another: func(_ *testing.T, s rollcall.Store) rollcall.Store { return open(s.(*altered).Store) },
	}
}

// remembersUsers shows each user as the node has seen the user first.
func remembersUsers(s *memory.Store) rollcall.Store {
	var mu sync.Mutex
	seen := map[string]rollcall.User{}
	return altersReads(s, func(p any) {
		mu.Lock()
		defer mu.Unlock()
		u, ok := p.(*rollcall.User)
		if !ok {
			return
		}
		if first, ok := seen[u.ID]; ok {
			*u = first
		} else if u.Version > 0 {
			seen[u.ID] = *u
		}
	})
}

// sameStore reopens a store that was never closed, which is what a right engine comes to.
func sameStore(_ *testing.T, s rollcall.Store) rollcall.Store { return s }

var broken = slices.Concat(brokenHarnesses, brokenCalls, brokenReads, brokenWalks, brokenValues, brokenCommits, brokenUsers, brokenEnds, brokenTouches, brokenEvents, brokenSweeps, brokenFull)

var brokenHarnesses = []brokenEngine{
	{
		name: "neither reopens nor says that it is volatile", clauses: []string{wholeSuite},
		harness: func() Harness { return Harness{Open: intact, Serial: true} },
	},
	{
		name: "neither can be held nor says that it is serial", clauses: []string{wholeSuite},
		harness: func() Harness { return Harness{Open: intact, Volatile: true} },
	},
	{
		name: "is shared, and no other node can open it", clauses: []string{wholeSuite},
		harness: func() Harness { return Harness{Open: shared, Volatile: true, Serial: true} },
	},
	{
		name: "shows another node something else", clauses: []string{"what one node commits another sees at once"},
		harness: func() Harness {
			return Harness{Open: shared, Volatile: true, Serial: true, Another: func(t *testing.T, _ rollcall.Store) rollcall.Store { return shared(t) }}
		},
	},
	{
		name: "remembers users on each node", clauses: []string{"what one node commits another sees at once"},
		harness: func() Harness { return sharedHarness(remembersUsers) },
	},
	{
		name: "guards acts by what each node remembers", clauses: []string{"racing acts of several nodes lose nothing"},
		harness: func() Harness { return sharedHarness(blindPuts) },
	},
	{
		name: "forgets what it kept", clauses: []string{
			"everything is there after reopening", "claims, versions and filings are there after reopening",
			"events are removed up to a position, whatever their instants", modelClause,
		},
		harness: func() Harness {
			return Harness{Open: intact, Serial: true, Reopen: func(*testing.T, rollcall.Store) rollcall.Store { return memory.New() }}
		},
	},
	{
		name: "forgets what it removed", clauses: []string{"what was removed is not there after reopening"},
		harness: func() Harness {
			return Harness{Open: intact, Serial: true, Reopen: func(_ *testing.T, s rollcall.Store) rollcall.Store {
				if m, ok := s.(*memory.Store); ok {
					return missesNothing(m)
				}
				return s
			}}
		},
	},
	{
		name: "takes a copy for the store that was copied", clauses: []string{"a restored copy has all but the incarnation"},
		harness: func() Harness {
			return Harness{Open: intact, Serial: true, Reopen: sameStore, Copy: sameStore}
		},
	},
}
