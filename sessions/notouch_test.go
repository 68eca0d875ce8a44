package sessions_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-id/rollcall"
)

// polls checks a token as a page does that asks by itself.
func (n node) polls(token rollcall.Token, require rollcall.Requirement) (rollcall.Session, string, error) {
	return n.CheckLevel(context.Background(), token.Reveal(), rollcall.Use{
		IP: "198.51.100.1", UserAgent: "a page that polls", ClientID: "blog", Require: require, NoTouch: true,
	})
}

func TestACheckWithoutTouchRecordsNothingAndTheSessionEndsWhenItsUserIsGone(t *testing.T) {
	eachMemory(t, func(t *testing.T, size int64) {
		store := &observed{Store: newNode(t).store}
		n := newNodeOn(t, store, newClock(), withMemory(size), shortIdle)
		s, token := n.create(signIn(aUser))
		store.asked()
		for minutes := range 15 {
			got, _, err := n.polls(token, rollcall.Requirement{})
			if err != nil {
				t.Fatalf("after %d minutes: %v", minutes, err)
			}
			if diff := cmp.Diff(s.Last, got.Last); diff != "" {
				t.Fatalf("after %d minutes (-before +answered):\n%s", minutes, diff)
			}
			n.clock.Advance(time.Minute)
		}
		if _, _, err := n.polls(token, rollcall.Requirement{}); rollcall.ErrorCode(err) != rollcall.CodeRefused {
			t.Errorf("at the idle end: %v", err)
		}
		if pending := n.PendingTouches(); pending != 0 {
			t.Errorf("%d uses wait to be written", pending)
		}
		n.must(n.Flush(context.Background()))
		if asked := store.asked(); asked.Touches != 0 || asked.Commits != 0 {
			t.Errorf("%d touches, %d commits", asked.Touches, asked.Commits)
		}
		stored, _, err := n.store.Session(context.Background(), rollcall.At{ID: s.ID})
		n.must(err)
		if diff := cmp.Diff(s.Clients, stored.Clients); diff != "" || stored.Last != s.Last {
			t.Errorf("stored: %+v, clients %s", stored.Last, diff)
		}
	})
}

func TestTheIdleTimesOfLevelsHoldForAPageThatPolls(t *testing.T) {
	eachMemory(t, func(t *testing.T, size int64) {
		for _, tt := range []struct {
			level   string
			factor  string
			idle    time.Duration
			noTouch bool
		}{
			{"aal2", "otp", time.Hour, true},
			{"aal3", "webauthn-roaming", 15 * time.Minute, true},
			{"aal2", "otp", time.Hour, false},
			{"aal3", "webauthn-roaming", 15 * time.Minute, false},
		} {
			n := newNode(t, withMemory(size))
			in := signIn(aUser)
			in.Methods = []rollcall.Method{{Name: "pwd"}, {Name: "mfa", Type: tt.factor}}
			_, token := n.create(in)
			use := rollcall.Use{Require: rollcall.Requirement{Levels: []string{tt.level}}, NoTouch: tt.noTouch}
			for since := time.Duration(0); since <= 2*tt.idle; since += time.Minute {
				n.clock.setAt(t0.Add(since))
				_, level, err := n.CheckLevel(context.Background(), token.Reveal(), use)
				want := tt.level
				if tt.noTouch && since > tt.idle {
					want = ""
				}
				if level != want || (err == nil) != (want != "") {
					t.Fatalf("touch %v, %v after the use: level %q, %v", !tt.noTouch, since, level, err)
				}
			}
			_, level, err := n.CheckLevel(context.Background(), token.Reveal(), rollcall.Use{NoTouch: tt.noTouch})
			if err != nil || (level == tt.level) == tt.noTouch {
				t.Errorf("touch %v: %v after the use the level is %q, %v", !tt.noTouch, 2*tt.idle, level, err)
			}
		}
	})
}

func TestALevelIsThatOfTheMomentBeforeTheUse(t *testing.T) {
	eachMemory(t, func(t *testing.T, size int64) {
		n := newNode(t, withMemory(size))
		in := signIn(aUser)
		in.Methods = []rollcall.Method{{Name: "pwd"}, {Name: "mfa", Type: "otp"}}
		_, token := n.create(in)
		n.clock.Advance(2 * time.Hour)
		for i, want := range []string{"aal1", "aal2"} {
			if _, level, err := n.CheckLevel(context.Background(), token.Reveal(), rollcall.Use{}); err != nil || level != want {
				t.Errorf("use %d: level %q, %v; want %q", i, level, err, want)
			}
		}
	})
}

// TestACheckWithoutTouchRestsOnNoUseThatIsNotWritten uses a session shortly before its idle
// end, and lets a page poll until the idle end that the use has moved.
func TestACheckWithoutTouchRestsOnNoUseThatIsNotWritten(t *testing.T) {
	eachEngineAndMemory(t, func(t *testing.T, e engine, size int64) {
		fail := true
		store := &observed{Store: e.open(t)}
		store.failing(&fail)
		n := newNodeOn(t, store, newClock(), withMemory(size), shortIdle)
		other := newNodeOn(t, store, n.clock, shortIdle)
		s, token := n.create(signIn(aUser))
		n.clock.Advance(14 * time.Minute)
		if !n.accepts(token) {
			t.Fatal("refused")
		}
		used := n.clock.Now()
		if _, _, err := n.polls(token, rollcall.Requirement{}); err != nil {
			t.Errorf("much idle time is left that is stored: %v", err)
		}
		n.clock.setAt(s.Last.IdleExpiresAt.Add(-time.Second))
		if _, _, err := n.polls(token, rollcall.Requirement{}); rollcall.ErrorCode(err) != rollcall.CodeUnavailable {
			t.Errorf("little idle time is left that is stored, and none can be written: %v", err)
		}
		fail = false
		got, _, err := n.polls(token, rollcall.Requirement{})
		if err != nil || !got.Last.At.Equal(used) || !got.Last.IdleExpiresAt.Equal(used.Add(15*time.Minute)) {
			t.Errorf("once uses can be written: %+v, %v", got.Last, err)
		}
		stored, _, err := store.Store.Session(context.Background(), rollcall.At{ID: s.ID})
		n.must(err)
		if !stored.Last.IdleExpiresAt.Equal(got.Last.IdleExpiresAt) {
			t.Errorf("the yes rests on %v, stored is %v", got.Last.IdleExpiresAt, stored.Last.IdleExpiresAt)
		}
		n.clock.setAt(stored.Last.IdleExpiresAt.Add(-time.Second))
		fail = true // nothing is left to write
		for name, n := range map[string]node{"the node": n, "another": other} {
			if _, _, err := n.polls(token, rollcall.Requirement{}); err != nil {
				t.Errorf("%s, a second before the end: %v", name, err)
			}
		}
		n.clock.Advance(time.Second)
		if _, _, err := n.polls(token, rollcall.Requirement{}); rollcall.ErrorCode(err) != rollcall.CodeRefused {
			t.Errorf("at the end: %v", err)
		}
	})
}
