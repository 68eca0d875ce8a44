package storetest

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/store/memory"
)

var brokenCalls = []brokenEngine{
	{name: "heeds no context when it reads", clauses: []string{"a done context does nothing"}, open: deafReads},
	{name: "heeds no context when it writes", clauses: []string{"a done context does nothing"}, open: deafWrites},
	{
		name: "changes its traits", clauses: []string{"traits do not change, and a store that has a clock tells the time"},
		open: func(s *memory.Store) rollcall.Store {
			return &altered{Store: s, traits: func() rollcall.Traits { return rollcall.Traits{Shared: storedUser(s, "u").Version > 0} }}
		},
	},
	{
		name: "has a clock that goes backwards", clauses: []string{"traits do not change, and a store that has a clock tells the time"},
		open: func(s *memory.Store) rollcall.Store {
			now := time.Now()
			return &altered{Store: s, ready: func(context.Context) (time.Time, error) {
				now = now.Add(-time.Second)
				return now, nil
			}}
		},
	},
	{
		name: "gives up a commit that has begun", clauses: []string{"a commit that has begun is finished"},
		harness: func() Harness {
			return Harness{Open: intact, Volatile: true, OpenHeld: func(_ *testing.T, hold func(rollcall.Change)) rollcall.Store {
				s := memory.New()
				return &altered{Store: s, commit: func(ctx context.Context, c rollcall.Change) (rollcall.Standing, error) {
					hold(c)
					return s.Commit(ctx, c)
				}}
			}}
		},
	},
	{name: "gives out what it keeps", clauses: []string{"what was given and what is returned is not shared"}, open: givesOut},
	{name: "keeps what it is given", clauses: []string{"what was given and what is returned is not shared"}, open: keepsGiven},
	{
		name: "leaves a goroutine behind", clauses: []string{"closing ends what was started"},
		open: func(s *memory.Store) rollcall.Store {
			return altersCommits(s, func(*rollcall.Change) { go func() { select {} }() })
		},
	},
}

func deafReads(s *memory.Store) rollcall.Store {
	return &altered{
		Store: s,
		session: func(ctx context.Context, at rollcall.At) (rollcall.Session, rollcall.Standing, error) {
			return s.Session(context.WithoutCancel(ctx), at)
		},
		sessions: func(ctx context.Context, q rollcall.SessionsOf) (rollcall.Standing, []rollcall.Session, error) {
			return s.Sessions(context.WithoutCancel(ctx), q)
		},
		walk: func(ctx context.Context, after string, visit func(rollcall.Walked) bool) (string, error) {
			return s.Walk(context.WithoutCancel(ctx), after, visit)
		},
		document: func(ctx context.Context, name string) (rollcall.Document, error) {
			return s.Document(context.WithoutCancel(ctx), name)
		},
		events: func(ctx context.Context, q rollcall.EventsAfter) (rollcall.EventPage, error) {
			return s.Events(context.WithoutCancel(ctx), q)
		},
	}
}

func deafWrites(s *memory.Store) rollcall.Store {
	return &altered{
		Store: s,
		commit: func(ctx context.Context, c rollcall.Change) (rollcall.Standing, error) {
			return s.Commit(context.WithoutCancel(ctx), c)
		},
		touch: func(ctx context.Context, touches []rollcall.Touch) error {
			return s.Touch(context.WithoutCancel(ctx), touches)
		},
		sweep: func(ctx context.Context, bite rollcall.Sweep) (rollcall.Swept, error) {
			return s.Sweep(context.WithoutCancel(ctx), bite)
		},
	}
}

// givesOut returns the lists of a session that it keeps, and not copies.
func givesOut(s *memory.Store) rollcall.Store {
	var mu sync.Mutex
	kept := map[string]rollcall.Session{}
	return altersReads(s, func(p any) {
		mu.Lock()
		defer mu.Unlock()
		session, ok := p.(*rollcall.Session)
		if !ok {
			return
		}
		if k, ok := kept[session.ID]; ok {
			session.Methods, session.Clients, session.Metadata, session.UsedKeys = k.Methods, k.Clients, k.Metadata, k.UsedKeys
			return
		}
		kept[session.ID] = *session
	})
}

// keepsGiven shows everybody's row with the map that it was given.
func keepsGiven(s *memory.Store) rollcall.Store {
	var mu sync.Mutex
	var given map[string]uint64
	a := altersReads(s, func(p any) {
		mu.Lock()
		defer mu.Unlock()
		if everybody, ok := p.(*rollcall.Everybody); ok && everybody.Version > 0 {
			everybody.Clients = given
		}
	})
	a.commit = func(ctx context.Context, c rollcall.Change) (rollcall.Standing, error) {
		left, err := s.Commit(ctx, c)
		if err == nil && c.Everybody != nil {
			mu.Lock()
			given = c.Everybody.Everybody.Clients
			mu.Unlock()
		}
		return left, err
	}
	return a
}

var brokenTouches = []brokenEngine{
	{
		name: "lets an older touch win", clauses: []string{"touches are monotonic and idempotent", "racing puts and touches lose nothing", modelClause},
		open: func(s *memory.Store) rollcall.Store { return newInteractions(s, true, false, false) },
	},
	{
		name: "touches what has ended", clauses: []string{"touches never bring a session back", "a use that comes late does not bring back what an end ended"},
		open: func(s *memory.Store) rollcall.Store { return newInteractions(s, false, true, false) },
	},
	{
		name: "lets a put take a touch back", clauses: []string{"a put keeps the later interaction", "racing puts and touches lose nothing"},
		open: func(s *memory.Store) rollcall.Store { return newInteractions(s, false, false, true) },
	},
	{
		name: "touches whoever the user is", clauses: []string{"touches never bring a session back", modelClause},
		open: func(s *memory.Store) rollcall.Store {
			return &altered{Store: s, touch: func(ctx context.Context, touches []rollcall.Touch) error {
				touches = slices.Clone(touches)
				for i := range touches {
					if session, ok := stored(s, touches[i].SessionID); ok {
						touches[i].UserID = session.UserID
					}
				}
				return s.Touch(ctx, touches)
			}}
		},
	},
}

// interactions keeps the latest interactions beside the engine in memory, which has the
// rules built in, and breaks those that it is told to.
type interactions struct {
	s                                       *memory.Store
	olderTouches, touchesOfEnded, olderPuts bool // that count, and must not

	mu   sync.Mutex
	last map[string]rollcall.Interaction
}

func newInteractions(s *memory.Store, olderTouches, touchesOfEnded, olderPuts bool) rollcall.Store {
	i := &interactions{s: s, olderTouches: olderTouches, touchesOfEnded: touchesOfEnded, olderPuts: olderPuts, last: map[string]rollcall.Interaction{}}
	a := altersReads(s, func(p any) {
		i.mu.Lock()
		defer i.mu.Unlock()
		if session, ok := p.(*rollcall.Session); ok {
			if last, ok := i.last[session.ID]; ok {
				session.Last = last
			}
		}
	})
	a.touch, a.commit = i.touch, i.commit
	return a
}

// keep keeps the later of two interactions, or the given one whatever it is.
func (i *interactions) keep(id string, given rollcall.Interaction, whatever bool) {
	given.At, given.IdleExpiresAt = given.At.UTC(), given.IdleExpiresAt.UTC()
	if last := i.last[id]; whatever || given.At.After(last.At) {
		i.last[id] = given
	}
}

func (i *interactions) touch(ctx context.Context, touches []rollcall.Touch) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, t := range touches {
		session, ok := stored(i.s, t.SessionID)
		if ok && session.UserID == t.UserID && (session.EndedAt.IsZero() || i.touchesOfEnded) {
			i.keep(t.SessionID, t.Interaction, i.olderTouches)
		}
	}
	return ctx.Err()
}

func (i *interactions) commit(ctx context.Context, c rollcall.Change) (rollcall.Standing, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	left, err := i.s.Commit(ctx, c)
	if err != nil {
		return left, err
	}
	for _, p := range c.Sessions {
		id, given := p.Session.ID, p.Session.Last
		i.keep(id, given, i.olderPuts || p.Replaces == 0 || given.At.Equal(i.last[id].At))
	}
	for _, e := range c.Ends {
		i.keep(e.ID, e.Last, e.Last.At.Equal(i.last[e.ID].At))
	}
	return left, nil
}
