package pages

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

var (
	t0    = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	aKey  = Key{Owner: "owner", OwnerHash: 8, Page: 50}
	state = Stamp{1, 2, 3}
)

// ask looks for a page at an instant, and releases it.
func ask(c *Cache, k Key, s Stamp, now time.Time) (text string, ok bool) {
	l := c.Get(k, s, now)
	defer l.Release()
	found, ok := l.Text(new([]byte))
	return string(found), ok
}

// keep asks for a page twice, so that it is wanted, and keeps it for an hour from t0 on.
func keep(t *testing.T, c *Cache, k Key, p Page) {
	t.Helper()
	p.Since, p.Until = t0, t0.Add(time.Hour)
	if _, ok := ask(c, k, state, t0); ok {
		t.Fatal("a page is there before it is kept")
	}
	l := c.Get(k, state, t0)
	if _, ok := l.Text(new([]byte)); ok || !l.Wanted() {
		t.Fatalf("the second time: found %v, wanted %v", ok, l.Wanted())
	}
	l.Keep(&p)
	l.Release()
}

func longHead(letter string) string { return strings.Repeat(letter, 2*minCompressed) }

func TestAPageIsKeptOnlyForWhatItWasMadeOf(t *testing.T) {
	otherOwner, otherHash, otherPage, otherTail := aKey, aKey, aKey, aKey
	otherOwner.Owner, otherHash.OwnerHash, otherPage.Page, otherTail.Tail = "another", 9, 51, 1
	for name, head := range map[string]string{"whole": "head", "compressed": longHead("a")} {
		t.Run(name, func(t *testing.T) {
			c := New(1 << 20)
			want := head + "tail"
			keep(t, c, aKey, Page{Text: []byte(want), Head: len(head)})
			for _, now := range []time.Duration{0, time.Hour - time.Millisecond} {
				if text, ok := ask(c, aKey, state, t0.Add(now)); text != want {
					t.Errorf("after %s: %v, %d bytes", now, ok, len(text))
				}
			}
			for name, other := range map[string]struct {
				key   Key
				stamp Stamp
				now   time.Time
			}{
				"owner":    {otherOwner, state, t0},
				"hash":     {otherHash, state, t0},
				"page":     {otherPage, state, t0},
				"tail":     {otherTail, state, t0},
				"stamp 0":  {aKey, Stamp{0, 2, 3}, t0},
				"stamp 1":  {aKey, Stamp{1, 0, 3}, t0},
				"stamp 2":  {aKey, Stamp{1, 2, 0}, t0},
				"too late": {aKey, state, t0.Add(time.Hour)},
				"too soon": {aKey, state, t0.Add(-time.Millisecond)},
			} {
				if _, ok := ask(c, other.key, other.stamp, other.now); ok {
					t.Errorf("%s: the page is taken for another", name)
				}
			}
		})
	}
}

func TestPagesWithTheSameNumberAreToldApart(t *testing.T) {
	one, other := aKey, Key{Owner: aKey.Owner, OwnerHash: 8 ^ 50<<1 ^ 10<<1, Page: 10}
	if one.number() != other.number() {
		t.Fatal("the numbers differ")
	}
	for name, head := range map[string]string{"whole": "head", "compressed": longHead("a")} {
		c := New(1 << 20)
		keep(t, c, one, Page{Text: []byte(head + "tail"), Head: len(head)})
		if _, ok := ask(c, other, state, t0); ok {
			t.Errorf("%s: a page is taken for another one of the same number", name)
		}
		if _, ok := ask(c, one, state, t0); !ok {
			t.Errorf("%s: the page is not kept", name)
		}
	}
}

func TestACompressedHeadServesBothTails(t *testing.T) {
	for own := range 2 {
		c := New(1 << 20)
		key, other := aKey, aKey
		key.Tail, other.Tail = own, 1-own
		keep(t, c, key, Page{Text: []byte(longHead("a") + "own"), Head: 2 * minCompressed, OtherTail: []byte("other")})
		for range 3 { // compressed, then whole
			if text, _ := ask(c, key, state, t0); text != longHead("a")+"own" {
				t.Errorf("its own tail: %d bytes", len(text))
			}
			if text, _ := ask(c, other, state, t0); text != longHead("a")+"other" {
				t.Errorf("the other tail: %d bytes", len(text))
			}
		}
		if got := c.Counts(); got != (Counts{Hits: 6, Misses: 2, Compressed: 1, Decompressed: 2}) {
			t.Errorf("%+v", got)
		}
	}
}

func TestAPageIsKeptOnlyWhenItIsAskedForAgainUnderItsStamp(t *testing.T) {
	c := New(1 << 20)
	for i := range uint64(10) {
		l := c.Get(aKey, Stamp{i}, t0)
		if l.Wanted() {
			t.Error("a page is wanted that was asked for under another stamp")
		}
		l.Keep(&Page{Text: []byte("text"), Head: 1, Since: t0, Until: t0.Add(time.Hour)})
		if _, ok := ask(c, Key{Owner: "owner", OwnerHash: 8, Page: 50}, Stamp{i, 1}, t0); ok {
			t.Error("it was kept")
		}
	}
	if got := len(c.whole.index); got != 0 {
		t.Errorf("%d pages are kept", got)
	}
}

func TestAPageThatCannotBeDecompressedIsNotFound(t *testing.T) {
	c := New(1 << 20)
	text := longHead("a") + "tail"
	for range 2 { // the second one replaces the first
		l := c.Get(aKey, state, t0)
		l.Text(new([]byte))
		l.Keep(&Page{Text: []byte(text), Head: 2 * minCompressed, Since: t0, Until: t0.Add(time.Hour)})
		l.Release()
	}
	broken, ok := c.compressed.find(aKey.headNumber())
	if !ok {
		t.Fatal("no page was compressed")
	}
	clear(broken.body())
	l := c.Get(aKey, state, t0)
	if _, ok := l.Text(new([]byte)); ok {
		t.Error("it was found")
	}
	l.Keep(&Page{Text: []byte(text), Head: 2 * minCompressed, Since: t0, Until: t0.Add(time.Hour)})
	l.Release()
	if got, ok := ask(c, aKey, state, t0); ok && got != text {
		t.Errorf("another text of %d bytes", len(got))
	}
	if got, _ := ask(c, aKey, state, t0); got != text {
		t.Errorf("it is not kept when it was made anew: %d bytes", len(got))
	}
}

func TestAKeptPageIsACopy(t *testing.T) {
	c := New(1 << 20)
	text, want := []byte("headtail"), []byte("headtail")
	keep(t, c, aKey, Page{Text: text, Head: 4})
	clear(text)
	if got, _ := ask(c, aKey, state, t0); !bytes.Equal([]byte(got), want) {
		t.Errorf("%q", got)
	}
}
