package wire_test

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-id/rollcall/internal/wire"
)

func TestStringsAreSpelledAsJavaScriptSpellsThem(t *testing.T) {
	for text, want := range map[string]string{
		``:                            `""`,
		`a"b\c/d`:                     `"a\"b\\c/d"`,
		"<&>\u2028\u2029é😀":           "\"<&>\u2028\u2029é😀\"",
		"\x00\x1f\b\f\n\r\t\v\x7f":    `"\u0000\u001f\b\f\n\r\t\u000b` + "\x7f\"",
		"a\xffb\xc3":                  "\"a\ufffdb\ufffd\"",
		"\ufffd stays what it is":     "\"\ufffd stays what it is\"",
		strings.Repeat("x", 1000):     `"` + strings.Repeat("x", 1000) + `"`,
		"ends in a multi-byte rune ü": "\"ends in a multi-byte rune ü\"",
	} {
		if got := string(wire.AppendString(nil, text)); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

func TestDatesHaveThreeFractionDigits(t *testing.T) {
	for _, tt := range []struct {
		at   time.Time
		want string
	}{
		{time.Date(2024, 9, 4, 6, 41, 46, 145e6, time.UTC), `"2024-09-04T06:41:46.145Z"`},
		{time.Date(2024, 9, 4, 6, 41, 46, 380e6, time.UTC), `"2024-09-04T06:41:46.380Z"`},
		{time.Date(2024, 9, 4, 6, 41, 46, 0, time.UTC), `"2024-09-04T06:41:46.000Z"`},
		{time.Date(2024, 2, 29, 23, 59, 59, 999e6, time.FixedZone("", 3600)), `"2024-02-29T22:59:59.999Z"`},
		{time.UnixMilli(0), `"1970-01-01T00:00:00.000Z"`},
	} {
		if got := string(wire.AppendTime(nil, tt.at)); got != tt.want {
			t.Errorf("%v: %s, want %s", tt.at, got, tt.want)
		}
	}
}

func TestCookieWithADomainHasTheOtherPrefix(t *testing.T) {
	c := wire.NewCookie("example.com")
	if got := c.Clear(); len(got) != 1 || got[0] != "__Secure-rollcall=; Path=/; Domain=example.com; Max-Age=0; HttpOnly; Secure; SameSite=Lax" {
		t.Error(got)
	}
}

func TestUnauthorizedNeverEchoesWhatCouldBreakAHeader(t *testing.T) {
	w := httptest.NewRecorder()
	wire.WriteUnauthorized(w, "Invalid token", true)
	if got := w.Header().Get("WWW-Authenticate"); got != `Bearer error="Invalid token"` {
		t.Error(got)
	}
	if got := w.Body.String(); got != `{"statusCode":401,"error":"Unauthorized","message":"Invalid token","attributes":{"error":"Invalid token"}}` {
		t.Error(got)
	}
}

// TestEveryByteIsLookedAt has each byte at each place of texts of all lengths: they are
// looked at in words, which overlap at the end.
func TestEveryByteIsLookedAt(t *testing.T) {
	for length := 1; length <= 25; length++ {
		for at := range length {
			for c := range 256 {
				text := strings.Repeat("x", at) + string([]byte{byte(c)}) + strings.Repeat("x", length-at-1)
				if got, want := string(wire.AppendString(nil, text)), spelledByteByByte(text); got != want {
					t.Fatalf("%q is spelled %s, want %s", text, got, want)
				}
			}
		}
	}
}

// spelledByteByByte is what AppendString promises, in the simplest way.
func spelledByteByByte(text string) string {
	escapes := map[rune]string{'"': `\"`, '\\': `\\`, '\b': `\b`, '\f': `\f`, '\n': `\n`, '\r': `\r`, '\t': `\t`}
	var b strings.Builder
	for _, r := range text { // invalid UTF-8 arrives as U+FFFD
		switch escape, ok := escapes[r]; {
		case ok:
			b.WriteString(escape)
		case r < ' ':
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return `"` + b.String() + `"`
}

func FuzzAppendString(f *testing.F) {
	f.Add("a\"\\\x00\xff<&>\u2028")
	f.Add("eight by eight, and a \" quote")
	f.Fuzz(func(t *testing.T, text string) {
		if got, want := string(wire.AppendString(nil, text)), spelledByteByByte(text); got != want {
			t.Errorf("%q is spelled %s, want %s", text, got, want)
		}
		var back string
		if err := json.Unmarshal(wire.AppendString(nil, text), &back); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if want := strings.ToValidUTF8(text, "\ufffd"); strings.ReplaceAll(back, "\ufffd", "") != strings.ReplaceAll(want, "\ufffd", "") {
			t.Errorf("%q reads back as %q", text, back)
		}
	})
}

func TestAppendTimeSpellsAsTheLayoutDoes(t *testing.T) {
	spells := func(at time.Time) {
		t.Helper()
		if got, want := string(wire.AppendTime(nil, at)), at.UTC().Format(`"2006-01-02T15:04:05.000Z"`); got != want {
			t.Fatalf("%s, want %s", got, want)
		}
	}
	for _, at := range []time.Time{
		{},
		time.UnixMilli(0), time.UnixMilli(1), time.UnixMilli(999), time.UnixMilli(-1), time.UnixMilli(253402300799999), time.UnixMilli(253402300800000),
		time.Date(2024, 2, 29, 23, 59, 59, 999999999, time.UTC), time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 11, 24, 1, 2, 3, 40_000_000, time.FixedZone("", 3600)),
		time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(0, 1, 1, 0, 0, 0, -1, time.UTC), time.Date(10000, 1, 1, 0, 0, 0, -1, time.UTC),
	} {
		spells(at)
	}
	// Every day of the 400 years after which the calendar begins anew, on both sides of
	// midnight, and on through all years in steps that meet every month.
	midnight := time.Date(1800, 1, 1, 0, 0, 0, 0, time.UTC)
	for day := range 146097 {
		spells(midnight.AddDate(0, 0, day))
		spells(midnight.AddDate(0, 0, day).Add(-time.Nanosecond))
	}
	for at := time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC); at.Year() < 10000; at = at.Add(997*time.Hour + 61*time.Minute + 61123*time.Millisecond) {
		spells(at)
	}
}

func FuzzAppendTime(f *testing.F) {
	f.Add(int64(1757000506145), int64(999999))
	f.Fuzz(func(t *testing.T, seconds, nanoseconds int64) {
		at := time.Unix(seconds, nanoseconds)
		if got, want := string(wire.AppendTime(nil, at)), at.UTC().Format(`"2006-01-02T15:04:05.000Z"`); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	})
}
