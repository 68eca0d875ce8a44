package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/server"
	"github.com/rollcall-id/rollcall/store/postgres"
)

// A finding is what the doctor says about one thing.
type finding struct {
	Area  string `json:"area"`
	State string `json:"state"` // one of the three below
	Text  string `json:"text"`
}

// The states of a finding.
const (
	isFine    = "ok"
	isWarning = "warning" // it may be meant so
	isProblem = "problem" // it does not work, or not for long
)

// A patient is what the doctor looks at, and what was found.
type patient struct {
	cfg      *config
	flags    *cobra.Command
	findings []finding
}

func (p *patient) say(area, state, format string, args ...any) {
	p.findings = append(p.findings, finding{area, state, fmt.Sprintf(format, args...)})
}

// judge says what is wrong if anything is, else that all is well.
func (p *patient) judge(area string, err error, fine string) {
	if err != nil {
		p.say(area, isProblem, "%v", err)
		return
	}
	p.say(area, isFine, "%s", fine)
}

func newDoctor() *cobra.Command {
	var asJSON, throughProxy bool
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Look at configuration, certificate, clock, disk, store and proxy, and say what is wrong",
		Long: `Look at the configuration, the files, the certificate, the clock, the disk, the store
and the running server, and say in plain words what is wrong. Give it the flags and the
environment of "rollcall serve", and run it as the server's user. Nothing is changed.

With --through-proxy it also makes a session of the user rollcall-doctor, checks it
through each public_url with an address that is made up, sees which address arrived, and
ends the session.

The exit status is 1 if there is a problem, 0 if there are warnings alone.`,
		Example: `  rollcall doctor --config /etc/rollcall.yaml --data /var/lib/rollcall
  rollcall doctor --config /etc/rollcall.yaml --through-proxy --json`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			p := &patient{flags: c}
			cfg, err := loadConfig(c.Flags(), os.Environ())
			if p.judge("configuration", err, "every setting fits its key"); err == nil {
				p.cfg = cfg
				p.examine(c.Context(), throughProxy)
			}
			if err := p.print(output(c), asJSON); err != nil {
				return err
			}
			return p.verdict()
		},
	}
	addFlags(c.Flags())
	addServerFlags(c.Flags())
	c.Flags().BoolVar(&throughProxy, "through-proxy", false, "check a session of the user rollcall-doctor through public_url")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func (p *patient) print(out io.Writer, asJSON bool) error {
	if asJSON {
		return printJSON(out, p.findings)
	}
	for _, f := range p.findings {
		if _, err := fmt.Fprintf(out, "%-8s %s: %s\n", f.State, f.Area, f.Text); err != nil {
			return err
		}
	}
	return nil
}

// verdict is an error if there is a problem.
func (p *patient) verdict() error {
	n := 0
	for _, f := range p.findings {
		if f.State == isProblem {
			n++
		}
	}
	if n > 0 {
		return fmt.Errorf("problems found: %d", n)
	}
	return nil
}

func (p *patient) examine(ctx context.Context, throughProxy bool) {
	p.settings()
	p.clock(time.Now())
	p.disk()
	p.database(ctx)
	r, running := p.server(ctx)
	p.certificate()
	p.publicURLs(ctx, r)
	if throughProxy && running {
		p.proxy(ctx)
	}
}

// settings holds the settings and the files that they name against each other.
func (p *patient) settings() {
	if err := p.cfg.consistent(); err != nil {
		p.say("configuration", isProblem, "%v", err)
	} else {
		p.say("configuration", isFine, "the settings agree, and nobody else reaches the files")
	}
	if _, err := (&running{cfg: p.cfg}).openNetworks(slog.New(slog.DiscardHandler)); err != nil {
		p.say("configuration", isProblem, "%v", err)
	}
	for _, w := range p.cfg.warnings() {
		p.say("configuration", isWarning, "%s", w)
	}
	if len(p.cfg.clients) == 0 && len(p.cfg.issuers) == 0 {
		p.say("configuration", isWarning, "there are no clients and no issuers: nobody but rollcall token gets a token; see rollcall client new")
	}
	share, wanted := shareFiles(openFileLimit()), p.cfg.number("max_connections")
	if share.connections > 0 && (wanted == 0 || share.connections < wanted) {
		p.say("files", isWarning, "here %d files may be open, which leaves %d connections of max_connections (%d): raise the limit (ulimit -n, LimitNOFILE), or lower max_connections", openFileLimit(), share.connections, wanted)
	}
}

// clock looks for signs that the clock is wrong: files of the future, a build of the
// future, a kernel that knows of no time server.
func (p *patient) clock(now time.Time) {
	problem := ""
	if built, err := time.Parse(time.RFC3339, date); err == nil && now.Before(built.Add(-24*time.Hour)) {
		problem = fmt.Sprintf("it is before this program was made (%s)", date)
	}
	for _, path := range []string{whereaboutsFile(p.cfg), storeDir(p.cfg), keyDir(p.cfg)} {
		if info, err := os.Stat(path); err == nil && info.ModTime().Sub(now) > rollcall.MaxClockError {
			problem = fmt.Sprintf("%s was changed at %s, which is still to come", path, info.ModTime().UTC().Format(time.RFC3339))
		}
	}
	switch {
	case problem != "":
		p.say("clock", isProblem, "the clock says %s: %s. Sessions would end late; set the clock", now.UTC().Format(time.RFC3339), problem)
	case !clockIsKept():
		p.say("clock", isWarning, "the kernel knows of nothing that keeps its clock: run chrony, systemd-timesyncd or the like")
	default:
		p.say("clock", isFine, "%s", now.UTC().Format(time.RFC3339))
	}
}

// disk looks how much room there is, by the server's own floors.
func (p *patient) disk() {
	switch p.cfg.engine() {
	case engineMemory:
		p.say("disk", isWarning, "the store is in memory: sessions do not outlive the process")
		return
	case enginePostgres: // whose disk is not this machine's
		return
	}
	dir := p.cfg.text("data")
	if _, err := os.Stat(dir); err != nil {
		dir = filepath.Dir(filepath.Clean(dir)) // which serve makes it in
	}
	free, known := freeSpace(dir)
	floor := uint64(max(0, p.cfg.number("min_free_disk")))
	switch {
	case !known:
		p.say("disk", isWarning, "nobody can say how much room there is in %s", dir)
	case free < floor:
		p.say("disk", isProblem, "%d MiB are free in %s, and below min_free_disk (%d MiB) sign-ins are refused: make room", free>>20, dir, floor>>20)
	case free < 4*floor:
		p.say("disk", isWarning, "%d MiB are free in %s; below min_free_disk (%d MiB) sign-ins are refused", free>>20, dir, floor>>20)
	default:
		p.say("disk", isFine, "%d MiB are free in %s", free>>20, dir)
	}
}

// database looks at a store in PostgreSQL.
func (p *patient) database(ctx context.Context) {
	if p.cfg.engine() != enginePostgres {
		return
	}
	findings, err := p.cfg.diagnose(ctx)
	if err != nil {
		p.say("database", isProblem, "%v", err)
		return
	}
	for _, f := range findings {
		p.say("database", map[bool]string{true: isProblem, false: isWarning}[f.Problem], "%s", f.Text)
	}
	if len(findings) == 0 {
		p.say("database", isFine, "%s answers, and its settings are good", postgres.HidePassword(p.cfg.text("store")))
	}
}

// server asks the server whether it is ready, and looks who has the store.
func (p *patient) server(ctx context.Context) (r *remoteServer, ready bool) {
	r, err := newRemote(p.flags)
	if err != nil {
		p.say("server", isProblem, "%v", err)
		return nil, false
	}
	holder, held := holderOf(filepath.Join(storeDir(p.cfg), "LOCK"))
	err = r.do(ctx, http.MethodGet, "/readyz", nil)
	switch {
	case err == nil:
		p.say("server", isFine, "ready at %s", r.url)
		return r, true
	case held && p.cfg.engine() == enginePebble:
		p.say("server", isProblem, "process %d has the store open, and at %s there is no server that is ready: %v", holder, r.url, err)
	default:
		p.say("server", isWarning, "no server is ready at %s: %v", r.url, err)
		p.leftovers()
	}
	return r, false
}

// leftovers looks for what only a process that died has left behind.
func (p *patient) leftovers() {
	if existingStore(storeDir(p.cfg)) != nil && p.cfg.engine() == enginePebble {
		p.say("store", isWarning, "there is no store in %s yet; the first start makes one", storeDir(p.cfg))
	}
	for _, pattern := range []string{"backup-*", "restore-*"} {
		left, _ := filepath.Glob(filepath.Join(p.cfg.text("data"), pattern)) // the pattern is a good one
		for _, dir := range left {
			p.say("store", isWarning, "%s is left of a copy that was broken off, and takes room: remove it", dir)
		}
	}
}

// certificate says what the TLS listener shows. consistent and warnings have judged it.
func (p *patient) certificate() {
	files, err := certificateFiles(p.cfg)
	if err != nil || files == (server.CertificateFiles{}) {
		return
	}
	if files.LocalCA != "" {
		p.say("certificate", isFine, "the local CA's, for this machine alone")
		return
	}
	cert, err := files.Read(time.Now())
	if err != nil {
		return // said already
	}
	p.say("certificate", isFine, "for %s, until %s", strings.Join(append(cert.Leaf.DNSNames, cert.Leaf.Subject.CommonName), ", "), cert.Leaf.NotAfter.UTC().Format(time.RFC3339))
}

// publicURLs asks at each public_url, as clients do: the name, the certificate, the way
// through proxies, and the clock at the other end.
func (p *patient) publicURLs(ctx context.Context, r *remoteServer) {
	if r == nil {
		return
	}
	for _, origin := range p.cfg.list("public_url") {
		origin = strings.TrimSuffix(origin, "/")
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, origin+"/healthz", nil)
		if err != nil {
			continue // consistent has said so
		}
		answer, err := r.client.Do(request)
		if bad, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
			p.say("public_url", isProblem, "%s shows a certificate that is not trusted here: %v", origin, bad.Err)
			continue
		}
		if err != nil {
			p.say("public_url", isProblem, "nobody answers at %s: %v", origin, err)
			continue
		}
		_ = answer.Body.Close()
		there, err := http.ParseTime(answer.Header.Get("Date"))
		switch off := time.Since(there).Abs(); {
		case answer.StatusCode != http.StatusOK || answer.Header.Get("X-Request-Id") == "":
			p.say("public_url", isProblem, "%s/healthz answers %s, and not as this server does: the proxy must pass paths on unchanged", origin, answer.Status)
		case err == nil && off > rollcall.MaxClockError:
			p.say("clock", isProblem, "the clocks here and at %s are %s apart", origin, off.Round(time.Second))
		default:
			p.say("public_url", isFine, "%s answers", origin)
		}
	}
}
