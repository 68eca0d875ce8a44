package rollcall_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/store/memory"
)

// A clock that tests move.
type clock struct{ now atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.now.Store(t0.UnixMilli())
	return c
}

func (c *clock) Now() time.Time          { return time.UnixMilli(c.now.Load()).UTC() }
func (c *clock) Advance(d time.Duration) { c.now.Add(d.Milliseconds()) }

// A node is a Manager on a store, with its clock.
type node struct {
	*rollcall.Manager
	t     *testing.T
	clock *clock
	store rollcall.Store
}

func newNode(t *testing.T, configure ...func(*rollcall.Options)) node {
	t.Helper()
	return newNodeOn(t, memory.New(), newClock(), configure...)
}

func newNodeOn(t *testing.T, store rollcall.Store, c *clock, configure ...func(*rollcall.Options)) node {
	t.Helper()
	o := rollcall.Options{Clock: c.Now, DerivationKey: rollcall.DerivationKey{1, 2, 3}, CacheSize: cacheSize, Compressor: new(deflate)}
	for _, f := range configure {
		f(&o)
	}
	m, err := rollcall.New(store, o)
	if err != nil {
		t.Fatal(err)
	}
	return node{Manager: m, t: t, clock: c, store: store}
}

var (
	shop  = rollcall.Caller{ID: "shop", IP: "198.51.100.7", UserAgent: "shop/1"}
	aUser = "auth0|1"
)

func signIn(userID string) rollcall.NewSession {
	return rollcall.NewSession{UserID: userID, ClientID: "shop", Methods: []rollcall.Method{{Name: "pwd"}}, IP: "192.0.2.1", UserAgent: "Firefox"}
}

func (n node) create(in rollcall.NewSession) (rollcall.Session, rollcall.Token) {
	n.t.Helper()
	s, token, err := n.Create(context.Background(), shop, in)
	if err != nil {
		n.t.Fatalf("Create: %v", err)
	}
	return s, token
}

func (n node) list(userID string) []string {
	n.t.Helper()
	var ids []string
	q := rollcall.ListQuery{UserID: userID, Take: 100}
	for {
		page, err := n.List(context.Background(), q)
		if err != nil {
			n.t.Fatalf("List: %v", err)
		}
		for _, s := range page.Sessions {
			ids = append(ids, s.ID)
		}
		if q.From = page.Next; q.From == "" {
			return ids
		}
	}
}

func (n node) accepts(token rollcall.Token) bool {
	n.t.Helper()
	_, err := n.Check(context.Background(), token.Reveal(), rollcall.Use{})
	if err != nil && rollcall.ErrorCode(err) != rollcall.CodeRefused {
		n.t.Fatalf("Check: %v", err)
	}
	return err == nil
}

// events returns what was written, as "type reason".
func (n node) events() []string {
	n.t.Helper()
	stored, err := n.Events(context.Background(), "", 10_000)
	if err != nil {
		n.t.Fatal(err)
	}
	var out []string
	for _, e := range stored {
		out = append(out, string(e.Event.Type)+" "+string(e.Event.Reason))
	}
	return out
}

func wantCode(t *testing.T, err error, want rollcall.Code) {
	t.Helper()
	if got := rollcall.ErrorCode(err); got != want {
		t.Errorf("error %v, want code %s", err, want)
	}
}

func TestCreatedSessionIsListedFoundAndAccepted(t *testing.T) {
	n := newNode(t)
	s, token := n.create(signIn(aUser))
	want := rollcall.Session{
		ID: s.ID, UserID: aUser, Version: 1, SecretHash: token.Secret.Hash(),
		CreatedAt: t0, UpdatedAt: t0, AuthenticatedAt: t0, RenewedAt: t0, ExpiresAt: t0.Add(168 * time.Hour),
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
}

func TestCheckRefusesEveryTokenThatIsNotGoodAlike(t *testing.T) {
	n := newNode(t)
	live, token := n.create(signIn(aUser))
	ended, endedToken := n.create(signIn(aUser))
	if err := n.End(context.Background(), shop, ended.ID, rollcall.ReasonRevoked); err != nil {
		t.Fatal(err)
	}
	var refusals []string
	for name, text := range map[string]string{
		"empty":        "",
		"garbage":      "garbage",
		"unknown":      rollcall.Token{ID: rollcall.NewSessionID(), Secret: token.Secret}.Reveal(),
		"ended":        endedToken.Reveal(),
		"wrong secret": rollcall.Token{ID: live.ID, Secret: rollcall.NewSecret()}.Reveal(),
		"truncated":    token.Reveal()[:40],
	} {
		_, err := n.Check(context.Background(), text, rollcall.Use{})
		if err == nil {
			t.Fatalf("%s: accepted", name)
		}
		refusals = append(refusals, err.Error())
	}
	if refusals = slices.Compact(refusals); len(refusals) != 1 {
		t.Errorf("refusals differ: %q", refusals)
	}
}

func TestCheckRecordsTheUseAndThisNodeShowsItBeforeItIsWritten(t *testing.T) {
	n := newNode(t)
	s, token := n.create(signIn(aUser))
	n.clock.Advance(time.Hour)
	if _, err := n.Check(context.Background(), token.Reveal(), rollcall.Use{IP: "198.51.100.1", UserAgent: "Safari"}); err != nil {
		t.Fatal(err)
	}
	want := rollcall.Interaction{
		At: t0.Add(time.Hour), IdleExpiresAt: t0.Add(73 * time.Hour),
		Origin: rollcall.Origin{IP: "198.51.100.1", UserAgent: "Safari"},
	}
	got, err := n.Session(context.Background(), s.ID)
	if diff := cmp.Diff(want, got.Last); err != nil || diff != "" {
		t.Errorf("shown: %v (-want +got):\n%s", err, diff)
	}
	stored, _, err := n.store.Session(context.Background(), s.ID)
	if err != nil || stored.Last == want {
		t.Errorf("written before the loop did it: %v", err)
	}
	if err := n.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	stored, _, err = n.store.Session(context.Background(), s.ID)
	if diff := cmp.Diff(want, stored.Last); err != nil || diff != "" {
		t.Errorf("stored: %v (-want +got):\n%s", err, diff)
	}
	if stored.Version != s.Version {
		t.Error("the touch moved the version")
	}
}

func TestCheckWritesFirstWhenLittleIdleTimeIsLeft(t *testing.T) {
	n := newNode(t)
	s, token := n.create(signIn(aUser))
	other := newNodeOn(t, n.store, n.clock)
	n.clock.Advance(72*time.Hour - 2*time.Second)
	if !n.accepts(token) {
		t.Fatal("refused")
	}
	n.clock.Advance(time.Minute)
	if !other.accepts(token) {
		t.Error("another node refuses a session that this one has just seen")
	}
	if got := other.list(aUser); len(got) != 1 || got[0] != s.ID {
		t.Errorf("another node lists %v", got)
	}
}

func TestSessionThatIsOverIsNotListedNotFoundNotAccepted(t *testing.T) {
	for name, end := range map[string]func(node, rollcall.Session, rollcall.Token){
		"idle":     func(n node, _ rollcall.Session, _ rollcall.Token) { n.clock.Advance(72 * time.Hour) },
		"absolute": func(n node, _ rollcall.Session, token rollcall.Token) { keepAlive(n, token, 168*time.Hour) },
		"ended": func(n node, s rollcall.Session, _ rollcall.Token) {
			n.must(n.End(context.Background(), shop, s.ID, rollcall.ReasonDeleted))
		},
		"logged out": func(n node, _ rollcall.Session, token rollcall.Token) {
			_, err := n.EndByToken(context.Background(), rollcall.Caller{}, token.Reveal())
			n.must(err)
		},
		"all of the user": func(n node, _ rollcall.Session, _ rollcall.Token) {
			n.must(n.EndAll(context.Background(), shop, aUser, rollcall.ReasonDeleted))
		},
		"everybody": func(n node, _ rollcall.Session, _ rollcall.Token) {
			n.must(n.EndEverybody(context.Background(), shop))
		},
		"all but another": func(n node, _ rollcall.Session, _ rollcall.Token) {
			other, _ := n.create(signIn(aUser))
			n.must(n.EndOthers(context.Background(), shop, aUser, other.ID))
			n.must(n.End(context.Background(), shop, other.ID, rollcall.ReasonDeleted))
		},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t)
			s, token := n.create(signIn(aUser))
			end(n, s, token)
			if n.accepts(token) {
				t.Error("accepted")
			}
			if ids := n.list(aUser); len(ids) != 0 {
				t.Errorf("listed: %v", ids)
			}
			_, err := n.Session(context.Background(), s.ID)
			wantCode(t, err, rollcall.CodeNotFound)
			_, err = n.UpdateMetadata(context.Background(), shop, s.ID, nil)
			wantCode(t, err, rollcall.CodeNotFound)
			wantCode(t, n.End(context.Background(), shop, s.ID, rollcall.ReasonDeleted), rollcall.CodeNotFound)
			_, _, err = n.Authenticate(context.Background(), shop, s.ID, rollcall.Authentication{UserID: aUser, Methods: []rollcall.Method{{Name: "mfa"}}})
			wantCode(t, err, rollcall.CodeNotFound)
		})
	}
}

func (n node) must(err error) {
	n.t.Helper()
	if err != nil {
		n.t.Fatal(err)
	}
}

// keepAlive uses a session often enough for d, and then lets d be over.
func keepAlive(n node, token rollcall.Token, d time.Duration) {
	n.t.Helper()
	for left := d; left > 0; left -= 24 * time.Hour {
		if !n.accepts(token) {
			n.t.Fatalf("refused with %s left", left)
		}
		n.clock.Advance(min(left, 24*time.Hour))
	}
}

func TestEndingOthersKeepsTheOneInItsPlace(t *testing.T) {
	n := newNode(t)
	var kept rollcall.Session
	var token rollcall.Token
	for i := range 5 {
		s, tok := n.create(signIn(aUser))
		if i == 2 {
			kept, token = s, tok
		}
		n.clock.Advance(time.Second)
	}
	n.must(n.EndOthers(context.Background(), shop, aUser, kept.ID))
	if diff := cmp.Diff([]string{kept.ID}, n.list(aUser)); diff != "" {
		t.Error(diff)
	}
	if !n.accepts(token) {
		t.Error("the kept session is refused")
	}
	wantCode(t, n.EndOthers(context.Background(), shop, "auth0|2", kept.ID), rollcall.CodeNotFound)
	n.must(n.EndAll(context.Background(), shop, aUser, rollcall.ReasonDeleted))
	if n.accepts(token) {
		t.Error("the kept session outlives the ending of all")
	}
}

func TestEveryActLeavesItsEvent(t *testing.T) {
	n := newNode(t)
	s, _ := n.create(signIn(aUser))
	_, err := n.UpdateMetadata(context.Background(), shop, s.ID, []rollcall.MetadataEntry{{Key: "a", Value: "1"}})
	n.must(err)
	_, token, err := n.Authenticate(context.Background(), shop, s.ID, rollcall.Authentication{UserID: aUser, Methods: []rollcall.Method{{Name: "mfa"}}})
	n.must(err)
	_, err = n.Check(context.Background(), token.Reveal(), rollcall.Use{ClientID: "blog"})
	n.must(err)
	n.must(n.End(context.Background(), shop, s.ID, rollcall.ReasonRevoked))
	n.create(signIn(aUser))
	n.create(signIn(aUser))
	n.must(n.EndAll(context.Background(), shop, aUser, rollcall.ReasonDeleted))
	n.must(n.EndEverybody(context.Background(), shop))
	want := []string{
		"session.created ", "session.updated ", "session.authenticated ", "session.client_joined ", "session.ended revoked",
		"session.created ", "session.created ", "user.sessions_ended deleted", "everybody.sessions_ended everybody",
	}
	if diff := cmp.Diff(want, n.events()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	stored, err := n.Events(context.Background(), "", 100)
	n.must(err)
	e := stored[0].Event
	if e.Actor != "shop" || e.IP != shop.IP || e.UserAgent != shop.UserAgent || e.SessionID != s.ID || e.UserID != aUser || e.ClientID != "shop" {
		t.Errorf("the event does not say who did what: %+v", e)
	}
	if got := stored[7].Event.Count; got != 2 {
		t.Errorf("count %d, want 2", got)
	}
}

func TestEndingAllOfAUserWithoutSessionsWritesNothing(t *testing.T) {
	n := newNode(t)
	n.must(n.EndAll(context.Background(), shop, aUser, rollcall.ReasonDeleted))
	if got := n.events(); len(got) != 0 {
		t.Errorf("events %v", got)
	}
}

func TestAuthenticationEndsTheOldSecretAtOnce(t *testing.T) {
	n := newNode(t)
	s, old := n.create(signIn(aUser))
	_, _, err := n.Authenticate(context.Background(), shop, s.ID, rollcall.Authentication{UserID: "auth0|2", Methods: []rollcall.Method{{Name: "mfa"}}})
	wantCode(t, err, rollcall.CodeInvalid)
	_, fresh, err := n.Authenticate(context.Background(), shop, s.ID, rollcall.Authentication{UserID: aUser, Methods: []rollcall.Method{{Name: "mfa"}}})
	n.must(err)
	if n.accepts(old) || !n.accepts(fresh) {
		t.Error("the old secret is accepted, or the new one is not")
	}
}

func TestAClientJoinsASessionByUsingIt(t *testing.T) {
	n := newNode(t)
	s, token := n.create(signIn(aUser))
	for range 3 {
		for _, id := range []string{"shop", "blog", "wiki"} {
			if _, err := n.Check(context.Background(), token.Reveal(), rollcall.Use{ClientID: id}); err != nil {
				t.Fatal(err)
			}
		}
	}
	got, err := n.Session(context.Background(), s.ID)
	if diff := cmp.Diff([]string{"shop", "blog", "wiki"}, got.Clients); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
}

func TestIDMadeElsewhereIsTakenOnce(t *testing.T) {
	n := newNode(t)
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
}

func TestReplacedSessionEndsWithTheCreation(t *testing.T) {
	n := newNode(t)
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
}

func TestReplacedSessionOfAnotherUserEndsToo(t *testing.T) {
	n := newNode(t)
	_, old := n.create(signIn("auth0|2"))
	in := signIn(aUser)
	in.Replaces = old.Reveal()
	n.create(in)
	if n.accepts(old) || len(n.list("auth0|2")) != 0 || len(n.list(aUser)) != 1 {
		t.Error("the other user's session in the same browser lives on")
	}
}

func TestTokenThatIsNotGoodReplacesNothing(t *testing.T) {
	n := newNode(t)
	s, token := n.create(signIn(aUser))
	for _, text := range []string{"garbage", rollcall.Token{ID: s.ID, Secret: rollcall.NewSecret()}.Reveal()} {
		in := signIn(aUser)
		in.Replaces = text
		n.create(in)
	}
	if !n.accepts(token) {
		t.Error("a session was ended by someone who only knew its id")
	}
}

func TestRepeatedCreationGivesTheSameSessionAndToken(t *testing.T) {
	n := newNode(t)
	in := signIn(aUser)
	in.IdempotencyKey = "login-1"
	s, token := n.create(in)
	n.clock.Advance(23 * time.Hour)
	again, tokenAgain := n.create(in)
	if again.ID != s.ID || tokenAgain != token || len(n.list(aUser)) != 1 {
		t.Error("a repeated creation made another session")
	}
	other := newNodeOn(t, n.store, n.clock)
	again, tokenAgain = other.create(in)
	if again.ID != s.ID || tokenAgain != token {
		t.Error("another node made another session")
	}
}

func TestIdempotencyKeyCountsPerCallerAndUserForADay(t *testing.T) {
	n := newNode(t)
	in := signIn(aUser)
	in.IdempotencyKey = "k"
	first, _ := n.create(in)
	in.UserID = "auth0|2"
	second, _ := n.create(in)
	in.UserID = aUser
	third, _, err := n.Create(context.Background(), rollcall.Caller{ID: "blog"}, in)
	n.must(err)
	n.clock.Advance(24 * time.Hour)
	fourth, _ := n.create(in)
	ids := []string{first.ID, second.ID, third.ID, fourth.ID}
	slices.Sort(ids)
	if len(slices.Compact(ids)) != 4 {
		t.Errorf("sessions are shared: %v", ids)
	}
}

func TestIdempotencyKeyWithAnotherBodyOrAnEndedSessionIsAConflict(t *testing.T) {
	n := newNode(t)
	in := signIn(aUser)
	in.IdempotencyKey = "k"
	s, _ := n.create(in)
	other := in
	other.UserAgent = "Safari"
	_, _, err := n.Create(context.Background(), shop, other)
	wantCode(t, err, rollcall.CodeConflict)
	_, _, err = n.Authenticate(context.Background(), shop, s.ID, rollcall.Authentication{UserID: aUser, Methods: []rollcall.Method{{Name: "mfa"}}})
	n.must(err)
	_, _, err = n.Create(context.Background(), shop, in)
	wantCode(t, err, rollcall.CodeConflict)
	for name, end := range map[string]func() error{
		"ended": func() error { return n.End(context.Background(), shop, s.ID, rollcall.ReasonDeleted) },
		"all":   func() error { return n.EndAll(context.Background(), shop, aUser, rollcall.ReasonDeleted) },
	} {
		in.IdempotencyKey = name
		s, _ = n.create(in)
		n.must(end())
		_, _, err = n.Create(context.Background(), shop, in)
		wantCode(t, err, rollcall.CodeConflict)
	}
}

func TestBadCreationsAreRefusedAndChangeNothing(t *testing.T) {
	n := newNode(t)
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
}

func TestPagesAreExactWhileSessionsComeAndGo(t *testing.T) {
	n := newNode(t)
	var want []string
	for i := range 25 {
		s, _ := n.create(signIn(aUser))
		want = append(want, s.ID)
		if i%3 == 0 {
			n.clock.Advance(time.Millisecond)
		}
	}
	q := rollcall.ListQuery{UserID: aUser, Take: 7, Total: true}
	seen := map[string]int{}
	for pages := 0; ; pages++ {
		page, err := n.List(context.Background(), q)
		n.must(err)
		for _, s := range page.Sessions {
			seen[s.ID]++
		}
		if want := 25 + pages; page.Total != want {
			t.Errorf("page %d: total %d, want %d", pages, page.Total, want)
		}
		if q.From = page.Next; q.From == "" {
			break
		}
		n.clock.Advance(time.Second)
		n.create(signIn(aUser)) // never shifts a page already begun
	}
	for _, id := range want {
		if seen[id] != 1 {
			t.Errorf("%s seen %d times", id, seen[id])
		}
	}
	if len(seen) != len(want) {
		t.Errorf("%d sessions seen, want %d", len(seen), len(want))
	}
}

func TestNextIsThereExactlyWhenAnotherLiveSessionFollows(t *testing.T) {
	n := newNode(t)
	for range 3 {
		in := signIn(aUser)
		in.Asked.Absolute = time.Hour
		n.create(in)
		n.clock.Advance(time.Second)
	}
	for range 4 {
		n.create(signIn(aUser))
		n.clock.Advance(time.Second)
	}
	next := func(take int) string {
		page, err := n.List(context.Background(), rollcall.ListQuery{UserID: aUser, Take: take})
		n.must(err)
		return page.Next
	}
	if next(4) == "" || next(7) != "" {
		t.Error("wrong before the older sessions are over")
	}
	n.clock.Advance(time.Hour)
	if next(3) == "" || next(4) != "" {
		t.Error("next leads to sessions that are over")
	}
}

func TestLimitOfSessionsIsExactUnderRaces(t *testing.T) {
	for _, at := range []rollcall.AtLimit{rollcall.Deny, rollcall.EndOldest} {
		t.Run(string(at), func(t *testing.T) {
			limited := func(o *rollcall.Options) {
				o.Policy = rollcall.DefaultPolicy()
				o.Policy.MaxSessionsPerUser, o.Policy.AtLimit = 5, at
				o.CacheSize = 0 // two nodes write the store
			}
			a := newNode(t, limited)
			b := newNodeOn(t, a.store, a.clock, limited) // the queue alone does not help
			var made atomic.Int64
			var wg sync.WaitGroup
			for i := range 32 {
				wg.Go(func() {
					n := []node{a, b}[i%2]
					for { // another node was quicker too often: repeating is safe
						_, _, err := n.Create(context.Background(), shop, signIn(aUser))
						if rollcall.ErrorCode(err) == rollcall.CodeUnavailable {
							continue
						}
						if err == nil {
							made.Add(1)
						} else if at != rollcall.Deny || rollcall.ErrorCode(err) != rollcall.CodeLimit {
							t.Errorf("Create: %v", err)
						}
						return
					}
				})
			}
			wg.Wait()
			want := map[rollcall.AtLimit]int64{rollcall.Deny: 5, rollcall.EndOldest: 32}[at]
			if got := len(a.list(aUser)); got != 5 || made.Load() != want {
				t.Errorf("%d sessions live of %d made, want 5 of %d", got, made.Load(), want)
			}
			refused := 0
			for _, e := range a.events() {
				if e == "session.refused limit" || e == "session.ended limit" {
					refused++
				}
			}
			if refused != 27 {
				t.Errorf("%d events of the limit, want 27", refused)
			}
		})
	}
}

func TestOldestSessionsEndAtTheLimit(t *testing.T) {
	n := newNode(t, func(o *rollcall.Options) {
		o.Policy = rollcall.DefaultPolicy()
		o.Policy.MaxSessionsPerUser = 2
	})
	var ids []string
	for range 4 {
		s, _ := n.create(signIn(aUser))
		ids = append(ids, s.ID)
		n.clock.Advance(time.Second)
	}
	if diff := cmp.Diff([]string{ids[3], ids[2]}, n.list(aUser)); diff != "" {
		t.Error(diff)
	}
}

func TestManyActsOnOneUserAtOnceAllHappen(t *testing.T) {
	n := newNode(t)
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			s, _, err := n.Create(context.Background(), shop, signIn(aUser))
			if err != nil {
				t.Error(err)
			} else if i%2 == 0 {
				if err := n.End(context.Background(), shop, s.ID, rollcall.ReasonDeleted); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if got := len(n.list(aUser)); got != 25 {
		t.Errorf("%d sessions, want 25", got)
	}
}

func TestActIsGivenUpWithItsContext(t *testing.T) {
	n := newNode(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, _, err := n.Create(ctx, shop, signIn(aUser))
	wantCode(t, err, rollcall.CodeUnavailable)
	if got := n.events(); len(got) != 0 {
		t.Errorf("something changed: %v", got)
	}
}

func TestDifferentKeysDeriveDifferentTokens(t *testing.T) {
	seen := map[string]bool{}
	for i := range 3 {
		n := newNode(t, func(o *rollcall.Options) { o.DerivationKey = rollcall.DerivationKey{byte(i + 1)} })
		in := signIn(aUser)
		in.IdempotencyKey = "k"
		s, token := n.create(in)
		seen[s.ID], seen[fmt.Sprintf("%x", [32]byte(token.Secret))] = true, true
	}
	if len(seen) != 6 {
		t.Error("derived tokens do not depend on the key")
	}
}

// notingStore notes the sessions that are put.
type notingStore struct {
	rollcall.Store
	puts *[]rollcall.PutSession
}

// Commit notes what it makes.
func (s notingStore) Commit(ctx context.Context, c rollcall.Change) error {
	*s.puts = append(*s.puts, c.Sessions...)
	return s.Store.Commit(ctx, c)
}

func TestOnlyIDsThatWereJustDrawnAreFresh(t *testing.T) {
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
			n := newNodeOn(t, notingStore{memory.New(), &puts}, newClock())
			in := signIn(aUser)
			c.with(&in)
			s, _ := n.create(in)
			n.must(n.End(context.Background(), shop, s.ID, rollcall.ReasonLogout))
			if len(puts) != 2 || puts[0].Fresh != c.fresh || puts[1].Fresh {
				t.Errorf("puts %+v, want the first one fresh: %v", puts, c.fresh)
			}
		})
	}
}
