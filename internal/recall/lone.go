package recall

import "github.com/rollcall-id/rollcall"

// A lone block has one session. Lone blocks are for sessions of users of whom no more is
// worth remembering: a first one was missed, or the user has more sessions than a block
// holds.
//
// A lone block is found by its session, so acts on the user cannot suspend it. Instead it
// carries the user's epoch, in the field that other blocks use for next, and is good while
// that is the epoch.

// newLone is a lone block without its record, of a user read at an epoch.
func (d charged) newLone(u *rollcall.User, epoch uint64) (block, bool) {
	b, ok := d.newBlock(u, loneCount)
	if ok {
		b.setEpoch(epoch)
	}
	return b, ok
}

func (b block) epoch() uint64 { return bytesOrder.Uint64(b[atNext:]) }

func (b block) setEpoch(epoch uint64) { bytesOrder.PutUint64(b[atNext:], epoch) }

// loneKey is the key of a session's lone block, from the hash of the session's id. No user
// has the key, whatever users are called.
func (m *Memory) loneKey(session uint64) uint64 { return session ^ 0x9e3779b97f4a7c15 }

func (m *Memory) loneKeyOf(lone block) (key uint64) {
	for r := range lone.all {
		key = m.loneKey(m.epochs.hashBytes(r.sessionID()))
	}
	return key
}

// isGood reports whether looks can be answered from the block of an entry.
func (s *shard) isGood(entry offset, b block) bool {
	return b.isGood() && (!b.isLone() || s.memory.epochs.of(s.userOf(entry)).acts.Load() == b.epoch())
}
