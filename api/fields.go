package api

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/internal/strictjson"
	"github.com/rollcall-id/rollcall/internal/wire"
)

// fields reads an object member by member. It keeps the first thing that is
// wrong, and at the end refuses the members nobody asked for. A member that is null is as if
// it were not there, but for one that is required: that is of the wrong type.
type fields struct {
	body strictjson.Object
	path string // of the object in the body, with a trailing dot
	read []string
	err  error
}

// fewFields is how many members are asked for in most objects.
const fewFields = 12

// get returns a member that is there and not null.
func (f *fields) get(name string) (any, bool) {
	v, _ := f.member(name)
	return v, v != nil
}

// member returns a member that is there, null or not.
func (f *fields) member(name string) (any, bool) {
	if f.read == nil {
		f.read = make([]string, 0, fewFields)
	}
	f.read = append(f.read, name)
	for _, m := range f.body {
		if m.Name == name {
			return m.Value, true
		}
	}
	return nil, false
}

func (f *fields) has(name string) bool {
	_, ok := f.get(name)
	return ok
}

func (f *fields) refuse(err error) {
	if f.err == nil {
		f.err = err
	}
}

// require refuses an object without the member, which is of a type of JSON Schema.
func (f *fields) require(name, kind string) {
	switch v, ok := f.member(name); {
	case !ok:
		f.refuse(&wire.Invalid{Text: "Missing required property: " + name, Property: strings.TrimSuffix(f.path, ".")})
	case v == nil:
		f.refuse(wire.WrongType(kind, nil, f.path+name, ""))
	}
}

// text returns a string member, "" when it is not there.
func (f *fields) text(name string) string {
	v, ok := f.get(name)
	if !ok {
		return ""
	}
	s, ok := v.(string)
	if !ok {
		f.refuse(wire.WrongType("string", v, f.path+name, ""))
	}
	return s
}

// flag returns a boolean member, false when it is not there.
func (f *fields) flag(name string) bool { return f.flagOr(name, false) }

// flagOr returns a boolean member, otherwise when it is not there.
func (f *fields) flagOr(name string, otherwise bool) bool {
	v, ok := f.get(name)
	if !ok {
		return otherwise
	}
	b, ok := v.(bool)
	if !ok {
		f.refuse(wire.WrongType("boolean", v, f.path+name, ""))
	}
	return b
}

// seconds returns a member that is a positive number of whole seconds, 0 when
// it is not there.
func (f *fields) seconds(name string) time.Duration {
	v, ok := f.get(name)
	if !ok {
		return 0
	}
	number, _ := v.(json.Number)
	n, ok := strictjson.Integer(number.String())
	switch {
	case !ok:
		f.refuse(wire.WrongType("integer", v, f.path+name, ""))
		return 0
	case n < 1:
		f.refuse(&wire.Invalid{Text: "Value " + rollcall.Echo(number.String()) + " is less than minimum 1", Property: f.path + name})
		return 0
	case n > int64(rollcall.MaxLifetime/time.Second):
		return rollcall.MaxLifetime // it can only shorten, so more is as good as the most
	}
	return time.Duration(n) * time.Second
}

// object returns the members of an object member; ok is false when it is not
// there.
func (f *fields) object(name string) (fields, bool) {
	v, ok := f.get(name)
	if !ok {
		return fields{}, false
	}
	o, isObject := v.(strictjson.Object)
	if !isObject {
		f.refuse(wire.WrongType("object", v, f.path+name, ""))
	}
	return fields{body: o, path: f.path + name + "."}, isObject
}

// take adopts what was wrong in a part.
func (f *fields) take(part *fields) {
	if err := part.done(); err != nil {
		f.refuse(err)
	}
}

// done returns the first thing that was wrong, the unknown members last.
func (f *fields) done() error {
	if f.err != nil {
		return f.err
	}
	var unknown []string
	for _, m := range f.body {
		if !slices.Contains(f.read, m.Name) {
			unknown = append(unknown, m.Name)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	return &wire.Invalid{
		Text:     "Additional properties not allowed: " + rollcall.Echo(strings.Join(unknown, ",")),
		Property: strings.TrimSuffix(f.path, "."),
	}
}
