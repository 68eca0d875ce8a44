package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rollcall-id/rollcall"
)

// Modes of a store: what stands behind an answer to a read. A primary that was replaced
// may go on answering reads. It cannot finish a commit for which it waits for a standby
// that has left it.
const (
	// ModeSingle: nothing. A node that still reaches a replaced primary accepts sessions
	// that were ended on the new one.
	ModeSingle = "single"
	// ModeFenced: the answer came at most fence after a synchronous commit had begun on
	// the same server.
	ModeFenced = "fenced"
	// ModeExact: the read's own transaction has committed synchronously.
	ModeExact = "exact"
)

// fence is the age from which on a synchronous commit proves nothing in ModeFenced.
const fence = 3 * time.Second

// readTimeout bounds a read: the wait for a connection, the statement, what stands behind
// the answer, and further attempts.
const readTimeout = 3 * time.Second

// readAttempts bounds how often a read is made in readTimeout.
const readAttempts = 3

// A query is the text of a read in three forms, of one answer.
type query struct {
	plain string
	// tracked has the server's name before the other columns.
	tracked string
	// behind is tracked, in a transaction that has to commit: that the transaction writes
	// a message to the log makes its commit wait for the standby. The answer counts once
	// the commit has been answered. The name is NULL where commits wait for no standby.
	behind string
}

// thisServer names the server that runs a statement, and the run since the server's start.
const thisServer = `concat_ws(' ', extract(epoch FROM pg_postmaster_start_time()), inet_server_addr(), inet_server_port())`

// reading spells a read. from gives one row at least.
func reading(columns, from string) query {
	return query{
		plain:   "SELECT " + columns + " FROM " + from,
		tracked: "SELECT " + thisServer + ", " + columns + " FROM " + from,
		behind: `WITH b AS MATERIALIZED (
  SELECT pg_logical_emit_message(true, 'rollcall', '') AS message, CASE WHEN current_setting('synchronous_standby_names') <> ''
    AND current_setting('synchronous_commit') NOT IN ('off', 'local') THEN ` + thisServer + ` END AS server)
SELECT b.server, ` + columns + ` FROM b CROSS JOIN ` + from,
	}
}

// An answer is the rows of a query in any form.
type answer struct {
	pgx.Rows
	named  bool // the first column is the server's name
	server pgtype.Text
}

func (a *answer) Scan(targets ...any) error {
	if a.named {
		targets = append([]any{&a.server}, targets...)
	}
	return a.Rows.Scan(targets...)
}

// What an answer lacks.
var (
	errStale     = errors.New("the server has made no synchronous commit for too long")
	errNoStandby = errors.New("commits wait for no standby: synchronous_standby_names is empty, or synchronous_commit is off or local")
)

// read makes a read and calls collect with its rows, anew for each attempt: collect keeps
// nothing of the attempt before. what is the read's name in errors.
//
// Errors: ctx's own when ctx has ended, CodeUnavailable when the server did not give an
// answer that counts, and collect's.
func (s *Store) read(ctx context.Context, what string, q *query, args []any, collect func(*answer) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	bounded, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	behind := s.mode == ModeExact
	var err error
	for range readAttempts {
		var again bool
		if again, err = s.readOnce(bounded, q, args, behind, collect); !again || bounded.Err() != nil {
			break
		}
		behind = s.mode != ModeSingle
	}
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && isDefect(pg.Code) || errors.Is(err, errCollect) {
		return fmt.Errorf("reading %s: %w", what, err)
	}
	return unavailable(fmt.Errorf("reading %s: %w", what, err))
}

// errCollect marks an error of what read was given to collect rows.
var errCollect = errors.New("not what was written")

// readOnce makes a read on one connection. It reports whether a further attempt, which
// has another connection, may do better.
func (s *Store) readOnce(ctx context.Context, q *query, args []any, behind bool, collect func(*answer) error) (again bool, err error) {
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return false, fmt.Errorf("waiting for a connection to PostgreSQL: %w", err)
	}
	defer conn.Release()
	line := lineOf(conn.Conn().PgConn())
	text, rows := q.plain, answer{}
	if s.mode != ModeSingle {
		behind = behind || time.Since(line.committed) > fence
		text, rows.named = q.tracked, true
		if behind {
			text = q.behind
		}
	}
	line.warning = ""
	began := time.Now()
	if rows.Rows, err = conn.Query(ctx, text, args...); err == nil {
		err = collect(&rows)
		rows.Close() // waits for the end of the transaction
		if rows.Err() != nil {
			err = rows.Err()
		} else if err != nil {
			return false, fmt.Errorf("%w: %w", errCollect, err)
		}
	}
	switch {
	case err != nil:
		return s.isLost(ctx, conn, err), err
	case !rows.named:
		return false, nil
	case line.warning != "":
		return true, fmt.Errorf("the commit behind the read: %s", line.warning)
	case behind && !rows.server.Valid:
		return false, errNoStandby
	case behind:
		line.server, line.committed = rows.server.String, began
		return false, nil
	case line.server != rows.server.String || time.Since(line.committed) > fence:
		return true, errStale
	}
	return false, nil
}

// isLost reports whether a statement failed because its connection is good no more, though
// ctx still stands. The pool's other connections that are as old are then closed: they lead
// to the same server.
func (s *Store) isLost(ctx context.Context, conn *pgxpool.Conn, err error) bool {
	if ctx.Err() != nil {
		return false
	}
	pg, ok := errors.AsType[*pgconn.PgError](err)
	if ok && !isGone(pg.Code) || !ok && !conn.Conn().IsClosed() {
		return false
	}
	s.discard(lineOf(conn.Conn().PgConn()))
	return true
}

// discard closes the pool's connections when they are no longer in use, unless that was
// done after l was opened.
func (s *Store) discard(l *line) {
	s.discarding.Lock()
	defer s.discarding.Unlock()
	if l.opened.After(s.discarded) {
		s.discarded = time.Now()
		s.pool.Reset()
	}
}

// unavailable is the error of what did not happen, and may be tried again.
func unavailable(err error) error {
	return &rollcall.Error{
		Code: rollcall.CodeUnavailable, Message: "The database does not answer, or not as one that still counts; nothing was changed",
		Err: err, RetryAfter: time.Second,
	}
}
