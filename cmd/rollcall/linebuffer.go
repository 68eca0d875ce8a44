package main

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// lineRoom is how many bytes of lines wait at most.
	lineRoom = 1 << 20
	// lineInterval is how long a line waits at most, when it can be written.
	lineInterval = 100 * time.Millisecond
)

// A lineBuffer gathers lines and writes them together, away from whoever makes
// them: no request waits for a terminal or a pipe that is slow. Lines that find no
// room are lost and counted.
type lineBuffer struct {
	w    io.Writer
	full chan struct{} // told when half of the room is used
	lost atomic.Uint64

	mu      sync.Mutex
	pending []byte
	spare   []byte // the buffer that is not in use
	closed  bool
}

func newLineBuffer(w io.Writer) *lineBuffer {
	return &lineBuffer{w: w, full: make(chan struct{}, 1)}
}

// Write takes one line. It never waits, and never fails. Once run has returned,
// lines are written at once.
func (b *lineBuffer) Write(line []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.closed:
		_, _ = b.w.Write(line)
	case len(b.pending)+len(line) > lineRoom:
		b.lost.Add(1)
	default:
		b.pending = append(b.pending, line...)
		if len(b.pending) > lineRoom/2 {
			select {
			case b.full <- struct{}{}:
			default:
			}
		}
	}
	return len(line), nil
}

// run writes what is gathered until ctx is done, and then what is left. It says
// on log when lines have been lost.
func (b *lineBuffer) run(ctx context.Context, log *slog.Logger) {
	t := time.NewTicker(lineInterval)
	defer t.Stop()
	told := uint64(0)
	for ctx.Err() == nil {
		select {
		case <-t.C:
		case <-b.full:
		case <-ctx.Done():
		}
		b.flush()
		if lost := b.lost.Load(); lost > told {
			log.Warn("lines about requests were lost: stderr is read too slowly", "lines", lost-told)
			told = lost
		}
	}
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.flush()
}

// flush writes what is gathered. It is called from one goroutine.
func (b *lineBuffer) flush() {
	b.mu.Lock()
	lines := b.pending
	b.pending, b.spare = b.spare[:0], nil
	b.mu.Unlock()
	if len(lines) > 0 {
		_, _ = b.w.Write(lines) // there is nowhere to say that stderr is gone
	}
	b.mu.Lock()
	b.spare = lines[:0]
	b.mu.Unlock()
}

func (b *lineBuffer) lostLines() uint64 { return b.lost.Load() }
