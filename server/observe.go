package server

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rollcall-id/rollcall/gate"
	"github.com/rollcall-id/rollcall/internal/tracing"
	"github.com/rollcall-id/rollcall/internal/wire"
)

var (
	noSniff = []string{"nosniff"}
	hsts    = []string{"max-age=31536000"}
	closing = []string{"close"}
)

// observe gives each request an id, counts it, writes one line and ends its span at its
// end, and answers 500 for what nobody has caught.
func (d *Doors) observe(h http.Handler, from remote) http.Handler {
	access := d.AccessLog
	if access == nil {
		access = d.Logger
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		note := &note{ResponseWriter: w, request: r, id: [1]string{requestID(r)}}
		header := w.Header()
		header["X-Request-Id"] = note.id[:]
		if r.TLS != nil {
			header["Strict-Transport-Security"] = hsts
		}
		defer func() {
			p := recover()
			if p != nil && p != http.ErrAbortHandler {
				d.Logger.Error("a request ended in a panic", "request_id", note.id[0], "panic", p, "stack", stack())
				if note.status == 0 {
					wire.WriteError(note, http.StatusInternalServerError, "An internal server error occurred", "")
					p = nil
				}
			}
			took := time.Since(start)
			if d.Metrics != nil {
				d.Metrics.requests.observe(r.Pattern, r.Method, note.status, took)
			}
			if isGoodProbe(r, note.status) {
				note.traced.Drop()
			} else {
				note.endSpan(r, p != nil)
				logRequest(access, r, note, from, took)
			}
			if p != nil {
				panic(http.ErrAbortHandler) // an answer that broke off must not look like a whole one
			}
		}()
		h.ServeHTTP(note, r)
	})
}

// bounded answers 431 to a request whose header is too large.
func bounded(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if hasOversizedHeader(r) {
			w.Header()["Connection"] = closing
			wire.WriteError(w, http.StatusRequestHeaderFieldsTooLarge, "Request Header Fields Too Large", "")
			return
		}
		h.ServeHTTP(w, r)
	})
}

// isGoodProbe reports whether a request is one of the many that ask for health, and found
// it: those have no line in the access log, and no span.
func isGoodProbe(r *http.Request, status int) bool {
	return status == http.StatusOK && (r.Pattern == "/healthz" || r.Pattern == "/readyz")
}

// hasOversizedHeader reports whether a request's line and header are larger than
// maxHeaderBytes. net/http itself refuses what is twice as large, with a text that is neither
// logged nor counted. Over HTTP/1 the size is looked at only when the connection has had as
// many bytes since its last request.
func hasOversizedHeader(r *http.Request) bool {
	if c := connectionOf(r); c != nil && c.in.Swap(0) <= maxHeaderBytes {
		return false
	}
	size := len(r.Method) + len(r.RequestURI) + len(r.Host) + len(r.Proto)
	for name, values := range r.Header {
		for _, value := range values {
			size += len(name) + len(value) + len(": \r\n")
		}
	}
	return size > maxHeaderBytes
}

// A note gathers what the line about a request says.
type note struct {
	http.ResponseWriter
	request *http.Request
	status  int
	bytes   int
	caller  string
	id      [1]string        // as a header has it
	traced  *tracing.Request // nil without traces
}

// WriteHeader notes the status. An answer with a body forbids browsers to guess what it is; a
// good check has none, and without this header the eight others fit into one group of a map.
func (n *note) WriteHeader(status int) {
	n.status = status
	if header := n.Header(); header["Content-Type"] != nil {
		header["X-Content-Type-Options"] = noSniff
	}
	n.ResponseWriter.WriteHeader(status)
}

// Write notes the size.
func (n *note) Write(b []byte) (int, error) {
	if n.status == 0 {
		n.WriteHeader(http.StatusOK)
	}
	written, err := writeTogether(n.ResponseWriter, n.request, b)
	n.bytes += written
	return written, err
}

// Unwrap is for http.ResponseController.
func (n *note) Unwrap() http.ResponseWriter { return n.ResponseWriter }

// noteCaller puts a caller who was authenticated on the request's line, and lets the caller's
// trace go on. A context would carry the caller as well, at the cost of a copy of each request.
func noteCaller(w http.ResponseWriter, id string) {
	if n, ok := w.(*note); ok {
		n.caller = id
		n.traced.Follow()
	}
}

// logRequest writes the line. Queries may hold what is nobody's business, so
// they are left out.
func logRequest(log *slog.Logger, r *http.Request, n *note, from remote, took time.Duration) {
	if !log.Enabled(r.Context(), slog.LevelInfo) {
		return
	}
	attributes := [9]slog.Attr{
		slog.String("method", cutAt(r.Method, maxLoggedMethod)),
		slog.String("path", loggedPath(r)),
		slog.Int("status", n.status),
		slog.Int("bytes", n.bytes),
		slog.Duration("took", took),
		slog.String("ip", from.UserIP(r)),
		slog.String("caller", n.caller),
		slog.String("request_id", n.id[0]),
	}
	line := attributes[:8]
	if trace := traceID(r, n.traced); trace != "" {
		line = append(line, slog.String("trace_id", trace))
	}
	log.LogAttrs(r.Context(), slog.LevelInfo, "request", line...)
}

// loggedPath is the path, cut, but for where that is of another server's request: there it
// may hold a secret, as a link to reset a password does.
func loggedPath(r *http.Request) string {
	for _, prefix := range [...]string{gate.EnvoyPrefix + "/", gate.EnvoyNoTouchPrefix + "/"} {
		if strings.HasPrefix(r.URL.Path, prefix) {
			return prefix
		}
	}
	return cutAt(r.URL.EscapedPath(), maxLoggedPath)
}

// What of a request's line is logged, in bytes.
const (
	maxLoggedMethod = 32
	// maxLoggedPath has room for any path of ours but those of the longest user ids.
	maxLoggedPath = 512
)

// cutAt returns a text, or its beginning and a mark that there was more.
func cutAt(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return text[:most] + "…"
}

// traceID is the trace in which a request is recorded, or else the one that its traceparent
// names; "" for none.
func traceID(r *http.Request, traced *tracing.Request) string {
	if id := traced.ID(); id != "" {
		return id
	}
	if parent := tracing.Parent(r.Header); parent.IsValid() {
		return parent.TraceID().String()
	}
	return ""
}

// requestID takes the id that a request comes with, if it is a sane one.
func requestID(r *http.Request) string {
	id := r.Header.Get("X-Request-Id")
	if len(id) > 0 && len(id) <= 64 && isToken(id) {
		return id
	}
	// Unique, and no secret: so part of it is random once, and part is counted.
	var b [12]byte
	copy(b[:8], processID[:])
	binary.BigEndian.PutUint32(b[8:], requests.Add(1))
	return hex.EncodeToString(b[:])
}

var (
	processID = func() (b [8]byte) { rand.Read(b[:]); return b }()
	requests  atomic.Uint32
)

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
