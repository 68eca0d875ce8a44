package recall

import "testing"

func TestTouchesOutdateWhatWasSeenBeforeThemAndNothingElse(t *testing.T) {
	var w userWords
	first := w.seen()
	if w.seen() != first {
		t.Error("the word moves by being seen")
	}
	w.touched()
	if w.touches.Load() == first {
		t.Error("the word stays at a touch")
	}
	w.touched() // nobody has seen the first
	second := w.seen()
	if second == first || w.touches.Load() != second {
		t.Errorf("%d is seen after touches, %d before them, and then there is %d", second, first, w.touches.Load())
	}
	w.touched()
	if w.touches.Load() == second {
		t.Error("the word stays at a touch after it was seen")
	}
}
