package sink_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"unicode"

	"github.com/rollcall-id/rollcall/internal/sink"
)

const (
	sessionToken = "rcs_dKvR03IjVSNLPaVLqVS-FBuX87z0bBoEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAxyz12"
	clientSecret = "rccs_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAxyz12"
	jwt          = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJlLXNpZ25hdHVyZQ"
)

func written(t *testing.T, to func(*bytes.Buffer)) string {
	t.Helper()
	var b bytes.Buffer
	to(&b)
	return b.String()
}

func TestNoSecretGetsIntoALog(t *testing.T) {
	for _, tt := range [][2]string{
		{"/api/v2/sessions/" + sessionToken, "/api/v2/sessions/rcs_[redacted]"},
		{"/a/" + sessionToken + "/b/" + sessionToken + "?", "/a/rcs_[redacted]/b/rcs_[redacted]?"},
		{sessionToken[:30] + "…", "rcs_[redacted]…"},
		{"secret=" + clientSecret, "secret=rccs_[redacted]"},
		{"x" + sessionToken, "xrcs_[redacted]"},
		{"/v1/" + jwt + "/x", "/v1/eyJ[redacted]/x"},
		{jwt[:25], "eyJ[redacted]"},
		{jwt + "." + jwt, "eyJ[redacted]"},
		{"Authorization: Bearer 0123456789abcdef=", "Authorization: Bearer [redacted]"},
		{"bearer%200123456789abcdef/x", "bearer%20[redacted]"},
		{"Basic \t dXNlcjpwYXNzd29yZDEyMw==", "Basic \t [redacted]"},
		{"BEARER 0123456789abcdef", "BEARER [redacted]"},
		{"Bearer+0123456789abcdef", "Bearer+[redacted]"},
		{"Bearer Bearer " + jwt, "Bearer Bearer [redacted]"},
		// What is none stays.
		{`Bearer error="insufficient_user_authentication"`, `Bearer error="insufficient_user_authentication"`},
		{"basic authentication is off, rcs_ is the prefix, csrf cs_ eyJ eyJx", "basic authentication is off, rcs_ is the prefix, csrf cs_ eyJ eyJx"},
		{"docs_0123456789", "docs_0123456789"},
		{"", ""},
	} {
		if got := written(t, func(b *bytes.Buffer) { _, _ = sink.Log(b).Write([]byte(tt[0])) }); got != tt[1] {
			t.Errorf("%q is logged as %q, want %q", tt[0], got, tt[1])
		}
	}
}

// Each of them has steered somebody's terminal, or changed what somebody read.
var harmful = []string{
	"\x1b]0;title\a", "\x1b[2J", "\u009b2J", "\x7f", "\r", "\b", "\v", "\f", "\x00", "\u202e", "\u2066", "\u200f", "\u061c", "\u2028", "\u200b", "\ufeff", "\U000e0001", "\xff", "\x9b2J",
}

func TestWhatSteersATerminalIsSpelled(t *testing.T) {
	for _, text := range harmful {
		for name, got := range map[string]string{
			"a line":     sink.Line("a" + text + "b\tc\n"),
			"a terminal": written(t, func(b *bytes.Buffer) { _, _ = sink.Terminal(b).Write([]byte("a" + text + "b")) }),
			"a log":      written(t, func(b *bytes.Buffer) { _, _ = sink.Log(b).Write([]byte("a" + text + "b")) }),
			"a text log": written(t, func(b *bytes.Buffer) { slog.New(slog.NewTextHandler(sink.Log(b), nil)).Info(text, text, text) }),
			"a JSON log": written(t, func(b *bytes.Buffer) { slog.New(slog.NewJSONHandler(sink.Log(b), nil)).Info(text, text, text) }),
		} {
			got = strings.TrimSuffix(got, "\n")
			if strings.ContainsFunc(got, func(r rune) bool { return !unicode.IsGraphic(r) }) {
				t.Errorf("%q gets to %s as %q", text, name, got)
			}
		}
	}
	for _, text := range []string{"plain", "Größe 😀 日本語 é", "a b"} {
		if got := sink.Line(text); got != text {
			t.Errorf("%q becomes %q", text, got)
		}
	}
	if got := written(t, func(b *bytes.Buffer) { _, _ = sink.Terminal(b).Write([]byte("a\tb\n\x1b")) }); got != "a\tb\n\\u001b" {
		t.Errorf("%q", got)
	}
}

// What is spelled otherwise reads back as the same JSON.
func TestJSONStaysTheSame(t *testing.T) {
	for _, text := range harmful {
		var got string
		raw, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		out := written(t, func(b *bytes.Buffer) { _, _ = sink.Terminal(b).Write(raw) })
		if err := json.Unmarshal([]byte(out), &got); err != nil || got != strings.ToValidUTF8(text, "\ufffd") {
			t.Errorf("%q becomes %s, %q, %v", text, out, got, err)
		}
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("broken") }

func TestAWriterThatFailsIsToldOf(t *testing.T) {
	if n, err := sink.Log(broken{}).Write([]byte("x")); n != 0 || err == nil {
		t.Errorf("%d, %v", n, err)
	}
}

func FuzzLog(f *testing.F) {
	for _, seed := range append([]string{sessionToken, clientSecret, jwt, "Bearer 0123456789abcdef", "cs_", "eyJ", "earer", "asic"}, harmful...) {
		f.Add(seed, seed)
	}
	f.Fuzz(func(t *testing.T, before, behind string) {
		in := before + " " + sessionToken + " " + jwt + " " + behind
		given := []byte(in)
		out := written(t, func(b *bytes.Buffer) {
			if n, err := sink.Log(b).Write(given); n != len(in) || err != nil {
				t.Errorf("%d, %v", n, err)
			}
		})
		if string(given) != in {
			t.Errorf("%q was changed", in)
		}
		if strings.Contains(out, sessionToken[4:]) || strings.Contains(out, jwt[3:]) {
			t.Errorf("%q is logged as %q", in, out)
		}
		if strings.ContainsFunc(out, func(r rune) bool { return !unicode.IsGraphic(r) && r != '\n' && r != '\t' }) {
			t.Errorf("%q is logged as %q", in, out)
		}
	})
}

func BenchmarkLog(b *testing.B) {
	line := []byte(`{"time":"2026-03-01T12:00:00.000Z","level":"INFO","msg":"request","method":"GET","path":"/api/v2/users/auth0%7C507f1f77bcf86cd799439020/sessions","status":200,"bytes":1234,"took":123456,"ip":"192.0.2.1","caller":"backend","request_id":"0123456789abcdef01234567"}` + "\n")
	w := sink.Log(discard{})
	b.ReportAllocs()
	for b.Loop() {
		_, _ = w.Write(line)
	}
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }
