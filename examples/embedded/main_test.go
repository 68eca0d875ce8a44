package main

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// A running application, until stop.
type running struct {
	t    *testing.T
	url  string
	stop func()
}

func start(t *testing.T, dir string) running {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- run(ctx, dir, l) }()
	return running{t, "http://" + l.Addr().String(), func() {
		t.Helper()
		http.DefaultClient.CloseIdleConnections()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("stopping: %v", err)
		}
	}}
}

// do returns the status of an answer, its body, and the value of the cookie that it
// sets.
func (r running) do(method, path, token string, form url.Values, headers ...string) (status int, body, cookie string) {
	r.t.Helper()
	request, err := http.NewRequestWithContext(r.t.Context(), method, r.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		r.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.AddCookie(&http.Cookie{Name: cookieName, Value: token})
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		r.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, c := range response.Cookies() {
		if !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" {
			r.t.Errorf("the cookie is %v", c)
		}
		cookie = c.Value
	}
	return response.StatusCode, string(text), cookie
}

func (r running) signIn(user string) (id, token string) {
	r.t.Helper()
	status, body, token := r.do("POST", "/sign-in", "", url.Values{"user": {user}})
	var v view
	if err := json.Unmarshal([]byte(body), &v); err != nil || status != 200 || token == "" {
		r.t.Fatalf("%d %s %v", status, body, err)
	}
	return v.ID, token
}

func TestWhatWasEndedStaysEndedOverARestartAndTheRestGoesOn(t *testing.T) {
	dir := t.TempDir()
	r := start(t, dir)
	_, here := r.signIn("ada")
	thereID, there := r.signIn("ada")
	_, out := r.signIn("ada")
	_, grace := r.signIn("grace")
	_, body, _ := r.do("GET", "/sessions", here, nil)
	var list struct{ Sessions []view }
	if err := json.Unmarshal([]byte(body), &list); err != nil || len(list.Sessions) != 3 || !list.Sessions[2].Current || list.Sessions[0].Current || list.Sessions[2].Address != "127.0.0.1" {
		t.Fatalf("%s %v", body, err)
	}
	if status, body, _ := r.do("POST", "/sessions/"+thereID+"/end", grace, nil); status != 404 {
		t.Errorf("somebody else's: %d %s", status, body)
	}
	if status, body, _ := r.do("POST", "/sessions/"+thereID+"/end", here, nil); status != 204 {
		t.Errorf("%d %s", status, body)
	}
	if status, _, cookie := r.do("POST", "/sign-out", out, nil); status != 204 || cookie != "" {
		t.Errorf("sign-out: %d %q", status, cookie)
	}
	for range 2 {
		for name, tt := range map[string]struct {
			token string
			want  int
		}{"the one that goes on": {here, 200}, "the ended one": {there, 401}, "the signed-out one": {out, 401}, "somebody else's": {grace, 200}, "nobody": {"", 401}} {
			if status, body, _ := r.do("GET", "/me", tt.token, nil); status != tt.want {
				t.Errorf("%s: %d %s", name, status, body)
			}
		}
		r.stop()
		r = start(t, dir)
	}
	r.stop()
}

func TestPagesElsewhereChangeNothing(t *testing.T) {
	r := start(t, t.TempDir())
	defer r.stop()
	_, token := r.signIn("ada")
	if status, _, _ := r.do("POST", "/sign-out", token, nil, "Sec-Fetch-Site", "cross-site"); status != http.StatusForbidden {
		t.Errorf("%d", status)
	}
	if status, _, _ := r.do("GET", "/me", token, nil); status != 200 {
		t.Errorf("%d", status)
	}
	if status, body, cookie := r.do("POST", "/sign-in", "", url.Values{"user": {" "}}); status != 400 || cookie != "" {
		t.Errorf("%d %s", status, body)
	}
}
