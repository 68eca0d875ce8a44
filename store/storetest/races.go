package storetest

import (
	"errors"
	"sync"

	"github.com/rollcall-id/rollcall"
)

// whileReading calls read so many times each in several goroutines, and returns when all
// have ended. A reader whose read returns false stops.
func whileReading(readers, times int, read func() bool) {
	var all sync.WaitGroup
	for range readers {
		all.Go(func() {
			for range times {
				if !read() {
					return
				}
			}
		})
	}
	all.Wait()
}

// retried does an act again while it conflicts.
func (s subject) retried(act func() error) {
	for {
		err := act()
		if err == nil {
			return
		}
		if !errors.Is(err, rollcall.ErrConflict) {
			s.t.Errorf("Commit: %v", err)
			return
		}
	}
}
