package sessions

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/rollcall-id/rollcall"
)

var errKeyReused = rollcall.Errorf(rollcall.CodeConflict, "The Idempotency-Key was used with another request")

// SetDerivationKeys changes the keys that repeated creations and authentications are
// answered with. The first key makes what is new. The others are those that were first
// before: what they made can be asked for again for rollcall.IdempotencyWindow, and as much
// longer as a clock may have been set back.
//
// Nodes that share a store share the keys. A key is put first on a node once each node has
// it in its list; otherwise a creation that is repeated on another node makes a second
// session. Error: a key is zero.
func (m *Manager) SetDerivationKeys(keys ...rollcall.DerivationKey) error {
	if slices.Contains(keys, rollcall.DerivationKey{}) {
		return errors.New("a derivation key is zero")
	}
	keys = slices.Clone(keys)
	m.keys.Store(&keys)
	return nil
}

// keysFor holds an Idempotency-Key, "" for none, against what can be done with it, and
// returns the derivation keys. Error: CodeInvalid.
func (m *Manager) keysFor(key string) ([]rollcall.DerivationKey, error) {
	keys := *m.keys.Load()
	switch {
	case len(key) > rollcall.MaxIdempotencyKeyLength:
		return nil, rollcall.Errorf(rollcall.CodeInvalid, "An Idempotency-Key has at most %d characters", rollcall.MaxIdempotencyKeyLength)
	case key != "" && len(keys) == 0:
		return nil, rollcall.Errorf(rollcall.CodeInvalid, "An Idempotency-Key needs a derivation key, and none is configured")
	}
	return keys, nil
}

// A minted is the token of a new session.
type minted struct {
	token rollcall.Token
	// digest is what the token's secret was derived with; zero for a random secret.
	digest rollcall.RequestDigest
}

// mint returns the token of a new session. When the creation repeats an earlier one it
// returns that one's session as well.
func (m *Manager) mint(ctx context.Context, now time.Time, by rollcall.Caller, n rollcall.NewSession, keys []rollcall.DerivationKey) (minted, rollcall.Session, error) {
	switch {
	case n.ID != "":
		// Row and claim are the store's to guard; asking first makes the answer
		// a clear one.
		if _, _, err := m.store.Session(ctx, rollcall.At{ID: n.ID}); !errors.Is(err, rollcall.ErrNoSession) {
			if err == nil {
				err = rollcall.Errorf(rollcall.CodeConflict, "A session with this id exists or has existed lately")
			}
			return minted{}, rollcall.Session{}, err
		}
		return minted{token: rollcall.Token{ID: n.ID, Secret: rollcall.NewSecret()}}, rollcall.Session{}, nil
	case n.IdempotencyKey == "":
		return minted{token: newToken()}, rollcall.Session{}, nil
	}
	return m.derived(ctx, now, by, n, keys)
}

func newToken() rollcall.Token {
	return rollcall.Token{ID: rollcall.NewSessionID(), Secret: rollcall.NewSecret()}
}

// derived finds what the Idempotency-Key made within its window. The window's number is
// part of the derivation, so an Idempotency-Key is free again when it no longer counts: what
// it made in this window or in the one before is what can still count; and in the one after,
// when the clock was set back since. Each is looked for under each derivation key.
func (m *Manager) derived(ctx context.Context, now time.Time, by rollcall.Caller, n rollcall.NewSession, keys []rollcall.DerivationKey) (minted, rollcall.Session, error) {
	window := now.UnixMilli() / rollcall.IdempotencyWindow.Milliseconds()
	parts := func(w int64) []string {
		return []string{"create", by.ID, n.UserID, n.IdempotencyKey, strconv.FormatInt(w, 10)}
	}
	for _, key := range keys {
		for _, w := range []int64{window, window - 1, window + 1} {
			id := key.SessionID(parts(w)...)
			s, _, err := m.store.Session(ctx, rollcall.At{ID: id})
			if errors.Is(err, rollcall.ErrNoSession) {
				continue
			}
			if err != nil {
				return minted{}, rollcall.Session{}, err
			}
			if now.Sub(s.CreatedAt) >= rollcall.IdempotencyWindow {
				continue
			}
			token := rollcall.Token{ID: id, Secret: key.Secret(s.RequestDigest, parts(w)...)}
			f, err := m.repeated(ctx, now, &s, token, n)
			return minted{token: token}, f.Session, err
		}
	}
	d := rollcall.NewRequestDigest(n.Unkeyed())
	token := rollcall.Token{ID: keys[0].SessionID(parts(window)...), Secret: keys[0].Secret(d, parts(window)...)}
	return minted{token, d}, rollcall.Session{}, nil
}

// repeated returns the session that the Idempotency-Key of n made, whose row is s and whose
// token was this one. Error: CodeConflict when the repetition cannot be answered with it.
func (m *Manager) repeated(ctx context.Context, now time.Time, s *rollcall.Session, token rollcall.Token, n rollcall.NewSession) (fact, error) {
	if !s.SecretHash.Matches(token.Secret) {
		return fact{}, rollcall.Errorf(rollcall.CodeConflict, "The session that this Idempotency-Key made has a new token since")
	}
	if !s.RequestDigest.Of(n.Unkeyed()) {
		return fact{}, errKeyReused
	}
	f, err := m.live(ctx, rollcall.At{ID: token.ID}, now)
	if errors.Is(err, rollcall.ErrNoSession) {
		err = rollcall.Errorf(rollcall.CodeConflict, "The session that this Idempotency-Key made is over")
	}
	return f, err
}
