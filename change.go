package rollcall

// A Change belongs to one user, or to none: then it puts documents and carries
// their events. Never both.
type Change struct {
	UserID    string
	User      *PutUser
	Sessions  []PutSession
	Documents []PutDocument
	Events    []Event
}

// PutUser puts the user's row if it has the version Replaces. The row's own
// Version is ignored.
type PutUser struct {
	User     User
	Replaces uint64
}

// PutSession puts a session if it has the version Replaces. The session's own
// Version is ignored.
type PutSession struct {
	Session  Session
	Replaces uint64
	// Fresh says of a session that must be absent that its id was drawn for this put,
	// from so many random bits that nobody has drawn it before: an engine may take it
	// as absent without a look. It says so once; a put that is repeated is not fresh.
	Fresh bool
	// Ending says that the put ends a session which the caller knows without having read
	// it: as of the version of the user's row that the change replaces, and so must put,
	// the session is the user's, was created at CreatedAt and is live. Of Session only
	// what ends it counts, which is EndedAt, EndReason and UpdatedAt, and Last, which must
	// be as late as that of every Touch that has returned; all else stays as it is stored,
	// and the version is the next one, whatever it was. Replaces is ignored.
	//
	// An engine may take the caller's word without a look. One that looks fails with
	// ErrConflict where it is not true.
	Ending bool
}

// IsNew reports whether the session must be absent.
func (p *PutSession) IsNew() bool { return p.Replaces == 0 && !p.Ending }

// A Document is a small named fact that belongs to no user.
type Document struct {
	Name    string
	Version uint64
	Body    []byte
}

// PutDocument puts a document if it has the version Replaces.
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

func (c Change) IsEmpty() bool {
	return c.User == nil && len(c.Sessions) == 0 && len(c.Documents) == 0 && len(c.Events) == 0
}
