package api

import (
	"encoding/json"
	"net/http"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/internal/wire"
)

// check says whether a session token is good, to an application's server: the body carries
// the token and what the server knows of its user. The address, the agent and the client
// are believed, since the caller is authenticated.
//
// 401 and 403 speak of the caller alone. The verdict about the token is 200: good, or not
// with the challenge to pass on; the same bytes for every token that is not good. 503 means
// that nobody knows.
func (d *door) check(w http.ResponseWriter, r *http.Request, by rollcall.Caller) error {
	body, ok := wire.ReadObject(w, r)
	if !ok {
		return nil
	}
	f := fields{body: body}
	f.require("token", "string")
	token := f.text("token")
	use := rollcall.Use{ClientID: f.text("client_id"), By: &by, NoTouch: !f.flagOr("touch", true)}
	use.IP, use.UserAgent = device(&f)
	use.Require = requirement(&f)
	f.refuse(checkUse(&use))
	if err := f.done(); err != nil {
		return err
	}
	s, level, err := d.manager.CheckLevel(r.Context(), token, use)
	if challenge, bad := wire.Challenge(err); bad {
		wire.WriteJSON(w, http.StatusOK, append(wire.AppendString([]byte(`{"good":false,"challenge":`), challenge), '}'))
		return nil
	}
	if err != nil {
		return err
	}
	wire.WriteJSON(w, http.StatusOK, verdict(&s, level))
	return nil
}

// checkUse holds what is to be recorded against the rules, as a creation does.
func checkUse(use *rollcall.Use) error {
	if use.IP != "" {
		if _, err := rollcall.ParseAddr(use.IP); err != nil {
			return err
		}
	}
	return rollcall.CheckClientID(use.ClientID)
}

// requirement reads acr, amr and max_age, which mean what they mean in a query.
func requirement(f *fields) rollcall.Requirement {
	values := map[string][]string{}
	for _, name := range []string{"acr", "amr"} {
		if f.has(name) {
			values[name] = []string{f.text(name)}
		}
	}
	if v, ok := f.get("max_age"); ok {
		number, _ := v.(json.Number)
		if wire.TypeName(v) != "integer" {
			f.refuse(wire.WrongType("integer", v, f.path+"max_age", ""))
		}
		values["max_age"] = []string{number.String()}
	}
	require, err := wire.ReadRequirement(values)
	if err != nil {
		f.refuse(&rollcall.Error{Code: rollcall.CodeInvalid, Message: err.Error()})
	}
	return require
}

// verdict spells a good session.
func verdict(s *rollcall.Session, level string) []byte {
	b := append(make([]byte, 0, 384), `{"good":true,"user_id":`...)
	b = wire.AppendString(b, s.UserID)
	b = wire.AppendString(append(b, `,"session_id":`...), s.ID)
	b = wire.AppendTime(append(b, `,"authenticated_at":`...), s.AuthenticatedAt)
	b = wire.AppendTime(append(b, `,"expires_at":`...), s.OverAt())
	return append(appendAuthentication(b, s, level), '}')
}
