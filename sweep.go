package rollcall

import "time"

// A Sweep is one bite of looking at what is filed, and of removing events.
//
// Sessions: every row is filed under the FileAt of its latest put, end or verdict. A
// touch files nothing anew: the filing says when to look, not when to remove. The bite
// looks at up to Limit rows, asks Decide about each with the row and its user's standing
// as they then are, and does what the verdict says. No other write to the user comes
// between the answer and what is done about the answer. Decide must not call the store.
//
//   - UserID "": rows filed before SessionsBefore, the oldest filing first.
//   - UserID not "": that user's rows that are not ended and follow After, in the order of
//     Position, whatever the rows are filed under. SessionsBefore is ignored.
//
// Users: when a user's last session is removed, the user's row goes as well. As long as
// the log keeps an event of the user, the last session is not removed but filed again
// under an hour after SessionsBefore. An Event of the verdict then counts as kept, and is
// not written.
//
// Events: up to Limit events at or before the position EventsUpTo are removed, oldest
// first; "" removes none, and a position of another incarnation none either. The events
// of the bite itself stay.
type Sweep struct {
	SessionsBefore time.Time
	UserID         string
	After          Position
	EventsUpTo     string
	Limit          int
	Decide         func(Walked) Verdict
}

// A Verdict is what a sweep does with a session.
//
//   - FileAt zero: the row is removed.
//   - FileAt not zero: the row is filed under FileAt, which in a bite without UserID
//     lies at or after SessionsBefore. With Ending, the row is ended so first, if the row
//     is not ended yet: UpdatedAt becomes the EndedAt, and the versions of the row and of
//     the user's row are the next ones.
//
// Event, if any, is written in the same commit.
type Verdict struct {
	FileAt time.Time
	Ending *Ending
	Event  *Event
}

// Swept says what a bite did.
type Swept struct {
	Looked  int // sessions that Decide was asked about
	Removed int // sessions
	Ended   int // sessions that a verdict ended
	Events  int // events removed
	// More says that another bite may find more.
	More bool
	// Next is the position of the last session that a bite of one user looked at.
	Next Position
}
