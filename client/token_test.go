package client

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A fake server without a network: the token endpoint answers as token says, every
// other call 200 when it carries a token that good accepts.
type fake struct {
	token   func(n int64) (status int, body string)
	good    func(token string) bool
	fetches atomic.Int64
	calls   atomic.Int64
	took    time.Duration
}

func (f *fake) RoundTrip(r *http.Request) (*http.Response, error) {
	status, body, header := http.StatusOK, "{}", http.Header{}
	if r.URL.Path == "/oauth/token" {
		n := f.fetches.Add(1)
		select {
		case <-time.After(f.took):
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
		status, body = f.token(n)
	} else {
		f.calls.Add(1)
		if !f.good(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")) {
			status, body = http.StatusUnauthorized, `{"statusCode":401,"error":"Unauthorized","message":"Expired token"}`
		}
	}
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

func (f *fake) client(t *testing.T) *Client {
	t.Helper()
	c, err := New(Options{BaseURL: "https://sessions.example", ClientID: "a", ClientSecret: "hunter2", HTTPClient: &http.Client{Transport: f}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func numbered(n int64) (int, string) {
	return http.StatusOK, `{"access_token":"token-` + string(rune('0'+n)) + `","expires_in":86400,"token_type":"Bearer"}`
}

func anyToken(string) bool { return true }

func TestOneTokenIsFetchedForAllAndRenewedBeforeItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{token: numbered, good: anyToken, took: time.Second}
		c := f.client(t)
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				if err := c.Delete(t.Context(), "x"); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if f.fetches.Load() != 1 || f.calls.Load() != 50 {
			t.Fatalf("%d fetches, %d calls", f.fetches.Load(), f.calls.Load())
		}
		time.Sleep(24*time.Hour - 10*time.Minute)
		if err := c.Delete(t.Context(), "x"); err != nil || f.fetches.Load() != 1 {
			t.Fatalf("%v, %d fetches", err, f.fetches.Load())
		}
		time.Sleep(6 * time.Minute)
		began := time.Now()
		if err := c.Delete(t.Context(), "x"); err != nil || time.Since(began) > 0 {
			t.Fatalf("%v: a renewal was waited for, %v", err, time.Since(began))
		}
		synctest.Wait()
		if f.fetches.Load() != 2 {
			t.Errorf("%d fetches", f.fetches.Load())
		}
		time.Sleep(2 * time.Second)
	})
}

func TestAFailingRenewalLeavesThePresentToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{good: anyToken, token: func(n int64) (int, string) {
			if n == 1 {
				return numbered(1)
			}
			return 503, "{}"
		}}
		c := f.client(t)
		if err := c.Delete(t.Context(), "x"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(24*time.Hour - 4*time.Minute)
		for range 20 {
			if err := c.Delete(t.Context(), "x"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		if n := f.fetches.Load(); n < 4 || n > 1+3*3 {
			t.Errorf("%d fetches in 20 seconds", n)
		}
		time.Sleep(time.Hour)
		if err := c.Delete(t.Context(), "x"); !errors.Is(err, ErrUnavailable) {
			t.Errorf("once it is over: %v", err)
		}
	})
}

func TestATokenThatIsNotAcceptedIsRenewedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{token: numbered, good: func(token string) bool { return token != "token-1" }}
		if err := f.client(t).Delete(t.Context(), "x"); err != nil || f.fetches.Load() != 2 || f.calls.Load() != 2 {
			t.Errorf("%v, %d fetches, %d calls", err, f.fetches.Load(), f.calls.Load())
		}
		f = &fake{token: numbered, good: func(string) bool { return false }}
		err := f.client(t).Delete(t.Context(), "x")
		if e, ok := errors.AsType[*Error](err); !ok || e.Status != 401 || errors.Is(err, ErrRefused) || f.fetches.Load() != 2 || f.calls.Load() != 2 {
			t.Errorf("%v, %d fetches, %d calls", err, f.fetches.Load(), f.calls.Load())
		}
	})
}

func TestAWrongSecretIsNotTriedInALoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{good: anyToken, token: func(int64) (int, string) {
			return 401, `{"error":"access_denied","error_description":"Unauthorized"}`
		}}
		c := f.client(t)
		for range 100 {
			err := c.Delete(t.Context(), "x")
			if e, ok := errors.AsType[*Error](err); !ok || e.Status != 401 || e.Code != "access_denied" || strings.Contains(err.Error(), "hunter2") {
				t.Fatalf("%v", err)
			}
			time.Sleep(50 * time.Millisecond)
		}
		if f.fetches.Load() != 1 || f.calls.Load() != 0 {
			t.Errorf("%d fetches, %d calls in 5 seconds", f.fetches.Load(), f.calls.Load())
		}
		time.Sleep(refusalKept)
		f.token = numbered
		if err := c.Delete(t.Context(), "x"); err != nil {
			t.Errorf("once the secret is right: %v", err)
		}
	})
}

func TestAnotherCallersHurryDoesNotEndTheFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{token: numbered, good: anyToken, took: 2 * time.Second}
		c := f.client(t)
		hurried, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var all sync.WaitGroup
		all.Go(func() {
			if err := c.Delete(hurried, "x"); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v", err)
			}
		})
		synctest.Wait()
		all.Go(func() {
			if err := c.Delete(t.Context(), "x"); err != nil {
				t.Error(err)
			}
		})
		all.Wait()
		if f.fetches.Load() != 1 {
			t.Errorf("%d fetches", f.fetches.Load())
		}
	})
}

func TestATokenAnswerThatCannotBeReadIsAnError(t *testing.T) {
	for _, body := range []string{
		"", "<html>", "[]", `{"access_token":"","expires_in":1,"token_type":"Bearer"}`, `{"access_token":"a\r\nX: y","expires_in":1,"token_type":"Bearer"}`,
		`{"access_token":"a","token_type":"Bearer"}`, `{"access_token":"a","expires_in":-1,"token_type":"Bearer"}`, `{"access_token":"a","expires_in":1,"token_type":"mac"}`,
	} {
		f := &fake{good: anyToken, token: func(int64) (int, string) { return 200, body }}
		if err := f.client(t).Delete(t.Context(), "x"); !errors.Is(err, ErrUnavailable) || f.calls.Load() != 0 {
			t.Errorf("%q: %v", body, err)
		}
	}
}
