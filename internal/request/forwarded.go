package request

import "strings"

// forwardedNodes returns the node that each element of a Forwarded header's value names with
// "for" (RFC 7239, 4 to 6), from left to right; "" for an element without "for". A token may
// also hold what RFC 7239 wants quoted, such as a colon: no reading of that is ambiguous.
//
// ok is false when the value cannot be read: a quoted string without its end, a pair without
// "=", "for" twice in an element.
func forwardedNodes(value string) (nodes []string, ok bool) {
	p := forwardedParser{rest: value}
	for {
		node, pairs, ok := p.element()
		if !ok {
			return nil, false
		}
		if pairs > 0 { // an empty element says nothing (RFC 9110, 5.6.1.2)
			nodes = append(nodes, node)
		}
		if p.rest == "" {
			return nodes, true
		}
		p.rest = p.rest[1:] // the comma
	}
}

type forwardedParser struct{ rest string }

// element reads one element, up to a comma or the end.
func (p *forwardedParser) element() (node string, pairs int, ok bool) {
	seen := false
	for {
		p.space()
		if p.rest == "" || p.rest[0] == ',' {
			return node, pairs, true
		}
		if p.rest[0] == ';' {
			p.rest = p.rest[1:]
			continue
		}
		name, value, ok := p.pair()
		if !ok {
			return "", 0, false
		}
		pairs++
		if strings.EqualFold(name, "for") {
			if seen {
				return "", 0, false
			}
			node, seen = value, true
		}
		if p.space(); p.rest != "" && p.rest[0] != ',' && p.rest[0] != ';' {
			return "", 0, false
		}
	}
}

// pair reads name=value.
func (p *forwardedParser) pair() (name, value string, ok bool) {
	if name = p.until(" \t=,;\""); name == "" || !strings.HasPrefix(p.rest, "=") {
		return "", "", false
	}
	if p.rest = p.rest[1:]; strings.HasPrefix(p.rest, `"`) {
		value, ok = p.quoted()
		return name, value, ok
	}
	value = p.until(" \t=,;\"")
	return name, value, value != ""
}

// quoted reads a quoted string (RFC 9110, 5.6.4).
func (p *forwardedParser) quoted() (value string, ok bool) {
	var b strings.Builder
	for i := 1; i < len(p.rest); i++ {
		switch c := p.rest[i]; c {
		case '"':
			p.rest = p.rest[i+1:]
			return b.String(), true
		case '\\':
			if i++; i == len(p.rest) {
				return "", false
			}
			b.WriteByte(p.rest[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", false
}

// until reads up to the first of the ending characters, or the end.
func (p *forwardedParser) until(ending string) (read string) {
	i := strings.IndexAny(p.rest, ending)
	if i < 0 {
		i = len(p.rest)
	}
	read, p.rest = p.rest[:i], p.rest[i:]
	return read
}

func (p *forwardedParser) space() { p.rest = strings.TrimLeft(p.rest, space) }

// withoutObfuscatedPort cuts a port that is no number but an obfuscated one, such as in
// 192.0.2.1:_p (RFC 7239, 6).
func withoutObfuscatedPort(node string) string {
	if i := strings.LastIndex(node, ":_"); i > 0 {
		return node[:i]
	}
	return node
}
