// Package postgrestest gives tests databases of a PostgreSQL server that it starts: one
// server for a test binary, with everything in a temporary folder, and a database with
// empty tables for each call of DSN.
//
// The programs of the server are those in the folder that ROLLCALL_TEST_POSTGRES names,
// else those in PATH, else the newest in Debian's folders. Without any, tests are skipped;
// with CI=true in the environment they fail.
package postgrestest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rollcall-id/rollcall/store/postgres"
)

// template is the database that the others are copies of.
const template = "rollcall_template"

// start starts the server of this test binary.
var start = sync.OnceValues(startServer)

// databases are those with Rollcall's tables.
var databases struct {
	sync.Mutex
	made int
	free []string // that no test uses
}

// Start starts the server, unless it runs: what DSN and Empty do as well. A test that asks
// for a database in a bubble of testing/synctest calls Start before, outside of the bubble.
func Start(t testing.TB) {
	t.Helper()
	running(t)
}

// DSN returns the address of a database with empty tables, which is the test's own until
// the test ends. The test must leave the tables' form alone.
func DSN(t testing.TB) string {
	t.Helper()
	s := running(t)
	databases.Lock()
	var name string
	if n := len(databases.free); n > 0 {
		name, databases.free = databases.free[n-1], databases.free[:n-1]
	}
	databases.Unlock()
	var err error
	if name == "" {
		name, err = s.create(template)
	}
	if err == nil { // without which all databases were one store's copies
		err = postgres.Renew(t.Context(), s.dsn(name))
	}
	if err != nil {
		t.Fatalf("making a database: %v", err)
	}
	t.Cleanup(func() {
		if err := s.exec(name, empty); err != nil {
			t.Errorf("leaving a database: %v", err)
			return
		}
		databases.Lock()
		defer databases.Unlock()
		databases.free = append(databases.free, name)
	})
	return s.dsn(name)
}

// empty makes a database that a test leaves like a new one. A copy of the template takes
// ten times as long.
const empty = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid();
TRUNCATE users, sessions, uses, events, documents, everybody RESTART IDENTITY;
INSERT INTO everybody (version, generation, settings) VALUES (0, 0, 0);
UPDATE meta SET removed_xid = '0', removed_seq = 0`

// Empty returns the address of a new database without tables. The database is dropped
// when the test ends.
func Empty(t testing.TB) string {
	t.Helper()
	s := running(t)
	name, err := s.create("template0")
	if err != nil {
		t.Fatalf("making a database: %v", err)
	}
	t.Cleanup(func() {
		if err := s.exec("postgres", fmt.Sprintf("DROP DATABASE %s WITH (FORCE)", name)); err != nil {
			t.Errorf("dropping a database: %v", err)
		}
	})
	return s.dsn(name)
}

// running returns the server, started with the first call.
func running(t testing.TB) *server {
	t.Helper()
	s, err := start()
	switch {
	case errors.Is(err, exec.ErrNotFound) && os.Getenv("CI") != "true":
		t.Skipf("no PostgreSQL server to test with (scripts/postgres installs one): %v", err)
	case err != nil:
		t.Fatalf("starting PostgreSQL: %v", err)
	}
	return s
}

// A server is a running PostgreSQL server.
type server struct {
	folder string // of its data, its socket and its log
	// lifeline is the end of a pipe that the server's parent reads: when this process
	// ends in whatever way, the parent stops the server and removes the folder. It must
	// not be collected while this process runs.
	lifeline *os.File
}

func (s *server) dsn(database string) string {
	return fmt.Sprintf("host=%s user=rollcall dbname=%s sslmode=disable", s.folder, database)
}

// create makes a database that is a copy of another.
func (s *server) create(from string) (name string, err error) {
	databases.Lock()
	databases.made++
	name = fmt.Sprintf("rollcall_%d", databases.made)
	databases.Unlock()
	return name, s.exec("postgres", fmt.Sprintf("CREATE DATABASE %s TEMPLATE %s", name, from))
}

// exec runs statements.
func (s *server) exec(database, sql string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.dsn(database))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	_, err = conn.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol)
	return err
}

// watch is the server's parent: it waits for the end of its input.
const watch = `"$1/postgres" -D "$2/data" -k "$2" >"$2/log" 2>&1 &
server=$!
cat >/dev/null
kill -CONT $server
kill -QUIT $server
wait $server
rm -rf "$2"`

// settings make a server that is quick to start and keeps nothing over a crash. Nothing
// but tests has transactions: statistics would be one, and hold back events for a moment.
const settings = `
listen_addresses = ''
unix_socket_permissions = 0777
fsync = off
full_page_writes = off
autovacuum = off
max_connections = 200
shared_buffers = 32MB
lc_messages = 'C'
timezone = 'Asia/Kathmandu'
`

func startServer() (*server, error) {
	s, err := newServer(initdb, settings)
	if err != nil {
		return nil, err
	}
	return s, s.prepare()
}

// newServer starts a server of its own. fill makes the server's data.
func newServer(fill func(programs, data string) *exec.Cmd, settings string) (s *server, err error) {
	programs, err := findPrograms()
	if err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp("", "rollcall-postgres-")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = os.RemoveAll(folder)
		}
	}()
	attributes, err := unprivileged(folder)
	if err != nil {
		return nil, err
	}
	filling := fill(programs, filepath.Join(folder, "data"))
	filling.Dir, filling.SysProcAttr = folder, attributes
	if out, err := filling.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("making the server's data: %w\n%s", err, out)
	}
	if err := appendTo(filepath.Join(folder, "data", "postgresql.conf"), settings); err != nil {
		return nil, err
	}
	s = &server{folder: folder}
	return s, s.run(programs, attributes)
}

func initdb(programs, data string) *exec.Cmd {
	return exec.Command(filepath.Join(programs, "initdb"), "-D", data,
		"--auth=trust", "--username=rollcall", "--encoding=UTF8", "--locale=C", "--no-sync")
}

// run starts the server's parent.
func (s *server) run(programs string, attributes *syscall.SysProcAttr) error {
	input, lifeline, err := os.Pipe()
	if err != nil {
		return err
	}
	defer func() { _ = input.Close() }()
	s.lifeline = lifeline
	parent := exec.Command("/bin/sh", "-c", watch, "sh", programs, s.folder)
	parent.Dir, parent.Stdin, parent.SysProcAttr = s.folder, input, attributes
	return parent.Start()
}

// await waits until the server answers.
func (s *server) await() error {
	deadline := time.Now().Add(time.Minute)
	for {
		err := s.exec("postgres", "SELECT 1")
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			log, _ := os.ReadFile(filepath.Join(s.folder, "log"))
			return fmt.Errorf("waiting for the server: %w\n%s", err, log)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// prepare waits for the server and makes the template. Its collation is not that of
// bytes, where the server knows another, so that a test finds what leans on the default.
func (s *server) prepare() error {
	if err := s.await(); err != nil {
		return err
	}
	if s.exec("postgres", "CREATE DATABASE "+template+" TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US'") != nil {
		if err := s.exec("postgres", "CREATE DATABASE "+template+" TEMPLATE template0"); err != nil {
			return err
		}
	}
	return postgres.Create(context.Background(), s.dsn(template))
}

// findPrograms returns the folder of the server's programs. The error is exec.ErrNotFound
// when there is none.
func findPrograms() (string, error) {
	folders := []string{os.Getenv("ROLLCALL_TEST_POSTGRES")}
	if folders[0] == "" {
		folders, _ = filepath.Glob("/usr/lib/postgresql/*/bin")
		version := func(folder string) int {
			n, _ := strconv.Atoi(filepath.Base(filepath.Dir(folder)))
			return n
		}
		slices.SortFunc(folders, func(a, b string) int { return version(b) - version(a) })
		if path, err := exec.LookPath("initdb"); err == nil {
			if path, err = filepath.EvalSymlinks(path); err == nil {
				folders = slices.Insert(folders, 0, filepath.Dir(path))
			}
		}
	}
	for _, folder := range folders {
		if _, err := exec.LookPath(filepath.Join(folder, "postgres")); err == nil {
			return folder, nil
		}
	}
	return "", fmt.Errorf("postgres: %w", exec.ErrNotFound)
}

// unprivileged gives the folder to the user whom the server runs as: the server refuses
// root. A process group of its own keeps a terminal's signals from the server's parent.
func unprivileged(folder string) (*syscall.SysProcAttr, error) {
	attributes := &syscall.SysProcAttr{Setpgid: true}
	if os.Getuid() != 0 {
		return attributes, nil
	}
	account, err := user.Lookup("postgres")
	if err != nil {
		account, err = user.Lookup("nobody")
	}
	if err != nil {
		return nil, err
	}
	uid, err := strconv.ParseUint(account.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(account.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	attributes.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return attributes, os.Chown(folder, int(uid), int(gid))
}

func appendTo(file, text string) error {
	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}
