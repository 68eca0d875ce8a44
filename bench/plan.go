package main

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/rollcall-id/rollcall"
)

// The lengths of the lists that are asked for.
const (
	shortList = 5
	longList  = 50
)

// lifetime is every loaded session's: long enough for a directory to be used
// again weeks later.
const lifetime = 8760 * time.Hour

// loadedUse is how far back the loaded sessions began.
const loadedUse = 14 * 24 * time.Hour

// A plan says who the users are and which sessions they have, by arithmetic alone:
// whoever knows the plan can name any session and its token. Users come in this
// order, and so do their sessions:
//
//	user 0                one with a hundredth of all sessions
//	the next long         longList each
//	the next short        shortList each
//	the others            one each, the last of them what is left over
type plan struct {
	Sessions int       `json:"sessions"`
	Users    int       `json:"users"`
	Base     time.Time `json:"base"` // when the youngest session began
}

func newPlan(sessions int, base time.Time) (plan, error) {
	if sessions < 5000 || sessions > 100_000_000 {
		return plan{}, fmt.Errorf("between 5,000 and 100,000,000 sessions can be loaded, not %d", sessions)
	}
	return plan{Sessions: sessions, Users: sessions / 5, Base: base.UTC().Truncate(time.Millisecond)}, nil
}

func (p plan) big() int  { return p.Sessions / 100 }
func (p plan) long() int { return p.Users / 25 }

// short is how many users have shortList sessions, so that all add up.
func (p plan) short() int {
	users, sessions := p.Users-1-p.long(), p.Sessions-p.big()-longList*p.long()
	return (sessions - users) / (shortList - 1)
}

// sessionsOf returns the user's first session and how many follow from there.
func (p plan) sessionsOf(user int) (first, count int) {
	first, user = p.big(), user-1
	switch {
	case user < 0:
		return 0, p.big()
	case user < p.long():
		return first + longList*user, longList
	}
	first, user = first+longList*p.long(), user-p.long()
	if user < p.short() {
		return first + shortList*user, shortList
	}
	first, user = first+shortList*p.short(), user-p.short()
	if user == p.Users-2-p.long()-p.short() {
		return first + user, p.Sessions - first - user
	}
	return first + user, 1
}

// userOf is the user whose session this is.
func (p plan) userOf(session int) int {
	if session < p.big() {
		return 0
	}
	session -= p.big()
	if session < longList*p.long() {
		return 1 + session/longList
	}
	session -= longList * p.long()
	if session < shortList*p.short() {
		return 1 + p.long() + session/shortList
	}
	return min(1+p.long()+p.short()+session-shortList*p.short(), p.Users-1)
}

// longUser and shortUser are the i-th of the users with so many sessions.
func (p plan) longUser(i int) int  { return 1 + i%p.long() }
func (p plan) shortUser(i int) int { return 1 + p.long() + i%p.short() }

func hash(what string, i int) [32]byte {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(i))
	return sha256.Sum256(append([]byte("rollcall bench "+what+" "), b[:]...))
}

// userID is spelled as most are: a connection and 24 hexadecimal digits.
func (p plan) userID(user int) string {
	h := hash("user", user)
	return fmt.Sprintf("auth0|%x", h[:12])
}

// token is a loaded session's. These secrets guard nothing: anybody can derive
// them.
func (p plan) token(session int) rollcall.Token {
	h := hash("id", session)
	id := []byte(base64.RawURLEncoding.EncodeToString(h[:24]))
	if id[0] == '-' {
		id[0] = '_'
	}
	return rollcall.Token{ID: string(id), Secret: hash("secret", session)}
}
