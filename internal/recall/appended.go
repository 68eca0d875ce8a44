package recall

import (
	"slices"

	"github.com/rollcall-id/rollcall"
)

// An appended session was put after its user's block was made. It is an entry of its own,
// so that the block of a user with many sessions is not written anew for each. The block
// leads to the session that was appended last, that one to the one before, and so on.
//
//	state   1  appendedState
//	serial  4  of the block
//	next    8  the offset of the session appended before, or noOffset
//	record
//
// Appended sessions belong to the block with their serial: when a user has a new block,
// those of the old one are not found any more. They are never in an older segment than
// their block, and so never go before it.
const appendedHead = atNext + 8

func (b block) isAppended() bool { return b[0] == appendedState }

// next is the offset of the session appended before this one or last to this block.
func (b block) next() offset {
	if b.isAppended() || !b.isLone() {
		return offset(bytesOrder.Uint64(b[atNext:]))
	}
	return noOffset
}

func (b block) setNext(o offset) { bytesOrder.PutUint64(b[atNext:], uint64(o)) }

// whole returns the entry of the block that an entry belongs to: the entry, unless it is
// an appended session. It reports false when the block is another one by now.
func (s *shard) whole(entry offset) (_ offset, ok bool) {
	e := s.block(entry)
	if !e.isAppended() {
		return entry, true
	}
	entry, ok = s.blocks[s.userOf(entry)]
	return entry, ok && s.block(entry).serial() == e.serial()
}

// records yields the records of a block and of the sessions appended to it. The session
// appended last comes first: that is the order of positions, unless a session was changed.
func (s *shard) records(entry offset) func(yield func(record) bool) {
	return func(yield func(record) bool) {
		b := s.block(entry)
		for next := b.next(); next != noOffset; {
			appended := s.block(next)
			for r := range appended.records {
				if !yield(r) {
					return
				}
			}
			next = appended.next()
		}
		b.records(yield)
	}
}

// find returns the record of a session of a block.
func (s *shard) find(entry offset, sessionID string) (record, bool) {
	for r := range s.records(entry) {
		if string(r.sessionID()) == sessionID {
			return r, true
		}
	}
	return nil, false
}

// gather appends a copy of a block to b, with all of the block's records in order and
// nothing appended.
func (s *shard) gather(b []byte, entry offset) block {
	whole := s.block(entry)
	start := len(b)
	b = append(b, whole...)
	if whole.next() == noOffset {
		return b
	}
	var room [MaxSessions]record
	records := s.ordered(entry, room[:0])
	gathered := block(b[:start+whole.headSize()])
	gathered[start:].setNext(noOffset)
	bytesOrder.PutUint16(gathered[start+atAppended:], 0)
	bytesOrder.PutUint16(gathered[start+atCount:], uint16(len(records)))
	for _, r := range records {
		gathered = gathered.appendRecord(start, r)
	}
	return gathered
}

// ordered appends the records of a block to none, in the order of positions.
func (s *shard) ordered(entry offset, none []record) []record {
	records := none
	for r := range s.records(entry) {
		records = append(records, r)
	}
	if !slices.IsSortedFunc(records, record.compare) {
		slices.SortStableFunc(records, record.compare)
	}
	return records
}

// sessions is the number of a block's records that are not gone. Where the block has few
// records, those that are gone are counted as well.
func (s *shard) sessions(entry offset) (n int) {
	whole := s.block(entry)
	if n = whole.count() + whole.appended(); n < MaxSessions {
		return n
	}
	n = 0
	for range s.records(entry) {
		n++
	}
	return n
}

// amend puts a change into a block where the block is. It reports false, and has done
// nothing, when a new block is to be made:
//
//   - more of the user's row has moved than what setUser puts,
//   - a session has no record, or there are too many sessions for a block,
//   - more would be appended than the block had at first, or
//   - the segment is full.
func (s *shard) amend(user uint64, entry offset, change *rollcall.Change, st *rollcall.Standing) bool {
	whole := s.block(entry)
	var gone, appended []record
	size := 0
	for i := range change.Ends {
		if r, known := s.find(entry, change.Ends[i].ID); known {
			gone = append(gone, r)
		}
	}
	for i := range change.Sessions {
		session := stored(&change.Sessions[i], st)
		var old record
		known := false
		if change.Sessions[i].Replaces != 0 {
			old, known = s.find(entry, session.ID)
		}
		if known {
			gone = append(gone, old)
		}
		if !session.EndedAt.IsZero() || whole.overflows() {
			continue
		}
		r, ok := s.appendStored(user, nil, &session, whole, old, whole.generation())
		if !ok {
			return false
		}
		appended = append(appended, r)
		size += entryHead + appendedHead + len(r)
	}
	segment := s.segments[s.newest]
	if len(appended) > 0 && (s.sessions(entry)-len(gone)+len(appended) > MaxSessions ||
		whole.appended()+len(appended) > whole.count()+1 || len(segment)+size > cap(segment)) {
		return false
	}
	if !s.dictionaries.of(user).setUser(whole, &st.User) {
		return false
	}
	for _, r := range gone {
		s.handOverOne(whole, r)
		r.set(isGone)
	}
	for _, r := range appended {
		s.append(user, whole, r)
	}
	return true
}

// append appends a session to a block. There is room for the session.
func (s *shard) append(user uint64, whole block, r record) {
	entry := offsetOf(s.newest, len(s.segments[s.newest]))
	b := s.appendEntry(user, appendedHead+len(r))
	b = append(b, appendedState)
	b = bytesOrder.AppendUint32(b, whole.serial())
	b = bytesOrder.AppendUint64(b, uint64(whole.next()))
	b = append(b, r...)
	s.segments[s.newest] = b
	kept := record(b[len(b)-len(r):])
	bytesOrder.PutUint32(kept[atBack:], appendedHead)
	s.uses.settleOne(whole, kept)
	whole.setNext(entry)
	bytesOrder.PutUint16(whole[atAppended:], uint16(whole.appended()+1))
	s.list(entry, kept)
}
