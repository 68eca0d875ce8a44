package api

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/internal/wire"
)

// maxForm bounds a form's body, in bytes.
const maxForm = 16 << 10

// formParameters are what introspection and revocation read of a form.
var formParameters = append([]string{"token"}, wire.RequirementParameters...)

// introspect answers callers with a management token; see lookAt.
func (d *door) introspect(w http.ResponseWriter, r *http.Request, by rollcall.Caller) error {
	return d.withForm(w, r, by, d.lookAt)
}

// revoke answers callers with a management token; see revokeToken.
func (d *door) revoke(w http.ResponseWriter, r *http.Request, by rollcall.Caller) error {
	return d.withForm(w, r, by, d.revokeToken)
}

// A tokenCall answers what somebody asks about the token in the request's parameters, of
// which that one is there.
type tokenCall func(ctx context.Context, by rollcall.Caller, parameters url.Values) ([]byte, error)

// withForm reads the request's form and answers with what the call says.
func (d *door) withForm(w http.ResponseWriter, r *http.Request, by rollcall.Caller, call tokenCall) error {
	form, ok := readForm(w, r)
	if !ok {
		return nil
	}
	body, err := call(r.Context(), by, form)
	if err == nil {
		wire.WriteJSON(w, http.StatusOK, body)
	}
	return err
}

// byClient answers clients that come with their own credentials, in the OAuth form (RFC 6749
// 5.2). The client needs the scope; scope "" stands for none.
func (d *door) byClient(scope string, call tokenCall) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		by, ok := d.authenticateClient(w, r)
		if !ok {
			return
		}
		if scope != "" && !by.Has(scope) {
			wire.WriteOAuthError(w, http.StatusForbidden, "unauthorized_client", "The client does not have the scope "+scope, "")
			return
		}
		if !r.PostForm.Has("token") {
			wire.WriteOAuthError(w, http.StatusBadRequest, "invalid_request", "Missing required parameter: token", "")
			return
		}
		body, err := call(r.Context(), by, r.PostForm)
		switch {
		case err == errNotRevocable:
			wire.WriteOAuthError(w, http.StatusBadRequest, "unsupported_token_type", errNotRevocable.Message, "")
		case err != nil:
			wire.WriteOAuthFailure(w, r, d.Logger, err)
		default:
			wire.WriteOAuth(w, http.StatusOK, body)
		}
	}
}

// ClientParameters are the parameters of the calls that clients make with their own
// credentials.
func ClientParameters() []string {
	return []string{"token", "token_type_hint", "acr", "amr", "max_age"}
}

// lookAt says what a session token stands for (RFC 7662), and for anything dead exactly that
// it is not active. No use is recorded. With acr, amr or max_age a good session that does
// not meet them is CodeInsufficient, for the challenge of RFC 9470; a requirement that
// cannot be read is CodeInvalid.
func (d *door) lookAt(ctx context.Context, _ rollcall.Caller, parameters url.Values) ([]byte, error) {
	require, err := wire.ReadRequirement(parameters)
	if err != nil {
		return nil, &rollcall.Error{Code: rollcall.CodeInvalid, Message: err.Error()}
	}
	s, level, err := d.manager.Inspect(ctx, parameters.Get("token"), require)
	if rollcall.ErrorCode(err) == rollcall.CodeRefused {
		return []byte(`{"active":false}`), nil
	}
	if err != nil {
		return nil, err
	}
	return introspection(s, level), nil
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
	return append(appendAuthentication(b, &s, level), '}')
}

// appendAuthentication appends the members amr, and acr when a level is reached.
func appendAuthentication(b []byte, s *rollcall.Session, level string) []byte {
	b = append(b, `,"amr":[`...)
	for i, name := range wire.MethodNames(s.Methods) {
		if i > 0 {
			b = append(b, ',')
		}
		b = wire.AppendString(b, name)
	}
	b = append(b, ']')
	if level != "" {
		b = wire.AppendString(append(b, `,"acr":`...), level)
	}
	return b
}

func appendSeconds(b []byte, t time.Time) []byte { return strconv.AppendInt(b, t.Unix(), 10) }

// errNotRevocable is the answer to a revocation of what may be a management token: 200 would
// say that the token is good no more.
var errNotRevocable = &rollcall.Error{Code: rollcall.CodeInvalid, Message: "A management token cannot be revoked: it ends by itself, within 24 hours"}

// revokeToken ends the session of a token (RFC 7009). A token that is unknown, or not
// good any more, is revoked already. A JWT is errNotRevocable.
func (d *door) revokeToken(ctx context.Context, by rollcall.Caller, parameters url.Values) ([]byte, error) {
	token := parameters.Get("token")
	if strings.Count(token, ".") == 2 {
		return nil, errNotRevocable
	}
	_, err := d.manager.EndByToken(ctx, by, token)
	if err != nil && rollcall.ErrorCode(err) != rollcall.CodeRefused {
		return nil, err
	}
	return []byte("{}"), nil
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
