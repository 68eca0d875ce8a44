package rollcall_test

import (
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
		s := rollcall.Session{Methods: tt.methods, AuthenticatedAt: now.Add(-tt.age), Last: rollcall.Interaction{At: now.Add(-tt.idle)}}
		if got := s.Level(p, now); got != tt.want {
			t.Errorf("%v, authenticated %v and used %v ago: %q, want %q", tt.methods, tt.age, tt.idle, got, tt.want)
		}
	}
}
