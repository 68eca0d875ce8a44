package sessions_test

import (
	"context"
	"testing"
	"time"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/store/postgres"
	"github.com/rollcall-id/rollcall/store/postgres/postgrestest"
)

// An inPostgres store may be opened and used in a bubble: while one of the bubble's
// goroutines waits for the server, the bubble's time stands still. The server is started
// outside, since its start is waited for by the clock.
type inPostgres struct {
	*postgres.Store
	dsn string
}

// forDays are settings of a pool whose connections are not looked after, and not replaced,
// in the days of a bubble's time that pass within a second.
const forDays = " pool_max_conn_lifetime=100000h pool_max_conn_idle_time=100000h pool_health_check_period=10000h"

// openPostgres opens a store in a database of its own.
func openPostgres(t *testing.T) rollcall.Store {
	t.Helper()
	return openDatabase(t, postgrestest.DSN(t)+forDays)
}

// anotherPostgres opens another store in the database of one.
func anotherPostgres(t *testing.T, store rollcall.Store) rollcall.Store {
	t.Helper()
	return openDatabase(t, store.(*inPostgres).dsn)
}

func openDatabase(t *testing.T, dsn string) rollcall.Store {
	t.Helper()
	store, err := postgres.Open(t.Context(), dsn, postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, store)
	return &inPostgres{store, dsn}
}

// Ready implements rollcall.Store. The server's clock is the bubble's, as far as a node can see.
func (s *inPostgres) Ready(ctx context.Context) (time.Time, error) {
	_, err := s.Store.Ready(ctx)
	return time.Now(), err
}
