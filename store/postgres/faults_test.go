package postgres_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/store/postgres"
	"github.com/rollcall-id/rollcall/store/postgres/postgrestest"
)

// readBound is the longest that a read may take: the wait for the statement before, and
// the read's own 3 s. The rest is for the machine.
const readBound = 3100*time.Millisecond + time.Second

func TestADatabaseThatIsGoneAtTheStartIsNamedInTime(t *testing.T) {
	began := time.Now()
	_, err := postgres.Open(t.Context(), "host="+t.TempDir()+" user=rollcall dbname=x", postgres.Options{})
	if err == nil || time.Since(began) > time.Second {
		t.Errorf("Open took %s: %v", time.Since(began), err)
	}
}

func TestReadsOutliveADatabaseThatGoes(t *testing.T) {
	t.Parallel()
	node := postgrestest.Single(t, "")
	s := openMode(t, node.DSN(), "")
	commit(t, s, stamped(newSession("u", 1)))
	node.Kill(t)
	same(t, "while the database is gone", all(unknown), within(t, s, time.Second))
	node.Start(t)
	same(t, "when the database is back", all(isLive), within(t, s, time.Second))
	node.Stop(t)
	same(t, "while the database stands still", all(unknown), within(t, s, readBound))
	node.Continue(t)
	eventually(t, time.Second, func() error {
		_, _, err := s.Session(t.Context(), rollcall.At{ID: sessionID(1)})
		return err
	})
	same(t, "when the database goes on", all(isLive), within(t, s, time.Second))
}

func TestAServerThatTakesNoWritesIsLeft(t *testing.T) {
	t.Parallel()
	node := postgrestest.Single(t, "")
	s := openMode(t, node.DSN(), "")
	commit(t, s, stamped(newSession("u", 1)))
	admin := connect(t, node.DSN())
	execute(t, admin, `SET default_transaction_read_only = off`)
	set := func(value string) {
		t.Helper()
		execute(t, admin, `ALTER SYSTEM SET default_transaction_read_only = `+value)
		execute(t, admin, `SELECT pg_reload_conf()`)
	}
	set("on")
	var err error
	for i := 2; err == nil && i < 1000; i++ { // the server takes a while to know
		_, err = s.Commit(t.Context(), stamped(newSession("u", i)))
	}
	if rollcall.ErrorCode(err) != rollcall.CodeUnavailable {
		t.Errorf("a write: %v", err)
	}
	eventually(t, time.Second, func() error { return isAlone(t, admin) })
	same(t, "while the server takes no writes", all(unknown), within(t, s, readBound))
	set("off")
	eventually(t, time.Second, func() error {
		_, err := s.Commit(t.Context(), stamped(newSession("u", 5000)))
		return err
	})
	same(t, "when the server takes writes", all(isLive), within(t, s, time.Second))
}

// isAlone fails while other connections than conn lead to the server.
func isAlone(t *testing.T, conn *pgx.Conn) error {
	t.Helper()
	var others int
	err := conn.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()`).Scan(&others)
	if err == nil && others > 0 {
		err = fmt.Errorf("%d others are connected", others)
	}
	return err
}

func TestOutOfConnectionsReadsAreAnsweredInTime(t *testing.T) {
	t.Parallel()
	node := postgrestest.Single(t, "max_connections = 6\nmax_wal_senders = 0\nsuperuser_reserved_connections = 1\n")
	s := openMode(t, node.DSN(), "")
	commit(t, s, stamped(newSession("u", 1)))
	s.Pool().Reset()
	others := []*pgx.Conn{connect(t, node.DSN())}
	eventually(t, 5*time.Second, func() error { return isAlone(t, others[0]) })
	for {
		conn, err := pgx.Connect(t.Context(), node.DSN())
		if err != nil {
			break
		}
		others = append(others, conn)
	}
	same(t, "without connections", all(unknown), within(t, s, readBound))
	for _, conn := range others {
		if err := conn.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, time.Second, func() error {
		_, _, err := s.Session(t.Context(), rollcall.At{ID: sessionID(1)})
		return err
	})
}

func TestASlowStatementIsWaitedForAndAHangingOneIsNot(t *testing.T) {
	dsn := postgrestest.DSN(t)
	s := open(t, dsn)
	commit(t, s, stamped(newSession("u", 1)))
	unlock := lockSessions(t, dsn)
	said := make(chan map[string]liveness)
	go func() { said <- within(t, s, readBound) }()
	time.Sleep(2 * time.Second)
	unlock()
	same(t, "2 s of waiting", all(isLive), <-said)
	unlock = lockSessions(t, dsn)
	same(t, "a statement that hangs", all(unknown), within(t, s, readBound))
	unlock()
	same(t, "afterwards", all(isLive), within(t, s, time.Second))
}

// TestWritesThatWaitForAStrangersLockLeaveConnectionsToReads has a stranger lock a user's
// row, and more writes wait for the row than there are connections.
func TestWritesThatWaitForAStrangersLockLeaveConnectionsToReads(t *testing.T) {
	dsn := postgrestest.DSN(t)
	s := open(t, dsn)
	commit(t, s, stamped(newSession("u", 1)))
	other := connect(t, dsn)
	execute(t, other, `BEGIN`)
	execute(t, other, `SELECT FROM users WHERE id = 'u' FOR UPDATE`)
	const writes = 50
	written := make(chan error)
	for i := range writes {
		go func() {
			_, err := s.Commit(context.WithoutCancel(t.Context()), stamped(newSession("u", 100+i)))
			written <- err
		}()
	}
	time.Sleep(200 * time.Millisecond)
	same(t, "reads of the user", all(isLive), within(t, s, time.Second))
	execute(t, other, `ROLLBACK`)
	for range writes {
		if err := <-written; err != nil {
			t.Errorf("a write behind the lock: %v", err)
		}
	}
}

func TestCodesOfTheServerSayWhatToDo(t *testing.T) {
	dsn := postgrestest.Empty(t)
	if err := postgres.Create(t.Context(), dsn); err != nil {
		t.Fatal(err)
	}
	s := open(t, dsn)
	for code, want := range map[string]rollcall.Code{"55P03": rollcall.CodeUnavailable, "25006": rollcall.CodeUnavailable, "P0001": rollcall.CodeInternal} {
		trigger(t, dsn, `RAISE EXCEPTION 'deadlock detected' USING ERRCODE = '`+code+`';`)
		_, err := s.Commit(t.Context(), creation(newSession("u", 1)))
		if rollcall.ErrorCode(err) != want || !strings.Contains(err.Error(), code) {
			t.Errorf("%s: %v", code, err)
		}
	}
}
