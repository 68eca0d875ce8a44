package management

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/sessions"
	"github.com/rollcall-id/rollcall/store/memory"
)

// BenchmarkListing is what a list of 50 costs from the parsed query on, of users that are
// remembered while their pages are not kept.
func BenchmarkListing(b *testing.B) {
	m, err := sessions.New(memory.New(), sessions.Options{Memory: 2 << 20})
	if err != nil {
		b.Fatal(err)
	}
	d := New(Options{Manager: m, PageMemory: 2 << 20})
	ctx, w := context.Background(), &sink{header: http.Header{}}
	const users = 150
	name := func(i int) string { return fmt.Sprintf("auth0|%024d", i) }
	for i := range users {
		for n := range 50 {
			_, _, err := m.Create(ctx, rollcall.Caller{}, rollcall.NewSession{
				UserID: name(i), ClientID: "web-application", Methods: []rollcall.Method{{Name: "pwd"}}, IP: fmt.Sprintf("192.0.2.%d", i%256),
				UserAgent: "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0.3595.65"[:100+n*7%16],
			})
			if err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		q := rollcall.ListQuery{UserID: name(i * 7919 % users), Take: 50, Total: i/users%2 == 0}
		if err := d.list(ctx, w, q, false); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(w.size)/float64(b.N), "B/page")
}
