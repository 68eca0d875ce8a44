package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// writing is 8 writers that create sessions and end every other one, each request
// to its end.
type writing struct {
	stop    atomic.Bool
	writers sync.WaitGroup

	mu          sync.Mutex
	alive, dead []made // as acknowledged
}

func writeOn(t *testing.T, p *process, token string) *writing {
	w := &writing{}
	for n := range 8 {
		w.writers.Go(func() {
			for i := 0; !w.stop.Load(); i++ {
				m, err := p.create(context.Background(), token, fmt.Sprint("writer-", n))
				if err == nil && i%2 == 0 {
					var status int
					if status, err = p.ask(context.Background(), "DELETE", "/api/v2/sessions/"+m.Session.ID, token, "", nil); status != http.StatusAccepted {
						err = fmt.Errorf("status %d %w", status, err)
					}
				}
				if err != nil {
					t.Errorf("writing: %v", err)
					return
				}
				w.mu.Lock()
				if i%2 == 0 {
					w.dead = append(w.dead, m)
				} else {
					w.alive = append(w.alive, m)
				}
				w.mu.Unlock()
			}
		})
	}
	return w
}

// acknowledged waits for so many of each kind more, and returns all up to now.
func (w *writing) acknowledged(t *testing.T, more int) (alive, dead []made) {
	t.Helper()
	wanted := -1
	for range 5000 {
		w.mu.Lock()
		n := min(len(w.alive), len(w.dead))
		if wanted < 0 {
			wanted = n + more
		}
		if n >= wanted {
			defer w.mu.Unlock()
			return slices.Clone(w.alive), slices.Clone(w.dead)
		}
		w.mu.Unlock()
		time.Sleep(2 * time.Millisecond)
	}
	t.Fatal("the writers do not get on")
	return nil, nil
}

func TestABackupAmidWritersHoldsAllThatWasAcknowledgedAndNothingHalf(t *testing.T) {
	dir := t.TempDir()
	p := serveOn(t, filepath.Join(dir, "data"))
	w := writeOn(t, p, p.mint("create:sessions delete:sessions"))
	defer w.writers.Wait()
	defer w.stop.Store(true)
	alive, dead := w.acknowledged(t, 50)
	archive := filepath.Join(dir, "rollcall.tar")
	// Whatever the umask lets through, the archive is its owner's alone.
	c := exec.Command("sh", "-c", `umask 000; exec "$0" "$@"`, program, "backup", "--data", filepath.Join(dir, "data"), archive)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v %s\n%s", err, out, p.logged())
	}
	if info, err := os.Stat(archive); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the archive: %v %v", info, err)
	}
	w.acknowledged(t, 10)
	w.stop.Store(true)
	w.writers.Wait()
	if code := p.stop(syscall.SIGTERM); code != 0 {
		t.Fatal(code)
	}

	// A new data directory, with new keys.
	restored := filepath.Join(dir, "restored")
	if err := os.Mkdir(restored, 0o700); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("tar", "-xf", archive, "-C", restored).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	p = serveOn(t, restored)
	token := p.mint("read:sessions create:sessions")
	for _, m := range alive {
		if good, _ := p.found(token, m); !good {
			t.Errorf("a session of before the copy is lost: %s", m.Session.ID)
		}
	}
	for _, m := range dead {
		if good, _ := p.found(token, m); good {
			t.Errorf("a session that had ended before the copy is back: %s", m.Session.ID)
		}
	}
	want := map[string]bool{}
	for _, m := range append(slices.Clone(w.alive), w.dead...) {
		good, agree := p.found(token, m)
		if !agree {
			t.Errorf("%s is there by half", m.Session.ID)
		}
		if good {
			want[m.Session.ID] = true
		}
	}
	listed := 0
	for n := range 8 {
		ids := p.listed(token, fmt.Sprint("writer-", n))
		listed += len(ids)
		for _, id := range ids {
			if !want[id] {
				t.Errorf("%s is listed and not accepted", id)
			}
		}
	}
	if listed != len(want) || len(want) == len(w.alive) {
		t.Errorf("%d listed, %d accepted, of %d", listed, len(want), len(w.alive))
	}
	if _, err := p.create(context.Background(), token, "writer-0"); err != nil {
		t.Errorf("the restored store takes nothing: %v", err)
	}
}

// found reports whether a session's token is accepted, and whether its id is found
// when and only when that is so.
func (p *process) found(token string, m made) (good, agree bool) {
	p.t.Helper()
	check, err := p.ask(context.Background(), "GET", "/check", m.Token, "", nil)
	if err != nil {
		p.t.Fatal(err)
	}
	get, err := p.ask(context.Background(), "GET", "/api/v2/sessions/"+m.Session.ID, token, "", nil)
	if err != nil {
		p.t.Fatal(err)
	}
	good = check == http.StatusOK
	return good, good == (get == http.StatusOK) && good != (get == http.StatusNotFound) && good != (check == http.StatusUnauthorized)
}

// listed are the ids of a user's sessions, which must be as many as the total says.
func (p *process) listed(token, userID string) (ids []string) {
	p.t.Helper()
	for from := ""; ; {
		var page struct {
			Sessions []struct{ ID string }
			Next     string
			Total    int
		}
		status, err := p.ask(context.Background(), "GET", "/api/v2/users/"+userID+"/sessions?take=100&include_totals=true&from="+from, token, "", &page)
		if err != nil || status != http.StatusOK {
			p.t.Fatalf("%d %v", status, err)
		}
		for _, s := range page.Sessions {
			ids = append(ids, s.ID)
		}
		if from = page.Next; from == "" {
			if page.Total != len(ids) {
				p.t.Errorf("%s: total %d of %d sessions", userID, page.Total, len(ids))
			}
			return ids
		}
	}
}
