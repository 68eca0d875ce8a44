package api_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-id/rollcall"
)

// fuzzed asks with a body of whatever kind, and returns an answer that is JSON and no
// defect of the server.
func (f fixture) fuzzed(t *testing.T, path, contentType, body string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest("POST", path, strings.NewReader(body))
	r.Header["Authorization"] = []string{everyScope + " introspect"}
	r.Header["Content-Type"] = []string{contentType}
	for i := 0; i < len(header); i += 2 {
		r.Header[header[i]] = []string{header[i+1]}
	}
	w := httptest.NewRecorder()
	f.handler.ServeHTTP(w, r)
	if !json.Valid(w.Body.Bytes()) || w.Code >= 500 {
		t.Fatalf("%s %q: %d %s", path, body, w.Code, w.Body)
	}
	return w
}

// Whatever the body of a creation, it is refused, or there is a session that is what
// it says, within bounds, and its token is good.
func FuzzCreateSession(f *testing.F) {
	for _, seed := range []string{
		signIn,
		`{"user_id":"u","authentication":{"methods":[{"name":"pwd"}]},"id":"0123456789abcdefg","expires_in":60,"idle_expires_in":1,"cookie":{"mode":"non-persistent"},"session_metadata":{"a":"b"}}`,
		`{"user_id":"u","authentication":{"methods":[{"name":"https://example.com/x"}]},"replaces":"rcs_x","device":{"ip":""}}`,
		`{"user_id":"\ud800","authentication":{"methods":[]}}`, `[]`, `{`,
	} {
		f.Add("application/json", seed)
	}
	f.Add("text/plain; x", signIn)
	f.Fuzz(func(t *testing.T, contentType, body string) {
		fix := newBareFixture(t)
		w := fix.fuzzed(t, "/v1/sessions", contentType, body)
		if w.Code != http.StatusCreated {
			return
		}
		var c creation
		var asked struct {
			UserID string `json:"user_id"`
			ID     string
		}
		if err := json.Unmarshal(w.Body.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(body), &asked); err != nil {
			t.Fatalf("%q: %v", body, err)
		}
		s, err := fix.manager.Check(context.Background(), c.Token, rollcall.Use{})
		if err != nil || s.UserID != asked.UserID || asked.ID != "" && s.ID != asked.ID || s.ID != c.Session.ID {
			t.Errorf("%q makes %+v, %v", body, s, err)
		}
		if rollcall.CheckUserID(s.UserID) != nil || rollcall.CheckMethods(s.Methods) != nil || rollcall.CheckMetadata(s.Metadata) != nil || rollcall.CheckClientID(strings.Join(s.Clients, "")) != nil ||
			s.ExpiresAt.Sub(t0) > rollcall.DefaultPolicy().Persistent.Absolute || s.Last.IdleExpiresAt.After(s.ExpiresAt) {
			t.Errorf("%q is accepted as %+v", body, s)
		}
	})
}

// The same key and body give the same answer, and a key that cannot be one is refused
// before anything is made.
func FuzzIdempotencyKey(f *testing.F) {
	for _, seed := range []string{"login-1", "", " ", strings.Repeat("k", rollcall.MaxIdempotencyKeyLength), strings.Repeat("k", rollcall.MaxIdempotencyKeyLength+1), "\xff\x00"} {
		f.Add(seed, seed+"2")
	}
	f.Fuzz(func(t *testing.T, key, other string) {
		fix := newBareFixture(t)
		first := fix.fuzzed(t, "/v1/sessions", "application/json", signIn, "Idempotency-Key", key)
		bad := key == "" || len(key) > rollcall.MaxIdempotencyKeyLength
		if bad != (first.Code == http.StatusBadRequest) || !bad && first.Code != http.StatusCreated {
			t.Fatalf("%q: %d %s", key, first.Code, first.Body)
		}
		again := fix.fuzzed(t, "/v1/sessions", "application/json", signIn, "Idempotency-Key", key)
		if diff := cmp.Diff(first.Body.String(), again.Body.String()); diff != "" || first.Code != again.Code {
			t.Errorf("%q: another answer: %s", key, diff)
		}
		if w := fix.fuzzed(t, "/v1/sessions", "application/json", signIn, "Idempotency-Key", other); other != key && w.Code == http.StatusCreated && w.Body.String() == first.Body.String() {
			t.Errorf("%q and %q are one key", key, other)
		}
	})
}

// Nothing that is no token of a session is answered with one, or ends anything,
// whatever the body of whatever call.
func FuzzBodies(f *testing.F) {
	const form = "application/x-www-form-urlencoded"
	for _, seed := range [][2]string{
		{"application/json", `{"except":"x"}`},
		{"application/json", `{"user_id":"auth0|2","authentication":{"methods":[{"name":"mfa","type":"otp"}]},"full":true}`},
		{"application/json", `{"user_id":"auth0|1","authentication":{"methods":[{"name":"mfa"}]},"device":{"ip":"192.0.2.1"}}`},
		{form, "token=rcs_x&acr=aal2&amr=pwd&max_age=60"},
		{form, "token=a&token=b"},
		{form, "%zz"},
		{form, "max_age=-1&token="},
		{"", ""},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, contentType, body string) {
		fix := newBareFixture(t)
		s, _, err := fix.manager.Create(context.Background(), rollcall.Caller{}, rollcall.NewSession{UserID: "auth0|1", Methods: []rollcall.Method{{Name: "pwd"}}})
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{"/v1/introspect", "/v1/revoke", "/oauth/introspect", "/oauth/revoke", "/v1/users/auth0%7C2/sessions/end", "/v1/sessions/" + s.ID + "/authentications"} {
			w := fix.fuzzed(t, path, contentType, body)
			if strings.Contains(w.Body.String(), `"active":true`) {
				t.Errorf("%s %q: %s", path, body, w.Body)
			}
			if strings.HasSuffix(path, "/authentications") && w.Code < 300 {
				var asked struct {
					UserID string `json:"user_id"`
				}
				if err := json.Unmarshal([]byte(body), &asked); err != nil || asked.UserID != s.UserID {
					t.Errorf("%q authenticates %s", body, s.UserID)
				}
			}
		}
		if _, err := fix.manager.Session(context.Background(), s.ID); err != nil {
			t.Errorf("%q has ended a session: %v", body, err)
		}
	})
}
