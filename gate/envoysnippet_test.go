package gate_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/rollcall-id/rollcall/gate"
)

type patterns struct {
	Patterns []struct{ Exact string } `yaml:"patterns"`
}

func (p patterns) exact() []string {
	var names []string
	for _, pattern := range p.Patterns {
		names = append(names, pattern.Exact)
	}
	return sorted(names)
}

// envoy is what the test reads of envoy.yaml.
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
	RouteConfig struct {
		VirtualHosts []struct{ Routes []envoyRoute } `yaml:"virtual_hosts"`
	} `yaml:"route_config"`
	HTTPFilters []struct {
		Name        string
		TypedConfig struct {
			FailureModeAllow bool     `yaml:"failure_mode_allow"`
			AllowedHeaders   patterns `yaml:"allowed_headers"`
			HTTPService      struct {
				PathPrefix string `yaml:"path_prefix"`
				Response   struct {
					Upstream patterns `yaml:"allowed_upstream_headers"`
				} `yaml:"authorization_response"`
			} `yaml:"http_service"`
		} `yaml:"typed_config"`
	} `yaml:"http_filters"`
}

type envoyRoute struct {
	Match     map[string]string
	Remove    []string `yaml:"request_headers_to_remove"`
	PerFilter map[string]struct {
		Disabled bool
	} `yaml:"typed_per_filter_config"`
}

func TestEnvoySnippetCopiesEveryHeaderThatIsSentAndStripsThemWhereNothingIsChecked(t *testing.T) {
	var c envoy
	if err := yaml.Unmarshal(snippet(t, "envoy.yaml"), &c); err != nil {
		t.Fatal(err)
	}
	all, m := sent(newFixture(t)), c.StaticResources.Listeners[0].FilterChains[0].Filters[0].TypedConfig
	if !m.UseRemoteAddress || !m.NormalizePath || m.Common.Underscores != "DROP_HEADER" {
		t.Errorf("the client is believed: %+v", m)
	}
	const filter = "envoy.filters.http.ext_authz"
	check := m.HTTPFilters[0]
	if check.Name != filter || check.TypedConfig.FailureModeAllow || check.TypedConfig.HTTPService.PathPrefix != gate.EnvoyPrefix {
		t.Errorf("the check: %+v", check)
	}
	if diff := cmp.Diff(all, check.TypedConfig.HTTPService.Response.Upstream.exact()); diff != "" {
		t.Errorf("(-sent +copied):\n%s", diff)
	}
	asked := check.TypedConfig.AllowedHeaders.exact()
	if diff := cmp.Diff([]string{"accept", "cookie", "user-agent", "x-forwarded-for", "x-forwarded-proto", "x-request-id"}, asked); diff != "" {
		t.Errorf("what the check is told (-needed +told):\n%s", diff)
	}
	for _, route := range m.RouteConfig.VirtualHosts[0].Routes {
		checked, where := !route.PerFilter[filter].Disabled, route.Match["path"]+route.Match["prefix"]
		if checked != (where == "/") {
			t.Errorf("%s: checked %v", where, checked)
		}
		if stripped := strings.Join(sorted(route.Remove), " "); checked != (stripped == "") || !checked && stripped != strings.Join(all, " ") {
			t.Errorf("%s: removed %s", where, stripped)
		}
	}
}
