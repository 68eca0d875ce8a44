package sessions

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/rollcall-id/rollcall"
)

// maxAttempts bounds how often an act is decided anew. Within one process the
// queue lets no two acts on a user meet, so only other nodes and id claims can
// use attempts up.
const maxAttempts = 8

// act decides and commits a change to one user, deciding again when a version
// did not hold. decide runs alone among this process's acts on the user; a
// change without content commits nothing. When the store does not answer in time the
// turn is given up by its write, not by the act: the next one decides on what came of
// it.
func (m *Manager) act(ctx context.Context, userID string, decide func(ctx context.Context, now time.Time) (rollcall.Change, error)) error {
	bounded := within(ctx, m.writes.timeout)
	defer bounded.end()
	ctx = bounded
	leave, err := m.queue.enter(ctx, userID)
	if err != nil {
		return failed(err)
	}
	defer func() {
		if !errors.Is(err, errOverdue) {
			leave()
		}
	}()
	for attempt := range maxAttempts {
		if attempt > 0 {
			if err = pause(ctx, attempt); err != nil {
				return failed(err)
			}
		}
		var change rollcall.Change
		if change, err = decide(ctx, m.now()); err != nil {
			return failed(err)
		}
		if change.IsEmpty() {
			return nil
		}
		if err = m.commit(ctx, change, leave); !errors.Is(err, rollcall.ErrConflict) {
			return failed(err)
		}
	}
	return &rollcall.Error{Code: rollcall.CodeUnavailable, Message: "Too many acts on the same user at once; nothing was changed", RetryAfter: time.Second}
}

// commit makes a change. What is remembered of whom it concerns is no longer good
// from before the commit on until it has ended, also when its outcome is unknown. late
// is called when it has ended after all, if commit fails with errOverdue.
func (m *Manager) commit(ctx context.Context, c rollcall.Change, late func()) error {
	write := func(ctx context.Context) error { return m.store.Commit(ctx, c) }
	if m.cache == nil {
		return m.writes.do(ctx, write, func() {}, late)
	}
	ended := m.cache.Committing(c.UserID)
	return m.writes.do(ctx, func(ctx context.Context) error {
		err := write(ctx)
		if err == nil {
			m.cache.Committed(&c)
		}
		return err
	}, ended, late)
}

// pause waits a jittered time that grows with the attempt, a quarter of a
// second at most.
func pause(ctx context.Context, attempt int) error {
	t := time.NewTimer(rand.N(time.Millisecond << min(attempt, 8)))
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

// put makes a session's row what it has become.
func put(s rollcall.Session) rollcall.PutSession {
	return rollcall.PutSession{Session: s, Replaces: s.Version}
}

// moved puts a user's row as it is, which moves its version: every change of
// how many sessions a user has carries it.
func moved(u rollcall.User) *rollcall.PutUser { return &rollcall.PutUser{User: u, Replaces: u.Version} }
