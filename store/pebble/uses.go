package pebble

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"

	pebbledb "github.com/cockroachdb/pebble/v2"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/store/pebble/uselog"
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
	for round := range slices.Chunk(touches, uselog.Round) {
		if err := s.touch(round); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) touch(touches []rollcall.Touch) error {
	last, err := s.uses.Append(touches)
	if err != nil {
		return err
	}
	if err := s.settle(); err != nil {
		return err
	}
	if err := s.uses.Publish(last); err != nil {
		return err
	}
	return s.uses.Retire(len(touches))
}

// showIn shows the latest use in a row for a caller who keeps other writes to the user
// out, so that a row and a use are always of one moment. It reports whether the row
// changed.
func (s *Store) showIn(r *row) (changed bool) {
	s.uses.RLock()
	defer s.uses.RUnlock()
	_, changed = s.uses.Show(&r.session, r.mark)
	return changed
}

// useDisk is where the store keeps the log of uses.
type useDisk struct{ *Store }

var _ uselog.Disk = useDisk{}

// Write implements uselog.Disk.
func (d useDisk) Write(number uint64, record []byte) error {
	batch := d.db.NewBatchWithSize(len(record) + 64)
	defer closeQuietly(batch)
	if err := batch.Set(useKey(number), record, nil); err != nil {
		return err
	}
	return d.apply(batch, noWait)
}

// Read implements uselog.Disk.
func (d useDisk) Read(from uint64, visit func(number uint64, record []byte) (more bool, err error)) error {
	it, err := d.db.NewIter(&pebbledb.IterOptions{LowerBound: useKey(from), UpperBound: []byte{spaceUse + 1}})
	if err != nil {
		return err
	}
	defer closeQuietly(it)
	for ok := it.First(); ok; ok = it.Next() {
		value, err := it.ValueAndErr()
		if err != nil {
			return err
		}
		if more, err := visit(binary.BigEndian.Uint64(it.Key()[1:]), value); err != nil || !more {
			return err
		}
	}
	return it.Error()
}

// Remove implements uselog.Disk.
func (d useDisk) Remove(number uint64) error {
	batch := d.db.NewBatch()
	defer closeQuietly(batch)
	err := errors.Join(
		batch.Delete(useKey(number), nil),
		batch.Set(metaKey(metaUses), binary.BigEndian.AppendUint64(nil, number), nil),
	)
	if err != nil {
		return err
	}
	return d.apply(batch, noWait)
}

// Removed implements uselog.Disk.
func (d useDisk) Removed() (uint64, error) { return d.meta(metaUses) }

// Settle implements uselog.Disk. The uses are settled while the users' stripes are held.
func (d useDisk) Settle(uses []*uselog.Use, settled func([]*uselog.Use)) (left []*uselog.Use, err error) {
	users := make([]string, len(uses))
	for i, u := range uses {
		users[i] = u.UserID
	}
	defer d.users.lock(users...)()
	v, err := d.view()
	if err != nil {
		return nil, err
	}
	defer v.close()
	batch := d.db.NewBatch()
	defer closeQuietly(batch)
	var written []*uselog.Use
	for _, u := range uses {
		if err := d.settleOne(batch, v, u); err != nil {
			d.last.log.Error("store: a use could not be written to its session", "session", u.SessionID, "error", err)
			left = append(left, u)
			continue
		}
		written = append(written, u)
	}
	if err := d.apply(batch, noWait); err != nil {
		return nil, err
	}
	settled(written)
	return left, nil
}

// settleOne writes the latest use of a session to its row, if the use has an effect.
func (d useDisk) settleOne(batch *pebbledb.Batch, v view, u *uselog.Use) error {
	r, at, err := rowIn(v, u.SessionID)
	if errors.Is(err, rollcall.ErrNoSession) || err == nil && at.userID != u.UserID {
		return nil
	}
	if err != nil {
		return err
	}
	if !d.showIn(&r) {
		return nil
	}
	return batch.Set(at.row(u.SessionID), r.encode(), nil)
}
