package pebble

import (
	"context"
	"fmt"
)

// Compact writes what is in memory to tables and merges all tables, so that the
// store takes no more room than what it holds. It goes on beside every other call,
// reads and writes the whole store once, and needs as much free space again while
// it runs. Nothing depends on it: the store merges by itself as it is used.
func (s *Store) Compact(ctx context.Context) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	if err := s.db.Flush(); err != nil {
		return fmt.Errorf("writing the store's memory to a table: %w", err)
	}
	if err := s.db.Compact(ctx, []byte{0}, []byte{0xff}, true); err != nil {
		return fmt.Errorf("merging the store's tables: %w", err)
	}
	return nil
}
