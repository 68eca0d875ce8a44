package rollcall

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var imageTime = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func imageSession(id string) Session {
	at := func(n int) time.Time { return imageTime.Add(time.Duration(n) * time.Millisecond) }
	return Session{
		ID: id, UserID: "auth0|ünï", SecretHash: SecretHash{1, 31: 2}, Generation: Generation{3, 4},
		CreatedAt: at(1), UpdatedAt: at(2), AuthenticatedAt: at(3), ExpiresAt: at(4), RenewedAt: at(5),
		Lifetimes: Lifetimes{Absolute: 168*time.Hour + 1, Idle: 72*time.Hour + 2}, CookieMode: NonPersistent,
		Methods: []Method{{Name: "pwd", At: at(6)}, {Name: "mfa", Type: "otp", At: at(7)}}, Clients: []string{"web", "app"},
		Metadata: []MetadataEntry{{"a", strings.Repeat("ü", 255)}, {"b", ""}},
		Initial:  Origin{IP: "192.0.2.1", UserAgent: "Firefox", ASN: "64496"},
		Last:     Interaction{At: at(8), IdleExpiresAt: at(9), Origin: Origin{IP: "2001:db8::1", UserAgent: "Safari"}},
	}
}

// recalled is what is remembered of a user.
func recalled(c *cache, userID string) (u User, found []Session, known bool) {
	var r recollection
	if !c.recall(userID, &r) {
		return User{}, nil, false
	}
	r.sessions(userID, func(s *Session) bool { found = append(found, s.clone()); return true })
	return r.image.user(), found, true
}

func TestAnImageGivesBackWhatItWasMadeOf(t *testing.T) {
	c := newCache(8<<20, nil, newTouches())
	want := []Session{imageSession("first"), imageSession("second"), {UserID: "auth0|ünï", ID: "empty", CookieMode: Persistent}}
	for i := range want[2:] {
		s := &want[2+i]
		s.CreatedAt, s.UpdatedAt, s.AuthenticatedAt, s.ExpiresAt, s.RenewedAt = imageTime, imageTime, imageTime, imageTime, imageTime
		s.Last.At, s.Last.IdleExpiresAt = imageTime, imageTime
	}
	u := User{ID: "auth0|ünï", Generation: 7}
	c.fill(u, want, c.clock.word(u.ID).Load(), func(*Session) bool { return true })
	gotUser, got, known := recalled(c, u.ID)
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" || !known || gotUser != u {
		t.Errorf("known %v, user %v (-want +got):\n%s", known, gotUser, diff)
	}
	for i := range want {
		var s Session
		if !c.session(want[i].ID, &s, &gotUser) || gotUser != u {
			t.Fatalf("%s is not known", want[i].ID)
		}
		if diff := cmp.Diff(want[i], s, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

func TestWhatAnImageCannotHoldIsNotRemembered(t *testing.T) {
	long := imageSession("long")
	for range 200 {
		long.Metadata = append(long.Metadata, MetadataEntry{"k", strings.Repeat("x", 1000)})
	}
	odd := imageSession("odd")
	odd.Last.Origin.IP = "::ffff:192.0.2.1" // would come back as another text
	for _, s := range []Session{long, odd} {
		c := newCache(8<<20, nil, newTouches())
		c.fill(User{ID: s.UserID}, []Session{s}, c.clock.word(s.UserID).Load(), func(*Session) bool { return true })
		if _, _, known := recalled(c, s.UserID); known {
			t.Errorf("%s is remembered", s.ID)
		}
	}
}

func TestTheCacheKeepsItsBoundAndWhatIsUsed(t *testing.T) {
	const size = 64 << 20
	c := newCache(size, nil, newTouches())
	fillUser := func(i int) string {
		s := imageSession(fmt.Sprintf("session-%07d", i))
		s.UserID = fmt.Sprintf("user-%07d", i)
		c.fill(User{ID: s.UserID}, []Session{s}, c.clock.word(s.UserID).Load(), func(*Session) bool { return true })
		return s.UserID
	}
	used := fillUser(0)
	const users = 150_000
	for i := 1; i < users; i++ {
		fillUser(i)
		if i%1000 == 0 {
			if _, _, known := recalled(c, used); !known {
				t.Fatalf("what is used is gone after %d others", i)
			}
		}
	}
	indexed := 0
	for i := range c.users {
		shard := &c.users[i]
		indexed += len(shard.index)
		for hash, p := range shard.index {
			if p.offset() >= len(shard.segments[p.segment()]) || shard.hash(p) != hash {
				t.Fatal("the index points to what is gone")
			}
			if c.byteAt(shard.number|location(p)) != shard.byteAt(p) {
				t.Fatal("what is asked for ahead is not what is read then")
			}
		}
	}
	if int64(len(c.memory)) > size/2 || indexed < users/5 || indexed > users*9/10 {
		t.Errorf("%d bytes of %d for images, %d users remembered", len(c.memory), size, indexed)
	}
}

func TestTheCacheBeginsAnewWhenItsWordsRunOut(t *testing.T) {
	c := newCache(8<<20, nil, newTouches())
	for i := range maxNumber + 10 {
		s := imageSession("session")
		s.Initial.UserAgent = fmt.Sprintf("agent %d", i)
		c.fill(User{ID: s.UserID}, []Session{s}, c.clock.word(s.UserID).Load(), func(*Session) bool { return true })
	}
	_, got, known := recalled(c, "auth0|ünï")
	if !known || got[0].Initial.UserAgent != fmt.Sprintf("agent %d", maxNumber+9) {
		t.Errorf("known %v: %v", known, got)
	}
	if n := len(c.dictionaries.Load().texts.numbers); n > 100 {
		t.Errorf("%d words", n)
	}
}

func newTouches() *pendingTouches {
	var p pendingTouches
	p.init()
	return &p
}

func TestAnActOfAUserWhoSharesTheWordChangesNothing(t *testing.T) {
	c := newCache(8<<20, nil, newTouches())
	s := imageSession("session")
	hash := c.clock.hash(s.UserID)
	c.fill(User{ID: s.UserID}, []Session{s}, c.clock.of(hash).Load(), func(*Session) bool { return true })
	c.clock.of(hash).Add(actCounted + actUnderWay) // another user's commit begins
	if _, _, known := recalled(c, s.UserID); !known {
		t.Error("a stranger's act counts as the user's")
	}
	before := c.clock.of(hash).Load()
	c.fill(User{ID: s.UserID}, nil, before, func(*Session) bool { return false })
	ended := c.committing(s.UserID)
	if _, _, known := recalled(c, s.UserID); known {
		t.Error("it is remembered while an act is under way")
	}
	ended()
	if _, _, known := recalled(c, s.UserID); known {
		t.Error("it is remembered after an act of which nothing is known")
	}
}

func TestWhatWasNotToldOfAnActIsNotGoodAfterTheNext(t *testing.T) {
	u := User{ID: "auth0|ünï", Version: 1}
	change := Change{UserID: u.ID, User: &PutUser{User: u, Replaces: 1}}
	for name, lose := range map[string]func(*cache){
		"an act that failed":    func(c *cache) { c.committing(u.ID)() },
		"a removal":             func(c *cache) { c.removing(u.ID)() },
		"a removal meanwhile":   func(*cache) {},
		"nothing, for contrast": nil,
	} {
		t.Run(name, func(t *testing.T) {
			c := newCache(8<<20, nil, newTouches())
			s := imageSession("session")
			s.Generation.User = 0
			c.fill(u, []Session{s}, c.clock.word(u.ID).Load(), func(*Session) bool { return true })
			if lose != nil {
				lose(c)
			}
			ended := c.committing(u.ID)
			if name == "a removal meanwhile" {
				c.removing(u.ID)()
			}
			c.committed(&change)
			ended()
			if _, _, known := recalled(c, u.ID); known != (lose == nil) {
				t.Errorf("remembered: %v", known)
			}
		})
	}
}
