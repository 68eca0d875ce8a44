package recall

import "testing"

func TestTouchesOutdateWhatWasSeenBeforeThemAndNothingElse(t *testing.T) {
	var u userEpochs
	first := u.seen()
	if u.seen() != first {
		t.Error("the epoch moves by being seen")
	}
	u.touched()
	if u.touches.Load() == first {
		t.Error("the epoch stays at a touch")
	}
	u.touched() // nobody has seen the first
	second := u.seen()
	if second == first || u.touches.Load() != second {
		t.Errorf("%d is seen after touches, %d before them, and then there is %d", second, first, u.touches.Load())
	}
	u.touched()
	if u.touches.Load() == second {
		t.Error("the epoch stays at a touch after it was seen")
	}
}

func TestAReadOfAnUnknownUserIsOutdatedByTheUsersActsAlone(t *testing.T) {
	const user, other = 7, 8
	act := func(e *epochs, user uint64) { e.begin(user); e.end(user) }
	for name, c := range map[string]struct {
		happens func(e *epochs)
		holds   bool
	}{
		"nothing":                    {func(*epochs) {}, true},
		"an act of another user":     {func(e *epochs) { act(e, other) }, true},
		"an act":                     {func(e *epochs) { act(e, user) }, false},
		"an act under way":           {func(e *epochs) { e.begin(user) }, false},
		"an act among others":        {func(e *epochs) { act(e, other); act(e, user); act(e, other) }, false},
		"as many acts as are kept":   {func(e *epochs) { actOften(e, other, recentEnds) }, true},
		"more acts than are kept":    {func(e *epochs) { actOften(e, other, recentEnds+1) }, false},
		"an act before so many more": {func(e *epochs) { act(e, user); actOften(e, other, recentEnds) }, false},
	} {
		e := newEpochs()
		act(e, user) // long before
		actOften(e, other, 100)
		since := e.ends.Load()
		c.happens(e)
		if epoch, ok := e.unmoved(user, since); ok != c.holds || ok && epoch != e.of(user).acts.Load() {
			t.Errorf("%s: holds %v", name, ok)
		}
	}
}

func actOften(e *epochs, user uint64, times int) {
	for range times {
		e.begin(user)
		e.end(user)
	}
}

func TestAnActThatBeganBeforeAReadOutdatesIt(t *testing.T) {
	e := newEpochs()
	e.begin(7)
	since := e.ends.Load()
	e.end(7)
	if _, ok := e.unmoved(7, since); ok {
		t.Error("what was read while an act was under way holds")
	}
}
