package reference

import (
	"embed"
	"encoding/json"
	"fmt"

	"go.yaml.in/yaml/v3"

	"github.com/rollcall-id/rollcall/internal/strictjson"
	"github.com/rollcall-id/rollcall/internal/wire"
)

// The document is written by hand, a file for each subject. Put together they
// are one OpenAPI document; the order of files and members is the reader's.
//
//go:embed openapi/*.yaml
var sources embed.FS

var parts = []string{"about", "sessions", "tokens", "signin", "checking", "ending", "own", "operation", "errors", "schemas", "examples"}

// readDocument puts the parts together: what they hold under the same name is
// joined, what they say twice is a mistake.
func readDocument() (strictjson.Object, error) {
	var whole strictjson.Object
	for _, part := range parts {
		text, err := sources.ReadFile("openapi/" + part + ".yaml")
		if err != nil {
			return nil, err
		}
		var root yaml.Node
		if err := yaml.Unmarshal(text, &root); err != nil {
			return nil, fmt.Errorf("reading %s: %w", part, err)
		}
		value, err := fromYAML(root.Content[0])
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", part, err)
		}
		object, ok := value.(strictjson.Object)
		if !ok {
			return nil, fmt.Errorf("reading %s: not an object", part)
		}
		if whole, err = join(whole, object); err != nil {
			return nil, fmt.Errorf("joining %s: %w", part, err)
		}
	}
	return whole, nil
}

func join(a, b strictjson.Object) (strictjson.Object, error) {
	for _, m := range b {
		at := position(a, m.Name)
		if at < 0 {
			a = append(a, m)
			continue
		}
		left, leftOK := a[at].Value.(strictjson.Object)
		right, rightOK := m.Value.(strictjson.Object)
		if !leftOK || !rightOK {
			return nil, fmt.Errorf("%s is there twice", m.Name)
		}
		joined, err := join(left, right)
		if err != nil {
			return nil, err
		}
		a[at].Value = joined
	}
	return a, nil
}

func position(o strictjson.Object, name string) int {
	for i, m := range o {
		if m.Name == name {
			return i
		}
	}
	return -1
}

// fromYAML keeps the order of members, and puts in what anchors stand for.
func fromYAML(n *yaml.Node) (any, error) {
	switch n.Kind {
	case yaml.AliasNode:
		return fromYAML(n.Alias)
	case yaml.SequenceNode:
		array := []any{}
		for _, item := range n.Content {
			v, err := fromYAML(item)
			if err != nil {
				return nil, err
			}
			array = append(array, v)
		}
		return array, nil
	case yaml.MappingNode:
		return objectFromYAML(n)
	case yaml.ScalarNode:
		return scalarFromYAML(n)
	}
	return nil, fmt.Errorf("line %d: not a value", n.Line)
}

// objectFromYAML reads a mapping. What is merged into it (<<) stands where the
// merge does, and a member of the mapping's own replaces a merged one.
func objectFromYAML(n *yaml.Node) (any, error) {
	object := strictjson.Object{}
	for i := 0; i < len(n.Content); i += 2 {
		key := n.Content[i]
		v, err := fromYAML(n.Content[i+1])
		if err != nil {
			return nil, err
		}
		if key.Tag == "!!merge" {
			merged, ok := v.(strictjson.Object)
			if !ok {
				return nil, fmt.Errorf("line %d: only a mapping can be merged", key.Line)
			}
			object = append(object, merged...)
		} else {
			object = with(object, key.Value, v)
		}
	}
	return object, nil
}

func scalarFromYAML(n *yaml.Node) (any, error) {
	switch n.Tag {
	case "!!str":
		return n.Value, nil
	case "!!int":
		return json.Number(n.Value), nil
	case "!!null":
		return nil, nil
	case "!!bool":
		return n.Value == "true", nil
	}
	return nil, fmt.Errorf("line %d: %s is of a kind that the document does without: %s", n.Line, n.Value, n.Tag)
}

// with returns the object with the member set.
func with(o strictjson.Object, name string, value any) strictjson.Object {
	if at := position(o, name); at >= 0 {
		o[at].Value = value
		return o
	}
	return append(o, strictjson.Member{Name: name, Value: value})
}

// get returns what lies under names, nil when nothing does.
func get(value any, names ...string) any {
	for _, name := range names {
		o, _ := value.(strictjson.Object)
		at := position(o, name)
		if at < 0 {
			return nil
		}
		value = o[at].Value
	}
	return value
}

// appendJSON appends a value as JSON, in the order it was written.
func appendJSON(b []byte, value any) []byte {
	switch v := value.(type) {
	case string:
		return wire.AppendString(b, v)
	case json.Number:
		return append(b, v...)
	case bool:
		if v {
			return append(b, "true"...)
		}
		return append(b, "false"...)
	case []any:
		b = append(b, '[')
		for i, item := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendJSON(b, item)
		}
		return append(b, ']')
	case strictjson.Object:
		b = append(b, '{')
		for i, m := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(wire.AppendString(b, m.Name), ':')
			b = appendJSON(b, m.Value)
		}
		return append(b, '}')
	}
	return append(b, "null"...)
}
