package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// checked runs `config check` on a file.
func checked(t *testing.T, file string) (out, errs string, code int) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "rollcall.yaml")
	if err := os.WriteFile(path, []byte("tls_listen: off\n"+file), 0o600); err != nil {
		t.Fatal(err)
	}
	return run(t, "config", "check", "--config", path)
}

func TestSettingsThatCanOnlySendBrowsersInCirclesAreRefused(t *testing.T) {
	const login = "login_url: https://app.example.com/login\n"
	for name, tt := range map[string]struct{ file, want string }{
		"a public suffix":                   {"cookie_domain: co.uk", "everybody can have a name below co.uk"},
		"a public suffix in capitals":       {"cookie_domain: GitHub.io", "everybody can have a name below GitHub.io"},
		"an address as domain":              {"cookie_domain: 192.0.2.1", "browsers share no cookie between addresses"},
		"a domain with a dot before it":     {"cookie_domain: .example.com", "must be a domain"},
		"a public suffix to clear":          {"cookie_domains_cleared: [co.uk]", "everybody can have a name below co.uk"},
		"the domain itself to clear":        {"cookie_domain: example.com\ncookie_domains_cleared: [Example.com]", "which is cleared anyway"},
		"a name with its prefix":            {"cookie_name: __Host-app", "must be what follows the prefix"},
		"a name that is none":               {"cookie_name: \"a b\"", "cookie_name: must be"},
		"an unknown SameSite":               {"cookie_same_site: lax", "must be one of Lax, Strict, None"},
		"an application out of reach":       {login + "cookie_domain: example.com\nreturn_origins: [https://app.example.org]", "https://app.example.org never gets the cookie of cookie_domain example.com"},
		"an application above the domain":   {login + "cookie_domain: app.example.com\nreturn_origins: [https://example.com]", "https://example.com never gets the cookie"},
		"applications out of reach":         {login + "cookie_domain: example.com\nreturn_origins: [\"https://*.example.org\"]", "never gets the cookie"},
		"the default port":                  {login + "return_origins: [https://app.example.com:443]", "browsers write https://app.example.com"},
		"capitals":                          {login + "return_origins: [https://App.example.com]", "browsers write https://app.example.com"},
		"a trailing dot":                    {login + "return_origins: [https://app.example.com.]", "browsers write https://app.example.com"},
		"an application over http":          {login + "return_origins: [http://app.example.com]", "the session cookie is Secure"},
		"a login page over http":            {"login_url: http://app.example.com/login", "login_url: \"http://app.example.com/login\": the session cookie is Secure"},
		"a wildcard above a public suffix":  {login + "return_origins: [\"https://*.co.uk\"]", "everybody can have a name below co.uk"},
		"a wildcard with a port":            {login + "return_origins: [\"https://*.example.com:8443\"]", "no port"},
		"a wildcard over http":              {login + "return_origins: [\"http://*.example.com\"]", "return_origins"},
		"any origin":                        {"cors_origins: [\"*\"]", "no origin"},
		"an opaque origin":                  {"cors_origins: [\"null\"]", "no origin"},
		"a wildcard for CORS":               {"cors_origins: [\"https://*.example.com\"]", "cors_origins"},
		"an origin with a slash for CORS":   {"cors_origins: [https://app.example.com/]", "no origin"},
		"an origin over http for CORS":      {"cors_origins: [http://app.example.com]", "the session cookie is Secure"},
		"origins and nowhere to sign in at": {"return_origins: [https://app.example.com]", "set login_url"},
	} {
		_, errs, code := checked(t, tt.file)
		if code != 2 || !strings.Contains(errs, tt.want) || strings.Count(errs, "\n") != 1 {
			t.Errorf("%s: exit %d, %s, want %q", name, code, errs, tt.want)
		}
	}
}

func TestSettingsThatMaySendBrowsersInCirclesAreWarnedOf(t *testing.T) {
	for name, tt := range map[string]struct{ file, want string }{
		"one host":                       {"login_url: https://app.example.com/login\nreturn_origins: [https://app.example.com, https://app.example.com:8443]", ""},
		"one domain":                     {"login_url: https://login.example.com/\ncookie_domain: Example.com\nreturn_origins: [https://app.example.com, \"https://*.example.com\", https://example.com]", ""},
		"loopback":                       {"login_url: http://localhost:3000/login\nreturn_origins: [http://localhost:3000]\ncors_origins: [http://localhost:5173]", ""},
		"another host for the login":     {"login_url: https://login.example.com/\nreturn_origins: [https://app.example.com]", "a cookie that login.example.com sets does not reach https://app.example.com"},
		"tenants without a domain":       {"login_url: https://login.example.com/\nreturn_origins: [\"https://*.example.com\"]", "does not reach https://*.example.com"},
		"a login outside the domain":     {"login_url: https://idp.example.org/\ncookie_domain: example.com\nreturn_origins: [https://app.example.com]", "a page of idp.example.org can set no cookie for cookie_domain example.com"},
		"a page of another site":         {"login_url: https://app.example.com/\nreturn_origins: [https://app.example.com]\ncors_origins: [https://app.example.org]", "https://app.example.org is of another site"},
		"a page of another site, framed": {"login_url: https://app.example.com/\nreturn_origins: [https://app.example.com]\ncors_origins: [https://app.example.org]\ncookie_same_site: None", ""},
		"a page of the same site":        {"login_url: https://app.example.com/\nreturn_origins: [https://app.example.com]\ncors_origins: [https://www.example.com]", ""},
	} {
		out, errs, code := checked(t, tt.file)
		if code != 0 || !strings.Contains(out, "good") || tt.want == "" && errs != "" || !strings.Contains(errs, tt.want) || tt.want != "" && !strings.HasPrefix(errs, "warning: ") {
			t.Errorf("%s: exit %d, %s%s, want %q", name, code, out, errs, tt.want)
		}
	}
}

func TestTheConfiguredCookieIsTheOneThatIsGiven(t *testing.T) {
	cfg := defaults(t)
	if got := cfg.cookie().Clear(); got[0] != "__Host-rollcall=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax" {
		t.Errorf("%q", got)
	}
	text := "cookie_name: app\ncookie_domain: app.example.com\ncookie_same_site: Strict\ncookie_domains_cleared: [example.com]\n"
	if err := cfg.readYAML("file", []byte(text)); err != nil {
		t.Fatal(err)
	}
	want := "__Secure-app=; Path=/; Domain=app.example.com; Max-Age=0; HttpOnly; Secure; SameSite=Strict\n" +
		"__Secure-app=; Path=/; Domain=example.com; Max-Age=0; HttpOnly; Secure; SameSite=Strict"
	if got := strings.Join(cfg.cookie().Clear(), "\n"); got != want {
		t.Errorf("%s", got)
	}
}
