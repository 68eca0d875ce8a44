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

// change puts what decide makes of a live session and returns the session as it then is.
// The session's own version guards the put, not the user's: a change may be committed
// after an ending of many. The session keeps its generation, and so it stays over.
//
// Errors: CodeNotFound for a session that is not live when it is read, decide's,
// CodeUnavailable.
func (m *Manager) change(ctx context.Context, id string, decide func(s rollcall.Session, now time.Time) (rollcall.Session, rollcall.Event, error)) (rollcall.Session, error) {
	first, err := m.live(ctx, rollcall.At{ID: id}, m.now())
	if err != nil {
		return rollcall.Session{}, m.settled(ctx, err)
	}
	s := first.Session
	err = m.act(ctx, first.UserID, ordinary, func(ctx context.Context, a attempt) (decision, error) {
		f := first
		if !a.first {
			var err error
			if f, err = m.live(ctx, rollcall.At{ID: id, UserID: first.UserID, CreatedAt: first.CreatedAt}, a.now); err != nil {
				return decision{}, err
			}
		}
		after, e, err := decide(f.Session, a.now)
		if errors.Is(err, errUnchanged) {
			s = f.Session
			return decision{}, nil
		}
		if err != nil {
			return decision{}, err
		}
		s = after
		s.Version++
		return decision{change: rollcall.Change{UserID: s.UserID, Sessions: []rollcall.PutSession{m.put(after)}, Events: []rollcall.Event{e}}}, nil
	})
	if err != nil {
		return rollcall.Session{}, err
	}
	return s, nil
}

// errUnchanged is what decide returns when there is nothing to put; change then succeeds.
var errUnchanged = errors.New("unchanged")
