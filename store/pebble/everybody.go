package pebble

import (
	"errors"
	"maps"
	"sync"
	"sync/atomic"

	pebbledb "github.com/cockroachdb/pebble/v2"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/store/pebble/internal/codec"
)

// everybody is everybody's row in memory. The row changes at the instant it is set, which
// is when its commit is durable; what lies in the library's store is read at opening alone.
//
// A read of other rows is of one moment with everybody's row when the row was the same
// before and after that read: see while.
type everybody struct {
	// mu is held by who sets the row, and for reading by a commit that stamps
	// sessions, from taking the generation until the sessions are visible.
	mu  sync.RWMutex
	row atomic.Pointer[everybodyRow]
}

func (s *Store) openEverybody() error {
	row := &everybodyRow{}
	value, closer, err := s.db.Get([]byte{spaceEverybody})
	if err == nil {
		*row, err = decodeEverybody(value)
		closeQuietly(closer)
	} else if errors.Is(err, pebbledb.ErrNotFound) {
		err = nil
	}
	s.everybody.row.Store(row)
	return err
}

func (e *everybody) set(row *everybodyRow) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.row.Store(row)
}

// while reads other rows, of one moment, until everybody's row was the same before and
// after that, and returns the row.
func (e *everybody) while(read func() error) (rollcall.Everybody, error) {
	for {
		row := e.row.Load()
		if err := read(); err != nil {
			return rollcall.Everybody{}, err
		}
		if e.row.Load() == row {
			return row.shown(), nil
		}
	}
}

// now returns everybody's row for a caller who may change what is returned.
func (e *everybody) now() rollcall.Everybody { return e.row.Load().shown() }

func (r *everybodyRow) shown() rollcall.Everybody {
	shown := r.Everybody
	shown.Clients = maps.Clone(shown.Clients)
	return shown
}

// next is the row that a put leaves.
func (r *everybodyRow) next(p *rollcall.PutEverybody) *everybodyRow {
	n := &everybodyRow{Everybody: p.Everybody, further: r.further}
	n.Version = p.Replaces + 1
	n.GenerationAt = codec.Milli(n.GenerationAt.UnixMilli())
	n.Clients = maps.Clone(n.Clients)
	return n
}
