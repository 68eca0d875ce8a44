package pebble

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/rollcall-id/rollcall"
)

// An incarnation is a random number that positions begin with. A copy of a store gets
// another one, since the copy gives the numbers that follow to other events.
type incarnation struct{ atomic.Uint64 }

// writePosition spells the place behind the event of a number: the incarnation and the
// number, each as 16 hexadecimal digits.
func writePosition(incarnation, number uint64) string {
	return fmt.Sprintf("%016x-%016x", incarnation, number)
}

// readPosition is the inverse of writePosition: "" is before the first event. It reports
// false for a position of another incarnation.
//
// Errors: rollcall.ErrBadPosition.
func readPosition(position string, ours uint64) (number uint64, mine bool, err error) {
	if position == "" {
		return 0, true, nil
	}
	head, tail, _ := strings.Cut(position, "-")
	incarnation, err := strconv.ParseUint(head, 16, 64)
	if err == nil {
		number, err = strconv.ParseUint(tail, 16, 64)
	}
	if err != nil || writePosition(incarnation, number) != position {
		return 0, false, fmt.Errorf("%w: %q", rollcall.ErrBadPosition, rollcall.Echo(position))
	}
	return number, incarnation == ours, nil
}

// copiedMark is the name of the file that Backup leaves in a copy of the store.
const copiedMark = "COPIED"

// openIncarnation reads the store's incarnation. A store that has none, and a copy that is
// opened for the first time, gets a new one.
func (s *Store) openIncarnation() error {
	stored, err := s.meta(metaIncarnation)
	if err != nil {
		return err
	}
	s.log.incarnation.Store(stored)
	mark := s.fs.PathJoin(s.dir, copiedMark)
	_, err = s.fs.Stat(mark)
	copied := err == nil
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if stored == 0 || copied {
		if err := s.drawIncarnation(); err != nil {
			return err
		}
	}
	if !copied {
		return nil
	}
	return errors.Join(s.fs.Remove(mark), syncDir(s.fs, s.dir))
}

func (s *Store) drawIncarnation() error {
	var drawn [8]byte
	rand.Read(drawn[:])
	drawn[7] |= 1 // 0 is none
	batch := s.db.NewBatch()
	defer closeQuietly(batch)
	if err := batch.Set(metaKey(metaIncarnation), drawn[:], nil); err != nil {
		return err
	}
	if err := s.apply(batch, s.sync); err != nil {
		return err
	}
	s.log.incarnation.Store(binary.BigEndian.Uint64(drawn[:]))
	return nil
}

// Renew draws a new incarnation, for a store that was set back to an older state by other
// means than a copy that Backup made: whoever reads events is then told of what was
// missed. The new incarnation is durable when Renew returns nil.
func (s *Store) Renew(ctx context.Context) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	return s.drawIncarnation()
}

// markCopied leaves the mark in a copy that is complete.
func markCopied(fs vfs.FS, dir string) error {
	f, err := fs.Create(fs.PathJoin(dir, copiedMark), vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close(), syncDir(fs, dir))
}

func syncDir(fs vfs.FS, dir string) error {
	d, err := fs.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
