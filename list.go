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
	s, err := m.recalled(ctx, id, m.now())
	return s, failed(err)
}

// List returns a page of a user's live sessions, newest first; none for a user
// nobody has seen. Next is set exactly when another live session follows.
//
// Errors: CodeInvalid (ErrBadCursor among them), CodeUnavailable.
func (m *Manager) List(ctx context.Context, q ListQuery) (Page, error) {
	after, err := q.position()
	if err != nil {
		return Page{}, err
	}
	page, _, err := m.list(ctx, m.now(), q, after)
	return page, failed(err)
}

// EncodedList returns what encode makes of the page that List returns. It may be
// remembered while nothing has changed that the page shows: encode must depend on
// its arguments alone, and all calls of one Manager give the same one. The bytes are
// not to be changed. Errors: those of List.
func (m *Manager) EncodedList(ctx context.Context, q ListQuery, encode func(ListQuery, Page) []byte) ([]byte, error) {
	after, err := q.position()
	if err != nil {
		return nil, err
	}
	now := m.now()
	var r pageReading
	if m.cache != nil && q.From == "" {
		var body []byte
		if r, body = m.cache.reading(q, now); body != nil {
			m.cache.counted(true)
			return body, nil
		}
	}
	page, until, err := m.list(ctx, now, q, after)
	if err != nil {
		return nil, failed(err)
	}
	body := encode(q, page)
	if m.cache != nil && q.From == "" && len(page.Sessions) > 0 {
		m.cache.read(r, body, until)
	}
	return body, nil
}

// position holds the query against its bounds and reads its cursor.
func (q ListQuery) position() (after Position, err error) {
	if err := CheckUserID(q.UserID); err != nil {
		return Position{}, err
	}
	if q.Take < 1 || q.Take > MaxTake {
		return Position{}, Errorf(CodeInvalid, "A page has 1 to %d sessions", MaxTake)
	}
	if q.From == "" {
		return Position{}, nil
	}
	return DecodeCursor(q.UserID, q.From)
}

// list reads a page. If nobody acts, what it says holds until the instant it returns.
func (m *Manager) list(ctx context.Context, now time.Time, q ListQuery, after Position) (page Page, until time.Time, err error) {
	everybody, err := m.everybody(ctx)
	if err != nil {
		return Page{}, time.Time{}, err
	}
	read, err := m.pages(ctx, q.UserID)
	if err != nil {
		return Page{}, time.Time{}, err
	}
	counting := q.Total && after == Position{}
	more := false
	_, err = eachLive(ctx, read, q.Take+1, now, after, everybody, func(s *Session) bool {
		page.Total++
		if over := s.OverAt(); until.IsZero() || over.Before(until) {
			until = over
		}
		if len(page.Sessions) < q.Take {
			page.Sessions = append(page.Sessions, *s)
			return true
		}
		more = true
		return counting
	})
	if err != nil {
		return Page{}, time.Time{}, err
	}
	if more {
		page.Next = EncodeCursor(q.UserID, page.Sessions[len(page.Sessions)-1].Position())
	}
	if q.Total && !counting {
		page.Total = 0
		_, err = eachLive(ctx, read, batch, now, Position{}, everybody, func(*Session) bool { page.Total++; return true })
	}
	return page, until, err
}

// eachLive calls visit with a user's live sessions that follow after, in order,
// until it returns false. Its first read asks for limit rows, and each is judged by
// the user's row of its own moment. It returns the user's row as of the first.
func eachLive(ctx context.Context, read pageReader, limit int, now time.Time, after Position, everybody Everybody, visit func(*Session) bool) (first User, err error) {
	for reads := 0; ; reads++ {
		user, sessions, err := read(ctx, after, limit)
		if err != nil {
			return User{}, err
		}
		if reads == 0 {
			first = user
		}
		for i := range sessions {
			if s := &sessions[i]; !s.Over(now, user, everybody) && !visit(s) {
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
