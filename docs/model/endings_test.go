// Package model holds a model of endings on several nodes, and checks the model with spin.
package model

import (
	"bytes"
	"cmp"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const source = "endings.pml"

// worlds are what nodes may meet. The rules as built hold in each.
var worlds = []string{"", "IN_TIME", "LOST_ROW"}

// The claims of the model, as spin names the assertion that is broken.
const (
	nothingIsAcceptedAfterAnEnding = "told_before!=2"
	neverGoodAfterRefused          = "told_before!=1"
)

// wrongRules are rules that Rollcall does not have. Each breaks a claim in a world.
var wrongRules = []struct{ name, world, claim string }{
	{"ONE_MINUTE_GUESS", "", nothingIsAcceptedAfterAnEnding},
	{"SMALLER_GENERATION", "LOST_ROW", nothingIsAcceptedAfterAnEnding},
	{"GUARD_READ_LATE", "", nothingIsAcceptedAfterAnEnding},
	{"KEPT_UNGUARDED", "", nothingIsAcceptedAfterAnEnding},
	{"NO_BARRIER", "", nothingIsAcceptedAfterAnEnding},
	{"BARRIER_BEFORE_THE_READ", "", neverGoodAfterRefused},
	{"BARRIER_ON_ANOTHER_SERVER", "", nothingIsAcceptedAfterAnEnding},
	{"ACTS_WITHOUT_BARRIER", "", nothingIsAcceptedAfterAnEnding},
	{"CANCELLED_WAIT_IS_SUCCESS", "", nothingIsAcceptedAfterAnEnding},
	{"STANDBY_NOT_NEEDED", "", nothingIsAcceptedAfterAnEnding},
	{"UNWRITTEN_USES_COUNT", "IN_TIME", neverGoodAfterRefused},
	{"USES_KEPT_TOO_LONG", "IN_TIME", neverGoodAfterRefused},
	{"IDLE_REFUSALS_COUNT", "", neverGoodAfterRefused},
}

// TestTheRulesAsBuiltHoldInTheModel visits every state. So that they do not hold for want
// of anything that happens, each line of the model must be reached in one of the worlds.
func TestTheRulesAsBuiltHoldInTheModel(t *testing.T) {
	t.Parallel()
	outs := make([]string, len(worlds))
	t.Run("worlds", func(t *testing.T) {
		for i, world := range worlds {
			t.Run(cmp.Or(world, "the first"), func(t *testing.T) {
				t.Parallel()
				out := verify(t, "-O1", world)
				if !strings.Contains(out, "errors: 0\n") || strings.Contains(out, "Search not completed") || strings.Contains(out, "search depth too small") {
					t.Errorf("a claim is broken, or not every state was visited:\n%s", out)
				}
				t.Log(figures(out))
				outs[i] = out
			})
		}
	})
	worldsOf, missedIn := map[string]int{}, map[string]int{} // by process, and by process and line
	for _, out := range outs {
		missed := map[string]bool{}
		for list := range strings.SplitSeq(out, "unreached in proctype ") {
			process, places, _ := strings.Cut(list, "\n")
			worldsOf[process]++
			for _, place := range regexp.MustCompile(source+`:\d+, state \d+, "[^-].*`).FindAllString(places, -1) { // "-end-": goes on for ever
				line, _, _ := strings.Cut(place, ",")
				missed[process+" "+line] = true
			}
		}
		for at := range missed {
			missedIn[at]++
		}
	}
	for at, n := range missedIn {
		if process, line, _ := strings.Cut(at, " "); n == worldsOf[process] {
			t.Errorf("no world in which there is a process %s reaches %s", process, line)
		}
	}
	if worldsOf["Checks"] != len(worlds) {
		t.Errorf("the verifier tells of %v", worldsOf)
	}
}

func TestEachWrongRuleBreaksItsClaimInTheModel(t *testing.T) {
	t.Parallel()
	for _, wrong := range wrongRules {
		t.Run(wrong.name, func(t *testing.T) {
			t.Parallel()
			out := verify(t, "-O0", wrong.name, wrong.world)
			if !strings.Contains(out, "assertion violated ("+wrong.claim+")") {
				t.Errorf("the claim %s is not broken:\n%s", wrong.claim, out)
			}
			t.Log(figures(out))
		})
	}
}

// TestEachSwitchOfTheModelIsCheckedAndExplained keeps a wrong rule from being in the model
// alone, where nobody sees whether it breaks anything.
func TestEachSwitchOfTheModelIsCheckedAndExplained(t *testing.T) {
	model, readme := read(t, source), read(t, "README.md")
	known := slices.Clone(worlds[1:])
	for _, wrong := range wrongRules {
		known = append(known, wrong.name)
	}
	var switches []string
	for _, line := range regexp.MustCompile(`(?m)^#if.*`).FindAllString(model, -1) {
		switches = append(switches, regexp.MustCompile(`[A-Z][A-Z_]+`).FindAllString(line, -1)...)
	}
	for _, name := range known {
		if !slices.Contains(switches, name) {
			t.Errorf("the model has no switch %s", name)
		}
		if !strings.Contains(readme, "`"+name+"`") {
			t.Errorf("README.md does not explain %s", name)
		}
	}
	for _, name := range switches {
		if !slices.Contains(known, name) {
			t.Errorf("no test checks the model with %s", name)
		}
	}
}

// verify returns what the verifier of the model prints, with the switches that are not "".
func verify(t *testing.T, optimize string, switches ...string) string {
	t.Helper()
	for _, program := range []string{"spin", "cc"} {
		if _, err := exec.LookPath(program); err != nil && os.Getenv("CI") != "true" {
			t.Skipf("no %s to check the model with (scripts/spin installs spin): %v", program, err)
		}
	}
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, source), []byte(read(t, source)), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(name string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Dir = folder
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", cmd, err, out)
		}
		return string(bytes.ReplaceAll(out, []byte(folder), nil))
	}
	args := []string{"-a"}
	for _, name := range switches {
		if name != "" {
			args = append(args, "-D"+name)
		}
	}
	run("spin", append(args, source)...)
	run("cc", optimize, "-w", "-DSAFETY", "-DNOREDUCE", "-o", "pan", "pan.c")
	return run("./pan", "-m10000", "-w20")
}

// figures are the states, the depth and the seconds of a verifier's run.
func figures(out string) string {
	part := func(pattern string) string {
		found := regexp.MustCompile(pattern).FindStringSubmatch(out)
		return found[min(len(found)-1, 1)]
	}
	return part(`(\d+) states, stored`) + " states, depth " + part(`depth reached (\d+)`) + ", " +
		cmp.Or(part(`elapsed time (\S+)`), "?") + " s"
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
