package sessions

import (
	"context"
	"errors"
	"time"

	"github.com/rollcall-id/rollcall"
)

// Create makes a session and returns it with its token, whose secret is given out here
// and never again.
//
// With an IdempotencyKey, repeating the same creation returns the same session and token.
//
// Errors: CodeInvalid; CodeConflict when the id, or the key with another body, is taken,
// or when what the key made has ended or changed its secret; CodeLimit; CodeUnavailable.
func (m *Manager) Create(ctx context.Context, by rollcall.Caller, n rollcall.NewSession) (rollcall.Session, rollcall.Token, error) {
	if n.CookieMode == "" {
		n.CookieMode = rollcall.Persistent
	}
	if err := n.Check(); err != nil {
		return rollcall.Session{}, rollcall.Token{}, err
	}
	keys, err := m.keysFor(n.IdempotencyKey)
	if err != nil {
		return rollcall.Session{}, rollcall.Token{}, err
	}
	replaced, err := m.replaced(ctx, n)
	if err != nil {
		return rollcall.Session{}, rollcall.Token{}, failed(err)
	}
	if replaced.ID != "" && replaced.UserID != n.UserID {
		if err := m.End(ctx, by, replaced.ID, rollcall.ReasonReplaced); err != nil && rollcall.ErrorCode(err) != rollcall.CodeNotFound {
			return rollcall.Session{}, rollcall.Token{}, err
		}
		replaced = fact{}
	}
	c := creation{m: m, policy: m.policy.Load(), by: by, n: n, keys: keys, replaced: replaced}
	if err := m.act(ctx, n.UserID, ordinary, c.decide); err != nil {
		return rollcall.Session{}, rollcall.Token{}, err
	}
	if c.refusal != nil {
		return rollcall.Session{}, rollcall.Token{}, c.refusal
	}
	return c.made, c.minted.token, nil
}

// A creation is one call of Create, decided as often as others come between.
type creation struct {
	m        *Manager
	policy   *rollcall.Policy
	by       rollcall.Caller
	n        rollcall.NewSession
	keys     []rollcall.DerivationKey
	replaced fact // the zero fact when nothing is replaced
	// left is what a change that was only a part has left to do, as of the standing that
	// the change left; nil when the user's sessions are to be read.
	left *room

	made    rollcall.Session
	minted  minted
	refusal error // a limit was hit: the refusal leaves an event, which is committed
}

// restsOnNothing reports whether the creation needs no look at what is stored: the user's
// other sessions do not matter to it, and its id is drawn anew.
func (c *creation) restsOnNothing() bool {
	return c.policy.MaxSessionsPerUser == 0 && c.n.IdempotencyKey == "" && c.n.ID == "" && c.replaced.ID == ""
}

// decide decides one attempt. What guards the decision, the user's row, is read before
// what the row guards.
func (c *creation) decide(ctx context.Context, a attempt) (decision, error) {
	c.refusal = nil
	if c.restsOnNothing() {
		c.minted = minted{token: newToken()}
		user := &rollcall.PutUser{User: newUser(c.n.UserID, a.now), Replaces: rollcall.AnyVersion}
		return c.created(a.now, rollcall.Change{UserID: c.n.UserID, User: user}, rollcall.Generation{}, true), nil
	}
	room, err := c.takeRoom(ctx, a)
	if err != nil {
		return decision{}, err
	}
	var earlier rollcall.Session
	if c.minted, earlier, err = c.m.mint(ctx, a.now, c.by, c.n, c.keys); err != nil {
		return decision{}, err
	}
	if earlier.ID != "" {
		c.made = earlier
		return decision{}, nil
	}
	user := room.standing.User
	if user.Version == 0 {
		user = newUser(c.n.UserID, a.now)
	}
	change := rollcall.Change{UserID: c.n.UserID, User: &rollcall.PutUser{User: user, Replaces: room.standing.User.Version}}
	if room.refused {
		return c.refuse(a.now), nil
	}
	for _, s := range room.over[:min(len(room.over), rollcall.MaxChange)] {
		change.Sessions = append(change.Sessions, c.m.put(s))
		change.Events = append(change.Events, lastEvent(s, c.by))
	}
	if len(room.over) >= rollcall.MaxChange { // the creation itself comes with the rest
		room.over = room.over[rollcall.MaxChange:]
		return decision{change: change, more: true, done: func(left rollcall.Standing) {
			room.standing = left
			c.left = &room
		}}, nil
	}
	generation := rollcall.Generation{User: user.Generation, Everybody: room.standing.Everybody.Generation}
	return c.created(a.now, change, generation, false), nil
}

// created adds the new session to the change.
func (c *creation) created(now time.Time, change rollcall.Change, g rollcall.Generation, stamped bool) decision {
	s := c.n.Build(c.policy, now, g, c.minted.token, c.minted.digest, c.m.asn)
	p := c.m.put(s)
	p.Fresh, p.Stamped = c.n.ID == "" && c.n.IdempotencyKey == "", stamped
	change.Sessions = append(change.Sessions, p)
	e := rollcall.NewEvent(rollcall.SessionCreated, now, c.by, s)
	e.ClientID = c.n.ClientID
	change.Events = append(change.Events, e)
	return decision{change: change, done: func(left rollcall.Standing) {
		c.made = s
		c.made.Version = 1
		if stamped {
			c.made.Generation = rollcall.Generation{User: left.User.Generation, Everybody: left.Everybody.Generation}
		}
	}}
}

// refuse is the decision not to create.
func (c *creation) refuse(now time.Time) decision {
	c.refusal = rollcall.Errorf(rollcall.CodeLimit, "The user already has %d sessions", c.policy.MaxSessionsPerUser)
	e := rollcall.NewEvent(rollcall.SessionRefused, now, c.by, rollcall.Session{UserID: c.n.UserID, EndReason: rollcall.ReasonLimit})
	e.ClientID = c.n.ClientID
	return decision{change: rollcall.Change{UserID: c.n.UserID, Events: []rollcall.Event{e}}}
}

// newUser is the row of a user whom nobody has seen. The versions begin with the instant,
// so that those of a row that is gone do not come again.
func newUser(id string, now time.Time) rollcall.User {
	v := uint64(max(now.UnixMilli(), 1))
	return rollcall.User{ID: id, Version: v, Generation: v, TokenGeneration: v}
}

// replaced returns the session whose good token the creation names, if its row is neither
// ended nor outdated, else the zero fact. A session that is over for want of use counts: its
// end is written with the creation, so that a late use does not bring the session back.
func (m *Manager) replaced(ctx context.Context, n rollcall.NewSession) (fact, error) {
	t, ok := rollcall.ParseToken(n.Replaces)
	if !ok {
		return fact{}, nil
	}
	f, err := m.stored(ctx, rollcall.At{ID: t.ID})
	if errors.Is(err, rollcall.ErrNoSession) {
		return fact{}, nil
	}
	if err != nil || !f.EndedAt.IsZero() || f.Outdated(&f.Standing) || !f.SecretHash.Matches(t.Secret) {
		return fact{}, err
	}
	return f, nil
}
