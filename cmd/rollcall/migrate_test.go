package main

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rollcall-id/rollcall/internal/logtest"
	"github.com/rollcall-id/rollcall/store/postgres/postgrestest"
)

// sql runs a statement in a database.
func sql(t *testing.T, dsn, text string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	if _, err := conn.Exec(t.Context(), text, pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatal(err)
	}
}

// TestTenServersOnAnEmptyDatabaseMakeItsTablesOnceThoughOneIsKilledInTheMidst slows the
// making of one table down, and kills a server while it waits.
func TestTenServersOnAnEmptyDatabaseMakeItsTablesOnceThoughOneIsKilledInTheMidst(t *testing.T) {
	dsn := postgrestest.Empty(t)
	store := address(t, dsn)
	sql(t, dsn, `CREATE FUNCTION slow() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
  IF EXISTS (SELECT FROM pg_event_trigger_ddl_commands() WHERE object_identity = 'public.events') THEN PERFORM pg_sleep(2); END IF; END $$;
CREATE EVENT TRIGGER slow ON ddl_command_end EXECUTE FUNCTION slow()`)
	dir := t.TempDir()
	var log logtest.Buffer
	killed := exec.Command(program, "serve", "--store", store, "--data", filepath.Join(dir, "killed"), "--listen", "127.0.0.1:0", "--tls-listen", "off", "--telemetry-listen", "off", "--log-format", "json")
	killed.Stderr = &log
	if err := killed.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); !log.Has("making its tables") && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
	}
	time.Sleep(500 * time.Millisecond)
	if err := killed.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = killed.Wait()
	sqlState := func(query string) (n int) {
		conn, err := pgx.Connect(t.Context(), dsn)
		if err == nil {
			err = conn.QueryRow(t.Context(), query).Scan(&n)
			_ = conn.Close(context.Background())
		}
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := sqlState(`SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted`); n != 1 {
		t.Fatalf("%d programs were in the midst of it:\n%s", n, log.String())
	}
	if n := sqlState(`SELECT count(*) FROM pg_class WHERE relname = 'meta'`); n != 0 {
		t.Error("a table is there before all are")
	}
	var nodes [10]*process
	var starts sync.WaitGroup
	for i := range nodes {
		starts.Go(func() {
			nodes[i] = serveOn(t, filepath.Join(dir, string(rune('a'+i))), "--store", store, "--store-max-connections", "2", "--public-url", "https://sessions.example.com")
		})
	}
	starts.Wait()
	m, err := nodes[0].create(t.Context(), nodes[0].mint(allScopes), "user")
	if err != nil {
		t.Fatal(err)
	}
	for _, node := range nodes {
		if status := node.checked(t, m.Token); status != http.StatusOK {
			t.Errorf("a check: %d\n%s", status, node.logged())
		}
	}
	if n := sqlState(`SELECT count(*) FROM meta`); n != 1 {
		t.Errorf("the tables were filled %d times", n)
	}
}

func TestMigrateShowsItsPlanAndDoesItOnce(t *testing.T) {
	dsn := postgrestest.Empty(t)
	store := address(t, dsn)
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"--plan"}, "Migration 1 (tables)\n  Makes the tables, in an empty database.\n  Locks: "},
		{[]string{"--plan", "--json"}, `"form": 1`},
		{nil, "Took migration 1 (tables)."},
		{nil, "There is nothing to do: the tables have form 1."},
		{[]string{"--plan", "--json"}, "[]"},
	} {
		out, errs, code := run(t, append([]string{"migrate", "--store", store}, tt.args...)...)
		if code != 0 || errs != "" || !strings.Contains(out, tt.want) {
			t.Errorf("%v: exit %d %s, want %q in\n%s", tt.args, code, errs, tt.want, out)
		}
	}
	if _, errs, code := run(t, "migrate", "--data", t.TempDir()); code != exitUsage || !strings.Contains(errs, "the store is pebble, which has no tables to migrate") {
		t.Errorf("without a database: exit %d %s", code, errs)
	}
}

func TestServeMigratesAsFarAsItMay(t *testing.T) {
	empty, newer, foreign := postgrestest.Empty(t), postgrestest.Empty(t), postgrestest.Empty(t)
	if _, errs, code := run(t, "migrate", "--store", address(t, newer)); code != 0 {
		t.Fatal(errs)
	}
	sql(t, newer, `UPDATE meta SET form = 9`)
	sql(t, foreign, `CREATE TABLE orders ()`)
	for name, tt := range map[string]struct{ dsn, mode, want string }{
		"never":   {empty, "never", "the database is not migrated: it is empty: migrate it (rollcall migrate)"},
		"newer":   {newer, "always", "the database is newer than this program: its tables have form 9, this program knows form 1"},
		"foreign": {foreign, "always", "the database is not Rollcall's: the schema public holds tables of something else"},
	} {
		_, errs, code := run(t, "serve", "--data", filepath.Join(t.TempDir(), "data"), "--store", address(t, tt.dsn), "--migrate", tt.mode,
			"--listen", "127.0.0.1:0", "--tls-listen", "off", "--telemetry-listen", "off")
		if code != exitFailed || !strings.Contains(errs, tt.want) {
			t.Errorf("%s: exit %d %s", name, code, errs)
		}
	}
	p := serveOn(t, filepath.Join(t.TempDir(), "data"), "--store", address(t, empty), "--migrate", "always")
	if code := p.stop(syscall.SIGTERM); code != 0 || !strings.Contains(p.logged(), "migrated the database") {
		t.Errorf("always: exit %d\n%s", code, p.logged())
	}
}

func TestThePasswordOfTheStoreIsNeverShown(t *testing.T) {
	const secret = "s3cr3t"
	dir := t.TempDir()
	bad := "postgres://u:" + secret + "@127.0.0.1:1/rollcall?sslmode=disable"
	file := filepath.Join(dir, "rollcall.yaml")
	if err := os.WriteFile(file, []byte("store: "+bad+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(dir, "data")
	for _, args := range [][]string{
		{"config", "print", "--config", file},
		{"config", "print", "--json", "--store", bad},
		{"config", "check", "--config", file},
		{"doctor", "--config", file, "--data", data},
		{"serve", "--config", file, "--data", data, "--log-level", "debug", "--listen", "127.0.0.1:0", "--tls-listen", "off", "--telemetry-listen", "off"},
		{"migrate", "--config", file},
		{"store", "renew", "--config", file},
		{"backup", "--config", file, "-"},
		{"restore", "--config", file, "-"},
		{"config", "check", "--store", strings.Replace(bad, "@", "%zz@", 1)},
		{"config", "check", "--store", "postgres:/u:" + secret + "@db"},
		{"demo", "--store", bad},
	} {
		out, errs, _ := run(t, args...)
		if strings.Contains(out+errs, secret) || out+errs == "" {
			t.Errorf("%v: %s%s", args, out, errs)
		}
	}
	out, errs, code := run(t, "config", "print", "--config", file)
	if code != 0 || !strings.Contains(out, "postgres://u:xxxxx@127.0.0.1:1/rollcall?sslmode=disable") {
		t.Errorf("exit %d %s\n%s", code, errs, out)
	}
	if _, errs, code := run(t, "config", "check", "--store", bad); code != 0 || !strings.Contains(errs, "the password in --store can be read by every process") || !strings.Contains(errs, "the database could not be asked") {
		t.Errorf("exit %d %s", code, errs)
	}
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, errs, code := run(t, "config", "check", "--config", file); code != exitUsage || !strings.Contains(errs, file) {
		t.Errorf("a file that others read: exit %d %s", code, errs)
	}
	c := exec.Command(program, "config", "check")
	c.Env = append(os.Environ(), "ROLLCALL_STORE_FILE="+filepath.Join(dir, "address"))
	if err := os.WriteFile(filepath.Join(dir, "address"), []byte(bad), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := c.CombinedOutput(); err == nil || !strings.Contains(string(out), filepath.Join(dir, "address")) {
		t.Errorf("a file of the address that others read: %v %s", err, out)
	}
	passfile := filepath.Join(dir, "pgpass")
	if err := os.WriteFile(passfile, []byte("*:*:*:*:"+secret), 0o644); err != nil {
		t.Fatal(err)
	}
	c = exec.Command(program, "config", "check", "--store", "postgres://u@127.0.0.1:1/rollcall")
	c.Env = append(os.Environ(), "PGPASSFILE="+passfile)
	if out, err := c.CombinedOutput(); err == nil || !strings.Contains(string(out), passfile) {
		t.Errorf("a password file that others read: %v %s", err, out)
	}
}

func TestCommandsOfTheEmbeddedEngineSayWhatToDoOnPostgreSQL(t *testing.T) {
	store := address(t, postgrestest.DSN(t))
	for _, args := range [][]string{{"backup", "-"}, {"restore", "/none"}} {
		if _, errs, code := run(t, append(args, "--store", store)...); code != exitUsage || !strings.Contains(errs, "pg_dump") {
			t.Errorf("%v: exit %d %s", args, code, errs)
		}
	}
	if out, errs, code := run(t, "store", "renew", "--store", store); code != 0 || !strings.Contains(out, "Renewed the store in PostgreSQL") {
		t.Errorf("exit %d %s%s", code, out, errs)
	}
	out, errs, code := run(t, "config", "check", "--store", store, "--min-free-disk", "1", "--cache-size", "1")
	for _, name := range []string{"min_free_disk", "cache_size"} {
		if code != 0 || !strings.Contains(errs, "warning: "+name+" is for the embedded engine alone") {
			t.Errorf("%s: exit %d %s%s", name, code, out, errs)
		}
	}
	if _, errs, code := run(t, "config", "check", "--data", t.TempDir(), "--migrate", "always"); code != 0 || !strings.Contains(errs, "migrate is for PostgreSQL alone") {
		t.Errorf("exit %d %s", code, errs)
	}
	p := serveOn(t, filepath.Join(t.TempDir(), "data"), "--store", store)
	if _, errs, code := run(t, "backup", "--data", p.data, "-"); code != exitFailed || !strings.Contains(errs, "pg_dump") {
		t.Errorf("of a running server: exit %d %s", code, errs)
	}
}

func TestTheDoctorSaysWhatIsWrongWithADatabase(t *testing.T) {
	dsn := postgrestest.DSN(t)
	store := address(t, dsn)
	flags := []string{"--data", filepath.Join(t.TempDir(), "data"), "--listen", "127.0.0.1:1", "--tls-listen", "off"}
	for name, tt := range map[string]struct{ store, want string }{
		"nobody there":       {"postgres://u@127.0.0.1:1/x?sslmode=disable", "problem: connecting to PostgreSQL"},
		"no log syncs":       {store, "warning: fsync or full_page_writes is off"},
		"open transactions":  {store, "warning: idle_in_transaction_session_timeout is 0"},
		"unsafe commits":     {store + "&synchronous_commit=off", "problem: synchronous_commit is off"},
		"reads only":         {store + "&default_transaction_read_only=on", "problem: default_transaction_read_only is on"},
		"isolation":          {store + "&default_transaction_isolation=serializable", "warning: default_transaction_isolation is serializable"},
		"too many":           {store + "&pool_max_conns=5000", "warning: this node may open 5000 connections, and the server takes 197"},
		"an empty database":  {address(t, postgrestest.Empty(t)), "warning: the database is empty"},
		"no dead rows moved": {store, "warning: autovacuum is off"},
	} {
		found, code := examined(t, "database", append(flags[:len(flags):len(flags)], "--store", tt.store)...)
		if want := map[bool]int{true: exitFailed}[strings.HasPrefix(tt.want, "problem")]; code != want || !strings.Contains(found, tt.want) {
			t.Errorf("%s: exit %d, want %q in\n%s", name, code, tt.want, found)
		}
	}
	if _, errs, code := run(t, "config", "check", "--store", store+"&synchronous_commit=off"); code != exitUsage || !strings.Contains(errs, "the database: synchronous_commit is off") {
		t.Errorf("config check: exit %d %s", code, errs)
	}
}
