package pebble

import (
	"bytes"
	"context"
	"errors"

	pebbledb "github.com/cockroachdb/pebble/v2"

	"github.com/rollcall-id/rollcall"
)

// A view is the store at one moment. An iterator is a snapshot, so several looks
// through one agree with each other.
type view struct{ it *pebbledb.Iterator }

func (s *Store) view() (view, error) {
	it, err := s.db.NewIter(nil)
	return view{it}, err
}

func (v view) close() { closeQuietly(v.it) }

// get returns the value under a key, nil when there is none. It holds until the
// next look.
func (v view) get(key []byte) ([]byte, error) {
	// The prefix is the whole key: tables whose filter does not know it are passed
	// over.
	if !v.it.SeekPrefixGE(key) || !bytes.Equal(v.it.Key(), key) {
		return nil, v.it.Error()
	}
	return v.it.ValueAndErr()
}

func (v view) pointer(id string) (pointer, error) {
	value, err := v.get(pointerKey(id))
	if err != nil {
		return pointer{}, err
	}
	if value == nil {
		return pointer{}, rollcall.ErrNoSession
	}
	return decodePointer(value)
}

// row returns a session's row by its id.
func (v view) row(id string) (row, pointer, error) {
	p, err := v.pointer(id)
	if err != nil {
		return row{}, pointer{}, err
	}
	value, err := v.get(p.row(id))
	if err == nil && value == nil {
		err = rollcall.ErrNoSession // a pointer without its row is not found
	}
	if err != nil {
		return row{}, pointer{}, err
	}
	r, err := decodeRow(value)
	return r, p, err
}

func (v view) user(id string) (rollcall.User, error) {
	if len(id) > maxUserID {
		return rollcall.User{ID: id}, nil // no commit takes it
	}
	value, err := v.get(userKey(id))
	if err != nil || value == nil {
		return rollcall.User{ID: id}, err
	}
	return decodeUser(id, value)
}

// hasOtherSession reports whether the user has a row besides the one under key.
func (v view) hasOtherSession(userID string, key []byte) (bool, error) {
	prefix := appendUserPrefix(nil, userID)
	for ok := v.it.SeekGE(append(prefix, kindLive)); ok && bytes.HasPrefix(v.it.Key(), prefix); ok = v.it.Next() {
		if !bytes.Equal(v.it.Key(), key) {
			return true, nil
		}
	}
	return false, v.it.Error()
}

// Session implements rollcall.Store.
func (s *Store) Session(ctx context.Context, id string) (rollcall.Session, rollcall.User, error) {
	if err := s.begin(ctx); err != nil {
		return rollcall.Session{}, rollcall.User{}, err
	}
	v, err := s.view()
	if err != nil {
		return rollcall.Session{}, rollcall.User{}, err
	}
	defer v.close()
	r, p, err := v.row(id)
	if err != nil {
		return rollcall.Session{}, rollcall.User{}, err
	}
	u, err := v.user(p.userID)
	return r.session, u, err
}

// Sessions implements rollcall.Store.
func (s *Store) Sessions(ctx context.Context, userID string, after rollcall.Position, limit int) (rollcall.User, []rollcall.Session, error) {
	if err := s.begin(ctx); err != nil {
		return rollcall.User{}, nil, err
	}
	v, err := s.view()
	if err != nil {
		return rollcall.User{}, nil, err
	}
	defer v.close()
	u, err := v.user(userID)
	if err != nil || limit == 0 || len(userID) > maxUserID {
		return u, nil, err
	}
	prefix := append(appendUserPrefix(nil, userID), kindLive)
	v.it.SetBounds(prefix, append(appendUserPrefix(nil, userID), kindEnded)) // looks at nobody else's rows
	start := prefix
	if after != (rollcall.Position{}) {
		start = append(sessionKey(kindLive, userID, after), 0)
	}
	var found []rollcall.Session
	for ok := v.it.SeekGE(start); ok && len(found) < limit; ok = v.it.Next() {
		value, err := v.it.ValueAndErr()
		if err != nil {
			return rollcall.User{}, nil, err
		}
		r, err := decodeRow(value)
		if err != nil {
			return rollcall.User{}, nil, err
		}
		found = append(found, r.session)
	}
	return u, found, v.it.Error()
}

// Document implements rollcall.Store.
func (s *Store) Document(ctx context.Context, name string) (rollcall.Document, error) {
	if err := s.begin(ctx); err != nil {
		return rollcall.Document{}, err
	}
	value, closer, err := s.db.Get(documentKey(name))
	if errors.Is(err, pebbledb.ErrNotFound) {
		return rollcall.Document{Name: name}, nil
	}
	if err != nil {
		return rollcall.Document{}, err
	}
	defer closeQuietly(closer)
	return decodeDocument(name, value)
}
