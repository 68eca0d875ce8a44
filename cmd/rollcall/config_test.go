package main

import (
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"github.com/rollcall-id/rollcall"
)

func defaults(t testing.TB) *config {
	t.Helper()
	flags := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	addFlags(flags)
	cfg, err := loadConfig(flags, nil)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// whole holds every value to its key's type, and its source to what was read.
func whole(t *testing.T, cfg *config, source string) {
	t.Helper()
	for _, k := range keys() {
		if got := cfg.values[k.name]; reflect.TypeOf(got) != reflect.TypeOf(k.value) {
			t.Errorf("%s is %T", k.name, got)
		}
		if s := cfg.sources[k.name]; s != source && s != "default" || s == "default" && cmp.Diff(k.value, cfg.values[k.name]) != "" {
			t.Errorf("%s = %v comes from %s", k.name, cfg.values[k.name], s)
		}
	}
	p := policy(cfg)
	_ = p.Check() // no panic, whatever the numbers
}

func FuzzConfigurationFile(f *testing.F) {
	for _, seed := range []string{
		ownLevels, "listen: off\nmax_sessions_per_user: 5\npublic_url: [https://a.example.com]\n", "touch_interval: 1s\naccess_log: no\n",
		"clients: [{client_id: a, client_secret_sha256: \"1b629e936b91b8730ab8006324e0d4410d7950deeac5ab1dc37f40ceaf7133d1\", scopes: [\"read:sessions\"]}]\n",
		"issuers: [{issuer: https://a/, audience: b, jwks_url: https://a/k, scopes: [introspect]}]\n",
		"a: &a [*a]", "? {}\n: 1", "levels: [{name: a, any_of: [[]], max_age: -1h}]", "listen: {a: b}", "listen:", "data: [a, b]", "\xff",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if strings.Contains(string(data), "_file") {
			return // no file of this machine is anybody's business
		}
		cfg := defaults(t)
		if err := cfg.readYAML("file", data); err != nil {
			if !strings.HasPrefix(err.Error(), "file: ") && !strings.Contains(err.Error(), "configuration file file") || strings.Contains(err.Error(), "\n") {
				t.Errorf("%q: %v", data, err)
			}
			return
		}
		whole(t, cfg, "file")
		if err := rollcall.CheckLevels(cfg.levels); err != nil {
			t.Errorf("%q: %v", data, err)
		}
		for _, c := range cfg.clients {
			if err := c.Check(); err != nil {
				t.Errorf("%q: %v", data, err)
			}
		}
		for _, i := range cfg.issuers {
			if err := i.Check(); err != nil {
				t.Errorf("%q: %v", data, err)
			}
		}
	})
}

func FuzzEnvironment(f *testing.F) {
	for _, k := range keys() {
		f.Add(k.env(), "off")
		f.Add(k.env(), "5")
	}
	f.Add("ROLLCALL_TOUCH_INTERVAL", "1h2m3s")
	f.Add("ROLLCALL_PUBLIC_URL", "https://a,https://b,")
	f.Add("ROLLCALL_TEST_LONG", "1")
	f.Add("ROLLCALL_", "")
	f.Add("ROLLCALL_NOTHING", "x")
	f.Fuzz(func(t *testing.T, name, value string) {
		if strings.HasSuffix(strings.ToLower(name), "_file") || strings.ContainsAny(name, "=") {
			return
		}
		cfg := defaults(t)
		if err := cfg.readEnvironment([]string{name + "=" + value}); err != nil {
			if !strings.HasPrefix(err.Error(), name+": ") {
				t.Errorf("%q=%q: %v", name, value, err)
			}
			return
		}
		whole(t, cfg, name)
		// What was read is read again from how it is shown.
		for _, k := range keys() {
			if cfg.sources[k.name] == "default" {
				continue
			}
			again := defaults(t)
			text, _ := spell(cfg.values[k.name]).(string)
			if text == "" {
				continue
			}
			if err := again.readEnvironment([]string{k.env() + "=" + text}); err != nil || cmp.Diff(cfg.values[k.name], again.values[k.name]) != "" {
				t.Errorf("%s: %q is shown as %q and reads back as %v, %v", name, value, text, again.values[k.name], err)
			}
		}
	})
}
