// Package referencetest holds a server's answers against the reference: a test
// wraps the handler or the transport that it uses anyway, and fails on whatever the
// document does not say.
package referencetest

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/rollcall-id/rollcall/internal/wire"
)

// Handler returns h with every answer held against the reference, and every
// request that h accepts. It may serve many requests at once.
func Handler(t testing.TB, h http.Handler) http.Handler {
	t.Helper()
	o := theOracle(t)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent := &bytes.Buffer{}
		target := r.URL.EscapedPath()
		request := r.Clone(r.Context()) // as it came, whatever h makes of it
		r.Body = struct {
			io.Reader
			io.Closer
		}{io.TeeReader(r.Body, sent), r.Body}
		recorder := httptest.NewRecorder()
		h.ServeHTTP(patient{recorder}, r)
		o.check(t, exchange{request, target, sent.Bytes(), recorder.Code, recorder.Header(), recorder.Body.Bytes()})
		for name, values := range recorder.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(recorder.Code)
		_, _ = w.Write(recorder.Body.Bytes())
	})
}

// patient is a recorder that takes deadlines, as a connection does.
type patient struct{ *httptest.ResponseRecorder }

// SetWriteDeadline is for http.ResponseController.
func (patient) SetWriteDeadline(time.Time) error { return nil }

// Transport returns rt with every answer held against the reference, and every
// request that is accepted.
func Transport(t testing.TB, rt http.RoundTripper) http.RoundTripper {
	t.Helper()
	return transport{t, rt, theOracle(t)}
}

type transport struct {
	t      testing.TB
	next   http.RoundTripper
	oracle *oracle
}

// RoundTrip reads the answer whole before it is handed on.
func (tr transport) RoundTrip(r *http.Request) (*http.Response, error) {
	request, sent := r.Clone(r.Context()), &bytes.Buffer{}
	if r.Body != nil {
		next := *r // a transport must not change the request that it is given
		next.Body = struct {
			io.Reader
			io.Closer
		}{io.TeeReader(r.Body, sent), r.Body}
		r = &next
	}
	answer, err := tr.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(answer.Body)
	if err = errors.Join(err, answer.Body.Close()); err != nil {
		return nil, err
	}
	answer.Body = io.NopCloser(bytes.NewReader(body))
	if wire.IsGzip(body) {
		if body, err = unzip(body); err != nil {
			return nil, err
		}
	}
	tr.oracle.check(tr.t, exchange{request, r.URL.EscapedPath(), sent.Bytes(), answer.StatusCode, answer.Header, body})
	return answer, nil
}

func unzip(body []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}
