// Package memory keeps everything in the process: the reference engine, for
// tests and as the model that other engines are held against. Nothing outlives
// the process.
package memory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"sync"
	"time"

	"github.com/rollcall-id/rollcall"
)

// A Store is a rollcall.Store. One lock makes every call one moment.
type Store struct {
	mu        sync.RWMutex
	users     map[string]rollcall.User
	sessions  map[string]*row
	byUser    map[string][]*row // in the order of Position, ended ones too
	documents map[string]rollcall.Document
	events    []stored
	sequence  uint64
}

type row struct {
	session rollcall.Session
	filed   time.Time
}

type stored struct {
	sequence uint64
	event    rollcall.Event
}

var _ rollcall.Store = (*Store)(nil)

// New returns an empty store.
func New() *Store {
	return &Store{
		users:     map[string]rollcall.User{},
		sessions:  map[string]*row{},
		byUser:    map[string][]*row{},
		documents: map[string]rollcall.Document{},
	}
}

// Session implements rollcall.Store.
func (s *Store) Session(ctx context.Context, id string) (rollcall.Session, rollcall.User, error) {
	if err := ctx.Err(); err != nil {
		return rollcall.Session{}, rollcall.User{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	r, ok := s.sessions[id]
	if !ok {
		return rollcall.Session{}, rollcall.User{}, rollcall.ErrNoSession
	}
	return clone(r.session), s.user(r.session.UserID), nil
}

func (s *Store) user(id string) rollcall.User {
	u := s.users[id]
	u.ID = id
	return u
}

// Sessions implements rollcall.Store.
func (s *Store) Sessions(ctx context.Context, userID string, after rollcall.Position, limit int) (rollcall.User, []rollcall.Session, error) {
	if err := ctx.Err(); err != nil {
		return rollcall.User{}, nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	var found []rollcall.Session
	for _, r := range s.byUser[userID] {
		if len(found) == limit {
			break
		}
		if r.session.EndedAt.IsZero() && (after == rollcall.Position{} || after.Before(r.session.Position())) {
			found = append(found, clone(r.session))
		}
	}
	return s.user(userID), found, nil
}

// Document implements rollcall.Store.
func (s *Store) Document(ctx context.Context, name string) (rollcall.Document, error) {
	if err := ctx.Err(); err != nil {
		return rollcall.Document{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	d := s.documents[name]
	d.Name, d.Body = name, slices.Clone(d.Body)
	return d, nil
}

// Events implements rollcall.Store. Positions are sequence numbers.
func (s *Store) Events(ctx context.Context, after string, limit int) ([]rollcall.StoredEvent, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var from uint64
	if after != "" {
		var err error
		if from, err = strconv.ParseUint(after, 16, 64); err != nil {
			return nil, fmt.Errorf("reading an event position: %w", err)
		}
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	start := sort.Search(len(s.events), func(i int) bool { return s.events[i].sequence > from })
	var found []rollcall.StoredEvent
	for _, e := range s.events[start:] {
		if len(found) == limit {
			break
		}
		found = append(found, rollcall.StoredEvent{Position: fmt.Sprintf("%016x", e.sequence), Event: e.event})
	}
	return found, nil
}

// Commit implements rollcall.Store.
func (s *Store) Commit(ctx context.Context, c rollcall.Change) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.check(c); err != nil {
		return err
	}
	if c.User != nil {
		u := c.User.User
		u.Version, u.GenerationAt = c.User.Replaces+1, instant(u.GenerationAt)
		s.users[u.ID] = u
	}
	for _, p := range c.Sessions {
		s.put(p)
	}
	for _, d := range c.Documents {
		s.documents[d.Name] = rollcall.Document{Name: d.Name, Version: d.Replaces + 1, Body: slices.Clone(d.Body)}
	}
	s.append(c.Events...)
	return nil
}

// check holds a whole change against what is stored, before any of it is done.
func (s *Store) check(c rollcall.Change) error {
	if c.UserID != "" && len(c.Documents) > 0 || c.UserID == "" && (c.User != nil || len(c.Sessions) > 0) {
		return errors.New("a change belongs to one user, or puts documents")
	}
	if c.User != nil {
		if c.User.User.ID != c.UserID {
			return errors.New("a change puts another user's row")
		}
		if s.users[c.UserID].Version != c.User.Replaces {
			return rollcall.ErrConflict
		}
	}
	for i, p := range c.Sessions {
		if p.Session.UserID != c.UserID {
			return errors.New("a change puts another user's session")
		}
		if slices.ContainsFunc(c.Sessions[:i], func(q rollcall.PutSession) bool { return q.Session.ID == p.Session.ID }) {
			return errors.New("a change puts a session twice")
		}
		if p.Ending && (c.User == nil || p.Session.EndedAt.IsZero()) {
			return errors.New("an ending comes without the user's row, or ends nothing")
		}
		r, exists := s.sessions[p.Session.ID]
		if !exists {
			if !p.IsNew() {
				return rollcall.ErrConflict
			}
			continue
		}
		if r.session.UserID != c.UserID || !p.Ending && r.session.Version != p.Replaces || p.Ending && !r.session.EndedAt.IsZero() {
			return rollcall.ErrConflict
		}
		if !r.session.CreatedAt.Equal(p.Session.CreatedAt) {
			return errors.New("a put moves a session to another created_at")
		}
	}
	for i, d := range c.Documents {
		if slices.ContainsFunc(c.Documents[:i], func(e rollcall.PutDocument) bool { return e.Name == d.Name }) {
			return errors.New("a change puts a document twice")
		}
		if s.documents[d.Name].Version != d.Replaces {
			return rollcall.ErrConflict
		}
	}
	return nil
}

func (s *Store) put(p rollcall.PutSession) {
	r, exists := s.sessions[p.Session.ID]
	if p.Ending {
		p.Session, p.Replaces = ending(r.session, &p.Session), r.session.Version
	}
	n := clone(p.Session)
	n.Version = p.Replaces + 1
	if exists {
		n.Last = n.Last.Later(r.session.Last)
		r.session, r.filed = n, n.OverAt()
		return
	}
	r = &row{session: n, filed: n.OverAt()}
	s.sessions[n.ID] = r
	rows := s.byUser[n.UserID]
	at := sort.Search(len(rows), func(i int) bool { return n.Position().Before(rows[i].session.Position()) })
	s.byUser[n.UserID] = slices.Insert(rows, at, r)
}

// ending is a stored session as a put ends it.
func ending(stored rollcall.Session, put *rollcall.Session) rollcall.Session {
	stored.EndedAt, stored.EndReason, stored.UpdatedAt, stored.Last = put.EndedAt, put.EndReason, put.UpdatedAt, put.Last
	return stored
}

func (s *Store) append(events ...rollcall.Event) {
	for _, e := range events {
		s.sequence++
		e.At = instant(e.At)
		s.events = append(s.events, stored{s.sequence, e})
	}
}

// Touch implements rollcall.Store.
func (s *Store) Touch(ctx context.Context, touches []rollcall.Touch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range touches {
		if r, ok := s.sessions[t.SessionID]; ok && r.session.UserID == t.UserID && r.session.EndedAt.IsZero() {
			t.Interaction.At, t.Interaction.IdleExpiresAt = instant(t.Interaction.At), instant(t.Interaction.IdleExpiresAt)
			r.session.Last = r.session.Last.Later(t.Interaction)
		}
	}
	return nil
}

// Ready implements rollcall.Store.
func (s *Store) Ready(ctx context.Context) error { return ctx.Err() }

// Close implements rollcall.Store.
func (s *Store) Close() error { return nil }
