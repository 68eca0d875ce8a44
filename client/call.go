package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Bounds on what an answer may be, and on how long a call is put off.
const (
	maxAnswer      = 16 << 20 // a page of 100 sessions with all the metadata they can hold is below 8 MB
	maxErrorAnswer = 64 << 10
	maxMessage     = 300
	maxWait        = 5 * time.Second
	firstPause     = 100 * time.Millisecond
)

// A call is one request to the server, made again when it can be.
type call struct {
	op     string
	method string
	path   string // escaped, from the root
	query  url.Values
	header http.Header
	// body is sent as JSON, form as a form; at most one is set.
	body any
	form url.Values
	// managed calls carry a management token.
	managed bool
	// once marks a call whose repetition would act twice.
	once bool
}

// An answer is what came of a call that succeeded.
type answer struct {
	status   int
	header   http.Header
	body     []byte
	repeated bool
}

// do makes a call. What can be repeated is, after failures that may pass: no
// answer, 429, 5xx.
func (c *Client) do(ctx context.Context, k call) (*answer, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	payload, contentType, err := k.payload()
	if err != nil {
		return nil, &Error{Op: k.op, Message: "the request cannot be spelled", Err: err}
	}
	renewed := false
	for try := 0; ; try++ {
		a, failure := c.once(ctx, k, payload, contentType, &renewed)
		if failure == nil {
			a.repeated = try > 0
			return a, nil
		}
		failure.repeated = try > 0
		if k.once || try >= c.retries || !passes(failure) || !wait(ctx, try, failure.RetryAfter) {
			return nil, failure
		}
	}
}

// once tries a call, a second time with a new management token when the first
// one's is not accepted any more.
func (c *Client) once(ctx context.Context, k call, payload []byte, contentType string, renewed *bool) (*answer, *Error) {
	for {
		r, err := http.NewRequestWithContext(ctx, k.method, c.address(k), bytes.NewReader(payload))
		if err != nil {
			return nil, &Error{Op: k.op, Message: "the request cannot be made", Err: bare(err)}
		}
		for name, values := range k.header {
			r.Header[name] = values
		}
		if contentType != "" {
			r.Header.Set("Content-Type", contentType)
		}
		token := ""
		if k.managed {
			if token, err = c.managementToken(ctx, k.op); err != nil {
				e, _ := errors.AsType[*Error](err)
				return nil, e
			}
			r.Header.Set("Authorization", "Bearer "+token)
		}
		a, failure := c.send(r, k.op)
		if failure != nil && failure.Status == http.StatusUnauthorized && failure.kind == nil && k.managed && !*renewed {
			*renewed = true
			c.tokens.drop(token)
			continue
		}
		return a, failure
	}
}

func (c *Client) address(k call) string {
	if len(k.query) == 0 {
		return c.base + k.path
	}
	return c.base + k.path + "?" + k.query.Encode()
}

func (k call) payload() (payload []byte, contentType string, err error) {
	switch {
	case k.form != nil:
		return []byte(k.form.Encode()), "application/x-www-form-urlencoded", nil
	case k.body != nil:
		payload, err = json.Marshal(k.body)
		return payload, "application/json", err
	}
	return nil, "", nil
}

// send makes one request and reads its answer, within bounds.
func (c *Client) send(r *http.Request, op string) (*answer, *Error) {
	if _, ok := r.Header["User-Agent"]; !ok {
		r.Header.Set("User-Agent", "rollcall-go")
	}
	response, err := c.http.Do(r)
	if err != nil {
		return nil, unanswered(op, "no answer", 0, bare(err))
	}
	defer response.Body.Close()
	limit := int64(maxAnswer)
	if response.StatusCode >= http.StatusMultipleChoices {
		limit = maxErrorAnswer
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, limit+1))
	if err != nil {
		return nil, unanswered(op, "the answer broke off", response.StatusCode, bare(err))
	}
	if response.StatusCode >= http.StatusMultipleChoices {
		return nil, errorOf(op, response, body)
	}
	if int64(len(body)) > limit {
		return nil, &Error{Op: op, Status: response.StatusCode, Message: "the answer is too large", kind: ErrUnavailable}
	}
	return &answer{status: response.StatusCode, header: response.Header, body: body}, nil
}

// errorOf reads an error answer: the published form, the token endpoint's (RFC
// 6749 5.2), or whatever something in between has said.
func errorOf(op string, response *http.Response, body []byte) *Error {
	var said struct {
		Message          string `json:"message"`
		ErrorCode        string `json:"errorCode"`
		Error            string `json:"error"`
		ErrorDescription string `json:"error_description"`
	}
	_ = json.Unmarshal(body, &said) // whatever cannot be read is not said
	e := &Error{
		Op: op, Status: response.StatusCode, Code: clean(said.ErrorCode), Message: clean(said.Message),
		RetryAfter: retryAfter(response.Header.Get("Retry-After")), RequestID: clean(response.Header.Get("X-Request-Id")),
	}
	if said.ErrorDescription != "" {
		e.Code, e.Message = clean(said.Error), clean(said.ErrorDescription)
	}
	if e.Message == "" {
		e.Message = http.StatusText(e.Status)
	}
	e.kind = kindOf(e.Status, e.Code)
	return e
}

// clean is a text of an answer in a form fit for a log.
func clean(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text[:min(len(text), maxMessage)])
	return strings.ToValidUTF8(text, "")
}

// bare takes the address off an error: user ids are nobody's business.
func bare(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

func retryAfter(text string) time.Duration {
	if seconds, err := strconv.ParseInt(text, 10, 32); err == nil {
		return max(0, time.Duration(seconds)*time.Second)
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}

// passes reports whether a failure may be gone a moment later.
func passes(e *Error) bool {
	if e.final {
		return false
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](e.Err); ok {
		return false
	}
	if e.Status == 0 {
		return e.kind == ErrUnavailable
	}
	return e.Status == http.StatusTooManyRequests || e.Status >= http.StatusInternalServerError
}

// wait pauses before the next try, for as long as the server asked, or a jittered
// time that doubles. It reports false when there is no time for that.
func wait(ctx context.Context, try int, asked time.Duration) bool {
	pause := firstPause << min(try, 6)
	pause = pause/2 + rand.N(pause)
	if asked > 0 {
		pause = asked
	}
	if deadline, ok := ctx.Deadline(); pause > maxWait || ok && time.Until(deadline) <= pause {
		return false
	}
	t := time.NewTimer(pause)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// read decodes a JSON answer.
func (a *answer) read(op string, into any) error {
	if err := json.Unmarshal(a.body, into); err != nil {
		return unanswered(op, "the answer cannot be read", a.status, err)
	}
	return nil
}
