package api_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-id/rollcall"
)

// What is read of a request is read as widely as the standards have it, and no wider.

func TestAnAuthorizationHeaderHasTwoWordsForASessionTokenToo(t *testing.T) {
	f := newFixture(t)
	token := f.create(signIn).Token
	const malformed = `{"statusCode":400,"error":"Bad Request","message":"Bad HTTP authentication header format","errorCode":"Bearer"}`
	for _, call := range [][2]string{
		{"GET", "/v1/me/sessions"}, {"DELETE", "/v1/me/sessions/0123456789abcdef"}, {"POST", "/v1/me/sessions/end-others"}, {"POST", "/v1/sessions/end"},
	} {
		for _, header := range []string{token, "Bearer", "Bearer " + token + " x", "Bearer Bearer " + token} {
			if w := f.do(call[0], call[1], "", "Authorization", header); w.Code != 400 || w.Body.String() != malformed {
				t.Errorf("%s %s, %.10q...: %d %s", call[0], call[1], header, w.Code, w.Body)
			}
		}
		for _, header := range []string{"", "Basic " + token} {
			if w := f.do(call[0], call[1], "", "Authorization", header); w.Code != 401 || !strings.Contains(w.Body.String(), "Missing authentication") {
				t.Errorf("%s %s, %.10q...: %d %s", call[0], call[1], header, w.Code, w.Body)
			}
		}
	}
	if w := f.do("GET", "/v1/me/sessions", "", "Authorization", "Bearer  "+token); w.Code != 200 {
		t.Errorf("two spaces: %d %s", w.Code, w.Body)
	}
}

func TestAnIntegerIsOneHoweverItIsSpelled(t *testing.T) {
	f := newFixture(t)
	for _, hour := range []string{"3600", "3600.0", "3600.000", "36e2", "3.6e3", "3.6E+3", "36000e-1"} {
		c := f.create(`{"user_id":"u","authentication":{"methods":[{"name":"pwd"}]},"expires_in":` + hour + `,"idle_expires_in":` + hour + `}`)
		if c.Session.ExpiresAt.Sub(t0) != time.Hour || c.Session.Idle.Sub(t0) != time.Hour {
			t.Errorf("%s: %v, idle %v", hour, c.Session.ExpiresAt.Sub(t0), c.Session.Idle.Sub(t0))
		}
	}
	for number, message := range map[string]string{
		"1.5":    "Expected type integer but found type number",
		"1e-1":   "Expected type integer but found type number",
		"0.0":    "Value 0.0 is less than minimum 1",
		"-1e1":   "Value -1e1 is less than minimum 1",
		"-1e400": "Value -1e400 is less than minimum 1",
	} {
		w := f.do("POST", "/v1/sessions", `{"user_id":"u","authentication":{"methods":[{"name":"pwd"}]},"expires_in":`+number+`}`)
		if w.Code != 400 || !strings.Contains(w.Body.String(), message) {
			t.Errorf("%s: %d %s", number, w.Code, w.Body)
		}
	}
}

func TestNullIsAsIfTheMemberWereNotThere(t *testing.T) {
	f := newFixture(t)
	const required = `"user_id":"u","authentication":{"methods":[{"name":"pwd"}]}`
	bare := f.do("POST", "/v1/sessions", `{`+required+`,"id":"0123456789abcdef"}`)
	f.do("POST", "/v1/users/u/sessions/end", "")
	for _, member := range []string{"client_id", "replaces", "expires_in", "idle_expires_in", "device", "cookie", "session_metadata", "id"} {
		if w := f.do("POST", "/v1/sessions", `{`+required+`,"`+member+`":null}`); w.Code != http.StatusCreated {
			t.Errorf("%s: %d %s", member, w.Code, w.Body)
		}
	}
	w := f.do("POST", "/v1/sessions", `{"user_id":"v","authentication":{"methods":[{"name":"pwd","type":null}]},"device":{"ip":null,"user_agent":null}}`)
	if w.Code != http.StatusCreated || bare.Code != http.StatusCreated {
		t.Errorf("members of members: %d %s", w.Code, w.Body)
	}
	c := f.create(signIn)
	w = f.do("POST", "/v1/sessions/"+c.Session.ID+"/authentications", `{"user_id":"auth0|1","authentication":{"methods":[{"name":"pwd","type":null}]},"full":null,"device":{"ip":null}}`)
	if w.Code != http.StatusOK {
		t.Errorf("a further authentication: %d %s", w.Code, w.Body)
	}
	if w := f.do("POST", "/v1/users/auth0%7C1/sessions/end", `{"except":null}`); w.Code != http.StatusAccepted {
		t.Errorf("an ending of all: %d %s", w.Code, w.Body)
	}
	if _, err := f.manager.Session(context.Background(), c.Session.ID); rollcall.ErrorCode(err) != rollcall.CodeNotFound {
		t.Errorf("except null is no exception: %v", err)
	}
	// A member that must be there must be something.
	for body, want := range map[string]string{
		`{"user_id":null,"authentication":{"methods":[{"name":"pwd"}]}}`:                       "Expected type string but found type null' on property user_id.",
		`{"user_id":"u","authentication":null}`:                                                "Expected type object but found type null' on property authentication.",
		`{"user_id":"u","authentication":{"methods":null}}`:                                    "Expected type array but found type null' on property authentication.methods.",
		`{"user_id":"u","authentication":{"methods":[null]}}`:                                  "Expected type object but found type null' on property authentication.methods[0].",
		`{"user_id":"u","authentication":{"methods":[{"name":null}]}}`:                         "Expected type string but found type null' on property authentication.methods[0].name.",
		`{"user_id":"u","authentication":{"methods":[{"name":"pwd"}]},"cookie":{"mode":null}}`: "Expected type string but found type null' on property cookie.mode.",
		`{"user_id":"u","authentication":{"methods":[{"name":"pwd"}]},"foo":null}`:             "Additional properties not allowed: foo'.",
	} {
		if w := f.do("POST", "/v1/sessions", body); w.Code != 400 || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d %s", body, w.Code, w.Body)
		}
	}
}

func TestAParameterThatNobodyAsksForSpoilsNothing(t *testing.T) {
	f := newBareFixture(t)
	token := f.create(signIn).Token
	const form = "application/x-www-form-urlencoded"
	for _, foreign := range []string{"x=a;b", "x=100%", "x=%zz", "%zz=1", "a;b", "%", "x=%ff", "x=1&x=2"} {
		if w := f.do("GET", "/v1/me/sessions?take=5&"+foreign, "", "Authorization", "Bearer "+token); w.Code != 200 {
			t.Errorf("a list, %s: %d %s", foreign, w.Code, w.Body)
		}
		w := f.do("POST", "/v1/introspect?"+foreign, foreign+"&token="+token, "Content-Type", form, "Authorization", "Bearer introspect")
		if w.Code != 200 || !strings.HasPrefix(w.Body.String(), `{"active":true`) {
			t.Errorf("an introspection, %s: %d %s", foreign, w.Code, w.Body)
		}
		if w := f.do("POST", "/v1/revoke?"+foreign, "token=rcs_x&"+foreign, "Content-Type", form); w.Code != 200 {
			t.Errorf("a revocation, %s: %d %s", foreign, w.Code, w.Body)
		}
	}
	// What is asked for must be readable.
	for _, query := range []string{"take=%", "from=%zz", "take=1;x"} {
		if w := f.do("GET", "/v1/me/sessions?"+query, "", "Authorization", "Bearer "+token); w.Code != 400 {
			t.Errorf("%s: %d %s", query, w.Code, w.Body)
		}
	}
	if w := f.do("POST", "/v1/introspect", "token=%zz", "Content-Type", form, "Authorization", "Bearer introspect"); w.Code != 400 {
		t.Errorf("a token with a bad escape: %d %s", w.Code, w.Body)
	}
}

func TestABodyThatIsEncodedIs415(t *testing.T) {
	f := newBareFixture(t)
	c := f.create(signIn)
	zip := func(text string) string {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = z.Write([]byte(text))
		_ = z.Close()
		return b.String()
	}
	const form, json = "application/x-www-form-urlencoded", "application/json"
	for path, body := range map[string][2]string{
		"/v1/sessions": {json, signIn},
		"/v1/sessions/" + c.Session.ID + "/authentications": {json, signIn},
		"/v1/users/u/sessions/end":                          {json, `{"except":"0123456789abcdef"}`},
		"/v1/introspect":                                    {form, "token=x"},
		"/v1/revoke":                                        {form, "token=x"},
	} {
		for _, coding := range []string{"gzip", "GZIP", "br", "identity, gzip", "x"} {
			w := f.do("POST", path, zip(body[1]), "Content-Type", body[0], "Content-Encoding", coding, "Authorization", everyScope+" introspect")
			if w.Code != http.StatusUnsupportedMediaType || w.Header().Get("Accept-Encoding") != "identity" {
				t.Errorf("%s, %s: %d %s %v", path, coding, w.Code, w.Body, w.Header())
			}
		}
	}
	for _, coding := range []string{"identity", "Identity", ""} {
		if w := f.do("POST", "/v1/sessions", signIn, "Content-Encoding", coding); w.Code != http.StatusCreated {
			t.Errorf("%q: %d %s", coding, w.Code, w.Body)
		}
	}
}

// An id is encoded as clients do and then read by whatever parses URLs on the way: a segment
// that is a dot or two is gone by then, however it is spelled.
func TestEveryUserIDThatIsAcceptedCanBeNamedInAPath(t *testing.T) {
	f := newFixture(t)
	for _, id := range []string{".", "..", "/"} {
		w := f.do("POST", "/v1/sessions", fmt.Sprintf(`{"user_id":%q,"authentication":{"methods":[{"name":"pwd"}]}}`, id))
		if w.Code != 400 || !strings.Contains(w.Body.String(), `A user id is none of \".\", \"..\" and \"/\"`) {
			t.Errorf("%s: %d %s", id, w.Code, w.Body)
		}
	}
	for _, id := range []string{"...", ". .", "%2e", "%2e%2e", "%2f", "//", "a/", "/a", "a/..", "../a", "./.", `\`, `a\..\b`, "?", "#", "a?b#c", ";a=b", "a+b", "a&b=c", "~", "*", "é", "a\u2028b", ":", "@", "|"} {
		f.create(fmt.Sprintf(`{"user_id":%q,"authentication":{"methods":[{"name":"pwd"}]}}`, id))
		u, err := url.Parse("https://sessions.example.com/v1/users/" + url.PathEscape(id) + "/sessions/end")
		if err != nil || u.JoinPath().EscapedPath() != u.EscapedPath() {
			t.Fatalf("%s: %v, %v", id, u, err)
		}
		if w := f.do("POST", u.EscapedPath(), ""); w.Code != http.StatusAccepted {
			t.Errorf("%s: %d %s", id, w.Code, w.Body)
		}
		page, err := f.manager.List(context.Background(), rollcall.ListQuery{UserID: id, Take: 1})
		if err != nil || len(page.Sessions) > 0 {
			t.Errorf("%s: %d sessions left, %v", id, len(page.Sessions), err)
		}
	}
}

// A path with a name of its own is no session's, whatever the method.
func TestAllowNamesNoMethodOfASessionByTheNameOfACall(t *testing.T) {
	f := newBareFixture(t)
	for _, method := range []string{"DELETE", "GET", "OPTIONS"} {
		if w := f.do(method, "/v1/me/sessions/end-others", ""); w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "POST" {
			t.Errorf("%s: %d, Allow %q", method, w.Code, w.Header().Get("Allow"))
		}
	}
}
