package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/sessions"
	"github.com/rollcall-id/rollcall/store/pebble"
)

// A disk is a file system in memory that does what a failing one does.
type disk struct {
	vfs.FS
	free    atomic.Uint64 // bytes
	reads   atomic.Value  // func([]byte) error, what becomes of a read of a table
	written atomic.Value  // func() error, before the log is written
	synced  atomic.Value  // func() error, before it is synced
}

func newDisk() *disk {
	d := &disk{FS: vfs.NewMem()}
	d.free.Store(1 << 40)
	d.heal()
	return d
}

func (d *disk) heal() {
	d.reads.Store(func([]byte) error { return nil })
	d.written.Store(func() error { return nil })
	d.synced.Store(func() error { return nil })
}

func (d *disk) GetDiskUsage(string) (vfs.DiskUsage, error) {
	return vfs.DiskUsage{AvailBytes: d.free.Load()}, nil
}

func (d *disk) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := d.FS.Create(name, c)
	return d.wrap(name, f), err
}

func (d *disk) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := d.FS.ReuseForWrite(from, to, c)
	return d.wrap(to, f), err
}

func (d *disk) Open(name string, o ...vfs.OpenOption) (vfs.File, error) {
	f, err := d.FS.Open(name, o...)
	return d.wrap(name, f), err
}

func (d *disk) wrap(name string, f vfs.File) vfs.File {
	switch {
	case f != nil && strings.HasSuffix(name, ".log"):
		return logFile{f, d}
	case f != nil && strings.HasSuffix(name, ".sst"):
		return tableFile{f, d}
	}
	return f
}

type logFile struct {
	vfs.File
	d *disk
}

func (f logFile) Write(b []byte) (int, error) {
	if err := f.d.written.Load().(func() error)(); err != nil {
		return 0, err
	}
	return f.File.Write(b)
}

func (f logFile) Sync() error { return errors.Join(f.d.synced.Load().(func() error)(), f.File.Sync()) }

func (f logFile) SyncData() error {
	return errors.Join(f.d.synced.Load().(func() error)(), f.File.SyncData())
}

func (f logFile) SyncTo(n int64) (bool, error) {
	if err := f.d.synced.Load().(func() error)(); err != nil {
		return false, err
	}
	return f.File.SyncTo(n)
}

type tableFile struct {
	vfs.File
	d *disk
}

func (f tableFile) ReadAt(b []byte, offset int64) (int, error) {
	n, err := f.File.ReadAt(b, offset)
	if err == nil || errors.Is(err, io.EOF) {
		if injected := f.d.reads.Load().(func([]byte) error)(b[:n]); injected != nil {
			return 0, injected
		}
	}
	return n, err
}

// onDisk serves from a store on the disk, which keeps as good as no block of it in memory.
// fatal is told when the process would end.
func onDisk(t *testing.T, d *disk, o sessions.Options) (r *running, fatal chan error) {
	t.Helper()
	fatal = make(chan error, 100)
	store, err := pebble.Open("store", pebble.Options{FS: d, CacheSize: 1, Fatal: func(err error) { fatal <- err }})
	if err != nil {
		t.Fatal(err)
	}
	r = startOn(t, store, o)
	t.Cleanup(func() {
		err := errors.Join(r.stop(), store.Close())
		if len(fatal) == 0 && err != nil {
			t.Errorf("stopping: %v", err)
		}
	})
	return r, fatal
}

// A caller makes requests with a management token.
type caller struct {
	*running
	token string
}

const signInBody = `{"user_id":"%","authentication":{"methods":[{"name":"pwd"}]}}`

func (c caller) ask(method, path, body string) (int, http.Header, string) {
	c.t.Helper()
	return c.do(method, c.plain+path, body, "Authorization", "Bearer "+c.token)
}

// create signs a user in and returns the session's id and its token.
func (c caller) create(userID string) (id, token string) {
	c.t.Helper()
	status, _, body := c.ask("POST", "/v1/sessions", strings.Replace(signInBody, "%", userID, 1))
	var made struct {
		Session struct{ ID string }
		Token   string
	}
	if err := json.Unmarshal([]byte(body), &made); err != nil || status != http.StatusCreated {
		c.t.Fatalf("%d %s", status, body)
	}
	return made.Session.ID, made.Token
}

// checks returns the status of a check.
func (c caller) checks(token string) int {
	c.t.Helper()
	status, _, _ := c.do("GET", c.plain+"/check", "", "Authorization", "Bearer "+token)
	return status
}

func TestBelowTheFloorOfDiskSpaceSignInsAreRefusedAndEndingsGoOn(t *testing.T) {
	d := newDisk()
	r, _ := onDisk(t, d, sessions.Options{})
	c := caller{r, r.token()}
	id, _ := c.create("ada")
	d.free.Store(pebble.DefaultMinFree / 2)
	time.Sleep(1100 * time.Millisecond) // the store looks once a second
	for _, act := range []struct {
		method, path, body string
		status             int
	}{
		{"POST", "/v1/sessions", strings.Replace(signInBody, "%", "ada", 1), http.StatusServiceUnavailable},
		{"PATCH", "/api/v2/sessions/" + id, `{"session_metadata":{"a":"b"}}`, http.StatusOK},
		{"DELETE", "/api/v2/sessions/" + id, "", http.StatusAccepted},
		{"DELETE", "/api/v2/users/ada/sessions", "", http.StatusAccepted},
		{"POST", "/v1/sessions/end-everybody", "", http.StatusAccepted},
	} {
		if status, _, body := c.ask(act.method, act.path, act.body); status != act.status {
			t.Errorf("%s %s: %d %s, want %d", act.method, act.path, status, body, act.status)
		}
	}
}

func TestBelowTheSecondFloorOfDiskSpaceActsAreAnswered503AndChecksGoOn(t *testing.T) {
	d := newDisk()
	r, _ := onDisk(t, d, sessions.Options{})
	c := caller{r, r.token()}
	id, token := c.create("ada")
	d.free.Store(1 << 20)
	time.Sleep(1100 * time.Millisecond) // the store looks once a second
	for _, act := range [][3]string{
		{"POST", "/v1/sessions", strings.Replace(signInBody, "%", "ada", 1)},
		{"PATCH", "/api/v2/sessions/" + id, `{"session_metadata":{"a":"b"}}`},
		{"DELETE", "/api/v2/sessions/" + id, ""},
		{"DELETE", "/api/v2/users/ada/sessions", ""},
		{"POST", "/v1/sessions/end-everybody", ""},
	} {
		status, header, body := c.ask(act[0], act[1], act[2])
		if status != http.StatusServiceUnavailable || !strings.Contains(body, "There is no room left to store the change; nothing was changed") || header.Get("Retry-After") == "" {
			t.Errorf("%s %s: %d %s", act[0], act[1], status, body)
		}
	}
	if status := c.checks(token); status != http.StatusOK {
		t.Errorf("a check: %d", status)
	}
	if status, _, body := c.ask("GET", "/api/v2/users/ada/sessions", ""); status != http.StatusOK || !strings.Contains(body, id) {
		t.Errorf("the list: %d %s", status, body)
	}
	if status, _, _ := c.ask("GET", "/readyz", ""); status != http.StatusOK {
		t.Errorf("ready: %d", status)
	}
	d.free.Store(1 << 40)
	time.Sleep(1100 * time.Millisecond)
	if status, _, body := c.ask("DELETE", "/api/v2/sessions/"+id, ""); status != http.StatusAccepted || c.checks(token) != http.StatusUnauthorized {
		t.Errorf("with room again: %d %s", status, body)
	}
}

// TestADiskThatCannotBeReadIsAnswered503 has everything in tables and nothing in
// memory, and reads of them fail, or bring other bytes than were written.
func TestADiskThatCannotBeReadIsAnswered503(t *testing.T) {
	const user = "user50a" // in the midst of the others
	for name, fault := range map[string]func([]byte) error{
		"an I/O error": func([]byte) error { return errors.New("injected") },
		"bad bytes": func(b []byte) error {
			if len(b) > 0 {
				b[len(b)/2] ^= 0x40
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDisk()
			store, err := pebble.Open("store", pebble.Options{FS: d})
			if err != nil {
				t.Fatal(err)
			}
			m, err := sessions.New(store, sessions.Options{})
			if err != nil {
				t.Fatal(err)
			}
			s, token, err := m.Create(context.Background(), rollcall.Caller{}, rollcall.NewSession{UserID: user})
			for i := range 1000 { // so that opening the store does not read that user's blocks
				_, _, failed := m.Create(context.Background(), rollcall.Caller{}, rollcall.NewSession{UserID: fmt.Sprint("user", i), UserAgent: strings.Repeat("x", 500)})
				err = errors.Join(err, failed)
			}
			if err = errors.Join(err, store.Close()); err != nil { // which writes a table
				t.Fatal(err)
			}
			r, fatal := onDisk(t, d, sessions.Options{})
			c := caller{r, r.token()}
			for known := false; !known; _, known = r.manager.Live() { // the first walk has read the store
				time.Sleep(time.Millisecond)
			}
			d.reads.Store(fault)
			if status := c.checks(token.Reveal()); status != http.StatusServiceUnavailable {
				t.Errorf("a check: %d", status)
			}
			for _, ask := range [][3]string{
				{"GET", "/api/v2/sessions/" + s.ID, ""},
				{"GET", "/api/v2/users/user50a/sessions", ""},
				{"DELETE", "/api/v2/sessions/" + s.ID, ""},
				{"PATCH", "/api/v2/sessions/" + s.ID, `{"session_metadata":{"a":"b"}}`},
				{"DELETE", "/api/v2/users/user50a/sessions", ""},
				// An id made elsewhere is looked for; a creation that needs no look succeeds.
				{"POST", "/v1/sessions", `{"user_id":"user50a","id":"made-elsewhere-0001","authentication":{"methods":[{"name":"pwd"}]}}`},
			} {
				if status, _, body := c.ask(ask[0], ask[1], ask[2]); status != http.StatusServiceUnavailable {
					t.Errorf("%s %s: %d %s", ask[0], ask[1], status, body)
				}
			}
			if len(fatal) > 0 {
				t.Errorf("the process would end: %v", <-fatal)
			}
			d.heal()
			if status := c.checks(token.Reveal()); status != http.StatusOK {
				t.Errorf("a check when it can be read again: %d", status)
			}
			if status, _, body := c.ask("GET", "/api/v2/users/user50a/sessions", ""); status != http.StatusOK || !strings.Contains(body, s.ID) {
				t.Errorf("the list when it can be read again: %d %s", status, body)
			}
		})
	}
}

func TestALogThatCannotBeWrittenOrSyncedEndsTheProcessAndNothingIsAcknowledged(t *testing.T) {
	for _, what := range []string{"written", "synced"} {
		t.Run(what, func(t *testing.T) {
			d := newDisk()
			r, fatal := onDisk(t, d, sessions.Options{})
			c := caller{r, r.token()}
			_, token := c.create("ada")
			full := func() error { return errors.New("no space left on device") }
			if what == "written" {
				d.written.Store(full)
			} else {
				d.synced.Store(full)
			}
			if status, _, body := c.ask("POST", "/v1/sessions", strings.Replace(signInBody, "%", "ada", 1)); status != http.StatusServiceUnavailable {
				t.Errorf("%d %s", status, body)
			}
			select {
			case err := <-fatal:
				fatal <- err
				if !strings.Contains(err.Error(), "no space left") {
					t.Errorf("it says: %v", err)
				}
			case <-time.After(10 * time.Second):
				t.Error("the process goes on")
			}
			// Between the failure and the end of the process nobody is refused either.
			if status := c.checks(token); status != http.StatusServiceUnavailable {
				t.Errorf("a check: %d", status)
			}
		})
	}
}

// TestADiskThatTakesTwoSecondsToSyncHoldsUpActsAndNobodyElse takes two seconds for each sync.
func TestADiskThatTakesTwoSecondsToSyncHoldsUpActsAndNobodyElse(t *testing.T) {
	d := newDisk()
	r, _ := onDisk(t, d, sessions.Options{Memory: 512 << 10})
	c := caller{r, r.token()}
	_, token := c.create("ada")
	d.synced.Store(func() error { time.Sleep(2 * time.Second); return nil })
	defer d.heal()
	var acts sync.WaitGroup
	var under atomic.Int64
	began := time.Now()
	for _, user := range []string{"bob", "eve", "joe"} {
		under.Add(1)
		acts.Go(func() {
			defer under.Add(-1)
			c.create(user)
		})
	}
	checks := 0
	for under.Load() > 0 {
		if status := c.checks(token); status != http.StatusOK {
			t.Fatalf("a check: %d", status)
		}
		checks++
	}
	acts.Wait()
	if took := time.Since(began); took < 2*time.Second {
		t.Errorf("acknowledged after %v, before the sync", took)
	}
	if checks < 100 {
		t.Errorf("%d checks in %v", checks, time.Since(began))
	}
	t.Logf("%d checks while three acts waited for the disk, %v", checks, time.Since(began).Round(time.Millisecond))
}

func TestWhileASyncHangsActsAreAnswered503InTimeAndChecksGoOn(t *testing.T) {
	d := newDisk()
	r, _ := onDisk(t, d, sessions.Options{Memory: 512 << 10, ActTimeout: 300 * time.Millisecond})
	c := caller{r, r.token()}
	id, token := c.create("ada")
	_, other := c.create("bob")
	hang := make(chan struct{})
	goOn := sync.OnceFunc(func() { close(hang) })
	defer goOn()
	d.synced.Store(func() error { <-hang; return nil })
	status, header, body := c.ask("DELETE", "/api/v2/sessions/"+id, "")
	if status != http.StatusServiceUnavailable || !strings.Contains(body, "may or may not have been made") || header.Get("Retry-After") == "" {
		t.Errorf("the ending: %d %s", status, body)
	}
	if status := c.checks(other); status != http.StatusOK {
		t.Errorf("a check of another user: %d", status)
	}
	// What this node is about to end may be seen as ended or not, but it is answered.
	if status := c.checks(token); status != http.StatusOK && status != http.StatusUnauthorized {
		t.Errorf("a check of the same user: %d", status)
	}
	if status, _, body := c.ask("DELETE", "/api/v2/sessions/"+id, ""); status != http.StatusServiceUnavailable {
		t.Errorf("the same ending again: %d %s", status, body)
	}
	goOn()
	if status, _, body := c.ask("DELETE", "/api/v2/sessions/"+id, ""); status != http.StatusAccepted || c.checks(token) != http.StatusUnauthorized {
		t.Errorf("the ending has not gone on: %d %s", status, body)
	}
	c.create("eve")
}
