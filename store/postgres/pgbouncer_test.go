package postgres_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/store/postgres"
	"github.com/rollcall-id/rollcall/store/postgres/postgrestest"
	"github.com/rollcall-id/rollcall/store/storetest"
)

// throughPgBouncer starts PgBouncer in transaction mode before a database, with so many connections
// to the server, and returns the address of the database behind PgBouncer.
func throughPgBouncer(t *testing.T, dsn string, connections int) string {
	t.Helper()
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		program, err = exec.LookPath("/usr/sbin/pgbouncer")
	}
	switch {
	case errors.Is(err, exec.ErrNotFound) && os.Getenv("CI") != "true":
		t.Skipf("no PgBouncer to test with (scripts/postgres installs one): %v", err)
	case err != nil:
		t.Fatal(err)
	}
	folder, start := postgrestest.Unprivileged(t)
	file := filepath.Join(folder, "pgbouncer.ini")
	configurePooler(t, file, dsn, connections)
	log, err := os.Create(filepath.Join(folder, "log"))
	if err != nil {
		t.Fatal(err)
	}
	pooler := exec.Command(program, file)
	pooler.Stdout, pooler.Stderr = log, log
	start(pooler)
	t.Cleanup(func() {
		if text, err := os.ReadFile(log.Name()); t.Failed() {
			t.Logf("%s\n%v", text, err)
		}
		_ = log.Close()
	})
	eventually(t, 10*time.Second, func() error {
		_, err := os.Stat(filepath.Join(folder, ".s.PGSQL.6432"))
		return err
	})
	return fmt.Sprintf("host=%s port=6432 user=rollcall dbname=pooled sslmode=disable", folder)
}

// configurePooler writes the configuration of a pooler whose socket is beside the file.
func configurePooler(t *testing.T, file, dsn string, connections int) {
	t.Helper()
	config := fmt.Sprintf(`[databases]
pooled = %s
[pgbouncer]
listen_port = 6432
unix_socket_dir = %s
auth_type = any
pool_mode = transaction
default_pool_size = %d
max_client_conn = 200
admin_users = rollcall
`, strings.Replace(dsn, " sslmode=disable", "", 1), filepath.Dir(file), connections)
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
}

// point has a pooler lead to another server, from the next transaction on.
func point(t *testing.T, address, dsn string) {
	t.Helper()
	config, err := pgx.ParseConfig(strings.Replace(address, "dbname=pooled", "dbname=pgbouncer", 1))
	if err != nil {
		t.Fatal(err)
	}
	configurePooler(t, filepath.Join(config.Host, "pgbouncer.ini"), dsn, 2)
	config.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	admin, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	execute(t, admin, `RELOAD`)
	execute(t, admin, `RECONNECT pooled`)
	if err := admin.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestACommitOnOneServerIsNoFenceForAnother has a pooler lead to the new primary, where the
// fence begins, and then to the one that was replaced.
func TestACommitOnOneServerIsNoFenceForAnother(t *testing.T) {
	t.Parallel()
	primary, standby := postgrestest.Pair(t)
	s := openMode(t, primary.DSN(), "single")
	commit(t, s, stamped(newSession("u", 1)))
	standby.Promote(t)
	endAll(t, openMode(t, standby.DSN(), "single"))
	postgrestest.Standby(t, standby)
	address := throughPgBouncer(t, standby.DSN(), 2)
	stores := map[string]*postgres.Store{}
	for _, mode := range []string{"single", "fenced"} {
		stores[mode] = openPooled(t, address, mode)
		same(t, "the new primary in mode "+mode, all(isOver), within(t, stores[mode], readBound))
	}
	point(t, address, primary.DSN())
	same(t, "mode single, the control", all(isLive), within(t, stores["single"], time.Second))
	same(t, "mode fenced", all(unknown), within(t, stores["fenced"], readBound))
}

func openPooled(t *testing.T, address, mode string) *postgres.Store {
	t.Helper()
	s, err := postgres.Open(t.Context(), address, postgres.Options{Pooler: true, Mode: mode})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// TestBehindAPoolerEveryActWorks has more callers than the pooler has connections.
func TestBehindAPoolerEveryActWorks(t *testing.T) {
	dsn := postgrestest.DSN(t)
	address := throughPgBouncer(t, dsn, 2)
	var log bytes.Buffer
	s, err := postgres.Open(t.Context(), address, postgres.Options{Pooler: true, MaxConns: 16, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	for _, want := range []string{"planned anew", "SET lock_timeout = '10s'", "SET idle_in_transaction_session_timeout = '1min'", "SET jit = 'off'"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no warning has %q:\n%s", want, log.String())
		}
	}
	var callers sync.WaitGroup
	for i := range 32 {
		callers.Go(func() { actsOf(t, s, fmt.Sprint("u", i), i) })
	}
	callers.Wait()
	if page := events(t, s, ""); len(page.Events) != 64 {
		t.Errorf("%d events", len(page.Events))
	}
	swept, err := s.Sweep(t.Context(), rollcall.Sweep{
		SessionsBefore: t0.Add(1000 * time.Hour), Limit: 100, Decide: func(rollcall.Walked) rollcall.Verdict { return rollcall.Verdict{} },
	})
	if err != nil || swept.Looked == 0 {
		t.Errorf("Sweep: %+v, %v", swept, err)
	}
	noneIsPrepared(t, address)
}

// noneIsPrepared looks at both of the pooler's connections.
func noneIsPrepared(t *testing.T, address string) {
	t.Helper()
	for range 2 {
		config, err := pgx.ParseConfig(address)
		if err != nil {
			t.Fatal(err)
		}
		config.DefaultQueryExecMode = pgx.QueryExecModeExec
		conn, err := pgx.ConnectConfig(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close(context.Background()) })
		execute(t, conn, `BEGIN`) // keeps the connection from the next
		var prepared int
		if err := conn.QueryRow(t.Context(), `SELECT count(*) FROM pg_prepared_statements`).Scan(&prepared); err != nil || prepared != 0 {
			t.Errorf("%d statements are prepared: %v", prepared, err)
		}
	}
}

// TestBehindAPoolerAVersionThatNobodyHasIsAConflict: a statement that is planned with its
// values is computed with them before any guard is looked at.
func TestBehindAPoolerAVersionThatNobodyHasIsAConflict(t *testing.T) {
	s := openPooled(t, throughPgBouncer(t, postgrestest.DSN(t), 2), "single")
	commit(t, s, creation(newSession("u", 1)))
	for name, c := range map[string]rollcall.Change{
		"a user":       {UserID: "u", User: &rollcall.PutUser{User: rollcall.User{ID: "u"}, Replaces: math.MaxInt64}},
		"a session":    {UserID: "u", Sessions: []rollcall.PutSession{{Session: newSession("u", 1), Replaces: math.MaxInt64}}},
		"a document":   {Documents: []rollcall.PutDocument{{Name: "d", Body: []byte("b"), Replaces: math.MaxInt64}}},
		"everybody":    {Everybody: &rollcall.PutEverybody{Replaces: math.MaxInt64}},
		"a generation": {UserID: "u", User: &rollcall.PutUser{User: rollcall.User{ID: "u", Generation: 1 << 63}, Replaces: rollcall.AnyVersion, NextGeneration: true}},
	} {
		if _, err := s.Commit(t.Context(), c); !errors.Is(err, rollcall.ErrConflict) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestLongestThroughAPoolerTheStoreKeepsTheContract runs the whole suite.
func TestLongestThroughAPoolerTheStoreKeepsTheContract(t *testing.T) {
	if os.Getenv("ROLLCALL_TEST_LONG") == "" {
		t.Skip("takes minutes: make test-long")
	}
	through := func(t *testing.T) *postgres.Store { // the caller closes it
		s, err := postgres.Open(t.Context(), throughPgBouncer(t, postgrestest.DSN(t), 20), postgres.Options{Pooler: true})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	again := func(t *testing.T, s rollcall.Store) rollcall.Store {
		another, err := postgres.Open(t.Context(), dsnOf(s), postgres.Options{Pooler: true})
		if err != nil {
			t.Fatal(err)
		}
		return another
	}
	storetest.Run(t, storetest.Harness{
		Open:    func(t *testing.T) rollcall.Store { return through(t) },
		Another: again,
		Reopen: func(t *testing.T, s rollcall.Store) rollcall.Store {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			return again(t, s)
		},
		OpenHeld: func(t *testing.T, hold func(rollcall.Change)) rollcall.Store {
			s := through(t)
			s.Hold(hold)
			return s
		},
		OneFloor: true,
	})
}

// actsOf does what a user does.
func actsOf(t *testing.T, s *postgres.Store, userID string, i int) {
	created, err := s.Commit(t.Context(), creation(newSession(userID, i)))
	if err != nil {
		t.Error(err)
		return
	}
	use := rollcall.Interaction{At: t0.Add(time.Hour), IdleExpiresAt: t0.Add(2 * time.Hour), Origin: rollcall.Origin{IP: "192.0.2.7"}}
	if err := s.Touch(t.Context(), []rollcall.Touch{{UserID: userID, SessionID: sessionID(i), Interaction: use}}); err != nil {
		t.Error(err)
	}
	want := newSession(userID, i)
	want.Version, want.Last = 1, use
	want.Generation = rollcall.Generation{User: created.User.Generation}
	found, st, err := s.Session(t.Context(), rollcall.At{ID: sessionID(i)})
	if err != nil {
		t.Error(err)
		return
	}
	same(t, "a session", want, found)
	_, list, err := s.Sessions(t.Context(), rollcall.SessionsOf{UserID: userID, Limit: 10})
	if err != nil {
		t.Error(err)
	}
	same(t, "a list", []rollcall.Session{want}, list)
	_, err = s.Commit(t.Context(), rollcall.Change{
		UserID: userID, User: &rollcall.PutUser{User: st.User, Replaces: st.User.Version},
		Sessions: []rollcall.PutSession{{Session: found.Ended(rollcall.Ending{EndedAt: t0}), Replaces: found.Version}},
		Events:   []rollcall.Event{{ID: "e" + userID, Type: rollcall.SessionEnded, UserID: userID, At: t0}},
	})
	if err != nil {
		t.Error(err)
	}
}

// TestBehindAPoolerModesHold has the standby promoted behind the pooler's back.
func TestBehindAPoolerModesHold(t *testing.T) {
	t.Parallel()
	primary, standby := postgrestest.Pair(t)
	address := throughPgBouncer(t, primary.DSN(), 2)
	stores := map[string]*postgres.Store{}
	for _, mode := range []string{"single", "fenced", ""} {
		stores[mode] = openPooled(t, address, mode)
	}
	commit(t, stores["single"], stamped(newSession("u", 1)))
	for mode, s := range stores {
		same(t, "mode "+mode, all(isLive), within(t, s, readBound))
	}
	standby.Promote(t)
	endAll(t, openMode(t, standby.DSN(), "single"))
	same(t, "mode single, the control", all(isLive), within(t, stores["single"], time.Second))
	time.Sleep(3100 * time.Millisecond)
	same(t, "mode fenced", all(unknown), within(t, stores["fenced"], readBound))
	same(t, "mode exact", all(unknown), within(t, stores[""], readBound))
}

func TestWithoutBeingToldOfThePoolerTheStoreIsNotOpened(t *testing.T) {
	if s, err := postgres.Open(t.Context(), throughPgBouncer(t, postgrestest.DSN(t), 2), postgres.Options{}); err == nil {
		_ = s.Close()
		t.Error("Open sent settings through a pooler that refuses them")
	}
}
