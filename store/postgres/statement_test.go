package postgres

import "testing"

// Statements returns the text of every statement of a user's change.
func Statements() (texts []string) {
	for user := range userArgs {
		for bits := range 1 << 5 {
			k := shape{user, bits&1 != 0, bits&2 != 0, bits&4 != 0, bits&8 != 0, bits&16 != 0}
			if k.stored == (k.puts || k.ends) && (k.puts || !k.claims) || k.puts && !k.stored && !k.ends {
				texts = append(texts, k.text())
			}
		}
	}
	return texts
}

func TestPositionsRiseAsTextsDo(t *testing.T) {
	rising := []position{{5, 0, 0}, {5, 0, 1}, {5, 9, 10}, {5, 10, 2}, {5, 1 << 40, 0}, {6, 1, 1}, {1<<64 - 1, 1, 1}}
	for i, p := range rising {
		if got, err := parsePosition(p.String()); err != nil || got != p {
			t.Errorf("%v: %v, %v", p, got, err)
		}
		if i > 0 && rising[i-1].String() >= p.String() {
			t.Errorf("%v is not above %v", p, rising[i-1])
		}
	}
}
