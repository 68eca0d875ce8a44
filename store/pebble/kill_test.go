//go:build unix

package pebble

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/store/pebble/internal/codec"
)

// killedOptions make the log of uses retire all the time.
var killedOptions = Options{MinFree: -1, useBytes: 8 << 10, useSessions: 20}

const killedSessions = 60

func killedID(i int) string { return fmt.Sprintf("session-%d", i) }

// TestKillAmidUsesLosesNothingAcknowledged kills a process again and again that
// touches sessions and tells of each touch that was acknowledged.
func TestKillAmidUsesLosesNothingAcknowledged(t *testing.T) {
	if dir := os.Getenv("ROLLCALL_TEST_TOUCH_IN"); dir != "" {
		touchForEver(t, dir)
	}
	rounds := 3
	if os.Getenv("ROLLCALL_TEST_LONG") != "" {
		rounds = 60
	}
	dir := filepath.Join(t.TempDir(), "store")
	latest, acknowledged := map[string]int{}, 0
	for round := range rounds {
		lines := 0
		cmd := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$")
		cmd.Env = append(os.Environ(), "ROLLCALL_TEST_TOUCH_IN="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for in := bufio.NewScanner(out); in.Scan(); {
			var id string
			var at int
			if _, err := fmt.Sscanf(in.Text(), "%s %d", &id, &at); err != nil {
				t.Errorf("it says %q", in.Text())
				break
			}
			latest[id] = at
			if lines++; lines == 150+37*round {
				if err := cmd.Process.Kill(); err != nil {
					t.Error(err)
				}
			}
		}
		_ = cmd.Wait() // it was killed
		acknowledged += lines
		s, err := Open(dir, killedOptions)
		if err != nil {
			t.Fatal(err)
		}
		for id, at := range latest {
			got, _, err := s.Session(background, rollcall.At{ID: id})
			if err != nil || got.Last.At.Before(codec.Milli(int64(at))) {
				t.Errorf("round %d: %s was used at %v, and acknowledged so; it has %v, %v", round, id, codec.Milli(int64(at)), got.Last.At, err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d kills, %d touches acknowledged", rounds, acknowledged)
	if acknowledged < rounds*150 {
		t.Error("it was not killed amid uses")
	}
}

// touchForEver touches sessions of the store until it is killed.
func touchForEver(t *testing.T, dir string) {
	t.Helper()
	s, err := Open(dir, killedOptions)
	if err != nil {
		t.Fatal(err)
	}
	begin := t0
	for i := range killedSessions {
		found, _, err := s.Session(background, rollcall.At{ID: killedID(i)})
		if err != nil {
			createSessions(t, s, "u", killedID(i))
			continue
		}
		if found.Last.At.After(begin) {
			begin = found.Last.At
		}
	}
	for i := range 100_000 {
		at := begin.Add(time.Duration(i+1) * time.Second)
		var touches []rollcall.Touch
		for j := range 5 {
			touches = append(touches, useAt("u", killedID((i*7+j)%killedSessions), at))
		}
		touchAll(t, s, touches...)
		for _, touch := range touches {
			fmt.Println(touch.SessionID, at.UnixMilli())
		}
	}
	t.Fatal("nobody has killed it")
}
