package pages

import "testing"

func TestPagesWithTheSameNumberAreToldApart(t *testing.T) {
	one, other := keyOf(8), pageKey{user: 8 ^ 50<<1 ^ 10<<1, take: 10}
	if one.number() != other.number() {
		t.Fatal("the numbers differ")
	}
	p := New(1<<20, nil)
	remembered := Page{pageFacts: pageFacts{key: one, since: 1, until: 2, total: -1}, userID: "user"}
	p.keep(p.whole, &remembered, []byte("body"))
	asked := remembered
	if _, ok := p.Get(&asked); !ok {
		t.Error("the page is not remembered")
	}
	asked.key = other
	if _, ok := p.Get(&asked); ok {
		t.Error("a page is taken for another one of the same number")
	}
	asked = remembered
	asked.userID = "another"
	if _, ok := p.Get(&asked); ok {
		t.Error("a page is taken for that of another user")
	}
}
