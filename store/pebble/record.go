package pebble

import (
	"encoding/binary"
	"time"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/store/pebble/internal/codec"
)

// A row is a session as it is stored.
type row struct {
	session rollcall.Session
	// filed is when a sweep looks at the session.
	filed time.Time
	// filedBefore is the instant of a second key under which the row is filed; zero for
	// none. A [rollcall.End] is written behind the row without a look at the row, so the key
	// of the filing from before stays until the row is written anew.
	filedBefore time.Time
	// mark is a number in the log of uses. A use from a record with that number or a
	// smaller one is in the row already, or had no effect.
	mark uint64
	// further are fields that this version does not know.
	further string
}

// Flags of a row: the parts that this row has, and not every row.
const (
	rowHasDigest = 1 << iota
	rowHasEnding
	rowHasOrigin // of the last use, when that is not the first one's

	rowFlags = rowHasDigest | rowHasEnding | rowHasOrigin
)

// encode writes a row in the flat form: numbers as varints, texts with their
// length before them, instants as what they are later than the one before them, and
// the user's generation, which begins as an instant, as what it is above the creation; in
// a fixed order.
func (r *row) encode() []byte {
	s := &r.session
	flags := byte(0)
	if s.RequestDigest != [len(s.RequestDigest)]byte{} {
		flags |= rowHasDigest
	}
	if !s.EndedAt.IsZero() || s.EndReason != "" || s.EndedBy != "" {
		flags |= rowHasEnding
	}
	if s.Last.Origin != s.Initial {
		flags |= rowHasOrigin
	}
	b := append(make([]byte, 0, 512), codec.Format, flags)
	b = codec.AppendTexts(b, s.ID, s.UserID)
	b = binary.AppendUvarint(b, s.Version)
	b = append(b, s.SecretHash[:]...)
	if flags&rowHasDigest != 0 {
		b = append(b, s.RequestDigest[:]...)
	}
	b = codec.AppendLater(b, 0, s.CreatedAt, s.UpdatedAt, s.AuthenticatedAt, s.RenewedAt, s.Last.At, s.Last.IdleExpiresAt, s.ExpiresAt, r.filed)
	b = codec.AppendAbove(b, s.Generation.User, uint64(s.CreatedAt.UnixMilli()))
	b = binary.AppendUvarint(b, s.Generation.Everybody)
	if flags&rowHasEnding != 0 {
		b = codec.AppendLater(b, s.UpdatedAt.UnixMilli(), s.EndedAt)
		b = codec.AppendTexts(b, string(s.EndReason), s.EndedBy)
	}
	b = binary.AppendVarint(b, int64(s.Lifetimes.Absolute))
	b = binary.AppendVarint(b, int64(s.Lifetimes.Idle))
	b = codec.AppendTexts(b, string(s.CookieMode))
	b = codec.AppendOrigin(b, s.Initial)
	if flags&rowHasOrigin != 0 {
		b = codec.AppendOrigin(b, s.Last.Origin)
	}
	b = binary.AppendUvarint(b, uint64(len(s.Methods)))
	for i := range s.Methods {
		b = codec.AppendTexts(b, s.Methods[i].Name, s.Methods[i].Type)
		b = codec.AppendLater(b, s.CreatedAt.UnixMilli(), s.Methods[i].At)
	}
	b = binary.AppendUvarint(b, uint64(len(s.Clients)))
	b = codec.AppendTexts(b, s.Clients...)
	b = binary.AppendUvarint(b, uint64(len(s.Metadata)))
	for _, e := range s.Metadata {
		b = codec.AppendTexts(b, e.Key, e.Value)
	}
	b = binary.AppendUvarint(b, uint64(len(s.UsedKeys)))
	for _, mark := range s.UsedKeys {
		b = append(b, mark[:]...)
	}
	b = binary.AppendUvarint(b, r.mark)
	return append(b, r.further...)
}

// decodeRow is the inverse of encode. An ending that lies behind the row is joined to it;
// see joinEnding. All texts of the session share one copy of the record.
func decodeRow(b []byte) (row, error) {
	d, err := codec.NewDecoder("a session", b)
	if err != nil {
		return row{}, err
	}
	var r row
	s := &r.session
	flags := d.Flags(rowFlags)
	s.ID, s.UserID = d.Text(), d.Text()
	s.Version = d.Uvarint()
	copy(s.SecretHash[:], d.Bytes(len(s.SecretHash)))
	if flags&rowHasDigest != 0 {
		copy(s.RequestDigest[:], d.Bytes(len(s.RequestDigest)))
	}
	d.Later(0, &s.CreatedAt, &s.UpdatedAt, &s.AuthenticatedAt, &s.RenewedAt, &s.Last.At, &s.Last.IdleExpiresAt, &s.ExpiresAt, &r.filed)
	s.Generation.User = d.Above(uint64(s.CreatedAt.UnixMilli()))
	s.Generation.Everybody = d.Uvarint()
	if flags&rowHasEnding != 0 {
		d.Later(s.UpdatedAt.UnixMilli(), &s.EndedAt)
		s.EndReason, s.EndedBy = rollcall.Reason(d.Text()), d.Text()
	}
	s.Lifetimes = rollcall.Lifetimes{Absolute: time.Duration(d.Varint()), Idle: time.Duration(d.Varint())}
	s.CookieMode = rollcall.CookieMode(d.Text())
	s.Initial = d.Origin()
	s.Last.Origin = s.Initial
	if flags&rowHasOrigin != 0 {
		s.Last.Origin = d.Origin()
	}
	decodeLists(&d, s)
	r.mark = d.Uvarint()
	r.further = d.Fields()
	for d.More() {
		joinEnding(&d, &r)
	}
	return r, d.End()
}

// decodeLists reads what a session has several of.
func decodeLists(d *codec.Decoder, s *rollcall.Session) {
	if n := d.Count(); n > 0 {
		s.Methods = make([]rollcall.Method, n)
		for i := range s.Methods {
			m := rollcall.Method{Name: d.Text(), Type: d.Text()}
			d.Later(s.CreatedAt.UnixMilli(), &m.At)
			s.Methods[i] = m
		}
	}
	if n := d.Count(); n > 0 {
		s.Clients = make([]string, n)
		for i := range s.Clients {
			s.Clients[i] = d.Text()
		}
	}
	if n := d.Count(); n > 0 {
		s.Metadata = make([]rollcall.MetadataEntry, n)
		for i := range s.Metadata {
			s.Metadata[i] = rollcall.MetadataEntry{Key: d.Text(), Value: d.Text()}
		}
	}
	if n := d.Count(); n > 0 {
		s.UsedKeys = make([]rollcall.KeyMark, n)
		for i := range s.UsedKeys {
			copy(s.UsedKeys[i][:], d.Bytes(len(s.UsedKeys[i])))
		}
	}
}

// rowOf decodes the value under a row's key. ok is false when the value is no row: nil, or
// an ending whose row was removed.
func rowOf(value []byte) (_ row, ok bool, err error) {
	if value == nil || len(value) > 0 && value[0] == endingMark {
		return row{}, false, nil
	}
	r, err := decodeRow(value)
	return r, err == nil, err
}

// An ending is what a [rollcall.End] writes behind a session's row, as a merge: Pebble
// appends the ending's bytes to the row's. An ending begins with endingMark, with which no
// row and no field begins, and its length.
const (
	endingMark = 0xff

	// The origin of the last use; without a flag that is the zero one.
	endingHasOrigin = 1
	endingAtInitial = 2 // is the row's Initial
)

// encodeEnding writes an ending.
func encodeEnding(e *rollcall.End) []byte {
	flags := byte(0)
	switch e.Last.Origin {
	case rollcall.Origin{}:
	case e.Initial:
		flags = endingAtInitial
	default:
		flags = endingHasOrigin
	}
	b := append(make([]byte, 0, 160), flags)
	b = codec.AppendLater(b, 0, e.EndedAt, filedAt(e.FileAt), e.Last.At, e.Last.IdleExpiresAt)
	b = codec.AppendTexts(b, string(e.EndReason), e.EndedBy)
	if flags&endingHasOrigin != 0 {
		b = codec.AppendOrigin(b, e.Last.Origin)
	}
	head := binary.AppendUvarint(append(make([]byte, 0, 3+len(b)), endingMark), uint64(len(b)))
	return append(head, b...)
}

// joinEnding reads an ending that lies behind a row. Cases:
//
//  1. the row has not ended: it ends, filed is the ending's FileAt, and the instant of the
//     filing from before goes to filedBefore
//  2. the row has ended: the ending has no effect
func joinEnding(d *codec.Decoder, r *row) {
	if d.Byte() != endingMark {
		d.Fail()
		return
	}
	e := d.Part()
	flags := e.Flags(endingHasOrigin | endingAtInitial)
	var put rollcall.End
	e.Later(0, &put.EndedAt, &put.FileAt, &put.Last.At, &put.Last.IdleExpiresAt)
	put.EndReason, put.EndedBy = rollcall.Reason(e.Text()), e.Text()
	switch flags {
	case 0:
	case endingAtInitial:
		put.Last.Origin = r.session.Initial
	case endingHasOrigin:
		put.Last.Origin = e.Origin()
	default:
		d.Fail()
	}
	further := e.Fields()
	if d.Err() != nil || e.End() != nil {
		d.Fail()
		return
	}
	if !r.session.EndedAt.IsZero() {
		return
	}
	last := put.Last.Later(r.session.Last)
	r.session = r.session.Ended(put.Ending)
	r.session.Version++
	r.session.Last = last
	r.filed, r.filedBefore = put.FileAt, r.filed
	r.further += further
}
