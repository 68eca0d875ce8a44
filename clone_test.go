package rollcall_test

import (
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-id/rollcall"
)

// TestACloneSharesNothing changes all that a session leads to after it was cloned.
func TestACloneSharesNothing(t *testing.T) {
	s := rollcall.Session{
		Methods: []rollcall.Method{{Name: "pwd"}}, Clients: []string{"web"}, Metadata: []rollcall.MetadataEntry{{Key: "k"}},
		UsedKeys: []rollcall.KeyMark{{1}},
	}
	c := s.Clone()
	if diff := cmp.Diff(s, c); diff != "" {
		t.Fatal(diff)
	}
	v := reflect.ValueOf(&s).Elem()
	for i := range v.NumField() {
		if f := v.Field(i); f.Kind() == reflect.Slice {
			if f.Len() == 0 {
				t.Fatalf("fill %s", v.Type().Field(i).Name)
			}
			f.Index(0).SetZero()
		}
	}
	if c.Methods[0].Name != "pwd" || c.Clients[0] != "web" || c.Metadata[0].Key != "k" || c.UsedKeys[0] != (rollcall.KeyMark{1}) {
		t.Errorf("%+v", c)
	}
}
