package recall

import (
	"slices"

	"github.com/rollcall-id/rollcall"
)

// An addition is a session that was put after its user's image was made: an entry of
// its own, so that what is remembered of a user with many sessions is not written anew
// for each. An image leads to its additions, the last one first; an addition belongs to
// the user's image that has the same mark. It is never in an older segment than its image,
// so it does not go before it.
//
//	state     1  imageAddition
//	mark      4
//	next      8  the place of the one that was added before it, or noPlace
//	then the session: see appendSession
const additionHead = atNext + 8

// noPlace is where nothing is.
const noPlace = ^place(0)

func (i image) next() place {
	if i.isAddition() || !i.isSingle() {
		return place(bytesOrder.Uint64(i[atNext:]))
	}
	return noPlace
}

func (i image) isAddition() bool { return i[0] == imageAddition }

func (i image) setNext(p place) { bytesOrder.PutUint64(i[atNext:], uint64(p)) }

// whole returns where the image is that an entry belongs to, or is.
func (s *userShard) whole(entry place) (p place, ok bool) {
	e := s.image(entry)
	if !e.isAddition() {
		return entry, true
	}
	p, ok = s.index[s.hash(entry)]
	return p, ok && s.image(p).mark() == e.mark()
}

// sessions yields the parts that are a user's sessions, whose image is at a place. What
// was added last comes first: that is their order, unless one of them was changed.
func (s *userShard) sessions(p place) func(yield func(image) bool) {
	return func(yield func(image) bool) {
		i := s.image(p)
		for next := i.next(); next != noPlace; {
			added := s.image(next)
			for part := range added.sessions {
				if !yield(part) {
					return
				}
			}
			next = added.next()
		}
		i.sessions(yield)
	}
}

// find returns the part that is a user's session.
func (s *userShard) find(p place, id string) (image, bool) {
	for part := range s.sessions(p) {
		if string(part.sessionID()) == id {
			return part, true
		}
	}
	return nil, false
}

// gather appends an image to b that has what is remembered of a user, in order.
func (s *userShard) gather(b image, p place) image {
	whole := s.image(p)
	start := len(b)
	b = append(b, whole...)
	if whole.next() == noPlace {
		return b
	}
	var room [MaxSessions]image
	parts := room[:0]
	for part := range s.sessions(p) {
		parts = append(parts, part)
	}
	if !slices.IsSortedFunc(parts, image.compare) {
		slices.SortStableFunc(parts, image.compare)
	}
	b = b[:start+whole.headSize()]
	b[start:].setNext(noPlace)
	for _, part := range parts {
		b = b.appendPart(start, part)
	}
	return b
}

// appendPart adds a part of an image to the one that begins at start.
func (i image) appendPart(start int, part image) image {
	at := len(i)
	i = append(i, part...)
	bytesOrder.PutUint32(i[at+atBack:], uint32(at-start))
	return i
}

// live is the number of a user's sessions; those that are gone count as well where even
// then there are few.
func (s *userShard) live(p place) (n int) {
	whole := s.image(p)
	if n = whole.count() + whole.added(); n < MaxSessions {
		return n
	}
	n = 0
	for range s.sessions(p) {
		n++
	}
	return n
}

// amend shows a change in what is remembered of a user where it is. It reports false, and
// has done nothing, when a new image is to be made: for want of room, or when as much was
// added as there was.
func (s *userShard) amend(hash uint64, p place, change *rollcall.Change) bool {
	whole := s.image(p)
	var gone, added []image
	size := 0
	for n := range change.Sessions {
		session := change.Sessions[n].Session
		var part image
		known := false
		if !change.Sessions[n].IsNew() {
			part, known = s.find(p, session.ID)
		}
		if known {
			gone = append(gone, part)
		}
		if !session.EndedAt.IsZero() || whole.overflows() {
			continue
		}
		part, ok := s.dictionaries.appendChanged(nil, &session, part)
		if !ok {
			return false
		}
		added = append(added, part)
		size += entryHead + additionHead + len(part)
	}
	segment := s.segments[s.newest]
	if len(added) > 0 && (s.live(p)-len(gone)+len(added) > MaxSessions ||
		whole.added()+len(added) > whole.count()+1 || len(segment)+size > cap(segment)) {
		return false
	}
	for _, part := range gone {
		s.spillPart(whole, part)
		part[atFlags] |= isGone
	}
	for _, part := range added {
		s.add(hash, whole, part)
	}
	if change.User != nil {
		bytesOrder.PutUint64(whole[atGeneration:], change.User.User.Generation)
	}
	return true
}

// add adds a session to those of an image. There is room for it.
func (s *userShard) add(hash uint64, whole, part image) {
	p := at(s.newest, len(s.segments[s.newest]))
	b := s.appendEntry(hash, additionHead+len(part))
	b = append(b, imageAddition)
	b = bytesOrder.AppendUint32(b, whole.mark())
	b = bytesOrder.AppendUint64(b, uint64(whole.next()))
	b = append(b, part...)
	s.segments[s.newest] = b
	kept := b[len(b)-len(part):]
	bytesOrder.PutUint32(kept[atBack:], additionHead)
	bytesOrder.PutUint16(kept[atUse:], uint16(s.uses.written))
	whole.setNext(p)
	bytesOrder.PutUint16(whole[atAdded:], uint16(whole.added()+1))
	s.cache.owners.put(s.cache.clock.hashBytes(image(kept).sessionID()), s.located(p, kept))
}
