package pebble

import (
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/rollcall-id/rollcall"
)

// filled is a store on the disk that holds users with so many sessions each.
func filled(b *testing.B, users, each int) *Store {
	b.Helper()
	s, err := Open(b.TempDir(), Options{MinFree: -1, noSync: true})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	fill(b, s, users, each)
	b.ReportAllocs()
	b.ResetTimer()
	return s
}

func fill(b *testing.B, s *Store, users, each int) {
	b.Helper()
	for u := range users {
		var sessions []rollcall.Session
		for i := range each {
			sessions = append(sessions, typical(benchUser(u), benchID(u*each+i), t0.Add(time.Duration(i)*time.Minute)))
		}
		if err := commit(s, creation(benchUser(u), 0, sessions...)); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.db.Flush(); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkSession(b *testing.B) {
	const users = 100_000
	s := filled(b, users, 2)
	for b.Loop() {
		if _, _, err := s.Session(background, rollcall.At{ID: benchID(rand.IntN(2 * users))}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSessionInParallel(b *testing.B) {
	const users = 100_000
	s := filled(b, users, 2)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, _, err := s.Session(background, rollcall.At{ID: benchID(rand.IntN(2 * users))}); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

func BenchmarkListOf50(b *testing.B) {
	const users = 2000
	s := filled(b, users, 60)
	for b.Loop() {
		_, sessions, err := s.Sessions(background, rollcall.SessionsOf{UserID: benchUser(rand.IntN(users)), Limit: 50})
		if err != nil || len(sessions) != 50 {
			b.Fatal(len(sessions), err)
		}
	}
}

// BenchmarkCommit creates sessions, each for a user of its own, from 64
// goroutines on the real disk with every sync.
func BenchmarkCommit(b *testing.B) {
	s, err := Open(b.TempDir(), Options{FS: vfs.Default, MinFree: -1})
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	}()
	var next atomic.Int64
	b.ReportAllocs()
	b.SetParallelism(32) // of each of the 2 or more processors
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			i := int(next.Add(1))
			if err := commit(s, creation(benchUser(i), 0, typical(benchUser(i), benchID(i), t0))); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// BenchmarkSweep removes sessions in bites of 200, as the loop does.
func BenchmarkSweep(b *testing.B) {
	const users = 20_000
	s := filled(b, users, 1)
	bite := rollcall.Sweep{
		SessionsBefore: t0.Add(1000 * time.Hour), Limit: 200,
		Decide: func(rollcall.Walked) rollcall.Verdict { return rollcall.Verdict{} },
	}
	for b.Loop() {
		swept, err := s.Sweep(background, bite)
		if err != nil {
			b.Fatal(err)
		}
		if swept.Removed == 0 {
			b.StopTimer()
			fill(b, s, users, 1) // under the ids that the sweep has set free
			b.StartTimer()
		}
	}
}

func BenchmarkDecodeSession(b *testing.B) {
	r := row{session: typical(benchUser(1), benchID(1), t0), filed: t0}
	record := r.encode()
	b.ReportAllocs()
	b.ReportMetric(float64(len(record)), "B/record")
	for b.Loop() {
		if _, err := decodeRow(record); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncodeSession(b *testing.B) {
	r := row{session: typical(benchUser(1), benchID(1), t0), filed: t0}
	b.ReportAllocs()
	for b.Loop() {
		r.encode()
	}
}
