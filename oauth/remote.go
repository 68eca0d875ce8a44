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
	// staleAfter is how long keys are used since they were last fetched: an endpoint that is
	// down for a night takes nobody's access away, and a key that the issuer has withdrawn
	// does not live on because the endpoint is kept down, or answers an empty set.
	staleAfter = 12 * time.Hour
)

// remoteKeys are the keys that an issuer publishes. What was fetched is used until a
// later fetch brings a set with a key in it, and for staleAfter at most.
type remoteKeys struct {
	url    string
	client *http.Client
	clock  func() time.Time
	log    *slog.Logger

	fetched atomic.Pointer[fetchedKeys]

	mu       sync.Mutex
	fetching chan struct{} // closed at the end of the fetch under way; nil when none is
	tried    time.Time     // when the latest fetch began
	failing  bool          // as of the latest fetch, so that a problem is logged once
	stale    bool          // as of the latest fetch: there are keys, and none is used any more
}

// fetchedKeys are what a fetch brought.
type fetchedKeys struct {
	keys keySet
	at   time.Time // when the fetch began; zero before the first
}

func newRemoteKeys(t TrustedIssuer, clock func() time.Time, log *slog.Logger, wrap func(http.RoundTripper) http.RoundTripper) *remoteKeys {
	r := &remoteKeys{
		url: t.JWKSURL, clock: clock, log: log.With("issuer", t.Issuer, "jwks_url", t.JWKSURL),
		client: outbound.NewClient(outbound.Options{Timeout: fetchTimeout, AllowInternal: t.AllowInternal, Transport: wrap}),
	}
	r.fetched.Store(&fetchedKeys{})
	return r
}

// named returns a key. One that is not known may be new: then the set is fetched,
// unless that was done a moment ago, however many tokens ask.
func (r *remoteKeys) named(ctx context.Context, id, alg string) crypto.PublicKey {
	if key := r.known().named(id, alg); key != nil {
		return key
	}
	r.refresh(ctx, refetchInterval)
	return r.known().named(id, alg)
}

// known returns the keys that are in use now.
func (r *remoteKeys) known() keySet {
	f := r.fetched.Load()
	if r.clock().Sub(f.at) >= staleAfter {
		return nil
	}
	return f.keys
}

// due says how old keys may get. Without any it is tried again soon.
func (r *remoteKeys) due() time.Duration {
	if len(r.known()) == 0 {
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
	problem := r.fetch(context.WithoutCancel(ctx), now)
	r.mu.Lock()
	r.fetching = nil
	r.note(problem)
	r.mu.Unlock()
	close(done)
}

// fetch takes the published keys over and says what was wrong, if anything.
func (r *remoteKeys) fetch(ctx context.Context, now time.Time) (problem string) {
	data, err := outbound.Get(ctx, r.client, r.url, maxKeySet)
	if err != nil {
		return oneLine([]error{err})
	}
	keys, skipped, err := parseKeySet(data)
	if err != nil {
		return oneLine([]error{err})
	}
	r.fetched.Store(&fetchedKeys{keys, now})
	if len(skipped) > 0 {
		return "passed over " + oneLine(skipped)
	}
	return ""
}

// note logs a problem when it begins, when it has made the keys stale, and its end. The
// caller holds mu.
func (r *remoteKeys) note(problem string) {
	known := len(r.known())
	stale := known == 0 && len(r.fetched.Load().keys) > 0
	switch failing := problem != ""; {
	case failing && stale && !r.stale:
		r.log.Warn("the issuer's keys are not used any more: they were fetched too long ago", "after", staleAfter, "error", problem)
	case failing && r.failing:
		r.log.Debug("the issuer's keys can still not all be fetched", "keys", known, "error", problem)
	case failing:
		r.log.Warn("the issuer's keys cannot all be fetched; those that are known go on being used for a while", "keys", known, "for", staleAfter, "error", problem)
	case r.failing:
		r.log.Info("the issuer's keys are good again", "keys", known)
	}
	r.failing, r.stale = problem != "", stale
}
