package uselog

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-id/rollcall"
)

var t0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// A memory is a disk, and the rows of sessions.
type memory struct {
	log     *Log
	records map[uint64][]byte
	removed uint64
	rows    map[string]*row
}

// A row is a session with its mark.
type row struct {
	rollcall.Session
	mark    uint64
	damaged bool
	written int // how often a use was
}

// opened is a log on a disk that may hold records already, and which nobody else uses.
func opened(t *testing.T, m *memory, maxBytes, maxSessions int64) *memory {
	t.Helper()
	if m == nil {
		m = &memory{records: map[uint64][]byte{}, rows: map[string]*row{}}
	}
	m.log = &Log{MaxBytes: maxBytes, MaxSessions: maxSessions}
	if err := m.log.Open(m); err != nil {
		t.Fatal(err)
	}
	return m
}

func (m *memory) Write(number uint64, record []byte) error {
	m.records[number] = slices.Clone(record)
	return nil
}

func (m *memory) Read(from uint64, visit func(uint64, []byte) (bool, error)) error {
	var numbers []uint64
	for n := range m.records {
		if n >= from {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	for _, n := range numbers {
		if more, err := visit(n, m.records[n]); err != nil || !more {
			return err
		}
	}
	return nil
}

func (m *memory) Remove(number uint64) error {
	delete(m.records, number)
	m.removed = number
	return nil
}

func (m *memory) Removed() (uint64, error) { return m.removed, nil }

func (m *memory) Settle(uses []*Use, settled func([]*Use)) (left []*Use, err error) {
	var written []*Use
	for _, u := range uses {
		r := m.rows[u.SessionID]
		if r != nil && r.damaged {
			left = append(left, u)
			continue
		}
		if r != nil && m.show(r) {
			r.written++
		}
		written = append(written, u)
	}
	settled(written)
	return left, nil
}

func (m *memory) show(r *row) (changed bool) {
	m.log.RLock()
	defer m.log.RUnlock()
	_, changed = m.log.Show(&r.Session, r.mark)
	return changed
}

// last is what a reader sees of a session.
func (m *memory) last(id string) rollcall.Interaction {
	r := *m.rows[id]
	m.show(&r)
	return r.Last
}

func (m *memory) create(ids ...string) {
	for _, id := range ids {
		m.rows[id] = &row{
			Session: rollcall.Session{ID: id, UserID: "u", Last: rollcall.Interaction{At: t0}}, mark: m.log.Now().Published,
		}
	}
}

func use(id string, at time.Time) rollcall.Touch {
	return rollcall.Touch{UserID: "u", SessionID: id, Interaction: rollcall.Interaction{
		At: at, IdleExpiresAt: at.Add(time.Hour), Origin: rollcall.Origin{IP: "192.0.2.1", UserAgent: "agent of " + id, ASN: "64496"},
	}}
}

func (m *memory) touch(t *testing.T, touches ...rollcall.Touch) {
	t.Helper()
	last, err := m.log.Append(touches)
	if err = errors.Join(err, m.log.Publish(last), m.log.Retire(len(touches))); err != nil {
		t.Fatal(err)
	}
}

func TestAUseIsSeenOnceItIsPublished(t *testing.T) {
	m := opened(t, nil, 1<<20, 100)
	m.create("a")
	before := m.log.Now()
	used := use("a", t0.Add(time.Minute))
	last, err := m.log.Append([]rollcall.Touch{used})
	if err != nil || m.last("a") != (rollcall.Interaction{At: t0}) || m.log.Now() != before {
		t.Errorf("before: %+v, %v", m.last("a"), err)
	}
	if err := m.log.Publish(last); err != nil || m.last("a") != used.Interaction || m.log.Now().Published != last {
		t.Errorf("after: %+v, %v", m.last("a"), err)
	}
}

func TestWhatIsKnownIsBoundedAndNothingIsLost(t *testing.T) {
	const sessions, room = 300, 20
	m := opened(t, nil, 4<<10, room)
	latest := map[string]rollcall.Interaction{}
	for round := range 3 {
		for i := range sessions {
			id := fmt.Sprint(i)
			if round == 0 {
				m.create(id)
			}
			used := use(id, t0.Add(time.Duration(round+1)*time.Minute))
			m.touch(t, used)
			latest[id] = used.Interaction
			if n, texts := m.log.Len(), len(m.log.texts.kept); n > room+1 || texts > room+3 {
				t.Fatalf("uses of %d sessions and %d texts are in memory", n, texts)
			}
			if n := m.log.Bytes(); n > 5<<10 {
				t.Fatalf("the log has %d bytes", n)
			}
		}
	}
	m = opened(t, m, -1, -1)
	for when := range 2 {
		for id, want := range latest {
			if got := m.last(id); got != want {
				t.Errorf("%d: %s: %+v, want %+v", when, id, got, want)
			}
		}
		for m.log.Bytes() > 0 {
			if err := m.log.Retire(1000); err != nil {
				t.Fatal(err)
			}
		}
	}
	if texts := &m.log.texts; m.log.Len() != 0 || len(texts.numbers) != 0 || texts.bytes != 0 {
		t.Errorf("an empty log keeps uses of %d sessions, and %d texts of %d bytes", m.log.Len(), len(texts.numbers), texts.bytes)
	}
}

func TestASessionInUseIsWrittenAnewAndAnotherGoesToItsRow(t *testing.T) {
	m := opened(t, nil, 1000, 100)
	m.create("busy", "once")
	m.touch(t, use("once", t0.Add(time.Second)))
	for i := range 300 {
		m.touch(t, use("busy", t0.Add(time.Duration(i+2)*time.Second)))
	}
	if busy, once := m.rows["busy"].written, m.rows["once"].written; busy != 0 || once != 1 {
		t.Errorf("the row of the busy one was written %d times, of the other %d times", busy, once)
	}
}

func TestAUseThatIsNotLaterThanTheKnownOneSettlesThatFirst(t *testing.T) {
	m := opened(t, nil, 1<<20, 100)
	m.create("a", "ended", "damaged")
	known := use("a", t0.Add(time.Hour))
	m.touch(t, known, use("ended", t0.Add(time.Hour)), use("damaged", t0.Add(time.Hour)))
	// The session has ended before its use, which had no effect, and lives again.
	m.rows["ended"].mark = m.log.Now().Published
	m.rows["damaged"].damaged = true
	earlier := use("ended", t0.Add(time.Minute))
	m.touch(t, use("a", t0.Add(time.Minute)), earlier, use("damaged", t0.Add(time.Minute)))
	if got := m.last("a"); got != known.Interaction || m.rows["a"].written != 1 {
		t.Errorf("the later one stays: %+v", got)
	}
	if got := m.last("ended"); got != earlier.Interaction {
		t.Errorf("the one that had an effect counts: %+v", got)
	}
	if got := m.last("damaged"); !got.At.Equal(t0.Add(time.Hour)) {
		t.Errorf("of a row that cannot be read the known one stays: %+v", got)
	}
}

func TestNumbersGoOnWhenAllRecordsAreRemoved(t *testing.T) {
	m := opened(t, nil, -1, -1)
	m.create("a")
	m.touch(t, use("a", t0.Add(time.Minute)))
	m.touch(t, use("a", t0.Add(2*time.Minute)))
	for m.log.Bytes() > 0 {
		if err := m.log.Retire(1); err != nil {
			t.Fatal(err)
		}
	}
	published := m.log.Now().Published
	m = opened(t, m, 1<<20, 10)
	if again := m.log.Now().Published; again < published || len(m.records) != 0 {
		t.Errorf("published up to %d, after an opening up to %d", published, again)
	}
}

func TestAUseWaitsWhileItsSessionIsDecidedOn(t *testing.T) {
	m := opened(t, nil, 1<<20, 10)
	m.create("a", "b")
	decided := m.log.Decide(m.log.Key("u", "a"))
	m.touch(t, use("b", t0.Add(time.Minute)))
	done := make(chan error, 1)
	go func() {
		last, err := m.log.Append([]rollcall.Touch{use("a", t0.Add(time.Minute))})
		done <- errors.Join(err, m.log.Publish(last))
	}()
	select {
	case err := <-done:
		t.Fatalf("it did not wait: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	decided()
	if err := <-done; err != nil || !m.last("a").At.Equal(t0.Add(time.Minute)) {
		t.Errorf("%+v, %v", m.last("a"), err)
	}
}

// TestFurtherTextsOfALaterVersionAreKept: they are written anew with their use.
func TestFurtherTextsOfALaterVersionAreKept(t *testing.T) {
	m := opened(t, nil, 1<<20, 10)
	r := newRecord(&m.log.Index, []rollcall.Touch{use("a", t0), use("b", t0), use("c", t0)})
	r.bear(3)
	r.further, r.texts = 2, append(r.texts, "later", "other")
	n := int32(len(r.texts))
	for i := range r.uses {
		r.uses[i].further = []int32{n - 1, n - 2}
	}
	r.uses[1].further[0] = 0
	read, err := decodeRecord(&m.log.Index, 3, r.encode())
	if err != nil {
		t.Fatal(err)
	}
	again := read.again([]*Use{&read.uses[1], &read.uses[2]})
	again.number = 9
	if again, err = decodeRecord(&m.log.Index, 9, again.encode()); err != nil {
		t.Fatal(err)
	}
	var got [][]string
	for _, u := range again.uses {
		var texts []string
		for _, text := range u.further {
			texts = append(texts, again.texts[text])
		}
		got = append(got, texts)
	}
	if diff := cmp.Diff([][]string{{"", "later"}, {"other", "later"}}, got); diff != "" {
		t.Error(diff)
	}
}
