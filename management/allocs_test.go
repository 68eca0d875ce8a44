//go:build !race

package management

import (
	"net/http"
	"testing"
)

// TestAKeptPageIsAnsweredWithFewAllocations counts those of the door: routing, the query,
// the header. None is for the page.
func TestAKeptPageIsAnsweredWithFewAllocations(t *testing.T) {
	const most = 7
	for name, c := range map[string]struct {
		sessions   int
		pageMemory int64
		unpacked   bool
	}{
		"whole":      {3, 4 << 20, false},
		"compressed": {50, 64 << 10, true}, // which has no room for the whole page
	} {
		t.Run(name, func(t *testing.T) {
			m := newManager(t, 4<<20)
			signInMany(t, m, aUser, c.sessions)
			d := doorTo(m, c.pageMemory)
			request, err := http.NewRequest(http.MethodGet, "/api/v2/users/auth0%7C1/sessions", nil)
			if err != nil {
				t.Fatal(err)
			}
			w := &sink{header: http.Header{}}
			answer := func() {
				again := *request
				clear(w.header)
				d.ServeHTTP(w, &again)
			}
			for range 4 {
				answer()
			}
			before := d.pages.Counts()
			if got := testing.AllocsPerRun(100, answer); got > most {
				t.Errorf("%v allocations, at most %d are wanted", got, most)
			}
			after := d.pages.Counts()
			if after.Misses != before.Misses || after.Decompressed > before.Decompressed != c.unpacked {
				t.Errorf("before %+v, after %+v", before, after)
			}
		})
	}
}
