package storetest

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/store/memory"
)

var brokenEvents = []brokenEngine{
	{
		name: "tells events backwards", clauses: []string{"events are read in order from a position", "a user's events are in the order of its commits"},
		open: pages(func(p *rollcall.EventPage) { slices.Reverse(p.Events) }),
	},
	{
		name: "begins anew at what is no position", clauses: []string{"events are read in order from a position"},
		open: func(s *memory.Store) rollcall.Store {
			return &altered{Store: s, events: func(ctx context.Context, q rollcall.EventsAfter) (rollcall.EventPage, error) {
				page, err := s.Events(ctx, q)
				if errors.Is(err, rollcall.ErrBadPosition) {
					q.After = ""
					return s.Events(ctx, q)
				}
				return page, err
			}}
		},
	},
	{
		name: "leaves out part of an event", clauses: []string{"events come back as they were put", "events are read in order from a position"},
		open: pages(func(p *rollcall.EventPage) {
			for i := range p.Events {
				p.Events[i].Event.UserAgent = ""
			}
		}),
	},
	{
		name: "has no first instant", clauses: []string{"events come back as they were put"},
		open: pages(func(p *rollcall.EventPage) {
			for i := range p.Events {
				if at := &p.Events[i].Event.At; at.UnixMilli() == 0 {
					*at = time.Time{}
				}
			}
		}),
	},
	{
		name: "numbers the events of a page", clauses: []string{"a user's events are numbered without a gap", "a user's events are in the order of its commits", modelClause},
		open: pages(func(p *rollcall.EventPage) {
			for i := range p.Events {
				p.Events[i].Number = uint64(i + 1)
			}
		}),
	},
	{
		name: "counts events with the user's row alone", clauses: []string{"a user's events are numbered without a gap", "a put of a row that exists is the row", modelClause},
		open: func(s *memory.Store) rollcall.Store {
			var mu sync.Mutex
			missed := map[string]uint64{}
			a := altersReads(s, func(p any) {
				mu.Lock()
				defer mu.Unlock()
				if u, ok := p.(*rollcall.User); ok {
					u.Events -= missed[u.ID]
				}
			})
			a.commit = func(ctx context.Context, c rollcall.Change) (rollcall.Standing, error) {
				left, err := s.Commit(ctx, c)
				if err == nil && c.User == nil {
					mu.Lock()
					missed[c.UserID] += uint64(len(c.Events))
					mu.Unlock()
				}
				return left, err
			}
			return a
		},
	},
	{
		name: "leaves no types out", clauses: []string{"a page leaves out other users and types, and goes on behind what was looked at", modelClause},
		open: asking(func(q *rollcall.EventsAfter) { q.Types = nil }),
	},
	{
		name: "leaves no users out", clauses: []string{"a page leaves out other users and types, and goes on behind what was looked at", modelClause},
		open: asking(func(q *rollcall.EventsAfter) { q.UserID = "" }),
	},
	{
		name: "stays where it found nothing", clauses: []string{"a page leaves out other users and types, and goes on behind what was looked at"},
		open: func(s *memory.Store) rollcall.Store {
			return &altered{Store: s, events: func(ctx context.Context, q rollcall.EventsAfter) (rollcall.EventPage, error) {
				page, err := s.Events(ctx, q)
				if n := len(page.Events); n > 0 {
					page.Next = page.Events[n-1].Position
				} else if q.After != "" {
					page.Next = q.After
				}
				return page, err
			}}
		},
	},
	{
		name: "takes what it has shown for the head", clauses: []string{"every commit that has returned lies at or before the head"},
		open: pages(func(p *rollcall.EventPage) { p.Head = p.Next }),
	},
	{
		name: "shows events while an earlier one is under way", clauses: []string{"no event is passed over that becomes visible late"},
		harness: func() Harness {
			return Harness{Open: intact, Volatile: true, OpenHeld: impatient}
		},
	},
	{
		name: "tells of an act before it is made", clauses: []string{"an event is never seen before its act"},
		open: func(s *memory.Store) rollcall.Store {
			return &altered{Store: s, commit: func(ctx context.Context, c rollcall.Change) (rollcall.Standing, error) {
				if storedUser(s, c.UserID).Version > 0 {
					if left, err := s.Commit(ctx, told(c.UserID, c.Events...)); err != nil {
						return left, err
					}
					pause() // for whoever follows the log
					c.Events = nil
				}
				return s.Commit(ctx, c)
			}}
		},
	},
	{
		name: "tells of a removal before it is made", clauses: []string{"an event is never seen before its act"},
		open: func(s *memory.Store) rollcall.Store {
			late := lateVerdicts(s)
			return &altered{Store: s, sweep: func(ctx context.Context, bite rollcall.Sweep) (rollcall.Swept, error) {
				decide := bite.Decide
				bite.Decide = func(w rollcall.Walked) rollcall.Verdict {
					v := decide(w)
					if v.Event != nil {
						s.Commit(background, told(w.Session.UserID, *v.Event))
						pause() // for whoever follows the log
					}
					return rollcall.Verdict{FileAt: v.FileAt, Ending: v.Ending}
				}
				return late.Sweep(ctx, bite)
			}}
		},
	},
	{
		name: "keeps all events that follow one of the future", clauses: []string{"events are removed up to a position, whatever their instants"},
		open: func(s *memory.Store) rollcall.Store {
			return &altered{Store: s, sweep: func(ctx context.Context, bite rollcall.Sweep) (rollcall.Swept, error) {
				page, _ := s.Events(ctx, rollcall.EventsAfter{Limit: math.MaxInt})
				last := ""
				for _, e := range page.Events {
					if e.Position > bite.EventsUpTo || e.Event.At.After(t0.Add(24*time.Hour)) {
						break
					}
					last = e.Position
				}
				bite.EventsUpTo = last
				return s.Sweep(ctx, bite)
			}}
		},
	},
	{name: "never says what was missed", clauses: []string{"who reads on is told what is no longer kept", modelClause}, open: func(s *memory.Store) rollcall.Store { return missesNothing(s) }},
	{
		name: "says that it missed what was kept", clauses: []string{"who reads on is told what is no longer kept", "an event is never seen before its act", modelClause},
		open: func(s *memory.Store) rollcall.Store {
			return &altered{Store: s, events: func(ctx context.Context, q rollcall.EventsAfter) (rollcall.EventPage, error) {
				page, err := s.Events(ctx, q)
				page.Missed = page.Missed || q.After == "" && len(page.Events) > 0 || len(page.Events) > 0 && page.Events[0].Number > 2
				return page, err
			}}
		},
	},
	{
		name: "takes any incarnation for its own", clauses: []string{"a position of another incarnation misses and removes nothing unseen"},
		open: func(s *memory.Store) rollcall.Store {
			own := func(position string) string {
				page, _ := s.Events(background, rollcall.EventsAfter{})
				incarnation, _, _ := strings.Cut(page.Head, "-")
				_, sequence, _ := strings.Cut(position, "-")
				return incarnation + "-" + sequence
			}
			a := asking(func(q *rollcall.EventsAfter) {
				if q.After != "" {
					q.After = own(q.After)
				}
			})(s).(*altered)
			a.sweep = func(ctx context.Context, bite rollcall.Sweep) (rollcall.Swept, error) {
				if bite.EventsUpTo != "" {
					bite.EventsUpTo = own(bite.EventsUpTo)
				}
				return s.Sweep(ctx, bite)
			}
			return a
		},
	},
}

// pages returns other pages of the log.
func pages(change func(*rollcall.EventPage)) func(*memory.Store) rollcall.Store {
	return func(s *memory.Store) rollcall.Store {
		return &altered{Store: s, events: func(ctx context.Context, q rollcall.EventsAfter) (rollcall.EventPage, error) {
			page, err := s.Events(ctx, q)
			change(&page)
			return page, err
		}}
	}
}

// asking reads what it was not asked for.
func asking(change func(*rollcall.EventsAfter)) func(*memory.Store) rollcall.Store {
	return func(s *memory.Store) rollcall.Store {
		return &altered{Store: s, events: func(ctx context.Context, q rollcall.EventsAfter) (rollcall.EventPage, error) {
			change(&q)
			return s.Events(ctx, q)
		}}
	}
}

func missesNothing(s *memory.Store) rollcall.Store {
	return pages(func(p *rollcall.EventPage) { p.Missed = false })(s)
}

// impatient opens an engine whose commits are held when their events have been given their
// positions, and that shows the events of those which are not.
func impatient(_ *testing.T, hold func(rollcall.Change)) rollcall.Store {
	s := memory.New()
	var mu sync.Mutex
	held := map[string]bool{} // ids of events
	a := pages(func(p *rollcall.EventPage) {
		mu.Lock()
		defer mu.Unlock()
		p.Events = slices.DeleteFunc(p.Events, func(e rollcall.StoredEvent) bool { return held[e.Event.ID] })
	})(s).(*altered)
	mark := func(c rollcall.Change, under bool) {
		mu.Lock()
		defer mu.Unlock()
		for _, e := range c.Events {
			held[e.ID] = under
		}
	}
	a.commit = func(ctx context.Context, c rollcall.Change) (rollcall.Standing, error) {
		mark(c, true)
		left, err := s.Commit(ctx, c)
		hold(c)
		mark(c, false)
		return left, err
	}
	return a
}
