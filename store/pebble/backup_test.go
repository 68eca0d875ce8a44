package pebble

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/rollcall-id/rollcall"
)

func TestABackupWhileServingHoldsWhatWasAcknowledgedBeforeIt(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(filepath.Join(dir, "store"), Options{MinFree: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer closeQuietly(s)
	var mu sync.Mutex
	var acknowledged []string
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				id := fmt.Sprintf("session-%d-%d", w, i)
				if err := commit(s, aCreation(id)); err != nil {
					t.Errorf("Commit: %v", err)
					return
				}
				mu.Lock()
				acknowledged = append(acknowledged, id)
				mu.Unlock()
			}
		})
	}
	for round := range 3 {
		mu.Lock()
		want := append([]string(nil), acknowledged...)
		mu.Unlock()
		copied := filepath.Join(dir, fmt.Sprintf("copy-%d", round))
		if err := s.Backup(context.Background(), copied); err != nil {
			t.Fatal(err)
		}
		restored, err := Open(copied, Options{MinFree: -1})
		if err != nil {
			t.Fatalf("opening the copy: %v", err)
		}
		for _, id := range want {
			if _, _, err := restored.Session(context.Background(), rollcall.At{ID: id}); err != nil {
				t.Errorf("%s is not in the copy: %v", id, err)
			}
		}
		if err := commit(restored, aCreation("after the restoring")); err != nil {
			t.Errorf("the copy cannot be written: %v", err)
		}
		closeQuietly(restored)
	}
	cancel()
	writers.Wait()
	if err := s.Backup(context.Background(), filepath.Join(dir, "copy-0")); err == nil {
		t.Error("a copy is written over another")
	}
}

// TestABackupHoldsUsesThatAreNotInTheirRowsYet restores a copy of a store whose last
// uses are in the log of uses alone.
func TestABackupHoldsUsesThatAreNotInTheirRowsYet(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(filepath.Join(dir, "store"), Options{MinFree: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer closeQuietly(s)
	if err := commit(s, aCreation("one")); err != nil {
		t.Fatal(err)
	}
	last := rollcall.Interaction{
		At: at.Add(time.Minute), IdleExpiresAt: at.Add(30 * time.Minute),
		Origin: rollcall.Origin{IP: "192.0.2.9", UserAgent: "Firefox"},
	}
	if err := s.Touch(context.Background(), []rollcall.Touch{{UserID: "u", SessionID: "one", Interaction: last}}); err != nil {
		t.Fatal(err)
	}
	l := latest{db: s.db}
	defer l.close()
	stored, _, err := rowIn(&l, "one")
	if err != nil || stored.session.Last == last {
		t.Fatalf("the use is in the row already, the test shows nothing: %+v, %v", stored.session.Last, err)
	}
	copied := filepath.Join(dir, "copy")
	if err := s.Backup(context.Background(), copied); err != nil {
		t.Fatal(err)
	}
	restored, err := Open(copied, Options{MinFree: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer closeQuietly(restored)
	if got, _, err := restored.Session(context.Background(), rollcall.At{ID: "one"}); err != nil || got.Last != last {
		t.Errorf("%+v, %v", got.Last, err)
	}
}
