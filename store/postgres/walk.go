package postgres

import (
	"context"
	"fmt"

	"github.com/rollcall-id/rollcall"
)

// walkUsers is how many users Walk reads in one statement.
const walkUsers = 200

const selectWalk = `SELECT ` + userColumns + `, ` + everybodyColumns + `, ` + sessionColumns + `
FROM (SELECT * FROM users WHERE id > $1 OR id = $1 AND $2 ORDER BY id LIMIT $3) u CROSS JOIN everybody e
LEFT JOIN sessions s ON s.user_no = u.no LEFT JOIN uses l ON l.session_id = s.id
ORDER BY u.id, s.created_at DESC, s.id`

// Walk implements rollcall.Store. Users are read some at a time, in one statement each. A
// position is the id of the user whom a further walk begins with.
func (s *Store) Walk(ctx context.Context, after string, visit func(rollcall.Walked) bool) (next string, err error) {
	if !isText(after) {
		return "", rollcall.Errorf(rollcall.CodeInternal, "Not a position of a walk")
	}
	w := walk{last: after, visit: visit}
	for first := true; ; first = false {
		if err := ctx.Err(); err != nil {
			return w.last, err
		}
		switch users, goesOn, err := s.walkSome(ctx, &w, first); {
		case err != nil:
			return w.last, fmt.Errorf("walking the sessions: %w", err)
		case !goesOn:
			return w.last, nil
		case users < walkUsers:
			return "", nil
		}
	}
}

// A walk is where a call of Walk is.
type walk struct {
	last  string // id of the user seen last
	visit func(rollcall.Walked) bool
}

// walkSome visits the sessions of the next users: the ones after the last, and on the
// first call the last as well. It reports how many users were seen, and whether visit
// wants more.
func (s *Store) walkSome(ctx context.Context, w *walk, first bool) (users int, goesOn bool, err error) {
	rows, err := s.pool.Query(ctx, selectWalk, w.last, first, walkUsers)
	if err != nil {
		return 0, false, err
	}
	defer rows.Close()
	for rows.Next() {
		var session sessionRow
		var standing standingRow
		if err := rows.Scan(append(standing.targets(), session.targets()...)...); err != nil {
			return 0, false, err
		}
		if standing.id.String != w.last || users == 0 {
			users++
			w.last = standing.id.String
		}
		if !session.id.Valid {
			continue
		}
		found, st, err := walked(&session, &standing, "")
		if err != nil {
			return 0, false, err
		}
		if !w.visit(rollcall.Walked{Standing: st, Session: &found}) {
			return users, false, nil
		}
	}
	return users, true, rows.Err()
}
