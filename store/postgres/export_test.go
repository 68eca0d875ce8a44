package postgres

import (
	"context"
	"io/fs"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rollcall-id/rollcall"
)

// OpenConfig is Open with a configuration that a test has changed.
func OpenConfig(ctx context.Context, config *pgxpool.Config) (*Store, error) {
	return open(ctx, config, Options{})
}

// Hold has the store call hold in each Commit, between its statement and its commit.
func (s *Store) Hold(hold func(rollcall.Change)) { s.hold = hold }

// Pool is the store's pool.
func (s *Store) Pool() *pgxpool.Pool { return s.pool }

// BareCheck is the statement of a check without what the store does around it.
func BareCheck(ctx context.Context, s *Store, id string) error {
	var session sessionRow
	var standing standingRow
	return s.pool.QueryRow(ctx, selectSession.plain, id).Scan(append(session.targets(), standing.targets()...)...)
}

// UseMigrations has the package know the migrations of these files, until the test ends.
func UseMigrations(t testing.TB, files fs.FS) {
	t.Helper()
	steps, err := readMigrations(files)
	if err != nil {
		t.Fatal(err)
	}
	before := migrations
	migrations = steps
	t.Cleanup(func() { migrations = before })
}
