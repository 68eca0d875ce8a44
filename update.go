package rollcall

import (
	"context"
	"errors"
	"time"
)

// UpdateMetadata replaces a session's metadata and returns the session. Errors:
// CodeInvalid, CodeNotFound, CodeUnavailable.
func (m *Manager) UpdateMetadata(ctx context.Context, by Caller, id string, metadata []MetadataEntry) (Session, error) {
	if err := CheckMetadata(metadata); err != nil {
		return Session{}, err
	}
	return m.change(ctx, id, func(s Session, now time.Time) (Session, Event, error) {
		s.Metadata, s.UpdatedAt = metadata, now
		return s, event(SessionUpdated, now, by, s), nil
	})
}

// Authentication is a further authentication within a session.
type Authentication struct {
	UserID    string // must be the session's
	Methods   []Method
	Full      bool // renews the absolute limit as well
	IP        string
	UserAgent string
}

// Authenticate records a further authentication of a session's user and gives
// the session a new secret; the old one is not accepted any more. Errors:
// CodeInvalid, CodeNotFound, CodeUnavailable.
func (m *Manager) Authenticate(ctx context.Context, by Caller, id string, a Authentication) (Session, Token, error) {
	if err := CheckMethods(a.Methods); err != nil {
		return Session{}, Token{}, err
	}
	if len(a.Methods) == 0 {
		return Session{}, Token{}, Errorf(CodeInvalid, "An authentication names at least one method")
	}
	if a.IP != "" {
		if _, err := ParseIP(a.IP); err != nil {
			return Session{}, Token{}, err
		}
	}
	token := Token{ID: id, Secret: NewSecret()}
	s, err := m.change(ctx, id, func(s Session, now time.Time) (Session, Event, error) {
		if s.UserID != a.UserID {
			return s, Event{}, Errorf(CodeInvalid, "The session belongs to another user")
		}
		if len(s.Methods)+len(a.Methods) > MaxMethods {
			return s, Event{}, Errorf(CodeInvalid, "A session holds at most %d authentication methods", MaxMethods)
		}
		from := NewOrigin(a.IP, a.UserAgent)
		from.ASN = m.asn(from.IP)
		s = s.Authenticated(m.policy, now, stamped(a.Methods, now), a.Full, token.Secret.Hash(), from)
		return s, event(SessionAuthenticated, now, by, s), nil
	})
	return s, token, err
}

// change puts what decide makes of a live session. It returns the session as it
// then is.
func (m *Manager) change(ctx context.Context, id string, decide func(s Session, now time.Time) (Session, Event, error)) (Session, error) {
	s, _, err := m.live(ctx, id, m.now())
	if err != nil {
		return Session{}, failed(err)
	}
	err = m.act(ctx, s.UserID, func(ctx context.Context, now time.Time) (Change, error) {
		before, _, err := m.live(ctx, id, now)
		if err != nil {
			return Change{}, err
		}
		after, e, err := decide(before, now)
		if errors.Is(err, errUnchanged) {
			s = before
			return Change{}, nil
		}
		if err != nil {
			return Change{}, err
		}
		s = after
		s.Version++
		return Change{UserID: s.UserID, Sessions: []PutSession{put(after)}, Events: []Event{e}}, nil
	})
	if err != nil {
		return Session{}, err
	}
	return s, nil
}

// errUnchanged is how a decision says that there is nothing to put.
var errUnchanged = errors.New("unchanged")
