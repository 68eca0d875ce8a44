package gate_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// ambiguous matches a path that an application may read as another one: it has an empty
// segment, a backslash, a segment of dots (also before a semicolon), a percent-encoded
// unreserved character, slash, backslash or NUL, or a malformed escape. Every file of
// docs/proxies has this text.
const ambiguous = `//|\x5c|/\.\.?(/|;|\?|$)|%(00|2[DEFdef]|3[0-9]|[46][1-9A-Fa-f]|5[0-9ACFacf]|7[0-9AEae])|%([^0-9A-Fa-f]|.[^0-9A-Fa-f]|.?$)`

// spellings are the paths that the tests of the running proxies send as well.
type spellings struct{ Refused, Alike, Harmless []string }

func readSpellings(t *testing.T) spellings {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "e2e", "proxies", "spellings.json"))
	if err != nil {
		t.Fatal(err)
	}
	var s spellings
	if err := json.Unmarshal(b, &s); err != nil {
		t.Fatal(err)
	}
	if len(s.Refused) < 50 || len(s.Alike) < 10 || len(s.Harmless) < 20 {
		t.Fatalf("%d refused, %d alike, %d harmless", len(s.Refused), len(s.Alike), len(s.Harmless))
	}
	return s
}

// spelled fills the name of a rule into paths, without their queries.
func spelled(paths []string, name string) []string {
	last := len(name) - 1
	first := fmt.Sprintf("%%%x%s", name[0], name[1:])
	fill := strings.NewReplacer(
		"{name}", name, "{NAME}", strings.ToUpper(name), "{Name}", strings.ToUpper(name[:1])+name[1:],
		"{%name}", first, "{%NAME}", strings.ToUpper(first), "{nam%}", fmt.Sprintf("%s%%%x", name[:last], name[last]),
	)
	filled := make([]string, len(paths))
	for i, p := range paths {
		filled[i], _, _ = strings.Cut(fill.Replace(p), "?")
	}
	return filled
}

func TestEverySnippetRefusesTheSamePaths(t *testing.T) {
	for _, name := range []string{"nginx.conf", "Caddyfile", "haproxy.cfg", "traefik.yaml", "envoy.yaml"} {
		if !strings.Contains(string(snippet(t, name)), ambiguous) {
			t.Errorf("%s does not have the expression for ambiguous paths", name)
		}
	}
	list, refused := readSpellings(t), regexp.MustCompile(ambiguous)
	for _, p := range spelled(list.Refused, "secure") {
		if !refused.MatchString(p) {
			t.Errorf("%s is not refused", p)
		}
	}
	for _, p := range append(spelled(list.Alike, "secure"), spelled(list.Harmless, "account")...) {
		if refused.MatchString(p) {
			t.Errorf("%s is refused", p)
		}
	}
	// Each character of RFC 3986 2.3 that is unreserved, and no other one below 0x7f, but
	// for the three that separate or end paths.
	for c := range byte(0x7f) {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		want := letter || strings.IndexByte("-._~/\\\x00", c) >= 0
		for _, form := range []string{"/a%%%02x/b", "/a%%%02X/b"} {
			if p := fmt.Sprintf(form, c); refused.MatchString(p) != want {
				t.Errorf("%s: refused %v", p, !want)
			}
		}
	}
}

// traefikEntryPoint is what the test reads of traefik-entrypoint.yaml.
type traefikEntryPoint struct {
	EntryPoints map[string]struct {
		HTTP struct {
			SanitizePath      bool `yaml:"sanitizePath"`
			EncodedCharacters struct {
				Slash     *bool `yaml:"allowEncodedSlash"`
				BackSlash *bool `yaml:"allowEncodedBackSlash"`
				Null      *bool `yaml:"allowEncodedNullCharacter"`
			} `yaml:"encodedCharacters"`
			AliasHeadersStrategy string `yaml:"aliasHeadersStrategy"`
		} `yaml:"http"`
	} `yaml:"entryPoints"`
}

var (
	pathRegexp   = regexp.MustCompile("PathRegexp\\(`([^`]*)`\\)")
	unreserved   = regexp.MustCompile(`%(2[DE]|3[0-9]|[46][1-9A-F]|5[0-9AF]|7[0-9AE])`)
	percentUpper = regexp.MustCompile(`%[0-9a-fA-F]{2}`)
)

// traefikRoute is the router that a path leads to, "400" for none, and the path that the
// rules and the application see, by what Traefik documents of request paths: malformed
// ones and the encoded characters that its entry point does not allow are answered with
// 400; unreserved characters are decoded, dots resolved and slashes merged.
func traefikRoute(c traefik, p string) (router, seen string) {
	if _, err := url.ParseRequestURI(p); err != nil {
		return "400", ""
	}
	p = percentUpper.ReplaceAllStringFunc(p, strings.ToUpper)
	if strings.Contains(p, "%2F") || strings.Contains(p, "%5C") || strings.Contains(p, "%00") {
		return "400", ""
	}
	p = unreserved.ReplaceAllStringFunc(p, func(escape string) string {
		c, _ := url.PathUnescape(escape)
		return c
	})
	clean := path.Clean(p)
	if strings.HasSuffix(p, "/") && clean != "/" {
		clean += "/"
	}
	best, priority := "400", -1
	for name, router := range c.HTTP.Routers {
		rules := pathRegexp.FindStringSubmatch(router.Rule)
		matches := len(rules) == 0 || regexp.MustCompile(rules[1]).MatchString(clean)
		if matches && router.Priority > priority && name != "app-preflight" {
			best, priority = name, router.Priority
		}
	}
	if best == "app-refused" {
		best = "400"
	}
	return best, clean
}

var parameters = regexp.MustCompile(`(;|%3[bB])[^/]*`)

// ruleFor is the router that is for a path, as an application reads that takes neither
// case nor parameters for a difference.
func ruleFor(p string) string {
	p = strings.ToLower(parameters.ReplaceAllString(p, ""))
	switch {
	case p == "/secure" || strings.HasPrefix(p, "/secure/"):
		return "app-secure"
	case strings.HasPrefix(p, "/events/"):
		return "app-events"
	case p == "/login" || p == "/logout" || strings.HasPrefix(p, "/public/"):
		return "app-public"
	}
	return "app"
}

func TestNoSpellingOfAPathLeadsAroundARuleOfTraefiksSnippet(t *testing.T) {
	var static traefikEntryPoint
	if err := yaml.Unmarshal(snippet(t, "traefik-entrypoint.yaml"), &static); err != nil {
		t.Fatal(err)
	}
	point := static.EntryPoints["websecure"].HTTP
	denied := func(allowed *bool) bool { return allowed != nil && !*allowed }
	if e := point.EncodedCharacters; !point.SanitizePath || !denied(e.Slash) || !denied(e.BackSlash) || !denied(e.Null) || point.AliasHeadersStrategy != "delete" {
		t.Errorf("the entry point: %+v", point)
	}

	c, list := readTraefik(t), readSpellings(t)
	paths := spelled(list.Harmless, "account")
	for _, name := range []string{"secure", "events", "public", "account"} {
		paths = append(paths, spelled(list.Alike, name)...)
	}
	paths = append(paths, "/secure", "/SECURE;a", "/login", "/LOGIN;a=b", "/logout", "/public", "/events", "/login/", "/loginx", "/a/login", "/a/secure/x")
	for _, p := range paths {
		if got, seen := traefikRoute(c, p); got != ruleFor(p) || !strings.EqualFold(seen, p) {
			t.Errorf("%s, seen as %s: %s for %s", p, seen, got, ruleFor(p))
		}
	}
	for _, name := range []string{"secure", "events", "public", "login", "account"} {
		for _, p := range spelled(list.Refused, name) {
			if got, seen := traefikRoute(c, p); got != "400" && got != ruleFor(seen) {
				t.Errorf("%s, seen as %s: %s for %s", p, seen, got, ruleFor(seen))
			}
		}
	}
}
