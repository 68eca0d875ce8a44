package rollcall_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-id/rollcall"
)

var t0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// newSession is a session created at t0 under the default policy.
func newSession(mode rollcall.CookieMode) rollcall.Session {
	p := rollcall.DefaultPolicy()
	s := rollcall.Session{
		ID: "sess_0000000000000000", UserID: "auth0|1", CookieMode: mode,
		CreatedAt: t0, UpdatedAt: t0, AuthenticatedAt: t0, RenewedAt: t0,
		Lifetimes: p.For(mode), ExpiresAt: t0.Add(p.For(mode).Absolute),
	}
	s.Last = s.Touched(&p, t0, rollcall.Origin{})
	return s
}

func TestSessionIsOverAtTheEarlierOfItsLimits(t *testing.T) {
	s := newSession(rollcall.Persistent)
	tests := []struct {
		name     string
		absolute time.Duration
		idle     time.Duration
		at       time.Duration
		over     bool
	}{
		{"before both", 168 * time.Hour, 72 * time.Hour, 72*time.Hour - time.Millisecond, false},
		{"at the idle limit", 168 * time.Hour, 72 * time.Hour, 72 * time.Hour, true},
		{"before the absolute limit", time.Hour, 72 * time.Hour, time.Hour - time.Millisecond, false},
		{"at the absolute limit", time.Hour, 72 * time.Hour, time.Hour, true},
		{"long after", time.Hour, 72 * time.Hour, 9000 * time.Hour, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s.ExpiresAt, s.Last.IdleExpiresAt = t0.Add(tt.absolute), t0.Add(tt.idle)
			if got := s.Over(t0.Add(tt.at), &rollcall.Standing{}); got != tt.over {
				t.Errorf("Over = %v, want %v", got, tt.over)
			}
		})
	}
}

func TestSessionOfAnEndedGenerationIsOver(t *testing.T) {
	tests := []struct {
		session         rollcall.Generation
		user, everybody uint64
		over            bool
	}{
		{rollcall.Generation{}, 0, 0, false},
		{rollcall.Generation{}, 1, 0, true},
		{rollcall.Generation{}, 0, 1, true},
		{rollcall.Generation{User: 1}, 1, 0, false},
		{rollcall.Generation{User: 1}, 1, 1, true},
		{rollcall.Generation{User: 2}, 1, 0, true},
		{rollcall.Generation{Everybody: 1}, 0, 1, false},
		{rollcall.Generation{Everybody: 2}, 0, 1, false},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt), func(t *testing.T) {
			s := newSession(rollcall.Persistent)
			s.Generation = tt.session
			st := rollcall.Standing{User: rollcall.User{Generation: tt.user}, Everybody: rollcall.Everybody{Generation: tt.everybody}}
			if got := s.Over(t0, &st); got != tt.over {
				t.Errorf("Over = %v, want %v", got, tt.over)
			}
		})
	}
}

func TestEndedSessionIsOverAtEveryInstant(t *testing.T) {
	s := newSession(rollcall.Persistent).Ended(rollcall.Ending{EndedAt: t0.Add(time.Minute), EndReason: rollcall.ReasonRevoked, EndedBy: "web"})
	if !s.EndedAt.Equal(t0.Add(time.Minute)) || !s.UpdatedAt.Equal(s.EndedAt) || s.EndReason != rollcall.ReasonRevoked || s.EndedBy != "web" {
		t.Errorf("ended at %v, updated at %v, %s by %s", s.EndedAt, s.UpdatedAt, s.EndReason, s.EndedBy)
	}
	for _, at := range []time.Time{t0, t0.Add(time.Minute), t0.Add(time.Hour)} {
		if !s.Over(at, &rollcall.Standing{}) {
			t.Errorf("not over at %v", at)
		}
	}
}

func TestTouchMovesTheIdleLimitNeverPastTheAbsoluteOne(t *testing.T) {
	p := rollcall.DefaultPolicy()
	for _, tt := range []struct {
		mode rollcall.CookieMode
		at   time.Duration
		want time.Duration
	}{
		{rollcall.Persistent, time.Hour, 73 * time.Hour},
		{rollcall.Persistent, 100 * time.Hour, 168 * time.Hour},
		{rollcall.NonPersistent, time.Hour, 25 * time.Hour},
		{rollcall.NonPersistent, 60 * time.Hour, 72 * time.Hour},
	} {
		s := newSession(tt.mode)
		got := s.Touched(&p, t0.Add(tt.at), rollcall.Origin{IP: "192.0.2.1"})
		want := rollcall.Interaction{At: t0.Add(tt.at), IdleExpiresAt: t0.Add(tt.want), Origin: rollcall.Origin{IP: "192.0.2.1"}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s after %s (-want +got):\n%s", tt.mode, tt.at, diff)
		}
	}
}

func TestAUseFromAnUnknownAddressLeavesTheLastOneKnown(t *testing.T) {
	p := rollcall.DefaultPolicy()
	s := newSession(rollcall.Persistent)
	s.Last.Origin = rollcall.Origin{IP: "192.0.2.1", UserAgent: "before", ASN: "64496"}
	got := s.Touched(&p, t0.Add(time.Hour), rollcall.Origin{UserAgent: "after"}).Origin
	if want := (rollcall.Origin{IP: "192.0.2.1", UserAgent: "after", ASN: "64496"}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got := s.Touched(&p, t0.Add(time.Hour), rollcall.Origin{IP: "192.0.2.2"}).Origin; got != (rollcall.Origin{IP: "192.0.2.2"}) {
		t.Errorf("another address: %+v", got)
	}
}

func TestRaisingALimitDoesNotLengthenALiveSession(t *testing.T) {
	s := newSession(rollcall.Persistent)
	p := rollcall.DefaultPolicy()
	p.Persistent = rollcall.Lifetimes{Absolute: 8760 * time.Hour, Idle: 8760 * time.Hour}
	if got, want := s.Touched(&p, t0.Add(time.Hour), rollcall.Origin{}).IdleExpiresAt, t0.Add(73*time.Hour); !got.Equal(want) {
		t.Errorf("idle limit at %v, want %v", got, want)
	}
}

func TestLoweringALimitTakesEffectAtTheNextInteraction(t *testing.T) {
	s := newSession(rollcall.Persistent)
	p := rollcall.DefaultPolicy()
	p.Persistent = rollcall.Lifetimes{Absolute: 10 * time.Hour, Idle: 4 * time.Hour}
	if got := s.OverAt(); !got.Equal(t0.Add(72 * time.Hour)) {
		t.Errorf("before the interaction over at %v", got)
	}
	if got, want := s.Touched(&p, t0.Add(time.Hour), rollcall.Origin{}).IdleExpiresAt, t0.Add(5*time.Hour); !got.Equal(want) {
		t.Errorf("idle limit at %v, want %v", got, want)
	}
	if got, want := s.Touched(&p, t0.Add(9*time.Hour), rollcall.Origin{}).IdleExpiresAt, t0.Add(10*time.Hour); !got.Equal(want) {
		t.Errorf("idle limit at %v, want that of the lower absolute lifetime, %v", got, want)
	}
}

func TestAuthenticationAddsItsMethodAndRotatesTheSecret(t *testing.T) {
	p := rollcall.DefaultPolicy()
	s := newSession(rollcall.Persistent)
	s.Methods = []rollcall.Method{{Name: "pwd", At: t0}}
	before := s
	at := t0.Add(100 * time.Hour)
	hash := rollcall.NewSecret().Hash()
	got := s.Authenticated(&p, at, []rollcall.Method{{Name: "mfa", Type: "otp", At: at}}, false, hash, rollcall.Origin{})
	if got.SecretHash != hash || !got.AuthenticatedAt.Equal(at) || len(got.Methods) != 2 {
		t.Errorf("secret, time or methods are not the new ones: %+v", got)
	}
	if !got.ExpiresAt.Equal(s.ExpiresAt) || !got.Last.IdleExpiresAt.Equal(s.ExpiresAt) {
		t.Errorf("limits %v and %v, want the absolute one as it was", got.ExpiresAt, got.Last.IdleExpiresAt)
	}
	if diff := cmp.Diff(before, s); diff != "" {
		t.Errorf("the receiver changed:\n%s", diff)
	}
}

func TestFullAuthenticationRenewsTheAbsoluteLimitWithinWhatWasAskedFor(t *testing.T) {
	p := rollcall.DefaultPolicy()
	s := newSession(rollcall.Persistent)
	s.Lifetimes = p.Shorten(rollcall.Persistent, rollcall.Lifetimes{Absolute: 2 * time.Hour})
	at := t0.Add(time.Hour)
	got := s.Authenticated(&p, at, nil, true, rollcall.SecretHash{}, rollcall.Origin{})
	if want := at.Add(2 * time.Hour); !got.ExpiresAt.Equal(want) {
		t.Errorf("expires at %v, want %v", got.ExpiresAt, want)
	}
}

func TestLaterInteractionWinsAndAnEqualOneDoesNot(t *testing.T) {
	a := rollcall.Interaction{At: t0, Origin: rollcall.Origin{IP: "192.0.2.1"}}
	b := rollcall.Interaction{At: t0, Origin: rollcall.Origin{IP: "192.0.2.2"}}
	c := rollcall.Interaction{At: t0.Add(time.Millisecond), Origin: rollcall.Origin{IP: "192.0.2.3"}}
	if a.Later(b) != a || a.Later(c) != c || c.Later(a) != c {
		t.Error("the later interaction does not win")
	}
}

func TestUpdatedAtMovesWithTouchesToo(t *testing.T) {
	s := newSession(rollcall.Persistent)
	s.Last.At = t0.Add(time.Hour)
	if got := s.Updated(); !got.Equal(t0.Add(time.Hour)) {
		t.Errorf("updated at %v", got)
	}
	s.UpdatedAt = t0.Add(2 * time.Hour)
	if got := s.Updated(); !got.Equal(t0.Add(2 * time.Hour)) {
		t.Errorf("updated at %v", got)
	}
}

func TestClientsJoinOnceAndAreBounded(t *testing.T) {
	s := newSession(rollcall.Persistent)
	for i := range rollcall.MaxClients + 5 {
		s, _ = s.Joined(fmt.Sprintf("client-%d", i), t0)
		s, _ = s.Joined(fmt.Sprintf("client-%d", i), t0)
	}
	if len(s.Clients) != rollcall.MaxClients {
		t.Errorf("%d clients, want %d", len(s.Clients), rollcall.MaxClients)
	}
}

func TestMetadataBounds(t *testing.T) {
	long := strings.Repeat("x", rollcall.MaxMetadataLength)
	full := make([]rollcall.MetadataEntry, rollcall.MaxMetadataEntries)
	for i := range full {
		full[i].Key = fmt.Sprint(i)
	}
	const tooLarge = "Metadata must not exceed 25 entries. Each key and value must be ≤ 255 characters."
	const badKey = "Invalid metadata: Metadata keys may only include letters, numbers, underscores, or hyphens"
	for _, tt := range []struct {
		name    string
		entries []rollcall.MetadataEntry
		want    string
	}{
		{"none", nil, ""},
		{"as many as allowed", full, ""},
		{"one too many", append(full[:len(full):len(full)], rollcall.MetadataEntry{Key: "more"}), tooLarge},
		{"longest value", []rollcall.MetadataEntry{{Key: "k", Value: long}}, ""},
		{"value too long", []rollcall.MetadataEntry{{Key: "k", Value: long + "x"}}, tooLarge},
		{"longest key", []rollcall.MetadataEntry{{Key: long}}, ""},
		{"key too long", []rollcall.MetadataEntry{{Key: long + "x"}}, tooLarge},
		{"astral characters count twice", []rollcall.MetadataEntry{{Key: "k", Value: strings.Repeat("😀", 128)}}, tooLarge},
		{"astral characters within", []rollcall.MetadataEntry{{Key: "k", Value: strings.Repeat("😀", 127)}}, ""},
		{"empty key", []rollcall.MetadataEntry{{}}, badKey},
		{"key with a space", []rollcall.MetadataEntry{{Key: "a b"}}, badKey},
		{"key with a letter of another script", []rollcall.MetadataEntry{{Key: "é"}}, badKey},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got string
			if err := rollcall.CheckMetadata(tt.entries); err != nil {
				got = err.(*rollcall.Error).Message
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
