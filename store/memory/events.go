package memory

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/rollcall-id/rollcall"
)

// A logged is an event in the log.
type logged struct {
	sequence uint64 // counts all events from 1 on
	number   uint64 // counts the user's
	event    rollcall.Event
}

// append leaves the events of one change, of the user or of nobody. The lock is held.
func (s *Store) append(userID string, events ...rollcall.Event) {
	for _, e := range events {
		s.sequence++
		e.At = instant(e.At)
		var number uint64
		if userID != "" {
			u := s.users[userID]
			u.row.Events++
			u.logged++
			number = u.row.Events
		}
		s.log = append(s.log, logged{s.sequence, number, e})
	}
}

// position is the incarnation and the sequence, each as 16 hexadecimal digits.
func (s *Store) position(sequence uint64) string {
	return fmt.Sprintf("%016x-%016x", s.incarnation, sequence)
}

// parse reads a position. ok is false when it is one of another incarnation.
func (s *Store) parse(position string) (sequence uint64, ok bool, err error) {
	incarnation, tail, _ := strings.Cut(position, "-")
	first, err := strconv.ParseUint(incarnation, 16, 64)
	if err == nil {
		sequence, err = strconv.ParseUint(tail, 16, 64)
	}
	if err != nil || len(position) != len(s.position(0)) {
		return 0, false, fmt.Errorf("%w: %q", rollcall.ErrBadPosition, position)
	}
	return sequence, first == s.incarnation, nil
}

// Events implements rollcall.Store. A page looks at the log until the page is full, or
// until the log's end.
func (s *Store) Events(ctx context.Context, q rollcall.EventsAfter) (rollcall.EventPage, error) {
	if err := ctx.Err(); err != nil {
		return rollcall.EventPage{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	from, ours := uint64(0), true
	if q.After != "" {
		var err error
		if from, ours, err = s.parse(q.After); err != nil {
			return rollcall.EventPage{}, err
		}
	}
	page := rollcall.EventPage{Head: s.position(s.sequence), Missed: !ours || from < s.removed}
	if page.Missed {
		from = s.removed
	}
	for _, l := range s.log[s.after(from):] {
		if len(page.Events) >= q.Limit {
			break
		}
		from = l.sequence
		if (q.UserID == "" || l.event.UserID == q.UserID) && (len(q.Types) == 0 || slices.Contains(q.Types, l.event.Type)) {
			page.Events = append(page.Events, rollcall.StoredEvent{Position: s.position(l.sequence), Number: l.number, Event: l.event})
		}
	}
	page.Next = s.position(from)
	return page, nil
}

// after is the index of the first event in the log that follows a sequence.
func (s *Store) after(sequence uint64) int {
	return sort.Search(len(s.log), func(i int) bool { return s.log[i].sequence > sequence })
}

// removeEvents removes up to limit events at or before a position, and says whether some
// are left to another bite. The lock is held.
func (s *Store) removeEvents(upTo string, limit int) (n int, more bool, err error) {
	if upTo == "" {
		return 0, false, nil
	}
	sequence, ours, err := s.parse(upTo)
	if err != nil || !ours {
		return 0, false, err
	}
	due := s.after(sequence)
	n = min(due, limit)
	for _, l := range s.log[:n] {
		s.removed = l.sequence
		if u, ok := s.users[l.event.UserID]; ok {
			u.logged--
		}
	}
	s.log = slices.Delete(s.log, 0, n)
	return n, due > n, nil
}
