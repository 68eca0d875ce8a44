package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/oauth"
	"github.com/rollcall-id/rollcall/server"
	"github.com/rollcall-id/rollcall/sessions"
)

func newDemo() *cobra.Command {
	var once bool
	c := &cobra.Command{
		Use:   "demo",
		Short: "Try it out: a server with lifelike sessions, its listing called, and lines to copy",
		Long: `Start a server on an embedded store with a few hundred lifelike sessions and one
user with thousands, over https with a local CA and over http; call the listing of
the published API, print the answer and lines to copy, and go on serving until a
signal says stop. Without --data everything is gone then.`,
		Example: `  rollcall demo
  rollcall demo --once`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := loadConfig(c.Flags(), os.Environ())
			if err != nil {
				return err
			}
			return demo(c.Context(), output(c), cfg, once)
		},
	}
	addFlags(c.Flags(), "data", "listen", "tls_listen")
	c.Flags().BoolVar(&once, "once", false, "stop after the calls instead of serving on")
	return c
}

const demoClient = "demo"

func demo(ctx context.Context, out io.Writer, cfg *config, once bool) (err error) {
	if cfg.sources["data"] == "default" {
		dir, err := os.MkdirTemp("", "rollcall-demo-")
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
		cfg.values["data"] = dir
	}
	if _, err := os.Stat(filepath.Join(cfg.text("data"), "store")); err == nil {
		return usage(fmt.Errorf("there is a store in %s, and the demo would add made-up sessions to it: name another directory with --data", cfg.text("data")))
	}
	if cfg.engine() == enginePostgres {
		return usage(errors.New("the demo would add made-up sessions to the database that store names: leave the setting out"))
	}
	demoDefaults(out, cfg)
	cfg.again = nil // the demo's client is in no file
	secret, hash := oauth.NewClientSecret()
	parsed, err := oauth.ParseSecretHash(hash)
	if err != nil {
		return err
	}
	cfg.clients = []oauth.Client{{ID: demoClient, SecretHashes: [][32]byte{parsed}, Scopes: rollcall.Scopes()}}
	log := newLogger(cfg)
	seeded, err := seed(ctx, cfg, log)
	if ctx.Err() != nil {
		return errInterrupted
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "Made %d sessions of %d users in %s.\n", seeded.sessions, seeded.users, seeded.took.Round(time.Millisecond))
	err = serve(ctx, cfg, log, func(ctx context.Context, r *running) error {
		err := present(ctx, out, r, secret, seeded)
		if err == nil && once {
			err = errDone
		}
		return err
	})
	if errors.Is(err, errDone) {
		return nil
	}
	return err
}

// demoDefaults sets what suits a demo, where nothing else is set: whatever listens
// on this machine alone may as well be a proxy.
func demoDefaults(out io.Writer, cfg *config) {
	for _, name := range []string{"listen", "tls_listen"} {
		if cfg.sources[name] == "default" {
			cfg.values[name] = freeOr(out, cfg.text(name))
		}
	}
	for name, value := range map[string]any{"telemetry_listen": "off", "trusted_proxies": []string{"127.0.0.1", "::1"}} {
		if cfg.sources[name] == "default" {
			cfg.values[name] = value
		}
	}
	cfg.values["log_level"] = "warn"
}

// errDone ends a demo that was asked for once.
var errDone = errors.New("done")

// freeOr returns the address, or one with a free port when somebody has it.
func freeOr(out io.Writer, address string) string {
	l, err := net.Listen("tcp", address)
	if err == nil {
		_ = l.Close()
		return address
	}
	fmt.Fprintf(out, "%s is taken; another port will do.\n", address)
	return "127.0.0.1:0"
}

// present makes the call that the product is about, as any client would, and
// prints what to try next.
func present(ctx context.Context, out io.Writer, r *running, secret string, seeded seeded) error {
	urls := server.Origins("", r.listeners.TLS.Addr().String())
	base := urls[len(urls)-1] // an address
	plain := ""
	if r.listeners.HTTP != nil {
		plain = "http://" + r.listeners.HTTP.Addr().String()
	}
	ca := server.CAFile(r.cfg.text("data"))
	client, err := newHTTPClient(ca, "")
	if err != nil {
		return err
	}
	remote := &remoteServer{url: base, client: client}
	if remote.token, err = fetchToken(ctx, remote, demoClient, secret); err != nil {
		return err
	}
	path := "/api/v2/users/" + url.PathEscape(seeded.someone) + "/sessions?take=2&include_totals=true"
	var answer json.RawMessage
	if err := remote.do(ctx, http.MethodGet, path, &answer); err != nil {
		return err
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, answer, "", "  "); err != nil {
		return err
	}
	fmt.Fprintf(out, "\nGET %s%s\n%s\n", base, path, pretty.String())
	_, err = fmt.Fprint(out, strings.NewReplacer(
		"{base}", base, "{plain}", plain, "{ca}", ca, "{token}", remote.token, "{path}", path, "{domain}", strings.TrimPrefix(base, "https://"),
		"{client}", demoClient, "{secret}", secret, "{user}", seeded.someone, "{many}", url.PathEscape(seeded.many), "{session}", seeded.token,
		"{data}", r.cfg.text("data"), "{self}", self(),
	).Replace(demoText))
	return err
}

// self is the program as a shell elsewhere finds it.
func self() string {
	path, err := os.Executable()
	if err != nil {
		return "rollcall"
	}
	return path
}

const demoText = `
The server is at {base} (https, local CA) and {plain} (http, loopback only). Try:

  TOKEN={token}
  curl --cacert {ca} -H "Authorization: Bearer $TOKEN" '{base}{path}'

  # a user with thousands of sessions
  curl --cacert {ca} -H "Authorization: Bearer $TOKEN" '{base}/api/v2/users/{many}/sessions?take=1&include_totals=true'

  # is this session good? 200 and who it is, or 401
  curl -i {plain}/check -H 'Authorization: Bearer {session}'

  # the official SDK, as it comes
  cd $(mktemp -d) && npm install auth0
  NODE_EXTRA_CA_CERTS={ca} node --input-type=module -e '
    import { ManagementClient } from "auth0";
    const client = new ManagementClient({ domain: "{domain}", clientId: "{client}",
      clientSecret: "{secret}" });
    for await (const s of await client.users.sessions.list("{user}", { take: 2 }))
      console.log(s.id, s.device.last_ip, s.last_interacted_at);'

  # for people; and the reference is at {base}/docs
  {self} sessions list '{user}' --data {data}

Ctrl-C stops.
`

// fetchToken gets a management token by client credentials.
func fetchToken(ctx context.Context, r *remoteServer, id, secret string) (string, error) {
	form := url.Values{
		"grant_type": {"client_credentials"}, "client_id": {id}, "client_secret": {secret}, "audience": {oauth.Audience(r.url)},
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url+"/oauth/token", strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := r.client.Do(request)
	if err != nil {
		return "", fmt.Errorf("asking for a token: %w", err)
	}
	defer answer.Body.Close()
	var token struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(io.LimitReader(answer.Body, 1<<20)).Decode(&token); err != nil || answer.StatusCode != http.StatusOK {
		return "", fmt.Errorf("asking for a token: %s %w", answer.Status, err)
	}
	return token.AccessToken, nil
}

// A seeded store says what was made.
type seeded struct {
	sessions, users int
	someone, many   string
	token           string    // a session token of someone
	earlier         []earlier // whose sessions may yet be used
	took            time.Duration
}

// seed makes the demo's sessions through the Manager, whose clock it moves along
// the past days.
func seed(ctx context.Context, cfg *config, log *slog.Logger) (out seeded, err error) {
	began := time.Now()
	store, err := openStore(cfg, log)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	past := newPast(began)
	keys, err := oauth.OpenKeys(keyDir(cfg))
	if err != nil {
		return out, err
	}
	options := managerOptions(cfg, keys, log)
	options.Clock = past.Now
	options.ActTimeout = time.Minute // nobody waits for these
	m, err := sessions.New(store, options)
	if err != nil {
		return out, err
	}
	for visits := range together(demoVisits(began), began.Add(-time.Hour)) {
		if ctx.Err() != nil {
			return out, ctx.Err()
		}
		if err := play(ctx, m, past, visits, &out); err != nil {
			return out, err
		}
	}
	past.now.Store(began.Add(-time.Minute).UnixMilli())
	if err := goOn(ctx, m, out.earlier); err != nil {
		return out, err
	}
	out.users, out.someone, out.many = demoUsers+1, demoUser(0), demoManyUser
	out.took = time.Since(began)
	return out, m.Flush(ctx)
}
