package api

import (
	"net/http"
	"strconv"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/internal/strictjson"
	"github.com/rollcall-id/rollcall/internal/wire"
)

// createSession records a sign-in: 201 with the session as the published API
// shows it, its token, and the Set-Cookie value that gives a browser the token.
// The token is in no other answer, ever.
func (d *door) createSession(w http.ResponseWriter, r *http.Request, by rollcall.Caller) error {
	body, ok := wire.ReadObject(w, r)
	if !ok {
		return nil
	}
	n, err := newSession(body)
	if err != nil {
		return err
	}
	if n.IdempotencyKey, err = idempotencyKey(r); err != nil {
		return err
	}
	s, token, err := d.manager.Create(r.Context(), by, n)
	if err != nil {
		return err
	}
	w.Header().Set("Location", "/api/v2/sessions/"+s.ID)
	d.writeSignedIn(w, http.StatusCreated, s, token)
	return nil
}

// writeSignedIn answers with a session, its token and the cookie that carries it: in the
// body, and as a header that an application can pass on as it is.
func (d *door) writeSignedIn(w http.ResponseWriter, status int, s rollcall.Session, token rollcall.Token) {
	setCookie := d.cookie.Set(s, token)
	w.Header().Set("Set-Cookie", setCookie)
	b := append(make([]byte, 0, 2048), `{"session":`...)
	b = wire.AppendSession(b, &s)
	b = append(b, `,"token":`...)
	b = wire.AppendString(b, token.Reveal())
	b = append(b, `,"set_cookie":`...)
	b = wire.AppendString(b, setCookie)
	wire.WriteJSON(w, status, append(b, '}'))
}

// idempotencyKey returns the header's value, "" when it is not there. An empty
// or repeated one is a mistake of the caller, and a costly one if passed over.
func idempotencyKey(r *http.Request) (string, error) {
	values := r.Header["Idempotency-Key"]
	if len(values) == 0 {
		return "", nil
	}
	if len(values) > 1 || values[0] == "" || len(values[0]) > rollcall.MaxIdempotencyKeyLength {
		return "", rollcall.Errorf(rollcall.CodeInvalid, "An Idempotency-Key is one header of 1 to %d characters", rollcall.MaxIdempotencyKeyLength)
	}
	return values[0], nil
}

// newSession reads the body of a creation. The domain holds the values against
// its rules; here they are held against their types.
func newSession(body strictjson.Object) (rollcall.NewSession, error) {
	f := fields{body: body}
	f.require("user_id", "string")
	f.require("authentication", "object")
	n := rollcall.NewSession{
		UserID:   f.text("user_id"),
		ClientID: f.text("client_id"),
		ID:       f.text("id"),
		Replaces: f.text("replaces"),
		Asked:    rollcall.Lifetimes{Absolute: f.seconds("expires_in"), Idle: f.seconds("idle_expires_in")},
	}
	if f.has("id") && n.ID == "" {
		f.refuse(rollcall.CheckSessionID(n.ID))
	}
	if authentication, ok := f.object("authentication"); ok {
		n.Methods = methods(&authentication)
		f.take(&authentication)
	}
	n.IP, n.UserAgent = device(&f)
	if cookie, ok := f.object("cookie"); ok {
		cookie.require("mode", "string")
		mode := cookie.text("mode")
		if n.CookieMode = rollcall.CookieMode(mode); cookie.err == nil && !n.CookieMode.Valid() {
			cookie.refuse(&wire.Invalid{Text: "No enum match for: " + rollcall.Echo(mode), Property: "cookie.mode"})
		}
		f.take(&cookie)
	}
	if value, ok := f.get(wire.MetadataProperty); ok {
		var err error
		if n.Metadata, err = wire.Metadata(value); err != nil {
			f.refuse(err)
		}
	}
	return n, f.done()
}

// device reads where the user is.
func device(f *fields) (ip, userAgent string) {
	d, ok := f.object("device")
	if ok {
		ip, userAgent = d.text("ip"), d.text("user_agent")
		f.take(&d)
	}
	return ip, userAgent
}

// methods reads authentication.methods; a session is made by at least one.
func methods(f *fields) []rollcall.Method {
	f.require("methods", "array")
	value, _ := f.get("methods")
	list, ok := value.([]any)
	if !ok {
		f.refuse(wire.WrongType("array", value, f.path+"methods", "")) // unless require has refused
		return nil
	}
	if len(list) == 0 {
		f.refuse(&wire.Invalid{Text: "Array is too short (0), minimum 1", Property: f.path + "methods"})
	}
	var found []rollcall.Method
	for i, item := range list {
		path := f.path + "methods[" + strconv.Itoa(i) + "]"
		object, ok := item.(strictjson.Object)
		if !ok {
			f.refuse(wire.WrongType("object", item, path, ""))
			return nil
		}
		m := fields{body: object, path: path + "."}
		m.require("name", "string")
		found = append(found, rollcall.Method{Name: m.text("name"), Type: m.text("type")})
		f.take(&m)
	}
	return found
}
