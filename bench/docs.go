package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// page is a run as a document; docs/benchmarks.md is one.
func (r *report) page(plot string) string {
	accessLog := "off (`--log-level warn`)"
	if r.AccessLog {
		accessLog = "on, into a file"
	}
	coverage := estimated(make([]float64, r.Rounds)).Coverage
	var b strings.Builder
	fmt.Fprintf(&b, `# Benchmarks

One run, of %s. Speed is a matter of the machine, so what is judged is mostly a ratio
of two servers that take turns in one run; the other figures are for a sense of size.

![Each measure as a share of its target](%s)

%s
An interval is of the median of %d rounds and covers it with a probability of %.0f %% (order
statistics; nothing is assumed of the rounds' distribution).

## The run

- Rollcall %s, its access log %s, plain http on loopback.
- %s, %d processors, %s MB of memory, %s, %s. The server, the floor and the load
  generator share it.
- The store: %s sessions of %s users, loaded in %s. %s users have 50, %s have 5, one has
  %s, the others one. A session has a browser's agent, an address, one client, one
  method, in a fifth of them a second factor, in a tenth two entries of metadata;
  each has the event of its creation, which counts in its size on disk.
- The small store that growth is held against: %s sessions.
- Connections: %d for reads, %d for creations and endings; each waits for its answer
  before it asks again.
`, r.At.Format(time.DateOnly), plot, r.markdown(), r.Rounds, 100*coverage,
		strings.TrimPrefix(r.Machine.Rollcall, "rollcall "), accessLog,
		r.Machine.Processor, r.Machine.Processors, thousands(r.Machine.MemoryMB), r.Machine.Kernel, r.Machine.Go,
		thousands(r.Sessions), thousands(r.Users), (time.Duration(r.LoadTookMS) * time.Millisecond).Round(time.Second),
		thousands(r.plan().long()), thousands(r.plan().short()), thousands(r.plan().big()),
		thousands(r.Small), r.ReadConns, r.ActConns)
	b.WriteString(method)
	return b.String()
}

func (r *report) plan() plan { return plan{Sessions: r.Sessions, Users: r.Users} }

const method = `
## How it is measured

- **The floor** is a bare net/http handler in a process of its own. It gives, in turn,
  2,000 answers that Rollcall gave in the same run, with the same headers, and looks at
  nothing: as many as the smallest hot set has, so that the bytes of both come from memory.
  It gets the very same requests, and the generator does as much with its answers as with
  ours: of lists it looks at every sixteenth, of creations it takes the id.
- **The other** side of a line is the floor, unless the line names another one.
- **CPU** is what the server's process used, user and system, by the kernel's clock of the
  process, divided by the requests of the round. Rounds have a fixed number of
  requests and alternate, and each side begins every other one. What a server goes
  on doing after its answers (interactions are written once a second) counts.
- **Before the first round** both servers are left alone until they idle: a server that has
  started counts its sessions, and remembers of them what there is room for. Each of a hot set is
  asked for four times before its first round, and so is each user with a list of 50. Nobody acts
  meanwhile, so a page that is asked for again may come from memory.
- **The control** holds one floor against another one. Unless it comes out at 1.00 ± 0.05 the
  run is void: it says so, and exits with status 3.
- **Ratios differ between machines** as well: a check waits for memory that is in no cache,
  and the floor for none, so the slower memory is, the lower is the ratio. On an Intel Xeon with
  two processors, where such a read took 165 ns, an earlier version (47750b9) came out at 0.69
  and 0.74 for the checks, and at 4.4 for creations.
- **The hot sets** of a million sessions are 20,000 sessions for the check, 20,000 users for the
  list of 5, and 2,000 users for the list of 50, since no more than a few thousand users
  have that many. The check draws from all sessions or from every fiftieth.
- **Many sessions** are those of the user who has a hundredth of all.
- **Log syncs** are counted between the engine and the file system, in a store of the bench's
  own process that is given the same acts from as many goroutines as there are connections.
- **Latency** is the load generator's view, with as many requests under way as there are
  connections; it grows with them and is no measure of an idle server.
- **Memory** is the peak of the resident memory of the server with the large store, over all
  scenarios. **Ready** is from the start of the process to the first 200 of /readyz,
  with the store in the page cache.

## How to repeat it

` + "```" + `sh
make bench        # load, run, print; results in bench/results
make bench-docs   # the same, and write this page
make bench-quick  # under a minute, no verdicts: shows that the bench works
` + "```" + `

It needs Linux, 3 GB of disk below bench/data, and a machine that has nothing else to do.
` + "`go run ./bench run --help`" + ` lists what can be set; ` + "`-only`" + ` runs some scenarios alone.
`

// writeDocs writes the run as the one that the documentation shows.
func (r *report) writeDocs(dir string) error {
	if err := os.WriteFile(filepath.Join(dir, "benchmarks.svg"), []byte(r.plot()), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "benchmarks.md"), []byte(r.page("benchmarks.svg")), 0o644)
}
