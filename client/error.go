package client

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// What an [Error] can be, for errors.Is.
var (
	// ErrRefused: the session token is not good, whatever the cause.
	ErrRefused = errors.New("the session token is not accepted")
	// ErrInsufficient: the session is good, its authentication is not enough.
	ErrInsufficient = errors.New("a different authentication level is required")
	// ErrNotFound: there is no such session, or it is over.
	ErrNotFound = errors.New("the session does not exist")
	// ErrConflict: an id or an idempotency key is taken.
	ErrConflict = errors.New("taken")
	// ErrLimit: the user has as many sessions as policy allows.
	ErrLimit = errors.New("the user has too many sessions")
	// ErrUnavailable: the server did not answer, or not as it should. What was
	// asked for may or may not have been done.
	ErrUnavailable = errors.New("the session server cannot say")
)

// An Error is every error that leaves a [Client]. It holds no secret.
type Error struct {
	// Op is what was tried, such as "create session".
	Op string
	// Status is the answer's, 0 when none came.
	Status int
	// Code is the answer's errorCode, or the token endpoint's error; "" when it has
	// none.
	Code string
	// Message is the answer's, or what was wrong with it.
	Message string
	// RetryAfter is when repeating may help, as the server said; 0 is not known.
	RetryAfter time.Duration
	// RequestID is the answer's X-Request-Id, for the server's log.
	RequestID string
	// Err is the cause, nil when the answer is all there is.
	Err error

	kind     error
	repeated bool // an earlier try's outcome is not known
	final    bool // trying again is of no use
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("rollcall: " + e.Op + ": ")
	if e.Status != 0 {
		b.WriteString(strconv.Itoa(e.Status) + " ")
	}
	b.WriteString(e.Message)
	if e.Code != "" {
		b.WriteString(" (" + e.Code + ")")
	}
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether the error is one of ErrRefused, ErrInsufficient, ErrNotFound,
// ErrConflict, ErrLimit and ErrUnavailable.
func (e *Error) Is(target error) bool { return e.kind != nil && e.kind == target }

// codes is the one table from an answer's errorCode to its kind; what is not in it
// goes by the status.
var codes = map[string]error{
	"insufficient_user_authentication": ErrInsufficient,
	"inexistent_session":               ErrNotFound,
	"conflict":                         ErrConflict,
	"session_limit_reached":            ErrLimit,
	"service_unavailable":              ErrUnavailable,
}

func kindOf(status int, code string) error {
	if kind, ok := codes[code]; ok {
		return kind
	}
	switch {
	case status == http.StatusConflict:
		return ErrConflict
	case status == http.StatusTooManyRequests, status >= http.StatusInternalServerError:
		return ErrUnavailable
	}
	return nil
}

// unanswered is the error of a call that got no answer, or one that cannot be
// understood.
func unanswered(op, message string, status int, err error) *Error {
	return &Error{Op: op, Status: status, Message: message, Err: err, kind: ErrUnavailable}
}

// refused is the error of a token that need not be asked about.
func refused(op string) *Error {
	return &Error{Op: op, Message: ErrRefused.Error(), kind: ErrRefused}
}
