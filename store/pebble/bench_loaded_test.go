//go:build unix

package pebble

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	pebbledb "github.com/cockroachdb/pebble/v2"

	"github.com/rollcall-id/rollcall"
)

// loadedStore is what `bench load` leaves: a million sessions of 200,000 users.
const loadedStore = "../../bench/data/sessions-1000000/store"

// BenchmarkActsOnAMillion creates sessions for users drawn at random from those of
// a loaded store, ends them, and reads others, from 64 goroutines with every sync. It tells
// the processor time of an act, with all that follows from it in the background:
// let it make at least 300,000 (-benchtime 300000x).
func BenchmarkActsOnAMillion(b *testing.B) {
	s := loaded(b)
	users, old := ownersOfAll(b, s)
	ids := make([]string, b.N)
	act := func(b *testing.B, do func(i int, random *rand.Rand) error) {
		var next atomic.Int64
		before, was := processorTime(b), s.db.Metrics()
		b.SetParallelism(32) // of each of the 2 or more processors
		b.RunParallel(func(pb *testing.PB) {
			random := rand.New(rand.NewPCG(rand.Uint64(), 1))
			for pb.Next() {
				if err := do(int(next.Add(1)-1), random); err != nil {
					b.Error(err)
					return
				}
			}
		})
		report(b, s, was, processorTime(b)-before, b.Name()[strings.LastIndexByte(b.Name(), '/')+1:])
	}
	b.ReportAllocs()
	b.ResetTimer()
	b.Run("create", func(b *testing.B) {
		ids = make([]string, b.N)
		act(b, func(i int, random *rand.Rand) error {
			userID := users[random.IntN(len(users))]
			ids[i] = randomID(random)
			for {
				standing, _, err := s.Sessions(background, rollcall.SessionsOf{UserID: userID, Limit: 0})
				if err != nil {
					return err
				}
				err = commit(s, creation(userID, standing.User.Version, typical(userID, ids[i], t0)))
				if err != rollcall.ErrConflict {
					return err
				}
			}
		})
	})
	random := rand.New(rand.NewPCG(1, 2))
	random.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	b.Run("end", func(b *testing.B) {
		if b.N > len(ids) {
			b.Skip("run it with -benchtime Nx")
		}
		act(b, func(i int, random *rand.Rand) error {
			for {
				session, standing, err := s.Session(background, rollcall.At{ID: ids[i]})
				if err != nil {
					return err
				}
				c := ending(session)
				c.User = &rollcall.PutUser{User: standing.User, Replaces: standing.User.Version}
				err = commit(s, c)
				if err != rollcall.ErrConflict {
					return err
				}
			}
		})
	})
	// What nobody remembers, in tables as the acts have left them.
	b.Run("read", func(b *testing.B) {
		act(b, func(_ int, random *rand.Rand) error {
			_, _, err := s.Session(background, rollcall.At{ID: old[random.IntN(len(old))]})
			return err
		})
	})
}

func report(b *testing.B, s *Store, was *pebbledb.Metrics, spent time.Duration, what string) {
	m := s.db.Metrics()
	n := float64(b.N)
	var compacted, compactedWas uint64
	for i := range m.Levels {
		compacted += m.Levels[i].TableBytesCompacted
		compactedWas += was.Levels[i].TableBytesCompacted
	}
	b.ReportMetric(float64(spent)/n/1e3, "cpu-us/"+what)
	b.ReportMetric(float64(m.WAL.BytesWritten-was.WAL.BytesWritten)/n, "wal-B/op")
	b.ReportMetric(float64(compacted-compactedWas)/n, "compacted-B/op")
	b.ReportMetric(float64(m.BlockCache.Misses-was.BlockCache.Misses)/n, "misses/op")
	b.ReportMetric(0, "ns/op")
	if testing.Verbose() {
		b.Log(m.String())
	}
}

func randomID(random *rand.Rand) string {
	return fmt.Sprintf("%016x%016x", random.Uint64(), random.Uint64())
}

// loaded opens a copy of the loaded store. Tables never change, so they are linked.
func loaded(b *testing.B) *Store {
	b.Helper()
	dir, err := os.MkdirTemp(filepath.Dir(filepath.Dir(loadedStore)), "copy-")
	if err != nil {
		b.Skip("there is no loaded store: make bench-load")
	}
	b.Cleanup(func() { _ = os.RemoveAll(dir) })
	err = filepath.WalkDir(loadedStore, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if strings.HasSuffix(path, ".sst") {
			return os.Link(path, filepath.Join(dir, d.Name()))
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, d.Name()), data, 0o600)
	})
	if err != nil {
		b.Skip("there is no loaded store: ", err)
	}
	s, err := Open(dir, Options{MinFree: -1})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	return s
}

// ownersOfAll returns the user of each session, and its id.
func ownersOfAll(b *testing.B, s *Store) (owners, ids []string) {
	b.Helper()
	it, err := s.db.NewIter(&pebbledb.IterOptions{LowerBound: []byte{spacePointer}, UpperBound: []byte{spacePointer + 1}})
	if err != nil {
		b.Fatal(err)
	}
	defer closeQuietly(it)
	known := map[string]string{}
	for ok := it.First(); ok; ok = it.Next() {
		p, err := decodePointer(it.Value())
		if err != nil {
			b.Fatal(err)
		}
		if _, ok := known[p.userID]; !ok {
			known[p.userID] = p.userID
		}
		owners, ids = append(owners, known[p.userID]), append(ids, string(it.Key()[1:]))
	}
	return owners, ids
}
