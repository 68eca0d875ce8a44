package storetest

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/store/memory"
)

// gluttonous is an engine that takes everything in one bite.
type gluttonous struct{ *memory.Store }

func (s gluttonous) Sweep(ctx context.Context, bite rollcall.Sweep) (rollcall.Swept, error) {
	bite.Limit = math.MaxInt
	return s.Store.Sweep(ctx, bite)
}

// neverMore is an engine that calls each bite the last.
type neverMore struct{ *memory.Store }

func (s neverMore) Sweep(ctx context.Context, bite rollcall.Sweep) (rollcall.Swept, error) {
	swept, err := s.Store.Sweep(ctx, bite)
	swept.More = false
	return swept, err
}

// merciless is an engine that removes what a verdict files again.
type merciless struct{ *memory.Store }

func (s merciless) Sweep(ctx context.Context, bite rollcall.Sweep) (rollcall.Swept, error) {
	decide := bite.Decide
	bite.Decide = func(session rollcall.Session, user rollcall.User) rollcall.Verdict {
		return rollcall.Verdict{Event: decide(session, user).Event}
	}
	return s.Store.Sweep(ctx, bite)
}

// silent is an engine that drops the events of verdicts.
type silent struct{ *memory.Store }

func (s silent) Sweep(ctx context.Context, bite rollcall.Sweep) (rollcall.Swept, error) {
	decide := bite.Decide
	bite.Decide = func(session rollcall.Session, user rollcall.User) rollcall.Verdict {
		return rollcall.Verdict{FileAt: decide(session, user).FileAt}
	}
	return s.Store.Sweep(ctx, bite)
}

// lateVerdicts is an engine that asks about sessions as it found them, while others
// write, and does what it is told to them as they have become.
type lateVerdicts struct{ *memory.Store }

func (s lateVerdicts) Sweep(ctx context.Context, bite rollcall.Sweep) (rollcall.Swept, error) {
	type found struct {
		session rollcall.Session
		user    rollcall.User
	}
	var all []found
	look, do := bite, bite
	look.Decide = func(session rollcall.Session, user rollcall.User) rollcall.Verdict {
		all = append(all, found{session, user})
		return rollcall.Verdict{FileAt: time.UnixMilli(int64(len(all)))} // before all others, in their order
	}
	swept, err := s.Store.Sweep(ctx, look)
	if err != nil {
		return swept, err
	}
	verdicts := map[string]rollcall.Verdict{}
	for _, f := range all {
		verdicts[f.session.ID] = bite.Decide(f.session, f.user)
	}
	swept.Refiled = 0
	do.EventsBefore, do.Limit = time.Time{}, len(all)
	do.Decide = func(session rollcall.Session, _ rollcall.User) rollcall.Verdict {
		verdict, asked := verdicts[session.ID]
		switch {
		case !asked:
			return rollcall.Verdict{FileAt: session.OverAt()}
		case verdict.FileAt.IsZero():
			swept.Removed++
		default:
			swept.Refiled++
		}
		return verdict
	}
	_, err = s.Store.Sweep(context.WithoutCancel(ctx), do)
	return swept, err
}

// removalsFirst is an engine that tells of a removal before it makes it. It can
// only where it decides with nothing locked.
type removalsFirst struct{ *memory.Store }

func (s removalsFirst) Sweep(ctx context.Context, bite rollcall.Sweep) (rollcall.Swept, error) {
	decide := bite.Decide
	var failed error
	bite.Decide = func(session rollcall.Session, user rollcall.User) rollcall.Verdict {
		verdict := decide(session, user)
		if verdict.Event != nil {
			failed = errors.Join(failed, s.Store.Commit(background, rollcall.Change{UserID: user.ID, Events: []rollcall.Event{*verdict.Event}}))
			time.Sleep(time.Millisecond) // long enough for whoever follows the log
		}
		return rollcall.Verdict{FileAt: verdict.FileAt}
	}
	swept, err := lateVerdicts(s).Sweep(ctx, bite)
	return swept, errors.Join(err, failed)
}

// lastingUsers is an engine that keeps the rows of users without sessions.
type lastingUsers struct{ *memory.Store }

func (s lastingUsers) Sweep(ctx context.Context, bite rollcall.Sweep) (rollcall.Swept, error) {
	users := map[string]rollcall.User{}
	decide := bite.Decide
	bite.Decide = func(session rollcall.Session, user rollcall.User) rollcall.Verdict {
		users[user.ID] = user
		return decide(session, user)
	}
	swept, err := s.Store.Sweep(ctx, bite)
	for id, user := range users {
		now, _, readErr := s.Store.Sessions(background, id, rollcall.Position{}, 0)
		if readErr != nil {
			return swept, readErr
		}
		// A row that is gone comes back by as many puts as it had.
		for version := now.Version; version < user.Version; version++ {
			if err := s.Store.Commit(background, rollcall.Change{UserID: id, User: &rollcall.PutUser{User: user, Replaces: version}}); err != nil {
				return swept, err
			}
		}
	}
	return swept, err
}
