package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rollcall-id/rollcall"
)

// form is the number of the form that schema.sql gives a database.
const form = 1

// A Store is a [rollcall.Store] in a PostgreSQL database that other processes may share.
type Store struct {
	pool *pgxpool.Pool
	// hold, unless nil, is called in each Commit between the change's statement and its
	// commit. For tests.
	hold func(rollcall.Change)
}

var _ rollcall.Store = (*Store)(nil)

// Options are what Open can be told beside the address. The zero value is good.
type Options struct {
	// MaxConns bounds the connections of this process; 0 stands for what the address
	// says in pool_max_conns, else the larger of 4 and the number of processors.
	MaxConns int
}

// Open connects to a database that Create has made, and fails when the database has
// another form, or when the server answers commits that are not durable. dsn is an address or a list of settings as libpq takes them. The store
// must be closed.
func Open(ctx context.Context, dsn string, o Options) (*Store, error) {
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("reading the address of PostgreSQL: %w", err)
	}
	if o.MaxConns > 0 {
		config.MaxConns = int32(o.MaxConns)
	}
	return open(ctx, config)
}

func open(ctx context.Context, config *pgxpool.Config) (*Store, error) {
	for name, value := range map[string]string{
		// A database or a role may have other defaults.
		"default_transaction_isolation":       "read committed",
		"plan_cache_mode":                     "force_generic_plan", // the statements' plans do not depend on values
		"statement_timeout":                   "0",                  // a commit is never cancelled
		"lock_timeout":                        "10s",
		"idle_in_transaction_session_timeout": "60s", // an open transaction holds back the events of all
		"jit":                                 "off",
	} {
		config.ConnConfig.RuntimeParams[name] = value
	}
	config.ConnConfig.OnNotice = noteWarning
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("opening PostgreSQL: %w", err)
	}
	var found int
	var durable bool
	err = pool.QueryRow(ctx, `SELECT form, current_setting('synchronous_commit') <> 'off' FROM meta`).Scan(&found, &durable)
	switch {
	case err != nil:
	case found != form:
		err = fmt.Errorf("the tables have form %d, this program knows form %d", found, form)
	case !durable:
		err = errors.New("synchronous_commit is off, so that a commit could be lost after its answer")
	}
	if err != nil {
		pool.Close()
		return nil, fmt.Errorf("opening PostgreSQL: %w", err)
	}
	return &Store{pool: pool}, nil
}

// Traits implements rollcall.Store: other processes may write.
func (s *Store) Traits() rollcall.Traits { return rollcall.Traits{Shared: true} }

// Ready implements rollcall.Store. The clock is the database's.
func (s *Store) Ready(ctx context.Context) (now time.Time, err error) {
	if err := s.pool.QueryRow(ctx, `SELECT clock_timestamp()`).Scan(&now); err != nil {
		return time.Time{}, fmt.Errorf("asking PostgreSQL for the time: %w", err)
	}
	return now.UTC(), nil
}

// Close implements rollcall.Store.
func (s *Store) Close() error {
	s.pool.Close()
	return nil
}

// warned is the key, in a connection's own data, of the first warning since the last
// statement began.
const warned = "rollcall.warning"

// noteWarning keeps a warning for whoever uses the connection. A server that gives up
// waiting for its standby tells so in a warning, beside an answer that says success.
func noteWarning(conn *pgconn.PgConn, n *pgconn.Notice) {
	if n.SeverityUnlocalized == "WARNING" {
		conn.CustomData()[warned] = fmt.Sprintf("%s (SQLSTATE %s)", n.Message, n.Code)
	}
}

// isText reports whether PostgreSQL can be asked for s: what is no text is in no column.
func isText(s string) bool {
	return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0
}
