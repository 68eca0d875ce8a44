package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/client"
	"github.com/rollcall-id/rollcall/rollcalltest"
)

var pwd = []client.Method{{Name: "pwd"}}

func create(t *testing.T, c *client.Client, n client.NewSession) client.SignedIn {
	t.Helper()
	if n.UserID == "" {
		n.UserID = "auth0|ada/1"
	}
	if n.Methods == nil {
		n.Methods = pwd
	}
	s, err := c.Create(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func check(t *testing.T, c *client.Client, s client.SignedIn) error {
	t.Helper()
	_, err := c.Check(t.Context(), s.Token.Reveal(), rollcall.Use{})
	return err
}

func TestASessionIsReadAsItWasMade(t *testing.T) {
	c := rollcalltest.New(t).Client
	made := create(t, c, client.NewSession{
		ClientID: "shop", Methods: []client.Method{{Name: "pwd"}, {Name: "mfa", Type: "otp"}}, IP: "192.0.2.1", UserAgent: "curl/8",
		CookieMode: rollcall.NonPersistent, Metadata: map[string]string{"device_name": "Laptop"}, ExpiresIn: time.Hour, IdleExpiresIn: time.Minute,
	})
	got, err := c.Get(t.Context(), made.Session.ID)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(made.Session, got); diff != "" {
		t.Error(diff)
	}
	want := client.Session{
		ID: got.ID, UserID: "auth0|ada/1", CreatedAt: got.CreatedAt, UpdatedAt: got.CreatedAt, AuthenticatedAt: got.CreatedAt,
		Authentication: client.Authentication{Methods: []client.Method{{Name: "pwd", At: got.CreatedAt}, {Name: "mfa", Type: "otp", At: got.CreatedAt}}},
		IdleExpiresAt:  got.CreatedAt.Add(time.Minute), ExpiresAt: got.CreatedAt.Add(time.Hour),
		Device:  client.Device{InitialIP: "192.0.2.1", InitialUserAgent: "curl/8", LastIP: "192.0.2.1", LastUserAgent: "curl/8"},
		Clients: []client.Application{{ClientID: "shop"}}, LastInteractedAt: got.CreatedAt,
		Cookie: client.Cookie{Mode: rollcall.NonPersistent}, Metadata: map[string]string{"device_name": "Laptop"},
	}
	if diff := cmp.Diff(want, got); diff != "" || got.CreatedAt.IsZero() {
		t.Error(diff)
	}
	updated, err := c.UpdateMetadata(t.Context(), got.ID, map[string]string{"a": "b"})
	if err != nil || updated.Metadata["a"] != "b" || len(updated.Metadata) != 1 {
		t.Errorf("%v, %v", updated.Metadata, err)
	}
	if updated, err = c.UpdateMetadata(t.Context(), got.ID, nil); err != nil || len(updated.Metadata) != 0 {
		t.Errorf("cleared: %v, %v", updated.Metadata, err)
	}
}

func TestAllPagesToTheEndAndStopsWhenAsked(t *testing.T) {
	srv := rollcalltest.New(t)
	c := srv.Client
	const n = 103
	want := map[string]bool{}
	var last client.SignedIn
	for i := range n {
		if i == n-1 {
			srv.Advance(time.Second) // so that the last one is the newest
		}
		last = create(t, c, client.NewSession{})
		want[last.Session.ID] = true
	}
	create(t, c, client.NewSession{UserID: "somebody else"})
	seen := map[string]bool{}
	for s, err := range c.All(t.Context(), "auth0|ada/1") {
		if err != nil {
			t.Fatal(err)
		}
		seen[s.ID] = true
	}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Error(diff)
	}
	own, current := 0, 0
	for s, err := range c.Me(last.Token.Reveal()).All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		own++
		if s.Current {
			current++
		}
	}
	if own != n || current != 1 {
		t.Errorf("of their own: %d, current %d", own, current)
	}
	for range c.All(t.Context(), "auth0|ada/1") {
		break
	}
	page, err := c.List(t.Context(), "auth0|ada/1", client.ListOptions{Take: 2, Total: true})
	if err != nil || len(page.Sessions) != 2 || page.Total != n || page.Next == "" || page.Sessions[0].ID != last.Session.ID {
		t.Errorf("%+v, %v", page, err)
	}
	if _, err := c.List(t.Context(), "auth0|ada/1", client.ListOptions{From: "elsewhere"}); status(err) != http.StatusBadRequest {
		t.Errorf("a foreign cursor: %v", err)
	}
}

func status(err error) int {
	e, ok := errors.AsType[*client.Error](err)
	if !ok {
		return -1
	}
	return e.Status
}

func TestEveryEndingEndsWhatItSays(t *testing.T) {
	c := rollcalltest.New(t).Client
	ctx := t.Context()
	for name, end := range map[string]func(a, b client.SignedIn) error{
		"delete":     func(a, _ client.SignedIn) error { return c.Delete(ctx, a.Session.ID) },
		"revoke":     func(a, _ client.SignedIn) error { return c.Revoke(ctx, a.Session.ID) },
		"by token":   func(a, _ client.SignedIn) error { return c.EndByToken(ctx, a.Token.Reveal()) },
		"others":     func(_, b client.SignedIn) error { return c.EndOthers(ctx, b.Session.UserID, b.Session.ID) },
		"own":        func(a, b client.SignedIn) error { return c.Me(b.Token.Reveal()).End(ctx, a.Session.ID) },
		"own others": func(_, b client.SignedIn) error { return c.Me(b.Token.Reveal()).EndOthers(ctx) },
		"sign out":   func(a, _ client.SignedIn) error { _, err := c.Me(a.Token.Reveal()).SignOut(ctx); return err },
		"replaced": func(a, _ client.SignedIn) error {
			create(t, c, client.NewSession{Replaces: a.Token.Reveal()})
			return nil
		},
		"all":           func(client.SignedIn, client.SignedIn) error { return c.EndAll(ctx, "auth0|ada/1") },
		"all published": func(client.SignedIn, client.SignedIn) error { return c.DeleteAll(ctx, "auth0|ada/1") },
		"everybody":     func(client.SignedIn, client.SignedIn) error { return c.EndEverybody(ctx) },
	} {
		t.Run(name, func(t *testing.T) {
			a, b := create(t, c, client.NewSession{}), create(t, c, client.NewSession{})
			if err := end(a, b); err != nil {
				t.Fatal(err)
			}
			if err := check(t, c, a); !errors.Is(err, client.ErrRefused) {
				t.Errorf("the ended one: %v", err)
			}
			if _, err := c.Get(ctx, a.Session.ID); !errors.Is(err, client.ErrNotFound) || status(err) != http.StatusNotFound {
				t.Errorf("the ended one is found: %v", err)
			}
			if err := check(t, c, b); (err == nil) == (name == "all" || name == "all published" || name == "everybody") {
				t.Errorf("the other one: %v", err)
			}
		})
	}
	if err := c.Delete(ctx, "no-such-session-1"); err != nil {
		t.Errorf("deleting none: %v", err)
	}
	if err := c.Revoke(ctx, "no-such-session-1"); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("revoking none: %v", err)
	}
}

func TestACheckSaysWhoAndTellsTheServerWhere(t *testing.T) {
	srv := rollcalltest.Start(t, rollcalltest.Options{CheckClients: []string{"shop"}})
	s := create(t, srv.Client, client.NewSession{UserID: "jürgen 100%", IP: "192.0.2.1", UserAgent: "first"})
	use := rollcall.Use{IP: "198.51.100.7", UserAgent: "second\r\nX-Evil: 1", ClientID: "shop"}
	srv.Advance(time.Minute)
	i, err := srv.Client.Check(t.Context(), s.Token.Reveal(), use)
	if err != nil {
		t.Fatal(err)
	}
	if i.UserID != "jürgen 100%" || i.SessionID != s.Session.ID || len(i.Methods) != 1 || i.Methods[0] != "pwd" ||
		!i.AuthenticatedAt.Equal(s.Session.AuthenticatedAt.Truncate(time.Second)) || i.ExpiresAt.Before(s.Session.CreatedAt) || i.Token != s.Token {
		t.Errorf("%+v", i)
	}
	got, err := srv.Client.Get(t.Context(), s.Session.ID)
	if err != nil || got.Device.LastIP != "198.51.100.7" || got.Device.LastUserAgent != "second  X-Evil: 1" || len(got.Clients) != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	srv.Advance(time.Minute)
	if _, err := srv.Client.Check(t.Context(), s.Token.Reveal(), rollcall.Use{}); err != nil {
		t.Fatal(err)
	}
	if got, err = srv.Client.Get(t.Context(), s.Session.ID); err != nil || got.Device.LastIP != "198.51.100.7" || got.Device.LastUserAgent != "" {
		t.Errorf("where nobody knows: %+v, %v", got.Device, err)
	}
}

// TestACheckByCredentialsIsBelievedFromAnywhere asks a server that trusts no proxy.
func TestACheckByCredentialsIsBelievedFromAnywhere(t *testing.T) {
	srv := rollcalltest.Start(t, rollcalltest.Options{TrustedProxies: []string{}})
	s := create(t, srv.Client, client.NewSession{UserID: "jürgen 100%", IP: "192.0.2.1", UserAgent: "first"})
	use := rollcall.Use{IP: "198.51.100.7", UserAgent: "second", ClientID: "shop"}
	srv.Advance(time.Minute)
	if _, err := srv.Client.Check(t.Context(), s.Token.Reveal(), use); err != nil {
		t.Fatal(err)
	}
	got, err := srv.Client.Get(t.Context(), s.Session.ID)
	if err != nil || got.Device.LastIP != "127.0.0.1" || len(got.Clients) != 0 {
		t.Errorf("without credentials: %+v, %v", got, err)
	}
	srv.Advance(time.Minute)
	i, err := srv.Client.CheckAsClient(t.Context(), s.Token.Reveal(), use)
	if err != nil {
		t.Fatal(err)
	}
	if i.UserID != "jürgen 100%" || i.SessionID != s.Session.ID || len(i.Methods) != 1 || i.Methods[0] != "pwd" || i.Level != "aal1" ||
		!i.AuthenticatedAt.Equal(s.Session.AuthenticatedAt.Truncate(time.Second)) || i.ExpiresAt.Before(s.Session.CreatedAt) || i.Token != s.Token {
		t.Errorf("%+v", i)
	}
	got, err = srv.Client.Get(t.Context(), s.Session.ID)
	if err != nil || got.Device.LastIP != "198.51.100.7" || got.Device.LastUserAgent != "second" || len(got.Clients) != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	insufficient := rollcall.Use{Require: rollcall.Requirement{Levels: []string{"aal2"}, MaxAge: time.Hour, Aged: true, Methods: []string{"pwd"}}}
	if _, err := srv.Client.CheckAsClient(t.Context(), s.Token.Reveal(), insufficient); !errors.Is(err, client.ErrInsufficient) {
		t.Errorf("not good enough: %v", err)
	}
	stranger := rollcall.Token{ID: rollcall.NewSessionID()}
	for _, token := range []string{stranger.Reveal(), "garbage"} {
		if _, err := srv.Client.CheckAsClient(t.Context(), token, use); !errors.Is(err, client.ErrRefused) {
			t.Errorf("%v", err)
		}
	}
	unknown, err := client.New(client.Options{BaseURL: srv.URL, ClientID: rollcalltest.ClientID, ClientSecret: "wrong", HTTPClient: srv.HTTPClient()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := unknown.CheckAsClient(t.Context(), s.Token.Reveal(), use); !errors.Is(err, client.ErrUnavailable) || errors.Is(err, client.ErrRefused) {
		t.Errorf("a client that is not known says about the user: %v", err)
	}
}

func TestACheckWithoutTouchMovesNothing(t *testing.T) {
	srv := rollcalltest.New(t)
	s := create(t, srv.Client, client.NewSession{IP: "192.0.2.1", UserAgent: "first"})
	before, err := srv.Client.Get(t.Context(), s.Session.ID)
	if err != nil {
		t.Fatal(err)
	}
	srv.Advance(time.Minute)
	for name, check := range map[string]func(context.Context, string, rollcall.Use) (client.Identity, error){
		"Check": srv.Client.Check, "CheckAsClient": srv.Client.CheckAsClient,
	} {
		if _, err := check(t.Context(), s.Token.Reveal(), rollcall.Use{IP: "198.51.100.7", UserAgent: "second", ClientID: "shop", NoTouch: true}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	after, err := srv.Client.Get(t.Context(), s.Session.ID)
	if diff := cmp.Diff(before, after); err != nil || diff != "" {
		t.Errorf("%v (-before +after):\n%s", err, diff)
	}
}

func TestWhatTheAuthenticationMustBeIsHeld(t *testing.T) {
	c := rollcalltest.New(t).Client
	s := create(t, c, client.NewSession{})
	ctx := t.Context()
	aal2 := rollcall.Requirement{Levels: []string{"aal2"}}
	if _, err := c.Check(ctx, s.Token.Reveal(), rollcall.Use{Require: aal2}); !errors.Is(err, client.ErrInsufficient) || errors.Is(err, client.ErrRefused) {
		t.Errorf("%v", err)
	}
	if _, err := c.Introspect(ctx, s.Token.Reveal(), aal2); !errors.Is(err, client.ErrInsufficient) {
		t.Errorf("%v", err)
	}
	stronger, err := c.Authenticate(ctx, s.Session.ID, client.Reauthentication{UserID: s.Session.UserID, Methods: []client.Method{{Name: "mfa", Type: "otp"}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := check(t, c, s); !errors.Is(err, client.ErrRefused) {
		t.Errorf("the old token: %v", err)
	}
	if _, err := c.Check(ctx, stronger.Token.Reveal(), rollcall.Use{Require: aal2}); err != nil {
		t.Errorf("%v", err)
	}
	i, err := c.Introspect(ctx, stronger.Token.Reveal(), rollcall.Requirement{})
	if err != nil || !i.Active || i.UserID != s.Session.UserID || i.SessionID != s.Session.ID || i.Level != "aal2" || len(i.Methods) != 2 {
		t.Errorf("%+v, %v", i, err)
	}
	if i, err = c.Introspect(ctx, "rcs_nothing", rollcall.Requirement{}); err != nil || i.Active {
		t.Errorf("%+v, %v", i, err)
	}
}

func TestACreationCanBeRepeatedUnderItsKey(t *testing.T) {
	c := rollcalltest.New(t).Client
	n := client.NewSession{UserID: "ada", Methods: pwd, IdempotencyKey: "k"}
	a, b := create(t, c, n), create(t, c, n)
	if a.Token != b.Token || a.Session.ID != b.Session.ID {
		t.Error("the same creation gave two sessions")
	}
	n.ClientID = "shop"
	if _, err := c.Create(t.Context(), n); !errors.Is(err, client.ErrConflict) {
		t.Errorf("%v", err)
	}
}

func TestALimitIsToldApart(t *testing.T) {
	p := rollcall.DefaultPolicy()
	p.MaxSessionsPerUser, p.AtLimit = 1, rollcall.Deny
	c := rollcalltest.Start(t, rollcalltest.Options{Policy: p}).Client
	create(t, c, client.NewSession{})
	if _, err := c.Create(t.Context(), client.NewSession{UserID: "auth0|ada/1", Methods: pwd}); !errors.Is(err, client.ErrLimit) {
		t.Errorf("%v", err)
	}
}

func TestOptionsThatAreHalfSetAreRefused(t *testing.T) {
	for _, o := range []client.Options{
		{},
		{BaseURL: "sessions.example.com"},
		{BaseURL: "ftp://sessions.example.com"},
		{BaseURL: "https://user:hunter2@sessions.example.com"},
		{BaseURL: "https://sessions.example.com/?a=b"},
		{BaseURL: "http://sessions.example.com"},
		{BaseURL: "https://sessions.example.com", ClientID: "a"},
		{BaseURL: "https://sessions.example.com", ClientSecret: "hunter2"},
	} {
		if _, err := client.New(o); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v: %v", o, err)
		}
	}
	for _, o := range []client.Options{{BaseURL: "http://127.0.0.1:8080/"}, {BaseURL: "http://sessions:8080", PlainHTTP: true}} {
		if _, err := client.New(o); err != nil {
			t.Errorf("%v: %v", o, err)
		}
	}
	c, err := client.New(client.Options{BaseURL: "http://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Get(t.Context(), "x"); err == nil || !strings.Contains(err.Error(), "ClientID") {
		t.Errorf("without credentials: %v", err)
	}
}

func TestSecretsNeverPrintNorStandInErrors(t *testing.T) {
	srv := rollcalltest.New(t)
	s := create(t, srv.Client, client.NewSession{})
	o := client.Options{BaseURL: srv.URL, ClientID: "test", ClientSecret: srv.ClientSecret, HTTPClient: srv.HTTPClient(), Retries: -1}
	c, err := client.New(o)
	if err != nil {
		t.Fatal(err)
	}
	i, err := c.Check(t.Context(), s.Token.Reveal(), rollcall.Use{})
	if err != nil {
		t.Fatal(err)
	}
	n := client.NewSession{UserID: "ada", Methods: pwd, Replaces: s.Token.Reveal()}
	me := c.Me(s.Token.Reveal())
	srv.Stop(t)
	_, down := c.Create(t.Context(), n)
	_, downCheck := c.Check(t.Context(), s.Token.Reveal(), rollcall.Use{})
	secretPart := strings.TrimPrefix(s.Token.Reveal(), "rcs_"+s.Token.ID)[:43]
	for _, v := range []any{o, &o, c, *c, s, i, n, me, down, downCheck} {
		for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			text := fmt.Sprintf(format, v)
			for _, secret := range []string{srv.ClientSecret, secretPart, fmt.Sprintf("%x", srv.ClientSecret), fmt.Sprintf("%x", secretPart)} {
				if strings.Contains(text, secret) {
					t.Errorf("%T in %s prints a secret", v, format)
				}
			}
		}
	}
}

// A scripted server answers as each request's turn says, the last one again and again.
type scripted struct {
	*httptest.Server
	requests, tokens atomic.Int64
}

type turn func(w http.ResponseWriter, r *http.Request)

func script(t *testing.T, turns ...turn) *scripted {
	t.Helper()
	s := &scripted{}
	s.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/oauth/token" {
			fmt.Fprintf(w, `{"access_token":"token-%d","expires_in":86400,"token_type":"Bearer"}`, s.tokens.Add(1))
			return
		}
		at := s.requests.Add(1) - 1
		turns[min(int(at), len(turns)-1)](w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *scripted) client(t *testing.T, o client.Options) *client.Client {
	t.Helper()
	o.BaseURL, o.HTTPClient = s.URL, s.Client()
	if o.ClientID == "" {
		o.ClientID, o.ClientSecret = "a", "hunter2"
	}
	c, err := client.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func fail(status int, headers ...string) turn {
	return func(w http.ResponseWriter, r *http.Request) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"statusCode":%d,"error":"%s","message":"as scripted","errorCode":"scripted"}`, status, http.StatusText(status))
	}
}

func answer(body string) turn {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }
}

func breakOff(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

const aSession = `{"id":"a-session-0123456","user_id":"ada"}`

func TestWhatCanBeRepeatedIsUntilItSucceeds(t *testing.T) {
	for _, failure := range []turn{fail(500), fail(502), fail(503), fail(429), fail(503, "Retry-After", "1"), breakOff} {
		s := script(t, failure, failure, answer(aSession))
		c := s.client(t, client.Options{})
		if got, err := c.Get(t.Context(), "a-session-0123456"); err != nil || got.UserID != "ada" || s.requests.Load() != 3 {
			t.Errorf("%+v, %v after %d", got, err, s.requests.Load())
		}
	}
	for _, tt := range []struct {
		failure turn
		options client.Options
		want    int64
	}{
		{fail(500), client.Options{}, 3},
		{fail(500), client.Options{Retries: -1}, 1},
		{fail(400), client.Options{}, 1},
		{fail(404), client.Options{}, 1},
		{fail(302, "Location", "/elsewhere"), client.Options{}, 1},
		{fail(429, "Retry-After", "3600"), client.Options{}, 1},
		{fail(503, "Retry-After", "2"), client.Options{Timeout: time.Second}, 1},
		{breakOff, client.Options{}, 3}, // the transport itself repeats what meets a connection that has been closed
	} {
		s := script(t, tt.failure)
		if _, err := s.client(t, tt.options).Get(t.Context(), "x"); err == nil || s.requests.Load() < tt.want || s.requests.Load() > 2*tt.want-1 {
			t.Errorf("%v: %d requests, want %d", err, s.requests.Load(), tt.want)
		}
	}
}

func TestRetryAfterIsKeptAndTold(t *testing.T) {
	s := script(t, fail(429, "Retry-After", "1"), answer(aSession))
	began := time.Now()
	if _, err := s.client(t, client.Options{}).Get(t.Context(), "x"); err != nil || time.Since(began) < time.Second {
		t.Errorf("%v after %v", err, time.Since(began))
	}
	s = script(t, fail(429, "Retry-After", "3600", "X-Request-Id", "abc"))
	_, err := s.client(t, client.Options{}).Get(t.Context(), "x")
	e, ok := errors.AsType[*client.Error](err)
	if !ok || e.Status != 429 || e.Code != "scripted" || e.Message != "as scripted" || e.RetryAfter != time.Hour || e.RequestID != "abc" || !errors.Is(err, client.ErrUnavailable) {
		t.Errorf("%#v", e)
	}
}

func TestACreationIsRepeatedUnderOneKeyAndNeverWithoutOne(t *testing.T) {
	keys := make(chan string, 10)
	noting := func(next turn) turn {
		return func(w http.ResponseWriter, r *http.Request) {
			keys <- r.Header.Get("Idempotency-Key")
			next(w, r)
		}
	}
	s := script(t, noting(breakOff), noting(fail(503)), noting(fail(400)))
	c := s.client(t, client.Options{})
	if _, err := c.Create(t.Context(), client.NewSession{UserID: "ada", Methods: pwd}); status(err) != 400 {
		t.Errorf("%v", err)
	}
	first, second, third := <-keys, <-keys, <-keys
	if first == "" || second != first || third != first {
		t.Errorf("keys %q, %q, %q", first, second, third)
	}
	if _, err := c.Create(t.Context(), client.NewSession{UserID: "ada", Methods: pwd}); err == nil || <-keys == first {
		t.Errorf("another creation has the same key, or %v", err)
	}
	s = script(t, noting(fail(503)))
	if _, err := s.client(t, client.Options{}).Create(t.Context(), client.NewSession{UserID: "ada", Methods: pwd, ID: "made-elsewhere-01"}); err == nil || s.requests.Load() != 1 || <-keys != "" {
		t.Errorf("one with an id of its own: %d requests, %v", s.requests.Load(), err)
	}
}

func TestAnEndingWhoseAnswerWasLostIsNotTakenForAFailure(t *testing.T) {
	gone := func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(404)
		_, _ = io.WriteString(w, `{"statusCode":404,"error":"Not Found","message":"The session does not exist.","errorCode":"inexistent_session"}`)
	}
	s := script(t, breakOff, gone)
	if err := s.client(t, client.Options{}).Revoke(t.Context(), "a-session-0123456"); err != nil {
		t.Errorf("%v", err)
	}
	s = script(t, gone)
	if err := s.client(t, client.Options{}).Revoke(t.Context(), "a-session-0123456"); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("%v", err)
	}
}

func TestAnAuthenticationThatIsNotEnoughIsNoFaultOfTheManagementToken(t *testing.T) {
	s := script(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, `{"statusCode":401,"error":"Unauthorized","message":"as scripted","errorCode":"insufficient_user_authentication"}`)
	})
	_, err := s.client(t, client.Options{}).Introspect(t.Context(), "rcs_x", rollcall.Requirement{Levels: []string{"aal2"}})
	if !errors.Is(err, client.ErrInsufficient) || s.requests.Load() != 1 || s.tokens.Load() != 1 {
		t.Errorf("%v after %d requests with %d tokens", err, s.requests.Load(), s.tokens.Load())
	}
}

func TestMalformedAndHugeAnswersAreErrors(t *testing.T) {
	huge := func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, aSession) // what follows is all that is wrong with it
		block := []byte(strings.Repeat(" ", 1<<20))
		for range 20 {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	}
	for name, body := range map[string]turn{
		"nothing": answer(""), "no JSON": answer("<html>"), "an array": answer("[]"), "cut": answer(`{"id":"x`), "a wrong type": answer(`{"id":1}`),
		"a wrong date": answer(`{"created_at":"yesterday"}`), "huge": huge,
	} {
		s := script(t, body)
		_, err := s.client(t, client.Options{}).Get(t.Context(), "x")
		if !errors.Is(err, client.ErrUnavailable) || len(err.Error()) > 500 || s.requests.Load() != 1 {
			t.Errorf("%s: %v after %d", name, err, s.requests.Load())
		}
	}
	s := script(t, answer("<html>welcome to the hotel's network"))
	if err := s.client(t, client.Options{}).Delete(t.Context(), "a-session-0123456"); !errors.Is(err, client.ErrUnavailable) {
		t.Errorf("an ending that nobody has confirmed: %v", err)
	}
	hugeError := func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(400); huge(w, r) }
	s = script(t, hugeError)
	if _, err := s.client(t, client.Options{}).Get(t.Context(), "x"); status(err) != 400 || len(err.Error()) > 500 {
		t.Errorf("a huge error: %v", err)
	}
	s = script(t, answer(`{"session":{"id":"a-session-0123456"},"token":"rcs_wrong","set_cookie":"a=b"}`))
	if _, err := s.client(t, client.Options{}).Create(t.Context(), client.NewSession{UserID: "ada", Methods: pwd}); !errors.Is(err, client.ErrUnavailable) || strings.Contains(err.Error(), "rcs_wrong") {
		t.Errorf("a token that is none: %v", err)
	}
	s = script(t, answer(`{"sessions":[],"next":"again"}`))
	n := 0
	var last error
	for _, err := range s.client(t, client.Options{}).All(t.Context(), "ada") {
		if n++; n > 10 {
			break
		}
		last = err
	}
	if last == nil || n > 1 {
		t.Errorf("pages without end: %v after %d", last, n)
	}
}

func TestA200ThatDoesNotNameTheSessionIsNoAnswer(t *testing.T) {
	token := rollcall.Token{ID: rollcall.NewSessionID(), Secret: rollcall.NewSecret()}
	good := map[string]string{
		"X-Rollcall-User": "ada", "X-Rollcall-Session": token.ID, "X-Rollcall-Authenticated-At": "2026-03-01T12:00:00Z",
		"X-Rollcall-Methods": "pwd", "X-Rollcall-Expires-At": "2026-03-01T13:00:00Z",
	}
	with := func(name, value string) turn {
		return func(w http.ResponseWriter, _ *http.Request) {
			for n, v := range good {
				w.Header().Set(n, v)
			}
			w.Header().Set(name, value)
		}
	}
	ask := func(do turn) error {
		_, err := script(t, do).client(t, client.Options{}).Check(t.Context(), token.Reveal(), rollcall.Use{})
		return err
	}
	if err := ask(with("X", "")); err != nil {
		t.Errorf("a good one: %v", err)
	}
	for _, tt := range [][2]string{
		{"X-Rollcall-User", ""},
		{"X-Rollcall-User", "%zz"},
		{"X-Rollcall-Session", "another-session-1"},
		{"X-Rollcall-Session", ""},
		{"X-Rollcall-Authenticated-At", "lately"},
		{"X-Rollcall-Expires-At", ""},
	} {
		if err := ask(with(tt[0], tt[1])); !errors.Is(err, client.ErrUnavailable) {
			t.Errorf("%v: %v", tt, err)
		}
	}
	for _, do := range []turn{answer("welcome to the hotel's network"), fail(204), fail(302, "Location", "/"), fail(403), fail(404), fail(431)} {
		if err := ask(do); !errors.Is(err, client.ErrUnavailable) || errors.Is(err, client.ErrRefused) {
			t.Errorf("%v", err)
		}
	}
	if err := ask(fail(401)); !errors.Is(err, client.ErrRefused) {
		t.Errorf("%v", err)
	}
}

func TestACallEndsWithItsContextAndItsTimeout(t *testing.T) {
	release := make(chan struct{})
	began := make(chan struct{}, 10)
	s := script(t, func(http.ResponseWriter, *http.Request) { began <- struct{}{}; <-release })
	t.Cleanup(func() { close(release) }) // before the server waits for its requests
	c := s.client(t, client.Options{Timeout: 50 * time.Millisecond})
	if _, err := c.Get(t.Context(), "x"); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, client.ErrUnavailable) {
		t.Errorf("%v", err)
	}
	c = s.client(t, client.Options{Timeout: time.Minute})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-began; cancel() }()
	if _, err := c.Get(ctx, "x"); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestACertificateThatNobodyVouchesForIsNotTriedAgain(t *testing.T) {
	var connections atomic.Int64
	srv := httptest.NewUnstartedServer(http.NotFoundHandler())
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	srv.StartTLS()
	t.Cleanup(srv.Close)
	c, err := client.New(client.Options{BaseURL: srv.URL})
	if err != nil {
		t.Fatal(err)
	}
	token := rollcall.Token{ID: rollcall.NewSessionID()}
	if _, err := c.Check(t.Context(), token.Reveal(), rollcall.Use{}); err == nil || !strings.Contains(err.Error(), "certificate") || connections.Load() != 1 {
		t.Errorf("%v after %d connections", err, connections.Load())
	}
}

func copyBounded(w io.Writer, r io.Reader) (int64, error) {
	return io.Copy(w, io.LimitReader(r, 1<<20))
}

func TestAMethodsNameComesAsItIs(t *testing.T) {
	srv := rollcalltest.New(t)
	const name = "https://idp.example.com/a,mfa%2C"
	s := create(t, srv.Client, client.NewSession{UserID: "ada", Methods: []client.Method{{Name: name}, {Name: "pwd"}}})
	i, err := srv.Client.Check(t.Context(), s.Token.Reveal(), rollcall.Use{})
	if err != nil || len(i.Methods) != 2 || i.Methods[0] != name || i.Methods[1] != "pwd" {
		t.Errorf("%v, %v", i.Methods, err)
	}
}
