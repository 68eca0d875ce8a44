// Package strictjson reads JSON of which there is one reading: valid UTF-8 and whole
// characters, no name twice in an object, bounded in depth, nothing behind the value. What
// encoding/json would replace or pass over is refused.
package strictjson

import (
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// An Object is a JSON object in the order it was written, without duplicates.
type Object []Member

// A Member is one name and value of an Object. A value is nil, bool, string,
// json.Number, []any or Object.
type Member struct {
	Name  string
	Value any
}

// Get returns the value of the member with that very name.
func (o Object) Get(name string) (value any, ok bool) {
	for _, m := range o {
		if m.Name == name {
			return m.Value, true
		}
	}
	return nil, false
}

// maxDepth bounds the nesting of a value. Nothing that is accepted of strangers needs more
// than four levels.
const maxDepth = 16

var errNotAcceptable = errors.New("not acceptable JSON")

// Parse reads one JSON value. What Parse returns are parts of a copy of data, which lives as
// long as any of them.
func Parse(data []byte) (any, error) {
	text := string(data)
	if !utf8.ValidString(text) || hasLoneSurrogate(text) {
		return nil, errNotAcceptable
	}
	p := parser{rest: text}
	value, ok := p.value(0)
	if p.next(); !ok || len(p.rest) > 0 {
		return nil, errNotAcceptable
	}
	return value, nil
}

// hasLoneSurrogate reports whether a text in JSON has an escape for half a character,
// which would have to be replaced, so that two different values became one. Where
// data is no JSON, the answer means nothing.
func hasLoneSurrogate(data string) bool {
	for {
		at := strings.IndexByte(data, '\\')
		if at < 0 {
			return false
		}
		data = data[at:]
		switch r := escaped(data); {
		case !utf16.IsSurrogate(r):
			data = data[min(2, len(data)):]
		case utf16.DecodeRune(r, escaped(data[6:])) == utf8.RuneError:
			return true
		default:
			data = data[12:]
		}
	}
}

// escaped is the code that data begins with as \uXXXX, -1 when it does not.
func escaped(data string) rune {
	if len(data) < 6 || data[0] != '\\' || data[1] != 'u' {
		return -1
	}
	code, err := strconv.ParseUint(data[2:6], 16, 16)
	if err != nil {
		return -1
	}
	return rune(code)
}

// A parser reads JSON that is valid UTF-8 without halves of characters. Each of its
// methods reports whether what it reads was there.
type parser struct{ rest string }

// next passes over white space and returns the byte that follows, 0 at the end.
func (p *parser) next() byte {
	for i := range len(p.rest) {
		if c := p.rest[i]; c != ' ' && c != '\t' && c != '\n' && c != '\r' {
			p.rest = p.rest[i:]
			return c
		}
	}
	p.rest = ""
	return 0
}

// take takes the byte that follows white space, if it is that one.
func (p *parser) take(c byte) bool {
	if p.next() != c {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

func (p *parser) value(depth int) (any, bool) {
	switch c := p.next(); c {
	case '{', '[':
		p.rest = p.rest[1:]
		if depth == maxDepth {
			return nil, false
		}
		if c == '[' {
			return p.array(depth)
		}
		return p.object(depth)
	case '"':
		p.rest = p.rest[1:]
		return p.text()
	case 'n':
		return nil, p.word("null")
	case 't':
		return true, p.word("true")
	case 'f':
		return false, p.word("false")
	}
	return p.number()
}

func (p *parser) word(word string) (ok bool) {
	p.rest, ok = strings.CutPrefix(p.rest, word)
	return ok
}

func (p *parser) array(depth int) (any, bool) {
	array := []any{}
	if p.take(']') {
		return array, true
	}
	for {
		v, ok := p.value(depth + 1)
		if !ok {
			return nil, false
		}
		array = append(array, v)
		if p.take(']') {
			return array, true
		}
		if !p.take(',') {
			return nil, false
		}
	}
}

// fewMembers is how many names are looked through for one that comes twice.
const fewMembers = 16

func (p *parser) object(depth int) (any, bool) {
	if p.take('}') {
		return Object{}, true
	}
	object := make(Object, 0, 8)
	var seen map[string]bool
	for {
		if !p.take('"') {
			return nil, false
		}
		name, ok := p.text()
		if !ok || seen[name] || seen == nil && slices.ContainsFunc(object, func(m Member) bool { return m.Name == name }) {
			return nil, false
		}
		if !p.take(':') {
			return nil, false
		}
		v, ok := p.value(depth + 1)
		if !ok {
			return nil, false
		}
		object = append(object, Member{name, v})
		if len(object) == fewMembers {
			seen = map[string]bool{}
			for i := range object {
				seen[object[i].Name] = true
			}
		} else if seen != nil {
			seen[name] = true
		}
		if p.take('}') {
			return object, true
		}
		if !p.take(',') {
			return nil, false
		}
	}
}

// text reads what follows a quotation mark, up to the next.
func (p *parser) text() (string, bool) {
	for i := range len(p.rest) {
		switch c := p.rest[i]; {
		case c == '"':
			text := p.rest[:i]
			p.rest = p.rest[i+1:]
			return text, true
		case c == '\\':
			return p.escapes(i)
		case c < ' ':
			return "", false
		}
	}
	return "", false
}

// shortEscapes are the escapes of one character, and what they stand for.
var shortEscapes = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// escapes reads a text whose first escape is at i.
func (p *parser) escapes(i int) (string, bool) {
	b := append(make([]byte, 0, 2*i+32), p.rest[:i]...)
	for p.rest = p.rest[i:]; len(p.rest) > 0; {
		c := p.rest[0]
		switch {
		case c == '"':
			p.rest = p.rest[1:]
			return string(b), true
		case c < ' ':
			return "", false
		case c != '\\':
			b, p.rest = append(b, c), p.rest[1:]
		case len(p.rest) > 1 && shortEscapes[p.rest[1]] != 0:
			b, p.rest = append(b, shortEscapes[p.rest[1]]), p.rest[2:]
		default:
			r := escaped(p.rest)
			if r < 0 {
				return "", false
			}
			p.rest = p.rest[6:]
			if utf16.IsSurrogate(r) {
				r = utf16.DecodeRune(r, escaped(p.rest))
				p.rest = p.rest[6:] // its other half: there is none alone
			}
			b = utf8.AppendRune(b, r)
		}
	}
	return "", false
}

// number reads a number as it is spelled.
func (p *parser) number() (any, bool) {
	b := p.rest
	if len(b) > 0 && b[0] == '-' {
		b = b[1:]
	}
	ok := true
	if len(b) > 0 && b[0] == '0' {
		b = b[1:]
	} else {
		b, ok = skipDigits(b)
	}
	if ok && len(b) > 0 && b[0] == '.' {
		b, ok = skipDigits(b[1:])
	}
	if ok && len(b) > 0 && (b[0] == 'e' || b[0] == 'E') {
		if b = b[1:]; len(b) > 0 && (b[0] == '+' || b[0] == '-') {
			b = b[1:]
		}
		b, ok = skipDigits(b)
	}
	if !ok {
		return nil, false
	}
	number := json.Number(p.rest[:len(p.rest)-len(b)])
	p.rest = b
	return number, true
}

// skipDigits passes over at least one digit.
func skipDigits(b string) (string, bool) {
	n := 0
	for n < len(b) && '0' <= b[n] && b[n] <= '9' {
		n++
	}
	return b[n:], n > 0
}
