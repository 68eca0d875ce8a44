package pebble

import (
	"bytes"
	"testing"
	"time"

	"github.com/rollcall-id/rollcall"
)

// Keys say what they were made of, and those of one user never lie among another's.
func FuzzKeys(f *testing.F) {
	f.Add("u", "u2", "0123456789abcdef", "0123456789abcdeg", int64(1_772_000_000_000), int64(1))
	f.Add("a", "a\x00", "0123456789abcdef", "0123456789abcdef", int64(0), int64(0))
	f.Fuzz(func(t *testing.T, user, other, id, otherID string, at, otherAt int64) {
		const most = int64(1) << 50
		if len(user) > maxUserID || len(other) > maxUserID || at < 0 || otherAt < 0 || at > most || otherAt > most {
			return
		}
		due := time.UnixMilli(at).UTC()
		if back, backID := readFiling(filingKey(due, id)); !back.Equal(due) || backID != id {
			t.Errorf("filed for %v, %q reads back as %v, %q", due, id, back, backID)
		}
		if earlier := bytes.Compare(filingKey(due, id), filingKey(time.UnixMilli(otherAt), otherID)) < 0; at != otherAt && earlier != (at < otherAt) {
			t.Errorf("%d and %d are filed in the wrong order", at, otherAt)
		}
		key := sessionKey(kindLive, user, rollcall.Position{CreatedAt: due, ID: id})
		if !bytes.HasPrefix(key, appendUserPrefix(nil, user)) || user != other && bytes.HasPrefix(key, appendUserPrefix(nil, other)) {
			t.Errorf("a session of %q lies among those of %q", user, other)
		}
		next := sessionKey(kindLive, user, rollcall.Position{CreatedAt: time.UnixMilli(otherAt), ID: otherID})
		if before := bytes.Compare(key, next) < 0; before != (rollcall.Position{CreatedAt: due, ID: id}).Before(rollcall.Position{CreatedAt: time.UnixMilli(otherAt).UTC(), ID: otherID}) {
			t.Errorf("%d %q and %d %q lie in another order than the list's", at, id, otherAt, otherID)
		}
	})
}
