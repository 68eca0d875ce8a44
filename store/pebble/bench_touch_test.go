//go:build unix

package pebble

import (
	"math/rand/v2"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/rollcall-id/rollcall"
)

// processorTime is what the process has taken of the processors so far, the
// library's work in the background included.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkTouch writes the uses of one second after the other, as the loop does:
// of 20,000 sessions that are used each second, and of 50,000 drawn from
// 1,000,000. It tells the processor time of a use, with all that follows from it
// in the background.
func BenchmarkTouch(b *testing.B) {
	const users, each = 50_000, 20
	for _, c := range []struct {
		name        string
		used, among int
	}{{"hot 20000", 20_000, 20_000}, {"uniform 50000 of 1000000", 50_000, users * each}} {
		b.Run(c.name, func(b *testing.B) {
			s := filled(b, users, each)
			if err := s.Compact(background); err != nil {
				b.Fatal(err)
			}
			origins := make([]rollcall.Origin, 200)
			for i := range origins {
				origins[i] = typical("", "", t0).Initial
				origins[i].IP = "198.51.100." + string(rune('0'+i%10))
				origins[i].UserAgent += string(rune('a' + i%26))
			}
			touches := make([]rollcall.Touch, c.used)
			b.ResetTimer()
			var spent time.Duration
			second := 0
			for b.Loop() {
				b.StopTimer()
				second++
				for i := range touches {
					// Each session once, as the loop does: of every so many, one.
					n := i*(c.among/c.used) + rand.IntN(c.among/c.used)
					at := t0.Add(time.Hour + time.Duration(second)*time.Second + time.Duration(rand.IntN(1000))*time.Millisecond)
					touches[i] = rollcall.Touch{
						UserID: benchUser(n / each), SessionID: benchID(n),
						Interaction: rollcall.Interaction{At: at, IdleExpiresAt: at.Add(72 * time.Hour), Origin: origins[rand.IntN(len(origins))]},
					}
				}
				before := processorTime(b)
				b.StartTimer()
				if err := s.Touch(background, touches); err != nil {
					b.Fatal(err)
				}
				spent += processorTime(b) - before
			}
			before := processorTime(b)
			if err := s.db.Flush(); err != nil {
				b.Fatal(err)
			}
			spent += processorTime(b) - before
			b.ReportMetric(float64(spent)/float64(second*len(touches)), "cpu-ns/use")
		})
	}
}

// BenchmarkOpenWithAFullLog opens a store whose log of uses is at its bounds: of
// 1,000,000 sessions, and as many bytes as it may have. It tells the memory that the
// uses take.
func BenchmarkOpenWithAFullLog(b *testing.B) {
	const sessions = 1_000_000
	dir := b.TempDir()
	s, err := Open(dir, Options{MinFree: -1, noSync: true})
	if err != nil {
		b.Fatal(err)
	}
	origin := typical("", "", t0).Initial
	touches := make([]rollcall.Touch, 50_000)
	for round := 0; s.uses.Bytes() < s.uses.MaxBytes-8<<20; round++ {
		for i := range touches {
			n := (round*len(touches) + i) % sessions
			at := t0.Add(time.Duration(round) * time.Second)
			touches[i] = rollcall.Touch{UserID: benchUser(n), SessionID: benchID(n), Interaction: rollcall.Interaction{At: at, IdleExpiresAt: at.Add(time.Hour), Origin: origin}}
		}
		if err := s.Touch(background, touches); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	heap := func() float64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return float64(m.HeapAlloc) / (1 << 20)
	}
	s = nil
	before := heap()
	for b.Loop() {
		if s, err = Open(dir, Options{MinFree: -1}); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if n := s.uses.Len(); n != sessions {
			b.Errorf("the uses of %d sessions", n)
		}
		b.ReportMetric(heap()-before, "MiB-heap")
		b.ReportMetric(float64(s.uses.Bytes())/(1<<20), "MiB-log")
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		s = nil
		b.StartTimer()
	}
}
