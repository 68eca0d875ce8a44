package storetest

import (
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-id/rollcall"
)

var valueClauses = []Clause{
	{"Values", "instants come back in UTC", testInstants},
	{"Values", "the first and the last instants come back", testFarInstants},
	{"Values", "texts come back byte for byte", testTexts},
	{"Values", "addresses come back as they were put", testAddresses},
	{"Values", "numbers come back whole", testNumbersWhole},
}

// testInstants puts every instant in another zone: the same instants come back, in UTC.
func testInstants(t *testing.T, h Harness) {
	s := open(t, h)
	elsewhere := time.FixedZone("elsewhere", 5*3600+1800)
	away := func(p any) {
		eachInstant(p, func(_ string, at *time.Time) { *at = at.In(elsewhere) })
	}
	inUTC := func(what string, p any) {
		t.Helper()
		eachInstant(p, func(path string, at *time.Time) {
			if at.Location() != time.UTC {
				t.Errorf("%s%s comes back as %v", what, path, at)
			}
		})
	}
	user, everybody, session, event := newUser("u"), newEverybody(), newSession("u", sessionID(1), t0).Ended(newEnding(t0)), newEvent("u", 1)
	touched, ended, filed := newSession("u", sessionID(2), t0), newSession("u", sessionID(3), t0), t0.Add(time.Hour)
	use, end := interaction(time.Hour, "192.0.2.7"), unread(ended, newEnding(t0.Add(time.Minute)))
	for _, p := range []any{&user, &everybody, &session, &event, &touched, &use, &end, &filed} {
		away(p)
	}
	s.row("u")
	s.commit(rollcall.Change{Everybody: &rollcall.PutEverybody{Everybody: everybody}})
	s.commit(rollcall.Change{
		UserID: "u", User: &rollcall.PutUser{User: user, Replaces: firstVersion}, Events: []rollcall.Event{event},
		Sessions: []rollcall.PutSession{{Session: session, FileAt: filed}, {Session: touched}, {Session: ended}},
	})
	s.touch("u", touched.ID, use)
	left := s.commit(ending(s.user("u"), end))

	st, list, err := s.Sessions(background, rollcall.SessionsOf{UserID: "u", Ended: true, Limit: 10})
	s.fails("Sessions", err, nil)
	user.Version, user.Events, everybody.Version = firstVersion+2, 1, 1
	session.Version, touched.Version, touched.Last, ended = 1, 1, use, ended.Ended(end.Ending)
	ended.Version = 2
	s.same("the list", []rollcall.Session{session, touched, ended}, list)
	s.same("the standing", rollcall.Standing{User: user, Everybody: everybody}, st)
	got, st2, err := s.Session(background, rollcall.At{ID: session.ID, UserID: "u", CreatedAt: session.CreatedAt})
	s.fails("Session", err, nil)
	s.same("a session", session, got)
	events := s.log(1)
	s.same("an event", event, events[0].Event)
	_, seen, _ := s.walk("", never)
	walked := seen["u"]
	for what, p := range map[string]any{
		"a standing": &st, "a session's standing": &st2, "a standing left": &left, "a listed session": &list, "a session": &got, "an event": &events, "a walk": &walked,
	} {
		inUTC(what, p)
	}
	// A position counts by its instant, wherever that was written down.
	after := rollcall.Position{CreatedAt: t0.Add(time.Millisecond).In(elsewhere), ID: "zzz"}
	_, list, err = s.Sessions(background, rollcall.SessionsOf{UserID: "u", Ended: true, After: after, Limit: 10})
	s.fails("Sessions", err, nil)
	s.same("what follows a position", 3, len(list))
	s.sweep(rollcall.Sweep{SessionsBefore: t0.Add(time.Hour + time.Millisecond).In(elsewhere), Limit: 10, Decide: func(w rollcall.Walked) rollcall.Verdict {
		inUTC("what is decided on", &w)
		s.same("what is due", session, *w.Session)
		return rollcall.Verdict{FileAt: forever.In(elsewhere)}
	}})
}

func testFarInstants(t *testing.T, h Harness) {
	s := open(t, h)
	first, last := time.UnixMilli(0).UTC(), time.Date(9999, 12, 31, 23, 59, 59, 999e6, time.UTC)
	bare := rollcall.Session{ID: sessionID(1), UserID: "u", CreatedAt: first, ExpiresAt: first.Add(time.Millisecond), Lifetimes: rollcall.Lifetimes{Absolute: math.MaxInt64}}
	far := newSession("u", sessionID(2), t0)
	eachInstant(&far, func(_ string, at *time.Time) { *at = last })
	u, everybody := newUser("u"), newEverybody()
	u.GenerationAt, u.TokenGenerationAt, everybody.GenerationAt = last, last, last
	s.row("u")
	s.commit(rollcall.Change{Everybody: &rollcall.PutEverybody{Everybody: everybody}})
	s.commit(rollcall.Change{
		UserID: "u", User: &rollcall.PutUser{User: u, Replaces: firstVersion},
		Sessions: []rollcall.PutSession{{Session: bare}, {Session: far}},
	})
	bare.Version, far.Version, everybody.Version, u.Version, u.Events = 1, 1, 1, firstVersion+1, 0
	s.same("a session of next to nothing", bare, s.session(bare.ID))
	s.same("a session at the end of time", far, s.session(far.ID))
	s.same("the list, newest first", []rollcall.Session{far, bare}, s.sessions("u", false))
	s.same("the standing", rollcall.Standing{User: u, Everybody: everybody}, s.standing("u"))
	_, list, err := s.Sessions(background, rollcall.SessionsOf{UserID: "u", After: far.Position(), Limit: 10})
	s.fails("Sessions", err, nil)
	s.same("what follows the last instant", []rollcall.Session{bare}, list)
	s.touch("u", bare.ID, rollcall.Interaction{At: last, IdleExpiresAt: last})
	s.same("a use at the end of time", last, s.session(bare.ID).Last.At)
	var due []string
	s.sweep(rollcall.Sweep{SessionsBefore: last, Limit: 10, Decide: func(w rollcall.Walked) rollcall.Verdict {
		due = append(due, w.Session.ID)
		return rollcall.Verdict{FileAt: last}
	}})
	s.same("what is due before the end of time", []string{bare.ID}, due)
}

// testTexts puts what is text, and just so, into every text, ids among them.
func testTexts(t *testing.T, h Harness) {
	s := open(t, h)
	ugly := []string{
		"", " ", "\x01", "\x7f", "\u0080", "|/\x1f", "\t\r\n", "😀", "'\"\\%_", "\\x00", "$1", "{}", "\u00a0", "\ufeff", "\ufffd", "\uffff", "\U0010ffff",
		"e\u0301", "é", "İ", "<&>", "\u2028", strings.Repeat("ü", 2000),
	}
	for i, text := range ugly {
		short := text
		if len(short) > 255 {
			short = "short" // what is found by this text
		}
		session, event, user := newSession("", "", t0).Ended(newEnding(t0)), newEvent("", i), newUser("")
		for _, p := range []any{&session, &event, &user} {
			eachText(p, func(path string, v reflect.Value) {
				switch {
				case p == &session && (strings.HasSuffix(path, ".IP") || strings.HasSuffix(path, ".ASN")):
				case strings.HasSuffix(path, "ID"):
					v.SetString("text" + path + short)
				default:
					v.SetString("text" + path + text)
				}
			})
		}
		userID := "user" + short
		session.UserID, event.UserID, user.ID = userID, userID, userID
		session.ID = fmt.Sprintf("%s %d", session.ID, i)
		s.row(userID)
		s.commit(rollcall.Change{
			UserID: userID, User: &rollcall.PutUser{User: user, Replaces: firstVersion},
			Sessions: []rollcall.PutSession{{Session: session}}, Events: []rollcall.Event{event},
		})
		session.Version, user.Version, user.Events = 1, firstVersion+1, 1
		s.same("a session", session, s.session(session.ID))
		s.same("its user's list", []rollcall.Session{session}, s.sessions(userID, true))
		s.same("the user's row", user, s.user(userID))
		s.same("the user's events", event, s.many(1, s.read(rollcall.EventsAfter{UserID: userID, Types: []rollcall.EventType{event.Type}, Limit: 10}))[0].Event)

		live := newSession(userID, fmt.Sprintf("live %s %d", short, i), t0.Add(time.Second))
		s.commit(creation(s.user(userID), live))
		live.Version, live.Last = 1, rollcall.Interaction{At: t0.Add(time.Hour), Origin: rollcall.Origin{UserAgent: text}}
		s.touch(userID, live.ID, live.Last)
		s.same("a touched session", live, s.session(live.ID))
		e := unread(live, rollcall.Ending{EndedAt: t0, EndReason: rollcall.Reason("r" + text), EndedBy: "b" + text})
		s.commit(ending(s.user(userID), e))
		live = live.Ended(e.Ending)
		live.Version++
		s.same("a session that was ended unread", live, s.session(live.ID))

		everybody := rollcall.Everybody{Generation: uint64(i), GenerationBy: "by" + text, Clients: map[string]uint64{text: 1, "client" + text: 2}}
		d := rollcall.PutDocument{Name: "document" + short, Body: []byte(text + "\x00\xff")}
		s.commit(rollcall.Change{Documents: []rollcall.PutDocument{d}, Everybody: &rollcall.PutEverybody{Everybody: everybody, Replaces: uint64(i)}})
		s.same("everybody", version(everybody, uint64(i+1)), s.everybody())
	}
	for _, text := range ugly {
		if len(text) < 256 {
			s.same("a document", rollcall.Document{Name: "document" + text, Version: 1, Body: []byte(text + "\x00\xff")}, s.document("document"+text))
			s.same("a user", firstVersion+3, int(s.user("user"+text).Version))
		}
	}
	order, seen, _ := s.walk("", never)
	s.same("a walk", len(ugly), len(order))
	s.same("what is seen", len(ugly), len(seen))
}

func testAddresses(t *testing.T, h Harness) {
	s := open(t, h)
	s.row("u")
	for i, ip := range []string{"", "0.0.0.0", "192.0.2.1", "255.255.255.255", "::", "::1", "2001:db8::1", "fe80::1", "2001:db8:0:1:1:1:1:1", "64:ff9b::192.0.2.1", "64:ff9b::c000:201"} {
		asn := []string{"", "0", "64496", "4294967295"}[i%4]
		session := newSession("u", sessionID(i), t0)
		session.Initial.IP, session.Last.Origin.IP, session.Initial.ASN, session.Last.Origin.ASN = ip, ip, asn, asn
		c := replacement(session)
		if c.Check() != nil {
			continue // not canonical: no engine is given this
		}
		s.commit(c)
		session.Version = 1
		s.same("a session", session, s.session(session.ID))
		session.Last = rollcall.Interaction{At: t0.Add(time.Hour), Origin: rollcall.Origin{IP: ip, ASN: asn}}
		s.touch("u", session.ID, session.Last)
		s.same("a touched session", session, s.session(session.ID))
	}
}

func testNumbersWhole(t *testing.T, h Harness) {
	s := open(t, h)
	s.row("u")
	const most = math.MaxInt64
	u := newUser("u")
	u.Generation, u.TokenGeneration = most, most
	session := newSession("u", sessionID(1), t0)
	session.Generation = rollcall.Generation{User: most, Everybody: most}
	session.Lifetimes = rollcall.Lifetimes{Absolute: most, Idle: 1}
	event := newEvent("u", 1)
	event.Count, event.Generation, event.TokenGeneration = math.MaxInt32, most, most
	everybody := rollcall.Everybody{Generation: most, Settings: most, Clients: map[string]uint64{"web": most}}
	s.commit(rollcall.Change{Everybody: &rollcall.PutEverybody{Everybody: everybody}})
	s.commit(rollcall.Change{
		UserID: "u", User: &rollcall.PutUser{User: u, Replaces: firstVersion}, Sessions: []rollcall.PutSession{{Session: session}}, Events: []rollcall.Event{event},
	})
	session.Version, u.Version, u.Events = 1, firstVersion+1, 1
	s.same("the session", session, s.session(session.ID))
	s.same("the standing", rollcall.Standing{User: u, Everybody: version(everybody, 1)}, s.standing("u"))
	s.same("the event", event, s.log(1)[0].Event)
}
