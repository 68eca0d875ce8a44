package postgres_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/store/postgres"
	"github.com/rollcall-id/rollcall/store/postgres/postgrestest"
)

func openMode(t *testing.T, dsn, mode string) *postgres.Store {
	t.Helper()
	s, err := postgres.Open(t.Context(), dsn, postgres.Options{Mode: mode})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// endAll ends all sessions of the user u.
func endAll(t *testing.T, s *postgres.Store) {
	t.Helper()
	st, _, err := s.Sessions(t.Context(), rollcall.SessionsOf{UserID: "u"})
	if err != nil {
		t.Fatal(err)
	}
	st.User.Generation++
	commit(t, s, rollcall.Change{UserID: "u", User: &rollcall.PutUser{User: st.User, Replaces: st.User.Version}})
}

// A liveness is what a read says of the session 1 of the user u.
type liveness string

const (
	isLive  liveness = "live"
	isOver  liveness = "over"
	unknown liveness = "unavailable"
)

func livenessOf(t *testing.T, st rollcall.Standing, found []rollcall.Session, err error) liveness {
	t.Helper()
	switch {
	case err != nil && rollcall.ErrorCode(err) != rollcall.CodeUnavailable:
		t.Errorf("a read that does not count: %v", err)
		fallthrough
	case err != nil:
		return unknown
	case len(found) == 0 || found[0].Outdated(&st):
		return isOver
	}
	return isLive
}

// reads are the reads that tell whether a session is live.
var reads = map[string]func(context.Context, *postgres.Store) (rollcall.Standing, []rollcall.Session, error){
	"Session": func(ctx context.Context, s *postgres.Store) (rollcall.Standing, []rollcall.Session, error) {
		found, st, err := s.Session(ctx, rollcall.At{ID: sessionID(1)})
		return st, []rollcall.Session{found}, err
	},
	"Sessions": func(ctx context.Context, s *postgres.Store) (rollcall.Standing, []rollcall.Session, error) {
		return s.Sessions(ctx, rollcall.SessionsOf{UserID: "u", Limit: 1})
	},
}

// within asks each read, and tells what it says and that it says so in time.
func within(t *testing.T, s *postgres.Store, limit time.Duration) map[string]liveness {
	t.Helper()
	type answer struct {
		read string
		said liveness
	}
	answers := make(chan answer)
	for name, read := range reads {
		go func() {
			began := time.Now()
			st, found, err := read(t.Context(), s)
			if took := time.Since(began); took > limit {
				t.Errorf("%s took %s", name, took)
			}
			answers <- answer{name, livenessOf(t, st, found, err)}
		}()
	}
	said := map[string]liveness{}
	for range reads {
		a := <-answers
		said[a.read] = a.said
	}
	return said
}

func all(l liveness) map[string]liveness { return map[string]liveness{"Session": l, "Sessions": l} }

// aPair is a primary and its standby with a session, and a store on the primary for each
// mode, which has read the session.
func aPair(t *testing.T) (primary, standby *postgrestest.Node, stores map[string]*postgres.Store) {
	t.Helper()
	primary, standby = postgrestest.Pair(t)
	stores = map[string]*postgres.Store{}
	for _, mode := range []string{"single", "fenced", ""} {
		stores[mode] = openMode(t, primary.DSN(), mode)
	}
	commit(t, stores["single"], stamped(newSession("u", 1)))
	for mode, s := range stores {
		same(t, "mode "+mode, all(isLive), within(t, s, 3*time.Second))
	}
	return primary, standby, stores
}

// stamped creates a session with the generations as they are.
func stamped(s rollcall.Session) rollcall.Change {
	c := creation(s)
	c.Sessions[0].Session.Generation = rollcall.Generation{}
	return c
}

func TestWhereAStandbyIsSynchronousTheModeIsExact(t *testing.T) {
	t.Parallel()
	if mode := open(t, postgrestest.DSN(t)).Mode(); mode != "single" {
		t.Errorf("without a standby the mode is %q", mode)
	}
	for _, mode := range []string{"exact", "fenced"} {
		_, err := postgres.Open(t.Context(), postgrestest.DSN(t), postgres.Options{Mode: mode})
		if err == nil || !strings.Contains(err.Error(), "synchronous_standby_names is empty") {
			t.Errorf("mode %s without a standby: %v", mode, err)
		}
	}
	if _, err := postgres.Open(t.Context(), postgrestest.DSN(t), postgres.Options{Mode: "quick"}); err == nil {
		t.Error("Open took a mode that there is not")
	}
	primary, _ := postgrestest.Pair(t)
	if mode := openMode(t, primary.DSN(), "").Mode(); mode != "exact" {
		t.Errorf("with a standby the mode is %q", mode)
	}
	if _, err := postgres.Open(t.Context(), primary.DSN()+" synchronous_commit=local", postgres.Options{}); err == nil {
		t.Error("Open took commits that do not wait for the standby")
	}
}

// TestAPrimaryThatWasReplacedNeverSaysLive promotes the standby. Mode single is the
// control: it must see what the others must not.
func TestAPrimaryThatWasReplacedNeverSaysLive(t *testing.T) {
	t.Parallel()
	_, standby, stores := aPair(t)
	standby.Promote(t)
	endAll(t, openMode(t, standby.DSN(), "single"))
	same(t, "mode single, the control", all(isLive), within(t, stores["single"], time.Second))
	same(t, "mode exact", all(unknown), within(t, stores[""], 4*time.Second))
	time.Sleep(3100 * time.Millisecond) // what a fence lets pass
	same(t, "mode fenced", all(unknown), within(t, stores["fenced"], 4*time.Second))
	same(t, "mode single, still", all(isLive), within(t, stores["single"], time.Second))
	if _, err := stores[""].Ready(t.Context()); rollcall.ErrorCode(err) != rollcall.CodeUnavailable {
		t.Errorf("Ready: %v", err)
	}
	if _, err := stores[""].Events(t.Context(), rollcall.EventsAfter{Limit: 1}); rollcall.ErrorCode(err) != rollcall.CodeUnavailable {
		t.Errorf("Events: %v", err)
	}
}

// TestAPrimaryThatStoodStillAndWasReplacedNeverSaysLive has reads reach a primary that
// stands still, which answers them when it goes on.
func TestAPrimaryThatStoodStillAndWasReplacedNeverSaysLive(t *testing.T) {
	t.Parallel()
	primary, standby, stores := aPair(t)
	for _, s := range stores { // fresh connections, which are not looked at before they are used
		within(t, s, 3*time.Second)
	}
	primary.Stop(t)
	standby.Promote(t)
	endAll(t, openMode(t, standby.DSN(), "single"))
	time.Sleep(3100 * time.Millisecond)
	type answer struct {
		mode, read string
		said       liveness
	}
	answers := make(chan answer)
	for mode, s := range stores {
		for name, read := range reads {
			go func() {
				st, found, err := read(context.WithoutCancel(t.Context()), s)
				answers <- answer{mode, name, livenessOf(t, st, found, err)}
			}()
		}
	}
	time.Sleep(500 * time.Millisecond)
	primary.Continue(t)
	for range len(stores) * len(reads) {
		a := <-answers
		if want := map[string]liveness{"single": isLive, "fenced": unknown, "": unknown}[a.mode]; a.said != want {
			t.Errorf("%s in mode %q says %s, want %s", a.read, a.mode, a.said, want)
		}
	}
}

func TestACommitThatGaveUpItsStandbyProvesNothing(t *testing.T) {
	t.Parallel()
	primary, standby, stores := aPair(t)
	standby.Stop(t)
	admin := connect(t, primary.DSN())
	said := make(chan liveness)
	go func() {
		found, st, err := stores[""].Session(context.WithoutCancel(t.Context()), rollcall.At{ID: sessionID(1)})
		said <- livenessOf(t, st, []rollcall.Session{found}, err)
	}()
	for { // the operator has waits end, as a restart does
		select {
		case l := <-said:
			if l != unknown {
				t.Errorf("the read says %s", l)
			}
			standby.Continue(t)
			same(t, "when the standby is there again", all(isLive), within(t, stores[""], 3*time.Second))
			return
		case <-time.After(50 * time.Millisecond):
			_, _ = admin.Exec(t.Context(), `SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'`)
		}
	}
}

func TestWithoutItsStandbyAServerProvesNothing(t *testing.T) {
	t.Parallel()
	primary, _, stores := aPair(t)
	admin := connect(t, primary.DSN())
	execute(t, admin, `ALTER SYSTEM RESET synchronous_standby_names`)
	execute(t, admin, `SELECT pg_reload_conf()`)
	var err error
	for deadline := time.Now().Add(5 * time.Second); err == nil && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		_, _, err = stores[""].Session(t.Context(), rollcall.At{ID: sessionID(1)})
	}
	if rollcall.ErrorCode(err) != rollcall.CodeUnavailable || !strings.Contains(err.Error(), "synchronous_standby_names is empty") {
		t.Errorf("Session: %v", err)
	}
}

// TestAfterAFailoverNodesFindTheNewPrimary kills the primary, and promotes the standby.
func TestAfterAFailoverNodesFindTheNewPrimary(t *testing.T) {
	t.Parallel()
	primary, standby := postgrestest.Pair(t)
	hosts := strings.Replace(primary.DSN(), primary.Folder(), primary.Folder()+","+standby.Folder(), 1)
	s := openMode(t, hosts, "single")
	commit(t, s, stamped(newSession("u", 1)))
	primary.Kill(t)
	if _, _, err := s.Session(t.Context(), rollcall.At{ID: sessionID(1)}); rollcall.ErrorCode(err) != rollcall.CodeUnavailable {
		t.Errorf("while there is a standby alone: %v", err)
	}
	standby.Promote(t)
	eventually(t, 5*time.Second, func() error {
		_, _, err := s.Session(t.Context(), rollcall.At{ID: sessionID(1)})
		return err
	})
	endAll(t, s)
	same(t, "the new primary", all(isOver), within(t, s, time.Second))
}

// eventually waits until do succeeds, and fails the test after a time.
func eventually(t *testing.T, limit time.Duration, do func() error) {
	t.Helper()
	err := errors.New("not tried")
	for deadline := time.Now().Add(limit); err != nil && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		err = do()
	}
	if err != nil {
		t.Fatalf("after %s: %v", limit, err)
	}
}
