package management_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/internal/request"
	"github.com/rollcall-id/rollcall/internal/wire"
	"github.com/rollcall-id/rollcall/management"
	"github.com/rollcall-id/rollcall/reference/referencetest"
	"github.com/rollcall-id/rollcall/sessions"
	"github.com/rollcall-id/rollcall/store/memory"
)

var update = flag.Bool("update", false, "write what the scripts' requests are answered into the scripts")

// TestAnswersAreThePublishedBytes runs every script of testdata. A script holds,
// in order:
//
//	# a remark
//	! create USER ID {options}   a session, made at the script's present time
//	! check ID IP AGENT          a use of it
//	! advance DURATION           of the script's clock
//	> METHOD TARGET              a request; further > lines are headers, until an
//	> Header: value              empty one and the body
//	< STATUS                     the answer that is expected, its headers but
//	< Header: value              the length, an empty line, and the body
//
// Callers hold the scopes that the header Scopes lists, all by default.
func TestAnswersAreThePublishedBytes(t *testing.T) {
	scripts, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range scripts {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := newScript(t).run(string(want))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
				t.Errorf("answers differ (-want +got):\n%s", diff)
			}
		})
	}
}

type script struct {
	t       *testing.T
	now     time.Time
	manager *sessions.Manager
	door    http.Handler
	tokens  map[string]string // by session id
}

func newScript(t *testing.T) *script {
	s := &script{t: t, now: time.Date(2026, 3, 1, 12, 0, 0, 145e6, time.UTC), tokens: map[string]string{}}
	m, err := sessions.New(memory.New(), sessions.Options{Clock: func() time.Time { return s.now }})
	if err != nil {
		t.Fatal(err)
	}
	s.manager = m
	s.door = referencetest.Handler(t, management.New(management.Options{Manager: m, Authenticate: authenticate, Logger: slog.New(slog.DiscardHandler)}))
	return s
}

// authenticate stands in for the verifier: the server's own tests hold that one
// against the published answers.
func authenticate(w http.ResponseWriter, r *http.Request) (rollcall.Caller, bool) {
	if r.Header.Get("Scopes") == "unknown" {
		wire.WriteUnauthorized(w, "Missing authentication", false)
		return rollcall.Caller{}, false
	}
	if _, err := request.Bearer(r.Header); errors.Is(err, request.ErrForm) {
		wire.WriteBadAuthorization(w)
		return rollcall.Caller{}, false
	}
	scopes := rollcall.Scopes()
	if given, ok := r.Header["Scopes"]; ok {
		scopes = strings.Fields(given[0])
	}
	return rollcall.Caller{ID: "script", Scopes: scopes}, true
}

// run returns the script with the answers that were given.
func (s *script) run(text string) string {
	var out strings.Builder
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); {
		switch line := lines[i]; {
		case strings.HasPrefix(line, "<"):
			i++ // written anew
		case strings.HasPrefix(line, ">"):
			start := i
			for i < len(lines) && strings.HasPrefix(lines[i], ">") {
				i++
			}
			request := lines[start:i]
			out.WriteString(strings.Join(request, "\n") + "\n" + s.send(request))
		default:
			if command, ok := strings.CutPrefix(line, "! "); ok {
				s.do(command)
			}
			out.WriteString(line)
			if i++; i < len(lines) {
				out.WriteByte('\n')
			}
		}
	}
	return out.String()
}

func (s *script) do(command string) {
	s.t.Helper()
	verb, rest, _ := strings.Cut(command, " ")
	switch verb {
	case "advance":
		d, err := time.ParseDuration(rest)
		s.must(err)
		s.now = s.now.Add(d)
	case "create":
		userID, rest, _ := strings.Cut(rest, " ")
		id, options, _ := strings.Cut(rest, " ")
		n := rollcall.NewSession{UserID: userID, ID: id}
		if options != "" {
			s.must(json.Unmarshal([]byte(options), &n))
		}
		_, token, err := s.manager.Create(context.Background(), rollcall.Caller{}, n)
		s.must(err)
		s.tokens[id] = token.Reveal()
	case "check":
		fields := strings.SplitN(rest, " ", 3)
		_, err := s.manager.Check(context.Background(), s.tokens[fields[0]], rollcall.Use{IP: fields[1], UserAgent: fields[2]})
		s.must(err)
	default:
		s.t.Fatalf("unknown command %q", command)
	}
}

func (s *script) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *script) send(lines []string) string {
	var head []string
	var body string
	for i, line := range lines {
		line = strings.TrimPrefix(strings.TrimPrefix(line, ">"), " ")
		if line == "" {
			for _, rest := range lines[i+1:] {
				body += strings.TrimPrefix(strings.TrimPrefix(rest, ">"), " ")
			}
			break
		}
		head = append(head, line)
	}
	method, target, _ := strings.Cut(head[0], " ")
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for _, line := range head[1:] {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	s.door.ServeHTTP(w, r)
	answer := w.Result()
	if got := answer.ContentLength; got != int64(w.Body.Len()) {
		s.t.Errorf("%s: Content-Length %d of %d bytes", head[0], got, w.Body.Len())
	}
	answer.Header.Del("Content-Length")
	var header bytes.Buffer
	s.must(answer.Header.Write(&header))
	var out strings.Builder
	fmt.Fprintf(&out, "< %d\n", answer.StatusCode)
	for line := range strings.Lines(strings.ReplaceAll(header.String(), "\r\n", "\n")) {
		out.WriteString("< " + line)
	}
	fmt.Fprintf(&out, "<\n< %s\n", w.Body)
	return out.String()
}
