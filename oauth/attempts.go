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

// attempts bounds how many failed attempts of an address are answered as such; further ones
// are told to wait. Right credentials are never looked for here, so nobody can be shut out
// by others behind the same proxy, and unknown clients look like known ones. Guessing is
// hopeless anyhow, since every secret has 256 random bits (isSecret); what an attempt costs is
// bounded where credentials are verified. The limit is for clients that repeat a mistake.
type attempts struct {
	mu      sync.Mutex
	buckets map[string]*rate.Limiter // by address
}

func newAttempts() *attempts { return &attempts{buckets: map[string]*rate.Limiter{}} }

// failed notes a failed attempt and returns 0, or how long it takes until another one of
// that address is noted.
func (a *attempts) failed(ip string, now time.Time) (wait time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	b := a.buckets[ip]
	if b == nil {
		a.makeRoom(now)
		b = rate.NewLimiter(rate.Every(attemptInterval), attemptBurst)
		a.buckets[ip] = b
	}
	if b.AllowN(now, 1) {
		return 0
	}
	return time.Duration((1 - b.TokensAt(now)) * float64(attemptInterval))
}

// makeRoom forgets the buckets that are full again, and when none is, any one.
func (a *attempts) makeRoom(now time.Time) {
	if len(a.buckets) < maxAttempts {
		return
	}
	for ip, b := range a.buckets {
		if b.TokensAt(now) >= attemptBurst {
			delete(a.buckets, ip)
		}
	}
	for ip := range a.buckets {
		if len(a.buckets) < maxAttempts {
			return
		}
		delete(a.buckets, ip)
	}
}
