package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth bounds the nesting of a body. Nothing that is accepted needs more
// than four levels.
const maxDepth = 16

var errJSON = errors.New("not acceptable JSON")

// ParseJSON parses one JSON value, as strictly as ReadObject.
func ParseJSON(data []byte) (any, error) {
	if !utf8.Valid(data) || hasLoneSurrogate(data) {
		return nil, errJSON
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	value, err := parseValue(d, 0)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errJSON
	}
	return value, nil
}

// hasLoneSurrogate reports whether a text in JSON has an escape for half a character,
// which encoding/json would replace, so that two different values became one. Where
// data is no JSON, the answer means nothing.
func hasLoneSurrogate(data []byte) bool {
	for {
		at := bytes.IndexByte(data, '\\')
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
func escaped(data []byte) rune {
	if len(data) < 6 || data[0] != '\\' || data[1] != 'u' {
		return -1
	}
	code, err := strconv.ParseUint(string(data[2:6]), 16, 16)
	if err != nil {
		return -1
	}
	return rune(code)
}

func parseValue(d *json.Decoder, depth int) (any, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	delim, ok := token.(json.Delim)
	if !ok {
		return token, nil
	}
	if depth == maxDepth {
		return nil, errJSON
	}
	if delim == '[' {
		return parseArray(d, depth)
	}
	return parseObject(d, depth)
}

func parseArray(d *json.Decoder, depth int) (any, error) {
	array := []any{}
	for d.More() {
		v, err := parseValue(d, depth+1)
		if err != nil {
			return nil, err
		}
		array = append(array, v)
	}
	_, err := d.Token()
	return array, err
}

func parseObject(d *json.Decoder, depth int) (any, error) {
	object := Object{}
	seen := map[string]bool{}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, err
		}
		key, ok := name.(string)
		if !ok || seen[key] {
			return nil, errJSON
		}
		seen[key] = true
		v, err := parseValue(d, depth+1)
		if err != nil {
			return nil, err
		}
		object = append(object, Member{key, v})
	}
	_, err := d.Token()
	return object, err
}
