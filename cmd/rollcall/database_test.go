package main

import (
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/rollcall-id/rollcall/store/postgres/postgrestest"
)

// A way leads to a database, and can be cut and stalled.
type way struct {
	net.Listener
	to string // a Unix socket
	mu sync.Mutex
	// stalled, unless nil, is closed when bytes pass again.
	stalled chan struct{}
	conns   []net.Conn
	cut     bool
}

func newWay(t *testing.T, dsn string) (*way, string) {
	t.Helper()
	c, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &way{Listener: l, to: fmt.Sprintf("%s/.s.PGSQL.%d", c.Host, c.Port)}
	go w.serve()
	t.Cleanup(func() { _ = l.Close(); w.set(true, false) })
	return w, fmt.Sprintf("postgres://%s@%s/%s?sslmode=disable", c.User, l.Addr(), c.Database)
}

func (w *way) serve() {
	for {
		in, err := w.Accept()
		if err != nil {
			return
		}
		w.mu.Lock()
		out, err := net.Dial("unix", w.to)
		if w.cut || err != nil {
			_ = in.Close()
			w.mu.Unlock()
			continue
		}
		w.conns = append(w.conns, in, out)
		w.mu.Unlock()
		go w.pass(in, out)
		go w.pass(out, in)
	}
}

func (w *way) pass(to, from net.Conn) {
	defer to.Close()
	for buffer := make([]byte, 32<<10); ; {
		n, err := from.Read(buffer)
		w.mu.Lock()
		stalled := w.stalled
		w.mu.Unlock()
		if stalled != nil {
			<-stalled
		}
		if _, e := to.Write(buffer[:n]); err != nil || e != nil {
			return
		}
	}
}

// set cuts the way, or lets bytes wait on it.
func (w *way) set(cut, stalled bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = cut
	if w.stalled != nil {
		close(w.stalled)
		w.stalled = nil
	}
	if stalled {
		w.stalled = make(chan struct{})
	}
	if cut {
		for _, c := range w.conns {
			_ = c.Close()
		}
		w.conns = nil
	}
}

func TestANodeWhoseDatabaseIsGoneIsNotReadyAndRecoversByItself(t *testing.T) {
	w, store := newWay(t, postgrestest.DSN(t))
	p := serveOn(t, filepath.Join(t.TempDir(), "data"), "--store", store, "--act-timeout", "2s")
	token := p.mint(allScopes)
	m, err := p.create(t.Context(), token, "user")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name         string
		cut, stalled bool
	}{{"cut off", true, false}, {"silent", false, true}} {
		w.set(tt.cut, tt.stalled)
		began := time.Now()
		status, text := p.whole(t, "GET", "/readyz", "", "")
		if took := time.Since(began); status != http.StatusServiceUnavailable || took > 5*time.Second {
			t.Errorf("%s: ready: %d %s after %v", tt.name, status, text, took)
		}
		if status, text := p.whole(t, "GET", "/healthz", "", ""); status != http.StatusOK {
			t.Errorf("%s: healthy: %d %s", tt.name, status, text)
		}
		began = time.Now()
		status, _ = p.whole(t, "POST", "/v1/sessions", token, fmt.Sprintf(signInBody, "user"), "Content-Type", "application/json")
		if took := time.Since(began); status != http.StatusServiceUnavailable || took > 5*time.Second {
			t.Errorf("%s: a creation: %d after %v", tt.name, status, took)
		}
		if tt.cut {
			if status := p.checked(t, m.Token); status != http.StatusServiceUnavailable {
				t.Errorf("%s: a check: %d", tt.name, status)
			}
		}
		w.set(false, false)
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
			ready, _ := p.whole(t, "GET", "/readyz", "", "")
			if ready == http.StatusOK && p.checked(t, m.Token) == http.StatusOK {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: it does not recover: %d\n%s", tt.name, ready, p.logged())
			}
		}
	}
	if code := p.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit %d\n%s", code, p.logged())
	}
}

// TestANodeWhoseClockIsFiveMinutesOffIsNotReadyAndSaysWhy gives the database another clock.
func TestANodeWhoseClockIsFiveMinutesOffIsNotReadyAndSaysWhy(t *testing.T) {
	dsn := postgrestest.Empty(t)
	clock := `CREATE OR REPLACE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS $$ SELECT pg_catalog.clock_timestamp() + interval '%d min' $$`
	sql(t, dsn, fmt.Sprintf(clock, 5))
	store := address(t, dsn) + "&search_path=public,pg_catalog"
	p := serveOn(t, filepath.Join(t.TempDir(), "data"), "--store", store)
	if status, _ := p.whole(t, "GET", "/readyz", "", ""); status != http.StatusServiceUnavailable || !strings.Contains(p.logged(), "clock differs from the store's by 5m0s") {
		t.Errorf("%d\n%s", status, p.logged())
	}
	if found, code := examined(t, "database", "--data", p.data, "--store", store); code != exitFailed || !strings.Contains(found, "problem: the clock here and the database's are 5m0s apart") {
		t.Errorf("the doctor: exit %d %s", code, found)
	}
	// Endings and checks go on with any clock.
	token := p.mint(allScopes)
	m, err := p.create(t.Context(), token, "user")
	if err != nil || p.checked(t, m.Token) != http.StatusOK {
		t.Errorf("a creation or a check: %v", err)
	}
	sql(t, dsn, fmt.Sprintf(clock, 0))
	if status, _ := p.whole(t, "GET", "/readyz", "", ""); status != http.StatusOK {
		t.Errorf("with a clock that is right again: %d\n%s", status, p.logged())
	}
}

func TestANodeOnPostgreSQLHasTheMetricsOfTheDocumentation(t *testing.T) {
	p := serveOn(t, filepath.Join(t.TempDir(), "data"), "--store", address(t, postgrestest.DSN(t)), "--telemetry-listen", "127.0.0.1:0", "--store-max-connections", "3")
	if _, err := p.create(t.Context(), p.mint(allScopes), "user"); err != nil {
		t.Fatal(err)
	}
	_, text := fetch(t, p.telemetry()+"/metrics")
	if diff := cmp.Diff(documentedMetrics(t, "rollcall_pebble_", "rollcall_cache_"), exportedMetrics(text)); diff != "" {
		t.Errorf("other metrics than documented (-documented +exported):\n%s", diff)
	}
	for _, want := range []string{"rollcall_postgres_connections_max 3\n", `rollcall_postgres_connections{state="idle"} `} {
		if !strings.Contains(text, want) {
			t.Errorf("there is no %s", want)
		}
	}
}

// TestANodeWithOtherKeysThanTheOthersIsWarnedOf starts a second server that makes keys of
// its own, and rotates the first one's.
func TestANodeWithOtherKeysThanTheOthersIsWarnedOf(t *testing.T) {
	const warning = "the node that started last on this store has other keys"
	store := address(t, postgrestest.DSN(t))
	a, b := twoNodes(t, store)
	if strings.Contains(a.logged()+b.logged(), warning) {
		t.Errorf("with the same keys\n%s\n%s", a.logged(), b.logged())
	}
	for _, kind := range []string{"--alg=ES256", "--derivation"} {
		if _, errs, code := run(t, "keys", "rotate", "--data", a.data, kind); code != 0 {
			t.Fatal(errs)
		}
	}
	a.stop(syscall.SIGTERM)
	if again := serveOn(t, a.data, "--store", store); strings.Contains(again.logged(), warning) {
		t.Errorf("with one more key of each kind:\n%s", again.logged())
	}
	stranger := serveOn(t, filepath.Join(t.TempDir(), "data"), "--store", store)
	for _, use := range []string{`"use":"sig"`, `"use":"derive"`} {
		if log := stranger.logged(); !strings.Contains(log, warning) || !strings.Contains(log, use) {
			t.Errorf("%s with keys of its own:\n%s", use, log)
		}
	}
}
