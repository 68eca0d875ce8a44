package management_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/management"
	"github.com/rollcall-id/rollcall/sessions"
	"github.com/rollcall-id/rollcall/store/memory"
)

// Whatever the body of a PATCH, it is refused and changes nothing, or the metadata is
// what it says and within bounds.
func FuzzUpdateSession(f *testing.F) {
	for _, seed := range []string{
		`{"session_metadata":{"a":"1"}}`, `{"session_metadata":null}`, `{}`, `{"x":1}`, `{"session_metadata":{"a":1}}`, `[]`, ``,
		`{"session_metadata":{"a":"\ud83d\ude00"}}`, `{"session_metadata":{"a":"\ud800"}}`, `{"session_metadata":{"a b":""}}`,
	} {
		f.Add("application/json", seed)
	}
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	m, err := sessions.New(memory.New(), sessions.Options{Clock: func() time.Time { return now }})
	if err != nil {
		f.Fatal(err)
	}
	s, _, err := m.Create(context.Background(), rollcall.Caller{}, rollcall.NewSession{UserID: "u", Methods: []rollcall.Method{{Name: "pwd"}}})
	if err != nil {
		f.Fatal(err)
	}
	door := management.New(management.Options{Manager: m, Authenticate: authenticate, Logger: slog.New(slog.DiscardHandler)})
	f.Fuzz(func(t *testing.T, contentType, body string) {
		before, err := m.Session(context.Background(), s.ID)
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest("PATCH", "/api/v2/sessions/"+s.ID, strings.NewReader(body))
		r.Header["Content-Type"] = []string{contentType}
		w := httptest.NewRecorder()
		door.ServeHTTP(w, r)
		after, err := m.Session(context.Background(), s.ID)
		if err != nil || !json.Valid(w.Body.Bytes()) {
			t.Fatalf("%v %s", err, w.Body)
		}
		if w.Code != 200 {
			if diff := cmp.Diff(before, after); diff != "" || w.Code < 400 || w.Code > 415 {
				t.Errorf("%q: %d %s has changed\n%s", body, w.Code, w.Body, diff)
			}
			return
		}
		var asked, shown struct {
			Metadata map[string]string `json:"session_metadata"`
		}
		if err := json.Unmarshal([]byte(body), &asked); err != nil {
			t.Fatalf("%q: %v", body, err)
		}
		if err := json.Unmarshal(w.Body.Bytes(), &shown); err != nil || len(asked.Metadata)+len(shown.Metadata) > 0 && cmp.Diff(asked, shown) != "" {
			t.Errorf("%q is shown as %s, %v", body, w.Body, err)
		}
		if len(after.Metadata) != len(shown.Metadata) || len(after.Metadata) > 25 {
			t.Errorf("%q: %d kept of %d", body, len(after.Metadata), len(shown.Metadata))
		}
		for _, e := range after.Metadata {
			if shown.Metadata[e.Key] != e.Value || utf8.RuneCountInString(e.Key) > 255 || utf8.RuneCountInString(e.Value) > 255 {
				t.Errorf("%q: kept %q", body, e)
			}
		}
	})
}
