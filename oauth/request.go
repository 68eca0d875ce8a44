package oauth

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"unicode/utf8"

	"github.com/rollcall-id/rollcall/internal/wire"
)

// maxTokenRequest bounds the body of a token request, in bytes.
const maxTokenRequest = 64 << 10

// A tokenRequest is what clients send in any of the encodings of docs/published-api.md P18.
type tokenRequest struct {
	grantType, clientID, clientSecret, audience, scope string
	// assertion is there instead of a secret, and vouches for the client's id.
	assertion string
}

// badRequest refuses a request in the OAuth form (RFC 6749 5.2).
func badRequest(status int, description string, args ...any) *refusal {
	return &refusal{status: status, code: "invalid_request", description: fmt.Sprintf(description, args...)}
}

func readTokenRequest(w http.ResponseWriter, r *http.Request) (tokenRequest, *refusal) {
	if wire.IsEncoded(w, r) {
		return tokenRequest{}, badRequest(http.StatusUnsupportedMediaType, "The request's body comes as it is, without a Content-Encoding")
	}
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxTokenRequest))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return tokenRequest{}, badRequest(http.StatusRequestEntityTooLarge, "The request is larger than %d bytes", maxTokenRequest)
	}
	if err != nil || !utf8.Valid(data) {
		return tokenRequest{}, badRequest(http.StatusBadRequest, "The request cannot be read")
	}
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		media = ""
	}
	var values map[string]string
	switch media {
	case "application/x-www-form-urlencoded":
		values, err = formValues(string(data))
	case "application/json":
		values, err = jsonValues(data)
	default:
		return tokenRequest{}, badRequest(http.StatusUnsupportedMediaType, "The request is a form or JSON")
	}
	if err != nil {
		return tokenRequest{}, badRequest(http.StatusBadRequest, "The request cannot be read: %s", err)
	}
	t := tokenRequest{
		grantType: values["grant_type"], clientID: values["client_id"], clientSecret: values["client_secret"],
		audience: values["audience"], scope: values["scope"], assertion: values["client_assertion"],
	}
	if t, refused := t.withBasic(r); refused != nil || t.assertion == "" && values["client_assertion_type"] == "" {
		return t, refused
	}
	return t.withAssertion(r, values["client_assertion_type"])
}

// withAssertion names the client that an assertion is of (RFC 7523 2.2). Whether it
// is true is found out later.
func (t tokenRequest) withAssertion(r *http.Request, kind string) (tokenRequest, *refusal) {
	switch _, basic := r.Header["Authorization"]; {
	case kind != assertionType:
		return t, badRequest(http.StatusBadRequest, "The client_assertion_type is %s", assertionType)
	case t.assertion == "" || len(t.assertion) > maxToken:
		return t, badRequest(http.StatusBadRequest, "The client_assertion is missing, or longer than %d bytes", maxToken)
	case t.clientSecret != "" || basic:
		return t, badRequest(http.StatusBadRequest, "Client credentials come in one way, not in two")
	}
	var c claims
	if _, _, err := parser.ParseUnverified(t.assertion, &c); err != nil {
		return t, badRequest(http.StatusBadRequest, "The client_assertion cannot be read")
	}
	if t.clientID == "" {
		t.clientID = c.Subject
	}
	return t, nil
}

// withBasic adds client credentials that come as HTTP Basic, form-encoded (RFC
// 6749 2.3.1). The id may be repeated in the body, nothing else.
func (t tokenRequest) withBasic(r *http.Request) (tokenRequest, *refusal) {
	id, secret, ok := r.BasicAuth()
	if !ok {
		return t, nil
	}
	id, idErr := url.QueryUnescape(id)
	secret, secretErr := url.QueryUnescape(secret)
	if idErr != nil || secretErr != nil {
		return t, badRequest(http.StatusBadRequest, "The Authorization header cannot be read")
	}
	if t.clientSecret != "" || t.clientID != "" && t.clientID != id {
		return t, badRequest(http.StatusBadRequest, "Client credentials come in one way, not in two")
	}
	t.clientID, t.clientSecret = id, secret
	return t, nil
}

// formValues reads a form. A parameter must not come twice (RFC 6749 3.2).
func formValues(data string) (map[string]string, error) {
	form, err := url.ParseQuery(data)
	if err != nil {
		return nil, errors.New("not a form")
	}
	values := map[string]string{}
	for name, list := range form {
		if len(list) > 1 || !utf8.ValidString(list[0]) {
			return nil, errors.New("a parameter comes twice, or is not UTF-8")
		}
		values[name] = list[0]
	}
	return values, nil
}

// tokenParameters are what is read of a token request. Each is a text; null is none.
var tokenParameters = []string{"grant_type", "client_id", "client_secret", "audience", "scope", "client_assertion", "client_assertion_type"}

// jsonValues reads one flat JSON object of strings, no name twice. Values of
// other types belong to parameters that nobody here asks for.
func jsonValues(data []byte) (map[string]string, error) {
	malformed := errors.New("not a JSON object of strings")
	d := json.NewDecoder(bytes.NewReader(data))
	if token, err := d.Token(); err != nil || token != json.Delim('{') {
		return nil, malformed
	}
	values := map[string]string{}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, malformed
		}
		value, err := d.Token()
		if _, nested := value.(json.Delim); err != nil || nested {
			return nil, malformed
		}
		if _, twice := values[name.(string)]; twice {
			return nil, malformed
		}
		text, isText := value.(string)
		if !isText && value != nil && slices.Contains(tokenParameters, name.(string)) {
			return nil, malformed
		}
		values[name.(string)] = text
	}
	if _, err := d.Token(); err != nil {
		return nil, malformed
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, malformed
	}
	return values, nil
}
