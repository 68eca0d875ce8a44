package pebble

import (
	"hash/maphash"
	"sync/atomic"
	"time"

	"github.com/rollcall-id/rollcall"
)

// recentRows are the sessions that were read last, with what a put needs to know of the
// row that it replaces: whoever changes a session has just read it. A remembered row is
// the stored one as long as nobody but the put itself has had the user's stripe since the
// row was read, so that no write has to make the table forget.
type recentRows struct {
	seed maphash.Seed
	rows [1024]atomic.Pointer[recentRow]
}

type recentRow struct {
	quiet   pause // of the user's stripe, during which the row was read
	id      string
	at      pointer
	version uint64
	endedAt time.Time
	last    rollcall.Interaction
	filed   time.Time
	mark    uint64
}

func (x *recentRows) place(id string) *atomic.Pointer[recentRow] {
	return &x.rows[maphash.String(x.seed, id)%uint64(len(x.rows))]
}

func (x *recentRows) put(quiet pause, at pointer, r *row) {
	s := &r.session
	x.place(s.ID).Store(&recentRow{
		quiet: quiet, id: s.ID, at: at,
		version: s.Version, endedAt: s.EndedAt, last: s.Last, filed: r.filed, mark: r.mark,
	})
}

// take returns as much of a session's row as a put needs, for a caller who holds the
// user's stripe. The put makes the remembered row stale, so take forgets the row.
func (x *recentRows) take(userID, id string) (row, pointer, bool) {
	place := x.place(id)
	k := place.Load()
	if k == nil || k.id != id {
		return row{}, pointer{}, false
	}
	place.CompareAndSwap(k, nil)
	if k.at.userID != userID || !k.quiet.endedByHolder() {
		return row{}, pointer{}, false
	}
	return row{
		session: rollcall.Session{ID: id, UserID: userID, Version: k.version, EndedAt: k.endedAt, Last: k.last},
		filed:   k.filed, mark: k.mark,
	}, k.at, true
}
