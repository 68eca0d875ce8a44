package pebble

import (
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"

	pebbledb "github.com/cockroachdb/pebble/v2"
)

// A lastWord is what the library says when it cannot go on. It says so in two
// ways: through its logger's Fatalf, and by a panic when a write finds that an
// earlier one has failed. Both end the process: what is in memory after a write
// of the log has failed is unknown, and a sync that is tried again may report
// success for data that the kernel has thrown away.
type lastWord struct {
	log   *slog.Logger
	fatal func(error)
	said  atomic.Pointer[error]
}

func newLastWord(log *slog.Logger, fatal func(error)) *lastWord {
	w := &lastWord{log: log, fatal: fatal}
	if log == nil {
		w.log = slog.New(slog.DiscardHandler)
	}
	if fatal == nil {
		w.fatal = func(err error) {
			if log == nil {
				slog.Error(lastLine, "error", err) // an exit without a word helps nobody
			}
			os.Exit(1)
		}
	}
	return w
}

const lastLine = "the store's log cannot be written any more, ending at once"

// say logs the first failure and ends the process. All callers after the first
// end it too: none may go on while it ends.
func (w *lastWord) say(err error) {
	if w.said.CompareAndSwap(nil, &err) {
		w.log.Error(lastLine, "error", err)
	}
	w.fatal(err)
}

// err is what a store whose process should have ended answers to everything.
func (w *lastWord) err() error {
	if said := w.said.Load(); said != nil {
		return *said
	}
	return nil
}

// Infof implements the library's logger; its chatter interests nobody.
func (*lastWord) Infof(string, ...any) {}

// Errorf implements the library's logger.
func (w *lastWord) Errorf(format string, args ...any) {
	w.log.Error("store", "error", fmt.Sprintf(format, args...))
}

// Fatalf implements the library's logger.
func (w *lastWord) Fatalf(format string, args ...any) { w.say(fmt.Errorf(format, args...)) }

// listener passes on what an operator can do something about. Damaged data is
// the error of the read that meets it and no reason to end: the default would
// let one bad block stop everybody's checks.
func (w *lastWord) listener() *pebbledb.EventListener {
	return &pebbledb.EventListener{
		BackgroundError: func(err error) { w.log.Error("store: work in the background failed", "error", err) },
		DataCorruption:  func(i pebbledb.DataCorruptionInfo) { w.log.Error("store: damaged data", "error", i.String()) },
		DiskSlow:        func(i pebbledb.DiskSlowInfo) { w.log.Warn("store: the disk is slow", "what", i.String()) },
		WriteStallBegin: func(i pebbledb.WriteStallBeginInfo) {
			w.log.Warn("store: writes wait for the disk", "reason", i.Reason)
		},
	}
}

// apply makes a batch's changes. Nil means that they are made and, if the
// options say so, durable.
func (s *Store) apply(batch *pebbledb.Batch, o *pebbledb.WriteOptions) (err error) {
	defer func() {
		// A server recovers from panics of its handlers and would go on with a
		// store that cannot write.
		if p := recover(); p != nil {
			s.last.say(fmt.Errorf("writing the log: %v", p))
		}
		if lost := s.last.err(); lost != nil {
			err = lost
		}
	}()
	return s.db.Apply(batch, o)
}
