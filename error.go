package rollcall

import (
	"errors"
	"fmt"
	"time"
	"unicode/utf8"
)

// A Code is what an error means to whoever called. Each door maps every code to
// an answer, in one table.
type Code string

// The codes there are.
const (
	CodeInvalid  Code = "invalid"   // the input breaks a rule; nothing changed
	CodeNotFound Code = "not_found" // no such thing, or it is over
	CodeRefused  Code = "refused"   // the session token is not good, whatever the cause
	// CodeInsufficient wraps an Insufficient: the session is good, and the way or
	// the time of its authentication is not enough.
	CodeInsufficient Code = "insufficient"
	CodeConflict     Code = "conflict"    // an id or an idempotency key is taken
	CodeLimit        Code = "limit"       // the user has as many sessions as policy allows
	CodeUnavailable  Code = "unavailable" // not now; repeating is safe
	CodeInternal     Code = "internal"    // a defect or a failing disk; the outcome is unknown
)

// An Error is every error that leaves this package. Message is for the caller
// and never holds a secret; Err is for the operator.
type Error struct {
	Code    Code
	Message string
	Err     error
	// RetryAfter is when repeating may help, with CodeUnavailable; 0 is not known.
	RetryAfter time.Duration
}

func (e *Error) Error() string {
	if e.Err != nil {
		return string(e.Code) + ": " + e.Message + ": " + e.Err.Error()
	}
	return string(e.Code) + ": " + e.Message
}

func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an Error with a formatted message and no cause.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// ErrorCode returns the code of err: CodeInternal for one that is not an
// [Error], "" for nil.
func ErrorCode(err error) Code {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return CodeInternal
}

// Echo returns a caller's value in a form fit for a message: cut at 64
// characters, invalid UTF-8 replaced. Never give it anything that may be a
// secret.
func Echo(value string) string {
	const limit = 64
	runes := []rune(value[:min(len(value), limit*utf8.UTFMax)])
	return string(runes[:min(len(runes), limit)])
}
