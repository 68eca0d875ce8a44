package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/store/postgres/postgrestest"
)

// connect is a connection beside the store's.
func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func execute(t *testing.T, conn interface {
	Exec(context.Context, string, ...any) (tag, error)
}, sql string, args ...any,
) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql, args...); err != nil {
		t.Fatal(err)
	}
}

// TestATransactionOfAnotherDatabaseHoldsEventsBackAndLosesNone holds a transaction open
// that has nothing to do with the store.
func TestATransactionOfAnotherDatabaseHoldsEventsBackAndLosesNone(t *testing.T) {
	s := open(t, postgrestest.DSN(t))
	other := connect(t, postgrestest.DSN(t))
	commit(t, s, creation(newSession("u", 1)))
	first := events(t, s, "")
	if len(first.Events) != 1 || first.Next != first.Head {
		t.Fatalf("before: %+v", first)
	}
	execute(t, other, `BEGIN`)
	execute(t, other, `SELECT pg_current_xact_id()`)
	commit(t, s, creation(newSession("u", 2)))
	held := events(t, s, first.Next)
	if len(held.Events) != 0 || held.Next >= held.Head || held.Next < first.Next {
		t.Errorf("while it is open: %+v after %s", held, first.Next)
	}
	if _, st := session(t, s, sessionID(2)); st.User.Events != 2 {
		t.Errorf("the commit is not seen: %+v", st)
	}
	execute(t, other, `COMMIT`)
	after := events(t, s, held.Next)
	if len(after.Events) != 1 || after.Events[0].Number != 2 || after.Next < held.Head {
		t.Errorf("when it has ended: %+v, the head was %s", after, held.Head)
	}
}

func events(t *testing.T, s rollcall.Store, after string) rollcall.EventPage {
	t.Helper()
	page, err := s.Events(t.Context(), rollcall.EventsAfter{After: after, Limit: 10_000})
	if err != nil {
		t.Fatal(err)
	}
	return page
}

// TestAUsersEventsComeInTheOrderOfCommitsWhateverWritesThem lets every kind of write
// to the same users race, a reader follow, and holds what the reader saw against the
// numbers that the engine counts under the users' locks.
func TestAUsersEventsComeInTheOrderOfCommitsWhateverWritesThem(t *testing.T) {
	s := open(t, postgrestest.DSN(t))
	const users, writers, acts = 2, 4, 40
	var all sync.WaitGroup
	var next atomic.Int64
	userID := func(i int) string { return fmt.Sprintf("user-%d", i%users) }
	for w := range writers {
		all.Go(func() {
			for i := range acts {
				created := newSession(userID(i+w), int(next.Add(1)))
				if _, err := s.Commit(t.Context(), creation(created)); err != nil {
					t.Errorf("a creation: %v", err)
				}
				bare := rollcall.Change{UserID: created.UserID, Events: []rollcall.Event{{ID: "a", UserID: created.UserID}, {ID: "b", UserID: created.UserID}}}
				if _, err := s.Commit(t.Context(), bare); err != nil && !errors.Is(err, rollcall.ErrConflict) {
					t.Errorf("events alone: %v", err)
				}
			}
		})
	}
	all.Go(func() {
		for range acts {
			bite := rollcall.Sweep{SessionsBefore: t0.Add(1000 * time.Hour), Limit: 20, Decide: func(w rollcall.Walked) rollcall.Verdict {
				return rollcall.Verdict{FileAt: t0.Add(2000 * time.Hour), Event: &rollcall.Event{ID: "s", UserID: w.Session.UserID}}
			}}
			if _, err := s.Sweep(t.Context(), bite); err != nil {
				t.Errorf("a sweep: %v", err)
			}
		}
	})
	done := make(chan struct{})
	go func() { all.Wait(); close(done) }()
	seen := map[string]uint64{}
	for after, head, last := "", "", false; ; {
		page := events(t, s, after)
		for _, e := range page.Events {
			if seen[e.Event.UserID]++; e.Number != seen[e.Event.UserID] {
				t.Fatalf("event %d of %s comes where %d should", e.Number, e.Event.UserID, seen[e.Event.UserID])
			}
		}
		if after = page.Next; last && after >= head {
			break
		}
		select {
		case <-done:
			if !last {
				last, head = true, page.Head
			}
		default:
		}
	}
	for i := range users {
		st, _, err := s.Sessions(t.Context(), rollcall.SessionsOf{UserID: userID(i)})
		if err != nil || st.User.Events != seen[userID(i)] {
			t.Errorf("%d events of %s were seen, and %d counted: %v", seen[userID(i)], userID(i), st.User.Events, err)
		}
	}
}

// TestASweepOfTheLastSessionDoesNotTakeTheRowOfANewOne lets the removal of a user's last
// session wait for a creation.
func TestASweepOfTheLastSessionDoesNotTakeTheRowOfANewOne(t *testing.T) {
	dsn := postgrestest.DSN(t)
	s, held := open(t, dsn), open(t, dsn)
	bare := creation(newSession("u", 1))
	bare.Events = nil
	commit(t, s, bare)
	entered, leave := make(chan struct{}), make(chan struct{})
	release := sync.OnceFunc(func() { close(leave) })
	defer release()
	held.Hold(func(rollcall.Change) { close(entered); <-leave })
	created, swept := make(chan error), make(chan error)
	go func() {
		c := creation(newSession("u", 2))
		c.Events = nil
		_, err := held.Commit(t.Context(), c)
		created <- err
	}()
	<-entered
	remove := func(w rollcall.Walked) rollcall.Verdict {
		if w.Session.ID != sessionID(1) {
			return rollcall.Verdict{FileAt: t0.Add(time.Hour)}
		}
		return rollcall.Verdict{}
	}
	bite := rollcall.Sweep{UserID: "u", Limit: 10, Decide: remove}
	go func() { _, err := s.Sweep(t.Context(), bite); swept <- err }()
	filed := rollcall.Sweep{SessionsBefore: t0.Add(10_000 * time.Hour), Limit: 10, Decide: remove}
	if got, err := s.Sweep(t.Context(), filed); err != nil || got.Looked != 0 || !got.More {
		t.Errorf("a bite of all waits for the user, or forgets the user: %+v, %v", got, err)
	}
	select {
	case err := <-swept:
		t.Fatalf("the sweep did not wait: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	release()
	if err := errors.Join(<-created, <-swept); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Session(t.Context(), rollcall.At{ID: sessionID(1)}); !errors.Is(err, rollcall.ErrNoSession) {
		t.Errorf("the swept session: %v", err)
	}
	if _, st := session(t, s, sessionID(2)); st.User.Version != 1001 || st.User.Generation != 1000 {
		t.Errorf("the user's row was lost: %+v", st.User)
	}
}
