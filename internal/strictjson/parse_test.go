package strictjson_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-id/rollcall/internal/strictjson"
)

// reference reads JSON by the standard library's tokens, and is no part of what is
// served: it is six times as dear.
func reference(data []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	value, err := referenceValue(d, 0)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than a value")
	}
	return value, nil
}

func referenceValue(d *json.Decoder, depth int) (any, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	if token != json.Delim('[') && token != json.Delim('{') {
		return token, nil
	}
	if depth == 16 {
		return nil, errors.New("too deep")
	}
	array, object, seen := []any{}, strictjson.Object{}, map[string]bool{}
	for d.More() {
		var name string
		if token == json.Delim('{') {
			key, err := d.Token()
			if err != nil {
				return nil, err
			}
			name = key.(string)
			if seen[name] {
				return nil, errors.New("a name twice")
			}
			seen[name] = true
		}
		v, err := referenceValue(d, depth+1)
		if err != nil {
			return nil, err
		}
		array, object = append(array, v), append(object, strictjson.Member{Name: name, Value: v})
	}
	if _, err = d.Token(); token == json.Delim('{') {
		return object, err
	}
	return array, err
}

// what is refused beyond what the reference refuses: no UTF-8, and half characters.
// The reference replaces both.
func replaces(data []byte, value any) bool {
	return strings.Contains(fmt.Sprint(value), "\ufffd") && !bytes.Contains(data, []byte("\ufffd")) && !bytes.Contains(bytes.ToLower(data), []byte(`\ufffd`))
}

func sameAsReference(t *testing.T, data []byte) {
	t.Helper()
	want, wantErr := reference(data)
	got, err := strictjson.Parse(data)
	if err == nil {
		if diff := cmp.Diff(want, got); wantErr != nil || diff != "" {
			t.Errorf("%q is read otherwise than the standard library does: %v\n%s", data, wantErr, diff)
		}
		return
	}
	if got != nil || err.Error() != "not acceptable JSON" {
		t.Errorf("%q: %v, %v", data, got, err)
	}
	if wantErr == nil && !replaces(data, want) && !mayBeReplaced(data) {
		t.Errorf("%q is JSON and is refused", data)
	}
}

// mayBeReplaced reports whether it cannot be told from the value if something was
// replaced: the text has the mark of a replacement itself.
func mayBeReplaced(data []byte) bool {
	return bytes.Contains(data, []byte("\ufffd")) || bytes.Contains(bytes.ToLower(data), []byte(`\ufffd`))
}

var documents = []string{
	``, ` `, `null`, `nul`, `true`, `false`, `falsee`, ` true `, `"`, `""`, `"a`, "\"a\x01\"", "\"\x7f\"", `"a\"b\\c\/d\b\f\n\r\t"`, `"\x"`, `"\`, `"\u12`, `"\u00e9\u0000"`,
	`"\ud83d\ude00x"`, `"\ud83d"`, `"\ud83dA"`, `"\ude00\ud83d"`, `"\\ud800"`, `"é\n€"`, "\"\xff\"", "\xff", "\ufeff{}",
	`0`, `-0`, `01`, `1.`, `1.5`, `.5`, `-`, `--1`, `+1`, `1e5`, `1E+5`, `1e-05`, `1e`, `1e+`, `1x`, `1 2`, `0x1`, `1.5.5`, `NaN`, `Infinity`, `-1.25e-7`,
	`[]`, `[ ]`, `[1]`, `[1,]`, `[,1]`, `[1,,2]`, `[1 2]`, `[1}`, `[`, `]`, `[[[]]]`, `[1],`, `[1]]`, `[-]`, `[1e5,-0.5,"x",null,true]`,
	`{}`, `{ }`, `{"a":1}`, `{"a":1,}`, `{,}`, `{"a"}`, `{"a":}`, `{"a" 1}`, `{"a":1 "b":2}`, `{"a":1,"a":2}`, `{"a":1,"\u0061":2}`, `{1:2}`, `{"a":{"a":[{"a":1}]}}`, `{"a":1]`, `{null:1}`, `{a:1}`, `{'a':1}`,
	`{"a":1}x`, `{"a":1} {}`, "{\"a\"\t:\n1\r}", "{\"a\":1}\v", "{\"a\":1}\u00a0", "{\"a\":1}\x00", "/**/{}",
}

func TestJSONIsReadAsTheStandardLibraryReadsIt(t *testing.T) {
	for _, d := range documents {
		sameAsReference(t, []byte(d))
	}
	for _, depth := range []int{15, 16, 17, 1000} {
		sameAsReference(t, []byte(strings.Repeat("[", depth)+strings.Repeat("]", depth)))
		sameAsReference(t, []byte(strings.Repeat(`{"a":`, depth)+"1"+strings.Repeat("}", depth)))
	}
	for _, members := range []int{15, 16, 17, 40} {
		var b strings.Builder
		for i := range members {
			fmt.Fprintf(&b, `"m%d":%d,`, i, i)
		}
		for i := range members {
			sameAsReference(t, fmt.Appendf(nil, `{%s"m%d":0}`, b.String(), i))
		}
		sameAsReference(t, fmt.Appendf(nil, `{%s"last":0}`, b.String()))
	}
}

func FuzzJSONIsReadAsTheStandardLibraryReadsIt(f *testing.F) {
	for _, d := range documents {
		f.Add([]byte(d))
	}
	f.Fuzz(sameAsReference)
}

func TestJSONIsReadStrictly(t *testing.T) {
	for _, text := range []string{
		``, `{`, `{"a":1}x`, `{"a":1}{}`, `{"a":1,"a":2}`, `{"a":{"b":1,"b":1}}`, `[{"a":1,"a":1}]`, "\"\xff\"", `nul`, `{"a":}`, `{a:1}`, `[1,]`, `01`,
		strings.Repeat("[", 17) + strings.Repeat("]", 17), strings.Repeat(`{"a":`, 17) + "1" + strings.Repeat("}", 17),
	} {
		if v, err := strictjson.Parse([]byte(text)); err == nil {
			t.Errorf("%.60q is read as %v", text, v)
		}
	}
	if _, err := strictjson.Parse([]byte(strings.Repeat("[", 16) + strings.Repeat("]", 16))); err != nil {
		t.Errorf("sixteen levels: %v", err)
	}
}

func TestHalfACharacterIsNoTextAndIsNotReplacedInSilence(t *testing.T) {
	for _, text := range []string{
		`"\ud800"`, `"\uDFFF"`, `"\udc00\ud800"`, `"\ud83dx"`, `"\ud83d\n"`, `"\ud83d\ud83d\ude00"`, `"\ud83d\u0041"`, `"\ud83d\\ude00"`, `"a\\\ud800"`,
		`{"\ud800":1}`, `{"a":["\ude00"]}`, `"\ud83d`,
	} {
		if v, err := strictjson.Parse([]byte(text)); err == nil {
			t.Errorf("%s is read as %q", text, v)
		}
	}
	for text, want := range map[string]string{
		`"\ud83d\ude00"`:        "😀",
		`"\uD83D\uDE00 \u00fc"`: "😀 ü",
		`"\\ud800"`:             `\ud800`,
		`"\\\\\ud83d\ude00"`:    `\\😀`,
		`"\ufffd"`:              "\ufffd",
		`"\ud7ff\ue000"`:        "\ud7ff\ue000",
		`"\""`:                  `"`,
	} {
		if v, err := strictjson.Parse([]byte(text)); err != nil || v != want {
			t.Errorf("%s is read as %q, %v, want %q", text, v, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{`{"session_metadata":{"a":"1"}}`, `[1,2.5e3,null,true,"x"]`, `{"a":1,"a":2}`, `[[[[`, `"\ud83d\ude00"`, `"\\ud800"`, `{"\ud800":1}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		value, err := strictjson.Parse(data)
		if err != nil {
			return
		}
		if !json.Valid(data) {
			t.Fatalf("%q is read and is not JSON", data)
		}
		text := appendJSON(nil, value)
		again, err := strictjson.Parse(text)
		if diff := cmp.Diff(value, again); err != nil || diff != "" {
			t.Errorf("%q is written as %q and reads back otherwise: %v\n%s", data, text, err, diff)
		}
		// Nothing was replaced that the text does not have itself.
		if strings.Contains(string(text), "\ufffd") && !strings.Contains(string(data), "\ufffd") && !strings.Contains(strings.ToLower(string(data)), `\ufffd`) {
			t.Errorf("%q has become %q", data, text)
		}
	})
}

func appendJSON(b []byte, value any) []byte {
	switch v := value.(type) {
	case nil:
		return append(b, "null"...)
	case bool:
		return strconv.AppendBool(b, v)
	case json.Number:
		return append(b, v...)
	case string:
		return appendString(b, v)
	case []any:
		b = append(b, '[')
		for i := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendJSON(b, v[i])
		}
		return append(b, ']')
	}
	b = append(b, '{')
	for i, m := range value.(strictjson.Object) {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendJSON(append(appendString(b, m.Name), ':'), m.Value)
	}
	return append(b, '}')
}

func appendString(b []byte, s string) []byte {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err) // of a string
	}
	return append(b, text...)
}

func BenchmarkParse(b *testing.B) {
	body := []byte(`{"user_id":"auth0|0123456789abcdef01234567","client_id":"web-application","authentication":{"methods":[{"name":"pwd"}]},` +
		`"device":{"ip":"203.0.113.77","user_agent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"}}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := strictjson.Parse(body); err != nil {
			b.Fatal(err)
		}
	}
}
