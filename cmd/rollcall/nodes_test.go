package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/rollcall-id/rollcall/store/postgres/postgrestest"
)

// address is the URL of a database that settings name.
func address(t *testing.T, dsn string) string {
	t.Helper()
	c, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("postgres:///%s?host=%s&user=%s&sslmode=disable", c.Database, url.QueryEscape(c.Host), c.User)
}

// twoNodes starts two servers on one database, with what nodes need to have in common: the
// keys, and the origins at which clients reach them.
func twoNodes(t *testing.T, store string, args ...string) (a, b *process) {
	t.Helper()
	dir := t.TempDir()
	args = append([]string{"--store", store, "--public-url", "https://sessions.example.com"}, args...)
	a = serveOn(t, filepath.Join(dir, "a"), args...)
	if err := os.CopyFS(filepath.Join(dir, "b", "keys"), os.DirFS(filepath.Join(dir, "a", "keys"))); err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{"b", "b/keys"} {
		if err := os.Chmod(filepath.Join(dir, folder), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	keys, _ := filepath.Glob(filepath.Join(dir, "b", "keys", "*"))
	for _, file := range keys {
		if err := os.Chmod(file, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return a, serveOn(t, filepath.Join(dir, "b"), args...)
}

// checked is the status of a check.
func (p *process) checked(t *testing.T, token string) int {
	t.Helper()
	status, err := p.ask(t.Context(), "GET", "/check", token, "", nil)
	if err != nil {
		t.Error(err)
	}
	return status
}

// whole asks as ask does, with further headers, and returns the body's bytes.
func (p *process) whole(t *testing.T, method, path, token, body string, headers ...string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, p.plain+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	answer, err := p.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

const allScopes = "create:sessions read:sessions update:sessions delete:sessions"

func TestWhatOneNodeHasEndedIsRefusedByTheOtherAtTheNextRequest(t *testing.T) {
	a, b := twoNodes(t, address(t, postgrestest.DSN(t)))
	token := a.mint(allScopes)
	const rounds = 200
	var took []time.Duration
	for i := range rounds {
		user := fmt.Sprintf("user-%d", i)
		m, err := a.create(t.Context(), token, user)
		if err != nil {
			t.Fatalf("%v\n%s", err, a.logged())
		}
		for range 2 { // the second one might rest on something remembered
			if status := b.checked(t, m.Token); status != http.StatusOK {
				t.Fatalf("made at A, at B: %d\n%s", status, b.logged())
			}
		}
		method, path := "DELETE", "/api/v2/sessions/"+m.Session.ID
		if i%2 == 1 {
			path = "/api/v2/users/" + user + "/sessions"
		}
		if status, err := a.ask(t.Context(), method, path, token, "", nil); err != nil || status != http.StatusAccepted {
			t.Fatal(status, err)
		}
		began := time.Now()
		if status := b.checked(t, m.Token); status != http.StatusUnauthorized {
			t.Fatalf("round %d: ended at A, at B: %d", i, status)
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	t.Logf("%d endings at A; from the answer until the refusal at B: p50 %v, p99 %v, max %v", rounds, took[rounds/2], took[rounds*99/100], took[rounds-1])
}

func TestOneIdempotencyKeyMakesOneSessionOverTwoNodes(t *testing.T) {
	a, b := twoNodes(t, address(t, postgrestest.DSN(t)))
	token := a.mint(allScopes)
	for i := range 20 {
		body := fmt.Sprintf(signInBody, fmt.Sprintf("user-%d", i))
		var at [2]string
		var both sync.WaitGroup
		for n, node := range []*process{a, b} {
			both.Go(func() {
				status, text := node.whole(t, "POST", "/v1/sessions", token, body, "Content-Type", "application/json", "Idempotency-Key", fmt.Sprintf("key-%d", i))
				if status != http.StatusCreated {
					t.Errorf("status %d %s", status, text)
				}
				at[n] = text
			})
		}
		both.Wait()
		if diff := cmp.Diff(at[0], at[1]); diff != "" {
			t.Errorf("A and B made two sessions (-A +B):\n%s", diff)
		}
	}
}

func TestALimitOfOneHoldsOverTwoNodes(t *testing.T) {
	a, b := twoNodes(t, address(t, postgrestest.DSN(t)), "--max-sessions-per-user", "1")
	token := a.mint(allScopes)
	var mu sync.Mutex
	var all []made
	var logins sync.WaitGroup
	for _, node := range []*process{a, b} {
		for range 4 {
			logins.Go(func() {
				for range 5 {
					m, err := node.create(t.Context(), token, "user")
					if err != nil {
						t.Error(err)
						continue
					}
					mu.Lock()
					all = append(all, m)
					mu.Unlock()
				}
			})
		}
	}
	logins.Wait()
	for name, node := range map[string]*process{"A": a, "B": b} {
		good := 0
		for _, m := range all {
			if node.checked(t, m.Token) == http.StatusOK {
				good++
			}
		}
		if good != 1 {
			t.Errorf("at %s %d of %d sessions are good", name, good, len(all))
		}
	}
}

func TestListingsHaveTheSameBytesAtBothNodes(t *testing.T) {
	a, b := twoNodes(t, address(t, postgrestest.DSN(t)))
	token := a.mint(allScopes)
	for i := range 30 {
		if _, err := []*process{a, b}[i%2].create(t.Context(), token, "auth0|1"); err != nil {
			t.Fatal(err)
		}
	}
	path := "/api/v2/users/auth0%7C1/sessions?take=7&include_totals=true"
	for range 5 {
		status, text := a.whole(t, "GET", path, token, "")
		_, other := b.whole(t, "GET", path, token, "")
		if diff := cmp.Diff(text, other); diff != "" || status != http.StatusOK || !strings.Contains(text, `"total":30`) {
			t.Fatalf("status %d (-A +B):\n%s\n%s", status, diff, text)
		}
		_, from, more := strings.Cut(text, `"next":"`)
		if !more {
			return
		}
		from, _, _ = strings.Cut(from, `"`)
		path = "/api/v2/users/auth0%7C1/sessions?take=7&include_totals=true&from=" + from
	}
	t.Error("the pages do not end")
}

// TestAKilledNodeLosesNothingAcknowledged kills a node amid writers, and asks the other.
func TestAKilledNodeLosesNothingAcknowledged(t *testing.T) {
	a, b := twoNodes(t, address(t, postgrestest.DSN(t)))
	token := a.mint(allScopes)
	var mu sync.Mutex
	var alive, dead []made
	var writers sync.WaitGroup
	var stopped atomic.Bool
	for w := range 8 {
		writers.Go(func() {
			for i := 0; !stopped.Load(); i++ {
				m, err := a.create(context.Background(), token, fmt.Sprintf("user-%d", w))
				if err != nil {
					return
				}
				ends := i%2 == 0
				if ends {
					if status, err := a.ask(context.Background(), "DELETE", "/api/v2/sessions/"+m.Session.ID, token, "", nil); err != nil || status != http.StatusAccepted {
						return
					}
				}
				mu.Lock()
				if ends {
					dead = append(dead, m)
				} else {
					alive = append(alive, m)
				}
				mu.Unlock()
			}
		})
	}
	time.Sleep(time.Second)
	a.stop(syscall.SIGKILL)
	stopped.Store(true)
	writers.Wait()
	for _, m := range alive {
		if status := b.checked(t, m.Token); status != http.StatusOK {
			t.Errorf("an acknowledged session is refused: %d", status)
		}
	}
	for _, m := range dead {
		if status := b.checked(t, m.Token); status != http.StatusUnauthorized {
			t.Errorf("an ended session is good: %d", status)
		}
	}
	t.Logf("%d creations and %d endings acknowledged", len(alive)+len(dead), len(dead))
	if len(alive) == 0 || len(dead) == 0 {
		t.Error("nothing was acknowledged")
	}
}

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
