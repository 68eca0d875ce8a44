package recall_test

import (
	"context"
	"maps"
	"sync/atomic"
	"testing"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/internal/recall"
	"github.com/rollcall-id/rollcall/store/memory"
	"github.com/rollcall-id/rollcall/store/storetest"
)

// A remembering store answers from a Memory what the Memory knows.
type remembering struct {
	rollcall.Store
	m       *recall.Memory
	touched atomic.Uint64 // moves when touches are in the store and not yet shown
}

// latest is the Latest of a read that begins: no use may come before the read is kept.
func (r *remembering) latest() recall.Latest {
	before := r.touched.Load()
	return func(*rollcall.Session) bool { return r.touched.Load() == before }
}

func (r *remembering) Session(ctx context.Context, at rollcall.At) (s rollcall.Session, st rollcall.Standing, err error) {
	look := r.m.Look(at.ID)
	if look.Nearer(); ctx.Err() == nil && look.Session(&s, &st) {
		return s, owned(st), nil
	}
	latest, one := r.latest(), look.Begin()
	if s, st, err = r.Store.Session(ctx, at); err != nil || one.Again(s.UserID) && r.fill(ctx, s.UserID) {
		return s, st, err
	}
	one.KeepOne(&st, &s, latest)
	return s, st, nil
}

func (r *remembering) fill(ctx context.Context, userID string) (kept bool) {
	latest, whole := r.latest(), r.m.Begin(userID)
	st, sessions, err := r.Store.Sessions(ctx, rollcall.SessionsOf{UserID: userID, Limit: recall.MaxSessions + 1})
	return err == nil && whole.Keep(&st, sessions, latest)
}

func (r *remembering) Sessions(ctx context.Context, q rollcall.SessionsOf) (rollcall.Standing, []rollcall.Session, error) {
	var into recall.Snapshot
	known := ctx.Err() == nil && !q.Ended && r.m.Sessions(q.UserID, &into)
	if !known && !into.TooMany && !q.Ended {
		known = r.fill(ctx, q.UserID) && r.m.Sessions(q.UserID, &into)
	}
	if !known {
		return r.Store.Sessions(ctx, q)
	}
	var sessions []rollcall.Session
	into.Each(func(s *rollcall.Session) bool {
		if len(sessions) < q.Limit && (q.After == rollcall.Position{} || q.After.Before(s.Position())) {
			sessions = append(sessions, s.Clone())
		}
		return len(sessions) < q.Limit
	})
	return owned(into.Standing), sessions, nil
}

func (r *remembering) Commit(ctx context.Context, change rollcall.Change) (rollcall.Standing, error) {
	act := r.m.Committing(change.UserID)
	defer act.Ended()
	st, err := r.Store.Commit(ctx, change)
	if err == nil {
		act.Committed(&change, &st)
	}
	return st, err
}

func (r *remembering) Touch(ctx context.Context, touches []rollcall.Touch) error {
	err := r.Store.Touch(ctx, touches)
	r.touched.Add(1)
	for i := range touches {
		if err == nil {
			r.m.Show(&touches[i], true)
			continue
		}
		act := r.m.Removing(touches[i].UserID)
		act.Ended()
	}
	return err
}

func (r *remembering) Sweep(ctx context.Context, bite rollcall.Sweep) (rollcall.Swept, error) {
	var acts []recall.Act
	decide := bite.Decide
	bite.Decide = func(w rollcall.Walked) rollcall.Verdict {
		v := decide(w)
		if v.FileAt.IsZero() || v.Ending != nil || v.Event != nil {
			acts = append(acts, r.m.Removing(w.Session.UserID))
		}
		return v
	}
	swept, err := r.Store.Sweep(ctx, bite)
	for i := range acts {
		acts[i].Ended()
	}
	return swept, err
}

// owned is a standing that the caller may change.
func owned(st rollcall.Standing) rollcall.Standing {
	st.Everybody.Clients = maps.Clone(st.Everybody.Clients)
	return st
}

func TestWhatIsRememberedIsWhatIsStored(t *testing.T) {
	var hits uint64
	storetest.Run(t, storetest.Harness{
		Open: func(t *testing.T) rollcall.Store {
			r := &remembering{Store: memory.New(), m: recall.New(1<<20, func(t rollcall.Touch) { panic("a use was recorded") })}
			t.Cleanup(func() { hits += r.m.Counts().Hits })
			return r
		},
		Volatile: true,
		Serial:   true,
	})
	if hits < 1000 {
		t.Errorf("%d looks alone were answered from memory", hits)
	}
}
