package tracing

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"go.opentelemetry.io/otel"
	"golang.org/x/time/rate"
)

// A reporter takes what the SDK and the exporter say is wrong. An error while Open runs is one of
// Open; from then on errors and warnings are warnings of the log, once a minute at most. The
// reporter is the SDK's ErrorHandler and the LogSink of its logger, both of which are the whole
// process's.
type reporter struct {
	log       *slog.Logger
	sometimes rate.Sometimes

	mu     sync.Mutex
	isOpen bool     // Open has ended
	wrong  []string // before that
}

func newReporter(log *slog.Logger) *reporter {
	r := &reporter{log: log, sometimes: rate.Sometimes{Interval: time.Minute}}
	otel.SetErrorHandler(r)
	otel.SetLogger(logr.New(r))
	return r
}

// opened returns what was wrong until now.
func (r *reporter) opened() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.isOpen = true
	if len(r.wrong) == 0 {
		return nil
	}
	return errors.New(strings.Join(r.wrong, "; "))
}

// maxReport is where a report is cut, in bytes: it can hold a collector's answer.
const maxReport = 300

// fail takes an error.
func (r *reporter) fail(text string) {
	if len(text) > maxReport {
		text = strings.ToValidUTF8(text[:maxReport], "") + "…"
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.isOpen {
		r.sometimes.Do(func() { r.log.Warn("spans are lost: sending traces to the collector fails", "error", text) })
	} else if !slices.Contains(r.wrong, text) {
		r.wrong = append(r.wrong, text)
	}
}

// warn takes a warning.
func (r *reporter) warn(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.isOpen {
		r.sometimes.Do(func() { r.log.Warn("the library that makes spans warns", "warning", text) })
	}
}

// Handle implements [otel.ErrorHandler].
func (r *reporter) Handle(err error) { r.fail(err.Error()) }

// Levels of the SDK's logger.
const (
	sdkWarning = 1
	sdkInfo    = 4
)

// Init implements [logr.LogSink].
func (*reporter) Init(logr.RuntimeInfo) {}

// Enabled implements [logr.LogSink].
func (*reporter) Enabled(level int) bool { return level <= sdkInfo }

// Info implements [logr.LogSink]. Of these messages count, without their values, which may be
// secrets:
//
//   - that a variable is wrong: the first key is the variable's name;
//   - warnings, once Open has ended.
func (r *reporter) Info(level int, message string, pairs ...any) {
	if len(pairs) > 0 {
		if name, ok := pairs[0].(string); ok && strings.HasPrefix(name, "OTEL_") {
			r.fail(name + ": " + message)
			return
		}
	}
	if level <= sdkWarning {
		r.warn(message)
	}
}

// Error implements [logr.LogSink]. Of the pairs it keeps names of files alone: others may be
// secrets.
func (r *reporter) Error(err error, message string, pairs ...any) {
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i] == "file" {
			message += fmt.Sprintf(" %v", pairs[i+1])
		}
	}
	r.fail(fmt.Sprintf("%s: %v", message, err))
}

// WithValues implements [logr.LogSink].
func (r *reporter) WithValues(...any) logr.LogSink { return r }

// WithName implements [logr.LogSink].
func (r *reporter) WithName(string) logr.LogSink { return r }
