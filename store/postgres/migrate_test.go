package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-id/rollcall/store/postgres"
	"github.com/rollcall-id/rollcall/store/postgres/postgrestest"
)

// own are the migrations of the program, and further ones by their files' names.
func own(t *testing.T, further map[string]string) fs.FS {
	t.Helper()
	files := fstest.MapFS{}
	names, err := fs.Glob(os.DirFS("."), "migrations/*.sql")
	if err != nil || len(names) == 0 {
		t.Fatalf("%v, %v", names, err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = &fstest.MapFile{Data: text}
	}
	for name, text := range further {
		files["migrations/"+name] = &fstest.MapFile{Data: []byte(text)}
	}
	return files
}

// twoMore are two further migrations; the first cannot be taken twice.
func twoMore(t *testing.T) fs.FS {
	return own(t, map[string]string{
		"0002-notes.sql": "-- Adds notes.\n-- Locks: nothing.\n\n-- a comment\nCREATE TABLE notes (body text);\nINSERT INTO notes VALUES ('second')",
		"0003-more.sql":  "-- Adds more notes.\nINSERT INTO notes VALUES ('third')",
	})
}

func TestEachMigrationTellsOperatorsWhatItLocksAndForHowLong(t *testing.T) {
	form, steps, err := postgres.Pending(t.Context(), postgrestest.Empty(t))
	if err != nil || form != 0 || len(steps) == 0 {
		t.Fatalf("form %d, %d steps: %v", form, len(steps), err)
	}
	for _, step := range steps {
		if !strings.Contains(step.Note, "\nLocks: ") || !strings.Contains(step.Note, "\nTime: ") || !strings.Contains(step.Note, "1,000,000") {
			t.Errorf("migration %d does not tell:\n%s", step.Form, step.Note)
		}
	}
}

func TestAnOlderDatabaseIsMigratedStepByStepAndNotOpenedBefore(t *testing.T) {
	dsn := postgrestest.Empty(t)
	if _, err := postgres.Open(t.Context(), dsn, postgres.Options{}); !errors.Is(err, postgres.ErrNotMigrated) {
		t.Errorf("an empty database: %v", err)
	}
	if err := postgres.Create(t.Context(), dsn); err != nil {
		t.Fatal(err)
	}
	open(t, dsn) // and stays open, as a node does
	postgres.UseMigrations(t, twoMore(t))
	_, err := postgres.Open(t.Context(), dsn, postgres.Options{})
	if !errors.Is(err, postgres.ErrNotMigrated) || !strings.Contains(err.Error(), "its tables have form 1, this program needs form 3") {
		t.Errorf("an older database: %v", err)
	}
	if err := postgres.Create(t.Context(), dsn); err != nil {
		t.Fatal(err)
	}
	form, steps, err := postgres.Pending(t.Context(), dsn)
	if err != nil || form != 1 || len(steps) != 2 || steps[0].Name != "notes" || steps[0].Note != "Adds notes.\nLocks: nothing." {
		t.Errorf("Create and Pending changed something, or tell something else: form %d, %+v, %v", form, steps, err)
	}
	var done []int
	if err := postgres.Migrate(t.Context(), dsn, func(m postgres.Migration) { done = append(done, m.Form) }); err != nil {
		t.Fatal(err)
	}
	same(t, "the steps", []int{2, 3}, done)
	if err := postgres.Migrate(t.Context(), dsn, func(m postgres.Migration) { t.Errorf("migration %d once more", m.Form) }); err != nil {
		t.Error(err)
	}
	open(t, dsn)
}

func TestANewerDatabaseAndOneOfSomebodyElseAreRefusedAndLeftAlone(t *testing.T) {
	newer, foreign, another, zero := postgrestest.Empty(t), postgrestest.Empty(t), postgrestest.Empty(t), postgrestest.Empty(t)
	for _, dsn := range []string{newer, zero} {
		if err := postgres.Create(t.Context(), dsn); err != nil {
			t.Fatal(err)
		}
	}
	execute(t, connect(t, newer), `UPDATE meta SET form = 7`)
	execute(t, connect(t, zero), `UPDATE meta SET form = 0`)
	execute(t, connect(t, foreign), `CREATE TABLE orders (no int)`)
	execute(t, connect(t, another), `CREATE TABLE meta (form text)`)
	for name, tt := range map[string]struct {
		dsn  string
		want error
		text string
	}{
		"newer":            {newer, postgres.ErrNewer, "its tables have form 7, this program knows form 1"},
		"foreign":          {foreign, postgres.ErrForeign, "the schema public holds tables of something else"},
		"another meta":     {another, postgres.ErrForeign, "the schema public holds tables of something else"},
		"a form of nobody": {zero, postgres.ErrForeign, "the table meta says form 0"},
	} {
		before := tables(t, tt.dsn)
		_, open := postgres.Open(t.Context(), tt.dsn, postgres.Options{})
		_, _, pending := postgres.Pending(t.Context(), tt.dsn)
		calls := map[string]error{
			"Open": open, "Pending": pending, "Migrate": postgres.Migrate(t.Context(), tt.dsn, nil), "Renew": postgres.Renew(t.Context(), tt.dsn),
		}
		if name != "newer" {
			calls["Create"] = postgres.Create(t.Context(), tt.dsn)
		}
		for call, err := range calls {
			if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("%s: %s: %v", name, call, err)
			}
		}
		same(t, name, before, tables(t, tt.dsn))
	}
}

// tables are the names of a database's tables.
func tables(t *testing.T, dsn string) (names []string) {
	t.Helper()
	err := connect(t, dsn).QueryRow(t.Context(), `SELECT array_agg(relname ORDER BY relname) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace`).Scan(&names)
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestAnExtensionsTablesMakeNoDatabaseSomebodyElses(t *testing.T) {
	dsn := postgrestest.Empty(t)
	conn := connect(t, dsn)
	// A view of an extension, as pg_stat_statements has.
	execute(t, conn, `CREATE VIEW watched AS SELECT 1`)
	if err := postgres.Create(t.Context(), dsn); !errors.Is(err, postgres.ErrForeign) {
		t.Fatalf("a view of somebody: %v", err)
	}
	execute(t, conn, `INSERT INTO pg_depend SELECT 'pg_class'::regclass, 'watched'::regclass, 0, 'pg_extension'::regclass, oid, 0, 'e' FROM pg_extension WHERE extname = 'plpgsql'`)
	if err := postgres.Create(t.Context(), dsn); err != nil {
		t.Errorf("a view of an extension: %v", err)
	}
}

func TestProgramsThatMigrateAtOnceTakeEachStepOnce(t *testing.T) {
	for _, from := range []string{"empty", "older"} {
		dsn := postgrestest.Empty(t)
		// A snapshot of before the wait would show the form of before.
		execute(t, connect(t, dsn), `ALTER ROLE CURRENT_USER IN DATABASE `+connect(t, dsn).Config().Database+` SET default_transaction_isolation = 'repeatable read'`)
		if from == "older" {
			if err := postgres.Create(t.Context(), dsn); err != nil {
				t.Fatal(err)
			}
		}
		t.Run(from, func(t *testing.T) {
			postgres.UseMigrations(t, twoMore(t))
			var mu sync.Mutex
			done := map[int]int{}
			var all sync.WaitGroup
			for range 10 {
				all.Go(func() {
					err := postgres.Migrate(t.Context(), dsn, func(m postgres.Migration) { mu.Lock(); defer mu.Unlock(); done[m.Form]++ })
					if err == nil {
						var s *postgres.Store
						if s, err = postgres.Open(t.Context(), dsn, postgres.Options{MaxConns: 1}); err == nil {
							err = s.Close()
						}
					}
					if err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
			want := map[int]int{1: 1, 2: 1, 3: 1}
			if from == "older" {
				delete(want, 1)
			}
			same(t, "how often each step was taken", want, done)
			var notes string
			if err := connect(t, dsn).QueryRow(t.Context(), `SELECT string_agg(body, ' ' ORDER BY body) FROM notes`).Scan(&notes); err != nil || notes != "second third" {
				t.Errorf("%q, %v", notes, err)
			}
		})
	}
}

func TestAStepThatFailsKeepsNothingOfItselfAndWhatWasBefore(t *testing.T) {
	dsn := postgrestest.Empty(t)
	if err := postgres.Create(t.Context(), dsn); err != nil {
		t.Fatal(err)
	}
	postgres.UseMigrations(t, own(t, map[string]string{
		"0002-good.sql": "CREATE TABLE good ()", "0003-bad.sql": "CREATE TABLE half (); SELECT 1 / 0", "0004-never.sql": "CREATE TABLE never ()",
	}))
	err := postgres.Migrate(t.Context(), dsn, nil)
	if err == nil || !strings.Contains(err.Error(), "migration 3 (bad), nothing of which was kept") {
		t.Errorf("Migrate: %v", err)
	}
	if got := strings.Join(tables(t, dsn), " "); !strings.Contains(got, "good") || strings.Contains(got, "half") || strings.Contains(got, "never") {
		t.Errorf("tables: %s", got)
	}
	if form, _, err := postgres.Pending(t.Context(), dsn); form != 2 || err != nil {
		t.Errorf("form %d, %v", form, err)
	}
}

func TestAStepGivesUpATableThatSomebodyHolds(t *testing.T) {
	dsn := postgrestest.Empty(t)
	if err := postgres.Create(t.Context(), dsn); err != nil {
		t.Fatal(err)
	}
	postgres.UseMigrations(t, own(t, map[string]string{"0002-column.sql": "ALTER TABLE users ADD COLUMN extra int"}))
	stranger, err := connect(t, dsn).Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stranger.Exec(t.Context(), `SELECT FROM users`); err != nil {
		t.Fatal(err)
	}
	err = postgres.Migrate(t.Context(), dsn, nil)
	if err == nil || !strings.Contains(err.Error(), "another transaction uses the table and does not end") {
		t.Errorf("while a stranger reads the table: %v", err)
	}
	if err := stranger.Rollback(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	if err := postgres.Migrate(t.Context(), dsn, nil); err != nil {
		t.Error(err)
	}
}

func TestNoErrorAboutAnAddressHoldsItsPassword(t *testing.T) {
	const secret = "s3cr3t"
	for _, tt := range []struct{ address, shown string }{
		{"postgres://u:s3cr3t@db/rollcall", "postgres://u:xxxxx@db/rollcall"},
		{"postgresql://u:s3cr3t@a:5432,b:5432/rollcall?sslmode=verify-full", "postgresql://u:xxxxx@a:5432,b:5432/rollcall?sslmode=verify-full"},
		{"postgres://u@db/rollcall?password=s3cr3t&sslmode=none", "postgres://u@db/rollcall?password=xxxxx&sslmode=none"},
		{"postgres://u@db/rollcall?pass%77ord=s3cr3t&port=x", "postgres://u@db/rollcall?pass%77ord=xxxxx&port=x"},
		{"postgres://u@db/rollcall?sslpassword=s3cr3t&port=x", "postgres://u@db/rollcall?sslpassword=xxxxx&port=x"},
		{"postgres://u:s3cr3t%zz@db/rollcall", "postgres://u:xxxxx@db/rollcall"},
		{"postgres://u:a@s3cr3t@db/rollcall", "postgres://xxxxx"},
		{"postgres://u:a/s3cr3t@db/rollcall", "postgres://xxxxx"},
		{"postgres://u:a?s3cr3t@db/rollcall", "postgres://xxxxx"},
		{"postgres://u:a#s3cr3t@db/rollcall", "postgres://xxxxx"},
		{"postgres://u:s3cr3t@db:port/rollcall", "postgres://u:xxxxx@db:port/rollcall"},
		{"postgres://u:s3cr3t@db/rollcall?sslrootcert=/none&sslmode=verify-full", "postgres://u:xxxxx@db/rollcall?sslrootcert=/none&sslmode=verify-full"},
		{"postgres:/u:s3cr3t@db", "xxxxx"},
		{"host=db password=s3cr3t port=x", "xxxxx"},
		{"postgres://u@db/rollcall", "postgres://u@db/rollcall"},
		{"postgres:///rollcall?host=/run/postgresql", "postgres:///rollcall?host=/run/postgresql"},
	} {
		if diff := cmp.Diff(tt.shown, postgres.HidePassword(tt.address)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.address, diff)
		}
		err := postgres.CheckAddress(tt.address)
		if strings.Contains(fmt.Sprintf("%v %+v", err, err), secret) {
			t.Errorf("%s: %v", tt.address, err)
		}
	}
	err := postgres.CheckAddress("postgres://u:s3cr3t@db/rollcall?sslrootcert=/none&sslmode=verify-full")
	if err == nil || !strings.Contains(err.Error(), "/none") {
		t.Errorf("a file that is not there is not named: %v", err)
	}
	if err := postgres.CheckAddress("postgres://u:s3cr3t%zz@db/rollcall"); err == nil || !strings.Contains(err.Error(), "%2F") {
		t.Errorf("a password that is not spelled as a URL has it: %v", err)
	}
}

func TestAnAddressThatBoundsThePoolIsGoodForEveryCall(t *testing.T) {
	dsn := postgrestest.Empty(t) + " pool_max_conns=2"
	if err := postgres.Create(t.Context(), dsn); err != nil {
		t.Fatal(err)
	}
	_, _, pending := postgres.Pending(t.Context(), dsn)
	if err := errors.Join(pending, postgres.Migrate(t.Context(), dsn, nil), postgres.Renew(t.Context(), dsn)); err != nil {
		t.Error(err)
	}
	if n := open(t, dsn).Pool().Config().MaxConns; n != 2 {
		t.Errorf("%d connections", n)
	}
}
