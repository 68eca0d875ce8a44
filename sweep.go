package rollcall

import "time"

// A Sweep is one bite of removing.
//
// Sessions are filed under their OverAt as of their latest put; a touch may have
// moved it since, nearly always to later: the filing is when to look, not when to
// remove. The bite looks at up to Limit
// sessions filed before SessionsBefore, oldest first, and asks Decide about each
// with its row and its user's as they then are; no other write to the user comes
// between the answer and what is done about it. Decide must not call the
// store.
//
// When a user's last session is removed, so is the user's row: the next one
// starts anew at version 0.
//
// Events with an At before EventsBefore are removed, up to Limit of them,
// from the oldest on and no further than the first that is younger. The events of
// the bite itself stay.
type Sweep struct {
	SessionsBefore time.Time
	EventsBefore   time.Time
	Limit          int
	Decide         func(Session, User) Verdict
}

// A Verdict is what a sweep does with a session: when FileAt is zero it is
// removed, with Event, if any, written in the same commit. Otherwise it is filed
// again under FileAt, which lies at or after the bite's SessionsBefore.
type Verdict struct {
	FileAt time.Time
	Event  *Event
}

// Swept says what a bite did. More is true when another bite may find more.
type Swept struct {
	Removed int
	Refiled int
	Events  int
	More    bool
}
