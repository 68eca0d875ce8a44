package postgres_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/rollcall-id/rollcall/store/postgres"
	"github.com/rollcall-id/rollcall/store/postgres/postgrestest"
)

func TestProgramsThatMigrateThroughAPoolerTakeEachStepOnceAndLeaveNoLock(t *testing.T) {
	dsn := postgrestest.Empty(t)
	through := throughPgBouncer(t, dsn, 2)
	postgres.UseMigrations(t, twoMore(t))
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var mu sync.Mutex
	done := map[int]int{}
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			if err := postgres.Migrate(ctx, through, func(m postgres.Migration) { mu.Lock(); defer mu.Unlock(); done[m.Form]++ }); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	same(t, "how often each step was taken", map[int]int{1: 1, 2: 1, 3: 1}, done)
	if form, steps, err := postgres.Pending(ctx, through); form != 3 || len(steps) != 0 || err != nil {
		t.Errorf("form %d, %d steps, %v", form, len(steps), err)
	}
	var locks int
	if err := connect(t, dsn).QueryRow(ctx, `SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'`).Scan(&locks); err != nil || locks != 0 {
		t.Errorf("%d locks are left, %v", locks, err)
	}
	if err := postgres.Renew(ctx, through); err != nil {
		t.Error(err)
	}
}
