package pebble

import (
	"context"
	"fmt"

	pebbledb "github.com/cockroachdb/pebble/v2"
)

// Backup makes a copy of the store in dir, which must not exist, while the store
// serves. The copy is of one moment: everything acknowledged before the call is in the
// copy. Files are linked where the file system can, so a copy takes little time and
// space. Open opens the copy, which then has an incarnation of its own: whoever reads
// events by positions of this store is told there that events may have been missed.
func (s *Store) Backup(ctx context.Context, dir string) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	if err := s.db.Checkpoint(dir, pebbledb.WithFlushedWAL()); err != nil {
		return fmt.Errorf("copying the store to %s: %w", dir, err)
	}
	if err := markCopied(s.fs, dir); err != nil {
		return fmt.Errorf("marking the copy in %s: %w", dir, err)
	}
	return nil
}
