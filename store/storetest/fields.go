package storetest

import (
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"time"

	"github.com/rollcall-id/rollcall"
)

// each visits every basic value and every instant that v holds, with the path that
// leads there; all elements of a list have the same path, and a map is visited whole. The
// values that the suite puts are literals (samples.go): a test of the suite uses each to
// find a field that a sample leaves empty.
func each(v reflect.Value, path string, visit func(path string, v reflect.Value)) {
	if v.Type() == reflect.TypeFor[time.Time]() {
		visit(path, v)
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			each(v.Elem(), path, visit)
		}
	case reflect.Func:
	case reflect.Struct:
		for i := range v.NumField() {
			each(v.Field(i), path+"."+v.Type().Field(i).Name, visit)
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			each(v.Index(i), path+"[]", visit)
		}
	default:
		visit(path, v)
	}
}

// eachInstant visits the instants of what p points to, but for those that are not
// set.
func eachInstant(p any, visit func(path string, t *time.Time)) {
	each(reflect.ValueOf(p).Elem(), "", func(path string, v reflect.Value) {
		if t, ok := v.Addr().Interface().(*time.Time); ok && !t.IsZero() {
			visit(path, t)
		}
	})
}

// eachText visits the texts of what p points to.
func eachText(p any, visit func(path string, v reflect.Value)) {
	each(reflect.ValueOf(p).Elem(), "", func(path string, v reflect.Value) {
		if v.Kind() == reflect.String {
			visit(path, v)
		}
	})
}

// spoil changes everything in what p points to, down to what its lists hold.
func spoil(p any) {
	each(reflect.ValueOf(p).Elem(), "", func(_ string, v reflect.Value) {
		switch {
		case v.Kind() == reflect.String:
			v.SetString("spoilt")
		case v.CanInt():
			v.SetInt(v.Int() + 1)
		case v.CanUint():
			v.SetUint(v.Uint() + 1)
		case v.Kind() == reflect.Bool:
			v.SetBool(!v.Bool())
		case v.Kind() == reflect.Map:
			for _, key := range v.MapKeys() {
				v.SetMapIndex(key, reflect.ValueOf(uint64(1<<40)))
			}
		default:
			t := v.Addr().Interface().(*time.Time)
			*t = t.Add(time.Hour)
		}
	})
}

// otherwise is a session with another value in every field that a put may change, those of
// its list elements as well, but for an ending.
func otherwise(s rollcall.Session) rollcall.Session {
	o, n := s.Clone(), 0
	each(reflect.ValueOf(&o).Elem(), "", func(path string, v reflect.Value) {
		n++
		switch {
		case v.Kind() == reflect.String && strings.HasSuffix(path, ".IP"):
			v.SetString(netip.MustParseAddr(v.String()).Next().String())
		case v.Kind() == reflect.String && strings.HasSuffix(path, ".ASN"):
			v.SetString(fmt.Sprint(n, v.String()))
		case v.Kind() == reflect.String:
			v.SetString(fmt.Sprint(n, " ", v.String()))
		case v.CanInt():
			v.SetInt(v.Int() + 1)
		case v.CanUint():
			v.SetUint(v.Uint() + 1)
		default:
			t := v.Addr().Interface().(*time.Time)
			*t = t.Add(time.Hour)
		}
	})
	o.ID, o.UserID, o.CreatedAt, o.Version = s.ID, s.UserID, s.CreatedAt, s.Version
	o.EndedAt, o.EndReason, o.EndedBy = s.EndedAt, s.EndReason, s.EndedBy
	return o
}
