package memory

import (
	"context"
	"maps"
	"slices"
	"sort"

	"github.com/rollcall-id/rollcall"
)

// Commit implements rollcall.Store.
func (s *Store) Commit(ctx context.Context, c rollcall.Change) (rollcall.Standing, error) {
	if err := ctx.Err(); err != nil {
		return rollcall.Standing{}, err
	}
	if err := c.Check(); err != nil {
		return rollcall.Standing{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.holds(&c) {
		return rollcall.Standing{}, rollcall.ErrConflict
	}
	if c.User != nil {
		s.putUser(c.User)
	}
	for i := range c.Sessions {
		s.putSession(&c.Sessions[i])
	}
	for i := range c.Ends {
		s.end(&c.Ends[i])
	}
	if c.Everybody != nil {
		s.putEverybody(c.Everybody)
	}
	for _, d := range c.Documents {
		s.documents[d.Name] = rollcall.Document{Name: d.Name, Version: d.Replaces + 1, Body: slices.Clone(d.Body)}
	}
	s.append(c.UserID, c.Events...)
	return s.standing(c.UserID), nil
}

// holds reports whether every guard of a change holds, before any of the change is done.
func (s *Store) holds(c *rollcall.Change) bool {
	if c.UserID != "" && !s.holdsUser(c) {
		return false
	}
	for i := range c.Sessions {
		if !s.holdsSession(&c.Sessions[i]) {
			return false
		}
	}
	for _, e := range c.Ends {
		stored, ok := s.sessions[e.ID]
		if !ok || stored.row.UserID != e.UserID || !stored.row.CreatedAt.Equal(e.CreatedAt) || !stored.row.EndedAt.IsZero() {
			return false
		}
	}
	if c.Everybody != nil && s.everybody.Version != c.Everybody.Replaces {
		return false
	}
	return !slices.ContainsFunc(c.Documents, func(d rollcall.PutDocument) bool {
		return s.documents[d.Name].Version != d.Replaces
	})
}

func (s *Store) holdsUser(c *rollcall.Change) bool {
	u, exists := s.users[c.UserID]
	switch p := c.User; {
	case p == nil:
		return exists
	case p.NextGeneration:
		return exists && u.row.Generation+1 == p.User.Generation
	case p.Replaces == rollcall.AnyVersion:
		return true
	case !exists:
		return p.Replaces == 0
	default:
		return u.row.Version == p.Replaces
	}
}

func (s *Store) holdsSession(p *rollcall.PutSession) bool {
	stored, exists := s.sessions[p.Session.ID]
	if !exists {
		return p.Replaces == 0
	}
	return stored.row.Version == p.Replaces && stored.row.UserID == p.Session.UserID && stored.row.CreatedAt.Equal(p.Session.CreatedAt)
}

func (s *Store) putUser(p *rollcall.PutUser) {
	given := p.User
	given.GenerationAt, given.TokenGenerationAt = instant(given.GenerationAt), instant(given.TokenGenerationAt)
	u, exists := s.users[given.ID]
	switch {
	case !exists:
		given.Generation, given.TokenGeneration, given.Events = given.Version, given.Version, 0
		s.users[given.ID] = &user{row: given}
		return
	case p.NextGeneration:
		u.row.Generation, u.row.GenerationAt = given.Generation, given.GenerationAt
		u.row.GenerationReason, u.row.GenerationBy = given.GenerationReason, given.GenerationBy
	case p.Replaces != rollcall.AnyVersion:
		given.Version, given.Events = u.row.Version, u.row.Events
		u.row = given
	}
	u.row.Version++
}

// putSession comes after putUser, which may have made the row that stamps the session.
func (s *Store) putSession(p *rollcall.PutSession) {
	n := clone(p.Session)
	n.Version = p.Replaces + 1
	u := s.users[n.UserID]
	if p.Stamped {
		n.Generation = rollcall.Generation{User: u.row.Generation, Everybody: s.everybody.Generation}
	}
	filed := instant(p.FileAt)
	if p.FileAt.IsZero() {
		filed = n.OverAt()
	}
	if stored, exists := s.sessions[n.ID]; exists {
		n.Last = n.Last.Later(stored.row.Last)
		stored.row, stored.filed = n, filed
		return
	}
	r := &session{row: n, filed: filed}
	s.sessions[n.ID] = r
	at := sort.Search(len(u.sessions), func(i int) bool { return n.Position().Before(u.sessions[i].row.Position()) })
	u.sessions = slices.Insert(u.sessions, at, r)
}

func (s *Store) end(e *rollcall.End) {
	r := s.sessions[e.ID]
	r.ends(e.Ending)
	r.row.Last, r.filed = interaction(e.Last).Later(r.row.Last), instant(e.FileAt)
}

// ends ends the session, and nothing else of the row changes but the version.
func (r *session) ends(e rollcall.Ending) {
	e.EndedAt = instant(e.EndedAt)
	r.row = r.row.Ended(e)
	r.row.Version++
}

func (s *Store) putEverybody(p *rollcall.PutEverybody) {
	e := p.Everybody
	e.Version, e.GenerationAt, e.Clients = p.Replaces+1, instant(e.GenerationAt), maps.Clone(e.Clients)
	s.everybody = e
}

// Touch implements rollcall.Store.
func (s *Store) Touch(ctx context.Context, touches []rollcall.Touch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range touches {
		if r, ok := s.sessions[t.SessionID]; ok && r.row.UserID == t.UserID && r.row.EndedAt.IsZero() {
			r.row.Last = r.row.Last.Later(interaction(t.Interaction))
		}
	}
	return nil
}
