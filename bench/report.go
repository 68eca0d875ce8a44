package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// A result is what a scenario has measured.
type result struct {
	Key      string    `json:"key"`
	Title    string    `json:"title"`
	Unit     string    `json:"unit"`
	Target   target    `json:"target"`
	Estimate estimate  `json:"estimate"`
	Values   []float64 `json:"values"` // by round
	Ours     *load     `json:"ours,omitempty"`
	Other    *load     `json:"other,omitempty"`
}

// ratio is the result of a comparison: what one side took divided by what the
// other did.
func (s scenario) ratio(above, below, ours, other load) result {
	r := s.values(ratios(above, below))
	r.Ours, r.Other = &ours, &other
	return r
}

func (s scenario) values(v []float64) result {
	return result{Key: s.key, Title: s.title, Unit: s.unit, Target: s.target, Estimate: estimated(v), Values: v}
}

const controlKey = "control"

// controlWithin is how far the control may be from 1.
const controlWithin = 0.05

func (r result) met() bool {
	if r.Key == controlKey {
		return r.Estimate.Median >= 1-controlWithin && r.Estimate.Median <= 1+controlWithin
	}
	return r.Target.metBy(r.Estimate)
}

// judged says whether the result has a target that a run can miss.
func (r result) judged() bool { return r.Key != controlKey && r.Target != target{} }

func (r result) asked() string {
	switch {
	case r.Key == controlKey:
		return fmt.Sprintf("1.00 ± %.2f", controlWithin)
	case r.Target == target{}:
		return ""
	case r.Target.Within:
		return figure(r.Target.Value) + " in the interval"
	case r.Target.AtLeast:
		return "at least " + figure(r.Target.Value)
	}
	return "at most " + figure(r.Target.Value)
}

func (r result) spelled() string {
	if len(r.Values) < 2 {
		return figure(r.Estimate.Median)
	}
	return fmt.Sprintf("%s (%s to %s)", figure(r.Estimate.Median), figure(r.Estimate.Low), figure(r.Estimate.High))
}

// figure writes a number with as many digits as mean something.
func figure(v float64) string {
	if v >= 10 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// A report is everything that a run has to say.
type report struct {
	At        time.Time `json:"at"`
	Sessions  int       `json:"sessions"`
	Users     int       `json:"users"`
	Small     int       `json:"small"` // sessions in the other server's store
	Rounds    int       `json:"rounds"`
	Quick     bool      `json:"quick"`
	AccessLog bool      `json:"access_log"`
	Machine   machine   `json:"machine"`
	// Old is the version of the older binary; "" unless one was compared.
	Old        string `json:"old,omitempty"`
	ReadConns  int    `json:"read_connections"`
	ActConns   int    `json:"act_connections"`
	LoadTookMS int64  `json:"load_took_ms"`
	// Void is why the figures mean nothing, "" when they do.
	Void    string   `json:"void,omitempty"`
	Results []result `json:"results"`
}

func newReport(b *bench) *report {
	return &report{
		At: time.Now().UTC().Truncate(time.Second), Sessions: b.loaded.Plan.Sessions, Users: b.loaded.Plan.Users, Small: b.otherSessions,
		Rounds: b.rounds, Quick: b.quick, AccessLog: b.accessLog, Machine: describeMachine(b.binary),
		ReadConns: readConnections, ActConns: actConnections, LoadTookMS: b.loaded.Took, Old: b.oldVersion(),
	}
}

func (r *report) add(got result) {
	r.Results = append(r.Results, got)
	if got.Key == controlKey && !got.met() {
		r.Void = fmt.Sprintf("the floor held against itself came out at %s, not at %s: the machine is too busy, or its clock too uneven, to measure anything", got.spelled(), got.asked())
	}
}

// judged is how many lines have a target.
func (r *report) judged() (n int) {
	for _, got := range r.Results {
		if got.judged() {
			n++
		}
	}
	return n
}

func (r *report) missed() (n int) {
	for _, got := range r.Results {
		if got.judged() && !got.met() {
			n++
		}
	}
	return n
}

// verdict is what a line says of its target. A quick run judges nothing.
func (r *report) verdict(got result) string {
	switch {
	case r.Quick, got.Target == target{}:
		return "-"
	case r.Void != "":
		return "void"
	case got.met():
		return "met"
	}
	return "missed"
}

// heads are the columns of the table.
var heads = []string{
	"what", "target", "measured (interval)", "unit", "verdict",
	"CPU µs", "req/s", "p50 ms", "p99 ms", "other: CPU µs", "other: req/s", "other: p50 ms", "other: p99 ms",
}

func (r *report) rows() [][]string {
	var rows [][]string
	for _, got := range r.Results {
		row := []string{got.Title, got.asked(), got.spelled(), got.Unit, r.verdict(got)}
		for _, l := range []*load{got.Ours, got.Other} {
			if l == nil {
				row = append(row, "", "", "", "")
				continue
			}
			row = append(row, fmt.Sprintf("%.1f", l.CPU.Seconds()*1e6), fmt.Sprintf("%.0f", l.PerSec),
				fmt.Sprintf("%.2f", l.P50.Seconds()*1e3), fmt.Sprintf("%.2f", l.P99.Seconds()*1e3))
		}
		rows = append(rows, row)
	}
	return rows
}

// table is for terminals.
func (r *report) table() string {
	var b strings.Builder
	if r.Old != "" {
		fmt.Fprintf(&b, "old (other): %s\nnew:         %s\n\n", r.Old, r.Machine.Rollcall)
	}
	w := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
	for _, row := range append([][]string{heads}, r.rows()...) {
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	_ = w.Flush() // into memory
	if r.Void != "" {
		fmt.Fprintf(&b, "\nVOID: %s\n", r.Void)
	}
	return b.String()
}

// markdown is the same table.
func (r *report) markdown() string {
	var b strings.Builder
	line := func(cells []string) { b.WriteString("| " + strings.Join(cells, " | ") + " |\n") }
	line(heads)
	b.WriteString(strings.Repeat("| --- ", len(heads)) + "|\n")
	for _, row := range r.rows() {
		line(row)
	}
	if r.Void != "" {
		fmt.Fprintf(&b, "\n**Void:** %s.\n", r.Void)
	}
	return b.String()
}

// write leaves the results in a directory, under the time of the run. A comparison has no
// page and no plot.
func (r *report) write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	name := r.At.Format("20060102-150405")
	files := map[string]string{name + ".json": string(text) + "\n"}
	if r.Old == "" {
		files[name+".md"], files[name+".svg"] = r.page(name+".svg"), r.plot()
	}
	for _, file := range slices.Sorted(maps.Keys(files)) {
		path := filepath.Join(dir, file)
		if err := os.WriteFile(path, []byte(files[file]), 0o644); err != nil {
			return err
		}
		fmt.Fprintln(os.Stderr, "written:", path)
	}
	return nil
}
