package management

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-id/rollcall/internal/doortest"
	"github.com/rollcall-id/rollcall/internal/wire"
)

// listZipped returns the listing that a client reads which accepts gzip, and how many bytes it
// was sent.
func listZipped(t *testing.T, d *Door, userID string, take int, total bool) (text string, sent int) {
	t.Helper()
	target := fmt.Sprintf("/api/v2/users/%s/sessions?take=%d&include_totals=%t", url.PathEscape(userID), take, total)
	w := doortest.Serve(d, http.MethodGet, target, "", "Accept-Encoding", "gzip, deflate, br")
	sent = w.Body.Len()
	if got := w.Header().Get("Content-Length"); got != fmt.Sprint(sent) {
		t.Errorf("Content-Length: %s of %d bytes", got, sent)
	}
	switch coding := w.Header().Get("Content-Encoding"); coding {
	case "":
		return w.Body.String(), sent
	case "gzip":
	default:
		t.Fatalf("Content-Encoding: %s", coding)
	}
	r, err := gzip.NewReader(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(plain), sent
}

// TestAListingIsTheSameCompressedAndPlain asks for pages of every length, kept and not, in
// turns.
func TestAListingIsTheSameCompressedAndPlain(t *testing.T) {
	m := newManager(t, 4<<20)
	keeping, bare := doorTo(m, 4<<20), doorTo(m, 0)
	for _, count := range []int{0, 1, 9, 50} {
		signInMany(t, m, aUser, count)
		for _, take := range []int{1, 10, 50} {
			for i := range 8 {
				total := i%2 == 1
				want := list(t, bare, aUser, take, total)
				for name, d := range map[string]*Door{"kept": keeping, "not kept": bare} {
					got, sent := listZipped(t, d, aUser, take, total)
					if diff := cmp.Diff(want, got); diff != "" {
						t.Errorf("%s, take %d, total %t: %s", name, take, total, diff)
					}
					if long := len(want) >= wire.MinCompressed; long != (sent < len(want)/2) {
						t.Errorf("%s, take %d: %d bytes were sent for %d", name, take, sent, len(want))
					}
				}
				if diff := cmp.Diff(want, list(t, keeping, aUser, take, total)); diff != "" {
					t.Errorf("plain, take %d, total %t: %s", take, total, diff)
				}
			}
		}
	}
}

// TestAPageIsKeptCompressedForWhoAcceptsIt counts the reads that a user's pages cost.
func TestAPageIsKeptCompressedForWhoAcceptsIt(t *testing.T) {
	for _, count := range []int{3, 50} { // too short to be compressed, and not
		m := newManager(t, 4<<20)
		signInMany(t, m, aUser, count)
		d := doorTo(m, 4<<20)
		for range 6 {
			listZipped(t, d, aUser, 50, false)
		}
		if hits, misses := d.PageLookups(); hits != 4 || misses != 2 {
			t.Errorf("%d sessions: %d of 6 were found, %d not", count, hits, misses)
		}
	}
}

func TestWhoDoesNotAcceptGzipOrIsNotToHaveItGetsThePlainText(t *testing.T) {
	m := newManager(t, 4<<20)
	signInMany(t, m, aUser, 50)
	never := doorTo(m, 4<<20)
	never.compress = false
	for range 4 {
		w := doortest.Serve(never, http.MethodGet, "/api/v2/users/auth0%7C1/sessions", "", "Accept-Encoding", "gzip")
		if w.Header()["Content-Encoding"] != nil || w.Header()["Vary"] != nil || w.Body.String()[0] != '{' {
			t.Errorf("compression is off: %v", w.Header())
		}
	}
	d := doorTo(m, 4<<20)
	for _, accept := range []string{"", "identity", "br", "gzip;q=0"} {
		for range 4 {
			listZipped(t, d, aUser, 50, false)
			w := doortest.Serve(d, http.MethodGet, "/api/v2/users/auth0%7C1/sessions", "", "Accept-Encoding", accept)
			if w.Header()["Content-Encoding"] != nil || w.Header().Get("Vary") != "Accept-Encoding" || w.Body.String()[0] != '{' {
				t.Errorf("Accept-Encoding: %s: %v", accept, w.Header())
			}
		}
	}
}
