package rollcall

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Level is how strongly and how lately a user was authenticated, under a name
// that applications ask for (`acr`).
type Level struct {
	Name string
	// AnyOf are the combinations of methods that reach it. A method is a name, or
	// a name and a type as in mfa:otp. An empty combination asks for nothing. In a
	// combination with email or sms, mfa without a type is met only by a method whose type
	// is known and goes another way: a second code to the same mailbox or telephone is no
	// second factor.
	AnyOf [][]string
	// MaxAge bounds the time since each method of the combination was used, and since the
	// latest authentication; MaxIdle bounds the time since the latest use. Zero sets no
	// bound.
	MaxAge  time.Duration
	MaxIdle time.Duration
}

// Presets are levels after the assurance levels of NIST SP 800-63B-4, from the
// weakest to the strongest: their times are its reauthentication limits.
func Presets() []Level {
	day := 24 * time.Hour
	return []Level{
		{Name: "aal1", AnyOf: [][]string{{}}, MaxAge: 30 * day},
		{
			Name:  "aal2",
			AnyOf: [][]string{{"pwd", "mfa"}, {"email", "mfa"}, {"sms", "mfa"}, {"federated", "mfa"}, {"passkey"}},
			// A second factor says little when the first one is a day old.
			MaxAge: day, MaxIdle: time.Hour,
		},
		{
			Name:   "aal3",
			AnyOf:  [][]string{{"pwd", "mfa:webauthn-roaming"}, {"federated", "mfa:webauthn-roaming"}, {"passkey", "mfa:webauthn-roaming"}},
			MaxAge: 12 * time.Hour, MaxIdle: 15 * time.Minute,
		},
	}
}

// The bounds on levels.
const (
	MaxLevels          = 32
	MaxLevelNameLength = 64
	// maxCombinations bounds the combinations of one level.
	maxCombinations = 32
)

// CheckLevels reports what is wrong with levels, if anything: CodeInvalid with the
// level's place, from 0 on. Names are words that can stand in a header, each once;
// every level can be reached; its times lie between 0 and [MaxLifetime].
func CheckLevels(levels []Level) error {
	if len(levels) > MaxLevels {
		return Errorf(CodeInvalid, "Too many levels (%d), maximum %d", len(levels), MaxLevels)
	}
	names := map[string]bool{}
	for i, l := range levels {
		problem := l.problem()
		if names[l.Name] {
			problem = "another level has the same name: " + l.Name
		}
		if problem != "" {
			return Errorf(CodeInvalid, "levels[%d]: %s", i, problem)
		}
		names[l.Name] = true
	}
	return nil
}

// problem is what is wrong with a level, "" when nothing is.
func (l Level) problem() string {
	switch {
	case l.Name == "":
		return "it has no name"
	case len(l.Name) > MaxLevelNameLength || !isWord(l.Name):
		return fmt.Sprintf("a name has at most %d printable ASCII characters, no space, quote or backslash: %s", MaxLevelNameLength, Echo(l.Name))
	case len(l.AnyOf) == 0:
		return "it can never be reached: any_of has no combination of methods"
	case len(l.AnyOf) > maxCombinations:
		return fmt.Sprintf("any_of has more than %d combinations", maxCombinations)
	case !isBound(l.MaxAge) || !isBound(l.MaxIdle):
		return fmt.Sprintf("max_age and max_idle lie between 0 and %s", MaxLifetime)
	}
	for _, methods := range l.AnyOf {
		if len(methods) > MaxMethods {
			return fmt.Sprintf("a combination has more than %d methods", MaxMethods)
		}
		for _, method := range methods {
			if !isLevelMethod(method) {
				return "there is no method " + Echo(method)
			}
		}
	}
	return ""
}

func isBound(d time.Duration) bool { return d >= 0 && d <= MaxLifetime }

// isLevelMethod reports whether a session can have been authenticated so: one of
// the published names, mfa also with a type behind a colon, or a URL.
func isLevelMethod(method string) bool {
	if kind, ok := strings.CutPrefix(method, "mfa:"); ok {
		return kind != "" && CheckMethods([]Method{{Name: "mfa", Type: kind}}) == nil && isWord(method)
	}
	return CheckMethods([]Method{{Name: method}}) == nil && isWord(method)
}

// isWord reports whether a text can stand among others in a quoted part of a header.
func isWord(s string) bool { return isPlain(s) && !strings.ContainsAny(s, ` "\\`) }

// A Requirement is what an application wants to know of the authentication before
// it goes on. The zero Requirement asks for nothing.
type Requirement struct {
	// Levels are names of which one must be reached, in the application's order.
	Levels []string
	// Methods must all have been used.
	Methods []string
	// MaxAge bounds the time since the latest authentication, and since each method that
	// Levels and Methods rest on. It counts when Aged is set, since an age of 0 asks for an
	// authentication right now.
	MaxAge time.Duration
	Aged   bool
}

// IsZero reports whether the requirement asks for nothing.
func (r Requirement) IsZero() bool { return len(r.Levels) == 0 && len(r.Methods) == 0 && !r.Aged }

// Meets reports whether a session that was last used as its Last says meets the
// requirement at now. A level that the policy does not have is not met.
//
// How and when are judged on the same evidence: with MaxAge, only methods that were used
// within it count, for Methods and for Levels alike.
func (s *Session) Meets(p *Policy, r *Requirement, now time.Time) bool {
	var since time.Time
	if r.Aged {
		if since = now.Add(-r.MaxAge); s.AuthenticatedAt.Before(since) {
			return false
		}
	}
	if !s.usedAll(r.Methods, since) {
		return false
	}
	return len(r.Levels) == 0 || slices.ContainsFunc(r.Levels, func(name string) bool {
		return slices.ContainsFunc(p.Levels, func(l Level) bool { return l.Name == name && s.reaches(&l, since, now) })
	})
}

// Level returns the name of the strongest level that the session reaches at now,
// "" when it reaches none.
func (s *Session) Level(p *Policy, now time.Time) string {
	for _, l := range slices.Backward(p.Levels) {
		if s.reaches(&l, time.Time{}, now) {
			return l.Name
		}
	}
	return ""
}

// reaches reports whether the session reaches a level at now, by what was done since an
// instant.
func (s *Session) reaches(l *Level, since, now time.Time) bool {
	if l.MaxIdle > 0 && now.Sub(s.Last.At) > l.MaxIdle {
		return false
	}
	if l.MaxAge > 0 {
		if oldest := now.Add(-l.MaxAge); since.Before(oldest) {
			since = oldest
		}
	}
	if s.AuthenticatedAt.Before(since) {
		return false
	}
	return slices.ContainsFunc(l.AnyOf, func(methods []string) bool { return s.usedAll(methods, since) })
}

// usedAll reports whether the user was authenticated by each method of a combination since
// an instant.
func (s *Session) usedAll(combination []string, since time.Time) bool {
	for _, method := range combination {
		if method == "mfa" && !s.usedSecondFactor(combination, since) || !s.used(method, since) {
			return false
		}
	}
	return true
}

// used reports whether the user was authenticated by a method, a name or a name and a
// type, since an instant.
func (s *Session) used(method string, since time.Time) bool {
	name, kind, typed := strings.Cut(method, ":")
	return slices.ContainsFunc(s.Methods, func(m Method) bool {
		return (m.Name == method || m.Name == name && (!typed || m.Type == kind)) && !m.At.Before(since)
	})
}

// usedSecondFactor reports whether the user was authenticated by mfa since an instant, and
// by another way than each of the other methods of a combination.
func (s *Session) usedSecondFactor(combination []string, since time.Time) bool {
	return slices.ContainsFunc(s.Methods, func(m Method) bool {
		return m.Name == "mfa" && !m.At.Before(since) && !slices.ContainsFunc(combination, func(first string) bool {
			return goesTheWayOf(first, m.Type)
		})
	})
}

// goesTheWayOf reports whether a second factor of a type may go to the same mailbox or
// telephone as a first factor. A type that is not known may.
func goesTheWayOf(first, kind string) bool {
	var words []string
	switch first {
	case "email":
		words = []string{"mail"}
	case "sms":
		words = []string{"sms", "phone", "voice"}
	default:
		return false
	}
	kind = strings.ToLower(kind)
	return kind == "" || slices.ContainsFunc(words, func(word string) bool { return strings.Contains(kind, word) })
}

// An Insufficient is the refusal of a good session whose authentication does not
// meet a requirement: the user can do something about it.
type Insufficient struct{ Requirement Requirement }

func (*Insufficient) Error() string { return "the authentication does not meet the requirement" }

// NewInsufficient returns an [Error] with CodeInsufficient that wraps an [Insufficient].
func NewInsufficient(r Requirement) error {
	return &Error{Code: CodeInsufficient, Message: "A different authentication level is required", Err: &Insufficient{r}}
}
