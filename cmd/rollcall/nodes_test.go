package main

import (
	"context"
	"fmt"
	"io"
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
