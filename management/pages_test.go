package management

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/internal/doortest"
	"github.com/rollcall-id/rollcall/sessions"
	"github.com/rollcall-id/rollcall/store/memory"
)

const aUser = "auth0|1"

// A sink is an answer of which only the size is kept.
type sink struct {
	header http.Header
	size   int
}

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) WriteHeader(int)             {}
func (s *sink) Write(b []byte) (int, error) { s.size += len(b); return len(b), nil }

// newManager remembers what its sessions need, and more.
func newManager(t *testing.T, memorySize int64) *sessions.Manager {
	t.Helper()
	m, err := sessions.New(memory.New(), sessions.Options{Memory: memorySize})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// doorTo is a door with so many bytes for pages, for callers who may do everything.
func doorTo(m *sessions.Manager, pageMemory int64) *Door {
	return New(Options{
		Manager: m, Logger: slog.New(slog.DiscardHandler), PageMemory: pageMemory, Compress: true,
		Authenticate: func(http.ResponseWriter, *http.Request) (rollcall.Caller, bool) {
			return rollcall.Caller{Scopes: rollcall.Scopes()}, true
		},
	})
}

func signInMany(t *testing.T, m *sessions.Manager, userID string, count int) {
	t.Helper()
	for i := range count {
		_, _, err := m.Create(context.Background(), rollcall.Caller{}, rollcall.NewSession{
			UserID: userID, ClientID: "shop", Methods: []rollcall.Method{{Name: "pwd"}},
			IP: fmt.Sprintf("192.0.2.%d", i%256), UserAgent: "Mozilla/5.0 (X11; Linux x86_64) " + strings.Repeat("browser ", i%40),
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func list(t *testing.T, d *Door, userID string, take int, total bool) string {
	t.Helper()
	target := fmt.Sprintf("/api/v2/users/%s/sessions?take=%d&include_totals=%t", url.PathEscape(userID), take, total)
	w := doortest.Serve(d, http.MethodGet, target, "")
	if w.Code != http.StatusOK {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func TestAKeptPageIsWhatTheStoreHolds(t *testing.T) {
	m := newManager(t, 4<<20)
	signInMany(t, m, aUser, 60)
	keeping, bare := doorTo(m, 4<<20), doorTo(m, 0)
	for _, take := range []int{20, 29, 30, 50} {
		for _, totals := range [][]bool{{false, false, false, false, true, true, true, true}, {true, true, true, true, false, false, true}} {
			for _, total := range totals {
				want, got := list(t, bare, aUser, take, total), list(t, keeping, aUser, take, total)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("take %d, total %t: %s", take, total, diff)
				}
			}
			signInMany(t, m, aUser, 1) // and all of it is outdated
		}
	}
	// All takes leave a session for a next page, so the first total that is asked for has
	// the page compressed anew; and each take is decompressed once without and with it.
	if c := keeping.pages.Counts(); c.Compressed != 4*3 || c.Decompressed != 4*4 {
		t.Errorf("%d were compressed, %d decompressed", c.Compressed, c.Decompressed)
	}
}

func TestAPageOfAllSessionsIsCompressedOnceForBothTails(t *testing.T) {
	m := newManager(t, 4<<20)
	signInMany(t, m, aUser, 30)
	keeping, bare := doorTo(m, 4<<20), doorTo(m, 0)
	for range 4 {
		for _, total := range []bool{false, true} {
			if diff := cmp.Diff(list(t, bare, aUser, 50, total), list(t, keeping, aUser, 50, total)); diff != "" {
				t.Errorf("total %t: %s", total, diff)
			}
		}
	}
	if c := keeping.pages.Counts(); c.Compressed != 1 {
		t.Errorf("%+v", c)
	}
}

// TestAPageIsNotCompressedForNothing asks for pages that change between all asks.
func TestAPageIsNotCompressedForNothing(t *testing.T) {
	m := newManager(t, 4<<20)
	signInMany(t, m, aUser, 30)
	d := doorTo(m, 4<<20)
	for range 20 {
		signInMany(t, m, aUser, 1)
		list(t, d, aUser, 50, false)
	}
	if c := d.pages.Counts(); c.Compressed != 0 || c.Hits != 0 {
		t.Errorf("%+v, and nobody could use any", c)
	}
}

// TestAPageIsRightUntilItsFirstSessionEnds has a clock that moves forth and back.
func TestAPageIsRightUntilItsFirstSessionEnds(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	m, err := sessions.New(memory.New(), sessions.Options{Memory: 1 << 20, Clock: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	for _, lifetime := range []time.Duration{time.Hour, 2 * time.Hour} {
		in := rollcall.NewSession{UserID: aUser, Methods: []rollcall.Method{{Name: "pwd"}}}
		in.Asked.Absolute = lifetime
		if _, _, err := m.Create(context.Background(), rollcall.Caller{}, in); err != nil {
			t.Fatal(err)
		}
	}
	keeping, bare := doorTo(m, 1<<20), doorTo(m, 0)
	for _, step := range []time.Duration{0, time.Hour - time.Millisecond, time.Millisecond, time.Hour - time.Millisecond, time.Millisecond, -time.Millisecond, -time.Hour} {
		now = now.Add(step)
		for range 4 {
			if diff := cmp.Diff(list(t, bare, aUser, 50, true), list(t, keeping, aUser, 50, true)); diff != "" {
				t.Errorf("at %v: %s", now, diff)
			}
		}
	}
	if hits, _ := keeping.PageLookups(); hits == 0 {
		t.Error("no page was kept")
	}
}

// slowCommits is a store whose commits stop before and after they take place.
type slowCommits struct {
	rollcall.Store
	stop func()
}

func (s *slowCommits) Commit(ctx context.Context, c rollcall.Change) (rollcall.Standing, error) {
	s.stop()
	defer s.stop()
	return s.Store.Commit(ctx, c)
}

func TestNoPageIsKeptWhileAnActIsUnderWay(t *testing.T) {
	store := &slowCommits{memory.New(), func() {}}
	m, err := sessions.New(store, sessions.Options{Memory: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	signInMany(t, m, aUser, 1)
	keeping, bare := doorTo(m, 1<<20), doorTo(m, 0)
	stopped, goOn := make(chan struct{}), make(chan struct{})
	store.stop = func() { stopped <- struct{}{}; <-goOn }
	ended := make(chan error, 1)
	go func() { ended <- m.EndAll(context.Background(), rollcall.Caller{}, aUser, rollcall.ReasonDeleted) }()
	for _, moment := range []string{"before", "after"} {
		<-stopped
		for range 4 {
			if diff := cmp.Diff(list(t, bare, aUser, 50, true), list(t, keeping, aUser, 50, true)); diff != "" {
				t.Errorf("%s the ending was written: %s", moment, diff)
			}
		}
		goOn <- struct{}{}
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}

// TestNoPageIsKeptWithoutAStamp has a Manager without memory, which does not notice acts.
func TestNoPageIsKeptWithoutAStamp(t *testing.T) {
	m := newManager(t, 0)
	signInMany(t, m, aUser, 3)
	d := doorTo(m, 1<<20)
	for range 4 {
		list(t, d, aUser, 50, false)
	}
	if hits, misses := d.PageLookups(); hits != 0 || misses != 0 {
		t.Errorf("%d hits, %d misses", hits, misses)
	}
}

// TestAnAnswerIsWholeWhileItsPageIsReplaced sends many pages at once from too little
// memory.
func TestAnAnswerIsWholeWhileItsPageIsReplaced(t *testing.T) {
	m := newManager(t, 512<<10)
	d := doorTo(m, 512<<10)
	users := []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"}
	want := map[string]string{}
	for _, user := range users {
		signInMany(t, m, user, 40)
		want[user] = list(t, d, user, 100, false)
	}
	var workers sync.WaitGroup
	for w := range 4 {
		workers.Go(func() {
			for i := range 300 {
				user := users[(w*7+i*i)%len(users)]
				if list(t, d, user, 100, false) != want[user] {
					t.Errorf("the page of %s is another one than at first", user)
					return
				}
			}
		})
	}
	workers.Wait()
	if c := d.pages.Counts(); c.Hits == 0 || c.Decompressed == 0 {
		t.Errorf("%+v", c)
	}
}
