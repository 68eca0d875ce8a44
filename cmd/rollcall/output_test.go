package main

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/rollcall-id/rollcall"
)

// steering is text that has steered terminals, or changed the order of what is read.
const steering = "\x1b]0;title\a\u009b2J\u202eevil\r\n\tfake\u2066"

func TestWhatIsLoggedPassesTheSink(t *testing.T) {
	token := rollcall.Token{ID: rollcall.NewSessionID(), Secret: rollcall.NewSecret()}.Reveal()
	for _, format := range []string{"text", "json"} {
		cfg, err := loadConfig(newServe().Flags(), []string{"ROLLCALL_LOG_FORMAT=" + format})
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		log := loggerOn(&b, cfg)
		log.Info(token, "path", "/api/v2/sessions/"+token, "error", steering)
		log.With("x", token).WithGroup(token).Warn("y", slog.String(steering, token))
		if strings.Contains(b.String(), token) || strings.Count(b.String(), "[redacted]") != 5 {
			t.Errorf("%s: %s", format, b.String())
		}
		if strings.ContainsFunc(b.String(), func(r rune) bool { return !unicode.IsGraphic(r) && r != '\n' }) || strings.Count(b.String(), "\n") != 2 {
			t.Errorf("%s: %q", format, b.String())
		}
	}
}

func TestNoTextOfASessionSteersTheTerminalOrMakesALine(t *testing.T) {
	text, err := json.Marshal(steering)
	if err != nil {
		t.Fatal(err)
	}
	raw := json.RawMessage(`{"id":"0123456789abcdef","user_id":X,"authentication":{"methods":[{"name":X,"type":X}]},"device":{"last_user_agent":X,"initial_ip":X,"last_ip":X},` +
		`"clients":[{"client_id":X}],"cookie":{"mode":X},"session_metadata":{X:X}}`)
	raw = bytes.ReplaceAll(raw, []byte("X"), text)
	command := &cobra.Command{}
	var b bytes.Buffer
	command.SetOut(&b)
	for name, tt := range map[string]struct {
		lines int
		print func() error
	}{
		"list":         {3, func() error { return printTable(output(command), []json.RawMessage{raw}, time.Now()) }},
		"show":         {13, func() error { return printSession(output(command), raw, time.Now()) }},
		"show as JSON": {0, func() error { return printJSON(output(command), raw) }},
	} {
		b.Reset()
		if err := tt.print(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if strings.ContainsFunc(b.String(), func(r rune) bool { return !unicode.IsGraphic(r) && r != '\n' }) {
			t.Errorf("%s: %q", name, b.String())
		}
		if got := strings.Count(b.String(), "\n"); tt.lines > 0 && got != tt.lines {
			t.Errorf("%s: %d lines, want %d: %s", name, got, tt.lines, b.String())
		}
	}
}

// What a command prints goes through output, but for what is not for people alone.
func TestNoCommandPrintsPastTheSink(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") || file == "output.go" || file == "man.go" {
			continue
		}
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, direct := range []string{"OutOrStdout()", "tabwriter.", "fmt.Print", "fmt.Fprintln(os.", "fmt.Fprintf(os."} {
			if strings.Contains(string(source), direct) {
				t.Errorf("%s writes by %s: use output or newTable", file, direct)
			}
		}
		if n := strings.Count(string(source), "ErrOrStderr()"); n != strings.Count(string(source), "sink.Terminal(c.ErrOrStderr())") {
			t.Errorf("%s writes to ErrOrStderr: wrap it in sink.Terminal", file)
		}
	}
}
