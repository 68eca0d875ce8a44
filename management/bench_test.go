package management

import (
	"context"
	"fmt"
	"testing"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/sessions"
	"github.com/rollcall-id/rollcall/store/memory"
)

// BenchmarkListing is what a list of 50 costs below the door, of users that are
// remembered while their pages are not.
func BenchmarkListing(b *testing.B) {
	m, err := sessions.New(memory.New(), sessions.Options{CacheSize: 4 << 20})
	if err != nil {
		b.Fatal(err)
	}
	ctx := context.Background()
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
	size := 0
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		q := rollcall.ListQuery{UserID: name(i * 7919 % users), Take: 50, Total: i/users%2 == 0}
		if err := m.EncodedList(ctx, q, listing{}, func(body []byte) { size += len(body) }); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(size)/float64(b.N), "B/page")
}
