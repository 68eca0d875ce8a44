package rollcall

import (
	"math"
	"slices"
	"time"
)

// Bounds of a change.
const (
	// MaxChange bounds the sessions that one change puts and ends together.
	MaxChange = 64
	// MaxChangeDocuments bounds the documents of one change.
	MaxChangeDocuments = 8
	// MaxDocument bounds the body of a document, in bytes.
	MaxDocument = 256 << 10
)

// AnyVersion, as the version that a put of a user's row replaces, stands for every
// version, absent among them.
const AnyVersion = math.MaxUint64

// A Change belongs to one user, or to none. A change of a user may put the user's row,
// put and end sessions, and leave events. A change of nobody may put everybody's row,
// put documents, and leave events. See [Change.Check] for what is refused.
type Change struct {
	UserID    string
	User      *PutUser
	Sessions  []PutSession
	Ends      []End
	Everybody *PutEverybody
	Documents []PutDocument
	Events    []Event
}

// A PutUser puts the user's row.
//
//   - Replaces 0: the row must be absent. Version, Generation and TokenGeneration of the
//     new row are all User.Version, which must not be 0: drawn from the clock, so that
//     the versions of a row that is gone do not come again.
//   - Replaces a version: the row must have that version. The row becomes User, with the
//     next version.
//   - AnyVersion: an absent row is made as for 0. Of a row that exists nothing changes
//     but the version.
//   - AnyVersion with NextGeneration: the row must exist, and its Generation must be one
//     less than User.Generation. Generation, GenerationAt, GenerationReason and
//     GenerationBy become User's, and the version is the next one. Sign-ins, which move
//     the version alone, cannot make such a put fail.
//
// User.Events is ignored: the engine counts.
type PutUser struct {
	User           User
	Replaces       uint64
	NextGeneration bool
}

// A PutSession puts a session.
type PutSession struct {
	// Session is the row. The row's own Version is ignored.
	Session Session
	// Replaces is the version that the put replaces, 0 for a session that must be
	// absent.
	Replaces uint64
	// FileAt is when a sweep looks at the row. Zero stands for the session's OverAt.
	FileAt time.Time
	// Fresh says of a session that must be absent that the id was drawn for this put,
	// from so many random bits that nobody has drawn the id before. An engine may take
	// such a session as absent without a look. A put that is repeated is not fresh.
	Fresh bool
	// Stamped says that a new session takes its Generation as the commit finds it, in
	// the user's and in everybody's row. The change must put the user's row.
	Stamped bool
}

// An End ends a session that the caller knows without having read the row. The caller
// says: as of the version of the user's row that the change replaces, the session
// exists, is UserID's, was created at CreatedAt, and EndedAt is zero. So the change must
// put the user's row, and not with AnyVersion; At's beliefs must be given.
//
// EndedAt, EndReason and EndedBy become those of Ending, UpdatedAt the EndedAt. Nothing
// else of the row changes, but for Last.
//
// If what the caller says is not true:
//
//   - An engine that reads the row fails with ErrConflict.
//   - An engine may do without the read. The ending then has no effect on the session, and
//     the rest of the change is made: a row that has ended stays as it ended, and a row
//     that is not there, or elsewhere, is not made.
type End struct {
	At
	Ending
	// Last must be as late as that of every Touch that has returned.
	Last Interaction
	// Initial is the row's, by the caller's word. An engine need not look: where Last has the
	// same origin, the engine may take Last's origin from the row instead.
	Initial Origin
	// FileAt is when a sweep looks at the ended row.
	FileAt time.Time
}

// A PutEverybody puts everybody's row if the row has the version Replaces, 0 for a row
// that was never put. The row's own Version is ignored.
type PutEverybody struct {
	Everybody Everybody
	Replaces  uint64
}

// A Document is a small named fact that belongs to no user.
type Document struct {
	Name    string
	Version uint64
	Body    []byte
}

// PutDocument puts a document if the document has the version Replaces, 0 for one that
// was never put.
type PutDocument struct {
	Name     string
	Body     []byte
	Replaces uint64
}

// A Touch is one use of a session.
type Touch struct {
	UserID      string
	SessionID   string
	Interaction Interaction
}

// IsEmpty reports whether the change would change nothing.
func (c *Change) IsEmpty() bool {
	return c.User == nil && len(c.Sessions) == 0 && len(c.Ends) == 0 && c.Everybody == nil && len(c.Documents) == 0 && len(c.Events) == 0
}

// Check reports what no engine may be given, if anything: a change of a wrong shape,
// beyond the bounds, or with text that not every engine can hold. Every engine's Commit
// begins with Check, and fails with its error.
func (c *Change) Check() error {
	if problem := c.problem(); problem != "" {
		return Errorf(CodeInternal, "Not a change: %s", problem)
	}
	return nil
}

func (c *Change) problem() string {
	switch {
	case c.UserID == "" && (c.User != nil || len(c.Sessions) > 0 || len(c.Ends) > 0):
		return "rows of a user in a change of nobody"
	case c.UserID != "" && (c.Everybody != nil || len(c.Documents) > 0):
		return "a document in a change of a user"
	case len(c.Sessions)+len(c.Ends) > MaxChange:
		return "too many sessions"
	case len(c.Documents) > MaxChangeDocuments:
		return "too many documents"
	case !isText(c.UserID):
		return "an id that is no text"
	}
	if p := c.userProblem(); p != "" {
		return p
	}
	for i := range c.Sessions {
		if p := c.sessionProblem(i); p != "" {
			return p
		}
	}
	for i := range c.Ends {
		if p := c.endProblem(i); p != "" {
			return p
		}
	}
	return c.restProblem()
}

func (c *Change) userProblem() string {
	u := c.User
	switch {
	case u == nil:
		return ""
	case u.User.ID != c.UserID:
		return "the row of another user"
	case (u.Replaces == 0 || u.Replaces == AnyVersion && !u.NextGeneration) && u.User.Version == 0:
		return "a new row of a user without a version to begin with"
	case u.NextGeneration && u.Replaces != AnyVersion:
		return "a next generation that is guarded by a version as well"
	case !isText(u.User.GenerationBy) || !isText(string(u.User.GenerationReason)):
		return "a user's row with what is no text"
	}
	return ""
}

func (c *Change) sessionProblem(i int) string {
	p := &c.Sessions[i]
	switch {
	case p.Session.UserID != c.UserID:
		return "a session of another user"
	case p.Replaces != 0 && (p.Fresh || p.Stamped):
		return "a fresh or stamped session that replaces another"
	case p.Stamped && c.User == nil:
		return "a stamped session without the user's row"
	case c.putsTwice(i, p.Session.ID):
		return "a session that is put twice"
	}
	return p.Session.textProblem()
}

func (c *Change) endProblem(i int) string {
	e := &c.Ends[i]
	switch {
	case c.User == nil || c.User.Replaces == AnyVersion || c.User.Replaces == 0:
		return "an end that no version of the user's row guards"
	case e.UserID != c.UserID:
		return "an end of another user's session"
	case e.CreatedAt.IsZero() || e.EndedAt.IsZero() || e.FileAt.IsZero():
		return "an end without its instants"
	case c.putsTwice(len(c.Sessions)+i, e.ID):
		return "a session that is ended twice"
	case !isText(e.ID) || !isText(e.EndedBy) || !isText(string(e.EndReason)) || e.Last.Origin.textProblem() != "":
		return "an end with what is no text"
	}
	return ""
}

// putsTwice reports whether one of the first n sessions and ends has the id.
func (c *Change) putsTwice(n int, id string) bool {
	sessions := c.Sessions[:min(n, len(c.Sessions))]
	return slices.ContainsFunc(sessions, func(p PutSession) bool { return p.Session.ID == id }) ||
		slices.ContainsFunc(c.Ends[:n-len(sessions)], func(e End) bool { return e.ID == id })
}

func (c *Change) restProblem() string {
	for i, d := range c.Documents {
		switch {
		case slices.ContainsFunc(c.Documents[:i], func(e PutDocument) bool { return e.Name == d.Name }):
			return "a document that is put twice"
		case d.Name == "" || !isText(d.Name):
			return "a document without a name"
		case len(d.Body) > MaxDocument:
			return "a document that is too large"
		}
	}
	if c.Everybody != nil {
		if !isText(c.Everybody.Everybody.GenerationBy) {
			return "everybody's row with what is no text"
		}
		for client := range c.Everybody.Everybody.Clients {
			if !isText(client) {
				return "a client that is no text"
			}
		}
	}
	for i := range c.Events {
		if c.Events[i].UserID != c.UserID {
			return "an event of another user"
		}
		if p := c.Events[i].textProblem(); p != "" {
			return p
		}
	}
	return ""
}
