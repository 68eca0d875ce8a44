package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/store/postgres"
	"github.com/rollcall-id/rollcall/store/postgres/postgrestest"
)

// A statementCount is a tracer that counts statements.
type statementCount struct{ atomic.Int64 }

func (c *statementCount) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	c.Add(1)
	return ctx
}
func (*statementCount) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// lockSessions keeps all reads of sessions waiting until the returned function is called.
func lockSessions(t *testing.T, dsn string) (unlock func()) {
	t.Helper()
	other := connect(t, dsn)
	execute(t, other, `BEGIN`)
	execute(t, other, `LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE`)
	return func() { t.Helper(); execute(t, other, `ROLLBACK`) }
}

// TestChecksThatComeTogetherShareAStatement has 32 reads come while one is under way: the
// one's statement, one for those that came before it hung for long, and one for the rest.
func TestChecksThatComeTogetherShareAStatement(t *testing.T) {
	dsn := postgrestest.DSN(t)
	statements := new(statementCount)
	s := openWith(t, dsn, func(c *pgxpool.Config) { c.ConnConfig.Tracer = statements })
	for i := range 8 {
		commit(t, s, creation(newSession("u", i)))
	}
	unlock := lockSessions(t, dsn)
	statements.Store(0)
	failed := make(chan error)
	ask := func(i int) {
		want := newSession("u", i%8)
		found, st, err := s.Session(context.WithoutCancel(t.Context()), rollcall.At{ID: want.ID})
		switch {
		case i%8 == 7 && i > 8:
			found, _, err = s.Session(context.WithoutCancel(t.Context()), rollcall.At{ID: "nobody"})
			if errors.Is(err, rollcall.ErrNoSession) && found.ID == "" {
				err = nil
			}
		case err == nil && (found.ID != want.ID || !found.CreatedAt.Equal(want.CreatedAt) || st.User.ID != "u"):
			err = fmt.Errorf("session %s of %s, want %s", found.ID, st.User.ID, want.ID)
		case err == nil: // what a caller is given is its own
			found.Clients[0], found.Methods[0].Name, found.Metadata[0].Key = "changed", "changed", "changed"
		}
		failed <- err
	}
	for i := range 33 {
		go ask(i)
	}
	time.Sleep(300 * time.Millisecond)
	unlock()
	for range 33 {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
	// The first one's, the next one's, and as many for the last ids, which nobody has.
	if n := statements.Load(); n > 5 {
		t.Errorf("33 checks took %d statements", n)
	}
	found, _ := session(t, s, sessionID(0))
	same(t, "a session that callers have changed", newSession("u", 0).Clients, found.Clients)
}

// TestACallerWhoGoesAwayTakesNoAnswerFromOthers has the caller go whose call began the
// statement, and the one whose call began the wait for the next.
func TestACallerWhoGoesAwayTakesNoAnswerFromOthers(t *testing.T) {
	dsn := postgrestest.DSN(t)
	s := open(t, dsn)
	commit(t, s, creation(newSession("u", 1)))
	unlock := lockSessions(t, dsn)
	ask := func(ctx context.Context, into chan error) {
		go func() {
			_, _, err := s.Session(ctx, rollcall.At{ID: sessionID(1)})
			into <- err
		}()
		time.Sleep(20 * time.Millisecond)
	}
	gone, cancel := context.WithCancel(t.Context())
	leave, stay := make(chan error, 2), make(chan error, 2)
	ask(gone, leave)
	ask(gone, leave)
	ask(t.Context(), stay)
	ask(t.Context(), stay)
	cancel()
	for range 2 {
		select {
		case err := <-leave:
			if !errors.Is(err, context.Canceled) {
				t.Errorf("the caller who went: %v", err)
			}
		case <-time.After(time.Second):
			t.Fatal("a caller who went away is kept waiting")
		}
	}
	unlock()
	for range 2 {
		if err := <-stay; err != nil {
			t.Errorf("a caller who stayed: %v", err)
		}
	}
}

func TestAStatementThatFailsFailsThoseInItAlone(t *testing.T) {
	dsn := postgrestest.DSN(t)
	s := open(t, dsn)
	commit(t, s, creation(newSession("u", 1)))
	unlock := lockSessions(t, dsn)
	first, next := make(chan error, 1), make(chan error, 1)
	ask := func(into chan error) {
		_, _, err := s.Session(context.WithoutCancel(t.Context()), rollcall.At{ID: sessionID(1)})
		into <- err
	}
	go ask(first)
	admin := connect(t, dsn)
	const waiting = `SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`
	var pid int
	eventually(t, 2*time.Second, func() error { return admin.QueryRow(t.Context(), waiting).Scan(&pid) })
	go ask(next)
	time.Sleep(20 * time.Millisecond)
	execute(t, admin, `SELECT pg_cancel_backend($1)`, pid)
	if err := <-first; rollcall.ErrorCode(err) != rollcall.CodeUnavailable {
		t.Errorf("the check whose statement was cancelled: %v", err)
	}
	unlock()
	if err := <-next; err != nil {
		t.Errorf("the check behind: %v", err)
	}
}

const benchSessions = 1000

func openBench(b *testing.B, dsn string, o postgres.Options) *postgres.Store {
	b.Helper()
	o.MaxConns = 32
	s, err := postgres.Open(b.Context(), dsn, o)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	return s
}

func fill(b *testing.B, s *postgres.Store) {
	b.Helper()
	for i := range benchSessions {
		if _, err := s.Commit(b.Context(), creation(newSession(fmt.Sprint("u", i/5), i))); err != nil {
			b.Fatal(err)
		}
	}
}

// benchChecks measures do, of the session with a number, with one caller and with 32.
func benchChecks(b *testing.B, name string, do func(i int) error) {
	for _, callers := range []int{1, 32} {
		b.Run(fmt.Sprintf("%s/callers=%d", name, callers), func(b *testing.B) {
			inParallel(b, callers, func(i int) error { return do(i % benchSessions) })
		})
	}
}

// BenchmarkChecks compares checks with the bare statement through the same pool, and with
// checks as they are behind a pooler.
func BenchmarkChecks(b *testing.B) {
	dsn := postgrestest.DSN(b)
	s := openBench(b, dsn, postgres.Options{})
	pooler := openBench(b, dsn, postgres.Options{Pooler: true})
	fill(b, s)
	benchChecks(b, "shared", checkOf(b, s))
	benchChecks(b, "bare", func(i int) error { return postgres.BareCheck(b.Context(), s, sessionID(i)) })
	benchChecks(b, "unprepared", checkOf(b, pooler))
}

// BenchmarkModes compares the modes on a primary with a standby on the same machine.
func BenchmarkModes(b *testing.B) {
	primary, _ := postgrestest.Pair(b)
	for i, mode := range []string{"single", "fenced", "exact"} {
		s := openBench(b, primary.DSN(), postgres.Options{Mode: mode})
		if i == 0 {
			fill(b, s)
		}
		benchChecks(b, mode, checkOf(b, s))
	}
}

func checkOf(b *testing.B, s *postgres.Store) func(i int) error {
	return func(i int) error {
		_, _, err := s.Session(b.Context(), rollcall.At{ID: sessionID(i)})
		return err
	}
}

// inParallel calls do b.N times from so many goroutines.
func inParallel(b *testing.B, callers int, do func(i int) error) {
	var next atomic.Int64
	done := make(chan error, callers)
	b.ResetTimer()
	for range callers {
		go func() {
			for {
				i := int(next.Add(1))
				if i > b.N {
					done <- nil
					return
				}
				if err := do(i); err != nil {
					done <- err
					return
				}
			}
		}()
	}
	for range callers {
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
}
