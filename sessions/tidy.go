package sessions

import (
	"context"
	"sync"
	"time"

	"github.com/rollcall-id/rollcall"
)

// An ending of many sessions at once moves a generation and puts no session: the rows of
// these sessions stay filed under limits of their own, up to a year away. Tidying marks
// such rows as ended and files them anew. Tidying decides nothing: the sessions are over
// already. Rows that a crash leaves untidied are found by the next walk of the store.

// tidyUsers bounds the users that one bite of a walk tidies.
const tidyUsers = 100

// A tidying is the list of users whose rows are to be tidied.
type tidying struct {
	mu    sync.Mutex
	users map[string]bool
	all   bool          // the whole store: everybody's generation moved, or users has overflowed
	wake  chan struct{} // has room for one
}

// maxTidy bounds the users that are remembered one by one.
const maxTidy = 10_000

func (t *tidying) init() {
	t.users, t.wake = map[string]bool{}, make(chan struct{}, 1)
}

// user notes that a user's generation has moved.
func (t *tidying) user(id string) {
	t.mu.Lock()
	if len(t.users) < maxTidy {
		t.users[id] = true
	} else {
		t.all = true
	}
	t.mu.Unlock()
	t.notify()
}

// everybody notes that everybody's generation has moved.
func (t *tidying) everybody() {
	t.mu.Lock()
	t.all = true
	t.mu.Unlock()
	t.notify()
}

func (t *tidying) notify() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// take returns what there is to tidy and forgets it.
func (t *tidying) take() (users []string, all bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for id := range t.users {
		users = append(users, id)
	}
	all = t.all
	clear(t.users)
	t.all = false
	return users, all
}

// runTidy tidies behind endings of many until ctx is done.
func (m *Manager) runTidy(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-m.tidy.wake:
		}
		users, all := m.tidy.take()
		for i, id := range users {
			if err := m.tidyUser(ctx, id); err != nil {
				m.tidyLater(ctx, users[i:], err)
				break
			}
		}
		if all {
			if err := m.tidyAll(ctx); err != nil {
				m.tidyLater(ctx, nil, err)
				m.tidy.everybody()
			}
		}
	}
}

// tidyLater keeps what could not be tidied and waits for a sweep's interval.
func (m *Manager) tidyLater(ctx context.Context, users []string, err error) {
	if ctx.Err() != nil {
		return
	}
	m.log.Warn("could not tidy behind an ending of many, trying again", "error", err)
	for _, id := range users {
		m.tidy.user(id)
	}
	sleep(ctx, m.sweepInterval)
}

// tidyUser marks the rows of a user that a generation has ended.
func (m *Manager) tidyUser(ctx context.Context, userID string) error {
	for after := (rollcall.Position{}); ; {
		swept, err := m.biteOf(ctx, rollcall.Sweep{UserID: userID, After: after, Limit: sweepBite, Decide: func(w rollcall.Walked) rollcall.Verdict {
			if !w.Session.Outdated(&w.Standing) {
				return rollcall.Verdict{FileAt: m.fileAt(w.Session)}
			}
			return m.ended(w.Session, outdatedEnding(w.Session, &w.Standing))
		}})
		if err != nil || !swept.More {
			return err
		}
		after = swept.Next
	}
}

// tidyAll walks through the store for users with rows that a generation has ended.
func (m *Manager) tidyAll(ctx context.Context) error {
	now := m.now()
	for after := ""; ; {
		users := map[string]bool{}
		next, err := m.store.Walk(ctx, after, func(w rollcall.Walked) bool {
			if isUntidy(&w, now) {
				if len(users) >= tidyUsers && !users[w.Session.UserID] {
					return false
				}
				users[w.Session.UserID] = true
			}
			return true
		})
		if err != nil {
			return err
		}
		for id := range users {
			if err := m.tidyUser(ctx, id); err != nil {
				return err
			}
		}
		if next == "" {
			return nil
		}
		after = next
	}
}

// isUntidy reports whether a row does not say what is long so at now: that a generation has
// ended the session, or that the session came to a limit an hour ago. The latter happens when
// a stricter policy has shortened the idle time of a session in use: its row is still filed
// under the longer one. Tidying files such a row anew, and a sweep marks it.
func isUntidy(w *rollcall.Walked, now time.Time) bool {
	s := w.Session
	return s.EndedAt.IsZero() && (s.Outdated(&w.Standing) || now.Sub(s.OverAt()) > time.Hour)
}

// outdatedEnding is how a session ended that a generation has ended, as far as that can
// be told: the latest move that can have ended the session counts, or the limit that the
// session came to before.
func outdatedEnding(s *rollcall.Session, st *rollcall.Standing) rollcall.Ending {
	e := rollcall.Ending{EndedAt: st.User.GenerationAt, EndReason: st.User.GenerationReason, EndedBy: st.User.GenerationBy}
	if s.Generation.Everybody < st.Everybody.Generation && (s.Generation.User == st.User.Generation || st.Everybody.GenerationAt.After(e.EndedAt)) {
		e = rollcall.Ending{EndedAt: st.Everybody.GenerationAt, EndReason: rollcall.ReasonEverybody, EndedBy: st.Everybody.GenerationBy}
	}
	if over := s.OverAt(); e.EndedAt.IsZero() || over.Before(e.EndedAt) {
		return limitReached(s)
	}
	return e
}
