package rollcall

import (
	"context"
	"time"
)

// A ListQuery asks for a page of a user's live sessions.
type ListQuery struct {
	UserID string
	// From is a cursor that an earlier page gave, "" for the first page.
	From string
	// Take is the number of sessions at most, 1 to MaxTake.
	Take int
	// Total asks for the number of the user's live sessions as well.
	Total bool
}

// batch is how many rows are read at once where all of a user's are looked at.
const batch = 1000

// Session returns a live session. Errors: CodeNotFound, CodeUnavailable.
func (m *Manager) Session(ctx context.Context, id string) (Session, error) {
	s, _, err := m.live(ctx, id, m.now())
	return s, failed(err)
}

// List returns a page of a user's live sessions, newest first; none for a user
// nobody has seen. Next is set exactly when another live session follows.
//
// Errors: CodeInvalid (ErrBadCursor among them), CodeUnavailable.
func (m *Manager) List(ctx context.Context, q ListQuery) (Page, error) {
	if err := CheckUserID(q.UserID); err != nil {
		return Page{}, err
	}
	if q.Take < 1 || q.Take > MaxTake {
		return Page{}, Errorf(CodeInvalid, "A page has 1 to %d sessions", MaxTake)
	}
	var after Position
	if q.From != "" {
		var err error
		if after, err = DecodeCursor(q.UserID, q.From); err != nil {
			return Page{}, err
		}
	}
	page, err := m.list(ctx, q, after)
	return page, failed(err)
}

func (m *Manager) list(ctx context.Context, q ListQuery, after Position) (Page, error) {
	now := m.now()
	everybody, _, err := m.everybody(ctx)
	if err != nil {
		return Page{}, err
	}
	var page Page
	counting := q.Total && after == Position{}
	more := false
	_, err = m.eachLiveIn(ctx, q.Take+1, now, q.UserID, after, everybody, func(s Session) bool {
		page.Total++
		if len(page.Sessions) < q.Take {
			page.Sessions = append(page.Sessions, s)
			return true
		}
		more = true
		return counting
	})
	if err != nil {
		return Page{}, err
	}
	if more {
		page.Next = EncodeCursor(q.UserID, page.Sessions[len(page.Sessions)-1].Position())
	}
	if q.Total && !counting {
		if page.Total, err = m.count(ctx, now, q.UserID, everybody); err != nil {
			return Page{}, err
		}
	}
	return page, nil
}

// count returns how many live sessions the user has.
func (m *Manager) count(ctx context.Context, now time.Time, userID string, everybody Everybody) (n int, err error) {
	_, err = m.eachLive(ctx, now, userID, Position{}, everybody, func(Session) bool { n++; return true })
	return n, err
}

// eachLive calls visit with a user's live sessions that follow after, in order,
// until it returns false. It returns the user's row as of the first read.
func (m *Manager) eachLive(ctx context.Context, now time.Time, userID string, after Position, everybody Everybody, visit func(Session) bool) (User, error) {
	return m.eachLiveIn(ctx, batch, now, userID, after, everybody, visit)
}

// eachLiveIn is eachLive with the number of rows that its first read asks for.
// Each read is judged by the user's row of its own moment.
func (m *Manager) eachLiveIn(ctx context.Context, limit int, now time.Time, userID string, after Position, everybody Everybody, visit func(Session) bool) (first User, err error) {
	for reads := 0; ; reads++ {
		user, sessions, err := m.store.Sessions(ctx, userID, after, limit)
		if err != nil {
			return User{}, err
		}
		if reads == 0 {
			first = user
		}
		for i := range sessions {
			s := &sessions[i]
			m.touches.overlay(s)
			if !s.Over(now, user, everybody) && !visit(*s) {
				return first, nil
			}
		}
		if len(sessions) < limit {
			return first, nil
		}
		after = sessions[len(sessions)-1].Position()
		limit = batch
	}
}
