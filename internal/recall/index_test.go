package recall

import (
	"math/rand/v2"
	"testing"
)

func TestTheIndexKeepsNearlyAllThereIsRoomForAndForgetsWhatIsRemoved(t *testing.T) {
	x := newIndex(1 << 16)
	r := rand.New(rand.NewPCG(1, 2))
	ids := make([]uint64, 1<<15)
	where := func(i int) address { return address(i + entryHead) }
	for i := range ids {
		ids[i] = r.Uint64()
		x.put(ids[i], where(i))
		x.put(ids[i], where(i)) // takes no second entry
	}
	found := 0
	for i := range ids {
		if x.get(ids[i]) == where(i) {
			found++
		}
	}
	if found < len(ids)*999/1000 {
		t.Errorf("%d of %d are found", found, len(ids))
	}
	first := 0
	for i := range ids {
		e, _ := x.entry(ids[i])
		bucket := x.bucket(ids[i], false)
		for j := range bucket {
			if &bucket[j] == e {
				first++
			}
		}
	}
	if first < len(ids)*9/10 {
		t.Errorf("%d of %d are found at the first look", first, len(ids))
	}
	for i := range ids {
		x.remove(ids[i], where(i)+1) // it is elsewhere
	}
	still := 0
	for i := range ids {
		if x.get(ids[i]) == where(i) {
			still++
		}
		x.remove(ids[i], where(i))
	}
	if still != found {
		t.Errorf("%d of %d are found after others were removed", still, found)
	}
	for i := range x.entries {
		if e := x.entries[i].Load(); e != 0 && found == len(ids) {
			t.Fatalf("%x is left", e)
		}
	}
}

func TestTheIndexForgetsASessionBehindAnotherThatIsTakenForIt(t *testing.T) {
	x := newIndex(1 << 10)
	const one, other = 0xabcdef<<addressBits | 1<<20 | 5, 0xabcdef<<addressBits | 5
	if &x.bucket(one, false)[0] != &x.bucket(other, false)[0] || &x.bucket(one, true)[0] == &x.bucket(other, true)[0] {
		t.Fatal("they have to share their first bucket alone")
	}
	first := x.bucket(one, false)
	for i := range first {
		first[i].Store(1)
	}
	x.put(one, 1000) // into its second
	for i := range first {
		first[i].Store(0)
	}
	x.put(other, 2000)
	x.remove(one, 1000)
	if got := x.get(other); got != 2000 {
		t.Errorf("the other one is at %d", got)
	}
	x.remove(other, 2000)
	if got := x.get(one); got != 0 {
		t.Errorf("what was removed is found at %d", got)
	}
}

func TestAnIndexOfTooManySessionsForgetsSome(t *testing.T) {
	x := newIndex(64)
	r := rand.New(rand.NewPCG(3, 4))
	for i := range 10_000 {
		id := r.Uint64()
		x.put(id, address(i+1))
		if x.get(id) != address(i+1) {
			t.Fatal("the latest is not found")
		}
	}
}
