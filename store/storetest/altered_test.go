package storetest

import (
	"context"
	"maps"
	"time"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/store/memory"
)

// An altered engine is the one in memory, but for the calls that a broken engine sets.
type altered struct {
	*memory.Store
	session  func(context.Context, rollcall.At) (rollcall.Session, rollcall.Standing, error)
	sessions func(context.Context, rollcall.SessionsOf) (rollcall.Standing, []rollcall.Session, error)
	walk     func(context.Context, string, func(rollcall.Walked) bool) (string, error)
	document func(context.Context, string) (rollcall.Document, error)
	events   func(context.Context, rollcall.EventsAfter) (rollcall.EventPage, error)
	commit   func(context.Context, rollcall.Change) (rollcall.Standing, error)
	touch    func(context.Context, []rollcall.Touch) error
	sweep    func(context.Context, rollcall.Sweep) (rollcall.Swept, error)
	traits   func() rollcall.Traits
	ready    func(context.Context) (time.Time, error)
}

func (a *altered) Traits() rollcall.Traits {
	if a.traits != nil {
		return a.traits()
	}
	return a.Store.Traits()
}

func (a *altered) Ready(ctx context.Context) (time.Time, error) {
	if a.ready != nil {
		return a.ready(ctx)
	}
	return a.Store.Ready(ctx)
}

func (a *altered) Session(ctx context.Context, at rollcall.At) (rollcall.Session, rollcall.Standing, error) {
	if a.session != nil {
		return a.session(ctx, at)
	}
	return a.Store.Session(ctx, at)
}

func (a *altered) Sessions(ctx context.Context, q rollcall.SessionsOf) (rollcall.Standing, []rollcall.Session, error) {
	if a.sessions != nil {
		return a.sessions(ctx, q)
	}
	return a.Store.Sessions(ctx, q)
}

func (a *altered) Walk(ctx context.Context, after string, visit func(rollcall.Walked) bool) (string, error) {
	if a.walk != nil {
		return a.walk(ctx, after, visit)
	}
	return a.Store.Walk(ctx, after, visit)
}

func (a *altered) Document(ctx context.Context, name string) (rollcall.Document, error) {
	if a.document != nil {
		return a.document(ctx, name)
	}
	return a.Store.Document(ctx, name)
}

func (a *altered) Events(ctx context.Context, q rollcall.EventsAfter) (rollcall.EventPage, error) {
	if a.events != nil {
		return a.events(ctx, q)
	}
	return a.Store.Events(ctx, q)
}

func (a *altered) Commit(ctx context.Context, c rollcall.Change) (rollcall.Standing, error) {
	if a.commit != nil {
		return a.commit(ctx, c)
	}
	return a.Store.Commit(ctx, c)
}

func (a *altered) Touch(ctx context.Context, touches []rollcall.Touch) error {
	if a.touch != nil {
		return a.touch(ctx, touches)
	}
	return a.Store.Touch(ctx, touches)
}

func (a *altered) Sweep(ctx context.Context, bite rollcall.Sweep) (rollcall.Swept, error) {
	if a.sweep != nil {
		return a.sweep(ctx, bite)
	}
	return a.Store.Sweep(ctx, bite)
}

// altersReads is an engine that alters every session, user, everybody and event that it
// returns: change is given a pointer to each.
func altersReads(s *memory.Store, change func(p any)) *altered {
	standing := func(st *rollcall.Standing) {
		change(&st.User)
		st.Everybody.Clients = maps.Clone(st.Everybody.Clients)
		change(&st.Everybody)
	}
	return &altered{
		Store: s,
		session: func(ctx context.Context, at rollcall.At) (rollcall.Session, rollcall.Standing, error) {
			session, st, err := s.Session(ctx, at)
			if err == nil {
				change(&session)
				standing(&st)
			}
			return session, st, err
		},
		sessions: func(ctx context.Context, q rollcall.SessionsOf) (rollcall.Standing, []rollcall.Session, error) {
			st, list, err := s.Sessions(ctx, q)
			standing(&st)
			for i := range list {
				change(&list[i])
			}
			return st, list, err
		},
		events: func(ctx context.Context, q rollcall.EventsAfter) (rollcall.EventPage, error) {
			page, err := s.Events(ctx, q)
			for i := range page.Events {
				change(&page.Events[i].Event)
			}
			return page, err
		},
	}
}

// altersCommits is an engine that makes another change than the one that it is given.
func altersCommits(s *memory.Store, change func(c *rollcall.Change)) *altered {
	return &altered{Store: s, commit: func(ctx context.Context, c rollcall.Change) (rollcall.Standing, error) {
		if c.Check() == nil {
			change(&c)
		}
		return s.Commit(ctx, c)
	}}
}

// altersVerdicts is an engine that does something else than its verdicts say.
func altersVerdicts(s *memory.Store, change func(w rollcall.Walked, v *rollcall.Verdict)) *altered {
	return &altered{Store: s, sweep: func(ctx context.Context, bite rollcall.Sweep) (rollcall.Swept, error) {
		decide := bite.Decide
		bite.Decide = func(w rollcall.Walked) rollcall.Verdict {
			v := decide(w)
			change(w, &v)
			return v
		}
		return s.Sweep(ctx, bite)
	}}
}

// stored returns a session and the user's row as they are stored.
func stored(s *memory.Store, id string) (rollcall.Session, bool) {
	session, _, err := s.Session(background, rollcall.At{ID: id})
	return session, err == nil
}

func storedUser(s *memory.Store, id string) rollcall.User {
	st, _, _ := s.Sessions(background, rollcall.SessionsOf{UserID: id})
	return st.User
}
