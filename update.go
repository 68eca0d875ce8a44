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
