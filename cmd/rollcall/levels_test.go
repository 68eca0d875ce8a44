package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"github.com/rollcall-id/rollcall"
)

func TestAServerWithoutSettingsHasTheDefaultPolicy(t *testing.T) {
	flags := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	addFlags(flags)
	cfg, err := loadConfig(flags, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(rollcall.DefaultPolicy(), policy(cfg)); diff != "" {
		t.Errorf("acr=aal2 is refused to everybody when the levels are missing (-want +got):\n%s", diff)
	}
}

func writeConfig(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "rollcall.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const ownLevels = `levels:
  - {name: basic, any_of: [[]]}
  - {name: strong, any_of: [[pwd, "mfa:otp"], [passkey]], max_age: 12h, max_idle: 30m}
`

func TestLevelsOfTheFileTakeThePlaceOfThePresets(t *testing.T) {
	flags := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	addFlags(flags)
	path := writeConfig(t, ownLevels)
	cfg, err := loadConfig(flags, []string{"ROLLCALL_CONFIG=" + path})
	if err != nil {
		t.Fatal(err)
	}
	want := []rollcall.Level{
		{Name: "basic", AnyOf: [][]string{nil}},
		{Name: "strong", AnyOf: [][]string{{"pwd", "mfa:otp"}, {"passkey"}}, MaxAge: 12 * time.Hour, MaxIdle: 30 * time.Minute},
	}
	if diff := cmp.Diff(want, policy(cfg).Levels); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	out, errs, code := run(t, "config", "print", "--config", path)
	if code != 0 || !strings.Contains(out, "strong: any of [pwd mfa:otp] [passkey], max_age 12h0m0s, max_idle 30m0s") || !strings.Contains(out, path) || strings.Contains(out, "aal") {
		t.Errorf("exit %d %s\n%s", code, errs, out)
	}
	if out, _, code = run(t, "config", "print"); code != 0 || strings.Count(out, "\nlevels") != 3 || !strings.Contains(out, "aal1: any of []") {
		t.Errorf("the presets: exit %d\n%s", code, out)
	}
}

func TestBadLevelsRefuseToStartWithKeyAndSource(t *testing.T) {
	for text, want := range map[string]string{
		"levels:":                                                       "levels: must be a list of at least one level",
		"levels: []":                                                    "levels: must be a list of at least one level",
		"levels: aal1":                                                  "levels: must be a list of at least one level",
		"levels: [aal1]":                                                "levels[0]: must have name and any_of",
		"levels: [{any_of: [[pwd]]}]":                                   "levels[0]: it has no name",
		"levels: [{name: 5, any_of: [[pwd]]}]":                          "levels[0]: name: must be a text",
		"levels: [{name: 'a b', any_of: [[pwd]]}]":                      "levels[0]: a name has at most 64 printable ASCII characters",
		"levels: [{name: 'a\"b', any_of: [[pwd]]}]":                     "levels[0]: a name has at most 64 printable ASCII characters",
		"levels: [{name: a}]":                                           "levels[0]: it can never be reached",
		"levels: [{name: a, any_of: pwd}]":                              "levels[0]: any_of: must be a list of lists",
		"levels: [{name: a, any_of: [pwd]}]":                            "levels[0]: any_of: must be a list of lists",
		"levels: [{name: a, any_of: [[5]]}]":                            "levels[0]: any_of: must be a list of lists",
		"levels: [{name: a, any_of: [[telepathy]]}]":                    "levels[0]: there is no method telepathy",
		"levels: [{name: a, any_of: [[]]}, {name: a, any_of: [[pwd]]}]": "levels[1]: another level has the same name: a",
		"levels: [{name: a, any_of: [[]], max_age: -1h}]":               "levels[0]: max_age and max_idle lie between 0 and",
		"levels: [{name: a, any_of: [[]], max_idle: 60}]":               "levels[0]: max_idle: must be a duration such as",
		"levels: [{name: a, any_of: [[]], max_agee: 1h}]":               `levels[0]: there is no key "max_agee"`,
	} {
		path := writeConfig(t, text)
		for _, args := range [][]string{{"serve", "--data", t.TempDir()}, {"config", "check"}} {
			_, errs, code := run(t, append(args, "--config", path)...)
			if code != exitUsage || !strings.Contains(errs, path+": "+want) {
				t.Errorf("%s: exit %d %s", text, code, errs)
			}
		}
	}
}

func TestChecksAskForTheLevelsOfTheFileAndAReloadLeavesThemToTheNextStart(t *testing.T) {
	path := writeConfig(t, ownLevels)
	p := serveOn(t, filepath.Join(t.TempDir(), "data"), "--config", path)
	m, err := p.create(context.Background(), p.mint("create:sessions"), "auth0|1")
	if err != nil {
		t.Fatal(err)
	}
	check := func(level string) int {
		t.Helper()
		status, err := p.ask(context.Background(), "GET", "/check?acr="+level, m.Token, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		return status
	}
	if check("basic") != 200 || check("strong") != 401 || check("aal1") != 401 {
		t.Errorf("basic %d, strong %d, aal1 %d", check("basic"), check("strong"), check("aal1"))
	}
	if err := os.WriteFile(path, []byte("levels: [{name: strong, any_of: [[]]}]"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.reload(`"settings":["levels"]`)
	if check("basic") != 200 || check("strong") != 401 {
		t.Error("the reload has changed the levels")
	}
	if code := p.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit %d", code)
	}
}
