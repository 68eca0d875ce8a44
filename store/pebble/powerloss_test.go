package pebble

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/rollcall-id/rollcall"
)

// A powerLoss is a load under which the power goes, and what was acknowledged
// before it went.
type powerLoss struct {
	mu      sync.Mutex
	created map[string]bool // acknowledged; true when the ending was, too
	fs      *vfs.MemFS
	store   *Store
	began   time.Time
}

// TestPowerLossLosesNothingAcknowledged cuts the power again and again amid 16
// writers, with a file system that then drops what was not synced, and looks
// whether every creation and every ending that was acknowledged is there.
func TestPowerLossLosesNothingAcknowledged(t *testing.T) {
	rounds := 8
	if os.Getenv("ROLLCALL_TEST_LONG") != "" {
		rounds = 200
	}
	acknowledged, lost := 0, 0
	for round := range rounds {
		a, l := cutPower(t, Options{MinFree: -1, tidyEvery: 4}, int64(round))
		acknowledged, lost = acknowledged+a, lost+l
	}
	t.Logf("acknowledged %d, lost %d in %d power losses", acknowledged, lost, rounds)
	if lost > 0 || acknowledged == 0 {
		t.Errorf("%d of %d acknowledged acts were lost", lost, acknowledged)
	}
}

// TestPowerLossTestCanSeeALoss is the control: without syncs it must find losses. One
// power loss may lose nothing, when a table was just written or next to nothing was.
func TestPowerLossTestCanSeeALoss(t *testing.T) {
	const rounds = 20
	for round := range int64(rounds) {
		acknowledged, lost := cutPower(t, Options{MinFree: -1, noSync: true}, round)
		t.Logf("control without syncs: acknowledged %d, lost %d", acknowledged, lost)
		if lost > 0 {
			return
		}
	}
	t.Errorf("the test cannot see a loss in %d power losses", rounds)
}

// cutPower runs one load, cuts the power in the middle of it and counts.
func cutPower(t *testing.T, o Options, seed int64) (acknowledged, lost int) {
	t.Helper()
	p := &powerLoss{created: map[string]bool{}, fs: vfs.NewCrashableMem(), began: time.Now()}
	o.FS = p.fs
	store, err := Open("store", o)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	p.store = store
	ctx, cancel := context.WithCancel(context.Background())
	var writers sync.WaitGroup
	for w := range 16 {
		writers.Go(func() { p.write(ctx, t, w) })
	}
	random := rand.New(rand.NewPCG(uint64(seed), 1))
	time.Sleep(20*time.Millisecond + time.Duration(random.IntN(60))*time.Millisecond)

	// What is acknowledged before the clone is taken must be in the clone.
	p.mu.Lock()
	want := make(map[string]bool, len(p.created))
	for id, ended := range p.created {
		want[id] = ended
	}
	p.mu.Unlock()
	clone := p.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: random.IntN(2) * 50 * bit(!o.noSync), RNG: rand.New(rand.NewPCG(uint64(seed), 2))})
	cancel()
	writers.Wait()
	if err := store.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	o.FS = clone
	after, err := Open("store", o)
	if err != nil {
		t.Fatalf("opening after the power loss: %v", err)
	}
	defer closeQuietly(after)
	for id, ended := range want {
		acknowledged++
		s, _, err := after.Session(context.Background(), rollcall.At{ID: id})
		if err != nil || ended && s.EndedAt.IsZero() {
			lost++
		}
	}
	return acknowledged, lost
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// write creates sessions and ends every other one, half of them unread, noting what is
// acknowledged.
func (p *powerLoss) write(ctx context.Context, t *testing.T, w int) {
	userID := fmt.Sprintf("user-%d", w)
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var version uint64 // of the user's row
	for i := 0; ctx.Err() == nil; i++ {
		s := rollcall.Session{
			ID: fmt.Sprintf("session-%d-%d", w, i), UserID: userID, CreatedAt: at, ExpiresAt: at.Add(time.Hour),
			Last: rollcall.Interaction{At: at, IdleExpiresAt: at.Add(time.Hour)},
		}
		put := func(s rollcall.Session, replaces uint64, unread bool) bool {
			c := rollcall.Change{
				UserID: userID, User: userAt(userID, version),
				Events: []rollcall.Event{{ID: s.ID, UserID: userID, At: at}},
			}
			version++
			if unread {
				c.Ends = []rollcall.End{endOf(s)}
			} else {
				c.Sessions = []rollcall.PutSession{{Session: s, Replaces: replaces}}
			}
			if err := commit(p.store, c); err != nil {
				t.Errorf("Commit: %v", err)
				return false
			}
			p.mu.Lock()
			defer p.mu.Unlock()
			p.created[s.ID] = replaces > 0
			return true
		}
		if !put(s, 0, false) || i%2 == 0 && !put(s.Ended(rollcall.Ending{EndedAt: at, EndReason: rollcall.ReasonLogout}), 1, i%4 == 0) {
			return
		}
	}
}
