package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"

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
)

// claims are the constraints whose violation says that somebody else was there first.
var claims = []string{"sessions_id", "uses_id", "users_id", "documents_name"}

// attempts bounds how often a write is tried that the server took back whole.
const attempts = 10

// errRaced is a write's outcome when another made the user's row at the same moment: the
// write changed nothing, and is to be tried again in a new transaction.
var errRaced = errors.New("another made the row of the user")

// write runs a write on a connection of its own until the server has not taken the write
// back for another's sake. ctx bounds the wait for the connection; from then on the write
// is finished, whatever becomes of ctx.
//
// Errors: ErrConflict and ErrFull, when nothing changed. Any warning of the server while
// the write ran is an error: the outcome is unknown.
func (s *Store) write(ctx context.Context, do func(context.Context, *pgx.Conn) error) error {
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("waiting for a connection to PostgreSQL: %w", err)
	}
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
	}
	return fmt.Errorf("writing to PostgreSQL: %w", err)
}

func attempt(ctx context.Context, conn *pgxpool.Conn, do func(context.Context, *pgx.Conn) error) error {
	data := conn.Conn().PgConn().CustomData()
	delete(data, warned)
	err := do(ctx, conn.Conn())
	if warning, ok := data[warned]; ok && err == nil {
		return fmt.Errorf("writing to PostgreSQL: outcome unknown: %v", warning)
	}
	return err
}

// isRetried reports whether the server took a write back whole, for another's sake.
func isRetried(err error) bool {
	var pg *pgconn.PgError
	return errors.Is(err, errRaced) || errors.As(err, &pg) && (pg.Code == deadlockDetected || pg.Code == serializationFailure)
}
