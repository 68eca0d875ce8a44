package sessions

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/rollcall-id/rollcall"
)

var errKeyReused = rollcall.Errorf(rollcall.CodeConflict, "The Idempotency-Key was used with another request")

// checkKey holds an Idempotency-Key against what can be done with it.
func (m *Manager) checkKey(key string) error {
	switch {
	case len(key) > rollcall.MaxIdempotencyKeyLength:
		return rollcall.Errorf(rollcall.CodeInvalid, "An Idempotency-Key has at most %d characters", rollcall.MaxIdempotencyKeyLength)
	case key != "" && m.key == (rollcall.DerivationKey{}):
		return rollcall.Errorf(rollcall.CodeInvalid, "An Idempotency-Key needs a derivation key, and none is configured")
	}
	return nil
}

// tokenFor returns the token of a new session. When the creation repeats an
// earlier one it returns that one's session as well.
func (m *Manager) tokenFor(ctx context.Context, now time.Time, by rollcall.Caller, n rollcall.NewSession) (rollcall.Token, rollcall.Session, error) {
	switch {
	case n.ID != "":
		// Row and claim are the store's to guard; asking first makes the answer
		// a clear one.
		if _, _, err := m.store.Session(ctx, rollcall.At{ID: n.ID}); !errors.Is(err, rollcall.ErrNoSession) {
			if err == nil {
				err = rollcall.Errorf(rollcall.CodeConflict, "A session with this id exists or has existed lately")
			}
			return rollcall.Token{}, rollcall.Session{}, err
		}
		return rollcall.Token{ID: n.ID, Secret: rollcall.NewSecret()}, rollcall.Session{}, nil
	case n.IdempotencyKey == "":
		return newToken(), rollcall.Session{}, nil
	}
	return m.derivedToken(ctx, now, by, n)
}

func newToken() rollcall.Token {
	return rollcall.Token{ID: rollcall.NewSessionID(), Secret: rollcall.NewSecret()}
}

// derivedToken finds what the key made within its window. The window's number is
// part of the derivation, so a key is free again when it no longer counts: what
// it made in this window or in the one before is what can still count; and in the
// one after, when the clock was set back since.
func (m *Manager) derivedToken(ctx context.Context, now time.Time, by rollcall.Caller, n rollcall.NewSession) (rollcall.Token, rollcall.Session, error) {
	window := now.UnixMilli() / idempotencyWindow.Milliseconds()
	for _, w := range []int64{window, window - 1, window + 1} {
		t := m.key.Token("create", by.ID, n.UserID, n.IdempotencyKey, strconv.FormatInt(w, 10))
		s, _, err := m.store.Session(ctx, rollcall.At{ID: t.ID})
		if errors.Is(err, rollcall.ErrNoSession) {
			continue
		}
		if err != nil {
			return rollcall.Token{}, rollcall.Session{}, err
		}
		if now.Sub(s.CreatedAt) >= idempotencyWindow {
			continue
		}
		if !s.SecretHash.Matches(t.Secret) {
			return rollcall.Token{}, rollcall.Session{}, rollcall.Errorf(rollcall.CodeConflict, "The session that this Idempotency-Key made has a new token since")
		}
		if s.RequestDigest != rollcall.Digest(n.Unkeyed()) {
			return rollcall.Token{}, rollcall.Session{}, errKeyReused
		}
		f, err := m.live(ctx, rollcall.At{ID: t.ID}, now)
		if errors.Is(err, rollcall.ErrNoSession) {
			err = rollcall.Errorf(rollcall.CodeConflict, "The session that this Idempotency-Key made is over")
		}
		return t, f.Session, err
	}
	t := m.key.Token("create", by.ID, n.UserID, n.IdempotencyKey, strconv.FormatInt(window, 10))
	return t, rollcall.Session{}, nil
}
