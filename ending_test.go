package rollcall_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/store/memory"
)

// A heldStore stops uses on their way into the store.
type heldStore struct {
	rollcall.Store
	arrived, goOn chan struct{}
}

func (h heldStore) Touch(ctx context.Context, touches []rollcall.Touch) error {
	close(h.arrived)
	<-h.goOn
	return h.Store.Touch(ctx, touches)
}

func TestAUseUnderWayDoesNotOutliveAnEnding(t *testing.T) {
	for name, end := range map[string]func(node, rollcall.Session, rollcall.Token) error{
		"end": acts["end"], "log out": acts["log out"], "end all": acts["end all"], "end everybody": acts["end everybody"],
		"end others": func(n node, _ rollcall.Session, _ rollcall.Token) error {
			other, _ := n.create(signIn(aUser))
			return n.EndOthers(context.Background(), shop, aUser, other.ID)
		},
	} {
		t.Run(name, func(t *testing.T) {
			store := heldStore{memory.New(), make(chan struct{}), make(chan struct{})}
			n := newNodeOn(t, store, newClock())
			s, token := n.create(signIn(aUser))
			n.clock.now.Store(s.Last.IdleExpiresAt.UnixMilli() - 1)
			var use sync.WaitGroup
			use.Go(func() { _, _ = n.Check(context.Background(), token.Reveal(), rollcall.Use{}) })
			<-store.arrived
			n.clock.Advance(time.Millisecond) // the idle time is over, but for the use under way
			// Who names a session that is over is told so.
			wantCode(t, end(n, s, token), map[string]rollcall.Code{"end": rollcall.CodeNotFound, "log out": rollcall.CodeRefused}[name])
			if events := n.events(); (name == "end" || name == "log out") && events[len(events)-1] != "session.expired idle" {
				t.Errorf("events %v", events)
			}
			close(store.goOn)
			use.Wait()
			if _, _, err := n.Inspect(context.Background(), token.Reveal(), rollcall.Requirement{}); err == nil {
				t.Error("the session is accepted after its ending was answered")
			}
			if ids := n.list(aUser); len(ids) > 0 && ids[len(ids)-1] == s.ID {
				t.Error("the session is listed")
			}
		})
	}
}

// locatingStore notes what it is told of where a session lies.
type locatingStore struct {
	rollcall.Store
	told *[]string
}

// SessionAt is Session.
func (s locatingStore) SessionAt(ctx context.Context, id, userID string, createdAt time.Time) (rollcall.Session, rollcall.User, error) {
	*s.told = append(*s.told, id+" "+userID+" "+createdAt.String())
	return s.Session(ctx, id)
}

func TestAnEndingTellsTheStoreWhereTheSessionLies(t *testing.T) {
	for name, size := range map[string]int64{"remembered": 8 << 20, "not remembered": 0} {
		t.Run(name, func(t *testing.T) {
			var told []string
			n := newNodeOn(t, locatingStore{memory.New(), &told}, newClock(), func(o *rollcall.Options) { o.CacheSize = size })
			s, _ := n.create(signIn(aUser))
			n.must(n.End(context.Background(), shop, s.ID, rollcall.ReasonLogout))
			if want := []string{s.ID + " " + aUser + " " + s.CreatedAt.String()}; !slices.Equal(told, want) {
				t.Errorf("told %q, want %q", told, want)
			}
			if err := n.End(context.Background(), shop, s.ID, rollcall.ReasonLogout); rollcall.ErrorCode(err) != rollcall.CodeNotFound {
				t.Errorf("ended again: %v", err)
			}
		})
	}
}
