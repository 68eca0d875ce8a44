package main

import (
	"bytes"
	"context"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/internal/wire"
	"github.com/rollcall-id/rollcall/sessions"
	"github.com/rollcall-id/rollcall/store/memory"
)

func TestCompressedTextsComeBack(t *testing.T) {
	random := make([]byte, 100_000)
	r := rand.NewChaCha8([32]byte{1})
	_, _ = r.Read(random)
	for name, text := range map[string][]byte{
		"empty": {}, "short": []byte("[]"), "repeated": bytes.Repeat([]byte(`{"id":"sess_1"},`), 5000), "random": random,
	} {
		compressed, err := pageCompressor{}.Compress([]byte("before"), text)
		if err != nil || !bytes.HasPrefix(compressed, []byte("before")) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		back, err := pageCompressor{}.Decompress([]byte("before"), compressed[len("before"):])
		if err != nil || string(back) != "before"+string(text) {
			t.Errorf("%s: %d bytes came back, %v", name, len(back), err)
		}
	}
	if _, err := (pageCompressor{}).Compress(nil, make([]byte, 9<<20)); err == nil {
		t.Error("9 MiB were compressed, which the decompression refuses")
	}
}

func TestWhatIsNoCompressedTextIsRefused(t *testing.T) {
	whole, err := pageCompressor{}.Compress(nil, bytes.Repeat([]byte(`{"id":"sess_1"},`), 500))
	if err != nil {
		t.Fatal(err)
	}
	longer, shorter, huge := bytes.Clone(whole), bytes.Clone(whole), bytes.Clone(whole)
	longer[0]++
	shorter[0]--
	huge[3] = 0xff
	for name, compressed := range map[string][]byte{
		"nothing": nil, "no length": whole[:3], "cut": whole[:len(whole)-1], "longer": longer, "shorter": shorter, "huge": huge,
	} {
		if _, err := (pageCompressor{}).Decompress([]byte("before"), compressed); err == nil {
			t.Errorf("%s: is no error", name)
		}
	}
}

type published struct{}

func (published) AppendSession(b []byte, _ int, s *rollcall.Session) []byte {
	return append(wire.AppendSession(b, s), '\n')
}

func (published) AppendPage(b []byte, n int, _ rollcall.ListQuery, page rollcall.Page) []byte {
	return append(strconv.AppendInt(strconv.AppendInt(append(b, page.Next...), int64(n), 10), int64(page.Total), 10), '\n')
}

// TestPagesAreTheSameFromMemory asks for pages often enough that they are compressed, and
// kept as they are.
func TestPagesAreTheSameFromMemory(t *testing.T) {
	manager, err := sessions.New(memory.New(), sessions.Options{CacheSize: 8 << 20, Compressor: pageCompressor{}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 120 {
		_, _, err := manager.Create(context.Background(), rollcall.Caller{}, rollcall.NewSession{
			UserID: "auth0|1", ClientID: "shop", Methods: []rollcall.Method{{Name: "pwd"}},
			IP: "192.0.2." + strconv.Itoa(i), UserAgent: strings.Repeat("browser ", i),
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, q := range []rollcall.ListQuery{{Take: 100}, {Take: 50, Total: true}, {Take: 50}} {
		q.UserID = "auth0|1"
		var first string
		for i := range 5 {
			err := manager.EncodedList(context.Background(), q, published{}, func(body []byte) {
				if i == 0 {
					first = string(body)
				} else if string(body) != first {
					t.Errorf("take %d, the %dth time: another page", q.Take, i+1)
				}
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		if got := strings.Count(first, "\n"); got != q.Take+1 {
			t.Errorf("take %d: %d lines", q.Take, got)
		}
	}
}
