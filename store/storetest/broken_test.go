package storetest

import (
	"testing"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/store/memory"
)

// wholeSuite stands for Run, in the place of a clause.
const wholeSuite = "the whole suite"

// A brokenEngine is the engine in memory, broken in one way, with the clauses that
// each must find it.
type brokenEngine struct {
	name    string
	open    func(*memory.Store) rollcall.Store
	clauses []string
	// harness is other than that of a volatile, serial engine.
	harness func() Harness
}

func intact(*testing.T) rollcall.Store { return memory.New() }

var broken = []brokenEngine{
	{
		name: "neither reopens nor says that it is volatile", clauses: []string{wholeSuite},
		harness: func() Harness { return Harness{Open: intact, Serial: true} },
	},
	{
		name: "neither can be held nor says that it is serial", clauses: []string{wholeSuite},
		harness: func() Harness { return Harness{Open: intact, Volatile: true} },
	},
	{
		name: "forgets what it kept", clauses: []string{
			"everything is there after reopening", "claims, versions and filings are there after reopening", "events are swept by age, and positions go on",
			"any sequence of operations gives what memory gives",
		},
		harness: func() Harness {
			return Harness{Open: intact, Serial: true, Reopen: func(*testing.T, rollcall.Store) rollcall.Store { return memory.New() }}
		},
	},
	{
		name: "shows events while an earlier one is under way", clauses: []string{"no event is passed over that becomes visible late"},
		harness: func() Harness {
			return Harness{Open: intact, Volatile: true, OpenHeld: func(_ *testing.T, hold func(rollcall.Change)) rollcall.Store {
				return &impatientLog{Store: memory.New(), hold: hold, events: map[uint64]rollcall.Event{}}
			}}
		},
	},
	{
		name: "gives up a commit that has begun", clauses: []string{"a commit that has begun is finished"},
		harness: func() Harness {
			return Harness{Open: intact, Volatile: true, OpenHeld: func(_ *testing.T, hold func(rollcall.Change)) rollcall.Store {
				return &fickleCommits{memory.New(), hold}
			}}
		},
	},
	{
		name: "heeds no context", clauses: []string{"a done context does nothing"},
		open: func(s *memory.Store) rollcall.Store { return deaf{s} },
	},
	{
		name: "reads session and user one after the other", clauses: []string{"session and user are of one moment"},
		open: func(s *memory.Store) rollcall.Store { return tornReads{s} },
	},
	{
		name: "makes a change piece by piece", clauses: []string{"a change is made whole or not at all"},
		open: func(s *memory.Store) rollcall.Store { return piecemeal{s} },
	},
	{
		name: "puts whatever the version", open: func(s *memory.Store) rollcall.Store { return blindPuts{s} },
		clauses: []string{
			"puts carry the version they replace", "documents have versions", "racing acts lose nothing", "racing puts and touches lose nothing",
			"a user's events are in the order of its commits", "any sequence of operations gives what memory gives",
		},
	},
	{
		name: "says conflict to what is no change", clauses: []string{"a change belongs to one user or to none"},
		open: func(s *memory.Store) rollcall.Store { return onlyConflicts{s} },
	},
	{
		name:    "puts all of what was ended unread",
		clauses: []string{"an ending that was not read says when and why, and nothing else", "any sequence of operations gives what memory gives"},
		open:    func(s *memory.Store) rollcall.Store { return wholeEndings{s} },
	},
	{
		name: "frees an id when its session ends", clauses: []string{"an id stays claimed until it is swept"},
		open: func(s *memory.Store) rollcall.Store { return freeIDs{s} },
	},
	{
		name: "lets each of racing claims win", clauses: []string{"one of racing claims wins"},
		open: func(s *memory.Store) rollcall.Store { return generousClaims{s} },
	},
	{
		name: "lists ties in any order", clauses: []string{"sessions are listed newest first and then by id", "any sequence of operations gives what memory gives"},
		open: func(s *memory.Store) rollcall.Store { return shuffledTies{s} },
	},
	{
		name: "finds nothing after a row that is gone", clauses: []string{"a page holds when its row is gone and others come"},
		open: func(s *memory.Store) rollcall.Store { return rowCursors{s} },
	},
	{
		name: "does not find what has ended", clauses: []string{"ended sessions are found but not listed"},
		open: func(s *memory.Store) rollcall.Store { return shortMemory{s} },
	},
	{
		name: "cuts texts at a zero byte", clauses: []string{"users whose ids begin alike are apart", "texts come back byte for byte"},
		open: func(s *memory.Store) rollcall.Store { return zeroTerminated{s} },
	},
	{
		name: "gives instants in another zone", clauses: []string{"instants come back in UTC"},
		open: func(s *memory.Store) rollcall.Store { return abroad{s} },
	},
	{
		name: "lets an older touch win", clauses: []string{
			"touches are monotonic and idempotent", "racing puts and touches lose nothing", "any sequence of operations gives what memory gives",
		},
		open: lastTouchWins,
	},
	{
		name: "lets a put take a touch back", clauses: []string{"a put keeps the later interaction", "racing puts and touches lose nothing"},
		open: putInteractions,
	},
	{
		name: "touches what has ended", clauses: []string{"touches never bring a session back"},
		open: touchesEnded,
	},
	{
		name: "tells events backwards", clauses: []string{"events are read in order from a position", "a user's events are in the order of its commits"},
		open: func(s *memory.Store) rollcall.Store { return backwards{s} },
	},
	{
		name: "counts positions from the oldest event", clauses: []string{"events are swept by age, and positions go on"},
		open: func(s *memory.Store) rollcall.Store { return movingPositions{s} },
	},
	{
		name: "leaves out part of an event", clauses: []string{"everything comes back as it was put", "events come back as they were put"},
		open: func(s *memory.Store) rollcall.Store { return forgetfulEvents{s} },
	},
	{
		name: "tells of an act before it is made", clauses: []string{"an event is never seen before its act"},
		open: func(s *memory.Store) rollcall.Store { return eventsFirst{s} },
	},
	{
		name: "tells of a removal before it is made", clauses: []string{"an event is never seen before its act"},
		open: func(s *memory.Store) rollcall.Store { return removalsFirst{s} },
	},
	{
		name: "sweeps beyond the limit", clauses: []string{"a sweep removes what its verdicts say, in bites", "any sequence of operations gives what memory gives"},
		open: func(s *memory.Store) rollcall.Store { return gluttonous{s} },
	},
	{
		name: "says that there is no more", clauses: []string{"a sweep removes what its verdicts say, in bites", "any sequence of operations gives what memory gives"},
		open: func(s *memory.Store) rollcall.Store { return neverMore{s} },
	},
	{
		name: "removes what was to be filed again", clauses: []string{"a sweep's filing is a lower bound"},
		open: func(s *memory.Store) rollcall.Store { return merciless{s} },
	},
	{
		name: "sweeps in silence", clauses: []string{"a sweep removes what its verdicts say, in bites", "an event is never seen before its act"},
		open: func(s *memory.Store) rollcall.Store { return silent{s} },
	},
	{
		name: "lets writes come between a verdict and its removal", clauses: []string{"nothing comes between a verdict and what is done about it"},
		open: func(s *memory.Store) rollcall.Store { return lateVerdicts{s} },
	},
	{
		name: "lets a user's row outlive the sessions", clauses: []string{"a user's row goes with the last session"},
		open: func(s *memory.Store) rollcall.Store { return lastingUsers{s} },
	},
	{
		name: "gives out what it keeps", clauses: []string{"what was given and what is returned is not shared"},
		open: func(s *memory.Store) rollcall.Store { return &shared{Store: s, kept: map[string]rollcall.Session{}} },
	},
	{
		name: "leaves a goroutine behind", clauses: []string{"closing ends what was started"},
		open: func(s *memory.Store) rollcall.Store { return leaking{s} },
	},
}
