package sessions

import (
	"context"
	"encoding/json"
	"errors"
	"sort"
	"time"

	"github.com/rollcall-id/rollcall"
)

// The documents of a store, beside those that are good once.
const (
	notesDocument = "sweep" // see notes
	liveDocument  = "live"  // see sharedTally
)

// Sweeps of all nodes share one document: when the store was last swept, and where the
// log of events was at which instant. Positions alone say which events are old: an event
// with an instant of the future would hold up those behind it.

const (
	// maxMarks bounds the marks that a retention is cut into.
	maxMarks = 400
	// minMarkInterval is how far marks lie apart at least, and how often notes are
	// written.
	minMarkInterval = time.Hour
	// doubtInterval is how often notes are written while the clock is in doubt, so that
	// a server that never runs for a day at a time comes to trust its clock as well.
	doubtInterval = 5 * time.Minute
)

// A mark says where the log of events was at an instant: every event up to Position is
// older.
type mark struct {
	At       int64  `json:"at"` // milliseconds
	Position string `json:"position"`
}

// notes are what sweeps keep in the store.
type notes struct {
	version uint64
	// Seen is the latest instant, in milliseconds, at which a sweep wrote notes.
	Seen int64 `json:"seen"`
	// Doubt is for how many milliseconds the clock of the process that wrote the notes
	// must still run before a sweep trusts that clock.
	Doubt int64  `json:"doubt,omitempty"`
	Marks []mark `json:"marks,omitempty"` // the oldest first
}

func (m *Manager) readNotes(ctx context.Context) (*notes, error) {
	d, err := m.store.Document(ctx, notesDocument)
	if err != nil {
		return nil, err
	}
	n := notes{version: d.Version}
	if d.Version == 0 {
		return &n, nil
	}
	if err := json.Unmarshal(d.Body, &n); err != nil {
		return nil, err
	}
	return &n, nil
}

// markInterval is how far marks lie apart.
func (m *Manager) markInterval() time.Duration { return max(minMarkInterval, m.retention/maxMarks) }

// before returns the latest position that every event up to was written before the
// instant, "" when none is known.
func (n *notes) before(at time.Time) string {
	i := sort.Search(len(n.Marks), func(i int) bool { return n.Marks[i].At > at.UnixMilli() })
	if i == 0 {
		return ""
	}
	return n.Marks[i-1].Position
}

// note adds a mark and writes the notes, when the last ones are old enough. Another node
// that was quicker has noted as much. Where there is no room for notes the sweep goes on
// without: the sweep is what makes room.
func (m *Manager) note(ctx context.Context, now time.Time, n *notes) error {
	at := now.UnixMilli()
	if n.version > 0 && at < n.Seen+m.markInterval().Milliseconds() && at >= n.Seen {
		return nil
	}
	page, err := m.store.Events(ctx, rollcall.EventsAfter{})
	if err != nil {
		return err
	}
	old := sort.Search(len(n.Marks), func(i int) bool { return n.Marks[i].At > now.Add(-m.retention).UnixMilli() })
	fresh := notes{Seen: at, Marks: append([]mark(nil), n.Marks[max(old-1, 0):]...)}
	for len(fresh.Marks) > 0 && fresh.Marks[len(fresh.Marks)-1].At > at { // the clock was ahead
		fresh.Marks = fresh.Marks[:len(fresh.Marks)-1]
	}
	fresh.Marks = append(fresh.Marks, mark{At: at, Position: page.Head})
	return m.writeNotes(ctx, n.version, fresh)
}

// noteDoubt writes down for how long the clock must still run, when the last notes are old
// enough.
func (m *Manager) noteDoubt(ctx context.Context, now time.Time, n *notes, left time.Duration) error {
	at := now.UnixMilli()
	if n.Doubt > 0 && at < n.Seen+doubtInterval.Milliseconds() && at >= n.Seen {
		return nil
	}
	return m.writeNotes(ctx, n.version, notes{Seen: at, Doubt: left.Milliseconds(), Marks: n.Marks})
}

func (m *Manager) writeNotes(ctx context.Context, replaces uint64, n notes) error {
	body, err := json.Marshal(n)
	if err != nil {
		return err
	}
	_, err = m.store.Commit(ctx, rollcall.Change{Documents: []rollcall.PutDocument{{Name: notesDocument, Body: body, Replaces: replaces}}})
	if errors.Is(err, rollcall.ErrConflict) || errors.Is(err, rollcall.ErrFull) {
		return nil
	}
	return err
}
