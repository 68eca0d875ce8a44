package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/internal/request"
	"github.com/rollcall-id/rollcall/server"
	"github.com/rollcall-id/rollcall/sessions"
	"github.com/rollcall-id/rollcall/store/pebble"
	"github.com/rollcall-id/rollcall/store/postgres"
)

// A key is one setting with a single value or a list of texts. The table of keys makes the
// flags, the environment's names, --help, docs/config.md, and the keys of the file but for
// the declarations.
type key struct {
	name  string // as in the file; flags have - for _, the environment ROLLCALL_ and capitals
	value any    // the default, whose type is the key's
	help  string
	check func(any) error
	shown func(any) any // the value as people may read it; nil shows all of it
}

func (k key) flag() string { return strings.ReplaceAll(k.name, "_", "-") }
func (k key) env() string  { return envPrefix + strings.ToUpper(k.name) }

const envPrefix = "ROLLCALL_"

func keys() []key {
	p := rollcall.DefaultPolicy()
	return []key{
		{name: "data", value: "rollcall-data", help: "directory of the store, the keys and the local CA"},
		{name: "store", value: enginePebble, help: "pebble (on disk, in the data directory), memory (nothing outlives the process), or the address of a PostgreSQL database that several nodes share, such as postgres://rollcall@db/rollcall?sslmode=verify-full", check: checkStore, shown: hidePassword},
		{name: "store_max_connections", value: 0, help: "connections to PostgreSQL that the process opens at most; 0 is pool_max_conns of the address, else the larger of 4 and the number of processors", check: between(0, 10000)},
		{name: "store_mode", value: modeAuto, help: "what an answer of PostgreSQL rests on through a failover: exact, fenced or single; auto is exact where a standby is synchronous, else single", check: oneOf(modeAuto, postgres.ModeExact, postgres.ModeFenced, postgres.ModeSingle)},
		{name: "store_pooler", value: false, help: "a pooler in transaction mode, such as PgBouncer, stands before PostgreSQL"},
		{name: "migrate", value: migrateEmpty, help: "when serve makes or migrates the tables of PostgreSQL: never, in an empty database (empty), or whenever they are older than the program (always); rollcall migrate does it by hand", check: oneOf(migrateNever, migrateEmpty, migrateAlways)},
		{name: "listen", value: "127.0.0.1:8080", help: `address for plain http, or unix:/PATH|MODE, or systemd:NAME; "off" for none; off loopback it needs behind_proxy`},
		{name: "tls_listen", value: "127.0.0.1:8443", help: `address for https, or unix:/PATH|MODE, or systemd:NAME; "off" for none; off loopback it needs tls_cert and tls_key`},
		{name: "tls_cert", value: "", help: "certificate file (PEM, with its chain); without one, a local CA in the data directory signs for loopback"},
		{name: "tls_key", value: "", help: "key file of the certificate (PEM)"},
		{name: "public_url", value: []string{}, help: "origin at which clients reach the server, such as https://sessions.example.com; repeatable; default: the https listener and the http one, as localhost and 127.0.0.1"},
		{name: "behind_proxy", value: false, help: "a proxy in front speaks TLS: plain http may listen off loopback"},
		{name: "trusted_proxies", value: []string{}, help: "addresses and networks of proxies whose client_address_header is believed; repeatable"},
		{name: "client_address_header", value: server.AddressHeaders[0], help: "the one header in which trusted proxies say where a request came from: X-Forwarded-For, Forwarded (RFC 7239) or X-Real-IP; the others are ignored", check: oneOf(server.AddressHeaders...)},
		{name: "proxy_protocol_from", value: []string{}, help: "addresses and networks of proxies that send a PROXY protocol header (v1 or v2) on listen; all other connections to it are closed; repeatable"},
		{name: "tls_proxy_protocol_from", value: []string{}, help: "addresses and networks of proxies that send a PROXY protocol header (v1 or v2) on tls_listen, before TLS; all other connections to it are closed; repeatable"},
		{name: "asn_database", value: "", help: "file that says which network (ASN) an address belongs to, in MaxMind's format (.mmdb), read anew when it changes; without one networks are not shown"},
		{name: "cookie_domain", value: "", help: "domain whose hosts share the session cookie; without one only the host that set the cookie gets it", check: cookieDomainOrNone},
		{name: "cookie_domains_cleared", value: []string{}, help: "domains for which a sign-out clears the cookie as well, such as a former cookie_domain; repeatable", check: each(clearedDomain)},
		{name: "cookie_name", value: request.DefaultCookieName, help: "what follows __Host-, or with a cookie_domain __Secure-, in the cookie's name; see below", check: cookieName},
		{name: "cookie_same_site", value: "Lax", help: "SameSite of the session cookie: Lax, Strict, or, for applications in frames of other sites, None, which is Partitioned too; see below", check: oneOf("Lax", "Strict", "None")},
		{name: "login_url", value: "", help: "where /check/login sends browsers that are not signed in; needs return_origins for browsers to come back"},
		{name: "return_origins", value: []string{}, help: "origins such as https://app.example.com that a browser may be sent back to; https://*.example.com is each sub-domain one label below; repeatable", check: each(returnOrigin)},
		{name: "cors_origins", value: []string{}, help: "origins whose pages may read the 401 of a check; none by default; repeatable", check: each(corsOrigin)},
		{name: "check_clients", value: []string{}, help: "applications that a trusted proxy may name in a check's client_id, to be recorded among the session's clients; repeatable"},
		{name: "ending_max_age", value: time.Duration(0), help: "how lately users must have been authenticated to end sessions of their own under /v1/me; 0 asks for nothing", check: atLeast(time.Duration(0))},
		{name: "session_lifetime", value: p.Persistent.Absolute, help: "how long a session with a persistent cookie lasts at most; 1m to 8760h", check: between(time.Minute, rollcall.MaxLifetime)},
		{name: "idle_session_lifetime", value: p.Persistent.Idle, help: "how long a session with a persistent cookie lasts without a use; 1m to 8760h", check: between(time.Minute, rollcall.MaxLifetime)},
		{name: "ephemeral_session_lifetime", value: p.NonPersistent.Absolute, help: "how long a session with a non-persistent cookie lasts at most; 1m to 8760h", check: between(time.Minute, rollcall.MaxLifetime)},
		{name: "idle_ephemeral_session_lifetime", value: p.NonPersistent.Idle, help: "how long a session with a non-persistent cookie lasts without a use; 1m to 8760h", check: between(time.Minute, rollcall.MaxLifetime)},
		{name: "max_sessions_per_user", value: 0, help: "live sessions that one user may have, see at_session_limit; 0 sets no limit", check: atLeast(0)},
		{name: "at_session_limit", value: string(p.AtLimit), help: "what a sign-in beyond max_sessions_per_user does: end_oldest ends the oldest session, deny refuses the sign-in", check: oneOf(string(rollcall.EndOldest), string(rollcall.Deny))},
		{name: "cache_size", value: 384 << 20, help: "memory in bytes for sessions that were read from the store; 0 remembers none; the process takes some 300 MiB more, unless GOMEMLIMIT is set", check: atLeast(0)},
		{name: "touch_interval", value: time.Second, help: "how often uses of sessions are written; a crash loses the uses of at most this time; 1ms to 1h", check: between(time.Millisecond, time.Hour)},
		{name: "retention", value: 30 * 24 * time.Hour, help: "how long ended sessions and events are kept; at least 24h", check: atLeast(sessions.MinRetention)},
		{name: "act_timeout", value: 10 * time.Second, help: "how long an act (a creation, change or ending of a session) waits for the disk before it is answered 503, its outcome unknown; at most 14s"},
		{name: "min_free_disk", value: pebble.DefaultMinFree, help: "free disk space in bytes below which sign-ins are refused, and below a quarter of it, or 64 MiB if that is less, all acts; checks go on; 0 sets no floor", check: atLeast(0)},
		{name: "compression", value: true, help: "answer listings of 4 KiB or more, and the reference, by gzip to clients that accept it; false where a proxy in front compresses, or the network is fast"},
		{name: "max_connections", value: 10000, help: "open connections per listener; 0 sets no limit; all together are bounded by the limit of open files as well; at the limit the connection that is idle the longest is closed", check: atLeast(0)},
		{name: "max_connections_per_address", value: 1000, help: "open connections per listener of one address, or of one IPv6 network of 64 bits; 0 sets no bound; trusted_proxies and Unix sockets have none", check: atLeast(0)},
		{name: "rate_limit", value: 0, help: "requests a second that one caller may make of /api/v2, /v1 (but /v1/check), /oauth/introspect and /oauth/revoke together, in the long run; 0 sets no limit"},
		{name: "rate_burst", value: 0, help: "requests that one caller may make at once; 0 is as many as rate_limit"},
		{name: "session_rate_limit", value: 5, help: "requests a second that one session may make of /v1/me in the long run, and four times as many at once; 0 sets no limit", check: atLeast(0)},
		{name: "drain_delay", value: time.Duration(0), help: "how long the server goes on serving after a signal to stop, with /readyz saying no, so that load balancers notice; at most 1h", check: between(time.Duration(0), time.Hour)},
		{name: "telemetry_listen", value: "127.0.0.1:9480", help: `address for health, metrics and pprof over plain http, "off" for none; whoever reaches it may ask`},
		{name: "proxy_traceparent", value: false, help: "traces go on from the traceparent of trusted_proxies; only for proxies that write it themselves, or remove the client's"},
		{name: "pprof", value: false, help: "profiles under /debug/pprof on the telemetry address"},
		{name: "access_log", value: true, help: "a line for each request; without it warnings and errors are still logged"},
		{name: "log_format", value: "auto", help: "json, text, or auto: text on a terminal", check: oneOf("json", "text", "auto")},
		{name: "log_level", value: "info", help: "debug, info, warn or error; the line for a request is info", check: oneOf("debug", "info", "warn", "error")},
	}
}

// The declarations are lists of objects. A file has them as YAML, a flag and the environment
// as a text in YAML or JSON; declare in config.go reads them, not the table.
const (
	clientsKey = "clients"
	issuersKey = "issuers"
	levelsKey  = "levels"
)

func declarations() []string { return []string{clientsKey, issuersKey, levelsKey} }

func oneOf(allowed ...string) func(any) error {
	return func(value any) error {
		if !slices.Contains(allowed, value.(string)) {
			return fmt.Errorf("must be one of %s", strings.Join(allowed, ", "))
		}
		return nil
	}
}

// atLeast checks a number or a duration.
func atLeast[T int | time.Duration](least T) func(any) error {
	return func(value any) error {
		if value.(T) < least {
			return fmt.Errorf("must be at least %v", least)
		}
		return nil
	}
}

// between checks a number or a duration.
func between[T int | time.Duration](least, most T) func(any) error {
	return func(value any) error {
		if v := value.(T); v < least || v > most {
			return fmt.Errorf("must lie between %v and %v", least, most)
		}
		return nil
	}
}

var domain = regexp.MustCompile(`^([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$`)
