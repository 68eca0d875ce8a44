//go:build unix

package pebble

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	pebbledb "github.com/cockroachdb/pebble/v2"

	"github.com/rollcall-id/rollcall"
)

// BenchmarkCreateAndEnd creates sessions and ends them from 64 goroutines, with
// every sync, in a store that holds 1,000,000 others. It tells the processor time of
// a commit, with all that follows from it in the background.
func BenchmarkCreateAndEnd(b *testing.B) {
	const users, each = 50_000, 20
	s := filled(b, users, each)
	if err := s.Compact(background); err != nil {
		b.Fatal(err)
	}
	s.sync = pebbledb.Sync
	var next, commits atomic.Int64
	b.SetParallelism(32) // of each of the 2 or more processors
	b.ResetTimer()
	before := processorTime(b)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			i := int(next.Add(1))
			userID := benchUser(users + i)
			session := typical(userID, fmt.Sprintf("%032x", uint64(i)*0xd1342543de82ef95), t0.Add(time.Hour))
			standing, _, err := s.Sessions(background, rollcall.SessionsOf{UserID: userID, Limit: 0})
			if err == nil {
				err = commit(s, creation(userID, standing.User.Version, session))
			}
			if err == nil {
				session, _, err = s.Session(background, rollcall.At{ID: session.ID})
			}
			if err == nil {
				err = commit(s, ending(session))
			}
			if err != nil {
				b.Error(err)
				return
			}
			commits.Add(2)
		}
	})
	b.StopTimer()
	if err := s.db.Flush(); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(processorTime(b)-before)/float64(commits.Load()), "cpu-ns/commit")
}

func ending(s rollcall.Session) rollcall.Change {
	return rollcall.Change{
		UserID:   s.UserID,
		Sessions: []rollcall.PutSession{{Session: s.Ended(rollcall.Ending{EndedAt: t0.Add(2 * time.Hour), EndReason: rollcall.ReasonLogout}), Replaces: s.Version}},
		Events: []rollcall.Event{{
			ID: "end-" + s.ID, Type: rollcall.SessionEnded, At: t0.Add(2 * time.Hour), UserID: s.UserID, SessionID: s.ID, ClientID: "web",
			Actor: "backend", IP: s.Initial.IP, UserAgent: s.Initial.UserAgent, Reason: rollcall.ReasonLogout,
		}},
	}
}
