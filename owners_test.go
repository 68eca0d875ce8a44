package rollcall

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
