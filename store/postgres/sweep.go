package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/rollcall-id/rollcall"
)

// Sweep implements rollcall.Store. Events are removed first, in a transaction of their
// own. Sessions are looked at in a transaction for each user, so that the numbers of the
// transactions of a user's commits rise in the order of the commits. A user whom another
// writes to is left to the next bite.
func (s *Store) Sweep(ctx context.Context, bite rollcall.Sweep) (swept rollcall.Swept, err error) {
	if err := ctx.Err(); err != nil {
		return rollcall.Swept{}, err
	}
	swept.Next = bite.After
	if err := s.removeEvents(ctx, &bite, &swept); err != nil {
		return swept, err
	}
	if bite.UserID != "" {
		return swept, s.sweepOne(ctx, &bite, &swept)
	}
	return swept, s.sweepFiled(ctx, &bite, &swept)
}

// deleteEvents removes events up to a position, if the position is of this incarnation,
// and writes down where the log begins since. It tells how many events went, and whether
// it left some.
const deleteEvents = `WITH m AS MATERIALIZED (SELECT incarnation FROM meta WHERE incarnation = $1 FOR NO KEY UPDATE),
old AS MATERIALIZED (
  SELECT xid, seq FROM m, events WHERE (xid, seq) <= ($2::xid8, $3::bigint) AND xid < pg_snapshot_xmin(pg_current_snapshot())
  ORDER BY xid, seq LIMIT $4 + 1),
gone AS MATERIALIZED (SELECT xid, seq FROM old ORDER BY xid, seq LIMIT $4),
d AS (DELETE FROM events v USING gone WHERE v.xid = gone.xid AND v.seq = gone.seq),
newest AS (UPDATE meta SET removed_xid = x.xid, removed_seq = x.seq FROM (SELECT xid, seq FROM gone ORDER BY xid DESC, seq DESC LIMIT 1) x)
SELECT (SELECT count(*) FROM gone), (SELECT count(*) FROM old) > $4`

func (s *Store) removeEvents(ctx context.Context, bite *rollcall.Sweep, swept *rollcall.Swept) error {
	if bite.EventsUpTo == "" {
		return nil
	}
	upTo, err := parsePosition(bite.EventsUpTo)
	if err != nil {
		return err
	}
	return s.write(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, deleteEvents, int64(upTo.incarnation), upTo.xid, int64(upTo.seq), bite.Limit).Scan(&swept.Events, &swept.More)
	})
}

// A filing is a session that a bite looks at, as the look-out saw it.
type filing struct {
	UserID string
	ID     string
}

const selectFiled = `SELECT u.id, s.id FROM (SELECT * FROM sessions WHERE filed_at < $1 ORDER BY filed_at, id LIMIT $2::bigint + 1) s
JOIN users u ON u.no = s.user_no ORDER BY s.filed_at, s.id`

// sweepFiled looks at what is filed before the bite's bound. Rows of one user that follow
// one another share a transaction.
func (s *Store) sweepFiled(ctx context.Context, bite *rollcall.Sweep, swept *rollcall.Swept) error {
	rows, err := s.pool.Query(ctx, selectFiled, moment(bite.SessionsBefore), bite.Limit)
	if err != nil {
		return fmt.Errorf("looking for what is filed: %w", err)
	}
	due, err := pgx.CollectRows(rows, pgx.RowToStructByPos[filing])
	if err != nil {
		return fmt.Errorf("looking for what is filed: %w", err)
	}
	if len(due) > bite.Limit {
		due, swept.More = due[:bite.Limit], true
	}
	for len(due) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		userID, ids := due[0].UserID, []string(nil)
		for len(due) > 0 && due[0].UserID == userID {
			ids, due = append(ids, due[0].ID), due[1:]
		}
		err := s.sweepUser(ctx, bite, swept, func(ctx context.Context, tx pgx.Tx) (userNo int64, _ []string, err error) {
			var locked bool
			if err := tx.QueryRow(ctx, `SELECT pg_try_advisory_xact_lock(hashtextextended($1::text, 0))`, userID).Scan(&locked); err != nil {
				return 0, nil, err
			}
			if !locked {
				return 0, nil, errSkipped
			}
			userNo, err = lockRow(ctx, tx, userID)
			return userNo, ids, err
		})
		if errors.Is(err, errSkipped) {
			swept.More = true
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// sweepOne looks at the sessions of one user, whatever they are filed under.
func (s *Store) sweepOne(ctx context.Context, bite *rollcall.Sweep, swept *rollcall.Swept) error {
	if !isText(bite.UserID) || !isText(bite.After.ID) {
		return rollcall.Errorf(rollcall.CodeInternal, "Not a bite: an id that is no text")
	}
	after := moment(bite.After.CreatedAt)
	if bite.After == (rollcall.Position{}) {
		after.InfinityModifier = pgtype.Infinity
	}
	more := swept.More
	return s.sweepUser(ctx, bite, swept, func(ctx context.Context, tx pgx.Tx) (userNo int64, ids []string, err error) {
		swept.More = more
		if _, err := tx.Exec(ctx, `SELECT `+lockUser, bite.UserID); err != nil {
			return 0, nil, err
		}
		if userNo, err = lockRow(ctx, tx, bite.UserID); err != nil {
			return 0, nil, err
		}
		rows, err := tx.Query(ctx, `SELECT id FROM sessions
WHERE user_no = $1 AND NOT ended AND created_at <= $2 AND (created_at < $2 OR id > $3) ORDER BY created_at DESC, id LIMIT $4 + 1`,
			userNo, after, bite.After.ID, bite.Limit)
		if err != nil {
			return 0, nil, err
		}
		if ids, err = pgx.CollectRows(rows, pgx.RowTo[string]); len(ids) > bite.Limit {
			ids, swept.More = ids[:bite.Limit], true
		}
		return userNo, ids, err
	})
}

// selectSwept reads sessions, in the order of $2, that are the user's still and, unless
// $3 is NULL, filed before $3.
const selectSwept = `SELECT ` + sessionColumns + `, ` + userColumns + `, ` + everybodyColumns + `,
  (SELECT count(*) FROM sessions WHERE user_no = $1), EXISTS (SELECT FROM events WHERE user_no = $1)
FROM unnest($2::text[]) WITH ORDINALITY k (id, o) JOIN sessions s ON s.id = k.id AND s.user_no = $1 LEFT JOIN uses l ON l.session_id = s.id
JOIN users u ON u.no = $1 CROSS JOIN everybody e
WHERE $3::timestamptz IS NULL OR s.filed_at < $3 ORDER BY k.o`

// errSkipped leaves a user to the next bite: another writes to the user.
var errSkipped = errors.New("another writes to the user")

// lockRow locks a user's row. The error is pgx.ErrNoRows when the user has none.
func lockRow(ctx context.Context, tx pgx.Tx, userID string) (userNo int64, err error) {
	err = tx.QueryRow(ctx, `SELECT no FROM users WHERE id = $1 FOR UPDATE`, userID).Scan(&userNo)
	return userNo, err
}

// sweepUser looks at sessions of one user in one transaction. lock waits for the user as
// lockUser says, locks the user's row, and names the sessions. What decides is read in
// statements of their own once the locks are held: one that waits for a lock sees the
// locked row anew, and all else as of before the wait.
func (s *Store) sweepUser(
	ctx context.Context, bite *rollcall.Sweep, swept *rollcall.Swept,
	lock func(context.Context, pgx.Tx) (userNo int64, ids []string, err error),
) error {
	before := *swept
	return s.write(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		*swept = before
		err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			userNo, ids, err := lock(ctx, tx)
			if err != nil || len(ids) == 0 {
				return err
			}
			if _, err := tx.Exec(ctx, `SELECT FROM uses WHERE session_id = ANY ($1) ORDER BY session_id FOR UPDATE`, ids); err != nil {
				return err
			}
			u, err := readSwept(ctx, tx, bite, userNo, ids)
			if err != nil || len(u.rows) == 0 {
				return err
			}
			u.decide(bite, swept)
			return u.write(ctx, tx)
		})
		if errors.Is(err, pgx.ErrNoRows) { // the user is gone
			return nil
		}
		return err
	})
}

// A sweptUser is one user in a bite: what was read, and what is to be done.
type sweptUser struct {
	no       int64
	rows     []rollcall.Walked
	sessions int  // of the user, ended ones too
	logged   bool // the log keeps an event of the user, or will

	removed []string
	filed   []refiled
	ended   int
	events  []rollcall.Event
}

// A refiled is a session that is filed anew, and ended first if ending is set.
type refiled struct {
	id     string
	at     time.Time
	ending *rollcall.Ending
}

func readSwept(ctx context.Context, tx pgx.Tx, bite *rollcall.Sweep, userNo int64, ids []string) (*sweptUser, error) {
	u := &sweptUser{no: userNo}
	bound := pgtype.Timestamptz{}
	if bite.UserID == "" {
		bound = moment(bite.SessionsBefore)
	}
	rows, err := tx.Query(ctx, selectSwept, userNo, ids, bound)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var session sessionRow
		var standing standingRow
		targets := append(session.targets(), standing.targets()...)
		if err := rows.Scan(append(targets, &u.sessions, &u.logged)...); err != nil {
			return nil, err
		}
		found, st, err := walked(&session, &standing, "")
		if err != nil {
			return nil, err
		}
		u.rows = append(u.rows, rollcall.Walked{Standing: st, Session: &found})
	}
	return u, rows.Err()
}

// decide asks for a verdict on each session.
func (u *sweptUser) decide(bite *rollcall.Sweep, swept *rollcall.Swept) {
	for _, w := range u.rows {
		id, ended, at := w.Session.ID, !w.Session.EndedAt.IsZero(), w.Session.Position()
		w.Standing.User.Version += uint64(u.ended)
		w.Standing.User.Events += uint64(len(u.events))
		verdict := bite.Decide(w)
		swept.Looked++
		if bite.UserID != "" {
			swept.Next = at
		}
		switch {
		case !verdict.FileAt.IsZero():
			r := refiled{id: id, at: verdict.FileAt}
			if verdict.Ending != nil && !ended {
				r.ending = verdict.Ending
				u.ended++
				swept.Ended++
			}
			u.filed = append(u.filed, r)
		case u.sessions == 1 && (u.logged || verdict.Event != nil):
			u.filed = append(u.filed, refiled{id: id, at: bite.SessionsBefore.Add(time.Hour)})
			continue
		default:
			u.removed = append(u.removed, id)
			u.sessions--
			swept.Removed++
		}
		if verdict.Event != nil {
			u.events = append(u.events, *verdict.Event)
			u.logged = true
		}
	}
}

var refiledColumns = []column[refiled]{
	col("id", "text", func(r *refiled) string { return r.id }),
	col("filed_at", "timestamptz", func(r *refiled) pgtype.Timestamptz { return moment(r.at) }),
	col("ends", "bool", func(r *refiled) bool { return r.ending != nil }),
	col("ended_at", "timestamptz", func(r *refiled) pgtype.Timestamptz { return instant(r.as().EndedAt) }),
	col("end_reason", "text", func(r *refiled) pgtype.Text { return text(string(r.as().EndReason)) }),
	col("ended_by", "text", func(r *refiled) pgtype.Text { return text(r.as().EndedBy) }),
}

// as is the ending, the zero one for none.
func (r *refiled) as() rollcall.Ending {
	if r.ending == nil {
		return rollcall.Ending{}
	}
	return *r.ending
}

// refile files sessions anew. The last interaction of one that ends goes to the session.
var refile = func() string {
	table, names := unnest(0, refiledColumns)
	return `WITH p AS MATERIALIZED (SELECT * FROM ` + table + ` p (` + names + `)),
d AS (DELETE FROM uses x USING p WHERE x.session_id = p.id AND p.ends RETURNING x.*),
f AS (UPDATE sessions s SET filed_at = p.filed_at FROM p WHERE s.id = p.id AND NOT p.ends)
UPDATE sessions s SET filed_at = p.filed_at, version = s.version + 1, updated_at = p.ended_at, ended_at = p.ended_at, end_reason = p.end_reason,
  ended_by = p.ended_by, last_at = d.at, last_idle_expires_at = d.idle_expires_at, last_ip = d.ip, last_asn = d.asn, last_agent = d.agent
FROM p JOIN d ON d.session_id = p.id WHERE s.id = p.id AND p.ends`
}()

var insertSwept = func() string {
	table, names := unnest(2, eventColumns)
	return `INSERT INTO events (xid, seq, user_no, number, ` + eventNames + `)
SELECT pg_current_xact_id(), v.o, $1, $2::bigint + v.o, ` + prefixed("v.", eventNames) + ` FROM ` + table + ` WITH ORDINALITY AS v (` + names + `, o)`
}()

// write does what was decided.
func (u *sweptUser) write(ctx context.Context, tx pgx.Tx) error {
	var b pgx.Batch
	if len(u.filed) > 0 {
		b.Queue(refile, arrays(nil, refiledColumns, u.filed)...)
	}
	if len(u.removed) > 0 {
		b.Queue(`DELETE FROM uses WHERE session_id = ANY ($1)`, u.removed)
		b.Queue(`DELETE FROM sessions WHERE id = ANY ($1)`, u.removed)
	}
	if len(u.events) > 0 {
		b.Queue(insertSwept, arrays([]any{u.no, int64(u.rows[0].Standing.User.Events)}, eventColumns, u.events)...)
	}
	switch {
	case u.sessions == 0:
		b.Queue(`DELETE FROM users WHERE no = $1`, u.no)
	case u.ended > 0 || len(u.events) > 0:
		b.Queue(`UPDATE users SET version = version + $2, events = events + $3 WHERE no = $1`, u.no, u.ended, len(u.events))
	}
	return tx.SendBatch(ctx, &b).Close()
}
