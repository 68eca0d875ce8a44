package gate_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/rollcall-id/rollcall/internal/request"
)

type patterns struct {
	Patterns []struct{ Exact, Prefix string } `yaml:"patterns"`
}

// names are the headers that the patterns let through, a prefix with a star.
func (p patterns) names() []string {
	var names []string
	for _, pattern := range p.Patterns {
		name := pattern.Exact
		if pattern.Prefix != "" {
			name = pattern.Prefix + "*"
		}
		names = append(names, name)
	}
	return sorted(names)
}

// envoy is what the tests read of envoy.yaml.
type envoy struct {
	StaticResources struct {
		Listeners []struct {
			FilterChains []struct {
				Filters []struct {
					TypedConfig envoyManager `yaml:"typed_config"`
				} `yaml:"filters"`
			} `yaml:"filter_chains"`
		} `yaml:"listeners"`
	} `yaml:"static_resources"`
}

type envoyManager struct {
	UseRemoteAddress bool `yaml:"use_remote_address"`
	NormalizePath    bool `yaml:"normalize_path"`
	Common           struct {
		Underscores string `yaml:"headers_with_underscores_action"`
	} `yaml:"common_http_protocol_options"`
	Upgrades []struct {
		Type string `yaml:"upgrade_type"`
	} `yaml:"upgrade_configs"`
	RouteConfig struct {
		VirtualHosts []struct{ Routes []envoyRoute } `yaml:"virtual_hosts"`
	} `yaml:"route_config"`
	HTTPFilters []struct {
		Name        string
		TypedConfig struct {
			Mutations struct {
				Request []struct {
					Remove struct {
						Key struct {
							Contains   string
							IgnoreCase bool `yaml:"ignore_case"`
						} `yaml:"key_matcher"`
					} `yaml:"remove_on_match"`
				} `yaml:"request_mutations"`
			} `yaml:"mutations"`
			FailureModeAllow bool         `yaml:"failure_mode_allow"`
			AllowedHeaders   patterns     `yaml:"allowed_headers"`
			HTTPService      envoyService `yaml:"http_service"`
		} `yaml:"typed_config"`
	} `yaml:"http_filters"`
}

type envoyService struct {
	Path     string `yaml:"path_override"`
	Response struct {
		Upstream patterns `yaml:"allowed_upstream_headers"`
		Client   patterns `yaml:"allowed_client_headers"`
	} `yaml:"authorization_response"`
}

type envoyRoute struct {
	Match struct {
		Prefix string
		Regex  struct{ Regex string } `yaml:"safe_regex"`
	}
	Direct    struct{ Status int } `yaml:"direct_response"`
	PerFilter map[string]struct {
		Disabled bool
		Check    struct {
			HTTPService envoyService `yaml:"http_service"`
		} `yaml:"check_settings"`
	} `yaml:"typed_per_filter_config"`
}

const envoyFilter = "envoy.filters.http.ext_authz"

// service is how a route asks.
func (m envoyManager) service(r envoyRoute) envoyService {
	if own, ok := r.PerFilter[envoyFilter]; ok {
		return own.Check.HTTPService
	}
	return m.HTTPFilters[1].TypedConfig.HTTPService
}

func readEnvoy(t *testing.T) envoyManager {
	t.Helper()
	var c envoy
	if err := yaml.Unmarshal(snippet(t, "envoy.yaml"), &c); err != nil {
		t.Fatal(err)
	}
	return c.StaticResources.Listeners[0].FilterChains[0].Filters[0].TypedConfig
}

// passedOn are the client's headers that a check reads, in lower case.
func passedOn() []string {
	return sorted(append(request.NavigationHeaders(), "Cookie", "Authorization", "User-Agent", "Origin", "X-Request-Id", "Traceparent"))
}

func TestEnvoySnippetStripsFirstAndCopiesEveryHeaderThatIsSent(t *testing.T) {
	all, m := sent(newFixture(t)), readEnvoy(t)
	if !m.UseRemoteAddress || m.NormalizePath || m.Common.Underscores != "DROP_HEADER" || len(m.Upgrades) != 1 || m.Upgrades[0].Type != "websocket" {
		t.Errorf("the connection manager: %+v", m)
	}
	first := m.HTTPFilters[0].TypedConfig.Mutations.Request[0].Remove.Key
	if first.Contains != "rollcall" || !first.IgnoreCase {
		t.Errorf("first of all, %+v is removed", first)
	}
	check := m.HTTPFilters[1]
	if check.Name != envoyFilter || check.TypedConfig.FailureModeAllow {
		t.Errorf("then, the check: %+v", check)
	}
	want := sorted(append(passedOn(), "X-Forwarded-*"))
	want = slices.DeleteFunc(want, func(name string) bool { return name == "authorization" }) // goes along anyway
	if diff := cmp.Diff(want, check.TypedConfig.AllowedHeaders.names()); diff != "" {
		t.Errorf("what the check is told (-read +told):\n%s", diff)
	}
	for _, route := range m.RouteConfig.VirtualHosts[0].Routes {
		if route.PerFilter[envoyFilter].Disabled {
			continue
		}
		answer := m.service(route).Response
		if diff := cmp.Diff(all, answer.Upstream.names()); diff != "" {
			t.Errorf("%+v: (-sent +copied):\n%s", route.Match, diff)
		}
		if len(answer.Client.Patterns) == 0 {
			t.Errorf("%+v: every header of a refusal would reach the client", route.Match)
		}
	}
}

func TestEnvoySnippetAsksByPath(t *testing.T) {
	m, list := readEnvoy(t), readSpellings(t)
	// asked is where the first route that matches a path asks, or the status of its answer.
	asked := func(p string) string {
		for _, route := range m.RouteConfig.VirtualHosts[0].Routes {
			switch regex := route.Match.Regex.Regex; {
			case regex != "" && !regexp.MustCompile("^(?:"+regex+")$").MatchString(p), route.Direct.Status == 204:
				continue
			case route.Direct.Status != 0:
				return "refused"
			case route.PerFilter[envoyFilter].Disabled:
				return ""
			}
			return m.service(route).Path
		}
		return "none"
	}
	for name, want := range map[string]string{"secure": "/check/login?acr=aal2", "events": "/check/login?touch=false", "public": "", "account": "/check/login"} {
		for _, p := range spelled(list.Alike, name) {
			if got := asked(p); got != want {
				t.Errorf("%s: asks %q", p, got)
			}
		}
		for _, p := range spelled(list.Refused, name) {
			if got := asked(p); got != "refused" {
				t.Errorf("%s: asks %q", p, got)
			}
		}
	}
	for p, want := range map[string]string{
		"/secure": "/check/login?acr=aal2", "/SECURE;a": "/check/login?acr=aal2", "/login": "", "/LOGIN;a=b": "", "/logout": "",
		"/public": "/check/login", "/events": "/check/login", "/login/": "/check/login", "/loginx": "/check/login", "/a/login": "/check/login",
	} {
		if got := asked(p); got != want {
			t.Errorf("%s: asks %q", p, got)
		}
	}
	for _, p := range spelled(list.Harmless, "account") {
		if got := asked(p); got != "/check/login" {
			t.Errorf("%s: asks %q", p, got)
		}
	}
}

// Proxies whose files list what they pass on, besides Envoy.
func TestHAProxySnippetPassesOnWhatACheckReads(t *testing.T) {
	text := string(snippet(t, "haproxy/auth-request.lua"))
	for _, name := range passedOn() {
		if !strings.Contains(text, `"`+name+`"`) {
			t.Errorf("%s is not passed on", name)
		}
	}
}
