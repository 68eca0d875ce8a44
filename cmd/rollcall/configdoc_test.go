package main

import (
	"fmt"
	"strings"
	"time"
)

// configDoc is docs/config.md, made from the table of keys.
func configDoc() string {
	var b strings.Builder
	b.WriteString(`# Configuration

Every setting can be given as a flag, in the environment, or in a YAML file named by ` + "`--config`" + ` or ` + "`ROLLCALL_CONFIG`" + `; a flag wins over the environment, which
wins over the file. Example: ` + "`--log-level warn`" + `, ` + "`ROLLCALL_LOG_LEVEL=warn`" + `, ` + "`log_level: warn`" + `. With ` + "`_FILE`" + ` behind its name a variable names a file that has the
value: ` + "`ROLLCALL_LOG_LEVEL_FILE=/etc/rollcall/level`" + `. A setting that is marked as repeatable is a list in the file; in a flag or a variable its values are
separated by commas. Durations are written as ` + "`90s`" + `, ` + "`15m`" + ` or ` + "`72h`" + `.

An unknown key, or a value that does not fit, is refused at the start, with its key and, for a value that does not fit by itself, its source.
` + "`rollcall config print`" + ` shows every setting and where its value comes from; ` + "`rollcall config check`" + ` checks the settings and starts nothing.

Traces have no setting but ` + "`proxy_traceparent`" + `: they follow the standard ` + "`OTEL_`" + ` variables, which are read at the start, checked by ` + "`config check`" + ` and
listed in [operations.md](operations.md#traces), not here nor in ` + "`config print`" + `.

Variables that Kubernetes puts into containers for a Service named ` + "`rollcall`" + `, or ` + "`rollcall-`" + ` and anything, are ignored. Examples:
` + "`ROLLCALL_SERVICE_HOST=10.96.0.7`" + `, ` + "`ROLLCALL_PORT=tcp://10.96.0.7:8080`" + `. A variable of such a name with another kind of value is an unknown key.

Each line has the setting's key in the file, its flag, its variable in the environment, and its default, if it has one. The lines are made from the table in
the code; a test keeps them so.

`)
	for _, k := range keys() {
		entry := fmt.Sprintf("- `%s` (`--%s`, `%s`", k.name, k.flag(), k.env())
		if d := spellDefault(k.value); d != "" {
			entry += ", default " + d
		}
		b.WriteString(wrapped(entry+"): "+k.help, 150) + "\n")
	}
	for _, name := range declarations() {
		entry := fmt.Sprintf("- `%s` (`--%s`, `%s`", name, name, envPrefix+strings.ToUpper(name))
		b.WriteString(wrapped(entry+"): a list in YAML or JSON, which replaces that of a source that it wins over; see below", 150) + "\n")
	}
	b.WriteString(`
## The cookie

The session cookie is named ` + "`__Host-rollcall`" + `, or with a ` + "`cookie_domain`" + ` ` + "`__Secure-rollcall`" + `. The prefix, ` + "`__Host-`" + ` or ` + "`__Secure-`" + `, is a promise that
browsers hold the cookie to, and follows from ` + "`cookie_domain`" + `; ` + "`cookie_name`" + ` is what stands behind the prefix.

- ` + "`cookie_domain`" + ` lets every host below the domain read the cookie, and set one of its name. A host there that somebody else controls can
  sign a browser in as somebody, and lock it out; with ` + "`__Host-`" + ` it can do neither. Share the cookie only where you need to.
- ` + "`cookie_name`" + `: two servers under one domain, such as production at example.com and staging at staging.example.com, need two names. A change of
  the name signs everybody out. Change the name also wherever it stands: ` + "`CookieName`" + ` in the Go middleware, and applications that read the cookie.
- ` + "`cookie_domains_cleared`" + `: after a change of ` + "`cookie_domain`" + `, name the old domain here until the old cookies are over. A sign-out then clears the cookies
  of both domains.
- ` + "`cookie_same_site: Lax`" + ` lets browsers send the cookie when somebody follows a link from another site, and not with forms, scripts, images and frames of
  other sites.
- ` + "`cookie_same_site: Strict`" + ` lets them send the cookie with nothing that begins at another site: who follows a link in a mail, or comes back from a sign-in at
  another site, looks signed out on the page where they arrive, and is sent to sign in.
- ` + "`cookie_same_site: None`" + ` lets them send the cookie with every request, for an application in a frame of another site (a portal). Then nothing but
  your own checks keeps a page elsewhere from acting as the user: let nothing change without a look at ` + "`Origin`" + ` or ` + "`Sec-Fetch-Site`" + `, as the Go
  middleware does. The cookie is ` + "`Partitioned`" + `: people sign in once within each portal, and once outside of any. A browser that does not know
  ` + "`Partitioned`" + ` and blocks third-party cookies keeps no cookie in a frame. Change ` + "`cookie_name`" + ` together with a change to or from ` + "`None`" + `: a browser
  would send the old cookie beside the new one, and two of one name are refused.

Several cookies of one name: see [operations.md](operations.md#several-cookies-of-one-name).

## Origins

An origin is written as browsers write it: in small letters, without the default port, without a slash or a dot at its end. Example:
` + "`https://app.example.com`" + `. An origin that can never match is refused at the start and by ` + "`rollcall config check`" + `, and so are settings that can only send a
browser back and forth between a page and its login page; settings that work only under a condition that no setting shows are a warning.

- ` + "`return_origins`" + `: ` + "`https://*.example.com`" + ` stands for ` + "`https://tenant.example.com`" + `, one whole label and no port, and for nothing deeper. A
  wildcard directly above a public suffix, such as co.uk or github.io (publicsuffix.org), is refused: anybody can have a name there.
- ` + "`cors_origins`" + `: pages of these origins may read the 401 of ` + "`/check`" + `, so that their scripts see that nobody is signed in rather than a
  failed request. Exact origins, no wildcard. Rollcall sees neither preflights nor the application's answers: let the proxy answer preflights, and the
  application add the CORS headers to its answers ([proxies.md](proxies.md#scripts-of-other-origins)).

## Clients

` + "`rollcall client new`" + ` makes a secret for a client of the Management API, shows it once, and prints the client's declaration for the file:

` + "```yaml" + `
clients:
  - client_id: backend
    client_secret_sha256: "1b629e936b91b8730ab8006324e0d4410d7950deeac5ab1dc37f40ceaf7133d1"
    scopes: ["create:sessions", "read:sessions", "delete:sessions"]
` + "```" + `

As a flag or variable the list is a text in YAML or JSON, such as
` + "`ROLLCALL_CLIENTS='[{client_id: backend, client_secret_sha256: \"1b62...\", scopes: [\"read:sessions\"]}]'`" + `.

` + "`client_secret_sha256`" + ` is the SHA-256 of the whole secret, in hexadecimal; while a secret is rotated it may be a list of two. A secret
itself in the file is refused, and so is the hash of nothing, of a word such as "test", or of the client's own id. Only secrets that
` + "`rollcall client new`" + ` has made are ever accepted, so the hash of any other text gives nobody access.

In the place of ` + "`client_secret_sha256`" + `, or beside it, ` + "`public_key_file`" + ` names a file with the client's public keys, as PEM (` + "`PUBLIC KEY`" + `) or as a JSON Web Key
Set: up to eight, RSA of 2048 bits or more, EC P-256 or Ed25519. The client then signs an assertion ([api.md](api.md#management-tokens)), and there is no
secret to share. A client with neither member is refused. Example:

` + "```yaml" + `
clients:
  - client_id: batch
    public_key_file: /etc/rollcall/batch.pem
    scopes: ["read:sessions"]
` + "```" + `

## Issuers

Tokens of other issuers are accepted when the configuration names the issuer, what its tokens must be for,
and what it may grant:

` + "```yaml" + `
issuers:
  - issuer: https://login.example.com/
    audience: https://sessions.example.com/api/v2/
    jwks_url: https://login.example.com/.well-known/jwks.json
    scopes: ["read:sessions"]
` + "```" + `

| key | value |
| --- | --- |
| ` + "`issuer`" + ` | the exact ` + "`iss`" + ` of the issuer's tokens |
| ` + "`audience`" + ` | the exact ` + "`aud`" + ` that they must have; choose one that the issuer gives to applications alone |
| ` + "`jwks_url`" + `, ` + "`jwks_file`" + ` | where the issuer's keys are, one of the two; a key needs a ` + "`kid`" + ` |
| ` + "`scopes`" + ` | the most that the tokens can grant; there is no default |
| ` + "`algorithms`" + ` | those of RS256, ES256 and EdDSA that the issuer may sign with; default: all three |
| ` + "`jwks_allow_internal`" + ` | ` + "`true`" + ` lets ` + "`jwks_url`" + ` lead to internal addresses, and be plain http on loopback |

A fetch of ` + "`jwks_url`" + ` takes up to 5 seconds and 1 MiB, follows no redirect and uses no proxy. When keys are fetched, and what happens when they cannot be:
[operations.md](operations.md#keys-of-other-issuers).

Changes to clients and issuers take effect at SIGHUP, and at the next start.

## Levels

A level says how a user must have been authenticated, and how lately; applications ask for a level by its name (` + "`acr`" + `). Without ` + "`levels`" + ` there are
` + "`aal1`" + `, ` + "`aal2`" + ` and ` + "`aal3`" + ` ([api.md](api.md#is-this-session-good)). A list replaces all three; it goes from the weakest level to the strongest, up to
32:

` + "```yaml" + `
levels:
  - name: basic
    any_of: [[]]
  - name: strong
    any_of: [[pwd, "mfa:otp"], [passkey]]
    max_age: 12h
    max_idle: 30m
` + "```" + `

| key | value |
| --- | --- |
| ` + "`name`" + ` | up to 64 printable ASCII characters without space, quote or backslash; each once |
| ` + "`any_of`" + ` | combinations of methods: one combination is enough, and needs all of its methods; the empty combination ` + "`[]`" + ` needs none |
| ` + "`max_age`" + ` | how long ago each method of the combination may have been used; default: any time |
| ` + "`max_idle`" + ` | how long ago the latest use of the session may have been; default: any time |

A method is one of ` + "`federated`" + `, ` + "`passkey`" + `, ` + "`pwd`" + `, ` + "`sms`" + `, ` + "`email`" + `, ` + "`mfa`" + `, ` + "`mock`" + `, ` + "`mfa:`" + ` with a type, or a URL.
In a combination with ` + "`email`" + ` or ` + "`sms`" + `, ` + "`mfa`" + ` alone is met only by a method with a type that goes another way than to the same mailbox or
telephone.

An empty list is refused. Changes take effect at the next start.
`)
	return b.String()
}

// wrapped is an entry of a list, in lines of at most so many bytes where words allow.
func wrapped(entry string, width int) string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(entry) {
		switch {
		case line == "":
			line = word
		case len(line)+1+len(word) > width:
			lines = append(lines, line)
			line = "  " + word
		default:
			line += " " + word
		}
	}
	return strings.Join(append(lines, line), "\n")
}

func spellDefault(value any) string {
	switch v := value.(type) {
	case string:
		if v == "" {
			return ""
		}
	case []string:
		return ""
	case time.Duration:
		return "`" + shortDuration(v) + "`"
	}
	return fmt.Sprintf("`%v`", value)
}

// shortDuration writes 72h for 72h0m0s.
func shortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
