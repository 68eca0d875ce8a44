package sessions

import (
	"context"
	"strings"
	"time"

	"github.com/rollcall-id/rollcall"
)

// batch is how many rows are read at once where all of a user's are looked at.
const batch = 1000

// Session returns a live session. Errors: CodeNotFound, CodeUnavailable.
func (m *Manager) Session(ctx context.Context, id string) (rollcall.Session, error) {
	var s rollcall.Session
	var over bool
	now := m.now()
	look := m.lookFor(id)
	if !look.Use(&s, func(st *rollcall.Standing, _ time.Time) (rollcall.CheckVerdict, rollcall.Interaction) {
		over = s.Over(now, st)
		return rollcall.CheckRefused, rollcall.Interaction{}
	}) {
		f, err := m.looked(ctx, &look)
		if err != nil {
			return rollcall.Session{}, failed(err)
		}
		s, over = f.Session, f.Over(now, &f.Standing)
	}
	if over {
		return rollcall.Session{}, failed(rollcall.ErrNoSession)
	}
	return s, nil
}

// List returns a page of a user's live sessions, newest first; none for a user
// nobody has seen. Next is set exactly when another live session follows.
//
// Errors: CodeInvalid (ErrBadCursor among them), CodeUnavailable.
func (m *Manager) List(ctx context.Context, q rollcall.ListQuery) (rollcall.Page, error) {
	var sessions []rollcall.Session
	page, err := m.Each(ctx, q, func(s *rollcall.Session) { sessions = append(sessions, s.Clone()) })
	if err != nil {
		return rollcall.Page{}, err
	}
	page.Sessions = sessions
	if !q.Total {
		page.Total = 0
	}
	return page, nil
}

// Each is List for those who keep no session: it calls show with each session of the
// page, in order, and returns the page without them. A session holds during the call.
// The page's Total is also there when it was not asked for but is known; else it is -1.
//
// Errors: those of List. show may have been called before one.
func (m *Manager) Each(ctx context.Context, q rollcall.ListQuery, show func(*rollcall.Session)) (rollcall.Page, error) {
	after, err := q.After()
	if err != nil {
		return rollcall.Page{}, err
	}
	page, err := m.each(ctx, m.now(), q, after, show)
	if err != nil {
		return rollcall.Page{}, failed(err)
	}
	return page, nil
}

// each is Each at an instant, for a query whose cursor was read.
func (m *Manager) each(ctx context.Context, now time.Time, q rollcall.ListQuery, after rollcall.Position, show func(*rollcall.Session)) (page rollcall.Page, err error) {
	// enough reports that there are more sessions than are counted for a total.
	enough := func() bool { return q.TotalUpTo > 0 && page.Total > q.TotalUpTo }
	counting := q.Total && after == rollcall.Position{}
	limit := q.Take + 1
	if counting && q.TotalUpTo > 0 {
		limit = max(limit, q.TotalUpTo+1)
	}
	var last rollcall.Position
	shown, more := 0, false
	count := func(s *rollcall.Session) {
		page.Total++
		if over := s.OverAt(); page.Until.IsZero() || over.Before(page.Until) {
			page.Until = over
		}
	}
	err = m.eachLive(ctx, q.UserID, limit, now, after, func(s *rollcall.Session) bool {
		count(s)
		if shown < q.Take {
			if shown++; shown == q.Take {
				last = rollcall.Position{CreatedAt: s.CreatedAt, ID: strings.Clone(s.ID)}
			}
			show(s)
			return true
		}
		more = true
		return counting && !enough()
	})
	if err != nil {
		return rollcall.Page{}, err
	}
	if more {
		page.Next = rollcall.EncodeCursor(q.UserID, last)
	}
	if q.Total && !counting {
		page.Total = 0
		if limit = batch; q.TotalUpTo > 0 {
			limit = q.TotalUpTo + 1
		}
		err = m.eachLive(ctx, q.UserID, limit, now, rollcall.Position{}, func(s *rollcall.Session) bool {
			count(s)
			return !enough()
		})
	} else if more && !counting || after != (rollcall.Position{}) {
		page.Total = -1
	}
	if q.Total && enough() {
		page.Total = -1
	}
	return page, err
}
