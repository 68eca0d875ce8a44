package rollcall_test

import (
	"regexp"
	"strings"
	"testing"
)

// folding is what takes characters outside ASCII for others, or for white space. Other
// readers of the same header, browsers above all, do not.
var folding = regexp.MustCompile(`(strings|bytes)\.(TrimSpace|Fields|EqualFold|ToLower|ToUpper|Title)\(|unicode\.(IsSpace|ToLower|ToUpper)\(`)

// folded are the places in the doors where that decides nothing a stranger could turn, and why.
var folded = map[string]string{
	`strings.EqualFold(scheme, "Bearer")`:     "no letter of the word folds with one outside ASCII",
	`strings.EqualFold(coding, "identity")`:   "as Bearer",
	`strings.EqualFold(scheme, "Basic")`:      "chooses between two refusals",
	"strings.EqualFold(parsed.Host, r.Host)":  "chooses which of the server's own addresses is named",
	"strings.ToLower(name) // browsers":       "the name is of the configuration, and ASCII",
	"strings.ToLower(hostPrefix)":             "a constant",
	"strings.ToLower(securePrefix)":           "a constant",
	`strings.ToLower(host), ".")`:             "the host is of the configuration, and its labels are checked afterwards",
	`strings.EqualFold(name, "for")`:          "as Bearer",
	`strings.EqualFold(node, "unknown")`:      "chooses whether what is no address is warned of",
	"strings.TrimSpace(string(line))":         "a line of net/http's own log",
	"unicode.IsSpace(r) || r == '@'":          "refuses the names of issuers with any white space",
	`strings.ToLower(typ), "application/")`:   "a type within a signed token",
	`strings.ToLower(t.typ), "application/")`: "a type within a signed token",
	`bytes.TrimSpace(data), []byte("{"))`:     "tells a file of JSON from one of PEM",
	"strings.Fields(t.scope)":                 "what is left is looked up among the scopes of the client",
	"strings.Fields(narrowed)":                "what is left is looked up among the scopes of the client",
	"strings.Fields(text)":                    "scopes within a signed token, looked up among those of its issuer",
}

func TestTheDoorsReadHeadersWithoutUnicode(t *testing.T) {
	found := 0
	for name, text := range texts(t) {
		dir, _, _ := strings.Cut(name, "/")
		doors := dir == "gate" || dir == "api" || dir == "management" || dir == "oauth" || dir == "server" || strings.HasPrefix(name, "internal/request/") || strings.HasPrefix(name, "internal/wire/")
		if !doors || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			continue
		}
		for line := range strings.SplitSeq(text, "\n") {
			for _, at := range folding.FindAllStringIndex(line, -1) {
				found++
				known := false
				for place := range folded {
					known = known || strings.HasPrefix(line[at[0]:], place)
				}
				if !known {
					t.Errorf("%s: %s", name, strings.TrimSpace(line))
				}
			}
		}
	}
	if found == 0 {
		t.Error("nothing was found, not even what is known")
	}
}
