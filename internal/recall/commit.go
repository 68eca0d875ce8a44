package recall

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/rollcall-id/rollcall"
)

// committing is called before an act's commit; what it returns, after it, whatever
// came of the commit. Meanwhile nothing is remembered of the user, "" being everybody.
func (c *Memory) Committing(userID string) (ended func()) {
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
func (c *Memory) Removing(userID string) (ended func()) {
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
func (c *Memory) Committed(change *rollcall.Change) {
	if change.UserID == "" {
		return
	}
	shard, hash := c.lock(change.UserID)
	defer shard.mu.Unlock()
	p, known := shard.index[hash]
	if !known {
		if change.User != nil && change.User.Replaces == 0 {
			shard.remake(hash, newImage(rollcall.User{ID: change.UserID}, 0), change)
		}
		return
	}
	old := shard.image(p)
	if old[0] != imageSuspended || string(old.userID()) != change.UserID {
		return
	}
	if shard.amend(hash, p, change) {
		old[0] = imageGood
		return
	}
	gathered := shard.gather(nil, p)
	shard.spill(p)
	shard.remake(hash, gathered, change)
}

// remake puts an image of a user after a change. When no image can hold it, what there
// was stays suspended.
func (s *userShard) remake(hash uint64, old image, change *rollcall.Change) {
	if next, ok := s.dictionaries.changed(old, change); ok {
		s.put(hash, next)
	}
}

// changed is the image of a user after a change. It reports false when no image can
// hold it.
func (d *dictionaries) changed(old image, change *rollcall.Change) (image, bool) {
	u := old.user()
	if change.User != nil {
		u = change.User.User
	}
	var parts []image
	replaced := map[string]image{}
	for part := range old.sessions {
		id := string(part.sessionID())
		if slices.ContainsFunc(change.Sessions, func(p rollcall.PutSession) bool { return p.Session.ID == id }) {
			replaced[id] = part
		} else if d.kinds.value(part[atKind:]).generation.User >= u.Generation {
			parts = append(parts, part)
		}
	}
	for i := range change.Sessions {
		s := change.Sessions[i].Session
		if !s.EndedAt.IsZero() {
			continue
		}
		part, ok := d.appendChanged(nil, &s, replaced[s.ID])
		if !ok {
			return nil, false
		}
		parts = append(parts, part)
	}
	count := len(parts)
	if old.overflows() || count > MaxSessions {
		count, parts = tooMany, nil
	}
	slices.SortStableFunc(parts, image.compare)
	u.ID = change.UserID
	next := newImage(u, count)
	copy(next[atUsed:atCount], old[atUsed:])
	for _, part := range parts {
		next = next.appendPart(0, part)
	}
	return next, true
}

// appendChanged is appendSession for a session that was put in the place of old, if that
// is not nil: it may have been used since the change was decided.
func (d *dictionaries) appendChanged(b image, s *rollcall.Session, old image) (image, bool) {
	if old != nil {
		var texts gathered
		s.Last = s.Last.Later(d.interaction(old, &texts))
	}
	return d.appendSession(b, s)
}

// compare orders parts that are sessions as [Position] does.
func (i image) compare(other image) int {
	return cmp.Or(readTime(other[atCreated:]).Compare(readTime(i[atCreated:])), bytes.Compare(i.sessionID(), other.sessionID()))
}
