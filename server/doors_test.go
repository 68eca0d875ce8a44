package server_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/gate"
	"github.com/rollcall-id/rollcall/internal/doortest"
	"github.com/rollcall-id/rollcall/internal/wire"
	"github.com/rollcall-id/rollcall/reference/referencetest"
	"github.com/rollcall-id/rollcall/sessions"
)

// A tokenDoor is a call that takes a session's token.
type tokenDoor struct {
	call string // of the reference
	// ask makes the call with a token; id is that of the token's session.
	ask func(h http.Handler, token, id string) *httptest.ResponseRecorder
	// accepted and refused are how the answer to a good token begins, and to another:
	// status and body.
	accepted, refused string
}

const refusedToken = "401 "

func withBearer(method, path, body string, headers ...string) func(http.Handler, string, string) *httptest.ResponseRecorder {
	return func(h http.Handler, token, id string) *httptest.ResponseRecorder {
		return doortest.Serve(h, method, strings.ReplaceAll(path, "{id}", id), body, append([]string{"Authorization", "Bearer " + token}, headers...)...)
	}
}

func withCookie(path string) func(http.Handler, string, string) *httptest.ResponseRecorder {
	return func(h http.Handler, token, _ string) *httptest.ResponseRecorder {
		return doortest.Serve(h, "GET", path, "", "Cookie", wire.NewCookie("").Name+"="+token)
	}
}

// tokenDoors are all of them. management is a management token.
func tokenDoors(management string) []tokenDoor {
	form := func(path string) func(http.Handler, string, string) *httptest.ResponseRecorder {
		return func(h http.Handler, token, _ string) *httptest.ResponseRecorder {
			return doortest.Serve(h, "POST", path, url.Values{"token": {token}}.Encode(),
				"Authorization", "Bearer "+management, "Content-Type", "application/x-www-form-urlencoded")
		}
	}
	return []tokenDoor{
		{"GET /check", withBearer("GET", "/check", ""), "200 ", refusedToken},
		{"GET /check", withCookie("/check"), "200 ", refusedToken},
		{"GET /check/login", withBearer("GET", "/check/login", ""), "200 ", refusedToken},
		{"GET /check/login", withCookie("/check/login"), "200 ", refusedToken},
		{"GET /check/envoy/{path}", withBearer("GET", gate.EnvoyPrefix+"/path", ""), "200 ", refusedToken},
		{"GET /check/envoy/{path}", withCookie(gate.EnvoyPrefix + "/path"), "200 ", refusedToken},
		{"GET /check/envoy-no-touch/{path}", withBearer("GET", gate.EnvoyNoTouchPrefix+"/path", ""), "200 ", refusedToken},
		{"GET /check/envoy-no-touch/{path}", withCookie(gate.EnvoyNoTouchPrefix + "/path"), "200 ", refusedToken},
		{"POST /v1/check", func(h http.Handler, token, _ string) *httptest.ResponseRecorder {
			return doortest.Serve(h, "POST", "/v1/check", `{"token":"`+token+`"}`, "Authorization", "Bearer "+management, "Content-Type", "application/json")
		}, `200 {"good":true`, `200 {"good":false`},
		{"GET /v1/me/sessions", withBearer("GET", "/v1/me/sessions", ""), "200 ", refusedToken},
		{"DELETE /v1/me/sessions/{id}", withBearer("DELETE", "/v1/me/sessions/{id}", ""), "202 ", refusedToken},
		{"POST /v1/me/sessions/end-others", withBearer("POST", "/v1/me/sessions/end-others", ""), "202 ", refusedToken},
		{"POST /v1/sessions/end", withBearer("POST", "/v1/sessions/end", ""), "200 ", refusedToken},
		{"POST /v1/introspect", form("/v1/introspect"), `200 {"active":true`, `200 {"active":false}`},
		{"POST /v1/revoke", form("/v1/revoke"), "200 {}", "200 {}"}, // told apart by what becomes of the session
		{"POST /v1/sessions", func(h http.Handler, token, _ string) *httptest.ResponseRecorder {
			body, _ := json.Marshal(map[string]any{"user_id": "u", "authentication": map[string]any{"methods": []any{map[string]any{"name": "pwd"}}}, "replaces": token})
			return doortest.Serve(h, "POST", "/v1/sessions", string(body), "Authorization", "Bearer "+management, "Content-Type", "application/json")
		}, "201 ", "201 "},
	}
}

// TestNoDoorAcceptsATokenOfWhichOneBitOfTheSecretIsAnother holds every call that takes a
// session's token, from memory and from the store. The tokens are well formed.
func TestNoDoorAcceptsATokenOfWhichOneBitOfTheSecretIsAnother(t *testing.T) {
	for _, memory := range []int64{0, 1 << 20} {
		d := allDoors(t, sessions.Options{Memory: memory})
		h := d.Handler()
		management, err := d.Issuer.MintOffline("", rollcall.Scopes(), time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		signIn := func() (rollcall.Session, rollcall.Token) {
			s, token, err := d.Manager.Create(t.Context(), rollcall.Caller{}, rollcall.NewSession{UserID: "u"})
			if err != nil {
				t.Fatal(err)
			}
			return s, token
		}
		live := func(ids ...string) (n int) {
			for _, id := range ids {
				if _, err := d.Manager.Session(t.Context(), id); err == nil {
					n++
				}
			}
			return n
		}
		for _, door := range tokenDoors(management) {
			s, token := signIn()
			other, _ := signIn()
			is := func(w *httptest.ResponseRecorder, want string) bool {
				return strings.HasPrefix(strconv.Itoa(w.Code)+" "+w.Body.String(), want)
			}
			for bit := range 8 * len(token.Secret) {
				wrong := token
				wrong.Secret[bit/8] ^= 1 << (bit % 8)
				if w := door.ask(h, wrong.Reveal(), s.ID); !is(w, door.refused) || w.Header().Get(gate.HeaderUser) != "" {
					t.Fatalf("%s, memory %d: with another bit %d it answers %d %s", door.call, memory, bit, w.Code, w.Body)
				}
				if live(s.ID, other.ID) != 2 {
					t.Fatalf("%s, memory %d: with another bit %d it ends a session", door.call, memory, bit)
				}
			}
			ends := !strings.HasPrefix(door.call, "GET ") && door.call != "POST /v1/introspect" && door.call != "POST /v1/check"
			if w := door.ask(h, token.Reveal(), s.ID); !is(w, door.accepted) || ends != (live(s.ID, other.ID) != 2) {
				t.Errorf("%s, memory %d: the token itself is answered %d %s, and %d of 2 sessions are live", door.call, memory, w.Code, w.Body, live(s.ID, other.ID))
			}
		}
	}
}

// TestEveryCallThatTakesASessionsTokenIsAmongTheDoors keeps tokenDoors whole.
func TestEveryCallThatTakesASessionsTokenIsAmongTheDoors(t *testing.T) {
	h, _ := everything(t)
	held := map[string]bool{}
	for _, door := range tokenDoors("") {
		held[door.call] = true
	}
	for call, security := range secured(t, h) {
		if takes := security.has("sessionToken") || security.has("sessionCookie"); takes && !held[call] {
			t.Errorf("%s is not held by tokenDoors", call)
		}
	}
}

// TestTheCookieIsReadByChecksAlone makes each call of the reference with the cookie of a
// live session, and nothing else.
func TestTheCookieIsReadByChecksAlone(t *testing.T) {
	d := allDoors(t, sessions.Options{})
	h := d.Handler()
	s, token, err := d.Manager.Create(t.Context(), rollcall.Caller{}, rollcall.NewSession{UserID: "u"})
	if err != nil {
		t.Fatal(err)
	}
	for call, security := range secured(t, h) {
		method, path, _ := strings.Cut(call, " ")
		target := strings.NewReplacer("{user_id}", "u", "{id}", s.ID, "{path}", "x").Replace(path)
		w := doortest.Serve(h, method, target, "", "Cookie", d.Cookie.Name+"="+token.Reveal())
		switch {
		case security.has("sessionCookie"):
			if w.Code != http.StatusOK || !strings.HasPrefix(path, "/check") {
				t.Errorf("%s: the cookie is answered %d", call, w.Code)
			}
		case security.has("sessionToken") || security.has("managementToken"):
			if w.Code != http.StatusUnauthorized {
				t.Errorf("%s: the cookie is answered %d %s", call, w.Code, w.Body)
			}
		}
		if _, err := d.Manager.Session(t.Context(), s.ID); err != nil {
			t.Fatalf("%s: the cookie ends the session", call)
		}
	}
}

// A security is what a call may come with, as the reference says: each scheme with the
// scopes of which the token needs one.
type security []map[string][]string

func (s security) has(scheme string) bool {
	return slices.ContainsFunc(s, func(one map[string][]string) bool { _, ok := one[scheme]; return ok })
}

// secured is the security of each call of the reference, by method and path.
func secured(t *testing.T, h http.Handler) map[string]security {
	t.Helper()
	calls := map[string]security{}
	for path, operations := range documented(t, h) {
		for method, text := range operations {
			if method = strings.ToUpper(method); !slices.Contains([]string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}, method) {
				continue // what all methods have in common
			}
			var operation struct{ Security security }
			if err := json.Unmarshal(text, &operation); err != nil {
				t.Fatal(err)
			}
			if operation.Security == nil {
				operation.Security = security{{"managementToken": nil}} // the document's own
			}
			calls[method+" "+path] = operation.Security
		}
	}
	return calls
}

// scopeOf is the scope that each call with a management token asks for.
var scopeOf = map[string]string{
	"GET /api/v2/users/{user_id}/sessions":    "read:sessions",
	"DELETE /api/v2/users/{user_id}/sessions": "delete:sessions",
	"GET /api/v2/sessions/{id}":               "read:sessions",
	"PATCH /api/v2/sessions/{id}":             "update:sessions",
	"DELETE /api/v2/sessions/{id}":            "delete:sessions",
	"POST /api/v2/sessions/{id}/revoke":       "delete:sessions",
	"POST /v1/sessions":                       "create:sessions",
	"POST /v1/sessions/{id}/authentications":  "create:sessions",
	"POST /v1/sessions/end-everybody":         "end:everybody",
	"POST /v1/users/{user_id}/sessions/end":   "delete:sessions",
	"POST /v1/check":                          "check:sessions",
	"POST /v1/introspect":                     "introspect",
	"POST /v1/revoke":                         "delete:sessions",
	"POST /v1/backup":                         "backup",
}

// TestEveryCallAsksForItsScopeAndForNoOther makes each call of the reference with tokens of
// one scope, and of all but one.
func TestEveryCallAsksForItsScopeAndForNoOther(t *testing.T) {
	d := allDoors(t, sessions.Options{})
	h := referencetest.Handler(t, d.Handler())
	token := func(scopes ...string) string {
		text, err := d.Issuer.MintOffline("", scopes, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	only, without := map[string]string{}, map[string]string{}
	for _, scope := range rollcall.Scopes() {
		only[scope] = token(scope)
		without[scope] = token(slices.DeleteFunc(rollcall.Scopes(), func(s string) bool { return s == scope })...)
	}
	told := map[string]string{}
	for call, security := range secured(t, h) {
		method, path, _ := strings.Cut(call, " ")
		target := strings.NewReplacer("{user_id}", "auth0|1", "{id}", "unknown-session-01", "{path}", "x").Replace(path)
		ask := func(headers ...string) (status int, refused string) {
			w := doortest.Serve(h, method, (&url.URL{Path: target}).EscapedPath(), "", headers...)
			var answer struct{ ErrorCode, Message string }
			if w.Code == http.StatusForbidden {
				if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || answer.ErrorCode != "insufficient_scope" {
					t.Errorf("%s: %s", call, w.Body)
				}
			}
			return w.Code, answer.Message
		}
		if !security.has("managementToken") {
			if status, _ := ask("Authorization", "Bearer "+token(rollcall.Scopes()...)); security.has("sessionToken") && status != http.StatusUnauthorized {
				t.Errorf("%s: a management token is answered %d", call, status)
			}
			continue
		}
		told[call] = strings.Join(security[0]["managementToken"], " ")
		if status, _ := ask(); status != http.StatusUnauthorized {
			t.Errorf("%s: without a token it answers %d", call, status)
		}
		for _, scope := range rollcall.Scopes() {
			want := scope == scopeOf[call]
			for _, tt := range []struct {
				token string
				pass  bool
			}{{only[scope], want}, {without[scope], !want}} {
				status, refused := ask("Authorization", "Bearer "+tt.token)
				if pass := status != http.StatusUnauthorized && status != http.StatusForbidden; pass != tt.pass {
					t.Errorf("%s: a token with the scope %s alone, or with all others, is answered %d %s", call, scope, status, refused)
				}
			}
		}
	}
	if diff := cmp.Diff(scopeOf, told); diff != "" {
		t.Errorf("the reference names other scopes (-test +reference):\n%s", diff)
	}
}
