package rollcall

import (
	"bytes"
	"cmp"
	"slices"
)

// committed shows a change that is in the store in what is remembered of its user, so
// that the next look finds it in memory. word is the user's as it was before the commit
// began. What is remembered is good again when the commit has ended, unless another
// one was under way with it.
//
// It knows enough when it has a good image, or when the user had no row before.
func (c *cache) committed(change *Change, word uint64) {
	if change.UserID == "" || !quiet(word) {
		return
	}
	hash := c.clock.hash(change.UserID)
	shard := c.user(hash)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	old := newImage(change.UserID, User{}, word, 0)
	p, ok := shard.index[hash]
	if ok {
		old = shard.image(p)
		shard.spill(p)
	} else if change.User == nil || change.User.Replaces != 0 {
		return
	}
	if old.word() != word || string(old.userID()) != change.UserID {
		return
	}
	if ok && (len(old) > maxRewritten || !change.putsLive()) {
		old.amend(change)
		bytesOrder.PutUint64(old, word+2*actCounted)
	} else if next, ok := shard.dictionaries.changed(old, change); ok {
		bytesOrder.PutUint64(next, word+2*actCounted)
		shard.put(hash, next)
	}
}

// maxRewritten is how large an image may be to be written anew for a change: to write
// those of users with very many sessions again and again would push out everybody
// else's.
const maxRewritten = 2 << 10

// putsLive reports whether the change puts sessions that have not ended.
func (c *Change) putsLive() bool {
	return slices.ContainsFunc(c.Sessions, func(p PutSession) bool { return p.Session.EndedAt.IsZero() })
}

// amend takes what a change puts out of an image, in place. What is live of it is
// missing from then on.
func (i image) amend(change *Change) {
	for n := range change.Sessions {
		if part, ok := i.find(change.Sessions[n].Session.ID); ok {
			part[atFlags] |= isGone
		}
	}
	if change.putsLive() && !i.overflows() {
		bytesOrder.PutUint16(i[atCount:], incomplete)
	}
	if change.User != nil {
		bytesOrder.PutUint64(i[8:], change.User.User.Generation)
	}
}

// changed is the image of a user after a change. It reports false when no image can
// hold it.
func (d *dictionaries) changed(old image, change *Change) (image, bool) {
	u := old.user()
	if change.User != nil {
		u = change.User.User
	}
	var parts []image
	for part := range old.sessions {
		put := slices.ContainsFunc(change.Sessions, func(p PutSession) bool { return p.Session.ID == string(part.sessionID()) })
		if !put && d.kinds.value(part[atKind:]).generation.User >= u.Generation {
			parts = append(parts, part)
		}
	}
	for i := range change.Sessions {
		s := change.Sessions[i].Session
		if !s.EndedAt.IsZero() {
			continue
		}
		if part, ok := old.find(s.ID); ok {
			var texts gathered
			s.Last = s.Last.Later(d.interaction(part, &texts))
		}
		part, ok := d.appendSession(nil, &s)
		if !ok {
			return nil, false
		}
		parts = append(parts, part)
	}
	count := len(parts)
	if !old.whole() {
		count = incomplete
	}
	if old.overflows() || len(parts) > maxImageSessions {
		count, parts = tooMany, nil
	}
	slices.SortStableFunc(parts, image.compare)
	next := newImage(change.UserID, u, 0, count)
	copy(next[atUsed:atCount], old[atUsed:])
	for _, part := range parts {
		start := len(next)
		next = append(next, part...)
		bytesOrder.PutUint32(next[start+atBack:], uint32(start))
	}
	return next, true
}

// compare orders parts that are sessions as [Position] does.
func (i image) compare(other image) int {
	return cmp.Or(readTime(other[atCreated:]).Compare(readTime(i[atCreated:])), bytes.Compare(i.sessionID(), other.sessionID()))
}
