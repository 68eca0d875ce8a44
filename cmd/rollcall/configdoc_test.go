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
refused at the start, with its key and its source. ` + "`rollcall config print`" + ` shows every
setting and where it comes from, ` + "`rollcall config check`" + ` starts nothing.

This page is made from the table in the code; a test keeps it so.

| file | flag | environment | default | |
| --- | --- | --- | --- | --- |
`)
	for _, k := range keys() {
		fmt.Fprintf(&b, "| `%s` | `--%s` | `%s` | %s | %s |\n", k.name, k.flag(), k.env(), spellDefault(k.value), k.help)
	}
	b.WriteString(`
## Clients

Clients of the Management API are declared in the file alone. ` + "`rollcall client new`" + ` makes a
secret, shows it once, and prints the declaration:

` + "```yaml" + `
clients:
  - client_id: backend
    client_secret_sha256: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    scopes: ["create:sessions", "read:sessions", "delete:sessions"]
` + "```" + `

` + "`client_secret_sha256`" + ` may be a list of two while one secret is exchanged for another. A secret
itself in the file is refused. Changes take effect at the next start.
`)
	return b.String()
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
	s = strings.TrimSuffix(s, "0s")
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	if s == "" {
		return "0s"
	}
	return s
}
