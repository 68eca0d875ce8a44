package memory

import (
	"slices"
	"time"

	"github.com/rollcall-id/rollcall"
)

// clone shares nothing with what it is given. Its instants are as a store gives
// them back.
func clone(s rollcall.Session) rollcall.Session {
	s.Methods = slices.Clone(s.Methods)
	s.Clients = slices.Clone(s.Clients)
	s.Metadata = slices.Clone(s.Metadata)
	s.UsedKeys = slices.Clone(s.UsedKeys)
	for _, t := range []*time.Time{
		&s.CreatedAt, &s.UpdatedAt, &s.AuthenticatedAt, &s.ExpiresAt, &s.RenewedAt, &s.EndedAt, &s.Last.At, &s.Last.IdleExpiresAt,
	} {
		*t = instant(*t)
	}
	for i := range s.Methods {
		s.Methods[i].At = instant(s.Methods[i].At)
	}
	return s
}

// instant is what the contract promises of every instant: whole milliseconds, in
// UTC. A monotonic reading would make equal instants differ, so it goes too.
func instant(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }
