package sessions_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/store/memory"
)

func TestCreatedSessionIsListedFoundAndAccepted(t *testing.T) {
	eachMemory(t, func(t *testing.T, size int64) {
		n := newNode(t, withMemory(size))
		s, token := n.create(signIn(aUser))
		want := rollcall.Session{
			ID: s.ID, UserID: aUser, Version: 1, SecretHash: token.Secret.Hash(),
			Generation: rollcall.Generation{User: uint64(t0.UnixMilli())}, // of a new user
			CreatedAt:  t0, UpdatedAt: t0, AuthenticatedAt: t0, RenewedAt: t0, ExpiresAt: t0.Add(168 * time.Hour),
			Lifetimes:  rollcall.Lifetimes{Absolute: 168 * time.Hour, Idle: 72 * time.Hour},
			CookieMode: rollcall.Persistent, Methods: []rollcall.Method{{Name: "pwd", At: t0}}, Clients: []string{"shop"},
			Initial: rollcall.Origin{IP: "192.0.2.1", UserAgent: "Firefox"},
			Last:    rollcall.Interaction{At: t0, IdleExpiresAt: t0.Add(72 * time.Hour), Origin: rollcall.Origin{IP: "192.0.2.1", UserAgent: "Firefox"}},
		}
		if diff := cmp.Diff(want, s); diff != "" {
			t.Errorf("created (-want +got):\n%s", diff)
		}
		got, err := n.Session(context.Background(), s.ID)
		if diff := cmp.Diff(want, got, onlyActs); err != nil || diff != "" {
			t.Errorf("found: %v (-want +got):\n%s", err, diff)
		}
		if diff := cmp.Diff([]string{s.ID}, n.list(aUser)); diff != "" {
			t.Errorf("listed (-want +got):\n%s", diff)
		}
		if !n.accepts(token) {
			t.Error("not accepted")
		}
	})
}

func TestIDMadeElsewhereIsTakenOnce(t *testing.T) {
	eachMemory(t, func(t *testing.T, size int64) {
		n := newNode(t, withMemory(size))
		in := signIn(aUser)
		in.ID = "made-elsewhere-0001"
		s, _ := n.create(in)
		for name, userID := range map[string]string{"same user": aUser, "another user": "auth0|2"} {
			in.UserID = userID
			_, _, err := n.Create(context.Background(), shop, in)
			if rollcall.ErrorCode(err) != rollcall.CodeConflict {
				t.Errorf("%s: %v", name, err)
			}
		}
		n.must(n.End(context.Background(), shop, s.ID, rollcall.ReasonDeleted))
		_, _, err := n.Create(context.Background(), shop, in)
		wantCode(t, err, rollcall.CodeConflict)
		for _, id := range []string{"short", "with space 0000000", "x", string(make([]byte, 51))} {
			in.ID = id
			_, _, err := n.Create(context.Background(), shop, in)
			wantCode(t, err, rollcall.CodeInvalid)
		}
	})
}

func TestReplacedSessionEndsWithTheCreation(t *testing.T) {
	eachMemory(t, func(t *testing.T, size int64) {
		n := newNode(t, withMemory(size))
		_, old := n.create(signIn(aUser))
		in := signIn(aUser)
		in.Replaces = old.Reveal()
		s, _ := n.create(in)
		if n.accepts(old) {
			t.Error("the replaced session is accepted")
		}
		if diff := cmp.Diff([]string{s.ID}, n.list(aUser)); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]string{"session.created ", "session.ended replaced", "session.created "}, n.events()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestReplacedSessionOfAnotherUserEndsToo(t *testing.T) {
	eachMemory(t, func(t *testing.T, size int64) {
		n := newNode(t, withMemory(size))
		_, old := n.create(signIn("auth0|2"))
		in := signIn(aUser)
		in.Replaces = old.Reveal()
		n.create(in)
		if n.accepts(old) || len(n.list("auth0|2")) != 0 || len(n.list(aUser)) != 1 {
			t.Error("the other user's session in the same browser lives on")
		}
	})
}

func TestTokenThatIsNotGoodReplacesNothing(t *testing.T) {
	eachMemory(t, func(t *testing.T, size int64) {
		n := newNode(t, withMemory(size))
		s, token := n.create(signIn(aUser))
		for _, text := range []string{"garbage", rollcall.Token{ID: s.ID, Secret: rollcall.NewSecret()}.Reveal()} {
			in := signIn(aUser)
			in.Replaces = text
			n.create(in)
		}
		if !n.accepts(token) {
			t.Error("a session was ended by someone who only knew its id")
		}
	})
}

func TestBadCreationsAreRefusedAndChangeNothing(t *testing.T) {
	eachMemory(t, func(t *testing.T, size int64) {
		n := newNode(t, withMemory(size))
		for name, change := range map[string]func(*rollcall.NewSession){
			"no user":            func(in *rollcall.NewSession) { in.UserID = "" },
			"control character":  func(in *rollcall.NewSession) { in.UserID = "a\x00" },
			"long client":        func(in *rollcall.NewSession) { in.ClientID = string(make([]byte, 65)) },
			"no address":         func(in *rollcall.NewSession) { in.IP = "localhost" },
			"unknown mode":       func(in *rollcall.NewSession) { in.CookieMode = "eternal" },
			"unknown method":     func(in *rollcall.NewSession) { in.Methods = []rollcall.Method{{Name: "x"}} },
			"metadata key":       func(in *rollcall.NewSession) { in.Metadata = []rollcall.MetadataEntry{{Key: "a b"}} },
			"negative lifetime":  func(in *rollcall.NewSession) { in.Asked.Idle = -1 },
			"long key":           func(in *rollcall.NewSession) { in.IdempotencyKey = string(make([]byte, 256)) },
			"id and key at once": func(in *rollcall.NewSession) { in.ID, in.IdempotencyKey = "made-elsewhere-0001", "k" },
		} {
			in := signIn(aUser)
			change(&in)
			if _, _, err := n.Create(context.Background(), shop, in); rollcall.ErrorCode(err) != rollcall.CodeInvalid {
				t.Errorf("%s: %v", name, err)
			}
		}
		if got := n.events(); len(got) != 0 {
			t.Errorf("something changed: %v", got)
		}
	})
}

// notingStore notes the sessions that are put.
type notingStore struct {
	rollcall.Store
	puts *[]rollcall.PutSession
}

// Commit notes the sessions that it puts.
func (s notingStore) Commit(ctx context.Context, c rollcall.Change) (rollcall.Standing, error) {
	*s.puts = append(*s.puts, c.Sessions...)
	return s.Store.Commit(ctx, c)
}

func TestOnlyIDsThatWereJustDrawnAreFresh(t *testing.T) {
	eachMemory(t, func(t *testing.T, size int64) {
		for name, c := range map[string]struct {
			with  func(*rollcall.NewSession)
			fresh bool
		}{
			"drawn":                     {func(*rollcall.NewSession) {}, true},
			"made elsewhere":            {func(in *rollcall.NewSession) { in.ID = rollcall.NewSessionID() }, false},
			"derived":                   {func(in *rollcall.NewSession) { in.IdempotencyKey = "login-1" }, false},
			"drawn, another's is ended": {func(in *rollcall.NewSession) { in.Replaces = "nobody's" }, true},
		} {
			t.Run(name, func(t *testing.T) {
				var puts []rollcall.PutSession
				n := newNodeOn(t, notingStore{memory.New(), &puts}, newClock(), withMemory(size))
				in := signIn(aUser)
				c.with(&in)
				s, _ := n.create(in)
				_, err := n.UpdateMetadata(context.Background(), shop, s.ID, nil)
				n.must(err)
				if len(puts) != 2 || puts[0].Fresh != c.fresh || puts[1].Fresh {
					t.Errorf("puts %+v, want the first one fresh: %v", puts, c.fresh)
				}
			})
		}
	})
}
