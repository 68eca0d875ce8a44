package rollcall

import (
	"slices"
	"time"
)

// A CheckVerdict says what a check of a session token comes to.
type CheckVerdict uint8

const (
	// CheckRefused: the token is not good, whatever the cause.
	CheckRefused CheckVerdict = iota
	// CheckInsufficient: the token is good, and the authentication does not meet the
	// requirement. No use is recorded.
	CheckInsufficient
	// CheckJoins: the token is good, and the client that asks must join the session's
	// clients first.
	CheckJoins
	// CheckWriteFirst: the token is good, and the use must be durable before the answer:
	// so little idle time is left that another node might take the session for idle. With
	// NoTouch, what must be durable is the latest use, which is not written yet.
	CheckWriteFirst
	// CheckRecord: the token is good, and the use may be written after the answer.
	CheckRecord
	// CheckNoUse: the token is good, and no use is to be recorded.
	CheckNoUse
)

// WriteFirstIntervals is how many intervals of writing uses must be left of the durable
// idle time for a use to be written after the answer.
const WriteFirstIntervals = 3

// Check is the one rule by which a session token is good for a use at now. sum is the
// hash of the token's secret. durable is the session's idle end as the store has it:
// Last may hold uses that are not written yet, and no yes may rest on those. interval is
// how long a use may stay unwritten.
//
// Cases, the first that holds:
//
//  1. the session is over, or the secret is another: CheckRefused
//  2. the requirement is not met: CheckInsufficient
//  3. a client is named that has not joined, and may; not with NoTouch: CheckJoins
//  4. less than WriteFirstIntervals intervals are left until durable; with NoTouch only if
//     Last has a use that is not written yet, and so a later idle end: CheckWriteFirst
//  5. NoTouch: CheckNoUse
//  6. CheckRecord
func (s *Session) Check(st *Standing, p *Policy, sum SecretHash, u *Use, durable time.Time, interval time.Duration, now time.Time) CheckVerdict {
	switch {
	case s.Over(now, st) || !s.SecretHash.MatchesHash(sum):
		return CheckRefused
	case !s.Meets(p, &u.Require, now):
		return CheckInsufficient
	case !u.NoTouch && s.joins(u.ClientID):
		return CheckJoins
	case durable.Sub(now) < WriteFirstIntervals*interval && (!u.NoTouch || durable.Before(s.Last.IdleExpiresAt)):
		return CheckWriteFirst
	case u.NoTouch:
		return CheckNoUse
	}
	return CheckRecord
}

// joins reports whether the client would be added to the session's clients. A session
// with MaxClients takes no more.
func (s *Session) joins(clientID string) bool {
	return clientID != "" && len(s.Clients) < MaxClients && !slices.Contains(s.Clients, clientID)
}
