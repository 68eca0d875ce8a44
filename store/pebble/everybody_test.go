package pebble

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-id/rollcall"
)

func everybodyChange(replaces, generation uint64) rollcall.Change {
	return rollcall.Change{Everybody: &rollcall.PutEverybody{Replaces: replaces, Everybody: rollcall.Everybody{
		Generation: generation, GenerationAt: t0.Add(1500 * time.Microsecond), GenerationBy: "console", Clients: map[string]uint64{"web": generation},
	}}}
}

func TestEverybodysRowIsTheSameAfterAnOpening(t *testing.T) {
	fs := vfs.NewMem()
	s := openInMemory(t, Options{FS: fs})
	if err := commit(s, everybodyChange(1, 1)); !errors.Is(err, rollcall.ErrConflict) {
		t.Errorf("replaces a row that was never put: %v", err)
	}
	c := everybodyChange(0, 7)
	st, err := s.Commit(background, c)
	if err != nil || st.Everybody.Version != 1 || st.Everybody.Generation != 7 || st.User != (rollcall.User{}) {
		t.Fatalf("%+v, %v", st, err)
	}
	c.Everybody.Everybody.Clients["web"] = 8
	st.Everybody.Clients["web"] = 9 // both belong to the caller
	read := func() rollcall.Everybody {
		t.Helper()
		st, _, err := s.Sessions(background, rollcall.SessionsOf{UserID: "u"})
		if err != nil {
			t.Fatal(err)
		}
		return st.Everybody
	}
	before := read()
	if before.Clients["web"] != 7 || !before.GenerationAt.Equal(t0.Add(time.Millisecond)) {
		t.Errorf("%+v", before)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openInMemory(t, Options{FS: fs})
	defer closeQuietly(s)
	if diff := cmp.Diff(before, read()); diff != "" {
		t.Error(diff)
	}
	if err := commit(s, everybodyChange(0, 9)); !errors.Is(err, rollcall.ErrConflict) {
		t.Errorf("replaces no row: %v", err)
	}
	if err := commit(s, everybodyChange(1, 9)); err != nil {
		t.Error(err)
	}
}

// TestEverybodysRowIsSeenWhenItIsDurableAndNotBefore: a power loss must not make a session
// good again that was refused by everybody's row.
func TestEverybodysRowIsSeenWhenItIsDurableAndNotBefore(t *testing.T) {
	sl := openSlow(t)
	release := sl.hold()
	done := make(chan error, 1)
	go func() { done <- commit(sl.Store, everybodyChange(0, 7)) }()
	<-sl.syncing
	if st, _, err := sl.Sessions(background, rollcall.SessionsOf{UserID: "u"}); err != nil || st.Everybody.Version != 0 {
		t.Errorf("%+v, %v", st, err)
	}
	release()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if st, _, err := sl.Sessions(background, rollcall.SessionsOf{UserID: "u"}); err != nil || st.Everybody.Generation != 7 {
		t.Errorf("%+v, %v", st, err)
	}
	if err := sl.Close(); err != nil {
		t.Error(err)
	}
}

// TestADocumentIsNotSeenBeforeEverybodysRowOfTheSameCommit reads the two while the commit is
// being synced.
func TestADocumentIsNotSeenBeforeEverybodysRowOfTheSameCommit(t *testing.T) {
	sl := openSlow(t)
	release := sl.hold()
	c := everybodyChange(0, 7)
	c.Documents = []rollcall.PutDocument{{Name: "settings", Body: []byte("new")}}
	done, read := make(chan error, 1), make(chan uint64, 1)
	go func() { done <- commit(sl.Store, c) }()
	<-sl.syncing
	go func() {
		doc, err := sl.Document(background, "settings")
		st, _, errOf := sl.Sessions(background, rollcall.SessionsOf{UserID: "u"})
		if err := errors.Join(err, errOf); err != nil || doc.Version == 1 && st.Everybody.Version != 1 {
			t.Errorf("%+v, %+v, %v", doc, st.Everybody, err)
		}
		read <- doc.Version
	}()
	sl.answered(t, "meanwhile", "nobody") // and no other read waits
	select {
	case version := <-read:
		t.Errorf("version %d of the document is read", version)
		read <- version
	case <-time.After(50 * time.Millisecond):
	}
	release()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if version := <-read; version != 1 {
		t.Errorf("version %d of the document is read afterwards", version)
	}
	if err := sl.Close(); err != nil {
		t.Error(err)
	}
}

// TestEverybodysRowWaitsForSessionsThatAreBeingStamped: who sees everybody's generation
// moved and not yet the session would find the session born with the old one.
func TestEverybodysRowWaitsForSessionsThatAreBeingStamped(t *testing.T) {
	h := openHeld(t, "slow")
	c := silent("slow", typical("slow", "one", t0))
	c.Sessions[0].Stamped = true
	created := h.commit(c)
	<-h.entered
	moved := make(chan error, 1)
	go func() { moved <- commit(h.Store, everybodyChange(0, 7)) }()
	select {
	case err := <-moved:
		t.Errorf("it did not wait: %v", err)
		moved <- err
	case <-time.After(50 * time.Millisecond):
	}
	close(h.release)
	if err := errors.Join(<-created, <-moved); err != nil {
		t.Fatal(err)
	}
	got, st, err := h.Session(background, rollcall.At{ID: "one"})
	if want := (rollcall.Generation{User: 1}); err != nil || got.Generation != want || st.Everybody.Generation != 7 {
		t.Errorf("%+v, %+v, %v", got.Generation, st, err)
	}
}

// TestACommitThatStampsReturnsTheRowOfTheStamp lets a creation and an ending of everybody
// wait for one sync: a caller who was given the later row would take the session for one
// that the ending spared.
func TestACommitThatStampsReturnsTheRowOfTheStamp(t *testing.T) {
	sl := openSlow(t)
	defer closeQuietly(sl)
	if err := commit(sl.Store, everybodyChange(0, 6)); err != nil {
		t.Fatal(err)
	}
	release := sl.hold()
	defer release()
	c := silent("u", typical("u", "one", t0))
	c.Sessions[0].Stamped = true
	stamped := make(chan rollcall.Standing, 1)
	created := make(chan error, 1)
	go func() {
		st, err := sl.Commit(background, c)
		stamped <- st
		created <- err
	}()
	<-sl.syncing // the session is visible, and the creation waits
	// The row moves as by a commit whose sync ended just before the creation's.
	moved := *sl.everybody.row.Load()
	moved.Generation = 7
	sl.everybody.set(&moved)
	release()
	if err := <-created; err != nil {
		t.Fatal(err)
	}
	got, now, err := sl.Session(background, rollcall.At{ID: "one"})
	if err != nil {
		t.Fatal(err)
	}
	if st := <-stamped; st.Everybody.Generation != 6 || got.Generation.Everybody != 6 || now.Everybody.Generation != 7 {
		t.Errorf("returned %d, stored %d, now %d", st.Everybody.Generation, got.Generation.Everybody, now.Everybody.Generation)
	}
}

// TestAStampedSessionHasTheGenerationsOfItsMoment: who sees everybody's generation moved
// and not yet the session finds the session born with the new one.
func TestAStampedSessionHasTheGenerationsOfItsMoment(t *testing.T) {
	s := openInMemory(t, Options{noSync: true})
	defer closeQuietly(s)
	const rounds = 300
	var all sync.WaitGroup
	all.Go(func() {
		for i := range uint64(rounds) {
			if err := commit(s, everybodyChange(i, i+1)); err != nil {
				t.Error(err)
				return
			}
		}
	})
	all.Go(func() {
		for i := range rounds {
			c := silent("u", typical("u", benchID(i), t0))
			c.Sessions[0].Stamped = true
			if i%10 == 9 {
				c.User.NextGeneration, c.Sessions = true, nil
				c.User.User.Generation = uint64(i/10) + 2
			}
			st, err := s.Commit(background, c)
			if err != nil {
				t.Error(err)
				return
			}
			if i%10 == 9 {
				continue
			}
			got, _, err := s.Session(background, rollcall.At{ID: benchID(i)})
			if err != nil || got.Generation.User != st.User.Generation || got.Generation.Everybody > st.Everybody.Generation {
				t.Errorf("%+v, left %+v, %v", got.Generation, st, err)
			}
		}
	})
	all.Go(func() {
		for i := range rounds {
			var before uint64 // everybody's generation, when the session was not there after it was read
			for i%10 != 9 {
				st, _, err := s.Sessions(background, rollcall.SessionsOf{UserID: "nobody"})
				if err != nil {
					t.Error(err)
					return
				}
				got, _, err := s.Session(background, rollcall.At{ID: benchID(i)})
				if err == nil {
					if got.Generation.Everybody < before {
						t.Errorf("session %d was not there when everybody's generation was %d, and has %d", i, before, got.Generation.Everybody)
					}
					break
				}
				before = st.Everybody.Generation
			}
		}
	})
	all.Wait()
}

func TestWhatIsReadWhileEverybodysRowMovesIsReadAnew(t *testing.T) {
	s := openInMemory(t, Options{})
	defer closeQuietly(s)
	reads := 0
	row, err := s.everybody.while(func() error {
		if reads++; reads == 1 {
			return commit(s, everybodyChange(0, 7))
		}
		return nil
	})
	if err != nil || reads != 2 || row.Generation != 7 {
		t.Errorf("%d reads, %+v, %v", reads, row, err)
	}
}

// TestAReadIsOfOneMomentWithEverybodysRow moves everybody's generation, and then that of a
// session, again and again: no reader sees the session ahead.
func TestAReadIsOfOneMomentWithEverybodysRow(t *testing.T) {
	s := openInMemory(t, Options{noSync: true})
	defer closeQuietly(s)
	createSessions(t, s, "u", "one")
	var done atomic.Bool
	var readers sync.WaitGroup
	for name, read := range map[string]func() (rollcall.Session, rollcall.Standing, error){
		"Session": func() (rollcall.Session, rollcall.Standing, error) {
			return s.Session(background, rollcall.At{ID: "one"})
		},
		"Sessions": func() (rollcall.Session, rollcall.Standing, error) {
			st, list, err := s.Sessions(background, rollcall.SessionsOf{UserID: "u", Limit: 1})
			return list[0], st, err
		},
	} {
		readers.Go(func() {
			for !done.Load() {
				session, st, err := read()
				if err != nil || session.Generation.Everybody > st.Everybody.Generation {
					t.Errorf("%s: the session's generation is %d, everybody's %d, %v", name, session.Generation.Everybody, st.Everybody.Generation, err)
					return
				}
			}
		})
	}
	session := typical("u", "one", t0)
	for i := range uint64(3000) {
		session.Generation.Everybody = i + 1
		if err := errors.Join(commit(s, everybodyChange(i, i+1)), commit(s, put(session, i+1))); err != nil {
			t.Error(err)
			break
		}
	}
	done.Store(true)
	readers.Wait()
}
