package server_test

import (
	"context"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/internal/wire"
	"github.com/rollcall-id/rollcall/oauth"
	"github.com/rollcall-id/rollcall/reference/referencetest"
	"github.com/rollcall-id/rollcall/server"
	"github.com/rollcall-id/rollcall/sessions"
	"github.com/rollcall-id/rollcall/store/memory"
)

const unknownRoute = `{"statusCode":404,"error":"Not Found","message":"Not Found"}`

// everything is a handler of all that can be served, the backup included. What passes is
// held against the reference.
func everything(t *testing.T) (http.Handler, *oauth.Issuer) {
	t.Helper()
	d := allDoors(t, sessions.Options{})
	return referencetest.Handler(t, d.Handler()), d.Issuer
}

// allDoors are the doors of a new memory store.
func allDoors(t *testing.T, o sessions.Options) *server.Doors {
	t.Helper()
	keys, err := oauth.OpenKeys(keyDir())
	if err != nil {
		t.Fatal(err)
	}
	issuer, err := oauth.NewIssuer(oauth.Options{Keys: keys, PublicURLs: []string{"https://sessions.example.com"}})
	if err != nil {
		t.Fatal(err)
	}
	m, err := sessions.New(memory.New(), o)
	if err != nil {
		t.Fatal(err)
	}
	return &server.Doors{
		Manager: m, Issuer: issuer, Keys: keys, Cookie: wire.NewCookie(""), Logger: slog.New(slog.DiscardHandler),
		Backup: func(context.Context) (string, error) {
			dir := t.TempDir()
			return dir, os.WriteFile(filepath.Join(dir, "file"), []byte("x"), 0o600)
		},
	}
}

func call(h http.Handler, method, path string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "/", strings.NewReader(""))
	r.URL.Path, r.URL.RawPath = path, ""
	r.RequestURI = path
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// documented is the methods of each path of the reference.
func documented(t *testing.T, h http.Handler) map[string]map[string]json.RawMessage {
	t.Helper()
	var document struct {
		Paths map[string]map[string]json.RawMessage
	}
	if err := json.Unmarshal(call(h, "GET", "/openapi.json").Body.Bytes(), &document); err != nil || len(document.Paths) < 20 {
		t.Fatalf("%d paths, %v", len(document.Paths), err)
	}
	return document.Paths
}

// What the wrapped handler answers is held against the reference as well: a method
// that is not documented is one that is refused.
func TestEveryDocumentedCallIsServedAndNoOther(t *testing.T) {
	h, issuer := everything(t)
	token, err := issuer.MintOffline("", rollcall.Scopes(), 3600e9)
	if err != nil {
		t.Fatal(err)
	}
	for path, operations := range documented(t, h) {
		target := strings.NewReplacer("{user_id}", "auth0|1", "{id}", "unknown-session-01").Replace(path)
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} {
			for _, headers := range [][]string{{}, {"Authorization", "Bearer " + token}} {
				w := call(h, method, target, headers...)
				if _, ok := operations[strings.ToLower(method)]; ok && w.Body.String() == unknownRoute {
					t.Errorf("%s %s is documented and not served", method, path)
				}
			}
		}
	}
}

var route = regexp.MustCompile(`^((GET|POST|PUT|PATCH|DELETE|HEAD) )?(/[a-z.][^ ]*)$`)

// A route is always written as text, in whatever way it is registered: what looks
// like one in the doors' source must be documented.
func TestEveryRouteOfTheSourceIsDocumented(t *testing.T) {
	h, _ := everything(t)
	paths := documented(t, h)
	found := 0
	for _, dir := range []string{".", "../management", "../api", "../gate", "../oauth"} {
		files, err := filepath.Glob(dir + "/*.go")
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range slices.DeleteFunc(files, func(f string) bool {
			return strings.HasSuffix(f, "_test.go") || filepath.Base(f) == "telemetry.go" // a listener of its own
		}) {
			parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(parsed, func(n ast.Node) bool {
				literal, ok := n.(*ast.BasicLit)
				if !ok || literal.Kind != token.STRING {
					return true
				}
				text, err := strconv.Unquote(literal.Value)
				if err != nil {
					t.Fatal(err)
				}
				m := route.FindStringSubmatch(text)
				if m == nil || strings.HasSuffix(text, "/") { // a prefix, under which routes are written out
					return true
				}
				found++
				operations, ok := paths[m[3]]
				if !ok { // a prefix of whatever an application's path is
					operations, ok = paths[m[3]+"/{path}"]
				}
				if ok && m[2] != "" {
					_, ok = operations[strings.ToLower(m[2])]
				}
				if !ok {
					t.Errorf("%s: %s is not documented", file, text)
				}
				return true
			})
		}
	}
	if found < 20 {
		t.Errorf("only %d routes were found", found)
	}
}

func TestTheReferenceIsServedToEverybody(t *testing.T) {
	r := start(t)
	status, header, body := r.do("GET", r.secure+"/openapi.json", "")
	var document struct {
		Servers []struct{ URL string }
	}
	if err := json.Unmarshal([]byte(body), &document); err != nil || status != 200 || header.Get("Content-Type") != "application/json" {
		t.Fatalf("%d %v %v", status, header, err)
	}
	if len(document.Servers) != 4 || document.Servers[1].URL != r.secure || document.Servers[3].URL != r.plain {
		t.Errorf("servers %v, of %s", document.Servers, r.secure)
	}
	status, header, body = r.do("GET", r.plain+"/docs", "", "Origin", "https://elsewhere.example.com")
	if status != 200 || !strings.HasPrefix(body, "<!doctype html>") || !strings.HasPrefix(header.Get("Content-Security-Policy"), "default-src 'none'; script-src 'self'") || header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("%d %v", status, header)
	}
	for _, path := range []string{"/docs/", "/docs/../x", "/docs/x", "/docs//", "/docs/reference.css/", "/openapi.json/", "/openapi.yaml", "/docs/../openapi.json", "/docs%2Freference.css"} {
		if status, header, body := r.do("GET", r.secure+path, ""); status != 404 || body != unknownRoute || header.Get("Location") != "" {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	for _, path := range []string{"/docs", "/openapi.json"} {
		if status, header, body := r.do("HEAD", r.secure+path, ""); status != 200 || body != "" || header.Get("Content-Length") == "0" {
			t.Errorf("HEAD %s: %d %v", path, status, header)
		}
		if status, header, body := r.do("POST", r.secure+path, "{}"); status != 405 || header.Get("Allow") != "GET, HEAD" || !json.Valid([]byte(body)) {
			t.Errorf("POST %s: %d %v %s", path, status, header, body)
		}
	}
}
