package sessions

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestADeadlineEndsWhenItsTimeIsUpOrItsParentEnds(t *testing.T) {
	for name, waits := range map[string]bool{"somebody waits": true, "nobody waits": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				parent, cancel := context.WithCancel(t.Context())
				began := time.Now()
				first, second := within(parent, time.Second), within(parent, time.Minute)
				defer first.end()
				defer second.end()
				nested := within(first, time.Hour)
				defer nested.end()
				holds := func(d *deadline, want error) {
					t.Helper()
					if err := d.Err(); !errors.Is(err, want) {
						t.Errorf("after %v: %v, want %v", time.Since(began), err, want)
					}
				}
				if at, ok := nested.Deadline(); !ok || !at.Equal(began.Add(time.Second)) {
					t.Errorf("one within another ends at %v", at.Sub(began))
				}
				if waits {
					go func() { <-first.Done() }()
					go func() { <-second.Done() }()
				}
				time.Sleep(time.Second - time.Nanosecond)
				for _, d := range []*deadline{first, second, nested} {
					holds(d, nil)
				}
				time.Sleep(time.Nanosecond)
				synctest.Wait()
				holds(first, context.DeadlineExceeded)
				holds(nested, context.DeadlineExceeded)
				holds(second, nil)
				if waits {
					<-first.Done()
					<-nested.Done()
				}
				cancel()
				synctest.Wait()
				holds(first, context.DeadlineExceeded)
				holds(second, context.Canceled)
				<-second.Done()
				time.Sleep(time.Hour)
				holds(second, context.Canceled)
			})
		})
	}
}

func TestADeadlineThatHasEndedLeavesNoTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := within(t.Context(), time.Hour)
		done := d.Done()
		d.end()
		<-done
		if err := d.Err(); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	})
}
