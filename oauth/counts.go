package oauth

import "sync/atomic"

// Counts are what an Issuer has seen since it was made. They only grow, and may be
// read at any time.
type Counts struct {
	// Verified are the tokens whose signature was held against the key,
	// Remembered those that had been before, Refused those that are not good. A
	// request without a token is none of them.
	Verified, Remembered, Refused atomic.Uint64
	// FailedAttempts are requests with an unknown client, or a wrong secret or assertion,
	// that were answered 401; LimitedAttempts those that were answered 429.
	FailedAttempts, LimitedAttempts atomic.Uint64
}

// Counts returns the Issuer's counts, which go on counting.
func (i *Issuer) Counts() *Counts { return &i.counts }
