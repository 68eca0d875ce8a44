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
	patience = time.Second
	i := slices.IndexFunc(broken, func(b brokenEngine) bool { return b.name == name })
	if i < 0 {
		testDropping(t, name, clause)
		return
	}
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

// samples are what an engine stores, with something in every field.
func samples() map[string]any {
	session := newSession("u", sessionID(1), t0).Ended(newEnding(t0))
	session.Version = 1
	user, everybody, event := newUser("u"), newEverybody(), newEvent("u", 1)
	return map[string]any{"Session": &session, "User": &user, "Everybody": &everybody, "Event": &event}
}

// TestSamplesHaveSomethingInEveryField keeps a field that is added from being left out of
// what the suite puts and compares.
func TestSamplesHaveSomethingInEveryField(t *testing.T) {
	for name, sample := range samples() {
		put := map[string]bool{}
		each(reflect.ValueOf(sample).Elem(), "", func(path string, v reflect.Value) {
			put[path] = put[path] || !v.IsZero()
		})
		for path := range paths(reflect.TypeOf(sample).Elem(), "") {
			if !put[path] {
				t.Errorf("%s%s is always empty", name, path)
			}
		}
	}
}

// dropping stands for a broken engine for each field of what is stored, in the place of its
// name, and the type of what loses the field in that of a clause.
const dropping = "drops a field"

// TestTheSuiteFindsEngineThatDropsAnyField holds an engine for each field, which drops just
// that one, to the clause that looks at all.
func TestTheSuiteFindsEngineThatDropsAnyField(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for name, sample := range samples() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test := exec.CommandContext(t.Context(), self, "-test.run=^TestABrokenEngine$")
			test.Env = append(os.Environ(), brokenVariable+"="+dropping+"|"+name)
			out, _ := test.CombinedOutput()
			if strings.Contains(string(out), "panic:") {
				t.Fatalf("%s", out)
			}
			for path := range paths(reflect.TypeOf(sample).Elem(), "") {
				if !strings.Contains(string(out), "--- FAIL: TestABrokenEngine/"+name+path+" ") {
					t.Errorf("an engine that drops %s%s is not found", name, path)
				}
			}
		})
	}
}

// testDropping is the other side of TestTheSuiteFindsEngineThatDropsAnyField.
func testDropping(t *testing.T, what, name string) {
	if what != dropping {
		t.Fatalf("no engine is broken so that it %s", what)
	}
	kind := reflect.TypeOf(samples()[name])
	test := testRoundTrip
	if name == "Event" {
		test = testBareEvent
	}
	for path := range paths(kind.Elem(), "") {
		t.Run(name+path, func(t *testing.T) {
			test(t, Harness{Volatile: true, Serial: true, Open: func(*testing.T) rollcall.Store {
				return altersReads(memory.New(), func(p any) {
					if reflect.TypeOf(p) != kind {
						return
					}
					each(reflect.ValueOf(p).Elem(), "", func(at string, v reflect.Value) {
						if at == path {
							v.SetZero()
						}
					})
				})
			}})
		})
	}
}

func TestGroupsRunAlone(t *testing.T) {
	h := fullHarness(refusesRightly)()
	RunGroups(t, h, "Full", "Session")
}

func TestSharedStoresKeepTheContract(t *testing.T) {
	RunGroups(t, sharedHarness(func(s *memory.Store) rollcall.Store { return &altered{Store: s} }), "Nodes", "Calls")
}

func TestReopenedAndCopiedStoresKeepTheContract(t *testing.T) {
	RunGroups(t, Harness{Open: intact, Serial: true, Reopen: sameStore, Copy: func(_ *testing.T, s rollcall.Store) rollcall.Store {
		return restored(s.(*memory.Store))
	}}, "Reopen")
}

// restored is the store with another incarnation: positions of before are foreign.
func restored(s *memory.Store) rollcall.Store {
	const incarnation = "0000000000000001-"
	head, _ := s.Events(background, rollcall.EventsAfter{})
	old, _, _ := strings.Cut(head.Head, "-")
	out := func(position *string) { *position = incarnation + strings.TrimPrefix(*position, old+"-") }
	in := func(position *string) {
		if rest, ok := strings.CutPrefix(*position, incarnation); ok {
			*position = old + "-" + rest
		} else if *position != "" {
			*position = strings.Repeat("0", 33)
		}
	}
	return &altered{
		Store: s,
		events: func(ctx context.Context, q rollcall.EventsAfter) (rollcall.EventPage, error) {
			in(&q.After)
			foreign := strings.HasPrefix(q.After, "000000000000000000")
			if foreign {
				q.After = ""
			}
			page, err := s.Events(ctx, q)
			page.Missed = page.Missed || foreign
			for _, position := range []*string{&page.Next, &page.Head} {
				out(position)
			}
			for i := range page.Events {
				out(&page.Events[i].Position)
			}
			return page, err
		},
		sweep: func(ctx context.Context, bite rollcall.Sweep) (rollcall.Swept, error) {
			if in(&bite.EventsUpTo); strings.HasPrefix(bite.EventsUpTo, "000000000000000000") {
				bite.EventsUpTo = ""
			}
			return s.Sweep(ctx, bite)
		},
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
