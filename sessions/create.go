package sessions

import (
	"context"
	"errors"
	"time"

	"github.com/rollcall-id/rollcall"
)

// idempotencyWindow is how long a key counts.
const idempotencyWindow = 24 * time.Hour

// Create makes a session and returns it with its token, whose secret is given
// out here and never again.
//
// With an IdempotencyKey, repeating the same creation returns the same session
// and token.
//
// Errors: CodeInvalid; CodeConflict when the id, or the key with another body, is
// taken, or when what the key made has ended or changed its secret; CodeLimit;
// CodeUnavailable.
func (m *Manager) Create(ctx context.Context, by rollcall.Caller, n rollcall.NewSession) (rollcall.Session, rollcall.Token, error) {
	if n.CookieMode == "" {
		n.CookieMode = rollcall.Persistent
	}
	if err := n.Check(); err != nil {
		return rollcall.Session{}, rollcall.Token{}, err
	}
	if err := m.checkKey(n.IdempotencyKey); err != nil {
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
		replaced = rollcall.Session{}
	}
	var made rollcall.Session
	var token rollcall.Token
	var refusal error
	err = m.act(ctx, n.UserID, func(ctx context.Context, now time.Time) (change rollcall.Change, err error) {
		refusal = nil
		change, made, token, err = m.create(ctx, now, by, n, replaced.ID)
		if rollcall.ErrorCode(err) == rollcall.CodeLimit { // the refusal leaves an event, which is committed
			refusal, err = err, nil
		}
		return change, err
	})
	if err == nil {
		err = refusal
	}
	if err != nil {
		return rollcall.Session{}, rollcall.Token{}, failed(err)
	}
	return made, token, nil
}

// create decides one creation.
func (m *Manager) create(ctx context.Context, now time.Time, by rollcall.Caller, n rollcall.NewSession, replacedID string) (rollcall.Change, rollcall.Session, rollcall.Token, error) {
	token, earlier, err := m.tokenFor(ctx, now, by, n)
	if err != nil {
		return rollcall.Change{}, rollcall.Session{}, rollcall.Token{}, err
	}
	if earlier.ID != "" {
		return rollcall.Change{}, earlier, token, nil
	}
	everybody, err := m.everybody(ctx)
	if err != nil {
		return rollcall.Change{}, rollcall.Session{}, rollcall.Token{}, err
	}
	user, ended, refused, err := m.makeRoom(ctx, now, n.UserID, replacedID, everybody)
	if err != nil {
		return rollcall.Change{}, rollcall.Session{}, rollcall.Token{}, err
	}
	change := rollcall.Change{UserID: n.UserID}
	if refused {
		e := rollcall.NewEvent(rollcall.SessionRefused, now, by, rollcall.Session{UserID: n.UserID, EndReason: rollcall.ReasonLimit})
		e.ClientID = n.ClientID
		change.Events = []rollcall.Event{e}
		return change, rollcall.Session{}, rollcall.Token{}, rollcall.Errorf(rollcall.CodeLimit, "The user already has %d sessions", m.policy.MaxSessionsPerUser)
	}
	s := n.Build(m.policy, now, rollcall.Generation{User: user.Generation, Everybody: everybody.Generation}, token, m.asn)
	change.User = moved(user)
	created := put(s)
	created.Fresh = n.ID == "" && n.IdempotencyKey == ""
	change.Sessions = []rollcall.PutSession{created}
	for _, old := range ended {
		change.Sessions = append(change.Sessions, put(old))
		change.Events = append(change.Events, rollcall.NewEvent(rollcall.SessionEnded, now, by, old))
	}
	e := rollcall.NewEvent(rollcall.SessionCreated, now, by, s)
	e.ClientID = n.ClientID
	change.Events = append(change.Events, e)
	s.Version = 1
	return change, s, token, nil
}

// replaced returns the live session whose good token the creation names, or the
// zero Session.
func (m *Manager) replaced(ctx context.Context, n rollcall.NewSession) (rollcall.Session, error) {
	t, ok := rollcall.ParseToken(n.Replaces)
	if !ok {
		return rollcall.Session{}, nil
	}
	s, _, err := m.live(ctx, t.ID, m.now())
	if errors.Is(err, rollcall.ErrNoSession) || err == nil && !s.SecretHash.Matches(t.Secret) {
		return rollcall.Session{}, nil
	}
	return s, err
}
