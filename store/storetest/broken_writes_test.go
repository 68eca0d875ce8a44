package storetest

import (
	"context"
	"errors"
	"math"
	"slices"
	"time"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/store/memory"
)

// fickleCommits is an engine that gives up a commit that is cancelled in its middle.
type fickleCommits struct {
	*memory.Store
	hold func(rollcall.Change)
}

func (s *fickleCommits) Commit(ctx context.Context, c rollcall.Change) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.hold(c)
	return s.Store.Commit(ctx, c)
}

// piecemeal is an engine that stops at the first put that conflicts, and leaves
// those before it.
type piecemeal struct{ *memory.Store }

func (s piecemeal) Commit(ctx context.Context, c rollcall.Change) error {
	pieces := []rollcall.Change{{UserID: c.UserID, User: c.User}}
	for _, p := range c.Sessions {
		pieces = append(pieces, rollcall.Change{UserID: c.UserID, Sessions: []rollcall.PutSession{p}})
	}
	for _, d := range c.Documents {
		pieces = append(pieces, rollcall.Change{UserID: c.UserID, Documents: []rollcall.PutDocument{d}})
	}
	for _, piece := range append(pieces, rollcall.Change{UserID: c.UserID, Events: c.Events}) {
		if err := s.Store.Commit(ctx, piece); err != nil {
			return err
		}
	}
	return nil
}

// blindPuts is an engine whose puts replace whatever is there.
type blindPuts struct{ *memory.Store }

func (s blindPuts) Commit(ctx context.Context, c rollcall.Change) error {
	time.Sleep(time.Millisecond) // long enough for others to read what this act has read
	err := rollcall.ErrConflict
	// Another put may come in between; another user's id stays another user's.
	for try := 0; try < 100 && errors.Is(err, rollcall.ErrConflict); try++ {
		err = s.Store.Commit(ctx, s.atPresent(c))
	}
	return err
}

// atPresent is the change with the versions that there are.
func (s blindPuts) atPresent(c rollcall.Change) rollcall.Change {
	if c.User != nil {
		u, _, _ := s.Store.Sessions(background, c.UserID, rollcall.Position{}, 0)
		c.User = &rollcall.PutUser{User: c.User.User, Replaces: u.Version}
	}
	c.Sessions, c.Documents = slices.Clone(c.Sessions), slices.Clone(c.Documents)
	for i := range c.Sessions {
		session, _, _ := s.Store.Session(background, c.Sessions[i].Session.ID)
		c.Sessions[i].Replaces = session.Version
	}
	for i := range c.Documents {
		d, _ := s.Store.Document(background, c.Documents[i].Name)
		c.Documents[i].Replaces = d.Version
	}
	return c
}

// wholeEndings is an engine that puts all of a session that was ended unread.
type wholeEndings struct{ *memory.Store }

func (s wholeEndings) Commit(ctx context.Context, c rollcall.Change) error {
	c.Sessions = slices.Clone(c.Sessions)
	for i := range c.Sessions {
		if p := &c.Sessions[i]; p.Ending {
			stored, _, _ := s.Store.Session(background, p.Session.ID)
			p.Replaces, p.Ending = stored.Version, false
		}
	}
	return s.Store.Commit(ctx, c)
}

// onlyConflicts is an engine that tells a change that it refuses to try again.
type onlyConflicts struct{ *memory.Store }

func (s onlyConflicts) Commit(ctx context.Context, c rollcall.Change) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.Store.Commit(ctx, c); err != nil {
		return rollcall.ErrConflict
	}
	return nil
}

// generousClaims is an engine that looks whether ids are free before it locks
// anything, and tells all who then found them free that they claimed them.
type generousClaims struct{ *memory.Store }

func (s generousClaims) Commit(ctx context.Context, c rollcall.Change) error {
	free := false
	for _, p := range c.Sessions {
		_, _, err := s.Store.Session(ctx, p.Session.ID)
		free = free || p.Replaces == 0 && errors.Is(err, rollcall.ErrNoSession)
	}
	time.Sleep(time.Millisecond) // long enough for others to look
	err := s.Store.Commit(ctx, c)
	if free && errors.Is(err, rollcall.ErrConflict) {
		for _, p := range c.Sessions {
			if _, _, err := s.Store.Session(ctx, p.Session.ID); err != nil {
				return rollcall.ErrConflict // about something else
			}
		}
		return nil
	}
	return err
}

// freeIDs is an engine that lets anybody claim the id of an ended session.
type freeIDs struct{ *memory.Store }

func (s freeIDs) Commit(ctx context.Context, c rollcall.Change) error {
	for _, p := range c.Sessions {
		stored, _, err := s.Store.Session(ctx, p.Session.ID)
		if err != nil || p.Replaces != 0 || stored.EndedAt.IsZero() {
			continue
		}
		// Sweeping is the only way to remove; all others stay as they are filed.
		_, err = s.Store.Sweep(ctx, rollcall.Sweep{
			SessionsBefore: stored.EndedAt.Add(time.Millisecond), Limit: math.MaxInt,
			Decide: func(session rollcall.Session, _ rollcall.User) rollcall.Verdict {
				if session.ID == stored.ID {
					return rollcall.Verdict{}
				}
				return rollcall.Verdict{FileAt: session.OverAt()}
			},
		})
		if err != nil {
			return err
		}
	}
	return s.Store.Commit(ctx, c)
}
