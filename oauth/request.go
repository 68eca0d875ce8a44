package oauth

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/rollcall-id/rollcall/internal/strictjson"
	"github.com/rollcall-id/rollcall/internal/wire"
)

// maxRequest bounds the body of a request, in bytes.
const maxRequest = 64 << 10

// credentials are what a request says of the client that sends it, in one of the ways of
// docs/published-api.md P18. Whether that is true is found out later.
type credentials struct {
	id, secret string
	basic      bool // id and secret came as HTTP Basic
	// assertion is there instead of a secret; unreadable is why it could not be read.
	assertion  *signedJWT
	unreadable error
}

// credentialNames are the parameters that credentials come in.
var credentialNames = []string{"client_id", "client_secret", "client_assertion_type", "client_assertion"}

// badRequest refuses a request in the OAuth form (RFC 6749 5.2).
func badRequest(status int, description string, args ...any) *refusal {
	return &refusal{status: status, code: "invalid_request", description: fmt.Sprintf(description, args...)}
}

// readRequest reads the client's credentials and the parameters of those names from a form
// or a JSON object. Parameters of other names are ignored, whatever they hold (RFC 6749 3.2).
func readRequest(w http.ResponseWriter, r *http.Request, names ...string) (credentials, url.Values, *refusal) {
	if wire.IsEncoded(w, r) {
		return credentials{}, nil, badRequest(http.StatusUnsupportedMediaType, "The request's body comes as it is, without a Content-Encoding")
	}
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return credentials{}, nil, badRequest(http.StatusRequestEntityTooLarge, "The request is larger than %d bytes", maxRequest)
	}
	if err != nil || !utf8.Valid(data) {
		return credentials{}, nil, badRequest(http.StatusBadRequest, "The request cannot be read")
	}
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		media = ""
	}
	names = append(names, credentialNames...)
	var values url.Values
	switch media {
	case "application/x-www-form-urlencoded":
		values, err = formValues(string(data), names)
	case "application/json":
		values, err = jsonValues(data, names)
	default:
		return credentials{}, nil, badRequest(http.StatusUnsupportedMediaType, "The request is a form or JSON")
	}
	if err != nil {
		return credentials{}, nil, badRequest(http.StatusBadRequest, "The request cannot be read: %s", err)
	}
	c, refused := readCredentials(r, values)
	return c, values, refused
}

func readCredentials(r *http.Request, values url.Values) (credentials, *refusal) {
	c := credentials{id: values.Get("client_id"), secret: values.Get("client_secret")}
	if refused := c.readBasic(r); refused != nil {
		return c, refused
	}
	kind, assertion := values.Get("client_assertion_type"), values.Get("client_assertion")
	if kind == "" && assertion == "" {
		return c, nil
	}
	switch {
	case kind != assertionType:
		return c, badRequest(http.StatusBadRequest, "The client_assertion_type is %s", assertionType)
	case assertion == "" || len(assertion) > maxToken:
		return c, badRequest(http.StatusBadRequest, "The client_assertion is missing, or longer than %d bytes", maxToken)
	case c.secret != "" || len(r.Header["Authorization"]) > 0:
		return c, badRequest(http.StatusBadRequest, "Client credentials come in one way, not in two")
	}
	t, err := readJWT(assertion)
	c.assertion, c.unreadable = &t, err
	if c.id == "" && err == nil {
		c.id = t.claims.Subject // RFC 7523 3
	}
	return c, nil
}

// readBasic adds client credentials that come as HTTP Basic, form-encoded (RFC
// 6749 2.3.1). The id may be repeated in the body, nothing else.
func (c *credentials) readBasic(r *http.Request) *refusal {
	if len(r.Header["Authorization"]) > 1 {
		return badRequest(http.StatusBadRequest, "The Authorization header comes twice")
	}
	id, secret, ok := r.BasicAuth()
	if scheme, _, _ := strings.Cut(r.Header.Get("Authorization"), " "); !ok && !strings.EqualFold(scheme, "Basic") {
		return nil
	}
	id, idErr := url.QueryUnescape(id)
	secret, secretErr := url.QueryUnescape(secret)
	if !ok || idErr != nil || secretErr != nil {
		return badRequest(http.StatusBadRequest, "The Authorization header cannot be read")
	}
	if c.secret != "" || c.id != "" && c.id != id {
		return badRequest(http.StatusBadRequest, "Client credentials come in one way, not in two")
	}
	c.id, c.secret, c.basic = id, secret, true
	return nil
}

// formValues reads parameters of a form. None of them may come twice (RFC 6749 3.2).
func formValues(data string, names []string) (url.Values, error) {
	form, err := wire.ParseQuery(data, names...)
	if err != nil {
		return nil, errors.New("not a form")
	}
	values := url.Values{}
	for _, name := range names {
		list := form[name]
		if len(list) > 1 || len(list) == 1 && !utf8.ValidString(list[0]) {
			return nil, errors.New("a parameter comes twice, or is not UTF-8")
		}
		if len(list) == 1 {
			values[name] = list
		}
	}
	return values, nil
}

// jsonValues reads parameters of a JSON object, in which null stands for one that is left
// out. One that is no text is refused: a scope that is passed over would widen the token.
func jsonValues(data []byte, names []string) (url.Values, error) {
	value, err := strictjson.Parse(data)
	object, ok := value.(strictjson.Object)
	if err != nil || !ok {
		return nil, errors.New("not a JSON object")
	}
	values := url.Values{}
	for _, name := range names {
		value, _ := object.Get(name)
		if value == nil {
			continue
		}
		text, ok := value.(string)
		if !ok {
			return nil, fmt.Errorf("%s is not a text", name)
		}
		values.Set(name, text)
	}
	return values, nil
}
