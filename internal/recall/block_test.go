package recall

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rollcall-id/rollcall"
)

func TestABlockGivesBackWhatItWasMadeOf(t *testing.T) {
	m := newMemory()
	want := []rollcall.Session{testSession("first"), testSession("second"), {UserID: aUser, ID: "empty", CookieMode: rollcall.Persistent}}
	u := rollcall.User{ID: aUser, Generation: 7, TokenGeneration: 7}
	if !fill(m, u, want...) {
		t.Fatal("not kept")
	}
	gotUser, got, known := remembered(m, u.ID)
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" || !known || gotUser != u {
		t.Errorf("known %v, user %v (-want +got):\n%s", known, gotUser, diff)
	}
	for i := range want {
		s, st, known := look(m, want[i].ID)
		if !known || st.User != u {
			t.Fatalf("%s is not known: %v", want[i].ID, st)
		}
		if diff := cmp.Diff(want[i], s, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

func TestWhatABlockCannotHoldIsNotRemembered(t *testing.T) {
	long := testSession("long")
	for range 200 {
		long.Metadata = append(long.Metadata, rollcall.MetadataEntry{Key: "k", Value: strings.Repeat("x", 1000)})
	}
	odd := testSession("odd")
	odd.Last.Origin.IP = "::ffff:192.0.2.1" // would come back as another text
	for _, s := range []rollcall.Session{long, odd} {
		m := newMemory()
		if fill(m, rollcall.User{ID: s.UserID}, s) {
			t.Errorf("%s is said to be kept", s.ID)
		}
		if _, _, known := remembered(m, s.UserID); known {
			t.Errorf("%s is remembered", s.ID)
		}
	}
}

func TestAMemoryKeepsItsBoundAndWhatIsUsed(t *testing.T) {
	const size = 64 << 20 / 20 * 9
	m := knowingEverybody(New(size, func(rollcall.Touch) {}))
	fillUser := func(i int) string {
		s := testSession(fmt.Sprintf("session-%07d", i))
		s.UserID = fmt.Sprintf("user-%07d", i)
		fill(m, rollcall.User{ID: s.UserID}, s)
		return s.UserID
	}
	used := fillUser(0)
	const users = 150_000
	for i := 1; i < users; i++ {
		fillUser(i)
		if i%1000 == 0 {
			if _, _, known := remembered(m, used); !known {
				t.Fatalf("what is used is gone after %d others", i)
			}
		}
	}
	blocks := 0
	for i := range m.shards {
		s := &m.shards[i]
		blocks += len(s.blocks)
		for user, entry := range s.blocks {
			if entry.position() >= len(s.segments[entry.segment()]) || s.userOf(entry) != user {
				t.Fatal("a block that is gone is found")
			}
			if m.byteAt(s.number|address(entry)) != s.byteAt(entry) {
				t.Fatal("what is asked for ahead is not what is read then")
			}
		}
	}
	for i := range m.index.entries {
		if e := m.index.entries[i].Load(); e != 0 {
			a := address(e & addressMask)
			r, _ := m.shards[a.shard()].record(a.offset())
			if hash := m.epochs.hashBytes(r.sessionID()); hash>>addressBits != e>>addressBits {
				t.Fatal("the index leads to what is no record of the session")
			}
		}
	}
	if int64(len(m.bytes)) > size || blocks < users/5 || blocks > users*9/10 {
		t.Errorf("%d bytes of %d, %d users remembered", len(m.bytes), size, blocks)
	}
}

func TestAMemoryBeginsAgainWhenItsNumbersRunOut(t *testing.T) {
	m := newMemory()
	for i := range maxNumber + 10 {
		s := testSession("session")
		s.UserID = fmt.Sprint("user ", i/100)
		s.Initial.UserAgent = fmt.Sprintf("agent %d", i)
		fill(m, rollcall.User{ID: s.UserID}, s)
	}
	_, got, known := remembered(m, fmt.Sprint("user ", (maxNumber+9)/100))
	if !known || got[0].Initial.UserAgent != fmt.Sprintf("agent %d", maxNumber+9) {
		t.Errorf("known %v: %v", known, got)
	}
	if n := len(m.dictionaries.Load().texts.numbers); n > 100 {
		t.Errorf("%d texts", n)
	}
}
