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

// rowFormat is the format of a session's row. Format 2 has the mark.
const rowFormat = 2

// storeFormat is the format of the key space as a whole. Format 2 has uses. A store
// of an older format is one of this format in which some things are not there yet.
const storeFormat = 2

func errCorrupt(what string) error { return fmt.Errorf("%s in the store is damaged", what) }

func errNewer(what string, format, known byte) error {
	return fmt.Errorf("%s in the store has record format %d, and this version reads up to %d: it was written by a newer version", what, format, known)
}

// A row is a session as it is stored: with the instant that it is filed under, and
// the number up to which uses are in it, or have no effect.
type row struct {
	session rollcall.Session
	filed   time.Time
	mark    uint64
}

// encode writes a record in the flat form: numbers as varints, texts with their
// length before them, in a fixed order.
func (r *row) encode() []byte {
	s := &r.session
	b := append(make([]byte, 0, 512), rowFormat)
	b = appendTexts(b, s.ID, s.UserID)
	b = binary.AppendUvarint(b, s.Version)
	b = binary.AppendUvarint(b, s.Generation.User)
	b = binary.AppendUvarint(b, s.Generation.Everybody)
	b = append(b, s.SecretHash[:]...)
	b = append(b, s.RequestDigest[:]...)
	b = appendTimes(b, r.filed, s.CreatedAt, s.UpdatedAt, s.AuthenticatedAt, s.ExpiresAt, s.RenewedAt, s.EndedAt)
	b = binary.AppendVarint(b, int64(s.Lifetimes.Absolute))
	b = binary.AppendVarint(b, int64(s.Lifetimes.Idle))
	b = appendTexts(b, string(s.CookieMode), string(s.EndReason))
	b = appendOrigin(b, s.Initial)
	b = appendTimes(b, s.Last.At, s.Last.IdleExpiresAt)
	b = appendOrigin(b, s.Last.Origin)
	b = binary.AppendUvarint(b, uint64(len(s.Methods)))
	for i := range s.Methods {
		b = appendTexts(b, s.Methods[i].Name, s.Methods[i].Type)
		b = appendTimes(b, s.Methods[i].At)
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

// decodeRow is the inverse of encode. All texts of the session share one copy of
// the record.
func decodeRow(b []byte) (row, error) {
	d, err := newDecoder("a session", b, rowFormat)
	if err != nil {
		return row{}, err
	}
	var r row
	s := &r.session
	s.ID, s.UserID = d.text(), d.text()
	s.Version = d.uvarint()
	s.Generation = rollcall.Generation{User: d.uvarint(), Everybody: d.uvarint()}
	copy(s.SecretHash[:], d.bytes(len(s.SecretHash)))
	copy(s.RequestDigest[:], d.bytes(len(s.RequestDigest)))
	r.filed = d.time()
	s.CreatedAt, s.UpdatedAt, s.AuthenticatedAt = d.time(), d.time(), d.time()
	s.ExpiresAt, s.RenewedAt, s.EndedAt = d.time(), d.time(), d.time()
	s.Lifetimes = rollcall.Lifetimes{Absolute: time.Duration(d.varint()), Idle: time.Duration(d.varint())}
	s.CookieMode, s.EndReason = rollcall.CookieMode(d.text()), rollcall.Reason(d.text())
	s.Initial = d.origin()
	s.Last = rollcall.Interaction{At: d.time(), IdleExpiresAt: d.time(), Origin: d.origin()}
	if n := d.count(); n > 0 {
		s.Methods = make([]rollcall.Method, n)
		for i := range s.Methods {
			s.Methods[i] = rollcall.Method{Name: d.text(), Type: d.text(), At: d.time()}
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
	return r, d.end()
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
