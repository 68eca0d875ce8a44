package storetest

import (
	"context"
	"os"
	"os/exec"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/store/memory"
)

// brokenVariable names the broken engine that a process is to test, and the
// clause, with a bar between the two.
const brokenVariable = "ROLLCALL_STORETEST_BROKEN"

// TestTheSuiteFindsEngineThat holds engines that are broken in one way each to the
// clause that forbids it. A test that fails cannot be had within a test that
// passes, so each runs in a process of its own. To panic, or to race within the
// engine, is not to be found.
func TestTheSuiteFindsEngineThat(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range broken {
		for _, clause := range b.clauses {
			t.Run(b.name+"/"+clause, func(t *testing.T) {
				t.Parallel()
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				test := exec.CommandContext(ctx, self, "-test.run=^TestABrokenEngine$", "-rapid.nofailfile", "-rapid.shrinktime=0s")
				test.Env = append(os.Environ(), brokenVariable+"="+b.name+"|"+clause, "GORACE=atexit_sleep_ms=0") // else a second each
				out, err := test.CombinedOutput()
				says := func(text string) bool { return strings.Contains(string(out), text) }
				if err == nil || !says("--- FAIL: TestABrokenEngine") || says("panic:") || says("DATA RACE") {
					t.Errorf("the clause did not find it: %v\n%s", err, out)
				}
			})
		}
	}
}

// TestABrokenEngine is what TestTheSuiteFindsEngineThat runs.
func TestABrokenEngine(t *testing.T) {
	name, clause, ok := strings.Cut(os.Getenv(brokenVariable), "|")
	if !ok {
		t.Skip("runs in a process of its own, started by TestTheSuiteFindsEngineThat")
	}
	i := slices.IndexFunc(broken, func(b brokenEngine) bool { return b.name == name })
	h := Harness{Volatile: true, Serial: true}
	if broken[i].harness != nil {
		h = broken[i].harness()
	}
	if open := broken[i].open; open != nil {
		h.Open = func(*testing.T) rollcall.Store { return open(memory.New()) }
	}
	if clause == wholeSuite {
		Run(t, h)
		return
	}
	clauses := Clauses()
	i = slices.IndexFunc(clauses, func(c Clause) bool { return c.Name == clause })
	clauses[i].Test(t, h)
}

func TestEachClauseHasAnEngineThatBreaksIt(t *testing.T) {
	engines := map[string]int{}
	for _, c := range Clauses() {
		if _, twice := engines[c.Name]; twice {
			t.Errorf("two clauses are called %q", c.Name)
		}
		engines[c.Name] = 0
	}
	for _, b := range broken {
		for _, clause := range b.clauses {
			if _, ok := engines[clause]; !ok && clause != wholeSuite {
				t.Errorf("engine that %s: no clause is called %q", b.name, clause)
			}
			engines[clause]++
		}
	}
	for clause, n := range engines {
		if n == 0 {
			t.Errorf("no engine breaks %q", clause)
		}
	}
}

// TestSamplesHaveSomethingInEveryField keeps a field that is added from being
// left out of what the suite puts and compares.
func TestSamplesHaveSomethingInEveryField(t *testing.T) {
	session := newSession("u", sessionID(1), t0).Ended(t0, rollcall.ReasonLogout)
	event := newEvent("u", 1)
	put := map[string]bool{".Version": true} // the store's own
	for _, sample := range []any{&session, &event} {
		for path := range paths(reflect.TypeOf(sample).Elem(), "") {
			if !put[path] {
				put[path] = false
			}
		}
		each(reflect.ValueOf(sample).Elem(), "", func(path string, v reflect.Value) {
			put[path] = put[path] || !v.IsZero()
		})
		for path, something := range put {
			if !something {
				t.Errorf("%T%s is always empty", sample, path)
			}
		}
		put = map[string]bool{}
	}
}

// paths lists the paths that each can visit in a type.
func paths(t reflect.Type, path string) map[string]bool {
	all := map[string]bool{}
	switch {
	case t == reflect.TypeFor[time.Time]():
		all[path] = true
	case t.Kind() == reflect.Struct:
		for i := range t.NumField() {
			for p := range paths(t.Field(i).Type, path+"."+t.Field(i).Name) {
				all[p] = true
			}
		}
	case t.Kind() == reflect.Slice, t.Kind() == reflect.Array:
		return paths(t.Elem(), path+"[]")
	default:
		all[path] = true
	}
	return all
}
