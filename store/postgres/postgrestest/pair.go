package postgrestest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rollcall-id/rollcall/store/postgres"
)

// A Node is a server that a test has for itself, until the test ends.
type Node struct{ server *server }

// DSN returns the address of the node's database, which has Rollcall's tables.
func (n *Node) DSN() string { return n.server.dsn("postgres") }

// Folder returns the folder of the node's socket.
func (n *Node) Folder() string { return n.server.folder }

// Single starts a node of its own. more are lines of postgresql.conf.
func Single(t testing.TB, more string) *Node {
	t.Helper()
	n := node(t, initdb, settings+more)
	if err := postgres.Create(t.Context(), n.DSN()); err != nil {
		t.Fatal(err)
	}
	return n
}

// Pair starts a primary, and a standby for which each commit of the primary waits.
func Pair(t testing.TB) (primary, standby *Node) {
	t.Helper()
	primary = Single(t, "")
	return primary, Standby(t, primary)
}

// Standby starts a standby for which each commit of the primary waits.
func Standby(t testing.TB, primary *Node) *Node {
	t.Helper()
	standby := node(t, func(programs, data string) *exec.Cmd {
		from := fmt.Sprintf("host=%s user=rollcall application_name=standby", primary.server.folder)
		return exec.Command(filepath.Join(programs, "pg_basebackup"), "-D", data, "-d", from, "-R", "-X", "stream", "-c", "fast", "--no-sync")
	}, "")
	primary.exec(t, `ALTER SYSTEM SET synchronous_standby_names = 'standby'`)
	primary.exec(t, `SELECT pg_reload_conf()`)
	primary.until(t, `SELECT FROM pg_stat_replication WHERE sync_state = 'sync' AND state = 'streaming'`)
	primary.exec(t, `CHECKPOINT`) // the checkpointer is who has commits wait
	return standby
}

func node(t testing.TB, fill func(programs, data string) *exec.Cmd, settings string) *Node {
	t.Helper()
	running(t) // skips the test without a server's programs
	s, err := newServer(fill, settings)
	if err != nil {
		t.Fatalf("starting a server: %v", err)
	}
	n := &Node{s}
	t.Cleanup(func() {
		n.signal(syscall.SIGCONT)
		_ = s.lifeline.Close()
	})
	if err := s.await(); err != nil {
		t.Fatal(err)
	}
	return n
}

// Promote makes a standby a primary that takes writes.
func (n *Node) Promote(t testing.TB) {
	t.Helper()
	n.exec(t, `SELECT pg_promote()`)
	n.until(t, `SELECT WHERE NOT pg_is_in_recovery()`)
}

// Stop has all processes of the node stand still, until Continue.
func (n *Node) Stop(t testing.TB) { t.Helper(); n.mustSignal(t, syscall.SIGSTOP) }

// Continue ends what Stop began.
func (n *Node) Continue(t testing.TB) { t.Helper(); n.mustSignal(t, syscall.SIGCONT) }

// Kill ends the node's server as a crash does.
func (n *Node) Kill(t testing.TB) { t.Helper(); n.mustSignal(t, syscall.SIGKILL) }

func (n *Node) mustSignal(t testing.TB, s syscall.Signal) {
	t.Helper()
	if n.signal(s) == 0 {
		t.Fatal("the server has no process")
	}
}

// signal reaches the server and its children, and tells how many those are.
func (n *Node) signal(s syscall.Signal) (reached int) {
	text, err := os.ReadFile(filepath.Join(n.server.folder, "data", "postmaster.pid"))
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(text), "\n")
	server, err := strconv.Atoi(first)
	if err != nil {
		return 0
	}
	for _, pid := range append([]int{server}, childrenOf(server)...) {
		if syscall.Kill(pid, s) == nil {
			reached++
		}
	}
	return reached
}

func childrenOf(parent int) (children []int) {
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile(filepath.Join("/proc", e.Name(), "stat"))
		if err != nil {
			continue
		}
		_, rest, _ := strings.Cut(string(stat), ") ")
		if fields := strings.Fields(rest); len(fields) > 1 && fields[1] == strconv.Itoa(parent) {
			children = append(children, pid)
		}
	}
	return children
}

func (n *Node) exec(t testing.TB, sql string) {
	t.Helper()
	if err := n.server.exec("postgres", sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// until waits for a query to give a row.
func (n *Node) until(t testing.TB, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), n.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if err := conn.QueryRow(t.Context(), sql).Scan(); err == nil {
			return
		} else if !errors.Is(err, pgx.ErrNoRows) {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	t.Fatalf("%s: no row", sql)
}

// Start starts the server again after Kill, and waits until the server answers.
func (n *Node) Start(t testing.TB) {
	t.Helper()
	programs, err := findPrograms()
	if err != nil {
		t.Fatal(err)
	}
	attributes, err := unprivileged(n.server.folder)
	if err != nil {
		t.Fatal(err)
	}
	again := exec.Command(filepath.Join(programs, "postgres"), "-D", filepath.Join(n.server.folder, "data"), "-k", n.server.folder)
	again.Dir, again.SysProcAttr = n.server.folder, attributes
	if err := again.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = again.Process.Signal(syscall.SIGQUIT)
		_ = again.Wait()
	})
	if err := n.server.await(); err != nil {
		t.Fatal(err)
	}
}

// Unprivileged returns a folder in which a program has its files that refuses to run as
// root, and a function that starts such a program, which is killed when the test ends.
func Unprivileged(t testing.TB) (folder string, start func(*exec.Cmd)) {
	t.Helper()
	folder, err := os.MkdirTemp("", "rollcall-postgres-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	attributes, err := unprivileged(folder)
	if err != nil {
		t.Fatal(err)
	}
	return folder, func(program *exec.Cmd) {
		t.Helper()
		program.Dir, program.SysProcAttr = folder, attributes
		if err := program.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = program.Process.Kill()
			_ = program.Wait()
		})
	}
}
