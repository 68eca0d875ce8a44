// Package logtest is where tests read what was logged.
package logtest

import (
	"log/slog"
	"strings"
	"sync"
)

// A Buffer holds lines of a log. The zero value is empty. Its methods may be called at once
// from many goroutines.
type Buffer struct {
	mu   sync.Mutex
	text strings.Builder
}

// Write implements [io.Writer].
func (b *Buffer) Write(line []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(line)
}

// String returns all that was logged since the last Reset.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// Count is how often a text was logged.
func (b *Buffer) Count(what string) int { return strings.Count(b.String(), what) }

// Has reports whether a text was logged.
func (b *Buffer) Has(what string) bool { return strings.Contains(b.String(), what) }

// Reset forgets what was logged.
func (b *Buffer) Reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.text.Reset()
}

// Logger logs into the Buffer, as text.
func (b *Buffer) Logger() *slog.Logger { return slog.New(slog.NewTextHandler(b, nil)) }
