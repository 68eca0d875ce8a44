package recall

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-id/rollcall"
)

// A filler gives every field of a value something that no other field has.
type filler struct {
	t *testing.T
	n int
}

// fill fills what p points to; lists and maps get two elements.
func (f *filler) fill(p any) { f.value(reflect.ValueOf(p).Elem(), "") }

func (f *filler) value(v reflect.Value, name string) {
	f.n++
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(t0.Add(time.Duration(f.n) * time.Millisecond)))
	case v.Kind() == reflect.String && name == "IP":
		v.SetString(fmt.Sprintf("2001:db8::%x", f.n))
	case v.Kind() == reflect.String && name == "ASN":
		v.SetString(fmt.Sprint(f.n))
	case v.Kind() == reflect.String:
		v.SetString(strings.ToLower(name) + fmt.Sprint(f.n))
	case v.CanInt():
		v.SetInt(int64(f.n))
	case v.CanUint():
		v.SetUint(uint64(f.n % 256))
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			f.value(v.Field(i), v.Type().Field(i).Name)
		}
	case v.Kind() == reflect.Array:
		for i := range v.Len() {
			f.value(v.Index(i), name)
		}
	case v.Kind() == reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			f.value(v.Index(i), name)
		}
	case v.Kind() == reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range 2 {
			key, element := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			f.value(key, name)
			f.value(element, name)
			v.SetMapIndex(key, element)
		}
	default:
		f.t.Fatalf("%s: fill %s", name, v.Type())
	}
}

// TestNoFieldIsDropped fills every field of a session, of its user and of everybody, those
// to come as well.
func TestNoFieldIsDropped(t *testing.T) {
	f := filler{t: t}
	var s rollcall.Session
	var st rollcall.Standing
	f.fill(&s)
	f.fill(&st)
	st.User.ID = s.UserID
	ended := s
	s.EndedAt = time.Time{} // of an ended session the acts leave nothing

	for name, remember := range map[string]func(m *Memory, want *rollcall.Session){
		"in a user's block": func(m *Memory, want *rollcall.Session) {
			r := m.Begin(s.UserID)
			r.Keep(&st, []rollcall.Session{*want}, upToDate)
		},
		"in a lone block": func(m *Memory, _ *rollcall.Session) {
			l := m.Look(s.ID)
			r := l.Begin()
			r.KeepOne(&st, &s, upToDate)
		},
		"put first": func(m *Memory, want *rollcall.Session) {
			a := m.Committing(s.UserID)
			a.Committed(&rollcall.Change{
				UserID: s.UserID, User: &rollcall.PutUser{User: st.User}, Sessions: []rollcall.PutSession{{Session: s}},
			}, &st)
			a.Ended()
			want.Version = 1
		},
		"put again": func(m *Memory, want *rollcall.Session) {
			before := s
			before.Last.At = t0
			r := m.Begin(s.UserID)
			r.Keep(&st, []rollcall.Session{before}, upToDate)
			a := m.Committing(s.UserID)
			a.Committed(&rollcall.Change{UserID: s.UserID, Sessions: []rollcall.PutSession{{Session: s, Replaces: 7}}}, &st)
			a.Ended()
			want.Version = 8
		},
		"walked by": func(m *Memory, _ *rollcall.Session) {
			if err := m.Warm(func() error { return nil }, func(visit func(rollcall.Walked) bool) error {
				visit(rollcall.Walked{Standing: st, Session: &s})
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		},
		"ended, in a user's block": func(m *Memory, want *rollcall.Session) {
			*want = ended
			r := m.Begin(s.UserID)
			r.Keep(&st, []rollcall.Session{ended}, upToDate)
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := New(1<<20, func(rollcall.Touch) {})
			want := s
			remember(m, &want)
			got, standing, known := look(m, s.ID)
			if !known {
				t.Fatal("not known")
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("session (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(st, standing); diff != "" {
				t.Errorf("standing (-want +got):\n%s", diff)
			}
			if name == "in a lone block" {
				return
			}
			var into Snapshot
			if !m.Sessions(s.UserID, &into) {
				t.Fatal("not known as a list")
			}
			if diff := cmp.Diff(st, into.Standing); diff != "" {
				t.Errorf("the list's standing (-want +got):\n%s", diff)
			}
			into.Each(func(got *rollcall.Session) bool {
				if diff := cmp.Diff(&want, got); diff != "" {
					t.Errorf("the list's session (-want +got):\n%s", diff)
				}
				return true
			})
		})
	}
}

func TestInstantsOfTheWholeContractAreRemembered(t *testing.T) {
	for _, at := range []time.Time{
		{}, time.UnixMilli(0).UTC(), time.UnixMilli(1).UTC(), time.Date(9999, 12, 31, 23, 59, 59, 999e6, time.UTC),
	} {
		m := newMemory()
		s := testSession("session")
		s.CreatedAt, s.ExpiresAt, s.Last.At, s.Last.IdleExpiresAt = at, at, at, at
		fill(m, rollcall.User{ID: aUser}, s)
		if got, _, known := look(m, s.ID); !known || got.CreatedAt != at || got.Last.IdleExpiresAt != at {
			t.Errorf("known %v: %v came back as %v", known, at, got.CreatedAt)
		}
	}
}

// TestACloneHoldsWhenTheMemoryOfTheVisitIsUsedAgain fills every text of a session, those to
// come as well.
func TestACloneHoldsWhenTheMemoryOfTheVisitIsUsedAgain(t *testing.T) {
	f := filler{t: t}
	var want rollcall.Session
	f.fill(&want)
	m := newMemory()
	if !fill(m, rollcall.User{ID: want.UserID}, want) {
		t.Fatal("not kept")
	}
	var into Snapshot
	if !m.Sessions(want.UserID, &into) {
		t.Fatal("not known")
	}
	var got rollcall.Session
	into.Each(func(s *rollcall.Session) bool { got = s.Clone(); return true })
	clear(into.texts[:cap(into.texts)])
	into.session.Clients[0], into.session.Methods[0], into.session.Metadata[0], into.session.UsedKeys[0] = "", rollcall.Method{}, rollcall.MetadataEntry{}, rollcall.KeyMark{}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
