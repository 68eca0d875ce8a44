package pebble

import (
	"context"
	"errors"
	"slices"

	"github.com/rollcall-id/rollcall"
)

// touchBite is how many touches are applied under one taking of stripes.
const touchBite = 256

// Touch implements rollcall.Store. The bites are applied without waiting for the
// disk, so that no stripe is held for a sync; one sync at the end makes all of
// them durable, since the log is one sequence.
func (s *Store) Touch(ctx context.Context, touches []rollcall.Touch) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	if len(touches) == 0 {
		return nil
	}
	if err := s.roomForUpkeep(); err != nil {
		return err
	}
	for bite := range slices.Chunk(touches, touchBite) {
		if err := s.touch(bite); err != nil {
			return err
		}
	}
	return s.settle()
}

func (s *Store) touch(touches []rollcall.Touch) error {
	users := make([]string, len(touches))
	for i := range touches {
		users[i] = touches[i].UserID
	}
	defer s.users.lock(users...)()
	v, err := s.view()
	if err != nil {
		return err
	}
	defer v.close()
	batch := s.db.NewBatch()
	defer closeQuietly(batch)
	touched := map[string]row{} // a session may be there twice
	for _, t := range touches {
		r, seen := touched[t.SessionID]
		if !seen {
			r, _, err = v.row(t.SessionID)
			if errors.Is(err, rollcall.ErrNoSession) {
				continue
			}
			if err != nil {
				return err
			}
		}
		if r.session.UserID != t.UserID || !r.session.EndedAt.IsZero() {
			continue
		}
		if later := r.session.Last.Later(t.Interaction); later != r.session.Last {
			r.session.Last = later
			touched[t.SessionID] = r
		}
	}
	for _, r := range touched {
		key := sessionKey(kindLive, r.session.UserID, r.session.Position())
		if err := batch.Set(key, r.encode(), nil); err != nil {
			return err
		}
	}
	return s.apply(batch, noWait)
}
