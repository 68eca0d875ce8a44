package management

import (
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/internal/wire"
)

// maxRevokeID is the published bound on the id of a revoke, and of no other
// call (wire.md 3.6).
const maxRevokeID = 50

func (d *door) listUserSessions(w http.ResponseWriter, r *http.Request, _ rollcall.Caller) error {
	userID, err := wire.PathUserID(r)
	if err != nil {
		return err
	}
	q, err := listQuery(r.URL.RawQuery)
	if err != nil {
		return err
	}
	q.UserID = userID
	return d.manager.EncodedList(r.Context(), q, listing{}, func(body []byte) { wire.WriteJSON(w, http.StatusOK, body) })
}

func listQuery(raw string) (rollcall.ListQuery, error) {
	if raw == "" {
		return rollcall.ListQuery{Take: rollcall.DefaultTake}, nil
	}
	values, err := wire.ParseQuery(raw)
	if err != nil {
		return rollcall.ListQuery{}, err
	}
	q, err := wire.ListQuery(values)
	if err != nil {
		return q, err
	}
	q.Total, err = wire.IncludeTotals(values)
	return q, err
}

// A listing spells a page (wire.md 3.1).
type listing struct{}

const listingBegin = `{"sessions":[`

// AppendSession implements sessions.ListEncoder.
func (listing) AppendSession(b []byte, i int, s *rollcall.Session) []byte {
	if i == 0 {
		b = append(b, listingBegin...)
	} else {
		b = append(b, ',')
	}
	return wire.AppendSession(b, s)
}

// AppendPage implements sessions.ListEncoder.
func (listing) AppendPage(b []byte, n int, q rollcall.ListQuery, page rollcall.Page) []byte {
	if n == 0 {
		b = append(b, listingBegin...)
	}
	b = append(b, ']')
	if page.Next != "" {
		b = append(b, `,"next":`...)
		b = wire.AppendString(b, page.Next)
	}
	if q.Total {
		b = append(b, `,"total":`...)
		b = strconv.AppendInt(b, int64(page.Total), 10)
	}
	return append(b, '}')
}

func (d *door) deleteUserSessions(w http.ResponseWriter, r *http.Request, by rollcall.Caller) error {
	userID, err := wire.PathUserID(r)
	if err != nil {
		return err
	}
	if err := d.manager.EndAll(r.Context(), by, userID, rollcall.ReasonDeleted); err != nil {
		return err
	}
	accepted(w)
	return nil
}

func (d *door) getSession(w http.ResponseWriter, r *http.Request, _ rollcall.Caller) error {
	s, err := d.manager.Session(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	wire.WriteJSON(w, http.StatusOK, wire.AppendSession(nil, &s))
	return nil
}

func (d *door) updateSession(w http.ResponseWriter, r *http.Request, by rollcall.Caller) error {
	body, ok := wire.ReadObject(w, r)
	if !ok {
		return nil
	}
	metadata, err := metadataUpdate(body)
	if err != nil {
		return err
	}
	s, err := d.manager.UpdateMetadata(r.Context(), by, r.PathValue("id"), metadata)
	if err != nil {
		return err
	}
	wire.WriteJSON(w, http.StatusOK, wire.AppendSession(nil, &s))
	return nil
}

// metadataUpdate reads the body of a PATCH: session_metadata and nothing else.
func metadataUpdate(body wire.Object) ([]rollcall.MetadataEntry, error) {
	var unknown []string
	var value any
	for _, m := range body {
		if m.Name == wire.MetadataProperty {
			value = m.Value
		} else {
			unknown = append(unknown, m.Name)
		}
	}
	if len(body) == 0 {
		return nil, &wire.Invalid{Text: "Too few properties defined (0), minimum 1"}
	}
	if len(unknown) > 0 {
		return nil, &wire.Invalid{Text: "Additional properties not allowed: " + rollcall.Echo(strings.Join(unknown, ","))}
	}
	return wire.Metadata(value)
}

// deleteSession answers 202 for an unknown session too (wire.md 3.5).
func (d *door) deleteSession(w http.ResponseWriter, r *http.Request, by rollcall.Caller) error {
	err := d.manager.End(r.Context(), by, r.PathValue("id"), rollcall.ReasonDeleted)
	if err != nil && rollcall.ErrorCode(err) != rollcall.CodeNotFound {
		return err
	}
	accepted(w)
	return nil
}

func (d *door) revokeSession(w http.ResponseWriter, r *http.Request, by rollcall.Caller) error {
	id := r.PathValue("id")
	if n := utf8.RuneCountInString(id); n > maxRevokeID {
		return wire.PathError{Invalid: wire.TooLong(n, maxRevokeID, "id", "ID of the session to revoke.")}
	}
	if err := d.manager.End(r.Context(), by, id, rollcall.ReasonRevoked); err != nil {
		return err
	}
	accepted(w)
	return nil
}

func accepted(w http.ResponseWriter) { wire.WriteJSON(w, http.StatusAccepted, []byte("{}")) }
