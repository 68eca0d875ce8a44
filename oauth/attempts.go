package oauth

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Failed attempts: so many at once, then one more each interval.
const (
	attemptBurst    = 10
	attemptInterval = 6 * time.Second
	maxAttempts     = 10_000
)

type attemptKey struct{ client, ip string }

// attempts limits how often a client's secret can be guessed from an address.
// Only failures count.
type attempts struct {
	mu      sync.Mutex
	buckets map[attemptKey]*rate.Limiter
}

func newAttempts() *attempts { return &attempts{buckets: map[attemptKey]*rate.Limiter{}} }

// wait returns how long it takes until another attempt is heard, 0 for now.
func (a *attempts) wait(key attemptKey, now time.Time) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	b := a.buckets[key]
	if b == nil {
		return 0
	}
	if missing := 1 - b.TokensAt(now); missing > 0 {
		return time.Duration(missing * float64(attemptInterval))
	}
	return 0
}

// failed notes a failed attempt.
func (a *attempts) failed(key attemptKey, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	b := a.buckets[key]
	if b == nil {
		a.makeRoom(now)
		b = rate.NewLimiter(rate.Every(attemptInterval), attemptBurst)
		a.buckets[key] = b
	}
	b.AllowN(now, 1)
}

// makeRoom forgets the buckets that are full again, and when none is, any one.
func (a *attempts) makeRoom(now time.Time) {
	if len(a.buckets) < maxAttempts {
		return
	}
	for key, b := range a.buckets {
		if b.TokensAt(now) >= attemptBurst {
			delete(a.buckets, key)
		}
	}
	for key := range a.buckets {
		if len(a.buckets) < maxAttempts {
			return
		}
		delete(a.buckets, key)
	}
}
