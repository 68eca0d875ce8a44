package recall

import (
	"hash/maphash"
	"sync/atomic"

	"github.com/rollcall-id/rollcall/internal/hugepages"
)

// epochs tell whether what was read of a user still holds. Each user has an epoch, and
// everybody together has one. An epoch moves when an act begins to commit and when the act
// has ended; in its low bits it counts the acts under way.
//
// An epoch that no act is under way in is quiet. What was read while an epoch was quiet
// holds as long as the epoch is the same.
//
// Users are told apart by 18 bits of their hash. Users with the same bits share an epoch:
// an act of one then costs the other a read, and nothing else.
type epochs struct {
	seed      maphash.Seed
	users     []userEpochs
	everybody atomic.Uint64

	// ends counts the acts on users that have ended; recent holds the latest of them,
	// each as its count and the number of its user's epoch. They are for who reads a
	// session without knowing whose it is; see unmoved.
	ends   atomic.Uint64
	recent [recentEnds]atomic.Uint64
}

// userEpochs are the two epochs of a user, side by side since they are looked at together.
type userEpochs struct {
	acts    atomic.Uint64
	touches atomic.Uint64 // see touched
}

const (
	epochBits  = 18
	userCount  = 1 << epochBits
	recentEnds = 1 << 12

	// actUnderWay is an act under way, actCounted one act that has begun or ended.
	actUnderWay = 1
	actCounted  = 1 << 16
)

func newEpochs() *epochs {
	e := &epochs{seed: maphash.MakeSeed(), users: make([]userEpochs, userCount)}
	hugepages.Advise(e.users)
	return e
}

func (e *epochs) hash(text string) uint64 { return maphash.String(e.seed, text) }

func (e *epochs) hashBytes(text []byte) uint64 { return maphash.Bytes(e.seed, text) }

// of returns the epochs of the user with the hash.
func (e *epochs) of(user uint64) *userEpochs { return &e.users[user%userCount] }

// begin is called before an act on the user commits. It returns the epoch of the act.
func (e *epochs) begin(user uint64) uint64 { return e.of(user).acts.Add(actCounted + actUnderWay) }

// end is called after the commit of an act on the user, whatever the outcome. The order
// matters: who finds the epoch quiet again finds the end among the recent ones.
func (e *epochs) end(user uint64) {
	n := e.ends.Add(1)
	e.recent[n%recentEnds].Store(n<<epochBits | user%userCount)
	e.of(user).acts.Add(actCounted - actUnderWay)
}

// unmoved returns the user's epoch if no act on the user was under way at any instant
// since the count of ends was since. It reports false
//
//   - when an act is under way now,
//   - when an act has ended since, and
//   - when so many acts have ended since that this cannot be told.
func (e *epochs) unmoved(user, since uint64) (epoch uint64, ok bool) {
	epoch = e.of(user).acts.Load()
	now := e.ends.Load()
	if !quiet(epoch) || now-since > recentEnds {
		return 0, false
	}
	for n := since + 1; n <= now; n++ {
		// An end that is counted and not stored yet is another user's, or follows epoch.
		end := e.recent[n%recentEnds].Load()
		if end>>epochBits > n || end == n<<epochBits|user%userCount {
			return 0, false
		}
	}
	return epoch, true
}

// quiet reports whether no act was under way when the epoch was read.
func quiet(epoch uint64) bool { return epoch%actCounted == 0 }

// alone reports whether one act alone was under way when the epoch was read.
func alone(epoch uint64) bool { return epoch%actCounted == actUnderWay }

// afterEnd is the epoch that an act leaves when it ends, if no other act began meanwhile.
func afterEnd(epoch uint64) uint64 { return epoch + actCounted - actUnderWay }

// touched makes the epoch of touches odd: a list that has seen the epoch is outdated.
// Further touches only look at the epoch, so that a check rarely writes to its line of
// the processor's cache.
func (u *userEpochs) touched() {
	if u.touches.Load()%2 == 0 {
		u.touches.Add(1)
	}
}

// seen makes the epoch of touches even and returns it, for a list that is about to be
// read. The next touch makes the epoch another one.
func (u *userEpochs) seen() uint64 {
	for {
		epoch := u.touches.Load()
		if epoch%2 == 0 || u.touches.CompareAndSwap(epoch, epoch+1) {
			return epoch + epoch%2
		}
	}
}
