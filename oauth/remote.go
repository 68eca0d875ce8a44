package oauth

import (
	"context"
	"crypto"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rollcall-id/rollcall/internal/outbound"
)

const (
	// fetchTimeout bounds the fetch of a key set.
	fetchTimeout = 5 * time.Second
	// refetchInterval is the least time between two fetches that tokens cause.
	refetchInterval = time.Minute
	// refreshInterval is how old keys get before they are fetched anew, so that a
	// key which the issuer has withdrawn goes.
	refreshInterval = 15 * time.Minute
)

// remoteKeys are the keys that an issuer publishes. What was fetched holds until
// something better has been: an endpoint that is down, or answers nonsense, changes
// nothing.
type remoteKeys struct {
	url    string
	client *http.Client
	clock  func() time.Time
	log    *slog.Logger

	keys atomic.Pointer[keySet]

	mu       sync.Mutex
	fetching chan struct{} // closed at the end of the fetch under way; nil when none is
	tried    time.Time     // when the latest fetch began
	failing  bool          // as of the latest fetch, so that it is logged once
}

func newRemoteKeys(t TrustedIssuer, clock func() time.Time, log *slog.Logger) *remoteKeys {
	r := &remoteKeys{
		url: t.JWKSURL, clock: clock, log: log.With("issuer", t.Issuer, "jwks_url", t.JWKSURL),
		client: outbound.NewClient(outbound.Options{Timeout: fetchTimeout, AllowInternal: t.AllowInternal}),
	}
	r.keys.Store(&keySet{})
	return r
}

// named returns a key. One that is not known may be new: then the set is fetched,
// unless that was done a moment ago, however many tokens ask.
func (r *remoteKeys) named(ctx context.Context, id, alg string) crypto.PublicKey {
	if key := r.keys.Load().named(id, alg); key != nil {
		return key
	}
	r.refresh(ctx, refetchInterval)
	return r.keys.Load().named(id, alg)
}

// due says how old keys may get. Without any it is tried again soon.
func (r *remoteKeys) due() time.Duration {
	if len(*r.keys.Load()) == 0 {
		return refetchInterval
	}
	return refreshInterval
}

// refresh fetches the keys, unless that was tried within the interval. Who comes
// while a fetch is under way waits for its end.
func (r *remoteKeys) refresh(ctx context.Context, interval time.Duration) {
	r.mu.Lock()
	if under := r.fetching; under != nil {
		r.mu.Unlock()
		select {
		case <-under:
		case <-ctx.Done():
		}
		return
	}
	now := r.clock()
	if !r.tried.IsZero() && now.Sub(r.tried) < interval {
		r.mu.Unlock()
		return
	}
	done := make(chan struct{})
	r.tried, r.fetching = now, done
	r.mu.Unlock()
	// Others wait for it, so it goes on when this request is given up.
	problem := r.fetch(context.WithoutCancel(ctx))
	r.mu.Lock()
	r.fetching = nil
	r.note(problem)
	r.mu.Unlock()
	close(done)
}

// fetch takes the published keys over and says what was wrong, if anything.
func (r *remoteKeys) fetch(ctx context.Context) (problem string) {
	data, err := outbound.Get(ctx, r.client, r.url, maxKeySet)
	if err != nil {
		return oneLine([]error{err})
	}
	keys, skipped, err := parseKeySet(data)
	if err != nil {
		return oneLine([]error{err})
	}
	r.keys.Store(&keys)
	if len(skipped) > 0 {
		return "passed over " + oneLine(skipped)
	}
	return ""
}

// note logs a problem when it begins, and its end. The caller holds mu.
func (r *remoteKeys) note(problem string) {
	known := len(*r.keys.Load())
	switch failing := problem != ""; {
	case failing && r.failing:
		r.log.Debug("the issuer's keys can still not all be fetched", "keys", known, "error", problem)
	case failing:
		r.log.Warn("the issuer's keys cannot all be fetched; those that are known go on being used", "keys", known, "error", problem)
	case r.failing:
		r.log.Info("the issuer's keys are good again", "keys", known)
	}
	r.failing = problem != ""
}
