package sessions_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/internal/doortest"
	"github.com/rollcall-id/rollcall/management"
	"github.com/rollcall-id/rollcall/sessions"
	"github.com/rollcall-id/rollcall/store/memory"
	"github.com/rollcall-id/rollcall/store/storetest"
)

// t0 is when the clocks of tests begin.
var t0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// A clock that tests move.
type clock struct{ now atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.now.Store(t0.UnixMilli())
	return c
}

func (c *clock) Now() time.Time { return time.UnixMilli(c.now.Load()).UTC() }

func (c *clock) Advance(d time.Duration) { c.now.Add(d.Milliseconds()) }

// A node is a Manager on a store, with its clock.
type node struct {
	*sessions.Manager
	t     *testing.T
	clock *clock
	store rollcall.Store
	door  *management.Door // keeps listings in as much memory as the Manager has
}

func newNode(t *testing.T, configure ...func(*sessions.Options)) node {
	t.Helper()
	return newNodeOn(t, memory.New(), newClock(), configure...)
}

func newNodeOn(t *testing.T, store rollcall.Store, c *clock, configure ...func(*sessions.Options)) node {
	t.Helper()
	o := sessions.Options{Clock: c.Now, DerivationKeys: []rollcall.DerivationKey{{1, 2, 3}}}
	for _, f := range configure {
		f(&o)
	}
	m, err := sessions.New(store, o)
	if err != nil {
		t.Fatal(err)
	}
	return node{Manager: m, t: t, clock: c, store: store, door: newDoor(m, o.Memory)}
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
	page, err := n.Events(context.Background(), rollcall.EventsAfter{Limit: 10_000})
	if err != nil {
		n.t.Fatal(err)
	}
	var out []string
	for _, e := range page.Events {
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
		n.must(n.Flush(context.Background()))
		n.clock.Advance(min(left, 24*time.Hour))
	}
}

// withMemory sets Options.Memory, in bytes; with 0 a Manager remembers nothing.
func withMemory(size int64) func(*sessions.Options) {
	return func(o *sessions.Options) { o.Memory = size }
}

// cached lets a Manager remember what nearly all tests make.
func cached(o *sessions.Options) { o.Memory = 4 << 20 }

// smallCache has room for some five thousand users of these tests.
func smallCache(o *sessions.Options) { o.Memory = 512 << 10 }

// eachMemory runs a test twice, as two subtests: with Managers that read everything from the
// store, and with Managers that remember. size is their Options.Memory in bytes.
func eachMemory(t *testing.T, test func(t *testing.T, size int64)) {
	t.Run("without memory", func(t *testing.T) { test(t, 0) })
	t.Run("with memory", func(t *testing.T) { test(t, 4<<20) })
}

// newDoor is a door for callers who may do everything.
func newDoor(m *sessions.Manager, pageMemory int64) *management.Door {
	return management.New(management.Options{
		Manager: m, Logger: slog.New(slog.DiscardHandler), PageMemory: pageMemory,
		Authenticate: func(http.ResponseWriter, *http.Request) (rollcall.Caller, bool) {
			return rollcall.Caller{Scopes: rollcall.Scopes()}, true
		},
	})
}

// A listing is a page as the door answers it, and what tests look at.
type listing struct {
	text     string
	Sessions []struct {
		ID     string
		LastAt time.Time `json:"last_interacted_at"`
		Device struct {
			LastIP string `json:"last_ip"`
		}
	}
	Total int
}

// listed asks the door for a page.
func (n node) listed(q rollcall.ListQuery) (l listing) {
	n.t.Helper()
	target := fmt.Sprintf("/api/v2/users/%s/sessions?take=%d&include_totals=%t&from=%s", url.PathEscape(q.UserID), q.Take, q.Total, url.QueryEscape(q.From))
	w := doortest.Serve(n.door, http.MethodGet, target, "")
	l.text = w.Body.String()
	if err := json.Unmarshal(w.Body.Bytes(), &l); w.Code == http.StatusOK && err != nil {
		n.t.Errorf("%v: %s", err, l.text)
	}
	return l
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
		for range 3 { // a page is kept when it is asked for again
			looks = append(looks, n.listed(q).text)
		}
	}
	return looks
}

// onlyActs are the fields that a cache leaves out, since only acts look at them.
var onlyActs = cmp.Options{cmpopts.IgnoreFields(rollcall.Session{}, "Version", "RequestDigest", "UsedKeys"), cmpopts.EquateEmpty()}

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
	return newNodeOn(n.t, n.store, n.clock, func(o *sessions.Options) { o.Memory = 0 })
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

// An act is one of the Manager's, on a session that is there.
var acts = map[string]func(node, rollcall.Session, rollcall.Token) error{
	"create": func(n node, _ rollcall.Session, _ rollcall.Token) error {
		in := signIn(aUser)
		in.IdempotencyKey = "again"
		_, _, err := n.Create(context.Background(), shop, in)
		return err
	},
	"end": func(n node, s rollcall.Session, _ rollcall.Token) error {
		return n.End(context.Background(), shop, s.ID, rollcall.ReasonDeleted)
	},
	"log out": func(n node, _ rollcall.Session, token rollcall.Token) error {
		_, err := n.EndByToken(context.Background(), rollcall.Caller{}, token.Reveal())
		return err
	},
	"end all": func(n node, _ rollcall.Session, _ rollcall.Token) error {
		return n.EndAll(context.Background(), shop, aUser, rollcall.ReasonDeleted)
	},
	"end others": func(n node, s rollcall.Session, _ rollcall.Token) error {
		n.create(signIn(aUser))
		return n.EndOthers(context.Background(), shop, aUser, s.ID)
	},
	"end everybody": func(n node, _ rollcall.Session, _ rollcall.Token) error {
		return n.EndEverybody(context.Background(), shop)
	},
	"update": func(n node, s rollcall.Session, _ rollcall.Token) error {
		_, err := n.UpdateMetadata(context.Background(), shop, s.ID, []rollcall.MetadataEntry{{Key: "a", Value: "1"}})
		return err
	},
	"authenticate": func(n node, s rollcall.Session, _ rollcall.Token) error {
		_, _, err := n.Authenticate(context.Background(), shop, s.ID, rollcall.Authentication{UserID: aUser, Methods: []rollcall.Method{{Name: "mfa"}}})
		return err
	},
	"join": func(n node, _ rollcall.Session, token rollcall.Token) error {
		_, err := n.Check(context.Background(), token.Reveal(), rollcall.Use{ClientID: "blog"})
		return err
	},
}

// faulty is a node whose store fails when told to, with one session.
func faulty(t *testing.T, size int64, configure ...func(*sessions.Options)) (node, *storetest.Faulty, rollcall.Session, rollcall.Token) {
	t.Helper()
	store := &storetest.Faulty{Store: memory.New()}
	n := newNodeOn(t, store, newClock(), append(configure, withMemory(size))...)
	s, token := n.create(signIn(aUser))
	return n, store, s, token
}

// state is everything that a user can see, and the events.
func (n node) state() []any {
	n.t.Helper()
	page, err := n.List(context.Background(), rollcall.ListQuery{UserID: aUser, Take: 100, Total: true})
	n.must(err)
	for i := range page.Sessions {
		page.Sessions[i].Last = rollcall.Interaction{}
	}
	return []any{page, n.events()}
}
