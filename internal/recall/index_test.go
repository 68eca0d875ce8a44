package recall

import (
	"math/rand/v2"
	"testing"
)

func TestOwnersKeepNearlyAllThereIsRoomForAndForgetWhatIsRemoved(t *testing.T) {
	o := newOwners(1 << 16)
	r := rand.New(rand.NewPCG(1, 2))
	ids := make([]uint64, 1<<15)
	where := func(i int) location { return location(i + entryHead) }
	for i := range ids {
		ids[i] = r.Uint64()
		o.put(ids[i], where(i))
		o.put(ids[i], where(i)) // takes no second entry
	}
	found := 0
	for i := range ids {
		if o.get(ids[i]) == where(i) {
			found++
		}
	}
	if found < len(ids)*999/1000 {
		t.Errorf("%d of %d are found", found, len(ids))
	}
	first := 0
	for i := range ids {
		e, _ := o.slot(ids[i])
		bucket := o.bucket(ids[i], false)
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
		o.remove(ids[i], where(i)+1) // it is elsewhere
	}
	still := 0
	for i := range ids {
		if o.get(ids[i]) == where(i) {
			still++
		}
		o.remove(ids[i], where(i))
	}
	if still != found {
		t.Errorf("%d of %d are found after others were removed", still, found)
	}
	for i := range o.entries {
		if e := o.entries[i].Load(); e != 0 && found == len(ids) {
			t.Fatalf("%x is left", e)
		}
	}
}

func TestOwnersForgetASessionBehindAnotherThatIsTakenForIt(t *testing.T) {
	o := newOwners(1 << 10)
	const one, other = 0xabcdef<<locationBits | 1<<20 | 5, 0xabcdef<<locationBits | 5
	if &o.bucket(one, false)[0] != &o.bucket(other, false)[0] || &o.bucket(one, true)[0] == &o.bucket(other, true)[0] {
		t.Fatal("they have to share their first bucket alone")
	}
	first := o.bucket(one, false)
	for i := range first {
		first[i].Store(1)
	}
	o.put(one, 1000) // into its second
	for i := range first {
		first[i].Store(0)
	}
	o.put(other, 2000)
	o.remove(one, 1000)
	if got := o.get(other); got != 2000 {
		t.Errorf("the other one is at %d", got)
	}
	o.remove(other, 2000)
	if got := o.get(one); got != 0 {
		t.Errorf("what was removed is found at %d", got)
	}
}

func TestOwnersOfTooManySessionsForgetSome(t *testing.T) {
	o := newOwners(64)
	r := rand.New(rand.NewPCG(3, 4))
	for i := range 10_000 {
		id := r.Uint64()
		o.put(id, location(i+1))
		if o.get(id) != location(i+1) {
			t.Fatal("the latest is not found")
		}
	}
}
