package postgres

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/rollcall-id/rollcall"
)

// Commit implements rollcall.Store: one statement.
func (s *Store) Commit(ctx context.Context, c rollcall.Change) (st rollcall.Standing, err error) {
	if err := ctx.Err(); err != nil {
		return rollcall.Standing{}, err
	}
	if err := c.Check(); err != nil {
		return rollcall.Standing{}, err
	}
	sql, args := statement(&c)
	err = s.write(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return s.holding(ctx, conn, c, func(q querier) error {
			var row standingRow
			var holds, done bool
			if err := q.QueryRow(ctx, sql, args...).Scan(append(row.targets(), &holds, &done)...); err != nil {
				return err
			}
			switch {
			case !holds || !done && !inserts(&c):
				return rollcall.ErrConflict
			case !done:
				return errRaced
			}
			st, err = row.standing(c.UserID)
			return err
		})
	})
	return st, err
}

// statement is the statement that makes a change.
func statement(c *rollcall.Change) (sql string, args []any) {
	if c.UserID == "" {
		return nobodyStatement, nobodyArgs(c)
	}
	return userStatement(c)
}

// querier is a connection or a transaction.
type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// holding runs a change's statement: a transaction by itself, but in tests, which look at
// the moment between the statement and its commit.
func (s *Store) holding(ctx context.Context, conn *pgx.Conn, c rollcall.Change, do func(querier) error) error {
	if s.hold == nil {
		return do(conn)
	}
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		err := do(tx)
		if err == nil {
			s.hold(c)
		}
		return err
	})
}

// inserts reports whether the change makes the user's row, or moves one, whichever is
// there.
func inserts(c *rollcall.Change) bool { return modeOf(c) == userAny }

// A userMode is what a change does to the user's row.
type userMode int

const (
	userKept  userMode = iota // nothing, but that the events are counted
	userNew                   // makes the row, which must be absent
	userPut                   // replaces a version
	userAny                   // makes the row, or moves the version
	userMoved                 // moves the generation, whatever the version is
)

func modeOf(c *rollcall.Change) userMode {
	switch p := c.User; {
	case p == nil:
		return userKept
	case p.NextGeneration:
		return userMoved
	case p.Replaces == rollcall.AnyVersion:
		return userAny
	case p.Replaces == 0:
		return userNew
	}
	return userPut
}

// A shape is what decides about the text of a change's statement.
type shape struct {
	user   userMode
	puts   bool // some sessions are put
	stored bool // some sessions that are put or ended are stored already
	claims bool // some ids are claimed that may be taken
	ends   bool
	events bool
}

// userStatements are the texts of statements by their shape: a few dozen at most.
var userStatements sync.Map

// userStatement is the statement of a user's change. Rows are sorted by id, so that two
// statements lock what they share in one order.
func userStatement(c *rollcall.Change) (sql string, args []any) {
	puts, ends := slices.Clone(c.Sessions), slices.Clone(c.Ends)
	slices.SortFunc(puts, func(a, b rollcall.PutSession) int { return cmp.Compare(a.Session.ID, b.Session.ID) })
	slices.SortFunc(ends, func(a, b rollcall.End) int { return cmp.Compare(a.ID, b.ID) })
	var stored, claimed []string
	for i := range puts {
		switch {
		case puts[i].Replaces != 0:
			stored = append(stored, puts[i].Session.ID)
		case !puts[i].Fresh:
			claimed = append(claimed, puts[i].Session.ID)
		}
	}
	for i := range ends {
		stored = append(stored, ends[i].ID)
	}
	slices.Sort(stored)
	kind := shape{modeOf(c), len(puts) > 0, len(stored) > 0, len(claimed) > 0, len(ends) > 0, len(c.Events) > 0}
	text, ok := userStatements.Load(kind)
	if !ok {
		text, _ = userStatements.LoadOrStore(kind, kind.text())
	}

	args = kind.user.args(c)
	if kind.stored {
		args = append(args, stored)
	}
	if kind.claims {
		args = append(args, claimed)
	}
	if kind.puts {
		args = arrays(args, putColumns, puts)
	}
	if kind.ends {
		args = arrays(args, endColumns, ends)
	}
	if kind.events {
		args = arrays(args, eventColumns, c.Events)
	}
	return text.(string), args
}

// args are the arguments of the user's row, the first of a statement.
func (m userMode) args(c *rollcall.Change) []any {
	if m == userKept {
		return []any{c.UserID}
	}
	u := c.User.User
	at, reason, by, tokens := instant(u.GenerationAt), text(string(u.GenerationReason)), text(u.GenerationBy), instant(u.TokenGenerationAt)
	switch m {
	case userNew, userAny:
		return []any{u.ID, int64(u.Version), at, reason, by, tokens}
	case userMoved:
		return []any{u.ID, int64(u.Generation), at, reason, by}
	}
	return []any{u.ID, int64(c.User.Replaces), at, reason, by, tokens, int64(u.Generation), int64(u.TokenGeneration)}
}

// userArgs is how many arguments args gives.
var userArgs = map[userMode]int{userKept: 1, userNew: 6, userPut: 8, userAny: 6, userMoved: 5}
