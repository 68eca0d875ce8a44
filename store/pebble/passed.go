package pebble

import (
	"fmt"

	pebbledb "github.com/cockroachdb/pebble/v2"

	"github.com/rollcall-id/rollcall/store/pebble/internal/codec"
)

// A passed counts the rows that one bite or one walk passed over because they cannot be
// read: damaged ones, and ones of another format. A disk that fails is no such case.
type passed struct {
	rows  int
	first error // names the row's session or user, and nothing that is in the row
}

// over counts a row that cannot be read and returns true, or returns false when the error
// is another one. What and id name the row.
func (p *passed) over(what, id string, err error) bool {
	if !codec.IsUnreadable(err) && !pebbledb.IsCorruptionError(err) {
		return false
	}
	if p.rows++; p.rows == 1 {
		p.first = fmt.Errorf("%s %q: %w", what, id, err)
	}
	return true
}

// logPassed writes one line of a bite or a walk that passed over rows.
func (s *Store) logPassed(message string, p *passed) {
	if p.rows > 0 {
		s.last.log.Error(message, "rows", p.rows, "first", p.first)
	}
}
