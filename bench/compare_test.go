package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// took is a load of rounds with so much processor time for a request.
func took(cpu ...float64) load {
	l := load{cpu: cpu}
	l.sum()
	return l
}

func TestAComparisonDividesTheOlderByThePresentOneRoundByRound(t *testing.T) {
	// The machine slows down from round to round, which the ratios must not see.
	older, present := took(30, 60, 90), took(20, 30, 90)
	got := scenario{target: within(1)}.olderByOurs(present, older)
	if diff := cmp.Diff([]float64{1.5, 2, 1}, got.Values); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if got.Ours.CPU != 30 || got.Other.CPU != 60 || got.Estimate.Median != 1.5 {
		t.Errorf("ours %d, other %d, %+v", got.Ours.CPU, got.Other.CPU, got.Estimate)
	}
}

func TestALineOfAComparisonIsMetWhenOneLiesInItsInterval(t *testing.T) {
	for _, c := range []struct {
		low, median, high float64
		verdict           string
	}{
		{0.98, 1.02, 1.05, "met"},
		{1, 1.02, 1.05, "met"},
		{0.95, 0.97, 1, "met"},
		{1.001, 1.02, 1.05, "missed"},
		{0.95, 0.97, 0.999, "missed"},
	} {
		r := &report{Rounds: 9}
		r.add(result{Target: within(1), Estimate: estimate{Low: c.low, Median: c.median, High: c.high}})
		if got := r.verdict(r.Results[0]); got != c.verdict {
			t.Errorf("%v to %v: %s, not %s", c.low, c.high, got, c.verdict)
		}
	}
}

func TestWhatHasNoTargetIsNotJudged(t *testing.T) {
	r := &report{Rounds: 9}
	r.add(scenario{}.values([]float64{1000}))
	if r.judged() != 0 || r.missed() != 0 || r.verdict(r.Results[0]) != "-" || r.Results[0].asked() != "" {
		t.Errorf("%d missed of %d, verdict %s, asked %q", r.missed(), r.judged(), r.verdict(r.Results[0]), r.Results[0].asked())
	}
}

func TestAComparisonHasEachLineThatIsHeldAgainstTheFloor(t *testing.T) {
	var got []string
	for _, s := range comparisons() {
		got = append(got, s.key+" "+s.unit)
	}
	want := []string{"control floor / floor"}
	for _, key := range []string{
		"check-uniform", "check-hot",
		"list-5-uniform", "list-5-hot", "list-5-total-uniform", "list-5-total-hot",
		"list-50-uniform", "list-50-hot", "list-50-total-uniform", "list-50-total-hot",
		"create", "end",
	} {
		want = append(want, key+" old / new")
	}
	if diff := cmp.Diff(append(want, "memory MB", "memory-old MB"), got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestBothSidesAreAskedTheSame(t *testing.T) {
	p, err := newPlan(5000, noon)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{settings: settings{rounds: 9}}
	one, other := newPopulation(p, "token"), newPopulation(p, "token")
	for _, s := range comparisons() {
		if s.load == nil || s.key == "end" { // an ending is of a session that the very side has created
			continue
		}
		mine, _, _ := s.load(b, one)
		others, _, _ := s.load(b, other)
		asked, err := mine.requests(100)
		askedOther, errOther := others.requests(100)
		if err := errors.Join(err, errOther); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(asked, askedOther); diff != "" {
			t.Errorf("%s:\n%s", s.key, diff)
		}
	}
}

func TestAStoreOfAnotherPlanIsRefused(t *testing.T) {
	p, err := newPlan(5000, noon)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.asPlanned(5000); err != nil {
		t.Error(err)
	}
	fewer := p
	fewer.Users--
	for _, err := range []error{p.asPlanned(5001), fewer.asPlanned(5000)} {
		if err == nil || !strings.Contains(err.Error(), "the other bench has loaded 5000 sessions of") {
			t.Errorf("the error is %v", err)
		}
	}
}

func TestAComparisonNeedsAnOlderServer(t *testing.T) {
	if _, err := compareFlags(nil); !errors.Is(err, errUsage) {
		t.Errorf("without -old: %v", err)
	}
	s, err := compareFlags([]string{"-old", "older"})
	if err != nil || !s.only.MatchString("create") {
		t.Errorf("without -only: %q, %v", s.only, err)
	}
	s, err = compareFlags([]string{"-old", "older", "-sessions", "7000", "-only", "^check-"})
	if err != nil || s.otherBinary != "older" || s.otherSessions != 7000 || !s.comparison || s.only.MatchString("create") {
		t.Errorf("%+v, %v", s, err)
	}
}

// compareQuickly compares the server that was built in a directory with itself, whose store
// the bench there loads as an older one would.
func compareQuickly(t *testing.T, dir string) {
	results := runQuickly(t, dir, "compare", "-old", filepath.Join(dir, "rollcall"), "-old-bench", filepath.Join(dir, "bench"))
	if len(results) != 1 {
		t.Fatalf("results: %v", results)
	}
	text, err := os.ReadFile(results[0])
	if err != nil {
		t.Fatal(err)
	}
	checkResults(t, text, comparisons())
}
