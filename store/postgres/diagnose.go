package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rollcall-id/rollcall"
)

// A Finding is one thing about a database that whoever runs it should know.
type Finding struct {
	// Problem says that the store does not work on the database, or breaks a promise.
	Problem bool
	Text    string
}

// A condition is what Diagnose reads of a server.
type condition struct {
	Version, VersionText                   string
	Encoding, Isolation, Commit            string
	Standby, ReadOnly, Fsync, FullPages    bool
	Encrypted, Local                       bool
	IdleInTransaction                      string
	Connections                            int
	Prepared                               int
	OldestSeconds                          float64
	OldestPID                              int
	Now                                    time.Time
	AutovacuumOff, SynchronousStandbyNamed bool
}

const selectCondition = `SELECT current_setting('server_version_num'), current_setting('server_version'),
  current_setting('server_encoding'), current_setting('default_transaction_isolation'), current_setting('synchronous_commit'),
  pg_is_in_recovery(), current_setting('default_transaction_read_only')::bool, current_setting('fsync')::bool, current_setting('full_page_writes')::bool,
  coalesce((SELECT s.ssl FROM pg_stat_ssl s WHERE s.pid = pg_backend_pid()), false),
  coalesce(inet_server_addr() << '127.0.0.0/8' OR inet_server_addr() = '::1', true),
  current_setting('idle_in_transaction_session_timeout'),
  current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int,
  (SELECT count(*) FROM pg_prepared_xacts), coalesce(o.seconds, 0)::float8, coalesce(o.pid, 0), clock_timestamp(),
  NOT current_setting('autovacuum')::bool, current_setting('synchronous_standby_names') <> ''
FROM (VALUES (1)) v LEFT JOIN (
  SELECT pid, extract(epoch FROM clock_timestamp() - xact_start) AS seconds FROM pg_stat_activity
  WHERE backend_xid IS NOT NULL AND pid <> pg_backend_pid() ORDER BY xact_start LIMIT 1) o ON true`

// Diagnose looks at a server and a database with the eyes of a node that may open so many
// connections, and changes nothing. An error says that the server could not be asked.
func Diagnose(ctx context.Context, address string, connections int) ([]Finding, error) {
	conn, err := connect(ctx, address)
	if err != nil {
		return nil, err
	}
	defer conn.close(ctx)
	rows, err := conn.Query(ctx, selectCondition)
	if err != nil {
		return nil, fmt.Errorf("asking PostgreSQL for its settings: %w", err)
	}
	before := time.Now()
	c, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[condition])
	if err != nil {
		return nil, fmt.Errorf("asking PostgreSQL for its settings: %w", err)
	}
	found := c.findings(before.Sub(c.Now), connections)
	form, err := formOf(ctx, conn)
	if err == nil {
		_, err = after(form)
	}
	switch {
	case err != nil:
		found = append(found, Finding{true, err.Error()})
	case form == 0:
		found = append(found, Finding{false, "the database is empty: rollcall migrate makes the tables, or the first start does"})
	default:
		if err := checkForm(ctx, conn); err != nil {
			found = append(found, Finding{true, err.Error()})
		}
	}
	return found, nil
}

// longOpen is how many seconds a transaction may be open before it is told of.
const longOpen = 60

// findings judges the settings; off is how far this process's clock is ahead.
func (c *condition) findings(off time.Duration, connections int) (all []Finding) {
	say := func(bad, problem bool, format string, args ...any) {
		if bad {
			all = append(all, Finding{problem, fmt.Sprintf(format, args...)})
		}
	}
	say(c.Standby, true, "the server is a standby and only reads: name the primary, or several hosts with target_session_attrs=read-write")
	say(c.ReadOnly && !c.Standby, true, "default_transaction_read_only is on: nothing can be written")
	say(c.Commit == "off", true, "synchronous_commit is off: a crash of the server loses endings that were answered with success; set it to on")
	say(c.Encoding != "UTF8", true, "the database's encoding is %s: make one with ENCODING 'UTF8'", c.Encoding)
	say(off.Abs() > rollcall.MaxClockError, true, "the clock here and the database's are %s apart: no node is ready that is more than %s off; set the clock", off.Abs().Round(time.Second), rollcall.MaxClockError)
	say(!c.Fsync || !c.FullPages, false, "fsync or full_page_writes is off: a crash of the server's machine can lose or damage everything")
	say(c.SynchronousStandbyNamed && c.Commit == "local", false, "synchronous_commit is local: no commit waits for the standby that synchronous_standby_names asks for")
	say(c.Isolation != "read committed", false, "default_transaction_isolation is %s: each connection sets read committed for itself, which a pooler may drop; set it for the role", c.Isolation)
	say(!c.Encrypted && !c.Local, false, "the connection is not encrypted: add sslmode=verify-full to the address")
	say(c.IdleInTransaction == "0", false, "idle_in_transaction_session_timeout is 0: a client that leaves a transaction open holds back the log of events; set it to some minutes on the server")
	say(c.Prepared > 0, false, "%d prepared transactions wait to be finished, and hold back the log of events: see pg_prepared_xacts", c.Prepared)
	say(c.OldestSeconds > longOpen, false, "the transaction of process %d is open for %s, and holds back the log of events", c.OldestPID, time.Duration(c.OldestSeconds)*time.Second)
	say(c.AutovacuumOff, false, "autovacuum is off: uses leave dead rows that nobody removes")
	say(connections > c.Connections, false, "this node may open %d connections, and the server takes %d of all clients together", connections, c.Connections)
	return all
}
