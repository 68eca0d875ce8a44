package pebble

import (
	"errors"
	"math"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/rollcall-id/rollcall"
)

// DefaultMinFree is the floor of free disk space, in bytes, for whoever sets none.
const DefaultMinFree = 256 << 20

// lastReserve is the most that is kept back from everything but new sessions and
// documents: from endings, interactions and the sweep. It is what the library needs to
// write its memory to a table and to merge tables: without that nothing is ever given back
// to the disk. And a log that meets the end of the disk ends the process, which then
// cannot start.
const lastReserve = 64 << 20

// roomFor refuses a change. Cases:
//
//  1. the change claims an id or puts a document: below the floor
//  2. all else, endings above all: below the second floor. Whoever can fill the disk must
//     not keep others from ending their sessions.
func (s *Store) roomFor(c *rollcall.Change) error {
	if len(c.Documents) > 0 || slices.ContainsFunc(c.Sessions, func(p rollcall.PutSession) bool { return p.Replaces == 0 }) {
		return s.room(s.minFree)
	}
	return s.roomForUpkeep()
}

// roomForUpkeep refuses endings, interactions and the sweep below the second floor, far
// below the first: sessions must not run into their idle limit, and the sweep is what
// makes room. An interaction that is refused stays with the caller, who tries again.
func (s *Store) roomForUpkeep() error { return s.room(min(s.minFree/4, lastReserve)) }

// room returns ErrFull when less than the floor is free. It looks at the disk at
// most once a second.
func (s *Store) room(floor int64) error {
	if s.minFree < 0 {
		return nil
	}
	now := int64(time.Since(s.started)/time.Second) + 1
	if last := s.looked.Load(); last != now && s.looked.CompareAndSwap(last, now) {
		usage, err := s.fs.GetDiskUsage(s.dir)
		switch {
		case err == nil:
			s.free.Store(usage.AvailBytes)
		case errors.Is(err, vfs.ErrUnsupported):
			s.free.Store(math.MaxUint64)
		}
	}
	if s.free.Load() < uint64(floor) {
		return rollcall.ErrFull
	}
	return nil
}
