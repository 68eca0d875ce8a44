package postgres_test

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/store/postgres"
	"github.com/rollcall-id/rollcall/store/postgres/postgrestest"
)

// A countingConn counts what is sent to the server. pgx sends all it has to say before
// it waits, so every Write is a round trip.
type countingConn struct {
	net.Conn
	sent *atomic.Int64
}

func (c countingConn) Write(b []byte) (int, error) {
	c.sent.Add(1)
	return c.Conn.Write(b)
}

// openCounting opens a store of one connection, and counts its round trips.
func openCounting(t *testing.T, dsn string) (*postgres.Store, *atomic.Int64) {
	t.Helper()
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	sent := new(atomic.Int64)
	config.MaxConns = 1
	config.ConnConfig.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		return countingConn{conn, sent}, err
	}
	s, err := postgres.OpenConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, sent
}

// TestActsNeedFewRoundTrips does what the Manager does with the store in each act.
func TestActsNeedFewRoundTrips(t *testing.T) {
	s, sent := openCounting(t, postgrestest.DSN(t))
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ended := []rollcall.Event{{ID: "e", Type: rollcall.SessionEnded, UserID: "u"}}
	touches := make([]rollcall.Touch, 500)
	for i := range touches {
		touches[i] = rollcall.Touch{UserID: "u", SessionID: sessionID(i), Interaction: rollcall.Interaction{At: t0.Add(time.Hour)}}
	}
	acts := []struct {
		name string
		want int64
		act  func(i int) // on the session i, which exists
	}{
		{"a check", 1, func(i int) { session(t, s, sessionID(i)) }},
		{"a list", 1, func(int) {
			_, _, err := s.Sessions(ctx, rollcall.SessionsOf{UserID: "u", Limit: 51})
			must(err)
		}},
		{"a creation without a limit", 1, func(i int) { commit(t, s, creation(newSession("u", 1000+i))) }},
		{"an ending", 2, func(i int) {
			found, st := session(t, s, sessionID(i))
			commit(t, s, rollcall.Change{
				UserID: "u", User: &rollcall.PutUser{User: st.User, Replaces: st.User.Version}, Events: ended,
				Sessions: []rollcall.PutSession{{Session: found.Ended(rollcall.Ending{EndedAt: t0}), Replaces: found.Version}},
			})
		}},
		{"an ending of all", 2, func(int) {
			st, _, err := s.Sessions(ctx, rollcall.SessionsOf{UserID: "u", Limit: rollcall.MaxChange + 1})
			must(err)
			st.User.Generation++
			commit(t, s, rollcall.Change{UserID: "u", User: &rollcall.PutUser{User: st.User, Replaces: st.User.Version}, Events: ended})
		}},
		{"500 uses", 1, func(int) { must(s.Touch(ctx, touches)) }},
		{"a page of events", 1, func(int) {
			_, err := s.Events(ctx, rollcall.EventsAfter{Limit: 100})
			must(err)
		}},
	}
	for i, a := range acts {
		commit(t, s, creation(newSession("u", 2*i)))
		commit(t, s, creation(newSession("u", 2*i+1)))
		a.act(2 * i) // prepares the statements
		before := sent.Load()
		a.act(2*i + 1)
		if got := sent.Load() - before; got != a.want {
			t.Errorf("%s took %d round trips, want %d", a.name, got, a.want)
		}
	}
}
