package postgres

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rollcall-id/rollcall"
)

// A Store is a [rollcall.Store] in a PostgreSQL database that other processes may share.
type Store struct {
	pool   *pgxpool.Pool
	mode   string // one of the modes, never ""
	checks checks
	// writing has an element for each write that has a connection. Some connections are
	// left to reads, whatever writes wait for.
	writing chan struct{}

	discarding sync.Mutex
	discarded  time.Time // when all connections were discarded last
	// hold, unless nil, is called in each Commit between the change's statement and its
	// commit. For tests.
	hold func(rollcall.Change)
}

var _ rollcall.Store = (*Store)(nil)

// Options are what Open can be told beside the address. The zero value is good.
type Options struct {
	// MaxConns bounds the connections of this process; 0 stands for what the address
	// says in pool_max_conns, else the larger of 4 and the number of processors. A quarter
	// of the connections, and one at least where there are two, are for reads alone.
	MaxConns int
	// Mode says what stands behind the answers to reads: ModeSingle, ModeFenced or
	// ModeExact. "" stands for ModeExact where the server has a synchronous standby, else
	// for ModeSingle.
	Mode string
	// Pooler says that a pooler in transaction mode stands before the server: nothing is
	// kept on a connection beyond a transaction, and no settings are sent.
	Pooler bool
	// Logger takes what an operator should know; nil discards it.
	Logger *slog.Logger
}

// Open connects to a database that Create or Migrate has made. dsn is an address or a list
// of settings as libpq takes them; of several hosts, the one that takes writes is used. The
// store must be closed.
//
// Errors: ErrNotMigrated, ErrNewer and ErrForeign of a database that has another form; one of
// a server that answers commits before they are durable, or cannot keep what the mode
// promises. None holds a password.
func Open(ctx context.Context, dsn string, o Options) (*Store, error) {
	config, err := o.parse(dsn)
	if err != nil {
		return nil, err
	}
	return open(ctx, config, o)
}

func open(ctx context.Context, config *pgxpool.Config, o Options) (*Store, error) {
	configure(config, &o)
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("opening PostgreSQL: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	var mode string
	if err = checkForm(ctx, pool); err == nil {
		mode, err = judge(ctx, pool, &o)
	}
	if err != nil {
		pool.Close()
		return nil, fmt.Errorf("opening PostgreSQL: %w", err)
	}
	all := int(config.MaxConns)
	return &Store{pool: pool, mode: mode, writing: make(chan struct{}, max(1, all-max(1, all/4)))}, nil
}

// openTimeout bounds Open.
const openTimeout = 10 * time.Second

// Mode is what stands behind the answers to reads.
func (s *Store) Mode() string { return s.mode }

// Traits implements rollcall.Store: other processes may write.
func (s *Store) Traits() rollcall.Traits { return rollcall.Traits{Shared: true} }

var selectNow = reading(`clock_timestamp()`, `(SELECT) x`)

// Ready implements rollcall.Store. The clock is the database's. The answer counts as that
// of any read does.
func (s *Store) Ready(ctx context.Context) (now time.Time, err error) {
	err = s.read(ctx, "the time", &selectNow, nil, func(rows *answer) error {
		rows.Next()
		return rows.Scan(&now)
	})
	if err != nil {
		return time.Time{}, err
	}
	return now.UTC(), nil
}

// Close implements rollcall.Store.
func (s *Store) Close() error {
	s.pool.Close()
	s.checks.under.Wait()
	return nil
}

// isText reports whether PostgreSQL can be asked for s: what is no text is in no column.
func isText(s string) bool {
	return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0
}
