package sessions

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/internal/pages"
	"github.com/rollcall-id/rollcall/internal/recall"
)

// batch is how many rows are read at once where all of a user's are looked at.
const batch = 1000

// Session returns a live session. Errors: CodeNotFound, CodeUnavailable.
func (m *Manager) Session(ctx context.Context, id string) (rollcall.Session, error) {
	s, err := m.recalled(ctx, id, m.now())
	return s, failed(err)
}

// List returns a page of a user's live sessions, newest first; none for a user
// nobody has seen. Next is set exactly when another live session follows.
//
// Errors: CodeInvalid (ErrBadCursor among them), CodeUnavailable.
func (m *Manager) List(ctx context.Context, q rollcall.ListQuery) (rollcall.Page, error) {
	after, err := q.After()
	if err != nil {
		return rollcall.Page{}, err
	}
	var sessions []rollcall.Session
	page, _, err := m.list(ctx, m.now(), q, after, func(s *rollcall.Session) { sessions = append(sessions, s.Clone()) })
	if err != nil {
		return rollcall.Page{}, failed(err)
	}
	page.Sessions, page.Total = sessions, q.TotalShown(page.Total)
	return page, nil
}

// A ListEncoder spells a page piece by piece. What it makes must depend on its
// arguments alone, and all calls of one Manager must give the same one: the whole may
// be remembered while nothing has changed that the page shows.
type ListEncoder interface {
	// AppendSession appends the i-th session of the page. The session holds during
	// the call.
	AppendSession(b []byte, i int, s *rollcall.Session) []byte
	// AppendPage appends what follows the sessions. The page has none of them; n is
	// their number.
	AppendPage(b []byte, n int, q rollcall.ListQuery, page rollcall.Page) []byte
}

// EncodedList is List, spelled: write is called once, with bytes that hold during the
// call and are not to be changed. Errors: those of List, and then write is not called.
func (m *Manager) EncodedList(ctx context.Context, q rollcall.ListQuery, encoder ListEncoder, write func(body []byte)) error {
	after, err := q.After()
	if err != nil {
		return err
	}
	now := m.now()
	scratch := spellings.Get().(*[]byte)
	defer spellings.Put(scratch)
	var fresh pages.Page
	var seen recall.Stamp
	remembers := m.cache != nil && q.From == ""
	if remembers {
		seen = m.cache.Seen(q.UserID)
		fresh = pages.NewPage(q.UserID, q.Take, q.Total, seen.User, seen.Acts, seen.Touches, seen.Everybody, now.UnixMilli())
		if known, ok := m.pages.Get(&fresh); ok {
			defer m.pages.Release(known)
			text, whole, err := m.pages.Text(scratch, known)
			if err == nil && !whole {
				next, shown, total := known.Rest()
				text = encoder.AppendPage(text, shown, q, rollcall.Page{Next: next, Total: q.TotalShown(total)})
				*scratch = text
				m.pages.KeepWhole(known, q.UserID, q.Total, text)
			}
			if err == nil {
				m.cache.Counted(true)
				write(text)
				return nil
			}
		}
	}
	b, n := (*scratch)[:0], 0
	page, until, err := m.list(ctx, now, q, after, func(s *rollcall.Session) {
		b = encoder.AppendSession(b, n, s)
		n++
	})
	if err != nil {
		return failed(err)
	}
	sessions, total := len(b), page.Total
	page.Total = q.TotalShown(total)
	b = encoder.AppendPage(b, n, q, page)
	*scratch = b
	if remembers && n > 0 {
		if fresh.Spelled(until.UnixMilli(), n, page.Next, total); m.cache.Holds(seen) {
			m.pages.Read(&fresh, b, sessions)
		}
	}
	write(b)
	return nil
}

var spellings = sync.Pool{New: func() any { return new([]byte) }}

// list shows the sessions of a page, and returns what else there is of it, the total -1
// if it was not found out. If nobody acts, that holds until the instant it returns.
func (m *Manager) list(ctx context.Context, now time.Time, q rollcall.ListQuery, after rollcall.Position, show func(*rollcall.Session)) (page rollcall.Page, until time.Time, err error) {
	everybody, err := m.everybody(ctx)
	if err != nil {
		return rollcall.Page{}, time.Time{}, err
	}
	counting := q.Total && after == rollcall.Position{}
	var last rollcall.Position
	shown, more := 0, false
	err = m.eachLive(ctx, q.UserID, q.Take+1, now, after, everybody, func(s *rollcall.Session) bool {
		page.Total++
		if over := s.OverAt(); until.IsZero() || over.Before(until) {
			until = over
		}
		if shown < q.Take {
			if shown++; shown == q.Take {
				last = rollcall.Position{CreatedAt: s.CreatedAt, ID: strings.Clone(s.ID)}
			}
			show(s)
			return true
		}
		more = true
		return counting
	})
	if err != nil {
		return rollcall.Page{}, time.Time{}, err
	}
	if more {
		page.Next = rollcall.EncodeCursor(q.UserID, last)
	}
	if more && !counting || after != (rollcall.Position{}) {
		page.Total = -1
	}
	if q.Total && !counting {
		page.Total = 0
		err = m.eachLive(ctx, q.UserID, batch, now, rollcall.Position{}, everybody, func(*rollcall.Session) bool { page.Total++; return true })
	}
	return page, until, err
}
