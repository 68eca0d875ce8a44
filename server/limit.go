package server

import (
	"errors"
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/internal/wire"
)

// maxLimited bounds how many callers' buckets are remembered.
const maxLimited = 10_000

// A CallerLimit is how often one caller, or one session, may ask: a token bucket. The zero
// CallerLimit sets no limit.
type CallerLimit struct {
	PerSecond int // requests a second, in the long run; 0 sets no limit
	Burst     int // requests at once; 0 stands for PerSecond
}

// Check reports what is wrong with the limit, if anything.
func (l CallerLimit) Check() error {
	switch {
	case l.PerSecond < 0 || l.Burst < 0:
		return errors.New("rate_limit and rate_burst are not negative")
	case l.PerSecond == 0 && l.Burst > 0:
		return errors.New("rate_burst without rate_limit limits nothing: set rate_limit")
	}
	return nil
}

// limited lets each caller pass so often. Every answer says how often that is, as
// published (docs/published-api.md P27 to P30). The limit comes after authentication and before the
// scope. A nil limiter sets no limit; refuse writes the body of 429.
func (l *limiter) limited(next wire.Authenticate, refuse func(http.ResponseWriter)) wire.Authenticate {
	if l == nil {
		return next
	}
	return func(w http.ResponseWriter, r *http.Request) (rollcall.Caller, bool) {
		now := time.Now()
		l.say(w.Header(), now, verdict{allowed: true, remaining: l.burst}) // as for who has not asked yet
		by, ok := next(w, r)
		if !ok {
			return by, false
		}
		if !l.pass(w, by.ID, now, refuse) {
			return rollcall.Caller{}, false
		}
		return by, true
	}
}

// limitedSelf lets each session pass so often, nil when there is no limit. The limit comes
// after the session's token was found good: nobody else can use up the session's.
func (d *Doors) limitedSelf() func(w http.ResponseWriter, sessionID string) bool {
	l := newLimiter(d.SessionLimit)
	if l == nil {
		return nil
	}
	return func(w http.ResponseWriter, sessionID string) bool { return l.pass(w, sessionID, time.Now(), tooMany) }
}

// pass counts a request, says the limit, and answers a request that is one too many; refuse
// writes the body of 429.
func (l *limiter) pass(w http.ResponseWriter, caller string, now time.Time, refuse func(http.ResponseWriter)) bool {
	v := l.take(caller, now)
	l.say(w.Header(), now, v)
	if !v.allowed {
		wire.SetRetryAfter(w.Header(), v.wait)
		refuse(w)
	}
	return v.allowed
}

const limitReached = "Global limit has been reached"

// tooMany answers 429 as published, tooManyOAuth in the OAuth form.
func tooMany(w http.ResponseWriter) {
	wire.WriteError(w, http.StatusTooManyRequests, limitReached, "too_many_requests")
}

func tooManyOAuth(w http.ResponseWriter) {
	wire.WriteOAuthError(w, http.StatusTooManyRequests, "too_many_requests", limitReached, "")
}

// limiter holds a bucket for each caller.
type limiter struct {
	perSecond rate.Limit
	burst     int
	limit     []string // the header's value

	mu      sync.Mutex
	buckets map[string]*rate.Limiter
}

// newLimiter returns nil for no limit.
func newLimiter(l CallerLimit) *limiter {
	if l.PerSecond == 0 {
		return nil
	}
	if l.Burst == 0 {
		l.Burst = l.PerSecond
	}
	return &limiter{
		perSecond: rate.Limit(l.PerSecond), burst: l.Burst, limit: []string{strconv.Itoa(l.Burst)},
		buckets: map[string]*rate.Limiter{},
	}
}

// A verdict is what a request is answered about its limit.
type verdict struct {
	allowed   bool
	remaining int
	wait      time.Duration // until another request has been added
}

// take counts a request of a caller.
func (l *limiter) take(caller string, now time.Time) verdict {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.buckets[caller]
	if b == nil {
		l.makeRoom(now)
		b = rate.NewLimiter(l.perSecond, l.burst)
		l.buckets[caller] = b
	}
	v := verdict{allowed: b.AllowN(now, 1)}
	left := b.TokensAt(now)
	v.remaining = max(0, int(left))
	missing := 1 - (left - math.Floor(left))
	v.wait = time.Duration(missing / float64(l.perSecond) * float64(time.Second))
	return v
}

// makeRoom forgets the buckets that are full again, and when none is, any one.
func (l *limiter) makeRoom(now time.Time) {
	if len(l.buckets) < maxLimited {
		return
	}
	for caller, b := range l.buckets {
		if b.TokensAt(now) >= float64(l.burst) {
			delete(l.buckets, caller)
		}
	}
	for caller := range l.buckets {
		if len(l.buckets) < maxLimited {
			return
		}
		delete(l.buckets, caller)
	}
}

func (l *limiter) say(h http.Header, now time.Time, v verdict) {
	h["X-Ratelimit-Limit"] = l.limit
	h["X-Ratelimit-Remaining"] = []string{strconv.Itoa(v.remaining)}
	h["X-Ratelimit-Reset"] = []string{strconv.FormatInt(wire.UnixCeil(now.Add(v.wait)), 10)}
}
