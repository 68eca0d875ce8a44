package rollcall_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-id/rollcall"
)

// A leaf is a text of a value, with the path that leads there.
type leaf struct {
	path string
	set  func(string)
}

// fillTexts gives every field of v a value: user ids "u", each other text one of its own,
// lists and maps one element. It returns the texts.
func fillTexts(t *testing.T, v reflect.Value, path string) (leaves []leaf) {
	t.Helper()
	switch name := path[strings.LastIndex(path, ".")+1:]; {
	case v.Type() == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(t0))
	case v.Kind() == reflect.Bool:
	case v.CanInt():
		v.SetInt(1)
	case v.CanUint():
		v.SetUint(1)
	case v.Kind() == reflect.String:
		v.SetString(map[string]string{"UserID": "u", "IP": "192.0.2.1", "ASN": "1"}[name])
		if v.String() == "" {
			v.SetString(path)
		}
		leaves = append(leaves, leaf{path, v.SetString})
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		leaves = fillTexts(t, v.Elem(), path)
	case v.Kind() == reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		leaves = fillTexts(t, v.Index(0), path)
	case v.Kind() == reflect.Array:
		leaves = fillTexts(t, v.Index(0), path)
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			leaves = append(leaves, fillTexts(t, v.Field(i), path+"."+v.Type().Field(i).Name)...)
		}
	case v.Type() == reflect.TypeFor[map[string]uint64]():
		set := func(key string) { v.Set(reflect.ValueOf(map[string]uint64{key: 1})) }
		set(path)
		leaves = append(leaves, leaf{path, set})
	default:
		t.Fatalf("%s: fill %s", path, v.Type())
	}
	return leaves
}

// TestNoTextOfAChangeIsLeftUnchecked puts what is no text into every text of a change,
// those to come as well.
func TestNoTextOfAChangeIsLeftUnchecked(t *testing.T) {
	// No engine keeps these: they are what the caller says of the row.
	unkept := map[string]bool{".Ends.Initial.IP": true, ".Ends.Initial.UserAgent": true, ".Ends.Initial.ASN": true}
	of := func(user bool) (*rollcall.Change, []leaf) {
		c := &rollcall.Change{}
		leaves := fillTexts(t, reflect.ValueOf(c).Elem(), "")
		if user {
			c.User.User.ID, c.Everybody, c.Documents = "u", nil, nil
		} else {
			c.UserID, c.User, c.Sessions, c.Ends, c.Events[0].UserID = "", nil, nil, nil, ""
		}
		return c, leaves
	}
	all := map[string]bool{} // by path: refused
	for _, user := range []bool{true, false} {
		c, leaves := of(user)
		if err := c.Check(); err != nil {
			t.Fatal(err)
		}
		for i, l := range leaves {
			refused := true
			for _, bad := range []string{"1\x00", "1\xff"} {
				c, leaves := of(user)
				leaves[i].set(bad)
				refused = refused && c.Check() != nil
			}
			all[l.path] = all[l.path] || refused
		}
	}
	for path, refused := range all {
		if !refused && !unkept[path] {
			t.Errorf("%s may be what is no text", path)
		}
	}
}
