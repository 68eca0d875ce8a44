package pebble

import (
	"encoding/binary"
	"errors"
	"fmt"

	pebbledb "github.com/cockroachdb/pebble/v2"
	"github.com/rollcall-id/rollcall/store/pebble/internal/codec"
)

// The names of what the store keeps of itself. Each but the format is a number of 8 bytes.
const (
	metaFormat      = "format"      // 1 byte
	metaIncarnation = "incarnation" // of positions
	metaSwept       = "swept"       // number of the newest event that was removed
	metaUses        = "uses"        // number of the newest record of uses that was removed
)

// open reads what the store keeps of itself, and everybody's row.
func (s *Store) open() error {
	if err := s.openFormat(); err != nil {
		return err
	}
	if err := s.openIncarnation(); err != nil {
		return err
	}
	if err := s.openEverybody(); err != nil {
		return err
	}
	if err := s.openLog(); err != nil {
		return err
	}
	return s.uses.Open(useDisk{s})
}

// openFormat refuses a store of another format. A store without a key is new.
func (s *Store) openFormat() error {
	stored, err := s.storedFormat()
	if err != nil || stored == codec.Format {
		return err
	}
	if stored == 0 {
		empty, err := s.isEmpty()
		if err != nil {
			return err
		}
		if empty {
			return s.db.Set(metaKey(metaFormat), []byte{codec.Format}, s.sync)
		}
	}
	return fmt.Errorf("the store in %s has format %d, this version reads %d", s.dir, stored, codec.Format)
}

func (s *Store) isEmpty() (bool, error) {
	v, err := s.view()
	if err != nil {
		return false, err
	}
	defer v.close()
	return !v.it.First(), v.it.Error()
}

// storedFormat is the store's format, 0 if it says none.
func (s *Store) storedFormat() (byte, error) {
	value, err := s.metaValue(metaFormat)
	if err != nil || value == nil {
		return 0, err
	}
	if len(value) != 1 {
		return 0, codec.Corrupt("the format")
	}
	return value[0], nil
}

// meta reads one number that the store keeps of itself, 0 if there is none.
func (s *Store) meta(name string) (uint64, error) {
	value, err := s.metaValue(name)
	if err != nil || value == nil {
		return 0, err
	}
	if len(value) != 8 {
		return 0, codec.Corrupt("the number " + name)
	}
	return binary.BigEndian.Uint64(value), nil
}

func (s *Store) metaValue(name string) ([]byte, error) {
	value, closer, err := s.db.Get(metaKey(name))
	if errors.Is(err, pebbledb.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer closeQuietly(closer)
	return append([]byte(nil), value...), nil
}
