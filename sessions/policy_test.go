package sessions_test

import (
	"context"
	"testing"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/sessions"
	"github.com/rollcall-id/rollcall/store/memory"
)

func TestAPolicyWithoutLevelsHasThePresetsAndOneWithAnEmptyListHasNone(t *testing.T) {
	p := rollcall.DefaultPolicy()
	for name, tt := range map[string]struct {
		levels []rollcall.Level
		want   string
	}{
		"left out": {nil, "aal2"},
		"empty":    {[]rollcall.Level{}, ""},
		"its own":  {[]rollcall.Level{{Name: "gold", AnyOf: [][]string{{"passkey"}}}}, "gold"},
	} {
		for _, lifetimes := range []rollcall.Lifetimes{{}, p.Persistent} {
			m, err := sessions.New(memory.New(), sessions.Options{Policy: rollcall.Policy{
				Persistent: lifetimes, NonPersistent: lifetimes, MaxSessionsPerUser: 1, AtLimit: rollcall.Deny, Levels: tt.levels,
			}})
			if err != nil {
				t.Fatal(err)
			}
			sign := rollcall.NewSession{UserID: "u", Methods: []rollcall.Method{{Name: "passkey"}}}
			_, token, err := m.Create(context.Background(), rollcall.Caller{}, sign)
			if err != nil {
				t.Fatal(err)
			}
			if _, level, err := m.Inspect(context.Background(), token.Reveal(), rollcall.Requirement{}); err != nil || level != tt.want {
				t.Errorf("%s: %q %v, want %q", name, level, err, tt.want)
			}
			_, _, err = m.Inspect(context.Background(), token.Reveal(), rollcall.Requirement{Levels: []string{"aal2"}})
			if refused := rollcall.ErrorCode(err) == rollcall.CodeInsufficient; refused == (tt.want == "aal2") {
				t.Errorf("%s: aal2 is asked for: %v", name, err)
			}
			if _, _, err = m.Create(context.Background(), rollcall.Caller{}, sign); rollcall.ErrorCode(err) != rollcall.CodeLimit {
				t.Errorf("%s: the limit beside it is lost: %v", name, err)
			}
		}
	}
}
