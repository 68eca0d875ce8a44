package rollcall_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-id/rollcall"
)

func TestPresetLevelsAreTheAssuranceLevels(t *testing.T) {
	p := rollcall.DefaultPolicy()
	methods := func(names ...string) (m []rollcall.Method) {
		for _, name := range names {
			if kind, ok := map[string]string{"otp": "otp", "key": "webauthn-roaming"}[name]; ok {
				m = append(m, rollcall.Method{Name: "mfa", Type: kind})
			} else {
				m = append(m, rollcall.Method{Name: name})
			}
		}
		return m
	}
	day := 24 * time.Hour
	for _, tt := range []struct {
		methods []rollcall.Method
		age     time.Duration // since the authentication
		idle    time.Duration // since the latest use
		want    string
	}{
		{methods("pwd"), 0, 0, "aal1"},
		{methods("pwd", "otp"), 0, 0, "aal2"},
		{methods("passkey"), 0, 0, "aal2"},
		{methods("otp"), 0, 0, "aal1"},
		{methods("pwd", "key"), 0, 0, "aal3"},
		{methods("pwd", "key"), 12 * time.Hour, 15 * time.Minute, "aal3"},
		{methods("pwd", "key"), 12*time.Hour + 1, 0, "aal2"},
		{methods("pwd", "key"), 0, 15*time.Minute + 1, "aal2"},
		{methods("pwd", "otp"), day, time.Hour, "aal2"},
		{methods("pwd", "otp"), day + 1, 0, "aal1"},
		{methods("pwd", "otp"), 0, time.Hour + 1, "aal1"},
		{methods("pwd"), 30 * day, 29 * day, "aal1"},
		{methods("pwd"), 30*day + 1, 0, ""},
	} {
		now := t0.Add(100 * day)
		for i := range tt.methods {
			tt.methods[i].At = now.Add(-tt.age)
		}
		s := rollcall.Session{Methods: tt.methods, AuthenticatedAt: now.Add(-tt.age), Last: rollcall.Interaction{At: now.Add(-tt.idle)}}
		if got := s.Level(&p, now); got != tt.want {
			t.Errorf("%v, authenticated %v and used %v ago: %q, want %q", tt.methods, tt.age, tt.idle, got, tt.want)
		}
	}
}

// TestALevelIsReachedByMethodsThatAreAllRecentEnough: how and when are judged on the same
// evidence.
func TestALevelIsReachedByMethodsThatAreAllRecentEnough(t *testing.T) {
	p := rollcall.DefaultPolicy()
	now := t0.Add(100 * 24 * time.Hour)
	ago := func(d time.Duration, name string) rollcall.Method {
		name, kind, _ := strings.Cut(name, ":")
		return rollcall.Method{Name: name, Type: kind, At: now.Add(-d)}
	}
	const key = "mfa:webauthn-roaming"
	strong := []rollcall.Method{ago(13*time.Hour, "pwd"), ago(13*time.Hour, key)}
	for _, tt := range []struct {
		name    string
		methods []rollcall.Method
		require rollcall.Requirement
		level   string
	}{
		{"password and key long ago, an e-mail's code now", append(strong[:2:2], ago(0, "email")), rollcall.Requirement{}, "aal2"},
		{"and the same two days ago", []rollcall.Method{ago(48*time.Hour, "pwd"), ago(48*time.Hour, key), ago(0, "email")}, rollcall.Requirement{}, "aal1"},
		{"the key long ago, the password now", append(strong[:2:2], ago(0, "pwd")), rollcall.Requirement{}, "aal2"},
		{"both again, at different times", append(strong[:2:2], ago(11*time.Hour, key), ago(time.Minute, "pwd")), rollcall.Requirement{}, "aal3"},
		{"a level and an age", []rollcall.Method{ago(time.Hour, "pwd"), ago(time.Hour, key), ago(0, "email")}, rollcall.Requirement{Levels: []string{"aal3"}, MaxAge: 5 * time.Minute, Aged: true}, "no"},
		{"methods and an age", []rollcall.Method{ago(time.Hour, "pwd"), ago(0, "email")}, rollcall.Requirement{Methods: []string{"pwd"}, MaxAge: 5 * time.Minute, Aged: true}, "no"},
		{"methods that are old, and no age", []rollcall.Method{ago(29*24*time.Hour, "pwd"), ago(0, "email")}, rollcall.Requirement{Methods: []string{"pwd"}}, "aal1"},
	} {
		s := rollcall.Session{Methods: tt.methods, AuthenticatedAt: tt.methods[len(tt.methods)-1].At, Last: rollcall.Interaction{At: now}}
		if got := s.Meets(&p, &tt.require, now); got != (tt.level != "no") {
			t.Errorf("%s: met %v", tt.name, got)
		}
		if got := s.Level(&p, now); tt.level != "no" && got != tt.level {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.level)
		}
	}
}

// TestAMailboxOrATelephoneIsNoSecondFactorOfItself holds the presets and a combination
// that an application asks for.
func TestAMailboxOrATelephoneIsNoSecondFactorOfItself(t *testing.T) {
	p := rollcall.DefaultPolicy()
	for _, tt := range []struct {
		first, kind string
		two         bool
	}{
		{"email", "email", false},
		{"email", "Email-otp", false},
		{"email", "", false},
		{"sms", "sms", false},
		{"sms", "phone", false},
		{"sms", "voice", false},
		{"sms", "", false},
		{"email", "otp", true},
		{"email", "sms", true},
		{"sms", "email", true},
		{"sms", "webauthn-roaming", true},
		{"pwd", "email", true},
		{"pwd", "", true},
		{"federated", "", true},
	} {
		s := rollcall.Session{
			Methods:         []rollcall.Method{{Name: tt.first, At: t0}, {Name: "mfa", Type: tt.kind, At: t0}},
			AuthenticatedAt: t0, Last: rollcall.Interaction{At: t0},
		}
		if got := s.Level(&p, t0); (got == "aal2") != tt.two {
			t.Errorf("%s, then %q: %q", tt.first, tt.kind, got)
		}
		if got := s.Meets(&p, &rollcall.Requirement{Methods: []string{tt.first, "mfa"}}, t0); got != tt.two {
			t.Errorf("%s, then %q: asked for both, met %v", tt.first, tt.kind, got)
		}
	}
}

func TestLevelsThatCannotHoldAreRefusedWithTheirPlace(t *testing.T) {
	many := func(n int) (levels []rollcall.Level) {
		for i := range n {
			levels = append(levels, rollcall.Level{Name: fmt.Sprint("level-", i), AnyOf: [][]string{{}}})
		}
		return levels
	}
	good := rollcall.Level{Name: "good", AnyOf: [][]string{{"pwd", "mfa:otp"}, {"https://example.com/own"}, {}}, MaxAge: rollcall.MaxLifetime}
	for _, levels := range [][]rollcall.Level{nil, {}, {good}, many(rollcall.MaxLevels), rollcall.Presets()} {
		if err := rollcall.CheckLevels(levels); err != nil {
			t.Errorf("%d good ones: %v", len(levels), err)
		}
	}
	for name, change := range map[string]func(*rollcall.Level){
		"no name":               func(l *rollcall.Level) { l.Name = "" },
		"a space":               func(l *rollcall.Level) { l.Name = "a b" },
		"a quote":               func(l *rollcall.Level) { l.Name = `a"b` },
		"a backslash":           func(l *rollcall.Level) { l.Name = `a\b` },
		"a line break":          func(l *rollcall.Level) { l.Name = "a\nb" },
		"not ASCII":             func(l *rollcall.Level) { l.Name = "größe" },
		"a long name":           func(l *rollcall.Level) { l.Name = strings.Repeat("x", rollcall.MaxLevelNameLength+1) },
		"a name used twice":     func(l *rollcall.Level) { l.Name = "good" },
		"no combination":        func(l *rollcall.Level) { l.AnyOf = nil },
		"many combinations":     func(l *rollcall.Level) { l.AnyOf = make([][]string, 33) },
		"an unknown method":     func(l *rollcall.Level) { l.AnyOf = [][]string{{"pwd", "telepathy"}} },
		"an empty method":       func(l *rollcall.Level) { l.AnyOf = [][]string{{""}} },
		"a type without a name": func(l *rollcall.Level) { l.AnyOf = [][]string{{":otp"}} },
		"an empty type":         func(l *rollcall.Level) { l.AnyOf = [][]string{{"mfa:"}} },
		"a type of another":     func(l *rollcall.Level) { l.AnyOf = [][]string{{"pwd:otp"}} },
		"a type of two words":   func(l *rollcall.Level) { l.AnyOf = [][]string{{"mfa:a b"}} },
		"many methods":          func(l *rollcall.Level) { l.AnyOf = [][]string{strings.Fields(strings.Repeat("pwd ", 33))} },
		"a negative age":        func(l *rollcall.Level) { l.MaxAge = -1 },
		"a negative idle time":  func(l *rollcall.Level) { l.MaxIdle = -time.Second },
		"beyond the ceiling":    func(l *rollcall.Level) { l.MaxIdle = rollcall.MaxLifetime + 1 },
	} {
		second := rollcall.Level{Name: "second", AnyOf: [][]string{{"pwd"}}}
		change(&second)
		p := rollcall.DefaultPolicy()
		p.Levels = []rollcall.Level{good, second}
		if err := p.Check(); rollcall.ErrorCode(err) != rollcall.CodeInvalid || !strings.HasPrefix(err.Error(), "invalid: levels[1]: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if rollcall.CheckLevels(many(rollcall.MaxLevels+1)) == nil {
		t.Error("too many are accepted")
	}
}
