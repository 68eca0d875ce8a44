package pebble

import (
	"bytes"

	pebbledb "github.com/cockroachdb/pebble/v2"

	"github.com/rollcall-id/rollcall"
)

// A rows goes through a user's rows of one kind, in the order of Position.
type rows struct {
	it *pebbledb.Iterator
	r  row
	ok bool // r is a row
	// passed counts rows that cannot be read, which are passed over. Without passed, such
	// a row is an error.
	passed *passed
}

// first goes to the first row of the kind that follows after. The iterator then looks at
// nobody else's rows.
func (rs *rows) first(kind byte, userID string, after rollcall.Position) error {
	prefix := append(appendUserPrefix(nil, userID), kind)
	rs.it.SetBounds(prefix, append(appendUserPrefix(nil, userID), kind+1))
	start := prefix
	if after != (rollcall.Position{}) {
		start = append(sessionKey(kind, userID, after), 0)
	}
	return rs.read(rs.it.SeekGE(start))
}

func (rs *rows) next() error { return rs.read(rs.it.Next()) }

// read decodes the row that the iterator stands at, and passes by endings of rows that are
// gone.
func (rs *rows) read(valid bool) error {
	for ; valid; valid = rs.it.Next() {
		value, err := rs.it.ValueAndErr()
		if err != nil {
			return err
		}
		rs.r, rs.ok, err = rowOf(value)
		if err != nil && rs.passed != nil {
			if _, userID := readRowKey(rs.it.Key()); rs.passed.over("a session of user", string(userID), err) {
				continue
			}
		}
		if err != nil || rs.ok {
			return err
		}
	}
	rs.ok = false
	return rs.it.Error()
}

// each visits the rows that follow after among those of a user's live sessions, until
// visit returns false. Some of the rows have an ending behind them. No other look through
// the view is possible afterwards.
func (v view) each(userID string, after rollcall.Position, visit func(*row) (more bool, err error)) error {
	return v.eachReadable(userID, after, nil, visit)
}

// eachReadable is each that passes over rows that cannot be read, if passed is not nil.
func (v view) eachReadable(userID string, after rollcall.Position, p *passed, visit func(*row) (more bool, err error)) error {
	live := rows{it: v.it, passed: p}
	err := live.first(kindLive, userID, after)
	for more := true; err == nil && live.ok && more; {
		if more, err = visit(&live.r); err == nil && more {
			err = live.next()
		}
	}
	return err
}

// eachOfAll is each for all of a user's sessions, ended ones as well.
func (v view) eachOfAll(userID string, after rollcall.Position, visit func(*row) (more bool, err error)) error {
	clone, err := v.it.Clone(pebbledb.CloneOptions{})
	if err != nil {
		return err
	}
	defer closeQuietly(clone)
	live, ended := rows{it: v.it}, rows{it: clone}
	if err := live.first(kindLive, userID, after); err != nil {
		return err
	}
	if err := ended.first(kindEnded, userID, after); err != nil {
		return err
	}
	for live.ok || ended.ok {
		from := &live
		if !live.ok || ended.ok && ended.r.session.Position().Before(live.r.session.Position()) {
			from = &ended
		}
		if more, err := visit(&from.r); err != nil || !more {
			return err
		}
		if err := from.next(); err != nil {
			return err
		}
	}
	return nil
}

// userOf is the user whose rows a key lies among, as the prefix of all their keys.
func userOf(key []byte) (userID string, prefix []byte) {
	_, id := readRowKey(key)
	return string(id), bytes.Clone(key[:3+len(id)])
}
