package reference

import (
	"slices"
	"strings"

	"github.com/rollcall-id/rollcall/internal/strictjson"
)

// A reader follows the document's references.
type reader struct{ document strictjson.Object }

// follow returns the object that a value is, or refers to. What stands beside a
// reference replaces what is there.
func (r reader) follow(value any) strictjson.Object {
	o, _ := value.(strictjson.Object)
	ref := text(o, "$ref")
	if ref == "" {
		return o
	}
	target := copied(r.follow(get(r.document, strings.Split(strings.TrimPrefix(ref, "#/"), "/")...)))
	for _, m := range o {
		if m.Name != "$ref" {
			target = with(target, m.Name, m.Value)
		}
	}
	return target
}

func copied(o strictjson.Object) strictjson.Object { return slices.Clone(o) }

// A field is a member of an object, with those below it.
type field struct {
	Name, Type string
	Required   bool
	About      prose
	Fields     []field
	// Session says that it is, or holds, sessions that are explained elsewhere.
	Session bool
}

// fields explains an object's members. Sessions are explained once on the page,
// where deep is set.
func (r reader) fields(schema any, deep bool) []field {
	s := r.follow(schema)
	if several, ok := get(s, "oneOf").([]any); ok {
		var all []field
		for _, one := range several {
			all = append(all, field{Name: strings.TrimSuffix(text(r.follow(one), "description"), "."), Fields: r.fields(one, deep)})
		}
		return all
	}
	required, _ := get(s, "required").([]any)
	properties, _ := get(s, "properties").(strictjson.Object)
	var found []field
	for _, p := range properties {
		schema := r.follow(p.Value)
		f := field{
			Name: p.Name, Type: r.kind(schema), About: newProse(text(schema, "description")),
			Required: slices.ContainsFunc(required, func(name any) bool { return name == p.Name }),
		}
		inner := any(schema)
		if items := get(schema, "items"); items != nil {
			inner = items
			if text(p.Value, "$ref") == "" && r.isSession(items) {
				f.Session = !deep
			}
		} else {
			f.Session = r.isSession(p.Value) && !deep
		}
		if !f.Session {
			f.Fields = r.fields(inner, deep)
		}
		found = append(found, f)
	}
	return found
}

func (r reader) isSession(schema any) bool {
	ref := text(schema, "$ref")
	return strings.HasSuffix(ref, "/Session") || strings.HasSuffix(ref, "/OwnSession")
}

// kind says in words what values a schema takes.
func (r reader) kind(schema any) string {
	s := r.follow(schema)
	for _, name := range []string{"anyOf", "oneOf"} {
		if several, ok := get(s, name).([]any); ok {
			var kinds []string
			for _, one := range several {
				kinds = append(kinds, r.kind(one))
			}
			return strings.Join(kinds, " or ")
		}
	}
	if c := get(s, "const"); c != nil {
		return "always " + scalar(c)
	}
	if values, ok := get(s, "enum").([]any); ok {
		var names []string
		for _, v := range values {
			names = append(names, scalar(v))
		}
		if len(names) > 3 {
			return "one of " + numberWord(len(names)) + " names"
		}
		return strings.Join(names, " or ")
	}
	if types, ok := get(s, "type").([]any); ok {
		var names []string
		for _, t := range types {
			names = append(names, scalar(t))
		}
		return strings.Join(names, " or ")
	}
	return kindOf(r, s)
}

func kindOf(r reader, s strictjson.Object) string {
	switch t := text(s, "type"); t {
	case "string":
		return stringKind(s)
	case "integer":
		return t + bounds(scalar(get(s, "minimum")), scalar(get(s, "maximum")), "")
	case "array":
		return "array" + bounds("", scalar(get(s, "maxItems")), "")
	default:
		return t
	}
}

var formats = map[string]string{"date-time": "instant", "ipv4": "IPv4", "ipv6": "IPv6", "uri": "URL", "password": "secret"}

func stringKind(s strictjson.Object) string {
	if name, ok := formats[text(s, "format")]; ok {
		return name
	}
	return "string" + bounds(scalar(get(s, "minLength")), scalar(get(s, "maxLength")), " characters")
}

// bounds says between what a number lies.
func bounds(low, high, unit string) string {
	switch {
	case high != "" && low != "":
		return ", " + low + " to " + high + unit
	case high != "":
		return ", at most " + high + unit
	case low != "" && unit == "":
		return ", at least " + low
	}
	return ""
}

func numberWord(n int) string {
	words := []string{"no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"}
	if n < len(words) {
		return words[n]
	}
	return "many"
}

// A prose is text in which some words are code.
type prose []span

// A span is a piece of it.
type span struct {
	Text string
	Code bool
}

// newProse reads text with code between backquotes.
func newProse(s string) prose {
	var p prose
	for i, piece := range strings.Split(s, "`") {
		if piece != "" {
			p = append(p, span{piece, i%2 == 1})
		}
	}
	return p
}

func paragraphs(s string) []prose {
	var all []prose
	for paragraph := range strings.SplitSeq(s, "\n\n") {
		if p := newProse(strings.TrimSpace(paragraph)); len(p) > 0 {
			all = append(all, p)
		}
	}
	return all
}
