package sessions

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/rollcall-id/rollcall"
)

// maxPause bounds the pause before an act is decided anew.
const maxPause = 20 * time.Millisecond

// A decision is what an act is to commit, given what is stored at the moment.
type decision struct {
	// change is what is to be committed; an empty one commits nothing.
	change rollcall.Change
	// more says that the change is only a part of the act, and true by itself: once the
	// change is committed, decide is called again for the rest.
	more bool
	// done is called with the standing that the commit left; nil for nothing.
	done func(rollcall.Standing)
}

// An attempt is one call of an act's decide.
type attempt struct {
	now time.Time
	// first says that no other act of this process on the user has run between the
	// beginning of the act and this call: what the caller read to learn whose the session
	// is may be decided on. The versions in the change guard against other nodes. first is
	// false when the act had to wait for its turn, after a conflict, and after a part.
	first bool
}

// act decides and commits a change to one user; "" is everybody. Acts of this process on
// one user come one after the other, those with priority before the others. When a guard
// did not hold, because another node was quicker, the act is decided again, until the
// act's time is up.
//
// When the store does not answer in time, act returns and the write goes on: the user's
// turn is given up when the write has ended, so the next act decides on what came of it.
func (m *Manager) act(ctx context.Context, userID string, p priority, decide func(ctx context.Context, a attempt) (decision, error)) error {
	bounded := within(ctx, m.writes.timeout)
	defer bounded.end()
	ctx = bounded
	leave, waited, err := m.queue.enter(ctx, userID, p)
	if err != nil {
		return failed(err)
	}
	defer func() {
		if !errors.Is(err, errOverdue) {
			leave()
		}
	}()
	first := !waited
	for conflicts := 0; ; {
		var d decision
		if d, err = decide(ctx, attempt{now: m.now(), first: first}); err != nil {
			return failed(err)
		}
		first = false
		if d.change.IsEmpty() {
			return nil
		}
		var left rollcall.Standing
		left, err = m.commit(ctx, &d.change, leave)
		switch {
		case errors.Is(err, rollcall.ErrConflict):
			conflicts++
			if pause(ctx, conflicts) != nil {
				err = errBusy
				return err
			}
		case err != nil:
			return failed(err)
		default:
			if d.done != nil {
				d.done(left)
			}
			if !d.more {
				return nil
			}
		}
	}
}

// errBusy is what an act gives whose time is up after conflicts alone.
var errBusy = &rollcall.Error{
	Code: rollcall.CodeUnavailable, Message: "Too many acts on the same user at once; nothing was changed", RetryAfter: time.Second,
}

// commit makes a change. Memory of the change's user (of everybody, for a change of nobody)
// answers nothing from before the commit until the commit has ended, also when the outcome
// is unknown. After errOverdue the commit goes on: late is called when it has ended.
func (m *Manager) commit(ctx context.Context, c *rollcall.Change, late func()) (rollcall.Standing, error) {
	var left rollcall.Standing
	act := m.committing(c.UserID)
	err := m.writes.do(ctx, func(ctx context.Context) error {
		standing, err := m.store.Commit(ctx, *c)
		if err == nil {
			act.Committed(c, &standing)
			left = standing
			m.counts.committed(c)
		}
		return err
	}, act.Ended, late)
	if err != nil {
		return rollcall.Standing{}, err // left may be written later
	}
	return left, nil
}

// pause waits a random time that grows with the number of conflicts, at most maxPause.
func pause(ctx context.Context, conflicts int) error {
	t := time.NewTimer(rand.N(min(time.Millisecond<<min(conflicts, 8), maxPause)))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// failed turns what an act met into the package's error, once.
func failed(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*rollcall.Error](err); ok {
		return err
	}
	switch {
	case errors.Is(err, rollcall.ErrNoSession):
		return &rollcall.Error{Code: rollcall.CodeNotFound, Message: "The session does not exist."}
	case errors.Is(err, errOverdue):
		return &rollcall.Error{Code: rollcall.CodeUnavailable, Message: "The store has not answered in time; the change may or may not have been made", Err: err, RetryAfter: 10 * time.Second}
	case errors.Is(err, rollcall.ErrFull):
		return &rollcall.Error{Code: rollcall.CodeUnavailable, Message: "There is no room left to store the change; nothing was changed", Err: err, RetryAfter: 10 * time.Second}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return &rollcall.Error{Code: rollcall.CodeUnavailable, Message: "The request was given up before it was done", Err: err, RetryAfter: time.Second}
	}
	return &rollcall.Error{Code: rollcall.CodeUnavailable, Message: "The store did not answer as it should; the change may or may not have been made", Err: err, RetryAfter: time.Second}
}

// put makes a session's row what the session has become, and files the row.
func (m *Manager) put(s rollcall.Session) rollcall.PutSession {
	return rollcall.PutSession{Session: s, Replaces: s.Version, FileAt: m.fileAt(&s)}
}

// moved puts a user's row as it is, which moves the row's version: every change that adds
// or ends a session carries it.
func moved(u rollcall.User) *rollcall.PutUser { return &rollcall.PutUser{User: u, Replaces: u.Version} }
