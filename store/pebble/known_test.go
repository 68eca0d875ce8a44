package pebble

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-id/rollcall"
)

// TestStoreKeepsTheContractWhileUsersAreForgotten is the contract with room for so
// few users' rows that most are read from the store.
func TestStoreKeepsTheContractWhileUsersAreForgotten(t *testing.T) {
	keepsTheContract(t, Options{knownSets: 1})
}

// manyUsers puts rows into a set until the first one is pushed out, and returns the ids of
// those that are known.
func manyUsers(t *testing.T, k *knownUsers) (ids []string) {
	t.Helper()
	k.init(1)
	for i := range 99 {
		id := string(rune('A' + i))
		k.put(knownRow(id), nil)
		ids = append(ids, id)
		if _, ok := k.get(ids[0]); !ok {
			return ids[1:]
		}
	}
	t.Fatal("no user was pushed out")
	return nil
}

func TestOnlySoManyUsersAreKnownAndTheLastOnes(t *testing.T) {
	var k knownUsers
	ids := manyUsers(t, &k)
	if len(ids) < 16 {
		t.Errorf("%d users are known", len(ids))
	}
	k.put(knownRow(ids[1]), nil)
	k.put(knownRow("z"), nil)
	for _, id := range append(ids[1:], "z") {
		want := knownRow(id)
		if got, ok := k.get(id); !ok || got != want {
			t.Errorf("%s: %+v, %v", id, got, ok)
		}
	}
	if _, ok := k.get(ids[0]); ok {
		t.Error("the one that came first is still known")
	}
	k.drop(ids[2])
	if _, ok := k.get(ids[2]); ok {
		t.Error("one that was dropped is still known")
	}
}

func TestAPlaceThatIsEmptyIsTakenBeforeSomebodyElses(t *testing.T) {
	var k knownUsers
	ids := manyUsers(t, &k)
	k.offer(knownRow("y"), nil)
	if _, ok := k.get("y"); ok {
		t.Error("a row that was offered has pushed another out")
	}
	k.drop(ids[2])
	k.offer(knownRow("z"), nil)
	for _, id := range append(slices.Delete(ids, 2, 3), "z") {
		if _, ok := k.get(id); !ok {
			t.Errorf("%s is not known", id)
		}
	}
}

// TestKnownUsersTakeLittleMemory holds what the table takes of the heap, and that users
// whose generation has moved have a place as well.
func TestKnownUsersTakeLittleMemory(t *testing.T) {
	const users, most = 200_000, 11 << 20
	began := uint64(t0.UnixMilli())
	for name, row := range map[string]rollcall.User{
		"used":  {Version: began + 300, Generation: began, TokenGeneration: began, Events: 300},
		"moved": {Version: began + 300, Generation: began + 3, TokenGeneration: began, GenerationAt: t0, GenerationReason: rollcall.ReasonDeleted, GenerationBy: "console", Events: 300},
	} {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		var k knownUsers
		k.init(defaultKnownSets)
		id := func(i int) string { return fmt.Sprintf("auth0|%024d", i) }
		for i := range users {
			row.ID = id(i)
			k.put(userRow{User: row, latestEvent: 2_000_000}, nil)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		known := 0
		for i := range users {
			if _, ok := k.get(id(i)); ok {
				known++
			}
		}
		taken := int64(after.HeapAlloc) - int64(before.HeapAlloc)
		t.Logf("%s: %d of %d users are known in %d KiB", name, known, users, taken>>10)
		if taken > most {
			t.Errorf("%s: the table takes %d bytes", name, taken)
		}
		if known < users/100*97 {
			t.Errorf("%s: only %d users are known", name, known)
		}
	}
}

// knownRow is a row with something in every field.
func knownRow(id string) userRow {
	return userRow{User: rollcall.User{
		ID: id, Version: uint64(id[0]), Generation: 2, GenerationAt: t0, GenerationReason: rollcall.ReasonDeleted, GenerationBy: "console",
		TokenGeneration: 3, TokenGenerationAt: t0.Add(time.Hour), Events: 4,
	}, latestEvent: 5}
}

func TestARowIsKnownWithWhyAndByWhomItsGenerationMoved(t *testing.T) {
	var k knownUsers
	k.init(1)
	for _, by := range []string{"", "console", "u", "another"} {
		for _, reason := range []rollcall.Reason{"", rollcall.ReasonSelf, rollcall.ReasonDeleted} {
			want := knownRow("u")
			want.GenerationBy, want.GenerationReason = by, reason
			k.put(want, nil)
			if got, ok := k.get("u"); !ok || got != want {
				t.Errorf("%+v, want %+v, %v", got, want, ok)
			}
		}
	}
	if n := len(k.causes.all); n != 12 {
		t.Errorf("%d causes are kept", n)
	}
}

func TestARowThatTheTableHasNoRoomForIsNotKnown(t *testing.T) {
	var k knownUsers
	k.init(1)
	k.put(knownRow("u"), nil)
	further := knownRow("u")
	further.further = "\x01\x01x"
	k.put(further, nil)
	if got, ok := k.get("u"); !ok || got != further {
		t.Errorf("a row with a field that nobody knows: %+v, %v", got, ok)
	}
	further.further = "\x01\x7f" + strings.Repeat("x", 0x7f)
	k.put(further, nil)
	if _, ok := k.get("u"); ok {
		t.Error("a row that takes more room than the table gives is known")
	}
}

func TestARowIsKnownWhenItsCauseFindsNoNumber(t *testing.T) {
	var k knownUsers
	k.init(1)
	for i := range maxCauses {
		row := knownRow("v")
		row.GenerationBy = fmt.Sprint(i)
		k.put(row, nil)
	}
	if n := len(k.causes.all); n != maxCauses {
		t.Errorf("%d causes are kept", n)
	}
	for _, by := range []string{"0", "one too many"} {
		want := knownRow("u")
		want.GenerationBy = by
		k.put(want, nil)
		if got, ok := k.get("u"); !ok || got != want {
			t.Errorf("%s: %+v, %v", by, got, ok)
		}
	}
}

// readUser is what the store answers of a user.
func readUser(t *testing.T, s *Store, id string) rollcall.User {
	t.Helper()
	u, _, err := s.Sessions(background, rollcall.SessionsOf{UserID: id, Limit: 0})
	if err != nil {
		t.Fatal(err)
	}
	return u.User
}

func TestARowThatWasReadBeforeACommitIsNotKnownAfterIt(t *testing.T) {
	s := openInMemory(t, Options{})
	defer closeQuietly(s)
	quiet := s.users.pause("u")
	before := readUser(t, s, "u")
	if err := commit(s, creation("u", 0, typical("u", "one", t0))); err != nil {
		t.Fatal(err)
	}
	s.known.drop("u") // as if others had taken its place
	s.known.put(userRow{User: before}, quiet.lasts)
	if u := readUser(t, s, "u"); u.Version != 1 {
		t.Errorf("a reader that came late brought the old row back: %+v", u)
	}
}

func TestAWalkMakesUsersKnownAsTheyAreWhenItEnds(t *testing.T) {
	s := openInMemory(t, Options{})
	defer closeQuietly(s)
	for _, id := range []string{"a", "b"} {
		if err := commit(s, creation(id, 0, typical(id, "of "+id, t0))); err != nil {
			t.Fatal(err)
		}
		s.known.drop(id)
	}
	if _, err := s.Walk(background, "", func(w rollcall.Walked) bool {
		if w.Session.UserID == "a" { // while the walk has b still before it
			if err := commit(s, creation("b", 1, typical("b", "another", t0))); err != nil {
				t.Error(err)
			}
			s.known.drop("b")
		}
		return true
	}); err != nil {
		t.Fatal(err)
	}
	if u, ok := s.known.get("a"); !ok || u.Version != 1 {
		t.Errorf("a: %+v, %v", u, ok)
	}
	if u := readUser(t, s, "b"); u.Version != 2 {
		t.Errorf("b: %+v", u)
	}
}

func TestNothingIsKnownOfAUserWhoseLastSessionWasSwept(t *testing.T) {
	s := openInMemory(t, Options{})
	defer closeQuietly(s)
	if err := commit(s, silent("u", typical("u", "one", t0))); err != nil {
		t.Fatal(err)
	}
	swept, err := s.Sweep(background, rollcall.Sweep{
		SessionsBefore: t0.Add(1000 * time.Hour), Limit: 9,
		Decide: func(rollcall.Walked) rollcall.Verdict { return rollcall.Verdict{} },
	})
	if err != nil || swept.Removed != 1 {
		t.Fatalf("%+v, %v", swept, err)
	}
	if u := readUser(t, s, "u"); u != (rollcall.User{ID: "u"}) {
		t.Errorf("%+v", u)
	}
	if err := commit(s, creation("u", 1, typical("u", "two", t0))); !errors.Is(err, rollcall.ErrConflict) {
		t.Errorf("a put that replaces a row that is gone: %v", err)
	}
	if err := commit(s, creation("u", 0, typical("u", "two", t0))); err != nil {
		t.Errorf("a put of a new row: %v", err)
	}
}

func TestAUsersRowIsKnownAsItIsStored(t *testing.T) {
	fs := vfs.NewMem()
	s := openInMemory(t, Options{FS: fs})
	odd := t0.In(time.FixedZone("", 3600)).Add(123456 * time.Nanosecond)
	for i, at := range []time.Time{{}, odd} {
		c := creation("u", uint64(i))
		c.User.User.GenerationAt = at
		if err := commit(s, c); err != nil {
			t.Fatal(err)
		}
		known := readUser(t, s, "u")
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = openInMemory(t, Options{FS: fs})
		if stored := readUser(t, s, "u"); stored != known {
			t.Errorf("known as %+v, stored as %+v", known, stored)
		}
	}
	closeQuietly(s)
}

// TestAPutOfWhatWasReadSeesWhatCameBetween: a session's row is remembered from its
// read to the put that replaces it, unless it has changed.
func TestAPutOfWhatWasReadSeesWhatCameBetween(t *testing.T) {
	s := openInMemory(t, Options{})
	defer closeQuietly(s)
	createSessions(t, s, "u", "one")
	read := func() rollcall.Session {
		t.Helper()
		session, _, err := s.Session(background, rollcall.At{ID: "one"})
		if err != nil {
			t.Fatal(err)
		}
		return session
	}
	put := func(session rollcall.Session) error {
		return commit(s, rollcall.Change{UserID: "u", Sessions: []rollcall.PutSession{{Session: session, Replaces: session.Version}}})
	}
	first := read()
	touch := useAt("u", "one", t0.Add(time.Minute))
	touchAll(t, s, touch)
	if err := put(first); err != nil {
		t.Fatalf("a use moves no version: %v", err)
	}
	lastUse(t, s, touch)
	if err := put(first); !errors.Is(err, rollcall.ErrConflict) {
		t.Errorf("a put of what was replaced: %v", err)
	}
	second := read()
	if _, err := s.Sweep(background, rollcall.Sweep{
		SessionsBefore: t0.Add(1000 * time.Hour), Limit: 9,
		Decide: func(rollcall.Walked) rollcall.Verdict {
			return rollcall.Verdict{FileAt: t0.Add(2000 * time.Hour)}
		},
	}); err != nil {
		t.Fatal(err)
	}
	if err := put(second.Ended(rollcall.Ending{EndedAt: t0.Add(time.Hour), EndReason: rollcall.ReasonLogout})); err != nil {
		t.Fatal(err)
	}
	third := read()
	if third.Version != 3 || third.EndedAt.IsZero() {
		t.Errorf("%+v", third)
	}
	if filings := filingsOf(t, s); len(filings) != 1 {
		t.Errorf("a session has %d filings: the put did not know where the sweep had filed it", len(filings))
	}
}

// filingsOf returns all filings.
func filingsOf(t *testing.T, s *Store) [][]byte {
	t.Helper()
	filings, err := s.due(nil, t0.Add(1e6*time.Hour), 9999)
	if err != nil {
		t.Fatal(err)
	}
	return filings
}

func TestBeliefsChangeNothingOfTheAnswer(t *testing.T) {
	s := openInMemory(t, Options{})
	defer closeQuietly(s)
	for _, id := range []string{"live", "used", "ended"} {
		if err := commit(s, aCreation(id)); err != nil {
			t.Fatal(err)
		}
	}
	used := rollcall.Touch{UserID: "u", SessionID: "used", Interaction: rollcall.Interaction{At: at.Add(time.Minute), IdleExpiresAt: at.Add(time.Hour)}}
	if err := s.Touch(background, []rollcall.Touch{used}); err != nil {
		t.Fatal(err)
	}
	ended := rollcall.PutSession{Session: aSession("ended").Ended(rollcall.Ending{EndedAt: at, EndReason: rollcall.ReasonLogout}), Replaces: 1}
	if err := commit(s, rollcall.Change{UserID: "u", Sessions: []rollcall.PutSession{ended}}); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"live", "used", "ended", "nobody's"} {
		want, wantUser, wantErr := s.Session(background, rollcall.At{ID: id})
		if known := id != "nobody's"; known != (wantErr == nil) {
			t.Fatalf("%s: %v", id, wantErr)
		}
		for _, told := range []struct {
			userID string
			at     time.Time
		}{{"u", at}, {"v", at}, {"u", at.Add(time.Second)}, {"", time.Time{}}} {
			got, user, err := s.Session(background, rollcall.At{ID: id, UserID: told.userID, CreatedAt: told.at})
			if d := cmp.Diff(want, got); d != "" || !cmp.Equal(user, wantUser) || !errors.Is(err, wantErr) {
				t.Errorf("%s, told %v: %+v, %v\n%s", id, told, user, err, d)
			}
		}
	}
	ctx, cancel := context.WithCancel(background)
	cancel()
	if _, _, err := s.Session(ctx, rollcall.At{ID: "live", UserID: "u", CreatedAt: at}); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that is done: %v", err)
	}
}
