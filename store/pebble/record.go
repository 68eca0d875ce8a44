package pebble

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/rollcall-id/rollcall"
)

// recordFormat is the first byte of every record. Older formats are read for
// ever; a newer one is refused, since guessing would lose what it holds.
const recordFormat = 1

// rowFormat is the format of a session's row. Format 2 has the mark, format 3 leaves out
// what most rows have twice or not at all.
const rowFormat = 3

// storeFormat is the format of the key space as a whole. Format 2 has uses, format 3 rows
// of format 3, format 4 endings behind rows. A store of an older format is one of this
// format in which some things are not there yet.
const storeFormat = 4

// What a row of format 3 has beside what all rows have.
const (
	rowHasDigest = 1 << iota
	rowHasEnded
	rowHasOrigin // of the last use: else it is the first one's

	rowFlags = rowHasDigest | rowHasEnded | rowHasOrigin
)

func errCorrupt(what string) error { return fmt.Errorf("%s in the store is damaged", what) }

func errNewer(what string, format, known byte) error {
	return fmt.Errorf("%s in the store has record format %d, and this version reads up to %d: it was written by a newer version", what, format, known)
}

// An ending that was put unread lies behind the session's row, as a merge that the engine
// joins to it. It begins with a byte that no row does.
const (
	endingFormat = 0xff

	endingHasOrigin = 1 // of the last use: else it is the first one's
)

// A row is a session as it is stored: with the instant that it is filed under, and
// the number up to which uses are in it, or have no effect.
type row struct {
	session rollcall.Session
	filed   time.Time
	// filedBefore is where else it is filed, if an ending lies behind it.
	filedBefore time.Time
	mark        uint64
}

// encode writes a record in the flat form: numbers as varints, texts with their
// length before them, instants as what they are later than the one before them, in a
// fixed order.
func (r *row) encode() []byte {
	s := &r.session
	flags := byte(0)
	if s.RequestDigest != [len(s.RequestDigest)]byte{} {
		flags |= rowHasDigest
	}
	if !s.EndedAt.IsZero() {
		flags |= rowHasEnded
	}
	if s.Last.Origin != s.Initial {
		flags |= rowHasOrigin
	}
	b := append(make([]byte, 0, 512), rowFormat, flags)
	b = appendTexts(b, s.ID, s.UserID)
	b = binary.AppendUvarint(b, s.Version)
	b = binary.AppendUvarint(b, s.Generation.User)
	b = binary.AppendUvarint(b, s.Generation.Everybody)
	b = append(b, s.SecretHash[:]...)
	if flags&rowHasDigest != 0 {
		b = append(b, s.RequestDigest[:]...)
	}
	b = appendLater(b, 0, s.CreatedAt, s.UpdatedAt, s.AuthenticatedAt, s.RenewedAt, s.Last.At, s.Last.IdleExpiresAt, s.ExpiresAt, r.filed)
	if flags&rowHasEnded != 0 {
		b = appendTimes(b, s.EndedAt)
	}
	b = binary.AppendVarint(b, int64(s.Lifetimes.Absolute))
	b = binary.AppendVarint(b, int64(s.Lifetimes.Idle))
	b = appendTexts(b, string(s.CookieMode), string(s.EndReason))
	b = appendOrigin(b, s.Initial)
	if flags&rowHasOrigin != 0 {
		b = appendOrigin(b, s.Last.Origin)
	}
	b = binary.AppendUvarint(b, uint64(len(s.Methods)))
	for i := range s.Methods {
		b = appendTexts(b, s.Methods[i].Name, s.Methods[i].Type)
		b = appendLater(b, s.CreatedAt.UnixMilli(), s.Methods[i].At)
	}
	b = binary.AppendUvarint(b, uint64(len(s.Clients)))
	b = appendTexts(b, s.Clients...)
	b = binary.AppendUvarint(b, uint64(len(s.Metadata)))
	for _, e := range s.Metadata {
		b = appendTexts(b, e.Key, e.Value)
	}
	b = binary.AppendUvarint(b, uint64(len(s.UsedKeys)))
	for _, mark := range s.UsedKeys {
		b = append(b, mark[:]...)
	}
	return binary.AppendUvarint(b, r.mark)
}

// appendLater appends instants, each as the milliseconds that it is later than the one
// before it.
func appendLater(b []byte, before int64, times ...time.Time) []byte {
	for _, t := range times {
		ms := t.UnixMilli()
		b = binary.AppendVarint(b, ms-before)
		before = ms
	}
	return b
}

// decodeRow is the inverse of encode. All texts of the session share one copy of
// the record.
func decodeRow(b []byte) (row, error) {
	d, err := newDecoder("a session", b, rowFormat)
	if err != nil {
		return row{}, err
	}
	var r row
	s := &r.session
	flags := byte(rowHasDigest | rowHasOrigin)
	if d.format >= 3 {
		flags = d.byte()
		d.bad = d.bad || flags&^rowFlags != 0
	}
	s.ID, s.UserID = d.text(), d.text()
	s.Version = d.uvarint()
	s.Generation = rollcall.Generation{User: d.uvarint(), Everybody: d.uvarint()}
	copy(s.SecretHash[:], d.bytes(len(s.SecretHash)))
	if flags&rowHasDigest != 0 {
		copy(s.RequestDigest[:], d.bytes(len(s.RequestDigest)))
	}
	if d.format >= 3 {
		d.later(0, &s.CreatedAt, &s.UpdatedAt, &s.AuthenticatedAt, &s.RenewedAt, &s.Last.At, &s.Last.IdleExpiresAt, &s.ExpiresAt, &r.filed)
		if flags&rowHasEnded != 0 {
			s.EndedAt = d.time()
		}
	} else {
		r.filed = d.time()
		s.CreatedAt, s.UpdatedAt, s.AuthenticatedAt = d.time(), d.time(), d.time()
		s.ExpiresAt, s.RenewedAt, s.EndedAt = d.time(), d.time(), d.time()
	}
	s.Lifetimes = rollcall.Lifetimes{Absolute: time.Duration(d.varint()), Idle: time.Duration(d.varint())}
	s.CookieMode, s.EndReason = rollcall.CookieMode(d.text()), rollcall.Reason(d.text())
	s.Initial = d.origin()
	s.Last.Origin = s.Initial
	if d.format < 3 {
		s.Last.At, s.Last.IdleExpiresAt = d.time(), d.time()
	}
	if flags&rowHasOrigin != 0 {
		s.Last.Origin = d.origin()
	}
	if n := d.count(); n > 0 {
		s.Methods = make([]rollcall.Method, n)
		for i := range s.Methods {
			m := rollcall.Method{Name: d.text(), Type: d.text()}
			if d.format >= 3 {
				d.later(s.CreatedAt.UnixMilli(), &m.At)
			} else {
				m.At = d.time()
			}
			s.Methods[i] = m
		}
	}
	if n := d.count(); n > 0 {
		s.Clients = make([]string, n)
		for i := range s.Clients {
			s.Clients[i] = d.text()
		}
	}
	if n := d.count(); n > 0 {
		s.Metadata = make([]rollcall.MetadataEntry, n)
		for i := range s.Metadata {
			s.Metadata[i] = rollcall.MetadataEntry{Key: d.text(), Value: d.text()}
		}
	}
	if n := d.count(); n > 0 {
		s.UsedKeys = make([]rollcall.KeyMark, n)
		for i := range s.UsedKeys {
			copy(s.UsedKeys[i][:], d.bytes(len(s.UsedKeys[i])))
		}
	}
	if d.format >= 2 {
		r.mark = d.uvarint()
	}
	for len(d.rest) > 0 {
		d.ending(&r)
	}
	return r, d.end()
}

// encodeEnding is what an ending puts behind a row.
func encodeEnding(s *rollcall.Session) []byte {
	flags := byte(0)
	if s.Last.Origin != s.Initial {
		flags |= endingHasOrigin
	}
	b := append(make([]byte, 0, 128), endingFormat, flags)
	b = appendLater(b, 0, s.EndedAt, s.UpdatedAt, s.Last.At, s.Last.IdleExpiresAt)
	b = appendTexts(b, string(s.EndReason))
	if flags&endingHasOrigin != 0 {
		b = appendOrigin(b, s.Last.Origin)
	}
	return b
}

// ending reads an ending that lies behind a row. The first one counts.
func (d *decoder) ending(r *row) {
	var put rollcall.Session
	format, flags := d.byte(), d.byte()
	d.bad = d.bad || format != endingFormat || flags&^endingHasOrigin != 0
	d.later(0, &put.EndedAt, &put.UpdatedAt, &put.Last.At, &put.Last.IdleExpiresAt)
	put.EndReason, put.Last.Origin = rollcall.Reason(d.text()), r.session.Initial
	if flags&endingHasOrigin != 0 {
		put.Last.Origin = d.origin()
	}
	s := &r.session
	if d.bad {
		d.rest = ""
	}
	if d.bad || !s.EndedAt.IsZero() {
		return
	}
	s.Version++
	s.EndedAt, s.EndReason, s.UpdatedAt, s.Last = put.EndedAt, put.EndReason, put.UpdatedAt, put.Last.Later(s.Last)
	r.filed, r.filedBefore = s.OverAt(), r.filed
}

// rowOf decodes what lies under a row's key. It reports false when that is no row: nil, or
// endings of a row that is gone.
func rowOf(value []byte) (_ row, ok bool, err error) {
	if value == nil || len(value) > 0 && value[0] == endingFormat {
		return row{}, false, nil
	}
	r, err := decodeRow(value)
	return r, err == nil, err
}

// later is the inverse of appendLater.
func (d *decoder) later(before int64, times ...*time.Time) {
	for _, t := range times {
		before += d.varint()
		*t = time.UnixMilli(before).UTC()
	}
}

func encodeUser(u rollcall.User) []byte {
	b := append(make([]byte, 0, 32), recordFormat)
	b = binary.AppendUvarint(b, u.Version)
	b = binary.AppendUvarint(b, u.Generation)
	return appendTimes(b, u.GenerationAt)
}

func decodeUser(id string, b []byte) (rollcall.User, error) {
	d, err := newDecoder("a user", b, recordFormat)
	if err != nil {
		return rollcall.User{}, err
	}
	u := rollcall.User{ID: id, Version: d.uvarint(), Generation: d.uvarint(), GenerationAt: d.time()}
	return u, d.end()
}

func encodeDocument(version uint64, body []byte) []byte {
	b := binary.AppendUvarint([]byte{recordFormat}, version)
	return append(b, body...)
}

func decodeDocument(name string, b []byte) (rollcall.Document, error) {
	d, err := newDecoder("a document", b, recordFormat)
	if err != nil {
		return rollcall.Document{}, err
	}
	doc := rollcall.Document{Name: name, Version: d.uvarint()}
	doc.Body = []byte(d.rest)
	return doc, d.err()
}

func encodeEvent(e rollcall.Event) []byte {
	b := append(make([]byte, 0, 384), recordFormat)
	b = appendTexts(b, e.ID, string(e.Type), e.UserID, e.SessionID, e.ClientID, string(e.Reason), e.Actor, e.IP, e.UserAgent, e.CorrelationID)
	b = appendTimes(b, e.At)
	return binary.AppendVarint(b, int64(e.Count))
}

func decodeEvent(b []byte) (rollcall.Event, error) {
	d, err := newDecoder("an event", b, recordFormat)
	if err != nil {
		return rollcall.Event{}, err
	}
	e := rollcall.Event{
		ID: d.text(), Type: rollcall.EventType(d.text()), UserID: d.text(), SessionID: d.text(), ClientID: d.text(),
		Reason: rollcall.Reason(d.text()), Actor: d.text(), IP: d.text(), UserAgent: d.text(), CorrelationID: d.text(),
		At: d.time(), Count: int(d.varint()),
	}
	return e, d.end()
}
