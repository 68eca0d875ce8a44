package oauth

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// state is what an Issuer goes by between two reloads. The verified tokens are part
// of it, so that a reload forgets them, and so does a verification that began
// before it.
type state struct {
	keys    *keysNow
	clients map[string]*Client
	trusted map[string]*trusted // by issuer

	mu       sync.RWMutex
	verified map[string]verified
}

// Callers are who may call, as the configuration says.
type Callers struct {
	Clients []Client
	Issuers []TrustedIssuer
}

// Check reports what is wrong with the declarations, if anything. It asks nobody.
func (c Callers) Check() error {
	seen := map[string]bool{}
	for _, client := range c.Clients {
		if err := client.Check(); err != nil {
			return err
		}
		if seen[client.ID] {
			return fmt.Errorf("client %s is declared twice", client.ID)
		}
		seen[client.ID] = true
	}
	clear(seen)
	for _, t := range c.Issuers {
		if err := t.Check(); err != nil {
			return err
		}
		if seen[t.Issuer] {
			return fmt.Errorf("issuer %s is declared twice", t.Issuer)
		}
		seen[t.Issuer] = true
	}
	return nil
}

// newState puts a state together. Remote keys that old has are kept, so that an
// endpoint which is down at a reload takes no keys away.
func (i *Issuer) newState(keys *keysNow, callers Callers, old *state) (*state, error) {
	s := &state{keys: keys, clients: map[string]*Client{}, trusted: map[string]*trusted{}, verified: map[string]verified{}}
	if err := callers.Check(); err != nil {
		return nil, err
	}
	for _, c := range callers.Clients {
		s.clients[c.ID] = &c
	}
	for _, t := range callers.Issuers {
		if slices.ContainsFunc(i.urls, func(u string) bool { return u+"/" == t.Issuer || u == t.Issuer }) {
			return nil, fmt.Errorf("issuer %s is this server itself", t.Issuer)
		}
		keys, err := i.keysOf(t, old)
		if err != nil {
			return nil, fmt.Errorf("issuer %s: %w", t.Issuer, err)
		}
		s.trusted[t.Issuer] = &trusted{t, keys}
	}
	return s, nil
}

func (i *Issuer) keysOf(t TrustedIssuer, old *state) (keySource, error) {
	if t.JWKSFile != "" {
		keys, skipped, err := readKeySetFile(t.JWKSFile)
		if err == nil && len(skipped) > 0 {
			i.log.Warn("keys in an issuer's file are passed over", "issuer", t.Issuer, "error", oneLine(skipped))
		}
		return fileKeys(keys), err
	}
	if old != nil {
		if before := old.trusted[t.Issuer]; before != nil && before.JWKSURL == t.JWKSURL && before.AllowInternal == t.AllowInternal {
			return before.keys, nil
		}
	}
	return newRemoteKeys(t, i.clock, i.log, i.transport), nil
}

// Reload reads the signing keys anew and changes who may call. Everything that was
// remembered of verified tokens is forgotten, so that removed clients, narrowed
// scopes and dropped keys count at once. With an error nothing has changed.
func (i *Issuer) Reload(callers Callers) error {
	keys, err := i.keys.read(i.clock())
	if err != nil {
		return err
	}
	s, err := i.newState(keys, callers, i.state.Load())
	if err != nil {
		return err
	}
	i.keys.current.Store(keys)
	i.state.Store(s)
	select {
	case i.reloaded <- struct{}{}:
	default: // Run has not seen the one before
	}
	return nil
}

// Run keeps the keys of other issuers fresh until ctx is done. Without it they are
// fetched when a token needs them.
func (i *Issuer) Run(ctx context.Context) {
	ticks := time.NewTicker(refetchInterval)
	defer ticks.Stop()
	for {
		i.refresh(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		case <-i.reloaded:
		}
	}
}

// refresh fetches what is due, all at once.
func (i *Issuer) refresh(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	var all sync.WaitGroup
	for _, t := range i.state.Load().trusted {
		if r, ok := t.keys.(*remoteKeys); ok {
			all.Go(func() { r.refresh(ctx, r.due()) })
		}
	}
	all.Wait()
}
