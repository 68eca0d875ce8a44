package sessions_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/sessions"
	"github.com/rollcall-id/rollcall/store/memory"
)

// BenchmarkCheck is what a check costs below the doors, of sessions that are
// remembered.
func BenchmarkCheck(b *testing.B) {
	m, err := sessions.New(memory.New(), sessions.Options{Memory: 32 << 20})
	if err != nil {
		b.Fatal(err)
	}
	ctx := context.Background()
	tokens := make([]string, 20_000)
	use := rollcall.Use{IP: "192.0.2.1", UserAgent: "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"}
	for i := range tokens {
		in := signIn(fmt.Sprintf("auth0|%024d", i))
		in.IP, in.UserAgent = use.IP, use.UserAgent
		_, token, err := m.Create(ctx, rollcall.Caller{}, in)
		if err != nil {
			b.Fatal(err)
		}
		tokens[i] = token.Reveal()
		if _, err := m.Check(ctx, tokens[i], use); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := m.Check(ctx, tokens[i*7919%len(tokens)], use); err != nil {
			b.Fatal(err)
		}
		if i%20_000 == 0 {
			if err := m.Flush(ctx); err != nil {
				b.Fatal(err)
			}
		}
	}
}
