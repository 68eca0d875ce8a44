package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rollcall-id/rollcall"
)

// SQLSTATE codes that mean something to a write; all others leave its outcome unknown.
const (
	deadlockDetected     = "40P01"
	serializationFailure = "40001"
	uniqueViolation      = "23505"
	diskFull             = "53100"
	lockNotAvailable     = "55P03"
	readOnlyTransaction  = "25006" // of a server that takes no writes any more
)

// gone are the codes with which a server leaves, or takes no part any more.
var gone = []string{readOnlyTransaction, "57P01", "57P02", "57P03", "57P05"}

func isGone(code string) bool { return slices.Contains(gone, code) || strings.HasPrefix(code, "08") }

// isDefect reports whether a code says that a statement is wrong, or what the statement
// met: repeating does not help.
func isDefect(code string) bool {
	return slices.Contains([]string{"22", "23", "42", "XX"}, code[:min(2, len(code))])
}

// claims are the constraints whose violation says that somebody else was there first.
var claims = []string{"sessions_id", "uses_id", "users_id", "documents_name"}

// writeWait bounds a write's wait for a connection.
const writeWait = 5 * time.Second

// attempts bounds how often a write is tried that the server took back whole.
const attempts = 10

// errRaced is a write's outcome when another made the user's row at the same moment: the
// write changed nothing, and is to be tried again in a new transaction.
var errRaced = errors.New("another made the row of the user")

// write runs a write on a connection of its own until the server has not taken the write
// back for another's sake. ctx bounds the wait for the connection; from then on the write
// is finished, whatever becomes of ctx.
//
// Errors: when nothing changed, ErrConflict, ErrFull, and CodeUnavailable: no connection
// was to be had, somebody else held a lock for long, or the server takes no writes. Any
// warning of the server while the write ran is an error: the outcome is unknown.
func (s *Store) write(ctx context.Context, do func(context.Context, *pgx.Conn) error) error {
	conn, err := s.acquire(ctx)
	if err != nil {
		return err
	}
	defer func() { <-s.writing }()
	defer conn.Release()
	ctx = context.WithoutCancel(ctx)
	for range attempts {
		if err = attempt(ctx, conn, do); !isRetried(err) {
			break
		}
	}
	var pg *pgconn.PgError
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &pg):
		return err
	case pg.Code == uniqueViolation && slices.Contains(claims, pg.ConstraintName):
		return rollcall.ErrConflict
	case pg.Code == diskFull:
		return fmt.Errorf("%w: %w", rollcall.ErrFull, err)
	case pg.Code == readOnlyTransaction:
		s.discard(lineOf(conn.Conn().PgConn())) // so that new connections find the primary
		return unavailable(err)
	case pg.Code == lockNotAvailable:
		return unavailable(err)
	}
	return fmt.Errorf("writing to PostgreSQL: %w", err)
}

// acquire waits until a write may begin, at most writeWait. Each call that returns a
// connection fills one place of s.writing. Errors: ctx's own, CodeUnavailable.
func (s *Store) acquire(ctx context.Context) (*pgxpool.Conn, error) {
	bounded, cancel := context.WithTimeout(ctx, writeWait)
	defer cancel()
	var conn *pgxpool.Conn
	var err error
	select {
	case s.writing <- struct{}{}:
		if conn, err = s.pool.Acquire(bounded); err != nil {
			<-s.writing
		}
	case <-bounded.Done():
		err = bounded.Err()
	}
	switch {
	case err == nil:
		return conn, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	}
	return nil, unavailable(fmt.Errorf("waiting for a connection to PostgreSQL: %w", err))
}

func attempt(ctx context.Context, conn *pgxpool.Conn, do func(context.Context, *pgx.Conn) error) error {
	line := lineOf(conn.Conn().PgConn())
	line.warning = ""
	err := do(ctx, conn.Conn())
	if err == nil && line.warning != "" {
		return fmt.Errorf("writing to PostgreSQL: outcome unknown: %s", line.warning)
	}
	return err
}

// isRetried reports whether the server took a write back whole, for another's sake.
func isRetried(err error) bool {
	var pg *pgconn.PgError
	return errors.Is(err, errRaced) || errors.As(err, &pg) && (pg.Code == deadlockDetected || pg.Code == serializationFailure)
}
