package pebble

import (
	"context"
	"slices"

	"github.com/rollcall-id/rollcall"
)

// Touch implements rollcall.Store. It reads and writes no row: it appends to the
// log of uses, and makes that durable with one sync.
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
	for round := range slices.Chunk(touches, useRound) {
		if err := s.touch(round); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) touch(touches []rollcall.Touch) error {
	last, err := s.append(touches)
	if err != nil {
		return err
	}
	if err := s.settle(); err != nil {
		return err
	}
	if err := s.publish(last); err != nil {
		return err
	}
	return s.retire(len(touches))
}
