package storetest

import (
	"context"
	"reflect"
	"slices"
	"strings"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/store/memory"
)

// deaf is an engine that no context stops.
type deaf struct{ *memory.Store }

func (s deaf) Session(ctx context.Context, id string) (rollcall.Session, rollcall.User, error) {
	return s.Store.Session(context.WithoutCancel(ctx), id)
}

func (s deaf) Sessions(ctx context.Context, userID string, after rollcall.Position, limit int) (rollcall.User, []rollcall.Session, error) {
	return s.Store.Sessions(context.WithoutCancel(ctx), userID, after, limit)
}

func (s deaf) Document(ctx context.Context, name string) (rollcall.Document, error) {
	return s.Store.Document(context.WithoutCancel(ctx), name)
}

func (s deaf) Events(ctx context.Context, after string, limit int) ([]rollcall.StoredEvent, error) {
	return s.Store.Events(context.WithoutCancel(ctx), after, limit)
}

func (s deaf) Commit(ctx context.Context, c rollcall.Change) error {
	return s.Store.Commit(context.WithoutCancel(ctx), c)
}

func (s deaf) Touch(ctx context.Context, touches []rollcall.Touch) error {
	return s.Store.Touch(context.WithoutCancel(ctx), touches)
}

func (s deaf) Sweep(ctx context.Context, bite rollcall.Sweep) (rollcall.Swept, error) {
	return s.Store.Sweep(context.WithoutCancel(ctx), bite)
}

func (s deaf) Ready(ctx context.Context) error { return s.Store.Ready(context.WithoutCancel(ctx)) }

// zeroTerminated is an engine that takes a zero byte for the end of a text.
type zeroTerminated struct{ *memory.Store }

func cut(text string) string {
	text, _, _ = strings.Cut(text, "\x00")
	return text
}

// cutTexts cuts the texts of what p points to.
func cutTexts(p any) {
	eachText(p, func(_ string, v reflect.Value) { v.SetString(cut(v.String())) })
}

func (s zeroTerminated) Session(ctx context.Context, id string) (rollcall.Session, rollcall.User, error) {
	session, user, err := s.Store.Session(ctx, cut(id))
	cutTexts(&session)
	return session, user, err
}

func (s zeroTerminated) Sessions(ctx context.Context, userID string, after rollcall.Position, limit int) (rollcall.User, []rollcall.Session, error) {
	user, list, err := s.Store.Sessions(ctx, cut(userID), after, limit)
	cutTexts(&list)
	return user, list, err
}

func (s zeroTerminated) Document(ctx context.Context, name string) (rollcall.Document, error) {
	return s.Store.Document(ctx, cut(name))
}

func (s zeroTerminated) Events(ctx context.Context, after string, limit int) ([]rollcall.StoredEvent, error) {
	events, err := s.Store.Events(ctx, after, limit)
	cutTexts(&events)
	return events, err
}

// Commit cuts what things are found by. All other texts are cut when they are read,
// which nobody can tell from the outside.
func (s zeroTerminated) Commit(ctx context.Context, c rollcall.Change) error {
	c.UserID = cut(c.UserID)
	if c.User != nil {
		u := *c.User
		u.User.ID = cut(u.User.ID)
		c.User = &u
	}
	c.Sessions, c.Documents = slices.Clone(c.Sessions), slices.Clone(c.Documents)
	for i := range c.Sessions {
		session := &c.Sessions[i].Session
		session.ID, session.UserID = cut(session.ID), cut(session.UserID)
	}
	for i := range c.Documents {
		c.Documents[i].Name = cut(c.Documents[i].Name)
	}
	return s.Store.Commit(ctx, c)
}

func (s zeroTerminated) Touch(ctx context.Context, touches []rollcall.Touch) error {
	touches = slices.Clone(touches)
	for i := range touches {
		touches[i].UserID, touches[i].SessionID = cut(touches[i].UserID), cut(touches[i].SessionID)
	}
	return s.Store.Touch(ctx, touches)
}

// leaking is an engine that starts a goroutine in a commit, and never ends it.
type leaking struct{ *memory.Store }

func (s leaking) Commit(ctx context.Context, c rollcall.Change) error {
	go func() { select {} }()
	return s.Store.Commit(ctx, c)
}
