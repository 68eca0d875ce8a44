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

var brokenCommits = []brokenEngine{
	{
		name: "keeps where a session began when it is put again", clauses: []string{"everything comes back as it was put"},
		open: func(s *memory.Store) rollcall.Store {
			return altersCommits(s, func(c *rollcall.Change) {
				c.Sessions = slices.Clone(c.Sessions)
				for i, p := range c.Sessions {
					if kept, ok := stored(s, p.Session.ID); ok {
						c.Sessions[i].Session.Initial = kept.Initial
					}
				}
			})
		},
	},
	{
		name: "puts whatever the version", open: blindPuts,
		clauses: []string{
			"puts carry the version they replace", "documents have versions", "everybody's row has versions, and stands beside every user's",
			"racing acts lose nothing", "racing acts on a document lose nothing",
			"a user's events are in the order of its commits", modelClause,
		},
	},
	{
		name: "makes rows of users that nobody puts", clauses: []string{"puts carry the version they replace", modelClause},
		open: func(s *memory.Store) rollcall.Store {
			return altersCommits(s, func(c *rollcall.Change) {
				if c.UserID != "" && c.User == nil {
					c.User = movedAny(c.UserID)
				}
			})
		},
	},
	{
		name: "makes a change piece by piece", clauses: []string{"a change is made whole or not at all", modelClause},
		open: func(s *memory.Store) rollcall.Store {
			return &altered{Store: s, commit: func(ctx context.Context, c rollcall.Change) (left rollcall.Standing, err error) {
				if err := c.Check(); err != nil {
					return left, err
				}
				for _, piece := range pieces(c) {
					if left, err = s.Commit(ctx, piece); err != nil {
						return rollcall.Standing{}, err
					}
				}
				return left, nil
			}}
		},
	},
	{
		name: "tells a change that it refuses to try again", clauses: []string{"what Change.Check refuses leaves nothing"},
		open: func(s *memory.Store) rollcall.Store {
			return &altered{Store: s, commit: func(ctx context.Context, c rollcall.Change) (rollcall.Standing, error) {
				left, err := s.Commit(ctx, c)
				if err != nil {
					err = rollcall.ErrConflict
				}
				return left, err
			}}
		},
	},
	{
		name: "says yes to what it refuses", clauses: []string{"what Change.Check refuses leaves nothing", modelClause},
		open: func(s *memory.Store) rollcall.Store {
			return &altered{Store: s, commit: func(ctx context.Context, c rollcall.Change) (rollcall.Standing, error) {
				if c.Check() != nil {
					return rollcall.Standing{}, nil
				}
				return s.Commit(ctx, c)
			}}
		},
	},
	{
		name: "looks whether guards hold before it looks at the change", clauses: []string{"what Change.Check refuses leaves nothing"},
		open: func(s *memory.Store) rollcall.Store {
			return &altered{Store: s, commit: func(ctx context.Context, c rollcall.Change) (rollcall.Standing, error) {
				for _, p := range c.Sessions {
					if session, _ := stored(s, p.Session.ID); session.Version != p.Replaces {
						return rollcall.Standing{}, rollcall.ErrConflict
					}
				}
				return s.Commit(ctx, c)
			}}
		},
	},
	{
		name: "takes no more than fifty sessions", clauses: []string{"a change may put as many sessions as its bounds allow"},
		open: func(s *memory.Store) rollcall.Store {
			return &altered{Store: s, commit: func(ctx context.Context, c rollcall.Change) (rollcall.Standing, error) {
				if len(c.Sessions) > 50 {
					return rollcall.Standing{}, errors.New("too many")
				}
				return s.Commit(ctx, c)
			}}
		},
	},
	{
		name: "leaves a session where it was created, and says nothing", clauses: []string{"a session stays its user's, and where it was created"},
		open: func(s *memory.Store) rollcall.Store {
			return altersCommits(s, func(c *rollcall.Change) {
				c.Sessions = slices.Clone(c.Sessions)
				for i := range c.Sessions {
					p := &c.Sessions[i]
					if session, ok := stored(s, p.Session.ID); ok && p.Replaces > 0 {
						p.Session.CreatedAt = session.CreatedAt
					}
				}
			})
		},
	},
	{name: "frees an id when its session ends", clauses: []string{"an id stays claimed until a sweep has removed its row"}, open: freesIDs},
	{name: "lets each of racing claims win", clauses: []string{"one of racing claims wins"}, open: generousClaims},
	{
		name: "returns the standing of before", clauses: []string{"a commit returns the standing that it left", "a user's events are numbered without a gap", modelClause},
		open: func(s *memory.Store) rollcall.Store {
			return &altered{Store: s, commit: func(ctx context.Context, c rollcall.Change) (rollcall.Standing, error) {
				before, _, _ := s.Sessions(ctx, rollcall.SessionsOf{UserID: c.UserID})
				left, err := s.Commit(ctx, c)
				if err == nil {
					left = before
				}
				return left, err
			}}
		},
	},
}

// pieces are a change put by put.
func pieces(c rollcall.Change) (pieces []rollcall.Change) {
	if c.User != nil {
		pieces = append(pieces, rollcall.Change{UserID: c.UserID, User: c.User})
	}
	for _, p := range c.Sessions {
		p.Stamped = false
		pieces = append(pieces, rollcall.Change{UserID: c.UserID, Sessions: []rollcall.PutSession{p}})
	}
	for _, d := range c.Documents {
		pieces = append(pieces, rollcall.Change{Documents: []rollcall.PutDocument{d}})
	}
	if c.Everybody != nil {
		pieces = append(pieces, rollcall.Change{Everybody: c.Everybody})
	}
	return append(pieces, rollcall.Change{UserID: c.UserID, Events: c.Events})
}

// blindPuts replaces whatever is there.
func blindPuts(s *memory.Store) rollcall.Store {
	return &altered{Store: s, commit: func(ctx context.Context, c rollcall.Change) (left rollcall.Standing, err error) {
		if err := c.Check(); err != nil {
			return left, err
		}
		pause() // while others read what this act has read
		err = rollcall.ErrConflict
		// Another put may come in between; another user's id stays another user's.
		for try := 0; try < 100 && errors.Is(err, rollcall.ErrConflict); try++ {
			left, err = s.Commit(ctx, atPresent(s, c))
		}
		return left, err
	}}
}

// atPresent is the change with the versions that there are.
func atPresent(s *memory.Store, c rollcall.Change) rollcall.Change {
	if c.User != nil && c.User.Replaces != rollcall.AnyVersion {
		u := c.User.User
		if u.Version == 0 {
			u.Version = firstVersion
		}
		c.User = &rollcall.PutUser{User: u, Replaces: storedUser(s, c.UserID).Version}
	}
	c.Sessions, c.Documents = slices.Clone(c.Sessions), slices.Clone(c.Documents)
	for i := range c.Sessions {
		session, _ := stored(s, c.Sessions[i].Session.ID)
		c.Sessions[i].Replaces = session.Version
	}
	for i := range c.Documents {
		d, _ := s.Document(background, c.Documents[i].Name)
		c.Documents[i].Replaces = d.Version
	}
	if c.Everybody != nil {
		st, _, _ := s.Sessions(background, rollcall.SessionsOf{})
		c.Everybody = &rollcall.PutEverybody{Everybody: c.Everybody.Everybody, Replaces: st.Everybody.Version}
	}
	return c
}

// freesIDs lets anybody claim the id of an ended session.
func freesIDs(s *memory.Store) rollcall.Store {
	return altersCommits(s, func(c *rollcall.Change) {
		for _, p := range c.Sessions {
			ended, ok := stored(s, p.Session.ID)
			if !ok || p.Replaces != 0 || ended.EndedAt.IsZero() {
				continue
			}
			// Sweeping is the only way to remove; all others stay as they are filed.
			s.Sweep(background, rollcall.Sweep{
				SessionsBefore: ended.EndedAt.Add(time.Millisecond), Limit: math.MaxInt,
				Decide: func(w rollcall.Walked) rollcall.Verdict {
					if w.Session.ID == ended.ID {
						return rollcall.Verdict{}
					}
					return rollcall.Verdict{FileAt: w.Session.OverAt()}
				},
			})
		}
	})
}

// generousClaims looks whether ids are free before it locks anything, and tells all who then
// found them free that they claimed them.
func generousClaims(s *memory.Store) rollcall.Store {
	return &altered{Store: s, commit: func(ctx context.Context, c rollcall.Change) (rollcall.Standing, error) {
		free := false
		for _, p := range c.Sessions {
			_, ok := stored(s, p.Session.ID)
			free = free || p.Replaces == 0 && !ok
		}
		pause() // while others look
		left, err := s.Commit(ctx, c)
		if free && errors.Is(err, rollcall.ErrConflict) {
			err = nil
		}
		return left, err
	}}
}
