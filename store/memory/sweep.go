package memory

import (
	"context"
	"slices"
	"sort"

	"github.com/rollcall-id/rollcall"
)

// Sweep implements rollcall.Store.
func (s *Store) Sweep(ctx context.Context, bite rollcall.Sweep) (rollcall.Swept, error) {
	if err := ctx.Err(); err != nil {
		return rollcall.Swept{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var swept rollcall.Swept
	swept.Events, swept.More = s.sweepEvents(bite)
	due := s.due(bite)
	if len(due) > bite.Limit {
		due, swept.More = due[:bite.Limit], true
	}
	for _, r := range due {
		verdict := bite.Decide(clone(r.session), s.user(r.session.UserID))
		if !verdict.FileAt.IsZero() {
			r.filed = instant(verdict.FileAt)
			swept.Refiled++
			continue
		}
		s.remove(r)
		if verdict.Event != nil {
			s.append(*verdict.Event)
		}
		swept.Removed++
	}
	return swept, nil
}

// sweepEvents removes the events before the bite's bound and says whether it left
// some to another bite. It comes first: the events of the bite itself stay.
func (s *Store) sweepEvents(bite rollcall.Sweep) (n int, more bool) {
	old := func() bool { return n < len(s.events) && s.events[n].event.At.Before(bite.EventsBefore) }
	for n < bite.Limit && old() {
		n++
	}
	more = old()
	s.events = slices.Delete(s.events, 0, n)
	return n, more
}

// due returns the rows filed before the bite's bound, oldest first.
func (s *Store) due(bite rollcall.Sweep) []*row {
	var due []*row
	for _, r := range s.sessions {
		if r.filed.Before(bite.SessionsBefore) {
			due = append(due, r)
		}
	}
	sort.Slice(due, func(i, j int) bool {
		if !due[i].filed.Equal(due[j].filed) {
			return due[i].filed.Before(due[j].filed)
		}
		return due[i].session.ID < due[j].session.ID
	})
	return due
}

func (s *Store) remove(r *row) {
	id, userID := r.session.ID, r.session.UserID
	delete(s.sessions, id)
	rows := slices.DeleteFunc(s.byUser[userID], func(other *row) bool { return other == r })
	s.byUser[userID] = rows
	if len(rows) == 0 {
		delete(s.byUser, userID)
		delete(s.users, userID)
	}
}
