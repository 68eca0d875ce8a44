package sessions

import (
	"context"
	"time"

	"github.com/rollcall-id/rollcall"
)

const (
	// overMargin is how long after a limit a row is marked as ended: clocks of nodes
	// part by less.
	overMargin = time.Minute
	// MinRetention is the shortest time for which ended sessions are kept: an id made
	// elsewhere and an Idempotency-Key count for as long.
	MinRetention = rollcall.IdempotencyWindow
	// sweepBite is how many rows one bite looks at.
	sweepBite = 200
)

// rowRetention is how long the row of an ended session is kept: longer than events by
// more than what marks of the log's positions lie apart, so that a user's row does not go
// before the user's events.
func (m *Manager) rowRetention() time.Duration { return m.retention + m.markInterval() + overMargin }

// sweep marks what came to its limit, removes the rows of what ended longer ago than the
// retention, and events as old, bite by bite until there is no more. Nothing is done
// while the clock is in doubt.
func (m *Manager) sweep(ctx context.Context, c *clock) error {
	now := m.now()
	notes, err := m.readNotes(ctx)
	if err != nil {
		return err
	}
	trusted, err := c.agrees(ctx, now, notes)
	if err != nil {
		return err
	}
	if !trusted {
		if c.left == 0 || c.warned {
			return nil
		}
		return m.noteDoubt(ctx, now, notes, c.left)
	}
	if err := m.note(ctx, now, notes); err != nil {
		return err
	}
	upTo := notes.before(now.Add(-m.retention))
	for ctx.Err() == nil {
		swept, err := m.biteOf(ctx, rollcall.Sweep{
			SessionsBefore: now, EventsUpTo: upTo, Limit: sweepBite,
			Decide: func(w rollcall.Walked) rollcall.Verdict { return m.sweepVerdict(w.Session, &w.Standing, now) },
		})
		if err != nil || !swept.More {
			return err
		}
	}
	return ctx.Err()
}

// sweepLine is the queue's line for bites of sweeps; no user's id has a control character.
const sweepLine = "\x00sweep"

// biteOf sweeps once. Rows are judged with the uses that are not written yet. To what is
// remembered, a mark or a removal is an act on the user: the id may be another user's
// session next.
func (m *Manager) biteOf(ctx context.Context, bite rollcall.Sweep) (rollcall.Swept, error) {
	var acts []memoryAct
	decide := bite.Decide
	bite.Decide = func(w rollcall.Walked) rollcall.Verdict {
		m.overlay(w.Session)
		v := decide(w)
		if v.FileAt.IsZero() || v.Ending != nil {
			acts = append(acts, m.removing(w.Session.UserID))
		}
		return v
	}
	leave, _, err := m.queue.enter(ctx, sweepLine, ordinary)
	if err != nil {
		return rollcall.Swept{}, err
	}
	defer leave()
	swept, err := m.store.Sweep(ctx, bite)
	for i := range acts {
		acts[i].Ended()
	}
	return swept, err
}

// sweepVerdict decides about a row that a sweep meets at now. A row is first marked as
// ended, with the instant, the reason and an event, then kept, then removed in silence.
func (m *Manager) sweepVerdict(s *rollcall.Session, st *rollcall.Standing, now time.Time) rollcall.Verdict {
	if !s.EndedAt.IsZero() {
		if at := m.fileAt(s); at.After(now) {
			return rollcall.Verdict{FileAt: at}
		}
		return rollcall.Verdict{}
	}
	ending := limitReached(s)
	outdated := s.Outdated(st)
	if outdated {
		ending = outdatedEnding(s, st)
	}
	if marked := ending.EndedAt.Add(overMargin); marked.After(now) {
		return rollcall.Verdict{FileAt: marked}
	}
	v := m.ended(s, ending)
	if v.FileAt.Before(now) {
		v.FileAt = now
	}
	if !outdated { // an ending of many has left its own event
		e := lastEvent(s.Ended(ending), rollcall.Caller{})
		v.Event = &e
	}
	return v
}

// ended is the verdict that marks a row as ended and keeps the row for its time.
func (m *Manager) ended(s *rollcall.Session, e rollcall.Ending) rollcall.Verdict {
	after := s.Ended(e)
	return rollcall.Verdict{Ending: &e, FileAt: m.fileAt(&after)}
}
