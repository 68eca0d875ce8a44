package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// connectTimeout bounds an attempt to connect to one host, unless the address says
// connect_timeout.
const connectTimeout = 2 * time.Second

// libpqTimeout is what pgx takes for an address without connect_timeout.
const libpqTimeout = 2 * time.Minute

// pingTimeout bounds the look at a connection that was idle for a second.
const pingTimeout = time.Second

// A line is what is known of a connection. Who has the connection has the line.
type line struct {
	opened  time.Time
	warning string // of the server since the last statement began; "" for none
	// committed is when the newest synchronous commit on the connection began, and server
	// is who made that commit: behind a pooler a connection meets several servers.
	committed time.Time
	server    string
}

const lineKey = "rollcall.line"

// lineOf returns nil for a connection that is being opened.
func lineOf(conn *pgconn.PgConn) *line {
	l, _ := conn.CustomData()[lineKey].(*line)
	return l
}

// noteWarning keeps a warning for whoever uses the connection. A server that gives up
// waiting for its standby tells so in a warning, beside an answer that says success.
func noteWarning(conn *pgconn.PgConn, n *pgconn.Notice) {
	if l := lineOf(conn); l != nil && n.SeverityUnlocalized == "WARNING" {
		l.warning = fmt.Sprintf("%s (SQLSTATE %s)", n.Message, n.Code)
	}
}

// A parameter is a setting of the server that the engine wants for its connections.
type parameter struct{ name, value, why string }

// settings are sent when a connection starts: a database or a role may have other defaults.
var settings = []parameter{
	{"default_transaction_isolation", "read committed", "guards are looked at again once their locks are held"},
	{"plan_cache_mode", "force_generic_plan", "plans do not depend on values"},
	{"statement_timeout", "0", "a commit is never cancelled"},
	{"lock_timeout", "10s", "a lock that somebody else holds would keep acts waiting without end"},
	{"idle_in_transaction_session_timeout", "1min", "an open transaction holds back the events of all"},
	{"jit", "off", "statements are short"},
}

// configure says how the pool opens its connections.
func configure(config *pgxpool.Config, o *Options) {
	cc := config.ConnConfig
	cc.OnNotice = noteWarning
	cc.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	if cc.ConnectTimeout == libpqTimeout {
		cc.ConnectTimeout = connectTimeout
	}
	config.PingTimeout = pingTimeout
	config.AfterConnect = func(_ context.Context, conn *pgx.Conn) error {
		conn.PgConn().CustomData()[lineKey] = &line{opened: time.Now()}
		return nil
	}
	if o.Pooler {
		cc.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
		return
	}
	for _, s := range settings {
		cc.RuntimeParams[s.name] = s.value
	}
}

// selectSettings tells which of the settings $1 have not the values $2, and what else
// decides about the mode.
const selectSettings = `SELECT current_setting('synchronous_commit'), current_setting('synchronous_standby_names') <> '',
  current_setting('transaction_isolation'), (
    SELECT coalesce(array_agg(k.name ORDER BY k.o), '{}') FROM unnest($1::text[], $2::text[]) WITH ORDINALITY k (name, value, o)
    WHERE current_setting(k.name) <> k.value)`

// judge looks at the server's settings, and returns the mode of the store. A setting that
// costs and breaks no promise is a warning in o.Logger.
func judge(ctx context.Context, pool *pgxpool.Pool, o *Options) (mode string, err error) {
	var names, values []string
	for _, s := range settings {
		names, values = append(names, s.name), append(values, s.value)
	}
	var commit, isolation string
	var standby bool
	var other []string
	if err := pool.QueryRow(ctx, selectSettings, names, values).Scan(&commit, &standby, &isolation, &other); err != nil {
		return "", err
	}
	mode = o.Mode
	if mode == "" {
		mode = ModeSingle
		if standby {
			mode = ModeExact
		}
	}
	switch {
	case commit == "off":
		return "", errors.New("synchronous_commit is off, so that a commit could be lost after its answer")
	case isolation != "read committed":
		return "", fmt.Errorf("default_transaction_isolation is %q: it must be read committed", isolation)
	case mode != ModeSingle && mode != ModeFenced && mode != ModeExact:
		return "", fmt.Errorf("there is no mode %q: modes are single, fenced and exact", mode)
	case mode != ModeSingle && (!standby || commit == "local"):
		return "", fmt.Errorf("mode %s: %w", mode, errNoStandby)
	}
	if o.Logger != nil && o.Pooler {
		o.warn(ctx, other)
	}
	return mode, nil
}

// warn says what a pooler costs.
func (o *Options) warn(ctx context.Context, other []string) {
	o.Logger.WarnContext(ctx, "statements are planned anew each time, since a pooler stands before PostgreSQL: a check costs the server four times as much")
	for _, s := range settings {
		for _, name := range other {
			if name == s.name && name != "plan_cache_mode" {
				o.Logger.WarnContext(ctx, "a setting of PostgreSQL is not as it should be, and cannot be sent through a pooler",
					slog.String("run", fmt.Sprintf("ALTER ROLE ... SET %s = '%s'", s.name, s.value)), slog.String("why", s.why))
			}
		}
	}
}
