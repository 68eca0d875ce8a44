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

Every setting can be given as a flag, in the environment, or in a YAML file named by
` + "`--config` or `ROLLCALL_CONFIG`" + `; a flag wins over the environment, which wins over the
file. ` + "`ROLLCALL_NAME_FILE`" + ` reads the value from a file. What is unknown or does not fit is
refused at the start, with its key and, for a value that does not fit by itself, its source. ` + "`rollcall config print`" + ` shows every
setting and where it comes from, ` + "`rollcall config check`" + ` starts nothing.

Variables that Kubernetes puts into containers for a Service named ` + "`rollcall`" + `, or ` + "`rollcall-`" + ` and anything, such as
` + "`ROLLCALL_SERVICE_HOST=10.96.0.7` and `ROLLCALL_PORT=tcp://10.96.0.7:8080`" + `, are passed over. With another value a variable of such a
name is an unknown key.

Traces have no setting but ` + "`proxy_traceparent`" + `: they follow the standard ` + "`OTEL_`" + ` variables, which are read at the start, checked by ` + "`config check`" + ` and
listed in [operations.md](operations.md#traces), not here nor in ` + "`config print`" + `.

This page is made from the table in the code; a test keeps it so.

Of each setting: its key in the file, its flag, its variable in the environment, and its default, if it has one.

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
		b.WriteString(wrapped(entry+"): a list in YAML or JSON, which takes the place of a lesser source's; see below", 150) + "\n")
	}
	b.WriteString(`
## The cookie

Its name is ` + "`__Host-rollcall`" + `, or ` + "`__Secure-rollcall`" + ` with a ` + "`cookie_domain`" + `. The prefix is a promise that browsers hold the cookie to, and is not yours to
choose; ` + "`cookie_name`" + ` is what follows it.

- ` + "`cookie_domain`" + ` lets every host below the domain read the cookie, and set one of its name. A host there that somebody else controls can
  sign a browser in as somebody, and lock it out; with ` + "`__Host-`" + ` it can do neither. Share the cookie only where you need to.
- ` + "`cookie_name`" + `: two servers under one domain, such as production at example.com and staging at staging.example.com, need two names. A change of
  the name signs everybody out. Whatever names the cookie follows: ` + "`CookieName`" + ` in the Go middleware, an application that reads the cookie.
- ` + "`cookie_domains_cleared`" + `: after a change of ` + "`cookie_domain`" + `, name the old one here until the old cookies are over. A sign-out then clears both.
- ` + "`cookie_same_site: Lax`" + ` sends the cookie with links from elsewhere, and not with forms, scripts, images and frames of other sites.
- ` + "`Strict`" + ` sends it with nothing that begins elsewhere: who follows a link in a mail, or comes back from a sign-in at another site, looks
  signed out on the page where they arrive, and is sent to sign in.
- ` + "`None`" + ` sends it with every request, for an application in a frame of another site (a portal). Then nothing but your own checks keeps a page
  elsewhere from acting as the user: let nothing change without a look at ` + "`Origin`" + ` or ` + "`Sec-Fetch-Site`" + `, as the Go middleware does. The cookie is
  ` + "`Partitioned`" + `: within each portal, and outside of any, people sign in once more. A browser that knows no partitions keeps no cookie in a
  frame where it blocks those of third parties. Change ` + "`cookie_name`" + ` together with a change to or from ` + "`None`" + `: a browser would send the old
  cookie beside the new one, and two of one name are refused.

Several cookies of one name: see [operations.md](operations.md#several-cookies-of-one-name).

## Origins

An origin is written as browsers write it: in small letters, without the default port, without a slash or a dot at its end. What can
never match is refused at the start and by ` + "`rollcall config check`" + `, as is what can only send a browser back and forth between a page and its login
page; what works under a condition that no setting shows is a warning.

- ` + "`return_origins`" + `: ` + "`https://*.example.com`" + ` stands for ` + "`https://tenant.example.com`" + `, one whole label and no port, and for nothing deeper. It cannot stand
  above a domain under which everybody can have a name, such as co.uk or github.io (publicsuffix.org).
- ` + "`cors_origins`" + `: pages of these origins may read the 401 of ` + "`/check`" + `, so that their scripts see that nobody is signed in rather than a
  failed request. Exact origins, no wildcard. Let the proxy answer their preflights, and put the headers on what the application answers:
  Rollcall sees neither.

## Clients

` + "`rollcall client new`" + ` makes a secret for a client of the Management API, shows it once, and prints the client's declaration for the file:

` + "```yaml" + `
clients:
  - client_id: backend
    client_secret_sha256: "1b629e936b91b8730ab8006324e0d4410d7950deeac5ab1dc37f40ceaf7133d1"
    scopes: ["create:sessions", "read:sessions", "delete:sessions"]
` + "```" + `

Without a file the list is a text, in YAML or JSON, such as
` + "`ROLLCALL_CLIENTS='[{client_id: backend, client_secret_sha256: \"9f86...\", scopes: [\"read:sessions\"]}]'`" + `.

` + "`client_secret_sha256`" + ` may be a list of two while one secret is exchanged for another. A secret
itself in the file is refused, and so is the hash of nothing, of a word such as "test", or of the client's own id. Only secrets that
` + "`rollcall client new`" + ` has made are ever accepted, so the hash of any other text gives nobody access.

In its place, or beside it, ` + "`public_key_file`" + ` names a file with the client's public keys, as PEM
(PUBLIC KEY) or as a JSON Web Key Set: up to eight, RSA of 2048 bits or more, EC P-256 or
Ed25519. The client then signs an assertion (see api.md) and nobody holds its secret. A client
with neither is refused:

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

| key | |
| --- | --- |
| ` + "`issuer`" + ` | the exact ` + "`iss`" + ` |
| ` + "`audience`" + ` | an exact ` + "`aud`" + `; choose one that the issuer gives to applications alone |
| ` + "`jwks_url`, `jwks_file`" + ` | where its keys are, one of the two; a key needs a ` + "`kid`" + ` |
| ` + "`scopes`" + ` | the most that its tokens can have; there is no default |
| ` + "`algorithms`" + ` | of RS256, ES256 and EdDSA, those it may sign with; default: all three |
| ` + "`jwks_allow_internal`" + ` | ` + "`true`" + ` lets ` + "`jwks_url`" + ` lead to internal addresses, and be plain http on loopback |

Keys are fetched at the start and every 15 minutes, and when a token names one that is not known, once a
minute at most. A fetch takes up to 5 seconds and 1 MiB, follows no redirect and uses no proxy. When it fails, or brings no
key that can verify, the keys that are known go on being used until 12 hours have passed since they were fetched.

Changes to clients and issuers take effect at SIGHUP, and at the next start.

## Levels

What applications can ask for by name (` + "`acr`" + `, see api.md): how a user must have been
authenticated, and how lately. Without ` + "`levels`" + ` there are ` + "`aal1`, `aal2` and `aal3`" + `; a list in
the file takes their place, from the weakest level to the strongest, up to 32:

` + "```yaml" + `
levels:
  - name: basic
    any_of: [[]]
  - name: strong
    any_of: [[pwd, "mfa:otp"], [passkey]]
    max_age: 12h
    max_idle: 30m
` + "```" + `

| key | |
| --- | --- |
| ` + "`name`" + ` | up to 64 printable ASCII characters without space, quote or backslash; each once |
| ` + "`any_of`" + ` | combinations of methods, of which one is enough; all methods of it are needed, and the empty one needs none |
| ` + "`max_age`" + ` | how long ago each method of the combination may have been used; without it, any time |
| ` + "`max_idle`" + ` | how long ago the latest use of the session may be; without it, any time |

A method is one of ` + "`federated`, `passkey`, `pwd`, `sms`, `email`, `mfa`, `mock`" + `, ` + "`mfa:`" + ` with a type, or a URL.
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
