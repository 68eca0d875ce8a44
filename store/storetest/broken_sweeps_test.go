package storetest

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/store/memory"
)

var brokenSweeps = []brokenEngine{
	{
		name: "sweeps beyond the limit", clauses: []string{"a sweep removes what its verdicts say, in bites", modelClause},
		open: bites(func(_ *memory.Store, bite *rollcall.Sweep) { bite.Limit = math.MaxInt }),
	},
	{
		name: "says that there is no more", clauses: []string{"a sweep removes what its verdicts say, in bites", modelClause},
		open: func(s *memory.Store) rollcall.Store {
			return &altered{Store: s, sweep: func(ctx context.Context, bite rollcall.Sweep) (rollcall.Swept, error) {
				swept, err := s.Sweep(ctx, bite)
				swept.More = false
				return swept, err
			}}
		},
	},
	{
		name: "sweeps in silence", clauses: []string{"a sweep removes what its verdicts say, in bites", "an event is never seen before its act"},
		open: func(s *memory.Store) rollcall.Store {
			return altersVerdicts(s, func(_ rollcall.Walked, v *rollcall.Verdict) { v.Event = nil })
		},
	},
	{
		name: "removes what was to be filed again", clauses: []string{"a row is filed under what its latest put says, and when to look is a lower bound", modelClause},
		open: func(s *memory.Store) rollcall.Store {
			return altersVerdicts(s, func(_ rollcall.Walked, v *rollcall.Verdict) { v.FileAt = time.Time{} })
		},
	},
	{
		name: "files under when a session is over", clauses: []string{"a row is filed under what its latest put says, and when to look is a lower bound", modelClause},
		open: func(s *memory.Store) rollcall.Store {
			return altersCommits(s, func(c *rollcall.Change) {
				c.Sessions = slices.Clone(c.Sessions)
				for i := range c.Sessions {
					c.Sessions[i].FileAt = time.Time{}
				}
			})
		},
	},
	{
		name: "files again under another instant than the verdict says", clauses: []string{"a row is filed under what its latest put says, and when to look is a lower bound"},
		open: func(s *memory.Store) rollcall.Store {
			return altersVerdicts(s, func(w rollcall.Walked, v *rollcall.Verdict) {
				if !v.FileAt.IsZero() {
					v.FileAt = w.Session.CreatedAt
				}
			})
		},
	},
	{
		name: "files without ending", clauses: []string{"a verdict that ends ends the row first", modelClause},
		open: func(s *memory.Store) rollcall.Store {
			return altersVerdicts(s, func(_ rollcall.Walked, v *rollcall.Verdict) { v.Ending = nil })
		},
	},
	{
		name: "ends by a verdict without moving versions", clauses: []string{"a verdict that ends ends the row first", modelClause},
		open: stillVersions,
	},
	{
		name: "decides without everybody's row", clauses: []string{"a sweep removes what its verdicts say, in bites", "a bite looks at the user's rows that are not ended, in their order"},
		open: bites(func(_ *memory.Store, bite *rollcall.Sweep) {
			decide := bite.Decide
			bite.Decide = func(w rollcall.Walked) rollcall.Verdict {
				w.Standing.Everybody = rollcall.Everybody{}
				return decide(w)
			}
		}),
	},
	{
		name: "removes a row after others have found it", clauses: []string{"a sign-in and an event that race the removal of the last session find the user's row"},
		open: removesLate,
	},
	{name: "lets writes come between a verdict and its removal", clauses: []string{"nothing comes between a verdict and what is done about it"}, open: lateVerdicts},
	{
		name: "lets a user's row outlive the sessions", clauses: []string{"a user's row goes with the last session"},
		open: func(s *memory.Store) rollcall.Store {
			return &altered{Store: s, sweep: func(ctx context.Context, bite rollcall.Sweep) (rollcall.Swept, error) {
				users := map[string]rollcall.User{}
				decide := bite.Decide
				bite.Decide = func(w rollcall.Walked) rollcall.Verdict {
					users[w.Session.UserID] = w.Standing.User
					return decide(w)
				}
				swept, err := s.Sweep(ctx, bite)
				for id, u := range users {
					if storedUser(s, id).Version == 0 {
						s.Commit(background, rollcall.Change{UserID: id, User: &rollcall.PutUser{User: u}})
					}
				}
				return swept, err
			}}
		},
	},
	{
		name: "removes a user's row in spite of events", clauses: []string{"a user's row stays while an event of the user is kept", "what was removed is not there after reopening"},
		harness: func() Harness {
			return Harness{Serial: true, Reopen: sameStore}
		},
		open: bites(func(s *memory.Store, bite *rollcall.Sweep) {
			if bite.EventsUpTo == "" {
				page, _ := s.Events(background, rollcall.EventsAfter{})
				s.Sweep(background, rollcall.Sweep{EventsUpTo: page.Head, Limit: math.MaxInt})
			}
		}),
	},
	{
		name: "writes the event of a verdict that it does not follow", clauses: []string{"a user's row stays while an event of the user is kept", modelClause},
		open: func(s *memory.Store) rollcall.Store {
			return altersVerdicts(s, func(_ rollcall.Walked, v *rollcall.Verdict) {
				if v.FileAt.IsZero() && v.Event != nil {
					v.FileAt = forever
				}
			})
		},
	},
	{
		name: "looks at a user's rows only when they are due", clauses: []string{"a bite looks at the user's rows that are not ended, in their order", modelClause},
		open: bites(func(_ *memory.Store, bite *rollcall.Sweep) {
			if user := bite.UserID; user != "" {
				bite.UserID, bite.After = "", rollcall.Position{}
			}
		}),
	},
	{
		name: "begins each bite of a user at the first row", clauses: []string{"a bite goes on after the last row that the one before looked at", modelClause},
		open: bites(func(_ *memory.Store, bite *rollcall.Sweep) { bite.After = rollcall.Position{} }),
	},
	{
		name: "does not say where a bite of a user ended", clauses: []string{"a bite goes on after the last row that the one before looked at", modelClause},
		open: func(s *memory.Store) rollcall.Store {
			return &altered{Store: s, sweep: func(ctx context.Context, bite rollcall.Sweep) (rollcall.Swept, error) {
				swept, err := s.Sweep(ctx, bite)
				swept.Next = rollcall.Position{}
				return swept, err
			}}
		},
	},
}

// bites makes other bites.
func bites(change func(*memory.Store, *rollcall.Sweep)) func(*memory.Store) rollcall.Store {
	return func(s *memory.Store) rollcall.Store {
		return &altered{Store: s, sweep: func(ctx context.Context, bite rollcall.Sweep) (rollcall.Swept, error) {
			if ctx.Err() == nil {
				change(s, &bite)
			}
			return s.Sweep(ctx, bite)
		}}
	}
}

// removesLate shows no row of a user whose last session it removed, whoever has signed the
// user in meanwhile.
func removesLate(s *memory.Store) rollcall.Store {
	var mu sync.Mutex
	gone := map[string]bool{}
	a := altersReads(s, func(p any) {
		mu.Lock()
		defer mu.Unlock()
		if u, ok := p.(*rollcall.User); ok && gone[u.ID] {
			*u = rollcall.User{ID: u.ID}
		}
	})
	a.sweep = func(ctx context.Context, bite rollcall.Sweep) (rollcall.Swept, error) {
		swept, err := s.Sweep(ctx, bite)
		pause()
		mu.Lock()
		defer mu.Unlock()
		gone[bite.UserID] = swept.Removed > 0
		return swept, err
	}
	return a
}

// stillVersions shows the versions as if verdicts that end had not moved them.
func stillVersions(s *memory.Store) rollcall.Store {
	var mu sync.Mutex
	moves := map[string]uint64{}
	a := altersReads(s, func(p any) {
		mu.Lock()
		defer mu.Unlock()
		switch p := p.(type) {
		case *rollcall.User:
			p.Version -= moves["user "+p.ID]
		case *rollcall.Session:
			p.Version -= moves[p.ID]
		}
	})
	a.sweep = func(ctx context.Context, bite rollcall.Sweep) (rollcall.Swept, error) {
		decide := bite.Decide
		bite.Decide = func(w rollcall.Walked) rollcall.Verdict {
			v := decide(w)
			mu.Lock()
			defer mu.Unlock()
			if v.Ending != nil && w.Session.EndedAt.IsZero() {
				moves["user "+w.Session.UserID]++
				moves[w.Session.ID]++
			}
			return v
		}
		return s.Sweep(ctx, bite)
	}
	return a
}

// lateVerdicts asks about sessions as it found them, while others write, and does what it is
// told to them as they have become.
func lateVerdicts(s *memory.Store) rollcall.Store {
	return &altered{Store: s, sweep: func(ctx context.Context, bite rollcall.Sweep) (rollcall.Swept, error) {
		var found []rollcall.Walked
		look, do := bite, bite
		look.Decide = func(w rollcall.Walked) rollcall.Verdict {
			found = append(found, w)
			return rollcall.Verdict{FileAt: time.UnixMilli(int64(len(found)))} // before all others, in their order
		}
		swept, err := s.Sweep(ctx, look)
		if err != nil {
			return swept, err
		}
		verdicts := map[string]rollcall.Verdict{}
		for _, w := range found {
			verdicts[w.Session.ID] = bite.Decide(w)
		}
		do.EventsUpTo, do.Limit = "", len(found)
		do.Decide = func(w rollcall.Walked) rollcall.Verdict {
			if v, asked := verdicts[w.Session.ID]; asked {
				return v
			}
			return rollcall.Verdict{FileAt: w.Session.OverAt()}
		}
		done, err := s.Sweep(context.WithoutCancel(ctx), do)
		done.More, done.Events = swept.More, swept.Events
		return done, err
	}}
}

var brokenFull = []brokenEngine{
	{name: "refuses everything alike when it is full", clauses: []string{"what adds is refused first, and endings last"}, harness: fullHarness(func(r Room, c rollcall.Change) bool {
		return r != RoomForAll
	})},
	{name: "refuses new ids alone when it is full", clauses: []string{"what adds is refused first, and endings last"}, harness: fullHarness(func(r Room, c rollcall.Change) bool {
		return r != RoomForAll && claims(c)
	})},
	{name: "makes a change before it finds that it is full", clauses: []string{"what adds is refused first, and endings last"}, harness: func() Harness {
		h := fullHarness(refusesRightly)()
		open := h.OpenFull
		h.OpenFull = func(t *testing.T) (rollcall.Store, func(Room)) {
			s, set := open(t)
			a := s.(*altered)
			refuse := a.commit
			a.commit = func(ctx context.Context, c rollcall.Change) (rollcall.Standing, error) {
				left, err := refuse(ctx, c)
				if errors.Is(err, rollcall.ErrFull) {
					a.Store.Commit(ctx, c)
				}
				return left, err
			}
			return a, set
		}
		return h
	}},
}

func claims(c rollcall.Change) bool {
	return slices.ContainsFunc(c.Sessions, func(p rollcall.PutSession) bool { return p.Replaces == 0 })
}

// refusesRightly is what the contract says of a full store.
func refusesRightly(r Room, c rollcall.Change) bool {
	return r == RoomForNothing || r == RoomForEndings && (claims(c) || len(c.Documents) > 0)
}

// fullHarness is that of an engine which has no room for some changes.
func fullHarness(refuses func(Room, rollcall.Change) bool) func() Harness {
	return func() Harness {
		return Harness{Open: intact, Volatile: true, Serial: true, OpenFull: func(*testing.T) (rollcall.Store, func(Room)) {
			s, room := memory.New(), RoomForAll
			return &altered{Store: s, commit: func(ctx context.Context, c rollcall.Change) (rollcall.Standing, error) {
				if refuses(room, c) {
					return rollcall.Standing{}, rollcall.ErrFull
				}
				return s.Commit(ctx, c)
			}}, func(r Room) { room = r }
		}}
	}
}
