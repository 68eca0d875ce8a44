package storetest

import (
	"context"
	"errors"
	"slices"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/store/memory"
)

var brokenUsers = []brokenEngine{
	{
		name: "begins new rows at version 1", clauses: []string{"a new row begins at the version that it is given", "versions of a row that is gone do not come again", modelClause},
		open: altersUsers(func(s *memory.Store, p *rollcall.PutUser) {
			if storedUser(s, p.User.ID).Version == 0 {
				p.User.Version = 1
			}
		}),
	},
	{
		name: "puts a part of a user's row", clauses: []string{"a put of a row that exists is the row", "everything comes back as it was put"},
		open: altersUsers(func(s *memory.Store, p *rollcall.PutUser) {
			p.User.TokenGeneration = storedUser(s, p.User.ID).TokenGeneration
		}),
	},
	{
		name: "puts all of a row whatever its version", clauses: []string{"any version of a user's row is replaced, and nothing of it but the version", modelClause},
		open: altersUsers(func(s *memory.Store, p *rollcall.PutUser) {
			if v := storedUser(s, p.User.ID).Version; v > 0 && p.Replaces == rollcall.AnyVersion && !p.NextGeneration {
				p.Replaces = v
			}
		}),
	},
	{
		name: "stamps nothing", clauses: []string{"a stamped session takes the generations as the commit finds them", modelClause},
		open: func(s *memory.Store) rollcall.Store {
			return altersCommits(s, func(c *rollcall.Change) {
				c.Sessions = slices.Clone(c.Sessions)
				for i := range c.Sessions {
					c.Sessions[i].Stamped = false
				}
			})
		},
	},
	{
		name: "stamps with the user's generation alone", clauses: []string{"a stamped session takes the generations as the commit finds them", modelClause},
		open: func(s *memory.Store) rollcall.Store {
			return altersCommits(s, func(c *rollcall.Change) {
				c.Sessions = slices.Clone(c.Sessions)
				for i := range c.Sessions {
					if p := &c.Sessions[i]; p.Stamped {
						generation := storedUser(s, c.UserID).Generation
						if generation == 0 {
							generation = c.User.User.Version
						}
						p.Stamped, p.Session.Generation = false, rollcall.Generation{User: generation}
					}
				}
			})
		},
	},
	{
		name: "moves to any generation", clauses: []string{"the next generation fails for another generation alone", "versions of a row that is gone do not come again", modelClause},
		open: altersUsers(func(s *memory.Store, p *rollcall.PutUser) {
			if p.NextGeneration {
				p.User.Generation = storedUser(s, p.User.ID).Generation + 1
				p.User.Version = max(p.User.Version, 1)
			}
			if p.NextGeneration && storedUser(s, p.User.ID).Version == 0 {
				p.NextGeneration = false
			}
		}),
	},
	{
		name: "puts all of a row with the next generation", clauses: []string{"the next generation fails for another generation alone"},
		open: altersUsers(func(s *memory.Store, p *rollcall.PutUser) {
			if u := storedUser(s, p.User.ID); p.NextGeneration && u.Generation+1 == p.User.Generation {
				p.Replaces, p.NextGeneration = u.Version, false
			}
		}),
	},
	{
		name: "guards any version by the one that it found", open: foundVersions,
		clauses: []string{"neither sign-ins at any version nor the next generation make each other fail"},
	},
}

// altersUsers makes another put of a user's row.
func altersUsers(change func(*memory.Store, *rollcall.PutUser)) func(*memory.Store) rollcall.Store {
	return func(s *memory.Store) rollcall.Store {
		return altersCommits(s, func(c *rollcall.Change) {
			if c.User != nil {
				p := *c.User
				change(s, &p)
				c.User = &p
			}
		})
	}
}

// foundVersions conflicts when the version that it found has moved until it commits.
func foundVersions(s *memory.Store) rollcall.Store {
	return &altered{Store: s, commit: func(ctx context.Context, c rollcall.Change) (rollcall.Standing, error) {
		found := storedUser(s, c.UserID).Version
		pause()
		if c.User != nil && c.User.Replaces == rollcall.AnyVersion && storedUser(s, c.UserID).Version != found {
			return rollcall.Standing{}, rollcall.ErrConflict
		}
		return s.Commit(ctx, c)
	}}
}

var brokenEnds = []brokenEngine{
	{
		name: "leaves out who ended it", clauses: []string{"an end of what was not read says when, why and by whom, and nothing else", modelClause},
		open: altersEnds(func(_ *memory.Store, e *rollcall.End) { e.EndedBy = "" }),
	},
	{
		name: "files what was ended unread under its end", clauses: []string{"an end of what was not read says when, why and by whom, and nothing else", "claims, versions and filings are there after reopening"},
		open: altersEnds(func(_ *memory.Store, e *rollcall.End) { e.FileAt = e.EndedAt }),
		harness: func() Harness {
			return Harness{Serial: true, Reopen: sameStore}
		},
	},
	{
		name: "drops the last use of what was ended unread", clauses: []string{"an end of what was not read says when, why and by whom, and nothing else", modelClause},
		open: altersEnds(func(s *memory.Store, e *rollcall.End) {
			if session, ok := stored(s, e.ID); ok {
				e.Last = session.Last
			}
		}),
	},
	{
		name: "takes a last use for one from where the session began", clauses: []string{"an end of what was not read says when, why and by whom, and nothing else", modelClause},
		open: altersEnds(func(_ *memory.Store, e *rollcall.End) { e.Last.Origin = e.Initial }),
	},
	{
		name: "puts all of what was ended unread", clauses: []string{"an end of what was not read says when, why and by whom, and nothing else", modelClause},
		open: func(s *memory.Store) rollcall.Store {
			return altersCommits(s, func(c *rollcall.Change) {
				for _, e := range c.Ends {
					session, _ := stored(s, e.ID)
					version := session.Version
					session.Clients, session.Last = nil, e.Last
					c.Sessions = append(slices.Clone(c.Sessions), rollcall.PutSession{Session: session.Ended(e.Ending), Replaces: version, FileAt: e.FileAt})
				}
				c.Ends = nil
			})
		},
	},
	{
		name: "ends what was not read at any version", clauses: []string{"an end is guarded by the version of the user's row", modelClause},
		open: func(s *memory.Store) rollcall.Store {
			return altersCommits(s, func(c *rollcall.Change) {
				if len(c.Ends) > 0 {
					c.User = &rollcall.PutUser{User: c.User.User, Replaces: storedUser(s, c.UserID).Version}
				}
			})
		},
	},
	{
		name: "calls a word that is not true something else", clauses: []string{"an end whose word is not true conflicts or is taken"},
		open: func(s *memory.Store) rollcall.Store {
			return &altered{Store: s, commit: func(ctx context.Context, c rollcall.Change) (rollcall.Standing, error) {
				left, err := s.Commit(ctx, c)
				if len(c.Ends) > 0 && errors.Is(err, rollcall.ErrConflict) {
					err = errors.New("no such live session")
				}
				return left, err
			}}
		},
	},
}

// altersEnds ends sessions otherwise.
func altersEnds(change func(*memory.Store, *rollcall.End)) func(*memory.Store) rollcall.Store {
	return func(s *memory.Store) rollcall.Store {
		return altersCommits(s, func(c *rollcall.Change) {
			c.Ends = slices.Clone(c.Ends)
			for i := range c.Ends {
				change(s, &c.Ends[i])
			}
		})
	}
}
