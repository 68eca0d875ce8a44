package main

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollcall-id/rollcall/internal/logtest"
)

// A slowWriter takes lines when it is let.
type slowWriter struct {
	logtest.Buffer
	gate chan struct{} // closed when it may go on; nil never waits
}

func (w *slowWriter) Write(b []byte) (int, error) {
	if w.gate != nil {
		<-w.gate
	}
	return w.Buffer.Write(b)
}

func TestLinesAreWrittenSoonAndAllOfThemAtAStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &slowWriter{}
		b := newLineBuffer(w)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); b.run(ctx, slog.New(slog.DiscardHandler)) }()
		line := func(s string) {
			if _, err := b.Write([]byte(s + "\n")); err != nil {
				t.Error(err)
			}
		}
		line("one")
		if w.String() != "" {
			t.Error("a line was written by whoever made it")
		}
		time.Sleep(lineInterval + time.Millisecond)
		if w.String() != "one\n" {
			t.Errorf("after the interval: %q", w.String())
		}
		line("two")
		line("three")
		cancel()
		<-done
		line("four")
		if w.String() != "one\ntwo\nthree\nfour\n" {
			t.Errorf("in the end: %q", w.String())
		}
	})
}

func TestNobodyWaitsForASlowReaderAndWhatIsLostIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, said := &slowWriter{gate: make(chan struct{})}, &logtest.Buffer{}
		b := newLineBuffer(w)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); b.run(ctx, said.Logger()) }()
		line := []byte(strings.Repeat("x", 1023) + "\n")
		_, _ = b.Write(line)
		time.Sleep(lineInterval + time.Millisecond) // the writer waits now
		synctest.Wait()
		for range lineRoom/1024 + 5 {
			_, _ = b.Write(line)
		}
		if b.lostLines() != 5 {
			t.Errorf("%d lines lost, want 5", b.lostLines())
		}
		close(w.gate)
		time.Sleep(2 * lineInterval)
		synctest.Wait()
		if n := w.Count("\n"); n != lineRoom/1024+1 {
			t.Errorf("%d lines written", n)
		}
		if !said.Has("lines=5") || said.Count("\n") != 1 {
			t.Errorf("told: %q", said.String())
		}
		cancel()
		<-done
	})
}
