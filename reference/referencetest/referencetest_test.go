package referencetest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"

	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"
)

// A complainer notes what a test would have failed with.
type complainer struct {
	testing.TB
	said []string
}

func (c *complainer) Helper() {}

func (c *complainer) Errorf(format string, args ...any) {
	c.said = append(c.said, fmt.Sprintf(format, args...))
}

const (
	unknownRoute = `{"statusCode":404,"error":"Not Found","message":"Not Found"}`
	noSession    = `{"statusCode":404,"error":"Not Found","message":"The session does not exist.","errorCode":"inexistent_session"}`
	notAllowed   = `{"statusCode":405,"error":"Method Not Allowed","message":"Method Not Allowed"}`
)

func TestWhateverDoesNotFitTheReferenceFailsTheTest(t *testing.T) {
	for _, tt := range []struct {
		method, target, sent string
		status               int
		header               http.Header
		body, complaint      string
	}{
		{"GET", "/api/v2/users/auth0%7Ca%2Fb/sessions?take=2", "", 200, nil, `{"sessions":[]}`, ""},
		{"GET", "/api/v2/users/u/sessions", "", 200, nil, `[]`, "want object"},
		{"GET", "/api/v2/users/u/sessions", "", 200, nil, `{"sessions":[],"next":""}`, "minLength"},
		{"GET", "/api/v2/users/u/sessions", "", 200, nil, `{"sessions":[],"start":0}`, "start"},
		{"GET", "/api/v2/users/u/sessions", "", 200, nil, `{"sessions":[{"id":"first-session-0001"}]}`, "missing properties"},
		{"GET", "/api/v2/users/u/sessions?take=0", "", 200, nil, `{"sessions":[]}`, "accepted request"},
		{"GET", "/api/v2/users/u/sessions?take=0", "", 400, nil, `{"statusCode":400,"error":"Bad Request","message":"x","errorCode":"invalid_query_string"}`, ""},
		{"GET", "/api/v2/users/u/sessions", "", 200, http.Header{"Cache-Control": {"public"}}, `{"sessions":[]}`, "no-store"},
		{"GET", "/api/v2/users/u/sessions", "", 200, http.Header{"Content-Type": {"text/plain"}}, `{"sessions":[]}`, "content type"},
		{"GET", "/api/v2/users/u/sessions", "", 418, nil, `{}`, "no such status"},
		{"GET", "/api/v2/sessions/x", "", 404, nil, noSession, ""},
		{"GET", "/api/v2/sessions/x", "", 404, nil, strings.Replace(noSession, "404", "400", 1), "another status"},
		{"GET", "/api/v2/sessions/x", "", 404, nil, strings.Replace(noSession, "inexistent_session", "no_session", 1), "errorCode"},
		{"PATCH", "/api/v2/sessions/x", `{"foo":1}`, 404, nil, noSession, ""},
		{"POST", "/v1/users/u/sessions/end", `{"foo":1}`, 202, nil, `{}`, "accepted request"},
		{"POST", "/v1/users/u/sessions/end", ``, 202, nil, `{}`, ""},
		{"GET", "/unheard-of", "", 404, nil, unknownRoute, ""},
		{"GET", "/unheard-of", "", 200, nil, `{}`, "no such path"},
		{"GET", "/unheard-of", "", 404, nil, `nothing here`, "no such path"},
		{"PUT", "/api/v2/sessions/x", "", 404, nil, unknownRoute, ""},
		{"PUT", "/v1/sessions", "", 404, nil, unknownRoute, "405 is wanted"},
		{"PUT", "/v1/sessions", "", 405, http.Header{"Allow": {"POST"}}, notAllowed, ""},
		{"PUT", "/v1/sessions", "", 405, http.Header{"Allow": {"GET"}}, notAllowed, "Allow is"},
		{"PUT", "/v1/sessions", "", 200, nil, `{}`, "no such method"},
		{"DELETE", "/check", "", 503, nil, `{"statusCode":503,"error":"Service Unavailable","message":"x","errorCode":"service_unavailable"}`, ""},
		{"GET", "/check", "", 200, nil, "", "Required header"},
		{"GET", "/check", "", 302, nil, "", "no such status"},
	} {
		c := &complainer{TB: t}
		h := Handler(c, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Type", "application/json; charset=utf-8")
			w.Header().Set("Cache-Control", "no-store")
			for name, values := range tt.header {
				w.Header()[name] = values
			}
			w.WriteHeader(tt.status)
			_, _ = w.Write([]byte(tt.body))
		}))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(tt.method, tt.target, strings.NewReader(tt.sent)))
		if w.Code != tt.status || w.Body.String() != tt.body {
			t.Errorf("%s %s: handed on as %d %s", tt.method, tt.target, w.Code, w.Body)
		}
		said := strings.Join(c.said, "\n")
		if (tt.complaint == "") != (said == "") || !strings.Contains(said, tt.complaint) {
			t.Errorf("%s %s, %d %s\ncomplains %q, want %q", tt.method, tt.target, tt.status, tt.body, said, tt.complaint)
		}
	}
}

func TestEveryExampleFitsItsSchema(t *testing.T) {
	o := theOracle(t)
	tried := 0
	for _, p := range o.paths {
		for method, operation := range p.item.GetOperations().FromOldest() {
			for code, response := range operation.Responses.Codes.FromOldest() {
				status, err := strconv.Atoi(code)
				if err != nil {
					t.Fatal(err)
				}
				for media, content := range response.Content.FromOldest() {
					var bodies []string
					if content.Example != nil {
						bodies = append(bodies, inJSON(t, content.Example))
					}
					for _, example := range content.Examples.FromOldest() {
						bodies = append(bodies, inJSON(t, example.Value))
					}
					for _, body := range bodies {
						tried++
						e := exchange{
							request: httptest.NewRequest(strings.ToUpper(method), "/", nil), path: p.template, status: status, body: []byte(body),
							header: exampleHeaders(response),
						}
						e.header.Set("Content-Type", media)
						for _, complaint := range o.complaints(p, strings.ToUpper(method), e) {
							if !strings.Contains(complaint, "accepted request") { // there is none
								t.Errorf("%s %s %s: %s\n%s", method, p.template, code, body, complaint)
							}
						}
					}
				}
			}
		}
	}
	if tried < 100 {
		t.Errorf("only %d examples", tried)
	}
}

// exampleHeaders are values that the response's headers can have.
func exampleHeaders(response *v3.Response) http.Header {
	h := http.Header{}
	for name, header := range response.Headers.FromOldest() {
		schema := header.Schema.Schema()
		switch {
		case schema.Const != nil:
			h.Set(name, schema.Const.Value)
		case slices.Contains(schema.Type, "integer"):
			h.Set(name, "1")
		case name == "Location":
			h.Set(name, "/api/v2/sessions/first-session-0001")
		case name == "WWW-Authenticate" && strings.HasPrefix(schema.Pattern, "^Bearer"):
			h.Set(name, "Bearer")
		case name == "WWW-Authenticate":
			h.Set(name, `Basic realm="rollcall"`)
		default:
			h.Set(name, "")
		}
	}
	return h
}

func inJSON(t *testing.T, node interface{ Decode(any) error }) string {
	t.Helper()
	var value any
	if err := node.Decode(&value); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
