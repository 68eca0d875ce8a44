package api

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/internal/wire"
)

// maxForm bounds a form's body, in bytes.
const maxForm = 16 << 10

// formParameters are what introspection and revocation read of a form.
var formParameters = append([]string{"token"}, wire.RequirementParameters...)

// introspect says what a session token stands for (RFC 7662), to callers with the
// scope. For anything dead it says exactly that it is not active. It records no
// use. With acr, amr or max_age it answers a good session that does not meet them
// with the challenge to pass on (RFC 9470).
func (d *door) introspect(w http.ResponseWriter, r *http.Request, _ rollcall.Caller) error {
	form, ok := readForm(w, r)
	if !ok {
		return nil
	}
	require, err := wire.ReadRequirement(form)
	if err != nil {
		return &rollcall.Error{Code: rollcall.CodeInvalid, Message: err.Error()}
	}
	s, level, err := d.manager.Inspect(r.Context(), form.Get("token"), require)
	if rollcall.ErrorCode(err) == rollcall.CodeRefused {
		wire.WriteJSON(w, http.StatusOK, []byte(`{"active":false}`))
		return nil
	}
	if err != nil {
		return err
	}
	wire.WriteJSON(w, http.StatusOK, introspection(s, level))
	return nil
}

// introspection spells an active session with the registered names (RFC 7662 2.2,
// RFC 9470 6.2, and `sid`).
func introspection(s rollcall.Session, level string) []byte {
	b := append([]byte(`{"active":true,"sub":`), wire.AppendString(nil, s.UserID)...)
	b = append(b, `,"sid":`...)
	b = wire.AppendString(b, s.ID)
	if len(s.Clients) > 0 {
		b = append(b, `,"client_id":`...)
		b = wire.AppendString(b, s.Clients[0])
	}
	b = appendSeconds(append(b, `,"iat":`...), s.CreatedAt)
	b = appendSeconds(append(b, `,"exp":`...), s.OverAt())
	b = appendSeconds(append(b, `,"auth_time":`...), s.AuthenticatedAt)
	b = append(b, `,"amr":[`...)
	for i, name := range wire.MethodNames(s.Methods) {
		if i > 0 {
			b = append(b, ',')
		}
		b = wire.AppendString(b, name)
	}
	b = append(b, ']')
	if level != "" {
		b = append(b, `,"acr":`...)
		b = wire.AppendString(b, level)
	}
	return append(b, '}')
}

func appendSeconds(b []byte, t time.Time) []byte { return strconv.AppendInt(b, t.Unix(), 10) }

// revoke ends the session of a token (RFC 7009). A token that is unknown, or not
// good any more, is revoked already.
func (d *door) revoke(w http.ResponseWriter, r *http.Request, by rollcall.Caller) error {
	form, ok := readForm(w, r)
	if !ok {
		return nil
	}
	_, err := d.manager.EndByToken(r.Context(), by, form.Get("token"))
	if err != nil && rollcall.ErrorCode(err) != rollcall.CodeRefused {
		return err
	}
	wire.WriteJSON(w, http.StatusOK, []byte("{}"))
	return nil
}

// readForm reads a form with one token. When it reports false it has answered.
func readForm(w http.ResponseWriter, r *http.Request) (url.Values, bool) {
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/x-www-form-urlencoded" {
		wire.WriteError(w, http.StatusUnsupportedMediaType, "Unsupported Media Type", "")
		return nil, false
	}
	if wire.IsEncoded(w, r) {
		wire.WriteError(w, http.StatusUnsupportedMediaType, "Unsupported Media Type", "")
		return nil, false
	}
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxForm))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		wire.WriteTooLarge(w, maxForm)
		return nil, false
	}
	var form url.Values
	if err == nil {
		form, err = wire.ParseQuery(string(data), formParameters...)
	}
	if err != nil {
		wire.WriteError(w, http.StatusBadRequest, "Invalid request payload form format", "invalid_body")
		return nil, false
	}
	if len(form["token"]) != 1 {
		wire.WritePayloadError(w, &wire.Invalid{Text: "Missing required property: token"})
		return nil, false
	}
	return form, true
}
