package uselog

// maxLaps is how often a use is written anew at the log's end, before it is written
// to its session's row: a session that is in use has been seen again by then.
const maxLaps = 3

// settleBite is how many uses are written to rows in one go, and retireBite how many are
// looked at while new ones wait.
const (
	settleBite = 64
	retireBite = 256
)

// Retire keeps the log within its bounds after n uses were added: from the oldest on,
// a use that is still the latest of its session is written anew or to the session's
// row. Retire does little more than was added, so that no touch pays for many others.
func (l *Log) Retire(n int) error {
	for budget := n + settleBite; budget > 0; {
		if l.bytes.Load() <= l.MaxBytes && !l.full(l.MaxSessions) {
			return nil
		}
		looked, err := l.retireSome(min(budget, retireBite))
		if err != nil || looked == 0 {
			return err
		}
		budget -= looked
	}
	return nil
}

// retireSome looks at up to n uses of the oldest record, and removes the record after
// its last. What replaces a use lies behind the record in the same sequence of writes, and
// the removal behind that: a power loss takes back the end of the three at most, and
// retiring a use again changes nothing.
func (l *Log) retireSome(n int) (looked int, err error) {
	l.publishing.Lock()
	defer l.publishing.Unlock()
	if l.tail == nil {
		if l.tail, err = l.oldestRecord(); err != nil || l.tail == nil {
			return 0, err
		}
		l.retired = 0
	}
	bite := l.tail.uses[l.retired:min(l.retired+n, len(l.tail.uses))]
	settle, again := l.standing(l.tail.number, bite, l.full(l.MaxSessions))
	for len(settle) > 0 {
		few := settle[:min(settleBite, len(settle))]
		left, err := l.disk.Settle(few, l.forget)
		if err != nil {
			return 0, err
		}
		again = append(again, left...)
		settle = settle[len(few):]
	}
	if err := l.writeAgain(again); err != nil {
		return 0, err
	}
	if l.retired += len(bite); l.retired < len(l.tail.uses) {
		return len(bite), nil
	}
	return len(bite) + 1, l.removeTail()
}

func (l *Log) oldestRecord() (oldest *record, err error) {
	hidden := l.firstHidden()
	err = l.disk.Read(l.oldest, func(number uint64, b []byte) (bool, error) {
		if number >= hidden {
			return false, nil
		}
		oldest, err = decodeRecord(&l.Index, number, b)
		return false, err
	})
	return oldest, err
}

// standing finds those of a record's uses that are the latest of their sessions, and
// parts those that go to the rows from those that are written anew.
func (x *Index) standing(number uint64, bite []Use, full bool) (settle, again []*Use) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	for i := range bite {
		u := &bite[i]
		sl, _ := x.find(u.key)
		switch {
		case sl == nil || sl.where != uint32(number) || sl.born != u.born || sl.at != u.at:
		case full || sl.laps >= maxLaps:
			settle = append(settle, u)
		default:
			again = append(again, u)
		}
	}
	return settle, again
}

func (x *Index) forget(settled []*Use) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.state.Settled++
	for _, u := range settled {
		if sl, place := x.find(u.key); sl != nil {
			x.remove(place)
		}
	}
}

// writeAgain writes uses of the tail anew, at the log's end.
func (l *Log) writeAgain(again []*Use) error {
	if len(again) == 0 {
		return nil
	}
	r := l.tail.again(again)
	l.appending.Lock()
	r.number = l.next
	err := l.write(r.number, r.encode())
	l.next++
	l.appending.Unlock()
	if err != nil {
		return err
	}
	return l.enterAll(r)
}

// removeTail removes the oldest record. The record's number must never be given out again,
// which the disk sees to.
func (l *Log) removeTail() error {
	if err := l.disk.Remove(l.tail.number); err != nil {
		return err
	}
	l.bytes.Add(-l.tail.size)
	l.oldest, l.tail = l.tail.number+1, nil
	return nil
}
