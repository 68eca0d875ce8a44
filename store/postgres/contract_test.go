package postgres_test

import (
	"testing"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/store/postgres"
	"github.com/rollcall-id/rollcall/store/postgres/postgrestest"
	"github.com/rollcall-id/rollcall/store/storetest"
)

func TestStoreKeepsTheContract(t *testing.T) {
	storetest.Run(t, storetest.Harness{
		Open:    func(t *testing.T) rollcall.Store { return opened(t, postgrestest.DSN(t)) },
		Another: func(t *testing.T, s rollcall.Store) rollcall.Store { return opened(t, dsnOf(s)) },
		Reopen:  reopened,
		OpenHeld: func(t *testing.T, hold func(rollcall.Change)) rollcall.Store {
			s := opened(t, postgrestest.DSN(t))
			s.Hold(hold)
			return s
		},
		Copy: func(t *testing.T, s rollcall.Store) rollcall.Store {
			s = reopened(t, s)
			if err := postgres.Renew(t.Context(), dsnOf(s)); err != nil {
				t.Fatal(err)
			}
			return s
		},
		OpenFull: openFull,
		OneFloor: true,
	})
}

// openFull opens a store whose server can be told to say what it says when a table cannot
// grow, in the midst of a statement.
func openFull(t *testing.T) (rollcall.Store, func(storetest.Room)) {
	t.Helper()
	dsn := postgrestest.Empty(t)
	if err := postgres.Create(t.Context(), dsn); err != nil {
		t.Fatal(err)
	}
	conn := connect(t, dsn)
	set := func(room storetest.Room) {
		does := `RETURN NEW`
		if room == storetest.RoomForNothing {
			does = `RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'`
		}
		execute(t, conn, `CREATE OR REPLACE FUNCTION grow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN `+does+`; END $$`)
	}
	set(storetest.RoomForAll)
	for _, table := range []string{"users", "sessions", "uses", "events", "documents", "everybody"} {
		execute(t, conn, `CREATE TRIGGER grow BEFORE INSERT OR UPDATE ON `+table+` FOR EACH ROW EXECUTE FUNCTION grow()`)
	}
	return opened(t, dsn), set
}

// opened is a store that the caller closes.
func opened(t *testing.T, dsn string) *postgres.Store {
	t.Helper()
	s, err := postgres.Open(t.Context(), dsn, postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func reopened(t *testing.T, s rollcall.Store) rollcall.Store {
	t.Helper()
	dsn := dsnOf(s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return opened(t, dsn)
}

func dsnOf(s rollcall.Store) string { return s.(*postgres.Store).Pool().Config().ConnString() }
