package api

import (
	"net/http"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/internal/wire"
)

// recordAuthentication records a further authentication within a session: 200 with the
// session and its new token, as a creation answers them.
func (d *door) recordAuthentication(w http.ResponseWriter, r *http.Request, by rollcall.Caller) error {
	body, ok := wire.ReadObject(w, r)
	if !ok {
		return nil
	}
	f := fields{body: body}
	f.require("user_id", "string")
	f.require("authentication", "object")
	a := rollcall.Authentication{UserID: f.text("user_id"), Full: f.flag("full")}
	if authentication, ok := f.object("authentication"); ok {
		a.Methods = methods(&authentication)
		f.take(&authentication)
	}
	a.IP, a.UserAgent = device(&f)
	err := f.done()
	if err != nil {
		return err
	}
	if a.IdempotencyKey, err = idempotencyKey(r); err != nil {
		return err
	}
	s, token, err := d.manager.Authenticate(r.Context(), by, r.PathValue("id"), a)
	if err != nil {
		return err
	}
	d.writeSignedIn(w, http.StatusOK, s, token)
	return nil
}
