package memory

import (
	"context"
	"slices"
	"sort"
	"time"

	"github.com/rollcall-id/rollcall"
)

// Sweep implements rollcall.Store. Events are removed first, so that those of the bite
// itself stay.
func (s *Store) Sweep(ctx context.Context, bite rollcall.Sweep) (rollcall.Swept, error) {
	if err := ctx.Err(); err != nil {
		return rollcall.Swept{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	events, more, err := s.removeEvents(bite.EventsUpTo, bite.Limit)
	if err != nil {
		return rollcall.Swept{}, err
	}
	swept := rollcall.Swept{Events: events, More: more, Next: bite.After}
	due := s.due(&bite)
	if len(due) > bite.Limit {
		due, swept.More = due[:bite.Limit], true
	}
	for _, r := range due {
		row := clone(r.row)
		verdict := bite.Decide(rollcall.Walked{Standing: s.standing(row.UserID), Session: &row})
		s.execute(r, verdict, bite.SessionsBefore.Add(time.Hour), &swept)
		swept.Looked++
		if bite.UserID != "" {
			swept.Next = r.row.Position()
		}
	}
	return swept, nil
}

// due returns the rows that a bite and those like it look at, in their order.
func (s *Store) due(bite *rollcall.Sweep) []*session {
	if bite.UserID != "" {
		return s.following(bite.UserID, bite.After, false, -1)
	}
	var due []*session
	for _, r := range s.sessions {
		if r.filed.Before(bite.SessionsBefore) {
			due = append(due, r)
		}
	}
	sort.Slice(due, func(i, j int) bool {
		if !due[i].filed.Equal(due[j].filed) {
			return due[i].filed.Before(due[j].filed)
		}
		return due[i].row.ID < due[j].row.ID
	})
	return due
}

// execute does to a session what the verdict says. A user's last session is filed under
// later instead of being removed while an event of the user is kept.
func (s *Store) execute(r *session, v rollcall.Verdict, later time.Time, swept *rollcall.Swept) {
	u := s.users[r.row.UserID]
	switch {
	case !v.FileAt.IsZero():
		r.filed = instant(v.FileAt)
		if v.Ending != nil && r.row.EndedAt.IsZero() {
			r.ends(*v.Ending)
			u.row.Version++
			swept.Ended++
		}
	case len(u.sessions) == 1 && (u.logged > 0 || v.Event != nil):
		r.filed = instant(later)
		return
	default:
		s.remove(u, r)
		swept.Removed++
	}
	if v.Event != nil {
		s.append(r.row.UserID, *v.Event)
	}
}

func (s *Store) remove(u *user, r *session) {
	delete(s.sessions, r.row.ID)
	u.sessions = slices.DeleteFunc(u.sessions, func(other *session) bool { return other == r })
	if len(u.sessions) == 0 {
		delete(s.users, r.row.UserID)
	}
}
