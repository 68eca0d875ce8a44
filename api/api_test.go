package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/api"
	"github.com/rollcall-id/rollcall/internal/doortest"
	"github.com/rollcall-id/rollcall/internal/wire"
	"github.com/rollcall-id/rollcall/reference/referencetest"
	"github.com/rollcall-id/rollcall/sessions"
	"github.com/rollcall-id/rollcall/store/memory"
	"github.com/rollcall-id/rollcall/store/storetest"
)

var t0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

type fixture struct {
	t       *testing.T
	manager *sessions.Manager
	store   *storetest.Faulty
	handler http.Handler
}

func newFixture(t *testing.T) fixture {
	t.Helper()
	f := newBareFixture(t)
	f.handler = referencetest.Handler(t, f.handler)
	return f
}

// newBareFixture does not hold what passes against the reference, which says what
// callers should send and not all that is put up with.
func newBareFixture(t *testing.T) fixture {
	t.Helper()
	store := &storetest.Faulty{Store: memory.New()}
	m, err := sessions.New(store, sessions.Options{Clock: func() time.Time { return t0 }, DerivationKeys: []rollcall.DerivationKey{{1}}})
	if err != nil {
		t.Fatal(err)
	}
	auth := func(w http.ResponseWriter, r *http.Request) (rollcall.Caller, bool) {
		scope, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok {
			wire.WriteUnauthorized(w, "Missing authentication", false)
			return rollcall.Caller{}, false
		}
		return rollcall.Caller{ID: "backend", Scopes: strings.Fields(scope)}, true
	}
	client := func(w http.ResponseWriter, r *http.Request) (rollcall.Caller, bool) {
		if err := r.ParseForm(); err != nil {
			wire.WriteOAuthError(w, http.StatusBadRequest, "invalid_request", "The request cannot be read", "")
			return rollcall.Caller{}, false
		}
		return rollcall.Caller{ID: "app", Scopes: []string{rollcall.ScopeIntrospect}}, true
	}
	return fixture{t, m, store, api.New(api.Options{
		Manager: m, Authenticate: auth, AuthenticateClient: client, Cookie: wire.NewCookie(""), Logger: slog.New(slog.DiscardHandler),
	})}
}

const everyScope = "Bearer create:sessions delete:sessions end:everybody"

func (f fixture) do(method, path, body string, headers ...string) *httptest.ResponseRecorder {
	f.t.Helper()
	if !slices.Contains(headers, "Authorization") {
		headers = append(headers, "Authorization", everyScope)
	}
	return doortest.Serve(f.handler, method, path, body, headers...)
}

// A creation is the answer to POST /v1/sessions.
type creation struct {
	Session struct {
		ID        string    `json:"id"`
		ExpiresAt time.Time `json:"expires_at"`
		Idle      time.Time `json:"idle_expires_at"`
	} `json:"session"`
	Token     string `json:"token"`
	SetCookie string `json:"set_cookie"`
}

func (f fixture) create(body string, headers ...string) creation {
	f.t.Helper()
	w := f.do("POST", "/v1/sessions", body, headers...)
	var c creation
	if err := json.Unmarshal(w.Body.Bytes(), &c); err != nil || w.Code != http.StatusCreated {
		f.t.Fatalf("%d %s %v", w.Code, w.Body, err)
	}
	return c
}

const signIn = `{"user_id":"auth0|1","client_id":"web","authentication":{"methods":[{"name":"pwd"},{"name":"mfa","type":"otp"}]},"device":{"ip":"192.0.2.1","user_agent":"curl/8"}}`

func TestCreationAnswersSessionTokenAndCookie(t *testing.T) {
	f := newFixture(t)
	w := f.do("POST", "/v1/sessions", signIn)
	if w.Code != http.StatusCreated || w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("Content-Type") != "application/json; charset=utf-8" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	var answer map[string]json.RawMessage
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		t.Fatal(err)
	}
	if len(answer) != 3 {
		t.Errorf("members %v", answer)
	}
	var id struct{ ID string }
	var token, cookie string
	for member, into := range map[string]any{"session": &id, "token": &token, "set_cookie": &cookie} {
		if err := json.Unmarshal(answer[member], into); err != nil {
			t.Fatal(err)
		}
	}
	s, err := f.manager.Session(context.Background(), id.ID)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(wire.AppendSession(nil, &s)), string(answer["session"])); diff != "" {
		t.Errorf("the session is not shown as the published API shows it:\n%s", diff)
	}
	if _, err := f.manager.Check(context.Background(), token, rollcall.Use{}); err != nil {
		t.Errorf("the token is not good: %v", err)
	}
	want := "__Host-rollcall=" + token + "; Path=/; Max-Age=604800; HttpOnly; Secure; SameSite=Lax"
	if cookie != want {
		t.Errorf("cookie %q, want %q", cookie, want)
	}
	if diff := cmp.Diff([]string{cookie}, w.Header().Values("Set-Cookie")); diff != "" {
		t.Errorf("the header (-body +header):\n%s", diff)
	}
	if w.Header().Get("Location") != "/api/v2/sessions/"+id.ID {
		t.Errorf("location %q", w.Header().Get("Location"))
	}
}

// The reference says so, and every answer here is held against it.
func TestAnAddressThatIsNotKnownMayBeEmpty(t *testing.T) {
	f := newFixture(t)
	w := f.do("POST", "/v1/sessions", `{"user_id":"u","authentication":{"methods":[{"name":"pwd"}]},"device":{"ip":""}}`)
	if w.Code != http.StatusCreated || !strings.Contains(w.Body.String(), `"initial_ip":null`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestNonPersistentCookieHasNoAge(t *testing.T) {
	f := newFixture(t)
	c := f.create(`{"user_id":"u","authentication":{"methods":[{"name":"pwd"}]},"cookie":{"mode":"non-persistent"}}`)
	if strings.Contains(c.SetCookie, "Max-Age") || strings.Contains(c.SetCookie, "Expires") {
		t.Errorf("cookie %q", c.SetCookie)
	}
}

func TestLifetimesAreSecondsAndOnlyShorten(t *testing.T) {
	f := newFixture(t)
	for _, tt := range []struct {
		ask            string
		absolute, idle time.Duration
	}{
		{`"expires_in":3600`, time.Hour, time.Hour},
		{`"expires_in":3600,"idle_expires_in":60`, time.Hour, time.Minute},
		{`"idle_expires_in":60`, 168 * time.Hour, time.Minute},
		{`"expires_in":99999999999999999999,"idle_expires_in":99999999`, 168 * time.Hour, 72 * time.Hour},
	} {
		c := f.create(`{"user_id":"u","authentication":{"methods":[{"name":"pwd"}]},` + tt.ask + `}`)
		if got := c.Session.ExpiresAt.Sub(t0); got != tt.absolute {
			t.Errorf("%s: absolute %v", tt.ask, got)
		}
		if got := c.Session.Idle.Sub(t0); got != tt.idle {
			t.Errorf("%s: idle %v", tt.ask, got)
		}
	}
}

func TestRepeatedCreationGivesTheSameAnswer(t *testing.T) {
	f := newFixture(t)
	first := f.do("POST", "/v1/sessions", signIn, "Idempotency-Key", "login-1").Body.String()
	for range 3 {
		w := f.do("POST", "/v1/sessions", signIn, "Idempotency-Key", "login-1")
		if w.Code != http.StatusCreated || w.Body.String() != first {
			t.Errorf("%d %s, want %s", w.Code, w.Body, first)
		}
	}
	other := strings.Replace(signIn, "curl/8", "curl/9", 1)
	if w := f.do("POST", "/v1/sessions", other, "Idempotency-Key", "login-1"); w.Code != http.StatusConflict {
		t.Errorf("another body: %d %s", w.Code, w.Body)
	}
	var c creation
	if err := json.Unmarshal([]byte(first), &c); err != nil {
		t.Fatal(err)
	}
	if w := f.do("POST", "/v1/sessions/end", "", "Authorization", "Bearer "+c.Token); w.Code != http.StatusOK {
		t.Errorf("end: %d %s", w.Code, w.Body)
	}
	if w := f.do("POST", "/v1/sessions", signIn, "Idempotency-Key", "login-1"); w.Code != http.StatusConflict {
		t.Errorf("after the ending: %d %s", w.Code, w.Body)
	}
}

func TestEndByTokenAnswersTheClearingCookie(t *testing.T) {
	f := newFixture(t)
	c := f.create(signIn)
	w := f.do("POST", "/v1/sessions/end", "", "Authorization", "bearer "+c.Token)
	want := `{"session_id":"` + c.Session.ID + `","set_cookie":"__Host-rollcall=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax",` +
		`"set_cookies":["__Host-rollcall=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax"]}`
	if w.Code != http.StatusOK || w.Body.String() != want || !strings.HasPrefix(w.Header().Get("Set-Cookie"), "__Host-rollcall=; Path=/; Max-Age=0") {
		t.Errorf("%d %s %v", w.Code, w.Body, w.Header())
	}
	if _, err := f.manager.Session(context.Background(), c.Session.ID); rollcall.ErrorCode(err) != rollcall.CodeNotFound {
		t.Errorf("the session lives on: %v", err)
	}
	bodies := map[string]bool{}
	unknown := rollcall.Token{ID: rollcall.NewSessionID()}.Reveal()
	for _, token := range []string{c.Token, unknown, "garbage"} {
		w := f.do("POST", "/v1/sessions/end", "", "Authorization", "Bearer "+token)
		if w.Code != http.StatusUnauthorized {
			t.Errorf("%q: %d", token, w.Code)
		}
		bodies[w.Body.String()] = true
	}
	if len(bodies) != 1 {
		t.Errorf("refusals differ: %v", bodies)
	}
	if w := f.do("POST", "/v1/sessions/end", "", "Authorization", "", "Cookie", "__Host-rollcall="+f.create(signIn).Token); w.Code != http.StatusUnauthorized {
		t.Errorf("a cookie ends a session: %d", w.Code)
	}
}

func TestEndingsOfMany(t *testing.T) {
	f := newFixture(t)
	var ids []string
	for range 3 {
		ids = append(ids, f.create(signIn).Session.ID)
	}
	live := func() (n int) {
		page, err := f.manager.List(context.Background(), rollcall.ListQuery{UserID: "auth0|1", Take: 100})
		if err != nil {
			t.Fatal(err)
		}
		return len(page.Sessions)
	}
	if w := f.do("POST", "/v1/users/auth0%7C1/sessions/end", `{"except":"`+ids[1]+`"}`); w.Code != http.StatusAccepted || live() != 1 {
		t.Errorf("all but one: %d %s, %d live", w.Code, w.Body, live())
	}
	if w := f.do("POST", "/v1/users/auth0%7C1/sessions/end", `{"except":"unknown-session-000"}`); w.Code != http.StatusNotFound || live() != 1 {
		t.Errorf("all but none of theirs: %d %s, %d live", w.Code, w.Body, live())
	}
	if w := f.do("POST", "/v1/users/auth0%7C1/sessions/end", ""); w.Code != http.StatusAccepted || live() != 0 {
		t.Errorf("all: %d %s, %d live", w.Code, w.Body, live())
	}
	f.create(signIn)
	if w := f.do("POST", "/v1/sessions/end-everybody", ""); w.Code != http.StatusAccepted || live() != 0 {
		t.Errorf("everybody: %d %s, %d live", w.Code, w.Body, live())
	}
}

func TestABadUserIDInThePathIsAPathErrorAsPublished(t *testing.T) {
	f := newFixture(t)
	const description = " on property user_id (ID of the user to get sessions for)."
	for id, text := range map[string]string{
		"%20a":                    `'Object didn't pass validation for format user-id:  a'`,
		"a%00":                    `'Object didn't pass validation for format user-id: a` + "\x00'",
		"%FF":                     `'Object didn't pass validation for format user-id: ` + "\ufffd'",
		strings.Repeat("x", 301):  `'String is too long (301 chars), maximum 300'`,
		strings.Repeat("%20", 99): `'Object didn't pass validation for format user-id: ` + strings.Repeat(" ", 64) + `'`,
	} {
		want := string(wire.AppendString([]byte(`{"statusCode":400,"error":"Bad Request","message":`), "Path validation error: "+text+description)) + `,"errorCode":"invalid_uri"}`
		for _, body := range []string{"", "{}", "nonsense", `{"except":"x"}`} {
			if w := f.do("POST", "/v1/users/"+id+"/sessions/end", body); w.Code != 400 || w.Body.String() != want {
				t.Errorf("%s: %d %s\nwant %s", id, w.Code, w.Body, want)
			}
		}
	}
}

func TestBadRequestsAreRefusedInThePublishedFormAndChangeNothing(t *testing.T) {
	f := newFixture(t)
	body := func(rest string) string {
		return `{"user_id":"u","authentication":{"methods":[{"name":"pwd"}]}` + rest + `}`
	}
	for _, tt := range []struct{ body, message string }{
		{``, `Payload validation error: 'Expected type object but found type null'.`},
		{`[]`, `Payload validation error: 'Expected type object but found type array'.`},
		{`{`, `Invalid request payload JSON format`},
		{body(`,"user_id":"v"`), `Invalid request payload JSON format`},
		{"{\"user_id\":\"\xff\"}", `Invalid request payload JSON format`},
		{`{"user_id":"\ud800","authentication":{"methods":[{"name":"pwd"}]}}`, `Invalid request payload JSON format`},
		{body(`,"session_metadata":{"a":"\udc00\ud800"}`), `Invalid request payload JSON format`},
		{`{"authentication":{"methods":[{"name":"pwd"}]}}`, `Payload validation error: 'Missing required property: user_id'.`},
		{`{"user_id":"u"}`, `Payload validation error: 'Missing required property: authentication'.`},
		{`{"user_id":"u","authentication":{}}`, `Payload validation error: 'Missing required property: methods' on property authentication.`},
		{`{"user_id":"u","authentication":{"methods":[]}}`, `Payload validation error: 'Array is too short (0), minimum 1' on property authentication.methods.`},
		{`{"user_id":"u","authentication":{"methods":[5]}}`, `Payload validation error: 'Expected type object but found type integer' on property authentication.methods[0].`},
		{`{"user_id":"u","authentication":{"methods":[{"name":"pwd"},{"type":"otp"}]}}`, `Payload validation error: 'Missing required property: name' on property authentication.methods[1].`},
		{`{"user_id":"u","authentication":{"methods":[{"name":"pwd","x":1}]}}`, `Payload validation error: 'Additional properties not allowed: x' on property authentication.methods[0].`},
		{`{"user_id":"u","authentication":{"methods":[{"name":"telepathy"}]}}`, `Unknown authentication method: telepathy`},
		{`{"user_id":5,"authentication":{"methods":[{"name":"pwd"}]}}`, `Payload validation error: 'Expected type string but found type integer' on property user_id.`},
		{`{"user_id":"","authentication":{"methods":[{"name":"pwd"}]}}`, `A user id must not be empty`},
		{`{"user_id":"a\u0000","authentication":{"methods":[{"name":"pwd"}]}}`, `A user id is valid UTF-8 without control characters and without space at either end`},
		{`{"user_id":"` + strings.Repeat("x", 301) + `","authentication":{"methods":[{"name":"pwd"}]}}`, `A user id has at most 300 characters`},
		{body(`,"foo":1,"bar":2`), `Payload validation error: 'Additional properties not allowed: foo,bar'.`},
		{body(`,"device":{"ip":"localhost"}`), `Not an IP address: localhost`},
		{body(`,"device":{"asn":"1"}`), `Payload validation error: 'Additional properties not allowed: asn' on property device.`},
		{body(`,"device":[]`), `Payload validation error: 'Expected type object but found type array' on property device.`},
		{body(`,"cookie":{}`), `Payload validation error: 'Missing required property: mode' on property cookie.`},
		{body(`,"cookie":{"mode":"eternal"}`), `Payload validation error: 'No enum match for: eternal' on property cookie.mode.`},
		{body(`,"session_metadata":{"a":1}`), `Payload validation error: 'Expected type string but found type integer' on property session_metadata.a.`},
		{body(`,"expires_in":0`), `Payload validation error: 'Value 0 is less than minimum 1' on property expires_in.`},
		{body(`,"expires_in":-99999999999999999999`), `Payload validation error: 'Value -99999999999999999999 is less than minimum 1' on property expires_in.`},
		{body(`,"expires_in":1.5`), `Payload validation error: 'Expected type integer but found type number' on property expires_in.`},
		{body(`,"expires_in":"60"`), `Payload validation error: 'Expected type integer but found type string' on property expires_in.`},
		{body(`,"id":"x"`), `A session id has 16 to 50 characters of A-Z, a-z, 0-9, _ and -`},
		{body(`,"id":""`), `A session id has 16 to 50 characters of A-Z, a-z, 0-9, _ and -`},
		{body(`,"client_id":"` + strings.Repeat("x", 65) + `"`), `A client id has at most 64 printable ASCII characters`},
		{strings.Repeat("[", 20000), `Invalid request payload JSON format`},
	} {
		w := f.do("POST", "/v1/sessions", tt.body)
		var got struct {
			StatusCode int
			Error      string
			Message    string
			ErrorCode  string
		}
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatalf("%s: %v", w.Body, err)
		}
		if w.Code != http.StatusBadRequest || got.StatusCode != w.Code || got.Error != "Bad Request" || got.Message != tt.message || got.ErrorCode != "invalid_body" {
			t.Errorf("%.200s: %d %s\nwant %s", tt.body, w.Code, w.Body, tt.message)
		}
	}
	if w := f.do("POST", "/v1/sessions", signIn, "Idempotency-Key", ""); w.Code != http.StatusBadRequest {
		t.Errorf("an empty Idempotency-Key: %d", w.Code)
	}
	if w := f.do("POST", "/v1/sessions", `{"x":"`+strings.Repeat("x", wire.MaxBody)+`"}`); w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("a huge body: %d", w.Code)
	}
	if page, err := f.manager.Events(context.Background(), rollcall.EventsAfter{Limit: 10}); err != nil || len(page.Events) > 0 {
		t.Errorf("something changed: %v %v", page.Events, err)
	}
}

func TestRoutesAndScopes(t *testing.T) {
	f := newFixture(t)
	for _, tt := range []struct {
		method, path, authorization string
		status                      int
	}{
		{"GET", "/v1/sessions", everyScope, http.StatusMethodNotAllowed},
		{"DELETE", "/v1/sessions/end", everyScope, http.StatusMethodNotAllowed},
		{"POST", "/v1/unknown", everyScope, http.StatusNotFound},
		{"POST", "/v1//sessions", everyScope, http.StatusNotFound},
		{"POST", "/v1/sessions/", everyScope, http.StatusNotFound},
		{"POST", "/v1/../v1/sessions", everyScope, http.StatusNotFound},
		{"POST", "/v1/sessions", "", http.StatusUnauthorized},
		{"POST", "/v1/sessions", "Bearer read:sessions", http.StatusForbidden},
		{"POST", "/v1/sessions/end-everybody", "Bearer delete:sessions", http.StatusForbidden},
		{"POST", "/v1/users/u/sessions/end", "Bearer create:sessions", http.StatusForbidden},
		{"POST", "/v1/check", "", http.StatusUnauthorized},
		{"POST", "/v1/check", everyScope + " introspect read:sessions", http.StatusForbidden},
		{"GET", "/v1/check", "Bearer check:sessions", http.StatusMethodNotAllowed},
	} {
		w := f.do(tt.method, tt.path, signIn, "Authorization", tt.authorization)
		if w.Code != tt.status || !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s %s: %d %s, want %d", tt.method, tt.path, w.Code, w.Body, tt.status)
		}
		if w.Code == http.StatusMethodNotAllowed && w.Header().Get("Allow") != "POST" {
			t.Errorf("%s %s: Allow %q", tt.method, tt.path, w.Header().Get("Allow"))
		}
	}
}

func TestAFurtherAuthenticationAnswersANewTokenAndCanBeRepeated(t *testing.T) {
	f := newFixture(t)
	c := f.create(signIn)
	path := "/v1/sessions/" + c.Session.ID + "/authentications"
	const body = `{"user_id":"auth0|1","authentication":{"methods":[{"name":"mfa","type":"otp"}]},"full":true,"device":{"ip":"192.0.2.2"}}`
	first := f.do("POST", path, body, "Idempotency-Key", "step-1")
	var again creation
	if err := json.Unmarshal(first.Body.Bytes(), &again); err != nil || first.Code != http.StatusOK {
		t.Fatalf("%d %s", first.Code, first.Body)
	}
	if again.Session.ID != c.Session.ID || again.Token == c.Token || !strings.Contains(again.SetCookie, again.Token) {
		t.Errorf("%s", first.Body)
	}
	if _, err := f.manager.Check(context.Background(), c.Token, rollcall.Use{}); rollcall.ErrorCode(err) != rollcall.CodeRefused {
		t.Errorf("the old token: %v", err)
	}
	if w := f.do("POST", path, body, "Idempotency-Key", "step-1"); w.Code != http.StatusOK || w.Body.String() != first.Body.String() {
		t.Errorf("repeated: %d %s\nwant %s", w.Code, w.Body, first.Body)
	}
	if w := f.do("POST", path, strings.Replace(body, "otp", "sms", 1), "Idempotency-Key", "step-1"); w.Code != http.StatusConflict {
		t.Errorf("another body: %d %s", w.Code, w.Body)
	}
	if w := f.do("POST", path, body); w.Code != http.StatusOK {
		t.Errorf("without a key: %d %s", w.Code, w.Body)
	}
	if w := f.do("POST", path, body, "Idempotency-Key", "step-1"); w.Code != http.StatusConflict {
		t.Errorf("repeated after a new token: %d %s", w.Code, w.Body)
	}
	for name, tt := range map[string]struct {
		path, body string
		status     int
	}{
		"another user":   {path, strings.Replace(body, "auth0|1", "auth0|2", 1), 400},
		"no method":      {path, `{"user_id":"auth0|1","authentication":{"methods":[]}}`, 400},
		"no user":        {path, `{"authentication":{"methods":[{"name":"pwd"}]}}`, 400},
		"a wrong type":   {path, strings.Replace(body, "true", `"true"`, 1), 400},
		"unknown member": {path, strings.Replace(body, `"full"`, `"fool"`, 1), 400},
		"no session":     {"/v1/sessions/unknown-session-000/authentications", body, 404},
	} {
		if w := f.do("POST", tt.path, tt.body); w.Code != tt.status {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
}

const formType = "application/x-www-form-urlencoded"

func TestIntrospectionSaysWhatATokenStandsFor(t *testing.T) {
	f := newFixture(t)
	c := f.create(signIn)
	ask := func(form string) *httptest.ResponseRecorder {
		return f.do("POST", "/v1/introspect", form, "Content-Type", formType, "Authorization", "Bearer introspect")
	}
	want := `{"active":true,"sub":"auth0|1","sid":"` + c.Session.ID + `","client_id":"web","iat":1772366400,"exp":1772625600,"auth_time":1772366400,"amr":["pwd","mfa"],"acr":"aal2"}`
	if w := ask("token=" + c.Token + "&token_type_hint=access_token"); w.Code != http.StatusOK || w.Body.String() != want {
		t.Errorf("%d %s\nwant %s", w.Code, w.Body, want)
	}
	for _, token := range []string{"", "garbage", rollcall.Token{ID: c.Session.ID}.Reveal()} {
		if w := ask("token=" + token); w.Code != http.StatusOK || w.Body.String() != `{"active":false}` {
			t.Errorf("%q: %d %s", token, w.Code, w.Body)
		}
	}
	if w := ask("token=" + c.Token + "&acr=aal3"); w.Code != http.StatusUnauthorized || !strings.Contains(w.Header().Get("WWW-Authenticate"), "insufficient_user_authentication") {
		t.Errorf("not enough: %d %v", w.Code, w.Header())
	}
	for name, form := range map[string]string{"no token": "", "two tokens": "token=a&token=b", "a bad age": "token=a&max_age=x", "no form": "%zz"} {
		if w := ask(form); w.Code != http.StatusBadRequest {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	if w := f.do("POST", "/v1/introspect", `{}`, "Content-Type", "application/json", "Authorization", "Bearer introspect"); w.Code != http.StatusUnsupportedMediaType {
		t.Errorf("JSON: %d", w.Code)
	}
	if w := f.do("POST", "/v1/introspect", "token=x", "Content-Type", formType); w.Code != http.StatusForbidden {
		t.Errorf("without the scope: %d", w.Code)
	}
}

func TestRevocationIs200AlsoForAnUnknownToken(t *testing.T) {
	f := newFixture(t)
	c := f.create(signIn)
	for _, token := range []string{c.Token, c.Token, "garbage"} {
		if w := f.do("POST", "/v1/revoke", "token="+token, "Content-Type", formType); w.Code != http.StatusOK {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	}
	if _, err := f.manager.Session(context.Background(), c.Session.ID); rollcall.ErrorCode(err) != rollcall.CodeNotFound {
		t.Errorf("the session lives on: %v", err)
	}
}

func TestUsersSeeAndEndTheirOwnSessions(t *testing.T) {
	f := newFixture(t)
	mine, other, third := f.create(signIn), f.create(signIn), f.create(signIn)
	stranger := f.create(strings.Replace(signIn, "auth0|1", "auth0|2", 1))
	me := []string{"Authorization", "Bearer " + mine.Token}
	var list struct {
		Sessions []struct {
			ID      string
			Current bool
		}
		Next  string
		Total int
	}
	w := f.do("GET", "/v1/me/sessions?take=2", "", me...)
	if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil || w.Code != 200 || len(list.Sessions) != 2 || list.Total != 3 || list.Next == "" {
		t.Fatalf("%d %s %v", w.Code, w.Body, err)
	}
	w = f.do("GET", "/v1/me/sessions?from="+list.Next, "", me...)
	if !strings.Contains(f.do("GET", "/v1/me/sessions", "", me...).Body.String(), `"current":true`) || w.Code != 200 {
		t.Errorf("the current one is not marked: %s", w.Body)
	}
	if w := f.do("DELETE", "/v1/me/sessions/"+stranger.Session.ID, "", me...); w.Code != 404 {
		t.Errorf("another user's: %d %s", w.Code, w.Body)
	}
	if w := f.do("DELETE", "/v1/me/sessions/"+other.Session.ID, "", me...); w.Code != 202 || w.Header().Get("Set-Cookie") != "" {
		t.Errorf("one's own: %d %s", w.Code, w.Body)
	}
	if w := f.do("POST", "/v1/me/sessions/end-others", "", me...); w.Code != 202 {
		t.Errorf("the others: %d %s", w.Code, w.Body)
	}
	for _, c := range []creation{other, third} {
		if w := f.do("GET", "/v1/me/sessions", "", "Authorization", "Bearer "+c.Token); w.Code != 401 {
			t.Errorf("an ended one lists: %d", w.Code)
		}
	}
	if w := f.do("DELETE", "/v1/me/sessions/"+mine.Session.ID, "", me...); w.Code != 202 || w.Header().Get("Set-Cookie") == "" {
		t.Errorf("the current one: %d %v", w.Code, w.Header())
	}
	if _, err := f.manager.Session(context.Background(), stranger.Session.ID); err != nil {
		t.Errorf("the stranger's session: %v", err)
	}
	for name, headers := range map[string][]string{
		"no token": {"Authorization", ""}, "a cookie": {"Authorization", "", "Cookie", "__Host-rollcall=" + stranger.Token}, "a management token": {"Authorization", "Bearer a.b.c"},
	} {
		if w := f.do("POST", "/v1/me/sessions/end-others", "", headers...); w.Code != 401 {
			t.Errorf("%s: %d", name, w.Code)
		}
	}
	const take, description = "Query validation error: '%s' on property take (Number of results per page. Defaults to 50.).", "An optional cursor from which to start the selection (exclusive)."
	for query, message := range map[string]string{
		"take=0":          fmt.Sprintf(take, "Value 0 is less than minimum 1"),
		"take=101":        fmt.Sprintf(take, "Value 101 is greater than maximum 100"),
		"take=1.5":        fmt.Sprintf(take, "Expected type integer but found type number"),
		"take=x":          fmt.Sprintf(take, "Expected type integer but found type string"),
		"take=":           fmt.Sprintf(take, "Expected type integer but found type string"),
		"take=1&take=2":   fmt.Sprintf(take, "Expected type integer but found type array"),
		"from=a&from=b":   "Query validation error: 'Expected type string but found type array' on property from (" + description + ").",
		"from=x":          rollcall.ErrBadCursor.Message,
		"take=%":          "Query validation error: 'Malformed query string'.",
		"from=a;b":        rollcall.ErrBadCursor.Message,
		"take=1&from=%zz": "Query validation error: 'Malformed query string'.",
	} {
		w := f.do("GET", "/v1/me/sessions?"+query, "", "Authorization", "Bearer "+stranger.Token)
		want := string(wire.AppendString([]byte(`{"statusCode":400,"error":"Bad Request","message":`), message)) + `,"errorCode":"invalid_query_string"}`
		if w.Code != 400 || w.Body.String() != want {
			t.Errorf("%s: %d %s\nwant %s", query, w.Code, w.Body, want)
		}
	}
	for _, query := range []string{"take=1e2", "include_totals=x", "per_page=5&page=0"} {
		if w := f.do("GET", "/v1/me/sessions?"+query, "", "Authorization", "Bearer "+stranger.Token); w.Code != 200 || !strings.Contains(w.Body.String(), `"total":1}`) {
			t.Errorf("%s: %d %s", query, w.Code, w.Body)
		}
	}
}

func TestATotalOfManySessionsIsLeftOutOfOnesOwnList(t *testing.T) {
	f := newFixture(t)
	mine := f.create(signIn)
	list := func() string {
		w := f.do("GET", "/v1/me/sessions?take=1", "", "Authorization", "Bearer "+mine.Token)
		if w.Code != 200 {
			t.Errorf("%d %s", w.Code, w.Body)
		}
		return w.Body.String()
	}
	for range 99 {
		f.create(signIn)
	}
	if body := list(); !strings.HasSuffix(body, `,"total":100}`) {
		t.Errorf("of a hundred: %s", body)
	}
	f.create(signIn)
	if body := list(); strings.Contains(body, `"total"`) || !strings.Contains(body, `"next"`) {
		t.Errorf("of more: %s", body)
	}
}

func TestEndingsCanRequireAFreshAuthentication(t *testing.T) {
	f := newFixture(t)
	now := t0
	m, err := sessions.New(memory.New(), sessions.Options{Clock: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	s, token, err := m.Create(context.Background(), rollcall.Caller{}, rollcall.NewSession{UserID: "u"})
	if err != nil {
		t.Fatal(err)
	}
	f.handler = referencetest.Handler(t, api.New(api.Options{Manager: m, Cookie: wire.NewCookie(""), Logger: slog.New(slog.DiscardHandler), EndingAge: 10 * time.Minute}))
	now = t0.Add(10*time.Minute + time.Millisecond)
	me := []string{"Authorization", "Bearer " + token.Reveal()}
	if w := f.do("GET", "/v1/me/sessions", "", me...); w.Code != 200 {
		t.Errorf("looking: %d", w.Code)
	}
	w := f.do("DELETE", "/v1/me/sessions/"+s.ID, "", me...)
	if w.Code != 401 || !strings.Contains(w.Header().Get("WWW-Authenticate"), `max_age="600"`) {
		t.Errorf("ending: %d %v", w.Code, w.Header())
	}
	now = t0.Add(10 * time.Minute)
	if w := f.do("DELETE", "/v1/me/sessions/"+s.ID, "", me...); w.Code != 202 {
		t.Errorf("ending in time: %d %s", w.Code, w.Body)
	}
}
