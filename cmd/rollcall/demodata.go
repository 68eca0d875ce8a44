package main

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"sort"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/sessions"
)

const (
	demoUsers    = 120
	demoMany     = 2000
	demoManyUser = "auth0|507f1f77bcf86cd799439999"
)

func demoUser(i int) string {
	switch i % 4 {
	case 1:
		return fmt.Sprintf("google-oauth2|1154%017d", i*7919)
	case 2:
		return fmt.Sprintf("github|%d", 583231+i)
	}
	return fmt.Sprintf("auth0|507f1f77bcf86cd7994390%02x", 32+i)
}

// A past is a clock that is moved along the past.
type past struct{ now atomic.Int64 }

func newPast(now time.Time) *past {
	p := &past{}
	p.now.Store(now.UnixMilli())
	return p
}

// Now is the clock's reading.
func (p *past) Now() time.Time { return time.UnixMilli(p.now.Load()) }

// A visit is a sign-in at some time, and what came of it.
type visit struct {
	at      time.Time
	session rollcall.NewSession
	uses    []rollcall.Use
	ends    bool
}

var (
	demoAgents = []string{
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15",
		"Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Mobile/15E148 Safari/604.1",
		"Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36",
		"ShopApp/5.12.0 (iOS 26.1; iPhone16,2)",
	}
	demoClients = []string{"web-shop", "mobile-app", "back-office", "help-center"}
)

// demoVisits makes up the sign-ins of the past days: always the same ones, at
// times before now.
func demoVisits(now time.Time) []visit {
	r := rand.New(rand.NewPCG(1, 2))
	var visits []visit
	for i := range demoUsers {
		for range 1 + r.IntN(5) {
			visits = append(visits, newVisit(r, demoUser(i), now.Add(-time.Duration(r.Int64N(int64(70*time.Hour))))))
		}
	}
	for range demoMany {
		v := newVisit(r, demoManyUser, now.Add(-time.Duration(r.Int64N(int64(70*time.Hour)))))
		v.uses, v.ends = nil, false
		visits = append(visits, v)
	}
	visits = append(visits, newVisit(r, demoUser(0), now.Add(-20*time.Minute)), newVisit(r, demoUser(0), now.Add(-3*time.Minute)))
	visits[len(visits)-1].ends = false
	sort.Slice(visits, func(i, j int) bool { return visits[i].at.Before(visits[j].at) })
	return visits
}

func newVisit(r *rand.Rand, userID string, at time.Time) visit {
	v := visit{at: at, ends: r.IntN(12) == 0}
	ip := demoIP(r)
	v.session = rollcall.NewSession{
		UserID: userID, ClientID: demoClients[r.IntN(len(demoClients))],
		Methods: []rollcall.Method{{Name: []string{"pwd", "pwd", "federated", "passkey"}[r.IntN(4)]}},
		IP:      ip, UserAgent: demoAgents[r.IntN(len(demoAgents))],
	}
	if r.IntN(3) == 0 {
		v.session.Methods = append(v.session.Methods, rollcall.Method{Name: "mfa", Type: []string{"otp", "webauthn-roaming", "push-notification"}[r.IntN(3)]})
	}
	if r.IntN(4) == 0 && at.After(time.Now().Add(-20*time.Hour)) {
		v.session.CookieMode = rollcall.NonPersistent
	}
	if r.IntN(5) == 0 {
		v.session.Metadata = []rollcall.MetadataEntry{{Key: "device_name", Value: []string{"Kitchen tablet", "Work laptop", "Phone"}[r.IntN(3)]}}
	}
	for range r.IntN(2) {
		if r.IntN(2) == 0 {
			ip = demoIP(r)
		}
		v.uses = append(v.uses, rollcall.Use{IP: ip, UserAgent: v.session.UserAgent, ClientID: demoClients[r.IntN(len(demoClients))]})
	}
	return v
}

// demoIP makes an address of those that are reserved for documentation.
func demoIP(r *rand.Rand) string {
	switch r.IntN(4) {
	case 0:
		return fmt.Sprintf("2001:db8:%x::%x", r.IntN(1<<16), 1+r.IntN(1<<12))
	case 1:
		return fmt.Sprintf("192.0.2.%d", 1+r.IntN(254))
	case 2:
		return fmt.Sprintf("198.51.100.%d", 1+r.IntN(254))
	}
	return fmt.Sprintf("203.0.113.%d", 1+r.IntN(254))
}

// together groups visits that are played at once, at one instant. Those since lately
// are what people look at, so each of them has its own.
func together(visits []visit, lately time.Time) iter.Seq[[]visit] {
	at := sort.Search(len(visits), func(i int) bool { return !visits[i].at.Before(lately) })
	return func(yield func([]visit) bool) {
		for group := range slices.Chunk(visits[:at], 32) {
			if !yield(group) {
				return
			}
		}
		for group := range slices.Chunk(visits[at:], 1) {
			if !yield(group) {
				return
			}
		}
	}
}

// play makes visits that lie close together, at once, at the time of the first.
// What came of the visits before is made up for first: the sessions are used,
// and some end, hours after they began.
func play(ctx context.Context, m *sessions.Manager, clock *past, visits []visit, out *seeded) error {
	clock.now.Store(visits[0].at.UnixMilli())
	if err := goOn(ctx, m, out.earlier); err != nil {
		return err
	}
	var all errgroup.Group
	out.earlier = make([]earlier, len(visits))
	for i, v := range visits {
		all.Go(func() error {
			s, token, err := m.Create(ctx, rollcall.Caller{ID: v.session.ClientID, IP: v.session.IP}, v.session)
			out.earlier[i] = earlier{visit: v, id: s.ID, token: token.Reveal()}
			return err
		})
	}
	out.sessions += len(visits)
	if err := all.Wait(); err != nil {
		return err
	}
	for _, e := range out.earlier {
		if e.visit.session.UserID == demoUser(0) && !e.visit.ends {
			out.token = e.token
		}
	}
	return nil
}

// An earlier visit has its session.
type earlier struct {
	visit     visit
	id, token string
}

// goOn makes up for what came of earlier visits, now.
func goOn(ctx context.Context, m *sessions.Manager, visits []earlier) error {
	var all errgroup.Group
	for _, e := range visits {
		all.Go(func() error { return e.goOn(ctx, m) })
	}
	return all.Wait()
}

func (e earlier) goOn(ctx context.Context, m *sessions.Manager) error {
	for _, use := range e.visit.uses {
		if _, err := m.Check(ctx, e.token, use); err != nil {
			return err
		}
	}
	if e.visit.ends {
		return m.End(ctx, rollcall.Caller{ID: "support"}, e.id, rollcall.ReasonRevoked)
	}
	return nil
}
