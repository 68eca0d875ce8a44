package rollcall

import "testing"

func BenchmarkParseToken(b *testing.B) {
	tokens := make([]string, 1024) // more than the processor learns by heart
	for i := range tokens {
		tokens[i] = Token{ID: NewSessionID(), Secret: NewSecret()}.Reveal()
	}
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := ParseToken(tokens[i%len(tokens)]); !ok {
			b.Fatal("a good token is refused")
		}
		i++
	}
}
