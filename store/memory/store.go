// Package memory keeps everything in the process: the reference engine, for tests and
// as the model that other engines are held against. Nothing outlives the process.
package memory

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/rollcall-id/rollcall"
)

// A Store is a rollcall.Store. One lock makes every call one moment, but for Walk, which
// takes the lock once for each user.
type Store struct {
	incarnation uint64 // of the positions in the log; drawn by New

	mu        sync.RWMutex
	everybody rollcall.Everybody
	users     map[string]*user
	sessions  map[string]*session // by id, those of all users
	documents map[string]rollcall.Document
	log       []logged // oldest first
	sequence  uint64   // of the newest event, removed ones counted; 0 before the first
	removed   uint64   // sequence of the newest event that was removed, 0 for none
}

// A user is a user's row with the user's sessions: never none, or the row would have gone
// with the last one, unless the row was put without any.
type user struct {
	row      rollcall.User
	sessions []*session // in the order of Position, ended ones too
	logged   int        // the user's events that the log keeps
}

type session struct {
	row   rollcall.Session
	filed time.Time
}

var _ rollcall.Store = (*Store)(nil)

// New returns an empty store.
func New() *Store {
	var incarnation [8]byte
	rand.Read(incarnation[:])
	return &Store{
		incarnation: binary.BigEndian.Uint64(incarnation[:]),
		users:       map[string]*user{},
		sessions:    map[string]*session{},
		documents:   map[string]rollcall.Document{},
	}
}

// Traits implements rollcall.Store.
func (s *Store) Traits() rollcall.Traits { return rollcall.Traits{} }

// Ready implements rollcall.Store.
func (s *Store) Ready(ctx context.Context) (time.Time, error) { return time.Time{}, ctx.Err() }

// Close implements rollcall.Store.
func (s *Store) Close() error { return nil }

// Session implements rollcall.Store. Beliefs save nothing here.
func (s *Store) Session(ctx context.Context, at rollcall.At) (rollcall.Session, rollcall.Standing, error) {
	if err := ctx.Err(); err != nil {
		return rollcall.Session{}, rollcall.Standing{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	found, ok := s.sessions[at.ID]
	if !ok {
		return rollcall.Session{}, rollcall.Standing{}, rollcall.ErrNoSession
	}
	return clone(found.row), s.standing(found.row.UserID), nil
}

// standing is a user's standing, or everybody's alone for "". The lock is held.
func (s *Store) standing(userID string) rollcall.Standing {
	st := rollcall.Standing{User: rollcall.User{ID: userID}, Everybody: s.everybody}
	st.Everybody.Clients = maps.Clone(s.everybody.Clients)
	if u, ok := s.users[userID]; ok {
		st.User = u.row
	}
	return st
}

// Sessions implements rollcall.Store.
func (s *Store) Sessions(ctx context.Context, q rollcall.SessionsOf) (rollcall.Standing, []rollcall.Session, error) {
	if err := ctx.Err(); err != nil {
		return rollcall.Standing{}, nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	var found []rollcall.Session
	for _, r := range s.following(q.UserID, q.After, q.Ended, q.Limit) {
		found = append(found, clone(r.row))
	}
	return s.standing(q.UserID), found, nil
}

// following returns up to limit of a user's sessions that follow a position, ended ones
// too if ended is set. The lock is held.
func (s *Store) following(userID string, after rollcall.Position, ended bool, limit int) (found []*session) {
	u, ok := s.users[userID]
	if !ok {
		return nil
	}
	fromFirst := after.ID == "" && after.CreatedAt.IsZero()
	for _, r := range u.sessions {
		if len(found) == limit {
			break
		}
		if (ended || r.row.EndedAt.IsZero()) && (fromFirst || after.Before(r.row.Position())) {
			found = append(found, r)
		}
	}
	return found
}

// Walk implements rollcall.Store. A position is the id of the user that comes next.
func (s *Store) Walk(ctx context.Context, after string, visit func(rollcall.Walked) bool) (string, error) {
	for _, userID := range s.userIDs() {
		if userID < after {
			continue
		}
		if err := ctx.Err(); err != nil {
			return userID, err
		}
		standing, sessions, err := s.Sessions(ctx, rollcall.SessionsOf{UserID: userID, Ended: true, Limit: -1})
		if err != nil {
			return userID, err
		}
		for i := range sessions {
			if !visit(rollcall.Walked{Standing: standing, Session: &sessions[i]}) {
				return userID, nil
			}
		}
	}
	return "", ctx.Err()
}

// userIDs lists the users by their bytes.
func (s *Store) userIDs() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Sorted(maps.Keys(s.users))
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
