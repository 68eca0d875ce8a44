package rollcall

import (
	"bytes"
	"cmp"
	"slices"
)

// committing is called before an act's commit; what it returns, after it, whatever
// came of the commit. Meanwhile nothing is remembered of the user, "" being everybody.
func (c *cache) committing(userID string) (ended func()) {
	ended = c.clock.committing(userID) // first: what is being read is not to be remembered
	if userID == "" {
		return ended
	}
	shard, hash := c.lock(userID)
	defer shard.mu.Unlock()
	if p, ok := shard.index[hash]; ok {
		shard.image(p).suspend()
	}
	return ended
}

// removing is committing for the sweep, after which nothing is remembered of the user.
func (c *cache) removing(userID string) (ended func()) {
	ended = c.clock.committing(userID)
	shard, hash := c.lock(userID)
	defer shard.mu.Unlock()
	shard.forget(hash)
	return ended
}

// committed shows a change that is in the store in what is remembered of its user, so
// that the next look finds it in memory. It is called before the commit has ended.
//
// It knows enough when the image was good when the commit began, or when the user had no
// row before.
func (c *cache) committed(change *Change) {
	if change.UserID == "" {
		return
	}
	shard, hash := c.lock(change.UserID)
	defer shard.mu.Unlock()
	old := newImage(User{ID: change.UserID}, 0)
	p, ok := shard.index[hash]
	if ok {
		old = shard.image(p)
		if old[0] != imageSuspended || string(old.userID()) != change.UserID {
			return
		}
		shard.spill(p)
	} else if change.User == nil || change.User.Replaces != 0 {
		return
	}
	if ok && (len(old) > maxRewritten || !change.putsLive()) {
		old.amend(change)
		old[0] = imageGood
	} else if next, ok := shard.dictionaries.changed(old, change); ok {
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
		bytesOrder.PutUint64(i[atGeneration:], change.User.User.Generation)
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
	u.ID = change.UserID
	next := newImage(u, count)
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
