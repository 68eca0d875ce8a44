package reference

import (
	"encoding/json"
	"strings"

	"github.com/rollcall-id/rollcall/internal/strictjson"
)

// A word is a piece of JSON, of one kind: "key", "string", "other", or "" for what
// lies between.
type word struct{ Kind, Text string }

// pretty spells a value for people, two spaces a level. nil is nothing.
func pretty(value any) []word {
	if value == nil {
		return nil
	}
	return appendPretty(nil, value, "\n")
}

func appendPretty(words []word, value any, newline string) []word {
	switch v := value.(type) {
	case string:
		return append(words, word{"string", string(appendJSON(nil, v))})
	case json.Number, bool, nil:
		return append(words, word{"other", string(appendJSON(nil, v))})
	case []any:
		words = append(words, word{"", "["})
		for i, item := range v {
			words = append(words, word{"", separator(i) + newline + "  "})
			words = appendPretty(words, item, newline+"  ")
		}
		return append(words, word{"", end(len(v), newline) + "]"})
	case strictjson.Object:
		words = append(words, word{"", "{"})
		for i, m := range v {
			words = append(words, word{"", separator(i) + newline + "  "}, word{"key", string(appendJSON(nil, m.Name))}, word{"", ": "})
			words = appendPretty(words, m.Value, newline+"  ")
		}
		return append(words, word{"", end(len(v), newline) + "}"})
	}
	return words
}

// plain is what words say without their kinds.
func plain(words []word) string {
	var b strings.Builder
	for _, w := range words {
		b.WriteString(w.Text)
	}
	return b.String()
}

func separator(i int) string {
	if i > 0 {
		return ","
	}
	return ""
}

func end(length int, newline string) string {
	if length > 0 {
		return newline
	}
	return ""
}

// curl spells a call for a shell. Its token comes from a variable.
func curl(base string, c call, contents strictjson.Object) string {
	path := c.Path
	query := ""
	for _, p := range c.Parameters {
		switch {
		case p.In == "path":
			path = strings.ReplaceAll(path, "{"+p.Name+"}", strings.NewReplacer("|", "%7C", " ", "%20").Replace(p.Example))
		case p.In == "query" && p.Example != "":
			query += map[bool]string{true: "?", false: "&"}[query == ""] + p.Name + "=" + p.Example
		}
	}
	lines := []string{"curl '" + base + path + query + "'"}
	if c.Method != "GET" {
		lines[0] = "curl -X " + c.Method + " '" + base + path + query + "'"
	}
	if c.Token != "" {
		lines = append(lines, `-H "Authorization: Bearer $`+strings.ToUpper(strings.ReplaceAll(c.Token, " ", "_"))+`"`)
	}
	for _, content := range contents {
		if example := get(content.Value, "example"); example != nil && content.Name == "application/json" {
			lines = append(lines, "-H 'Content-Type: application/json'", "-d '"+plain(pretty(example))+"'")
		} else if len(contents) == 1 {
			lines = append(lines, `-d "token=$SESSION_TOKEN"`)
		}
	}
	return strings.Join(lines, " \\\n  ")
}
