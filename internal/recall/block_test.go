package recall

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rollcall-id/rollcall"
)

// newMemory is a memory as large as a Manager makes it of 8 MiB, whose spilled uses nobody
// looks at.
func newMemory() *Memory { return newMemoryThatSpills(func(rollcall.Touch) {}) }

func newMemoryThatSpills(spilled func(rollcall.Touch)) *Memory { return New(8<<20/20*9, spilled) }

var imageTime = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func imageSession(id string) rollcall.Session {
	at := func(n int) time.Time { return imageTime.Add(time.Duration(n) * time.Millisecond) }
	return rollcall.Session{
		ID: id, UserID: "auth0|ünï", SecretHash: rollcall.SecretHash{1, 31: 2}, Generation: rollcall.Generation{User: 3, Everybody: 4},
		CreatedAt: at(1), UpdatedAt: at(2), AuthenticatedAt: at(3), ExpiresAt: at(4), RenewedAt: at(5),
		Lifetimes: rollcall.Lifetimes{Absolute: 168*time.Hour + 1, Idle: 72*time.Hour + 2}, CookieMode: rollcall.NonPersistent,
		Methods: []rollcall.Method{{Name: "pwd", At: at(6)}, {Name: "mfa", Type: "otp", At: at(7)}}, Clients: []string{"web", "app"},
		Metadata: []rollcall.MetadataEntry{{Key: "a", Value: strings.Repeat("ü", 255)}, {Key: "b"}},
		Initial:  rollcall.Origin{IP: "192.0.2.1", UserAgent: "Firefox", ASN: "64496"},
		Last:     rollcall.Interaction{At: at(8), IdleExpiresAt: at(9), Origin: rollcall.Origin{IP: "2001:db8::1", UserAgent: "Safari"}},
	}
}

// recalled is what is remembered of a user.
func recalled(c *Memory, userID string) (u rollcall.User, found []rollcall.Session, known bool) {
	var r Recollection
	if !c.Recall(userID, &r) {
		return rollcall.User{}, nil, false
	}
	r.Sessions(userID, func(s *rollcall.Session) bool { found = append(found, s.Clone()); return true })
	return r.User(), found, true
}

func TestAnImageGivesBackWhatItWasMadeOf(t *testing.T) {
	c := newMemory()
	want := []rollcall.Session{imageSession("first"), imageSession("second"), {UserID: "auth0|ünï", ID: "empty", CookieMode: rollcall.Persistent}}
	for i := range want[2:] {
		s := &want[2+i]
		s.CreatedAt, s.UpdatedAt, s.AuthenticatedAt, s.ExpiresAt, s.RenewedAt = imageTime, imageTime, imageTime, imageTime, imageTime
		s.Last.At, s.Last.IdleExpiresAt = imageTime, imageTime
	}
	u := rollcall.User{ID: "auth0|ünï", Generation: 7}
	c.Fill(u, want, c.clock.word(u.ID).Load(), func(*rollcall.Session) bool { return true })
	gotUser, got, known := recalled(c, u.ID)
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" || !known || gotUser != u {
		t.Errorf("known %v, user %v (-want +got):\n%s", known, gotUser, diff)
	}
	for i := range want {
		var s rollcall.Session
		if !c.Session(want[i].ID, &s, &gotUser) || gotUser != u {
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
		long.Metadata = append(long.Metadata, rollcall.MetadataEntry{Key: "k", Value: strings.Repeat("x", 1000)})
	}
	odd := imageSession("odd")
	odd.Last.Origin.IP = "::ffff:192.0.2.1" // would come back as another text
	for _, s := range []rollcall.Session{long, odd} {
		c := newMemory()
		c.Fill(rollcall.User{ID: s.UserID}, []rollcall.Session{s}, c.clock.word(s.UserID).Load(), func(*rollcall.Session) bool { return true })
		if _, _, known := recalled(c, s.UserID); known {
			t.Errorf("%s is remembered", s.ID)
		}
	}
}

func TestTheCacheKeepsItsBoundAndWhatIsUsed(t *testing.T) {
	const images = 64 << 20 / 20 * 9 // what a Manager gives of 64 MiB
	c := New(images, func(rollcall.Touch) {})
	fillUser := func(i int) string {
		s := imageSession(fmt.Sprintf("session-%07d", i))
		s.UserID = fmt.Sprintf("user-%07d", i)
		c.Fill(rollcall.User{ID: s.UserID}, []rollcall.Session{s}, c.clock.word(s.UserID).Load(), func(*rollcall.Session) bool { return true })
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
	if int64(len(c.memory)) > images || indexed < users/5 || indexed > users*9/10 {
		t.Errorf("%d bytes of %d for images, %d users remembered", len(c.memory), images, indexed)
	}
}

func TestTheCacheBeginsAnewWhenItsWordsRunOut(t *testing.T) {
	c := newMemory()
	for i := range maxNumber + 10 {
		s := imageSession("session")
		s.Initial.UserAgent = fmt.Sprintf("agent %d", i)
		c.Fill(rollcall.User{ID: s.UserID}, []rollcall.Session{s}, c.clock.word(s.UserID).Load(), func(*rollcall.Session) bool { return true })
	}
	_, got, known := recalled(c, "auth0|ünï")
	if !known || got[0].Initial.UserAgent != fmt.Sprintf("agent %d", maxNumber+9) {
		t.Errorf("known %v: %v", known, got)
	}
	if n := len(c.dictionaries.Load().texts.numbers); n > 100 {
		t.Errorf("%d words", n)
	}
}

func TestAnActOfAUserWhoSharesTheWordChangesNothing(t *testing.T) {
	c := newMemory()
	s := imageSession("session")
	hash := c.clock.hash(s.UserID)
	c.Fill(rollcall.User{ID: s.UserID}, []rollcall.Session{s}, c.clock.of(hash).Load(), func(*rollcall.Session) bool { return true })
	c.clock.of(hash).Add(actCounted + actUnderWay) // another user's commit begins
	if _, _, known := recalled(c, s.UserID); !known {
		t.Error("a stranger's act counts as the user's")
	}
	before := c.clock.of(hash).Load()
	c.Fill(rollcall.User{ID: s.UserID}, nil, before, func(*rollcall.Session) bool { return false })
	ended := c.Committing(s.UserID)
	if _, _, known := recalled(c, s.UserID); known {
		t.Error("it is remembered while an act is under way")
	}
	ended()
	if _, _, known := recalled(c, s.UserID); known {
		t.Error("it is remembered after an act of which nothing is known")
	}
}

func TestWhatWasNotToldOfAnActIsNotGoodAfterTheNext(t *testing.T) {
	u := rollcall.User{ID: "auth0|ünï", Version: 1}
	change := rollcall.Change{UserID: u.ID, User: &rollcall.PutUser{User: u, Replaces: 1}}
	for name, lose := range map[string]func(*Memory){
		"an act that failed":    func(c *Memory) { c.Committing(u.ID)() },
		"a removal":             func(c *Memory) { c.Removing(u.ID)() },
		"a removal meanwhile":   func(*Memory) {},
		"nothing, for contrast": nil,
	} {
		t.Run(name, func(t *testing.T) {
			c := newMemory()
			s := imageSession("session")
			s.Generation.User = 0
			c.Fill(u, []rollcall.Session{s}, c.clock.word(u.ID).Load(), func(*rollcall.Session) bool { return true })
			if lose != nil {
				lose(c)
			}
			ended := c.Committing(u.ID)
			if name == "a removal meanwhile" {
				c.Removing(u.ID)()
			}
			c.Committed(&change)
			ended()
			if _, _, known := recalled(c, u.ID); known != (lose == nil) {
				t.Errorf("remembered: %v", known)
			}
		})
	}
}
