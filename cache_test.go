package rollcall_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/store/memory"
	"github.com/rollcall-id/rollcall/store/storetest"
)

func cached(o *rollcall.Options) { o.CacheSize = 8 << 20 }

// spelling encodes a page with everything in it, as JSON.
type spelling struct{}

func (spelling) AppendSession(b []byte, i int, s *rollcall.Session) []byte {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	b = append(b, "[,"[min(i, 1)])
	return append(b, text...)
}

func (spelling) AppendPage(b []byte, n int, _ rollcall.ListQuery, p rollcall.Page) []byte {
	b = append(b, "[,"[min(n, 1)])
	return fmt.Appendf(b, `{"Metadata": [{"Key": %q, "Value": "%d"}]}]`, p.Next, p.Total)
}

// spelled is the page that was encoded.
func (n node) spelled(q rollcall.ListQuery) (p rollcall.Page, err error) {
	var body []byte
	err = n.EncodedList(context.Background(), q, spelling{}, func(b []byte) { body = slices.Clone(b) })
	if err != nil {
		return p, err
	}
	if err := json.Unmarshal(body, &p.Sessions); err != nil {
		n.t.Fatalf("%v: %s", err, body)
	}
	end := p.Sessions[len(p.Sessions)-1].Metadata[0]
	p.Sessions, p.Next = p.Sessions[:len(p.Sessions)-1], end.Key
	p.Total, err = strconv.Atoi(end.Value)
	return p, err
}

// everyLook asks a node about a session and its user in every way that may be
// answered from memory.
func everyLook(n node, userID, id string, token rollcall.Token) (looks []any) {
	s, err := n.Session(context.Background(), id)
	looks = append(looks, s, rollcall.ErrorCode(err))
	s, level, err := n.Inspect(context.Background(), token.Reveal(), rollcall.Requirement{})
	looks = append(looks, s, level, rollcall.ErrorCode(err))
	for _, q := range []rollcall.ListQuery{{UserID: userID, Take: 2}, {UserID: userID, Take: 50, Total: true}} {
		page, err := n.List(context.Background(), q)
		looks = append(looks, page, rollcall.ErrorCode(err))
		for range 3 { // a page is remembered when it is asked for again
			page, err := n.spelled(q)
			looks = append(looks, page, rollcall.ErrorCode(err))
		}
	}
	return looks
}

// onlyActs are the fields that a cache leaves out, since only acts look at them.
var onlyActs = cmp.Options{cmpopts.IgnoreFields(rollcall.Session{}, "Version", "RequestDigest", "UsedKeys"), cmpopts.EquateEmpty()}

func TestACacheAnswersWhatTheStoreAnswers(t *testing.T) {
	if cacheSize > 0 {
		return // it has a cache of its own, and has run
	}
	rapid.Check(t, func(rt *rapid.T) {
		c := newClock()
		store := memory.New()
		n := newNodeOn(t, store, c, smallCache)
		plain := node{t: t, clock: c, store: store}
		others := 0
		var tokens []rollcall.Token
		users := []string{"a", "b"}
		rt.Repeat(map[string]func(*rapid.T){
			"create": func(rt *rapid.T) {
				in := signIn(rapid.SampledFrom(users).Draw(rt, "user"))
				in.IP = rapid.SampledFrom([]string{"", "192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1"}).Draw(rt, "ip")
				in.Asked.Idle = time.Duration(rapid.IntRange(0, 3).Draw(rt, "idle")) * time.Hour
				in.Metadata = []rollcall.MetadataEntry{{Key: "k", Value: rapid.StringOfN(rapid.Rune().Filter(func(r rune) bool { return r != 0 }), 0, 5, -1).Draw(rt, "value")}}
				if rapid.IntRange(0, 19).Draw(rt, "many") == 0 { // more than an image holds
					for range 70 {
						n.create(signIn(in.UserID))
					}
				}
				_, token := n.create(in)
				tokens = append(tokens, token)
			},
			"act": func(rt *rapid.T) {
				if len(tokens) == 0 {
					return
				}
				token := rapid.SampledFrom(tokens).Draw(rt, "token")
				s := rollcall.Session{ID: token.ID}
				name := rapid.SampledFrom([]string{"end", "log out", "end all", "end everybody", "update", "authenticate", "join"}).Draw(rt, "act")
				_ = acts[name](n, s, token)
			},
			"use": func(rt *rapid.T) {
				if len(tokens) == 0 {
					return
				}
				token := rapid.SampledFrom(tokens).Draw(rt, "token")
				_, _ = n.Check(context.Background(), token.Reveal(), rollcall.Use{
					IP: rapid.SampledFrom([]string{"", "192.0.2.9"}).Draw(rt, "ip"), UserAgent: rapid.SampledFrom([]string{"", "Safari"}).Draw(rt, "agent"),
				})
			},
			"let others in": func(rt *rapid.T) {
				if rapid.IntRange(0, 9).Draw(rt, "many") > 0 {
					return
				}
				for range 800 { // the oldest have to go
					others++
					n.create(signIn(fmt.Sprintf("other-%d", others)))
				}
			},
			"write": func(*rapid.T) {
				if err := n.Flush(context.Background()); err != nil {
					rt.Fatal(err)
				}
			},
			"wait": func(rt *rapid.T) {
				c.Advance(time.Duration(rapid.IntRange(1, int(2*time.Hour/time.Millisecond)).Draw(rt, "time")) * time.Millisecond)
			},
			"": func(rt *rapid.T) {
				if len(tokens) == 0 || rapid.IntRange(0, 2).Draw(rt, "look") > 0 {
					return
				}
				token := rapid.SampledFrom(tokens).Draw(rt, "token")
				got := everyLook(n, users[0], token.ID, token)
				if err := n.Flush(context.Background()); err != nil {
					rt.Fatal(err)
				}
				m, err := rollcall.New(store, rollcall.Options{Clock: c.Now})
				if err != nil {
					rt.Fatal(err)
				}
				plain.Manager = m
				agree(rt, everyLook(plain, users[0], token.ID, token), got)
			},
		})
	})
}

// TestAFillThatAnActOvertookIsDiscarded stops a reader between its read and what it
// remembers, and lets every act happen meanwhile.
func TestAFillThatAnActOvertookIsDiscarded(t *testing.T) {
	for name, act := range acts {
		for _, look := range []string{"check", "list"} {
			t.Run(name+"/"+look, func(t *testing.T) {
				store := &storetest.Faulty{Store: memory.New()}
				n := newNodeOn(t, store, newClock(), cached)
				s, token := n.forgetful().create(signIn(aUser)) // n has to read it
				var stopping atomic.Bool
				stopped, goOn := make(chan struct{}), make(chan struct{})
				store.Loaded = func() {
					if stopping.CompareAndSwap(true, false) {
						close(stopped)
						<-goOn
					}
				}
				var reader sync.WaitGroup
				stopping.Store(true)
				reader.Go(func() {
					if look == "check" {
						_, _, _ = n.Inspect(context.Background(), token.Reveal(), rollcall.Requirement{})
						return
					}
					_, _ = n.spelled(rollcall.ListQuery{UserID: aUser, Take: 50, Total: true})
				})
				<-stopped
				if err := act(n, s, token); err != nil {
					t.Fatal(err)
				}
				close(goOn)
				reader.Wait()
				n.agreesWithItsStore(aUser, s.ID, token)
			})
		}
	}
}

// agreesWithItsStore asks the node, and one that remembers nothing.
func (n node) agreesWithItsStore(userID, id string, token rollcall.Token) {
	n.t.Helper()
	got := everyLook(n, userID, id, token)
	if err := n.Flush(context.Background()); err != nil {
		n.t.Fatal(err)
	}
	agree(n.t, everyLook(n.forgetful(), userID, id, token), got)
}

// forgetful is a node on the same store that remembers nothing.
func (n node) forgetful() node {
	return newNodeOn(n.t, n.store, n.clock, func(o *rollcall.Options) { o.CacheSize = 0 })
}

// agree fails unless both looks are the same, but for what only acts look at.
func agree(t interface{ Errorf(string, ...any) }, without, with []any) {
	if bare(without) != bare(with) {
		t.Errorf("with a cache (-without +with):\n%s", cmp.Diff(without, with, onlyActs))
	}
}

func bare(looks []any) string {
	var all []any
	for _, look := range looks {
		switch look := look.(type) {
		case rollcall.Session:
			all = append(all, bareSession(look))
		case rollcall.Page:
			look.Sessions = slices.Clone(look.Sessions)
			for i, s := range look.Sessions {
				look.Sessions[i] = bareSession(s)
			}
			all = append(all, look)
		default:
			all = append(all, look)
		}
	}
	return fmt.Sprintf("%v", all)
}

func bareSession(s rollcall.Session) rollcall.Session {
	s.Version, s.RequestDigest, s.UsedKeys = 0, [32]byte{}, nil
	return s
}

func TestNothingIsRememberedOfAnActThatSaysItFailed(t *testing.T) {
	for name, act := range acts {
		t.Run(name, func(t *testing.T) {
			store := &storetest.Faulty{Store: memory.New()}
			n := newNodeOn(t, store, newClock(), cached)
			s, token := n.create(signIn(aUser))
			everyLook(n, aUser, s.ID, token)
			if name == "end others" {
				n.create(signIn(aUser)) // the act's own, which must not use the fault up
				act = func(n node, s rollcall.Session, _ rollcall.Token) error {
					return n.EndOthers(context.Background(), shop, aUser, s.ID)
				}
			}
			store.FailCommits(storetest.After)
			if err := act(n, s, token); err == nil {
				t.Fatal("the fault was not met")
			}
			n.agreesWithItsStore(aUser, s.ID, token)
		})
	}
}

func TestAnActUnderWayIsNotRememberedEitherWay(t *testing.T) {
	for _, at := range []storetest.Fault{storetest.Before, storetest.After} {
		store := &storetest.Faulty{Store: memory.New()}
		n := newNodeOn(t, store, newClock(), cached)
		s, token := n.create(signIn(aUser))
		entered, release := store.HoldCommit(at)
		var act sync.WaitGroup
		act.Go(func() {
			if err := n.End(context.Background(), shop, s.ID, rollcall.ReasonDeleted); err != nil {
				t.Error(err)
			}
		})
		<-entered
		everyLook(n, aUser, s.ID, token)
		release()
		act.Wait()
		n.agreesWithItsStore(aUser, s.ID, token)
		if n.accepts(token) {
			t.Error("an ended session is accepted")
		}
	}
}

func TestWhatIsRememberedIsNotReadAgain(t *testing.T) {
	store := &storetest.Faulty{Store: memory.New()}
	n := newNodeOn(t, store, newClock(), cached)
	s, token := n.create(signIn(aUser))
	for range 3 {
		everyLook(n, aUser, s.ID, token)
	}
	before := store.Calls().Reads
	for range 10 {
		everyLook(n, aUser, s.ID, token)
		n.clock.Advance(time.Second)
		if !n.accepts(token) {
			t.Fatal("refused")
		}
	}
	if reads := store.Calls().Reads - before; reads != 0 {
		t.Errorf("the store was read %d times", reads)
	}
}

func TestAUseShowsAtOnceInWhatIsRemembered(t *testing.T) {
	n := newNode(t, cached)
	s, token := n.create(signIn(aUser))
	for i := range 5 {
		everyLook(n, aUser, s.ID, token)
		n.clock.Advance(time.Second)
		ip := fmt.Sprintf("192.0.2.%d", 10+i)
		if _, err := n.Check(context.Background(), token.Reveal(), rollcall.Use{IP: ip, UserAgent: "Safari"}); err != nil {
			t.Fatal(err)
		}
		n.agreesWithItsStore(aUser, s.ID, token)
		page, err := n.spelled(rollcall.ListQuery{UserID: aUser, Take: 2})
		if err != nil || page.Sessions[0].Last.Origin.IP != ip || !page.Sessions[0].Last.At.Equal(n.clock.Now()) {
			t.Errorf("%v, %v", page.Sessions, err)
		}
	}
}

func TestARememberedPageIsOverWithTheFirstOfItsSessions(t *testing.T) {
	n := newNode(t, cached)
	short := signIn(aUser)
	short.Asked.Absolute = time.Hour
	n.create(short)
	n.create(signIn(aUser))
	q := rollcall.ListQuery{UserID: aUser, Take: 1, Total: true}
	total := func() int {
		t.Helper()
		page, err := n.spelled(q)
		if err != nil {
			t.Fatal(err)
		}
		return page.Total
	}
	for range 3 {
		if got := total(); got != 2 {
			t.Fatalf("total %d", got)
		}
	}
	n.clock.Advance(time.Hour)
	if got := total(); got != 1 {
		t.Errorf("total %d after one is over", got)
	}
}

// TestNoCheckThatBeganAfterAnEndingIsAccepted lets everything happen at once.
func TestNoCheckThatBeganAfterAnEndingIsAccepted(t *testing.T) {
	n := newNode(t, cached)
	var all sync.WaitGroup
	stop := make(chan struct{})
	for w := range 4 {
		user := fmt.Sprintf("user-%d", w%2)
		all.Go(func() {
			for i := range 40 {
				s, token, err := n.Create(context.Background(), shop, signIn(user))
				if err != nil {
					t.Error(err)
					return
				}
				var looking sync.WaitGroup
				ended := make(chan struct{})
				for range 3 {
					looking.Go(func() {
						for {
							over := false
							select {
							case <-ended:
								over = true
							default:
							}
							_, err := n.Check(context.Background(), token.Reveal(), rollcall.Use{})
							if over && err == nil {
								t.Error("an ended session is accepted")
							}
							page, err := n.List(context.Background(), rollcall.ListQuery{UserID: user, Take: 100})
							if err != nil {
								t.Error(err)
							}
							if over && slices.ContainsFunc(page.Sessions, func(other rollcall.Session) bool { return other.ID == s.ID }) {
								t.Error("an ended session is listed")
							}
							if over {
								return
							}
						}
					})
				}
				switch i % 3 {
				case 0:
					err = n.End(context.Background(), shop, s.ID, rollcall.ReasonDeleted)
				case 1:
					err = n.EndAll(context.Background(), shop, user, rollcall.ReasonDeleted)
				case 2:
					_, _, err = n.Authenticate(context.Background(), shop, s.ID, rollcall.Authentication{UserID: user, Methods: []rollcall.Method{{Name: "mfa"}}})
					if err == nil {
						err = n.End(context.Background(), shop, s.ID, rollcall.ReasonDeleted)
					}
				}
				if err != nil && rollcall.ErrorCode(err) != rollcall.CodeNotFound { // another writer ended all
					t.Error(err)
				}
				close(ended)
				looking.Wait()
			}
		})
	}
	var writing sync.WaitGroup
	writing.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
				_ = n.Flush(context.Background())
			}
		}
	})
	all.Wait()
	close(stop)
	writing.Wait()
}

func TestACountAtTheStartRemembersWhatItReads(t *testing.T) {
	c := newClock()
	memoryStore := memory.New()
	first := newNodeOn(t, memoryStore, c)
	type known struct {
		s     rollcall.Session
		token rollcall.Token
	}
	var all []known
	for u := range 5 {
		for range 3 {
			s, token := first.create(signIn(fmt.Sprintf("user-%d", u)))
			all = append(all, known{s, token})
		}
	}
	for range 70 {
		first.create(signIn("many"))
	}
	if err := first.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}

	store := &storetest.Faulty{Store: memoryStore}
	n := newNodeOn(t, countingStore{store, memoryStore}, c, cached)
	if got, err := n.CountLive(context.Background()); err != nil || got != 85 {
		t.Fatalf("%d, %v", got, err)
	}
	if _, err := n.Session(context.Background(), all[0].s.ID); err != nil { // reads everybody's generation
		t.Fatal(err)
	}
	before := store.Calls().Reads
	for _, k := range all {
		if !n.accepts(k.token) {
			t.Error("refused")
		}
		n.list(k.s.UserID)
	}
	if reads := store.Calls().Reads - before; reads != 0 {
		t.Errorf("the store was read %d times", reads)
	}
	for _, k := range all {
		n.agreesWithItsStore(k.s.UserID, k.s.ID, k.token)
	}
	if got := len(n.list("many")); got != 70 {
		t.Errorf("%d of a user with many", got)
	}
}

// usesAndActs are all that can happen to a session.
func usesAndActs() map[string]func(node, rollcall.Session, rollcall.Token) error {
	all := map[string]func(node, rollcall.Session, rollcall.Token) error{
		"use": func(n node, _ rollcall.Session, token rollcall.Token) error {
			n.clock.Advance(time.Second)
			_, err := n.Check(context.Background(), token.Reveal(), rollcall.Use{IP: "192.0.2.77"})
			return err
		},
		"use and write": func(n node, _ rollcall.Session, token rollcall.Token) error {
			n.clock.Advance(time.Second)
			_, err := n.Check(context.Background(), token.Reveal(), rollcall.Use{IP: "192.0.2.77"})
			return errors.Join(err, n.Flush(context.Background()))
		},
	}
	maps.Copy(all, acts)
	return all
}

// TestACountLeavesOutWhatHappenedMeanwhile lets acts and uses happen while the count
// looks at the store.
func TestACountLeavesOutWhatHappenedMeanwhile(t *testing.T) {
	for name, act := range usesAndActs() {
		t.Run(name, func(t *testing.T) {
			inner := memory.New()
			c := newClock()
			s, token := newNodeOn(t, inner, c).create(signIn(aUser))
			var n node
			n = newNodeOn(t, meanwhile{inner, func() {
				if err := act(n, s, token); err != nil {
					t.Error(err)
				}
			}}, c, cached)
			if _, err := n.CountLive(context.Background()); err != nil {
				t.Fatal(err)
			}
			n.store = inner
			n.agreesWithItsStore(aUser, s.ID, token)
		})
	}
}

// A countingStore counts by an engine that stands behind the store.
type countingStore struct {
	rollcall.Store
	rollcall.Counter
}

// meanwhile does something after a count has read its sessions, and before anybody
// is told of them.
type meanwhile struct {
	*memory.Store
	do func()
}

func (m meanwhile) CountSessions(ctx context.Context, counts func(*rollcall.Session, *rollcall.User) bool) (int, error) {
	var sessions []rollcall.Session
	var users []rollcall.User
	if _, err := m.Store.CountSessions(ctx, func(s *rollcall.Session, u *rollcall.User) bool {
		sessions, users = append(sessions, *s), append(users, *u)
		return true
	}); err != nil {
		return 0, err
	}
	m.do()
	n := 0
	for i := range sessions {
		if counts(&sessions[i], &users[i]) {
			n++
		}
	}
	return n, nil
}

// TestAUseThatWasWrittenAtOnceIsNotForgottenByAFill lets a use near the end of the
// idle time, which is written before it is answered, come between what a fill reads
// and what it remembers.
func TestAUseThatWasWrittenAtOnceIsNotForgottenByAFill(t *testing.T) {
	for _, look := range []string{"check", "list"} {
		t.Run(look, func(t *testing.T) {
			store := &storetest.Faulty{Store: memory.New()}
			n := newNodeOn(t, store, newClock(), cached)
			s, token := n.forgetful().create(signIn(aUser)) // n has to read it
			n.clock.now.Store(s.Last.IdleExpiresAt.Add(-2 * time.Second).UnixMilli())
			skip := atomic.Int32{} // reads before the one that fills
			skip.Store(-1)
			stopped, goOn := make(chan struct{}), make(chan struct{})
			store.Loaded = func() {
				if skip.Add(-1) == -1 {
					close(stopped)
					<-goOn
				}
			}
			var reader sync.WaitGroup
			if look == "check" {
				skip.Store(1)
				reader.Go(func() { _, _, _ = n.Inspect(context.Background(), token.Reveal(), rollcall.Requirement{}) })
			} else {
				skip.Store(0)
				reader.Go(func() { _, _ = n.List(context.Background(), rollcall.ListQuery{UserID: aUser, Take: 50}) })
			}
			<-stopped
			if !n.accepts(token) {
				t.Fatal("refused before its end")
			}
			close(goOn)
			reader.Wait()
			n.agreesWithItsStore(aUser, s.ID, token)
			n.clock.Advance(time.Hour)
			if !n.accepts(token) {
				t.Error("a session is refused that was used an hour ago")
			}
		})
	}
}

// TestAnIDThatIsFreeAgainIsTheNewSessions has an id of another system's come back for
// somebody else, days after the sweep removed the first session.
func TestAnIDThatIsFreeAgainIsTheNewSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		store := memory.New()
		m, err := rollcall.New(store, rollcall.Options{CacheSize: 8 << 20})
		if err != nil {
			t.Fatal(err)
		}
		n := node{Manager: m, t: t, store: store}
		var loops sync.WaitGroup
		loops.Go(func() { _ = n.Run(ctx) })
		in := signIn(aUser)
		in.ID = "made-elsewhere-0001"
		in.Asked.Absolute = time.Hour
		_, old := n.create(in)
		if !n.accepts(old) {
			t.Fatal("refused")
		}
		time.Sleep(50 * time.Hour)
		in.UserID = "auth0|2"
		_, token := n.create(in)
		if !n.accepts(token) {
			t.Error("the new session is refused")
		}
		if n.accepts(old) {
			t.Error("the old token is accepted")
		}
		stop()
		loops.Wait()
	})
}
