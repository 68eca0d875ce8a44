package rollcall

import "time"

// Lifetimes are how long a session may live in all, and how long unused.
type Lifetimes struct {
	Absolute time.Duration
	Idle     time.Duration
}

// AtLimit says what a creation does when its user already has as many sessions
// as policy allows.
type AtLimit string

// The two answers to a limit reached.
const (
	Deny      AtLimit = "deny"       // the creation is refused, CodeLimit
	EndOldest AtLimit = "end_oldest" // the oldest end in the same commit
)

// A Policy holds the limits. It is a value: the sessions made under an earlier
// one keep their own lifetimes, shortened by a stricter policy at their next
// interaction.
type Policy struct {
	Persistent    Lifetimes
	NonPersistent Lifetimes
	// MaxSessionsPerUser is the number of live sessions one user may have; 0
	// sets no limit.
	MaxSessionsPerUser int
	AtLimit            AtLimit
	// Levels are what applications can ask for, from the weakest to the strongest;
	// see [CheckLevels]. Nil stands for [Presets]; with an empty list that is not nil
	// there are none, and who asks for one is refused.
	Levels []Level
}

// DefaultPolicy is the published default: 168 h and 72 h for persistent
// sessions, 72 h and 24 h for the others, no limit of their number; and the preset
// levels.
func DefaultPolicy() Policy {
	return Policy{
		Persistent:    Lifetimes{Absolute: 168 * time.Hour, Idle: 72 * time.Hour},
		NonPersistent: Lifetimes{Absolute: 72 * time.Hour, Idle: 24 * time.Hour},
		AtLimit:       EndOldest,
		Levels:        Presets(),
	}
}

// MaxLifetime is the longest that policy may set, the published ceiling of
// 8760 h (docs/published-api.md P47).
const MaxLifetime = 8760 * time.Hour

// Check reports what is wrong with the policy, if anything.
func (p *Policy) Check() error {
	for _, l := range []Lifetimes{p.Persistent, p.NonPersistent} {
		if l.Absolute < time.Minute || l.Absolute > MaxLifetime || l.Idle < time.Minute || l.Idle > MaxLifetime {
			return Errorf(CodeInvalid, "A lifetime must lie between 1m and %s", MaxLifetime)
		}
		if l.Idle > l.Absolute {
			return Errorf(CodeInvalid, "An idle lifetime must not exceed the absolute one")
		}
	}
	if p.MaxSessionsPerUser < 0 {
		return Errorf(CodeInvalid, "The limit of sessions per user must not be negative")
	}
	if p.AtLimit != Deny && p.AtLimit != EndOldest {
		return Errorf(CodeInvalid, "At the limit of sessions a creation must either %s or %s", Deny, EndOldest)
	}
	return CheckLevels(p.Levels)
}

// Filled returns the policy with [DefaultPolicy]'s values where it says nothing: both
// lifetimes if all four are zero, AtLimit if "", Levels if nil.
func (p Policy) Filled() Policy {
	d := DefaultPolicy()
	if p.Persistent == (Lifetimes{}) && p.NonPersistent == (Lifetimes{}) {
		p.Persistent, p.NonPersistent = d.Persistent, d.NonPersistent
	}
	if p.AtLimit == "" {
		p.AtLimit = d.AtLimit
	}
	if p.Levels == nil {
		p.Levels = d.Levels
	}
	return p
}

// For returns the lifetimes of a cookie mode.
func (p *Policy) For(mode CookieMode) Lifetimes {
	if mode == NonPersistent {
		return p.NonPersistent
	}
	return p.Persistent
}

// Shorten returns policy's lifetimes of the mode, shortened to what a creator
// asked for; zero asks for nothing. What is asked for can only shorten.
func (p *Policy) Shorten(mode CookieMode, asked Lifetimes) Lifetimes {
	l := p.For(mode)
	if asked.Absolute > 0 {
		l.Absolute = min(l.Absolute, asked.Absolute)
	}
	if asked.Idle > 0 {
		l.Idle = min(l.Idle, asked.Idle)
	}
	l.Idle = min(l.Idle, l.Absolute)
	return l
}
