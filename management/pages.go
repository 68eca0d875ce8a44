package management

import (
	"context"
	"net/http"
	"strconv"
	"sync"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/internal/pages"
	"github.com/rollcall-id/rollcall/internal/request"
	"github.com/rollcall-id/rollcall/internal/wire"
	"github.com/rollcall-id/rollcall/sessions"
)

// zipped is added to the number of a page for clients that take it compressed. Under such a
// number lies what they are sent: gzip, or the plain text of a short page.
const zipped = 1 << 16

// The tails of a listing, as the numbers of a [pages.Key]: what follows the sessions.
const (
	tailPlain = 0
	tailTotal = 1 // with the number of the user's sessions
)

func (d *Door) listUserSessions(w http.ResponseWriter, r *http.Request, _ rollcall.Caller) error {
	userID, err := wire.PathUserID(r)
	if err != nil {
		return err
	}
	q, err := readQuery(r)
	if err != nil {
		return err
	}
	q.UserID = userID
	if q.skip > 0 {
		var more bool
		if q.From, more, err = d.behind(r.Context(), userID, q.skip); err != nil {
			return err
		}
		if !more {
			wire.WriteJSON(w, http.StatusOK, []byte(`{"sessions":[]}`))
			return nil
		}
	}
	return d.list(r.Context(), w, q.ListQuery, d.compress && request.AcceptsGzip(r.Header))
}

// list answers with a page, compressed if zip is true and the page is long enough.
func (d *Door) list(ctx context.Context, w http.ResponseWriter, q rollcall.ListQuery, zip bool) error {
	buffer := buffers.Get().(*[]byte)
	defer buffers.Put(buffer)
	if d.pages != nil && q.From == "" {
		if stamp, ok := d.manager.Stamp(q.UserID); ok {
			return d.listKept(ctx, w, q, zip, stamp, buffer)
		}
	}
	l, err := d.spell(ctx, q, zip, buffer)
	if err != nil {
		return err
	}
	d.write(w, l.text)
	return nil
}

// write answers with a page, in the form that its text has.
func (d *Door) write(w http.ResponseWriter, text []byte) {
	if d.compress {
		wire.SayCoding(w.Header(), text)
	}
	wire.WriteJSON(w, http.StatusOK, text)
}

// listKept answers with a kept page, else spells one, and keeps that one if the page was
// asked for before under the same stamp, has a session, and the stamp still holds.
func (d *Door) listKept(ctx context.Context, w http.ResponseWriter, q rollcall.ListQuery, zip bool, stamp sessions.Stamp, buffer *[]byte) error {
	key := pages.Key{Owner: q.UserID, OwnerHash: stamp.UserHash(), Page: q.Take, Tail: tailPlain}
	if q.Total {
		key.Tail = tailTotal
	}
	if zip {
		key.Page += zipped
	}
	look := d.pages.Get(key, stamp.State(), d.manager.Now())
	defer look.Release()
	if text, ok := look.Text(buffer); ok {
		d.write(w, text)
		return nil
	}
	l, err := d.spell(ctx, q, zip, buffer)
	if err != nil {
		return err
	}
	if look.Wanted() && l.shown > 0 && d.manager.Holds(stamp) {
		look.Keep(&pages.Page{
			Text: l.text, Head: l.head, OtherTail: l.otherTail(q.Total),
			// Since is the present, not the instant of the request: a session that passed a
			// limit between the two is not on the page, and was to be until it did.
			Since: d.manager.Now(), Until: l.page.Until,
		})
	}
	d.write(w, l.text)
	return nil
}

// buffers are for listings that are not in kept memory.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// A listing is a page of a user's sessions, spelled (docs/published-api.md P35 to P42).
type listing struct {
	text  []byte
	head  int // bytes of the text, up to the last session; 0 when it is for a zipped page
	shown int // sessions
	page  rollcall.Page
}

// spell asks for a page and spells it into the buffer, compressed if zip is true and the page
// is long enough.
func (d *Door) spell(ctx context.Context, q rollcall.ListQuery, zip bool, buffer *[]byte) (l listing, err error) {
	b, n := append((*buffer)[:0], `{"sessions":[`...), 0
	l.page, err = d.manager.Each(ctx, q, func(s *rollcall.Session) {
		if n > 0 {
			b = append(b, ',')
		}
		b = wire.AppendSession(b, s)
		n++
	})
	if err != nil {
		return listing{}, err
	}
	l.shown, l.head = n, len(b)
	l.text = appendTail(b, &l.page, q.Total)
	*buffer = l.text
	if zip {
		l.head = 0
		if len(l.text) >= wire.MinCompressed {
			// Behind the plain text, which the buffer keeps room for.
			*buffer = wire.AppendGzip(l.text, l.text)
			l.text = (*buffer)[len(l.text):]
		}
	}
	return l, nil
}

// otherTail returns the tail that the listing's text does not have: with the total if
// hasTotal is false, else without. It returns nil when the total is not known.
func (l *listing) otherTail(hasTotal bool) []byte {
	if !hasTotal && l.page.Total < 0 {
		return nil
	}
	return appendTail(nil, &l.page, !hasTotal)
}

// appendTail appends what follows the sessions.
func appendTail(b []byte, page *rollcall.Page, total bool) []byte {
	b = append(b, ']')
	if page.Next != "" {
		b = append(b, `,"next":`...)
		b = wire.AppendString(b, page.Next)
	}
	if total {
		b = append(b, `,"total":`...)
		b = strconv.AppendInt(b, int64(page.Total), 10)
	}
	return append(b, '}')
}
