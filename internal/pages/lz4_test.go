package pages

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

func TestCompressedTextsComeBack(t *testing.T) {
	random := make([]byte, 100_000)
	r := rand.NewChaCha8([32]byte{1})
	_, _ = r.Read(random)
	for name, text := range map[string][]byte{
		"empty": {}, "short": []byte("[]"), "repeated": bytes.Repeat([]byte(`{"id":"sess_1"},`), 5000), "random": random,
	} {
		compressed, err := compress([]byte("before"), text)
		if err != nil || !bytes.HasPrefix(compressed, []byte("before")) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		back, err := decompress([]byte("before"), compressed[len("before"):])
		if err != nil || string(back) != "before"+string(text) {
			t.Errorf("%s: %d bytes came back, %v", name, len(back), err)
		}
	}
	if _, err := compress(nil, make([]byte, 9<<20)); err == nil {
		t.Error("9 MiB were compressed, which the decompression refuses")
	}
}

func TestWhatIsNoCompressedTextIsRefused(t *testing.T) {
	whole, err := compress(nil, bytes.Repeat([]byte(`{"id":"sess_1"},`), 500))
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
		if _, err := decompress([]byte("before"), compressed); err == nil {
			t.Errorf("%s: is no error", name)
		}
	}
	if _, err := decompress(nil, make([]byte, 50)); err == nil {
		t.Error("zeros: is no error")
	}
}
