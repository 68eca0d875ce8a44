package memory

import (
	"slices"
	"time"

	"github.com/rollcall-id/rollcall"
)

// clone shares nothing with the session that is given. The instants are as a store gives
// them back.
func clone(s rollcall.Session) rollcall.Session {
	s.Methods = slices.Clone(s.Methods)
	s.Clients = slices.Clone(s.Clients)
	s.Metadata = slices.Clone(s.Metadata)
	s.UsedKeys = slices.Clone(s.UsedKeys)
	for _, t := range []*time.Time{&s.CreatedAt, &s.UpdatedAt, &s.AuthenticatedAt, &s.ExpiresAt, &s.RenewedAt, &s.EndedAt} {
		*t = instant(*t)
	}
	s.Last = interaction(s.Last)
	for i := range s.Methods {
		s.Methods[i].At = instant(s.Methods[i].At)
	}
	return s
}

func interaction(i rollcall.Interaction) rollcall.Interaction {
	i.At, i.IdleExpiresAt = instant(i.At), instant(i.IdleExpiresAt)
	return i
}

// instant is what the contract promises of every instant: whole milliseconds, in UTC. A
// monotonic reading would make equal instants differ, so that goes too.
func instant(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }
