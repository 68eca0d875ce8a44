package postgres_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/store/postgres"
	"github.com/rollcall-id/rollcall/store/postgres/postgrestest"
)

type tag = pgconn.CommandTag

// An errorLog is a tracer that keeps what the server answered with an error.
type errorLog struct {
	mu   sync.Mutex
	errs []error
}

func (*errorLog) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return ctx
}

func (l *errorLog) TraceQueryEnd(_ context.Context, _ *pgx.Conn, data pgx.TraceQueryEndData) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if data.Err != nil {
		l.errs = append(l.errs, data.Err)
	}
}

// openWith opens a store whose configuration the test changes first.
func openWith(t *testing.T, dsn string, change func(*pgxpool.Config)) *postgres.Store {
	t.Helper()
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	change(config)
	s, err := postgres.OpenConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestEveryStatementIsOne(t *testing.T) {
	conn := connect(t, postgrestest.DSN(t))
	for _, text := range postgres.Statements() {
		if _, err := conn.Prepare(t.Context(), "", text); err != nil {
			t.Errorf("%v in\n%s", err, text)
		}
	}
}

func TestAConflictIsNoErrorOfTheServer(t *testing.T) {
	var log errorLog
	s := openWith(t, postgrestest.DSN(t), func(c *pgxpool.Config) { c.ConnConfig.Tracer = &log })
	created := newSession("u", 1)
	commit(t, s, creation(created))
	commit(t, s, rollcall.Change{Documents: []rollcall.PutDocument{{Name: "d"}}})
	row := rollcall.User{ID: "u", Version: 7, Generation: 1000}
	ended := rollcall.Ending{EndedAt: t0, EndReason: rollcall.ReasonLogout}
	end := rollcall.End{At: rollcall.At{ID: created.ID, UserID: "u", CreatedAt: t0}, Ending: ended, FileAt: t0}
	event := []rollcall.Event{{ID: "e", UserID: "u"}}
	for name, c := range map[string]rollcall.Change{
		"a user who is there":          {UserID: "u", User: &rollcall.PutUser{User: row}},
		"another version of the user":  {UserID: "u", User: &rollcall.PutUser{User: row, Replaces: 999}, Events: event},
		"a generation that was":        {UserID: "u", User: &rollcall.PutUser{User: row, Replaces: rollcall.AnyVersion, NextGeneration: true}, Events: event},
		"a user who is not there":      {UserID: "v", Events: []rollcall.Event{{UserID: "v"}}},
		"a session that is there":      {UserID: "u", Sessions: []rollcall.PutSession{{Session: created}}, Events: event},
		"another version of a session": {UserID: "u", Sessions: []rollcall.PutSession{{Session: created, Replaces: 2}}, Events: event},
		"a session created elsewhen":   {UserID: "u", User: &rollcall.PutUser{User: row, Replaces: 1000}, Ends: []rollcall.End{end}, Events: event},
		"a document that is there":     {Documents: []rollcall.PutDocument{{Name: "c"}, {Name: "d"}}, Events: []rollcall.Event{{ID: "e"}}},
		"another version of everybody": {Everybody: &rollcall.PutEverybody{Replaces: 1}, Events: []rollcall.Event{{ID: "e"}}},
	} {
		if _, err := s.Commit(t.Context(), c); !errors.Is(err, rollcall.ErrConflict) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, err := range log.errs {
		t.Errorf("the server's log has %v", err)
	}
	if page := events(t, s, ""); len(page.Events) != 1 {
		t.Errorf("conflicts left events: %+v", page.Events)
	}
}

// trigger makes every write to users say something, a statement of PL/pgSQL.
func trigger(t *testing.T, dsn, says string) {
	t.Helper()
	conn := connect(t, dsn)
	execute(t, conn, `CREATE OR REPLACE FUNCTION says() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN `+says+` RETURN NULL; END $$`)
	execute(t, conn, `DROP TRIGGER IF EXISTS says ON users`)
	execute(t, conn, `CREATE TRIGGER says AFTER INSERT OR UPDATE ON users EXECUTE FUNCTION says()`)
}

func TestAnAnswerOfTheServerMeansWhatItSays(t *testing.T) {
	dsn := postgrestest.Empty(t)
	if err := postgres.Create(t.Context(), dsn); err != nil {
		t.Fatal(err)
	}
	s := open(t, dsn)
	change := creation(newSession("u", 1))
	trigger(t, dsn, `RAISE NOTICE 'nothing';`)
	commit(t, s, change)
	change.Sessions[0].Session.ID = sessionID(2)
	trigger(t, dsn, `RAISE EXCEPTION 'full' USING ERRCODE = 'disk_full';`)
	if _, err := s.Commit(t.Context(), change); !errors.Is(err, rollcall.ErrFull) {
		t.Errorf("no room: %v", err)
	}
	trigger(t, dsn, `RAISE EXCEPTION 'a constraint of another table' USING ERRCODE = 'unique_violation', CONSTRAINT = 'x';`)
	if _, err := s.Commit(t.Context(), change); err == nil || errors.Is(err, rollcall.ErrConflict) {
		t.Errorf("a violation that is no claim: %v", err)
	}
	trigger(t, dsn, `RAISE WARNING 'a warning';`)
	if _, err := s.Commit(t.Context(), change); err == nil || !strings.Contains(err.Error(), "outcome unknown: a warning") {
		t.Errorf("a warning: %v", err)
	}
	if found, _ := session(t, s, sessionID(2)); found.Version != 1 {
		t.Errorf("the outcome that was not known: %+v", found)
	}
}

// TestACommitThatWaitsForItsStandbyIsNotCancelled has the server wait for a standby
// that does not exist, while the caller's context ends.
func TestACommitThatWaitsForItsStandbyIsNotCancelled(t *testing.T) {
	dsn := postgrestest.DSN(t)
	admin := connect(t, dsn)
	s := open(t, dsn)
	commit(t, s, creation(newSession("u", 1)))
	standby := func(name string) {
		t.Helper()
		execute(t, admin, `ALTER SYSTEM SET synchronous_standby_names = '`+name+`'`)
		execute(t, admin, `SELECT pg_reload_conf()`)
	}
	t.Cleanup(func() {
		_, _ = admin.Exec(context.Background(), `ALTER SYSTEM RESET synchronous_standby_names`)
		_, _ = admin.Exec(context.Background(), `SELECT pg_reload_conf()`)
	})
	waiting := func() (pid int) {
		t.Helper()
		for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
			err := admin.QueryRow(t.Context(), `SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'`).Scan(&pid)
			if err == nil {
				return pid
			}
		}
		t.Fatal("no commit waits")
		return 0
	}
	outcome := make(chan error, 1)
	var seen atomic.Bool // that a commit waits
	start := func(first int) context.CancelFunc {
		seen.Store(false)
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			for i := first; ; i++ { // the server takes a while to know of its standby
				if _, err := s.Commit(ctx, creation(newSession("u", i))); err != nil || seen.Load() {
					outcome <- err
					return
				}
			}
		}()
		return cancel
	}

	standby("nobody")
	cancel := start(1000)
	waiting()
	seen.Store(true)
	cancel()
	select {
	case err := <-outcome:
		t.Fatalf("the commit was given up with its context: %v", err)
	case <-time.After(200 * time.Millisecond):
	}
	waiting()
	standby("")
	if err := <-outcome; err != nil {
		t.Errorf("the commit, when its standby has answered: %v", err)
	}

	standby("nobody")
	defer start(100_000)()
	pid := waiting()
	seen.Store(true)
	execute(t, admin, `SELECT pg_cancel_backend($1)`, pid)
	if err := <-outcome; err == nil || !strings.Contains(err.Error(), "outcome unknown") {
		t.Errorf("a commit that no standby has: %v", err)
	}
}

// TestADeadlockIsTriedAgain has another hold what uses wait for, in another order.
func TestADeadlockIsTriedAgain(t *testing.T) {
	dsn := postgrestest.DSN(t)
	var log errorLog
	s := openWith(t, dsn, func(c *pgxpool.Config) {
		c.ConnConfig.RuntimeParams["deadlock_timeout"] = "50ms" // so that the store is the one to give in
		c.ConnConfig.Tracer = &log
	})
	commit(t, s, creation(newSession("u", 1)))
	commit(t, s, creation(newSession("u", 2)))
	other := connect(t, dsn)
	const lock = `SELECT FROM uses WHERE session_id = $1 FOR UPDATE`
	execute(t, other, `SET deadlock_timeout = '1min'`)
	execute(t, other, `BEGIN`)
	execute(t, other, lock, sessionID(2))
	touched := make(chan error, 1)
	use := rollcall.Interaction{At: t0.Add(time.Hour)}
	go func() {
		touched <- s.Touch(t.Context(), []rollcall.Touch{
			{UserID: "u", SessionID: sessionID(2), Interaction: use}, {UserID: "u", SessionID: sessionID(1), Interaction: use},
		})
	}()
	time.Sleep(20 * time.Millisecond) // either order makes a deadlock once the uses wait
	execute(t, other, lock, sessionID(1))
	execute(t, other, `COMMIT`)
	if err := <-touched; err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		if found, _ := session(t, s, sessionID(i+1)); found.Last != use {
			t.Errorf("session %d: %+v", i+1, found.Last)
		}
	}
	if len(log.errs) == 0 {
		t.Log("there was no deadlock this time")
	}
}

// TestAUseIsWrittenInPlace looks at what the server counts of the table of uses.
func TestAUseIsWrittenInPlace(t *testing.T) {
	dsn := postgrestest.DSN(t)
	s := open(t, dsn)
	execute(t, connect(t, dsn), `SELECT pg_stat_reset()`)
	const sessions = 600 // more than a statement takes
	touches := make([]rollcall.Touch, 0, sessions)
	for i := range sessions {
		c := creation(newSession("u", i))
		c.Events = nil
		commit(t, s, c)
		use := rollcall.Interaction{At: t0.Add(time.Hour), IdleExpiresAt: t0.Add(2 * time.Hour), Origin: rollcall.Origin{IP: "192.0.2.7"}}
		touches = append(touches, rollcall.Touch{UserID: "u", SessionID: sessionID(i), Interaction: use})
	}
	touches[1].Interaction.Origin = rollcall.Origin{IP: "nowhere", UserAgent: "a\x00\xff", ASN: "x"}
	if err := s.Touch(t.Context(), touches); err != nil {
		t.Fatal(err)
	}
	if found, _ := session(t, s, sessionID(1)); found.Last.Origin != (rollcall.Origin{UserAgent: "a\uFFFD\uFFFD"}) {
		t.Errorf("a use from nowhere: %+v", found.Last)
	}
	if err := s.Close(); err != nil { // a connection tells its counts at its end
		t.Fatal(err)
	}
	admin := connect(t, dsn)
	var updated, inPlace int
	for deadline := time.Now().Add(10 * time.Second); updated < sessions && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		const counts = `SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'uses'`
		if err := admin.QueryRow(t.Context(), counts).Scan(&updated, &inPlace); err != nil {
			t.Fatal(err)
		}
	}
	if updated != sessions || inPlace < sessions*9/10 {
		t.Errorf("%d of %d uses were written in place", inPlace, updated)
	}
}
