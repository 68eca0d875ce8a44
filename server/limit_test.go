package server

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/internal/doortest"
	"github.com/rollcall-id/rollcall/internal/wire"
	"github.com/rollcall-id/rollcall/reference/referencetest"
)

// limitedDoor answers 200 to whoever names itself, and 403 to who lacks the scope.
func limitedDoor(limit CallerLimit) http.Handler {
	door := wire.Door{Authenticate: newLimiter(limit).limited(byName, tooMany)}
	return door.With("x", func(w http.ResponseWriter, _ *http.Request, _ rollcall.Caller) error {
		wire.WriteJSON(w, http.StatusOK, []byte("{}"))
		return nil
	})
}

// byName believes who says a name.
func byName(w http.ResponseWriter, r *http.Request) (rollcall.Caller, bool) {
	name := r.Header.Get("Caller")
	if name == "" {
		wire.WriteUnauthorized(w, "Missing authentication", false)
		return rollcall.Caller{}, false
	}
	return rollcall.Caller{ID: name, Scopes: []string{r.Header.Get("Scope")}}, true
}

func TestAClientHasOneLimitWhateverItComesWith(t *testing.T) {
	l := newLimiter(CallerLimit{PerSecond: 1})
	ask := func(refuse func(http.ResponseWriter), caller string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("POST", "/oauth/introspect", nil)
		r.Header.Set("Caller", caller)
		l.limited(byName, refuse)(w, r)
		return w
	}
	if w := ask(tooMany, "backend"); w.Code != http.StatusOK {
		t.Fatalf("the first: %d", w.Code)
	}
	w := ask(tooManyOAuth, "backend")
	want := `{"error":"too_many_requests","error_description":"Global limit has been reached"}`
	if w.Code != http.StatusTooManyRequests || w.Body.String() != want || w.Header().Get("Retry-After") == "" {
		t.Errorf("the second, with its own credentials: %d %s %v", w.Code, w.Body, w.Header())
	}
	if w := ask(tooManyOAuth, "other"); w.Code != http.StatusOK {
		t.Errorf("another client: %d", w.Code)
	}
}

func ask(h http.Handler, caller, scope string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", "/api/v2/sessions/x", nil)
	r.Header.Set("Caller", caller)
	r.Header.Set("Scope", scope)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func number(t *testing.T, w *httptest.ResponseRecorder, header string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(w.Header().Get(header), 10, 64)
	if err != nil {
		t.Errorf("%s: %v in %v", header, err, w.Header())
	}
	return n
}

func TestCallersAreLimitedEachOnItsOwnInThePublishedForm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := limitedDoor(CallerLimit{PerSecond: 2, Burst: 3})
		for left := int64(2); left >= 0; left-- {
			w := ask(h, "a", "x")
			if w.Code != 200 || number(t, w, "x-ratelimit-limit") != 3 || number(t, w, "x-ratelimit-remaining") != left || w.Header().Get("Retry-After") != "" {
				t.Errorf("%d %v", w.Code, w.Header())
			}
			if reset := number(t, w, "x-ratelimit-reset"); reset != time.Now().Unix()+1 {
				t.Errorf("reset at %d, now is %d", reset, time.Now().Unix())
			}
		}
		// The limit comes before the scope.
		w := ask(h, "a", "")
		want := `{"statusCode":429,"error":"Too Many Requests","message":"Global limit has been reached","errorCode":"too_many_requests"}`
		if w.Code != 429 || w.Body.String() != want || number(t, w, "x-ratelimit-remaining") != 0 || number(t, w, "Retry-After") != 1 {
			t.Errorf("%d %s %v", w.Code, w.Body, w.Header())
		}
		if w := ask(h, "b", "x"); w.Code != 200 || number(t, w, "x-ratelimit-remaining") != 2 {
			t.Errorf("another caller: %d %v", w.Code, w.Header())
		}
		time.Sleep(time.Duration(number(t, w, "Retry-After")) * time.Second)
		for range 2 {
			if w := ask(h, "a", "x"); w.Code != 200 {
				t.Errorf("after the wait: %d", w.Code)
			}
		}
		if w := ask(h, "a", "x"); w.Code != 429 {
			t.Errorf("two a second, and a third: %d", w.Code)
		}
	})
}

func TestEveryAnswerOfALimitedEndpointSaysTheLimit(t *testing.T) {
	h := limitedDoor(CallerLimit{PerSecond: 5})
	for status, w := range map[int]*httptest.ResponseRecorder{401: ask(h, "", "x"), 403: ask(h, "a", ""), 200: ask(h, "b", "x")} {
		if w.Code != status || number(t, w, "x-ratelimit-limit") != 5 || number(t, w, "x-ratelimit-remaining") < 4 || number(t, w, "x-ratelimit-reset") < time.Now().Unix()-60 {
			t.Errorf("%d: %d %v", status, w.Code, w.Header())
		}
	}
	// Without a limit nothing is said.
	for name, values := range ask(limitedDoor(CallerLimit{}), "a", "x").Header() {
		if strings.HasPrefix(name, "X-Ratelimit") {
			t.Errorf("without a limit: %s %v", name, values)
		}
	}
}

func TestTheMemoryOfLimitsIsBounded(t *testing.T) {
	l := newLimiter(CallerLimit{PerSecond: 1})
	now := time.Now()
	for i := range maxLimited + 500 {
		l.take(strconv.Itoa(i), now)
	}
	if len(l.buckets) > maxLimited {
		t.Errorf("%d buckets", len(l.buckets))
	}
	l.take("one more", now.Add(time.Minute))
	if len(l.buckets) != 1 {
		t.Errorf("%d buckets when all are full again", len(l.buckets))
	}
}

func TestHalfALimitIsRefused(t *testing.T) {
	for _, l := range []CallerLimit{{PerSecond: -1}, {Burst: 1}, {PerSecond: 1, Burst: -1}} {
		if l.Check() == nil {
			t.Errorf("%+v is accepted", l)
		}
	}
	for _, l := range []CallerLimit{{}, {PerSecond: 1}, {PerSecond: 1, Burst: 50}} {
		if err := l.Check(); err != nil {
			t.Errorf("%+v: %v", l, err)
		}
	}
}

// TestASessionIsLimitedInWhatItAsksOfItself holds that no other session, and nobody who only
// knows the id, uses up what a session may ask.
func TestASessionIsLimitedInWhatItAsksOfItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDoors(t)
		d.SessionLimit = CallerLimit{PerSecond: 1, Burst: 3}
		h := referencetest.Handler(t, d.Handler())
		var tokens []rollcall.Token
		for range 2 {
			_, token, err := d.Manager.Create(t.Context(), rollcall.Caller{}, rollcall.NewSession{UserID: "u"})
			if err != nil {
				t.Fatal(err)
			}
			tokens = append(tokens, token)
		}
		get := func(token rollcall.Token) *httptest.ResponseRecorder {
			return doortest.Serve(h, "GET", "/v1/me/sessions", "", "Authorization", "Bearer "+token.Reveal())
		}
		for range 10 {
			if w := get(rollcall.Token{ID: tokens[0].ID, Secret: rollcall.NewSecret()}); w.Code != 401 {
				t.Errorf("a wrong secret: %d", w.Code)
			}
		}
		for left := int64(2); left >= 0; left-- {
			if w := get(tokens[0]); w.Code != 200 || number(t, w, "x-ratelimit-limit") != 3 || number(t, w, "x-ratelimit-remaining") != left {
				t.Errorf("%d %v", w.Code, w.Header())
			}
		}
		w := get(tokens[0])
		wait := number(t, w, "Retry-After")
		if w.Code != 429 || wait < 1 {
			t.Errorf("one too many: %d %v %s", w.Code, w.Header(), w.Body)
		}
		for _, call := range [][2]string{{"DELETE", "/v1/me/sessions/" + tokens[1].ID}, {"POST", "/v1/me/sessions/end-others"}} {
			if w := doortest.Serve(h, call[0], call[1], "", "Authorization", "Bearer "+tokens[0].Reveal()); w.Code != 429 {
				t.Errorf("%s %s: %d", call[0], call[1], w.Code)
			}
		}
		if w := get(tokens[1]); w.Code != 200 {
			t.Errorf("another session: %d", w.Code)
		}
		time.Sleep(time.Duration(wait) * time.Second)
		if w := get(tokens[0]); w.Code != 200 {
			t.Errorf("after the wait: %d", w.Code)
		}
		d.SessionLimit = CallerLimit{}
		h = d.Handler()
		for range 50 {
			if w := get(tokens[0]); w.Code != 200 || w.Header().Get("X-RateLimit-Limit") != "" {
				t.Errorf("without a limit: %d %v", w.Code, w.Header())
			}
		}
	})
}

// Whoever waits as long as is said is heard, and who waits a second less is not.
func TestRetryAfterIsExact(t *testing.T) {
	for _, tt := range []struct {
		limit CallerLimit
		begin time.Duration // since a whole second
		wait  int64
	}{
		{CallerLimit{PerSecond: 1, Burst: 1}, 0, 1},
		{CallerLimit{PerSecond: 1, Burst: 1}, 900 * time.Millisecond, 1},
		{CallerLimit{PerSecond: 4, Burst: 1}, 999 * time.Millisecond, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(tt.begin)
			h := limitedDoor(tt.limit)
			ask(h, "a", "x")
			w := ask(h, "a", "x")
			if got := number(t, w, "Retry-After"); w.Code != 429 || got != tt.wait {
				t.Errorf("%+v at %v: %d, Retry-After %d, want %d", tt.limit, tt.begin, w.Code, got, tt.wait)
			}
			again := time.Now().Add(time.Second / time.Duration(tt.limit.PerSecond))
			reset := time.Unix(number(t, w, "x-ratelimit-reset"), 0)
			if reset.Before(again) || reset.Sub(again) >= time.Second {
				t.Errorf("%+v at %v: reset %v after the next request is heard", tt.limit, tt.begin, reset.Sub(again))
			}
			time.Sleep(time.Duration(tt.wait) * time.Second)
			if w := ask(h, "a", "x"); w.Code != 200 {
				t.Errorf("%+v at %v: %d after the wait", tt.limit, tt.begin, w.Code)
			}
		})
	}
}
