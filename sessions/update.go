package sessions

import (
	"context"
	"errors"
	"time"

	"github.com/rollcall-id/rollcall"
)

// UpdateMetadata replaces a session's metadata and returns the session. Errors:
// CodeInvalid, CodeNotFound, CodeUnavailable.
func (m *Manager) UpdateMetadata(ctx context.Context, by rollcall.Caller, id string, metadata []rollcall.MetadataEntry) (rollcall.Session, error) {
	if err := rollcall.CheckMetadata(metadata); err != nil {
		return rollcall.Session{}, err
	}
	return m.change(ctx, id, func(s rollcall.Session, now time.Time) (rollcall.Session, rollcall.Event, error) {
		s.Metadata, s.UpdatedAt = metadata, now
		return s, rollcall.NewEvent(rollcall.SessionUpdated, now, by, s), nil
	})
}

// change puts what decide makes of a live session. It returns the session as it
// then is.
func (m *Manager) change(ctx context.Context, id string, decide func(s rollcall.Session, now time.Time) (rollcall.Session, rollcall.Event, error)) (rollcall.Session, error) {
	s, _, err := m.live(ctx, id, m.now())
	if err != nil {
		return rollcall.Session{}, failed(err)
	}
	err = m.act(ctx, s.UserID, func(ctx context.Context, now time.Time) (rollcall.Change, error) {
		before, _, err := m.live(ctx, id, now)
		if err != nil {
			return rollcall.Change{}, err
		}
		after, e, err := decide(before, now)
		if errors.Is(err, errUnchanged) {
			s = before
			return rollcall.Change{}, nil
		}
		if err != nil {
			return rollcall.Change{}, err
		}
		s = after
		s.Version++
		return rollcall.Change{UserID: s.UserID, Sessions: []rollcall.PutSession{put(after)}, Events: []rollcall.Event{e}}, nil
	})
	if err != nil {
		return rollcall.Session{}, err
	}
	return s, nil
}

// errUnchanged is how a decision says that there is nothing to put.
var errUnchanged = errors.New("unchanged")
