package sessions

import (
	"context"

	"github.com/rollcall-id/rollcall"
)

// When an ending returns nil it is durable, and nothing of this store accepts the session
// any more. No ending rests on a session being over for want of use without writing that
// down: a use that began in time may be written at any later moment, and must find an
// ended row.

// End ends one session. Errors: CodeNotFound when there is no live session with the id,
// CodeUnavailable.
func (m *Manager) End(ctx context.Context, by rollcall.Caller, id string, why rollcall.Reason) error {
	return m.endIf(ctx, id, why, func(*rollcall.Session) (rollcall.Caller, error) { return by, nil })
}

// EndByToken ends the session whose token this is: a log-out. A caller without an id is
// the session's own user. Errors: CodeRefused when the token is not good,
// CodeUnavailable.
func (m *Manager) EndByToken(ctx context.Context, by rollcall.Caller, token string) (rollcall.Session, error) {
	t, ok := rollcall.ParseToken(token)
	if !ok {
		return rollcall.Session{}, errRefused
	}
	var ended rollcall.Session
	err := m.endIf(ctx, t.ID, rollcall.ReasonLogout, func(s *rollcall.Session) (rollcall.Caller, error) {
		if !s.SecretHash.Matches(t.Secret) {
			return by, errRefused
		}
		ended = *s
		actor := by
		if actor.ID == "" {
			actor.ID, actor.Kind = s.UserID, rollcall.ActorUser
		}
		return actor, nil
	})
	if rollcall.ErrorCode(err) == rollcall.CodeNotFound {
		err = errRefused
	}
	return ended, err
}

// endIf ends a session unless who refuses; otherwise who says whose act it is.
//
//  1. Remembered, and live: ended unread. Everything that the ending puts is known, and
//     the version of the user's row guards what is not.
//  2. Not remembered, or remembered as over, or 1 met a conflict: the row is read. Only
//     the store may say that a session is over.
//  3. The row is neither ended nor outdated, and the session is over: the ending is
//     written, as that of the limit, and the answer is CodeNotFound.
//  4. The row is ended or outdated: CodeNotFound, once what ended the session is durable.
//     So endIf has waited for the acts on the user that were under way, and waits for
//     those on everybody.
func (m *Manager) endIf(ctx context.Context, id string, why rollcall.Reason, who func(*rollcall.Session) (rollcall.Caller, error)) error {
	if !rollcall.IsSessionID(id) {
		return failed(rollcall.ErrNoSession)
	}
	first, unread, err := m.known(ctx, id)
	if err != nil {
		return m.settled(ctx, err)
	}
	at := rollcall.At{ID: id, UserID: first.UserID, CreatedAt: first.CreatedAt}
	var over bool
	err = m.act(ctx, first.UserID, ordinary, func(ctx context.Context, a attempt) (decision, error) {
		f, blind := first, unread
		over = false
		if !a.first || blind && f.Over(a.now, &f.Standing) {
			if f, err = m.stored(ctx, at); err != nil {
				return decision{}, err
			}
			blind = false
		}
		if !f.EndedAt.IsZero() || f.Outdated(&f.Standing) {
			return decision{}, rollcall.ErrNoSession
		}
		by, err := who(&f.Session)
		if err != nil {
			return decision{}, err
		}
		over = f.Over(a.now, &f.Standing)
		return decision{change: m.ending(&f, blind, over, a, by, why)}, nil
	})
	if err == nil && over {
		err = failed(rollcall.ErrNoSession)
	}
	return m.settled(ctx, err)
}

// ending is the change that ends a session, blindly or by putting its row.
func (m *Manager) ending(f *fact, blind, over bool, a attempt, by rollcall.Caller, why rollcall.Reason) rollcall.Change {
	ending := rollcall.Ending{EndedAt: a.now, EndReason: why, EndedBy: by.ID}
	if over {
		ending = limitReached(&f.Session)
	}
	s := f.Session.Ended(ending)
	c := rollcall.Change{UserID: s.UserID, User: moved(f.Standing.User), Events: []rollcall.Event{lastEvent(s, by)}}
	if blind {
		at := rollcall.At{ID: s.ID, UserID: s.UserID, CreatedAt: s.CreatedAt}
		c.Ends = []rollcall.End{{At: at, Ending: ending, Last: s.Last, Initial: s.Initial, FileAt: m.fileAt(&s)}}
	} else {
		c.Sessions = []rollcall.PutSession{m.put(s)}
	}
	return c
}

// settled returns err, when it says that a session is not found only once no ending of
// everybody is under way.
func (m *Manager) settled(ctx context.Context, err error) error {
	err = failed(err)
	if rollcall.ErrorCode(err) == rollcall.CodeNotFound {
		if unsettled := m.settle(ctx); unsettled != nil {
			return unsettled
		}
	}
	return err
}

// settle waits until no ending of everybody and no bite of a sweep is under way: what they
// have ended may be visible before it is durable.
func (m *Manager) settle(ctx context.Context) error {
	bounded := within(ctx, m.writes.timeout)
	defer bounded.end()
	for _, line := range []string{"", sweepLine} {
		leave, _, err := m.queue.enter(bounded, line, ordinary)
		if err != nil {
			return failed(err)
		}
		leave()
	}
	return nil
}
