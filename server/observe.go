package server

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"
)

var (
	noSniff = []string{"nosniff"}
	hsts    = []string{"max-age=31536000"}
)

// A note gathers what the line about a request says.
type note struct {
	http.ResponseWriter
	status int
	bytes  int
	caller string
}

// WriteHeader notes the status.
func (n *note) WriteHeader(status int) {
	n.status = status
	n.ResponseWriter.WriteHeader(status)
}

// Write notes the size.
func (n *note) Write(b []byte) (int, error) {
	if n.status == 0 {
		n.status = http.StatusOK
	}
	written, err := n.ResponseWriter.Write(b)
	n.bytes += written
	return written, err
}

// Unwrap is for http.ResponseController.
func (n *note) Unwrap() http.ResponseWriter { return n.ResponseWriter }

type noteKey struct{}

func withNote(ctx context.Context, n *note) context.Context {
	return context.WithValue(ctx, noteKey{}, n)
}

// noteCaller puts the caller on the request's line.
func noteCaller(r *http.Request, id string) {
	if n, ok := r.Context().Value(noteKey{}).(*note); ok {
		n.caller = id
	}
}

// logRequest writes the line. Queries may hold what is nobody's business, so
// they are left out.
func logRequest(log *slog.Logger, r *http.Request, n *note, from remote, id string, took time.Duration) {
	if !log.Enabled(r.Context(), slog.LevelInfo) {
		return
	}
	log.LogAttrs(r.Context(), slog.LevelInfo, "request",
		slog.String("method", r.Method),
		slog.String("path", r.URL.EscapedPath()),
		slog.Int("status", n.status),
		slog.Int("bytes", n.bytes),
		slog.Duration("took", took),
		slog.String("ip", from.ip(r)),
		slog.String("caller", n.caller),
		slog.String("request_id", id),
	)
}

// requestID takes the id that a request comes with, if it is a sane one.
func requestID(r *http.Request) string {
	id := r.Header.Get("X-Request-Id")
	if len(id) > 0 && len(id) <= 64 && isToken(id) {
		return id
	}
	var b [12]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.' || c == ':') {
			return false
		}
	}
	return true
}

func stack() string { return string(debug.Stack()) }
