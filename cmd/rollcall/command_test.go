package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

var update = flag.Bool("update", false, "write docs/config.md anew")

func TestSessionsAreListedShownAndRevokedOverHTTP(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	p := serveOn(t, data)
	token := p.mint("create:sessions")
	var ids []string
	for range 3 {
		m, err := p.create(context.Background(), token, "auth0|1")
		if err != nil {
			t.Fatal(err)
		}
		ids = append([]string{m.Session.ID}, ids...)
	}
	server := []string{"--data", data}
	sessions := func(args ...string) string {
		t.Helper()
		out, errs, code := run(t, append(append([]string{"sessions"}, args...), server...)...)
		if code != 0 {
			t.Fatalf("%v: exit %d: %s", args, code, errs)
		}
		return out
	}
	if out := sessions("list", "auth0|1"); !strings.Contains(out, "3 sessions") || !strings.Contains(out, ids[0]) || !strings.Contains(out, "192.0.2.1") {
		t.Errorf("the table:\n%s", out)
	}
	var listed []struct{ ID string }
	if err := json.Unmarshal([]byte(sessions("list", "auth0|1", "--json")), &listed); err != nil || len(listed) != 3 {
		t.Errorf("JSON: %v %v", listed, err)
	}
	if out := sessions("show", ids[0]); !strings.Contains(out, "auth0|1") || !strings.Contains(out, "in 7d") && !strings.Contains(out, "in 6d") {
		t.Errorf("a session:\n%s", out)
	}
	sessions("revoke", ids[0])
	if out := sessions("list", "auth0|1"); !strings.Contains(out, "2 sessions") {
		t.Errorf("after one was revoked:\n%s", out)
	}
	sessions("revoke", "--user", "auth0|1")
	if out := sessions("list", "auth0|1"); !strings.Contains(out, "0 sessions") {
		t.Errorf("after all were revoked:\n%s", out)
	}
	if _, errs, code := run(t, append([]string{"sessions", "show", ids[0]}, server...)...); code != exitFailed || !strings.Contains(errs, "The session does not exist.") || strings.Count(errs, "\n") != 1 {
		t.Errorf("a session that is over: exit %d, %q", code, errs)
	}
	if _, errs, code := run(t, append([]string{"healthcheck"}, server...)...); code != 0 {
		t.Errorf("healthcheck: exit %d, %s", code, errs)
	}
}

func TestMistakesExitWith2AndSayWhatToDo(t *testing.T) {
	dir := t.TempDir()
	write := func(text string) string {
		path := filepath.Join(dir, "rollcall.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	twice := "{client_id: a, client_secret_sha256: " + strings.Repeat("ab", 32) + ", scopes: [\"read:sessions\"]}"
	for _, tt := range []struct {
		name string
		file string
		args []string
		want string
	}{
		{"unknown command", "", []string{"sreve"}, "sreve"},
		{"unknown flag", "", []string{"serve", "--lisen", "x"}, "--lisen"},
		{"an argument too many", "", []string{"serve", "x"}, "x"},
		{"a flag that is missing", "", []string{"token"}, `required flag(s) "scope" not set`},
		{"an unknown subcommand", "", []string{"sessions", "lst"}, "lst"},
		{"an unknown shell", "", []string{"completion", "dash"}, "dash"},
		{"help about nothing", "", []string{"help", "sreve"}, "sreve"},
		{"the manual of nothing", "", []string{"man", "sreve"}, "sreve"},
		{"the manual of a command and more", "", []string{"man", "sessions", "lst"}, "sessions lst"},
		{"bad value in a flag", "", []string{"serve", "--drain-delay", "x"}, "drain-delay"},
		{"bad choice in a flag", "", []string{"serve", "--store", "x"}, "--store: store: must be pebble, memory, or an address"},
		{"unknown key in the file", "lisen: x\n", []string{"config", "check"}, `there is no key "lisen"`},
		{"bad value in the file", "drain_delay: soon\n", []string{"config", "check"}, "drain_delay: must be a duration"},
		{"a retention that is too short", "retention: 23h\n", []string{"config", "check"}, "retention: must be at least 24h"},
		{"a map where none fits", "listen: {a: b}\n", []string{"config", "check"}, "listen: must be a single value"},
		{"no YAML", "a: [\n", []string{"config", "check"}, "reading the configuration file"},
		{"a secret in the file", "clients: [{client_id: a, client_secret: b}]\n", []string{"config", "check"}, "a secret does not belong into a file"},
		{"a client without secret", "clients: [{client_id: a, scopes: [\"read:sessions\"]}]\n", []string{"config", "check"}, "clients[0]: client a: it has no client_secret_sha256"},
		{"a secret that anybody guesses", fmt.Sprintf("clients: [{client_id: a, client_secret_sha256: %x, scopes: [\"read:sessions\"]}]\n", sha256.Sum256([]byte("test"))), []string{"config", "check"}, `clients[0]: client a: client_secret_sha256 is the hash of "test"`},
		{"an unknown scope", "clients: [{client_id: a, client_secret_sha256: " + strings.Repeat("ab", 32) + ", scopes: [\"x\"]}]\n", []string{"config", "check"}, `there is no scope "x"`},
		{"an idle limit over the absolute one", "idle_session_lifetime: 200h\n", []string{"config", "check"}, "idle_session_lifetime (200h0m0s) must not exceed session_lifetime (168h0m0s)"},
		{"the same of the others", "ephemeral_session_lifetime: 1h\n", []string{"config", "check"}, "idle_ephemeral_session_lifetime (24h0m0s) must not exceed ephemeral_session_lifetime (1h0m0s)"},
		{"a lifetime out of bounds", "session_lifetime: 9000h\n", []string{"config", "check"}, "session_lifetime: must lie between 1m0s and 8760h"},
		{"an idle one", "idle_session_lifetime: 30s\n", []string{"config", "check"}, "idle_session_lifetime: must lie between 1m0s and 8760h"},
		{"an ephemeral one", "ephemeral_session_lifetime: -1h\n", []string{"config", "check"}, "ephemeral_session_lifetime: must lie between 1m0s and 8760h"},
		{"an idle ephemeral one", "idle_ephemeral_session_lifetime: 0s\n", []string{"config", "check"}, "idle_ephemeral_session_lifetime: must lie between 1m0s and 8760h"},
		{"uses that are hardly ever written", "touch_interval: 100h\n", []string{"config", "check"}, "touch_interval: must lie between 1ms and 1h0m0s"},
		{"a stop that takes days", "drain_delay: 100h\n", []string{"config", "check"}, "drain_delay: must lie between 0s and 1h0m0s"},
		{"clients of a flag that are none", "", []string{"config", "check", "--clients", "{"}, "--clients: clients: yaml"},
		{"a client of a flag without secret", "", []string{"config", "check", "--clients", "[{client_id: a, scopes: [\"read:sessions\"]}]"}, "--clients: clients[0]: client a: it has no client_secret_sha256"},
		{"half of a certificate", "", []string{"serve", "--data", dir, "--tls-cert", "x"}, "tls_cert and tls_key go together"},
		{"plain http on a network", "", []string{"serve", "--data", dir, "--listen", "0.0.0.0:0", "--tls-listen", "off"}, "behind_proxy"},
		{"the local CA on a network", "", []string{"serve", "--data", dir, "--listen", "off", "--tls-listen", "0.0.0.0:0"}, "tls_cert"},
		{"nothing to listen on", "", []string{"serve", "--data", dir, "--listen", "off", "--tls-listen", "off"}, "no address to listen on"},
		{"a bad proxy", "", []string{"serve", "--data", dir, "--trusted-proxies", "x"}, "trusted_proxies"},
		{"origins without a login page", "", []string{"serve", "--data", dir, "--listen", "127.0.0.1:0", "--tls-listen", "off", "--return-origins", "https://a"}, "set login_url"},
		{"an origin with a path", "", []string{"serve", "--data", dir, "--listen", "127.0.0.1:0", "--tls-listen", "off", "--login-url", "https://a/", "--return-origins", "https://a/b"}, "no origin"},
		{"a login page that is none", "", []string{"serve", "--data", dir, "--listen", "127.0.0.1:0", "--tls-listen", "off", "--login-url", "login"}, "login_url"},
		{"a network database that is not there", "", []string{"serve", "--data", dir, "--listen", "127.0.0.1:0", "--tls-listen", "off", "--asn-database", filepath.Join(dir, "none.mmdb")}, "asn_database: reading the network database"},
		{"a network database that is none", "", []string{"serve", "--data", dir, "--listen", "127.0.0.1:0", "--tls-listen", "off", "--asn-database", "command_test.go"}, "invalid MaxMind DB"},
		{"profiles that nobody could ask for", "", []string{"serve", "--data", dir, "--listen", "127.0.0.1:0", "--tls-listen", "off", "--telemetry-listen", "off", "--pprof"}, "pprof without a telemetry_listen"},
		{"no keys to mint with", "", []string{"token", "--data", filepath.Join(dir, "none"), "--scope", "read:sessions"}, "there are no keys"},
		{"a client of a bad name", "", []string{"client", "new", "--id", "a b", "--scope", "read:sessions"}, "an id has 1 to 64 characters"},
		{"a client that is declared twice", "clients: [" + twice + ", " + twice + "]\n", []string{"config", "check"}, "client a is declared twice"},
		{"a public key that is missing", "clients: [{client_id: a, public_key_file: /none, scopes: [\"read:sessions\"]}]\n", []string{"config", "check"}, "clients[0]: stat /none"},
		{"an issuer without scopes", "issuers: [{issuer: \"https://a/\", audience: b, jwks_url: \"https://a/jwks\"}]\n", []string{"config", "check"}, "issuers[0]: issuer https://a/: it has no scopes"},
		{"an issuer without keys", "issuers: [{issuer: \"https://a/\", audience: b, scopes: [\"read:sessions\"]}]\n", []string{"config", "check"}, "it needs a jwks_url or a jwks_file"},
		{"an issuer of an unknown kind", "issuers: [{issuer: \"https://a/\", audiance: b}]\n", []string{"config", "check"}, `there is no key "audiance"`},
		{"an issuer with HMAC", "issuers: [{issuer: \"https://a/\", audience: b, jwks_url: \"https://a/jwks\", scopes: [\"read:sessions\"], algorithms: [HS256]}]\n", []string{"config", "check"}, `there is no algorithm "HS256"`},
		{"an issuer over plain http", "issuers: [{issuer: \"https://a/\", audience: b, jwks_url: \"http://a/jwks\", scopes: [\"read:sessions\"]}]\n", []string{"config", "check"}, "jwks_url: it is https"},
		{"half a limit", "rate_burst: 5\n", []string{"config", "check"}, "set rate_limit"},
		{"a key of an unknown kind", "", []string{"keys", "rotate", "--data", dir, "--alg", "HS256"}, "--alg must be one of RS256, ES256, EdDSA"},
		{"an algorithm of a derivation key", "", []string{"keys", "rotate", "--data", dir, "--derivation", "--alg", "EdDSA"}, "--alg is for keys that sign"},
		{"no keys to rotate", "", []string{"keys", "rotate", "--data", filepath.Join(dir, "none")}, "there are no keys"},
		{"no keys to list", "", []string{"keys", "list", "--data", filepath.Join(dir, "none")}, "there are no keys"},
		{"nobody to revoke", "", []string{"sessions", "revoke"}, "name a session's id"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			args := tt.args
			if tt.file != "" {
				args = append(args, "--config", write(tt.file))
			}
			out, errs, code := run(t, args...)
			if code != exitUsage || !strings.Contains(errs, tt.want) || strings.Count(errs, "\n") != 1 || out != "" {
				t.Errorf("exit %d, stdout %q, stderr %q", code, out, errs)
			}
		})
	}
}

func TestFlagsWinOverEnvironmentOverFileOverDefault(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rollcall.yaml")
	text := "listen: 127.0.0.1:1\ntls_listen: 127.0.0.1:1\nlog_level: warn\ntrusted_proxies: [10.0.0.0/8, 192.0.2.1]\nmax_sessions_per_user: 7\nbehind_proxy: true\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	secret := filepath.Join(t.TempDir(), "level")
	if err := os.WriteFile(secret, []byte("debug\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	addFlags(flags)
	if err := flags.Parse([]string{"--listen", "127.0.0.1:3", "--public-url", "https://a", "--public-url", "https://b"}); err != nil {
		t.Fatal(err)
	}
	c, err := loadConfig(flags, []string{"ROLLCALL_CONFIG=" + path, "ROLLCALL_LISTEN=127.0.0.1:2", "ROLLCALL_TLS_LISTEN=127.0.0.1:2", "ROLLCALL_LOG_LEVEL_FILE=" + secret, "HOME=/"})
	if err != nil {
		t.Fatal(err)
	}
	got := []any{c.text("listen"), c.text("tls_listen"), c.text("log_level"), c.list("trusted_proxies"), c.list("public_url"), c.number("max_sessions_per_user"), c.flag("behind_proxy"), c.text("store")}
	want := []any{"127.0.0.1:3", "127.0.0.1:2", "debug", []string{"10.0.0.0/8", "192.0.2.1"}, []string{"https://a", "https://b"}, 7, true, "pebble"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for key, want := range map[string]string{"listen": "--listen", "tls_listen": "ROLLCALL_TLS_LISTEN", "max_sessions_per_user": path, "store": "default"} {
		if c.sources[key] != want {
			t.Errorf("%s comes from %q, want %q", key, c.sources[key], want)
		}
	}
	for _, environ := range [][]string{{"ROLLCALL_LISEN=x"}, {"ROLLCALL_MAX_CONNECTIONS=many"}, {"ROLLCALL_LISTEN_FILE=/none"}} {
		if _, err := loadConfig(flags, environ); err == nil || !strings.Contains(err.Error(), strings.SplitN(environ[0], "=", 2)[0]) {
			t.Errorf("%v: %v", environ, err)
		}
	}
}

func TestConfigPrintShowsNoHash(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rollcall.yaml")
	hash := strings.Repeat("ab", 32)
	if err := os.WriteFile(path, []byte("clients: [{client_id: app, client_secret_sha256: "+hash+", scopes: [\"read:sessions\"]}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"config", "print"}, {"config", "print", "--json"}} {
		out, errs, code := run(t, append(args, "--config", path)...)
		if code != 0 || strings.Contains(out, hash) || !strings.Contains(out, "app: read:sessions") || !strings.Contains(out, "tls_listen") {
			t.Errorf("exit %d %s\n%s", code, errs, out)
		}
	}
}

func TestTheConfigurationIsDocumentedAsItIs(t *testing.T) {
	const path = "../../docs/config.md"
	if *update {
		if err := os.WriteFile(path, []byte(configDoc()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(configDoc(), string(got)); diff != "" {
		t.Errorf("docs/config.md is not what the table says; go test ./cmd/rollcall -run Documented -update writes it (-want +got):\n%s", diff)
	}
}

func TestVersionAndClientAnswerInJSONToo(t *testing.T) {
	for _, args := range [][]string{{"version", "--json"}, {"client", "new", "--id", "a", "--scope", "read:sessions", "--json"}} {
		out, errs, code := run(t, args...)
		if code != 0 || !json.Valid([]byte(out)) {
			t.Errorf("%v: exit %d %s %s", args, code, errs, out)
		}
	}
	if out, _, code := run(t, "--help"); code != 0 || !strings.Contains(out, "rollcall demo") {
		t.Errorf("help: exit %d\n%s", code, out)
	}
}

// newClientOf runs client new --json.
func newClientOf(t *testing.T, id string) (secret, hash, declaration string) {
	t.Helper()
	out, errs, code := run(t, "client", "new", "--id", id, "--scope", "read:sessions create:sessions", "--json")
	var made struct {
		Secret      string `json:"client_secret"`
		Hash        string `json:"client_secret_sha256"`
		Declaration string
	}
	if err := json.Unmarshal([]byte(out), &made); err != nil || code != 0 {
		t.Fatalf("exit %d %v %s%s", code, err, out, errs)
	}
	return made.Secret, made.Hash, made.Declaration
}

func TestAClientInJSONHasItsDeclarationForTheFile(t *testing.T) {
	_, hash, declaration := newClientOf(t, "app")
	cfg := defaults(t)
	if err := cfg.readYAML("file", []byte(declaration)); err != nil || len(cfg.clients) != 1 || cfg.clients[0].ID != "app" || !strings.Contains(declaration, hash) {
		t.Errorf("%v %v\n%s", cfg.clients, err, declaration)
	}
}

func TestAFirstRunNeedsNoFile(t *testing.T) {
	secret, hash, declaration := newClientOf(t, "app")
	list := strings.TrimPrefix(declaration, "clients:\n")
	file := filepath.Join(t.TempDir(), "clients")
	if err := os.WriteFile(file, []byte(list), 0o600); err != nil {
		t.Fatal(err)
	}
	inJSON := `[{"client_id": "app", "client_secret_sha256": "` + hash + `", "scopes": ["read:sessions"]}]`
	for name, source := range map[string]struct {
		command []string
		args    []string
	}{
		"a flag":              {[]string{program}, []string{"--clients", inJSON}},
		"the environment":     {[]string{"env", "ROLLCALL_CLIENTS=" + list, program}, nil},
		"a file of a Secret":  {[]string{"env", "ROLLCALL_CLIENTS_FILE=" + file, program}, nil},
		"a flag over another": {[]string{"env", "ROLLCALL_CLIENTS=[]", program}, []string{"--clients", inJSON}},
	} {
		p := serveBy(t, filepath.Join(t.TempDir(), "data"), source.command, source.args...)
		token, status := p.fetchToken("app", secret)
		if status != 200 || p.list(token) != 200 {
			t.Errorf("%s: %d", name, status)
		}
		p.reload(`"msg":"reloaded"`)
		if _, status := p.fetchToken("app", secret); status != 200 {
			t.Errorf("%s, after a reload: %d", name, status)
		}
		if code := p.stop(os.Interrupt); code != 0 {
			t.Errorf("exit %d", code)
		}
	}
	out, errs, code := run(t, "config", "print", "--clients", inJSON, "--levels", "[{name: a, any_of: [[]]}]", "--issuers", "[{issuer: \"https://a/\", audience: b, jwks_url: \"https://a/k\", scopes: [introspect]}]")
	for _, want := range []string{"--clients\n", "--levels\n", "--issuers\n"} {
		if code != 0 || !strings.Contains(out, want) {
			t.Errorf("exit %d %s: no %q in\n%s", code, errs, want, out)
		}
	}
}

// commands are those of the program, without the library's own.
func commands(c *cobra.Command) (all []*cobra.Command) {
	for _, sub := range c.Commands() {
		if sub.Name() != "completion" && sub.Name() != "help" {
			all = append(append(all, sub), commands(sub)...)
		}
	}
	return all
}

func TestEveryCommandIsExplainedOnStdoutWithAnExample(t *testing.T) {
	for _, c := range commands(newRoot()) {
		args := strings.Fields(c.CommandPath())[1:]
		out, errs, code := run(t, append(args, "--help")...)
		if code != 0 || errs != "" || !strings.Contains(out, "Usage:") {
			t.Errorf("%v --help: exit %d, stderr %q", args, code, errs)
		}
		if !c.HasSubCommands() && !strings.Contains(out, "Examples:\n  ") {
			t.Errorf("%v --help has no example", args)
		}
	}
}

func TestEveryCommandHasAManualPageThatIsTheSameEachTime(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "man1")
	for range 2 {
		if _, errs, code := run(t, "man", "--dir", dir); code != 0 {
			t.Fatalf("exit %d: %s", code, errs)
		}
	}
	for _, c := range commands(newRoot()) {
		args := strings.Fields(c.CommandPath())
		file, err := os.ReadFile(filepath.Join(dir, strings.Join(args, "-")+".1"))
		if err != nil {
			t.Error(err)
			continue
		}
		page, errs, code := run(t, append([]string{"man"}, args[1:]...)...)
		if code != 0 || !strings.HasPrefix(page, ".nh\n.TH ") || !strings.Contains(page, c.Short[:10]) {
			t.Errorf("man %v: exit %d %s\n%.200s", args, code, errs, page)
		}
		if diff := cmp.Diff(string(file), page); diff != "" {
			t.Errorf("man %v is another page than in the directory (-directory +printed):\n%s", args, diff)
		}
	}
}

func TestShellsAreHelpedToComplete(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if out, errs, code := run(t, "completion", shell); code != 0 || !strings.Contains(out, "rollcall") || errs != "" {
			t.Errorf("%s: exit %d %s", shell, code, errs)
		}
	}
	if out, _, code := run(t, "__complete", "sessions", ""); code != 0 || !strings.Contains(out, "revoke\t") {
		t.Errorf("exit %d: %s", code, out)
	}
}

// TestNoOutputIsColoured is what NO_COLOR and TERM=dumb ask for, at all times.
func TestNoOutputIsColoured(t *testing.T) {
	for _, args := range [][]string{{"--help"}, {"serve", "--help"}, {"version"}, {"config", "print"}, {"sreve"}} {
		if out, errs, _ := run(t, args...); strings.Contains(out+errs, "\x1b") {
			t.Errorf("%v: %q %q", args, out, errs)
		}
	}
}
