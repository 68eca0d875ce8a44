package rollcall

import (
	"context"
	"strings"
	"sync"
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
	var sessions []Session
	page, _, err := m.list(ctx, m.now(), q, after, func(s *Session) { sessions = append(sessions, s.clone()) })
	if err != nil {
		return Page{}, failed(err)
	}
	page.Sessions, page.Total = sessions, q.total(page.Total)
	return page, nil
}

// clone holds for longer than what a visit was given.
func (s *Session) clone() Session {
	c := *s
	c.ID, c.Initial.IP, c.Last.Origin.IP = strings.Clone(s.ID), strings.Clone(s.Initial.IP), strings.Clone(s.Last.Origin.IP)
	c.Methods, c.Clients = append([]Method(nil), s.Methods...), append([]string(nil), s.Clients...)
	c.Metadata = append([]MetadataEntry(nil), s.Metadata...)
	for i, e := range c.Metadata {
		c.Metadata[i] = MetadataEntry{strings.Clone(e.Key), strings.Clone(e.Value)}
	}
	return c
}

// A ListEncoder spells a page piece by piece. What it makes must depend on its
// arguments alone, and all calls of one Manager must give the same one: the whole may
// be remembered while nothing has changed that the page shows.
type ListEncoder interface {
	// AppendSession appends the i-th session of the page. The session holds during
	// the call.
	AppendSession(b []byte, i int, s *Session) []byte
	// AppendPage appends what follows the sessions. The page has none of them; n is
	// their number.
	AppendPage(b []byte, n int, q ListQuery, page Page) []byte
}

// EncodedList is List, spelled: write is called once, with bytes that hold during the
// call and are not to be changed. Errors: those of List, and then write is not called.
func (m *Manager) EncodedList(ctx context.Context, q ListQuery, encoder ListEncoder, write func(body []byte)) error {
	after, err := q.position()
	if err != nil {
		return err
	}
	now := m.now()
	scratch := spellings.Get().(*[]byte)
	defer spellings.Put(scratch)
	var fresh page
	remembers := m.cache != nil && q.From == ""
	if remembers {
		var known keptPage
		var ok bool
		if fresh, known, ok = m.cache.reading(q, now); ok {
			defer m.cache.pages.release(known)
			if text, err := m.cache.pages.text(scratch, known, q, encoder); err == nil {
				m.cache.counted(true)
				write(text)
				return nil
			}
		}
	}
	b, n := (*scratch)[:0], 0
	page, until, err := m.list(ctx, now, q, after, func(s *Session) {
		b = encoder.AppendSession(b, n, s)
		n++
	})
	if err != nil {
		return failed(err)
	}
	sessions, total := len(b), page.Total
	page.Total = q.total(total)
	b = encoder.AppendPage(b, n, q, page)
	*scratch = b
	if remembers && n > 0 {
		fresh.until, fresh.shown, fresh.next, fresh.total = until.UnixMilli(), n, page.Next, total
		m.cache.read(&fresh, b, sessions)
	}
	write(b)
	return nil
}

var spellings = sync.Pool{New: func() any { return new([]byte) }}

// total is what a page shows of a total that is known, or -1.
func (q ListQuery) total(known int) int {
	if q.Total {
		return known
	}
	return 0
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

// list shows the sessions of a page, and returns what else there is of it, the total -1
// if it was not found out. If nobody acts, that holds until the instant it returns.
func (m *Manager) list(ctx context.Context, now time.Time, q ListQuery, after Position, show func(*Session)) (page Page, until time.Time, err error) {
	everybody, err := m.everybody(ctx)
	if err != nil {
		return Page{}, time.Time{}, err
	}
	counting := q.Total && after == Position{}
	var last Position
	shown, more := 0, false
	err = m.eachLive(ctx, q.UserID, q.Take+1, now, after, everybody, func(s *Session) bool {
		page.Total++
		if over := s.OverAt(); until.IsZero() || over.Before(until) {
			until = over
		}
		if shown < q.Take {
			if shown++; shown == q.Take {
				last = Position{CreatedAt: s.CreatedAt, ID: strings.Clone(s.ID)}
			}
			show(s)
			return true
		}
		more = true
		return counting
	})
	if err != nil {
		return Page{}, time.Time{}, err
	}
	if more {
		page.Next = EncodeCursor(q.UserID, last)
	}
	if more && !counting || after != (Position{}) {
		page.Total = -1
	}
	if q.Total && !counting {
		page.Total = 0
		err = m.eachLive(ctx, q.UserID, batch, now, Position{}, everybody, func(*Session) bool { page.Total++; return true })
	}
	return page, until, err
}
