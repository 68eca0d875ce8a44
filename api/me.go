package api

import (
	"net/http"
	"strconv"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/internal/wire"
)

// The calls under /v1/me are for a session's own token, which comes in the
// Authorization header alone: no page elsewhere can make a browser send that.

// A selfHandler answers a request of a session's own user.
type selfHandler func(w http.ResponseWriter, r *http.Request, s rollcall.Session, by rollcall.Caller) error

// self lets the holder of a good session token pass, so often as the session may ask.
// Endings can require that the user was authenticated lately.
func (d *door) self(h selfHandler, ending bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		token, ok := bearer(w, r)
		if !ok {
			return
		}
		var require rollcall.Requirement
		if ending && d.endingAge > 0 {
			require = rollcall.Requirement{MaxAge: d.endingAge, Aged: true}
		}
		s, _, err := d.manager.Inspect(r.Context(), token, require)
		if err == nil {
			if !d.limitSelf(w, s.ID) {
				return
			}
			by := d.anonymous(r)
			by.ID, by.Kind = s.UserID, rollcall.ActorUser
			err = h(w, r, s, by)
		}
		if err != nil {
			d.Fail(w, r, err)
		}
	}
}

// maxOwnTotal is up to which number a user is told how many sessions there are: to count
// costs no more than the largest page.
const maxOwnTotal = rollcall.MaxTake

// listOwn lists the user's sessions as the published API does, with the one that
// asks marked as current, and the total if that is at most maxOwnTotal.
func (d *door) listOwn(w http.ResponseWriter, r *http.Request, current rollcall.Session, _ rollcall.Caller) error {
	values, err := wire.ParseQuery(r.URL.RawQuery, wire.ListParameters...)
	if err != nil {
		return err
	}
	q, err := wire.ListQuery(values)
	if err != nil {
		return err
	}
	q.UserID, q.Total, q.TotalUpTo = current.UserID, true, maxOwnTotal
	page, err := d.manager.List(r.Context(), q)
	if err != nil {
		return err
	}
	b := append(make([]byte, 0, 64+1024*len(page.Sessions)), `{"sessions":[`...)
	for i := range page.Sessions {
		if i > 0 {
			b = append(b, ',')
		}
		b = wire.AppendSession(b, &page.Sessions[i])
		b = append(b[:len(b)-1], `,"current":`...)
		b = append(strconv.AppendBool(b, page.Sessions[i].ID == current.ID), '}')
	}
	b = append(b, ']')
	if page.Next != "" {
		b = append(b, `,"next":`...)
		b = wire.AppendString(b, page.Next)
	}
	if page.Total >= 0 {
		b = append(b, `,"total":`...)
		b = strconv.AppendInt(b, int64(page.Total), 10)
	}
	wire.WriteJSON(w, http.StatusOK, append(b, '}'))
	return nil
}

// endOwn ends one of the user's sessions. Another user's is not found.
func (d *door) endOwn(w http.ResponseWriter, r *http.Request, current rollcall.Session, by rollcall.Caller) error {
	id := r.PathValue("id")
	s, err := d.manager.Session(r.Context(), id)
	if err == nil && s.UserID != current.UserID {
		err = &rollcall.Error{Code: rollcall.CodeNotFound, Message: "The session does not exist."}
	}
	if err == nil {
		err = d.manager.End(r.Context(), by, id, rollcall.ReasonSelf)
	}
	if err != nil {
		return err
	}
	if id == current.ID {
		w.Header().Set("Set-Cookie", d.cookie.Clear()[0])
	}
	wire.WriteJSON(w, http.StatusAccepted, []byte("{}"))
	return nil
}

// endOthers ends all of the user's sessions but the one that asks.
func (d *door) endOthers(w http.ResponseWriter, r *http.Request, current rollcall.Session, by rollcall.Caller) error {
	if err := d.manager.EndOthers(r.Context(), by, current.UserID, current.ID); err != nil {
		return err
	}
	wire.WriteJSON(w, http.StatusAccepted, []byte("{}"))
	return nil
}
