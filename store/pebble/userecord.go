package pebble

import (
	"encoding/binary"
	"net/netip"
	"time"

	pebbledb "github.com/cockroachdb/pebble/v2"

	"github.com/rollcall-id/rollcall"
)

// A use is one use of a session, as it stands in a record.
type use struct {
	sessionID, userID string
	key               sessionUse
	at, idle          int64 // milliseconds since 1970
	ip                address
	agent, asn        int32 // numbers in the record's texts
	born              uint64
	laps              uint8 // how often it was written anew
	void              bool  // it is left out
}

// A useRecord is what is written under one number. A use carries the number it was
// born with, which is another than the record's when it was written anew.
type useRecord struct {
	seq   uint64
	uses  []use
	texts []string // texts[0] is empty
	size  int64    // of a record that was read
}

// newUseRecord makes a record of uses that are new.
func newUseRecord(known *uses, touches []rollcall.Touch) *useRecord {
	r := &useRecord{uses: make([]use, len(touches)), texts: []string{""}}
	numbers := map[string]int32{"": 0}
	number := func(text string) int32 {
		n, ok := numbers[text]
		if !ok {
			n = int32(len(r.texts))
			numbers[text], r.texts = n, append(r.texts, text)
		}
		return n
	}
	for i := range touches {
		t, u := &touches[i], &r.uses[i]
		u.sessionID, u.userID = t.SessionID, t.UserID
		u.key = known.key(t.UserID, t.SessionID)
		u.at, u.idle = t.Interaction.At.UnixMilli(), t.Interaction.IdleExpiresAt.UnixMilli()
		var ok bool
		if u.ip, ok = parseAddress(t.Interaction.Origin.IP); !ok {
			u.ip = address{form: formText, text: number(t.Interaction.Origin.IP)}
		}
		u.agent, u.asn = number(t.Interaction.Origin.UserAgent), number(t.Interaction.Origin.ASN)
	}
	return r
}

// number gives a record of new uses its number.
func (r *useRecord) number(seq uint64) {
	r.seq = seq
	for i := range r.uses {
		r.uses[i].born = seq
	}
}

// again makes a record of uses of this one that are written anew.
func (r *useRecord) again(us []*use) *useRecord {
	n := &useRecord{uses: make([]use, len(us)), texts: []string{""}}
	numbers := make([]int32, len(r.texts))
	number := func(old int32) int32 {
		if old != 0 && numbers[old] == 0 {
			numbers[old] = int32(len(n.texts))
			n.texts = append(n.texts, r.texts[old])
		}
		return numbers[old]
	}
	for i, u := range us {
		n.uses[i] = *u
		n.uses[i].laps++
		n.uses[i].agent, n.uses[i].asn, n.uses[i].ip.text = number(u.agent), number(u.asn), number(u.ip.text)
	}
	return n
}

// textNumbers returns room for the numbers that the record's texts have in memory.
func (r *useRecord) textNumbers() []uint32 { return make([]uint32, len(r.texts)) }

// The forms of an address: a text is what no address is spelled like.
const (
	formText = 0
	form4    = 4
	form6    = 16
)

// An address is written as its bytes where that brings back the same text.
type address struct {
	bytes [16]byte
	text  int32
	form  uint8
}

func parseAddress(text string) (address, bool) {
	a, err := netip.ParseAddr(text)
	if err != nil || a.Zone() != "" {
		return address{}, false
	}
	var room [48]byte
	if string(a.AppendTo(room[:0])) != text {
		return address{}, false
	}
	if a.Is4() {
		b := address{form: form4}
		four := a.As4()
		copy(b.bytes[:], four[:])
		return b, true
	}
	return address{bytes: a.As16(), form: form6}, true
}

// spell is the inverse of parseAddress.
func spell(form uint8, b *[16]byte) string {
	if form == form4 {
		return netip.AddrFrom4([4]byte(b[:4])).String()
	}
	return netip.AddrFrom16(*b).String()
}

// useFormat is the format of a record of uses.
const useFormat = 1

// encode writes the record: the texts, and then each use with its instants as
// differences. The ages of uses count from the record's number, so that it need not
// be known yet when all are new.
func (r *useRecord) encode() []byte {
	b := append(make([]byte, 0, 256+96*len(r.uses)), useFormat)
	b = binary.AppendUvarint(b, uint64(len(r.texts)-1))
	b = appendTexts(b, r.texts[1:]...)
	b = binary.AppendUvarint(b, uint64(len(r.uses)))
	var at int64
	for i := range r.uses {
		u := &r.uses[i]
		b = append(binary.AppendUvarint(b, r.seq-u.born), u.laps)
		b = appendTexts(b, u.sessionID, u.userID)
		b = binary.AppendVarint(b, u.at-at)
		b = binary.AppendVarint(b, u.idle-u.at)
		at = u.at
		b = append(b, u.ip.form)
		if u.ip.form == formText {
			b = binary.AppendUvarint(b, uint64(u.ip.text))
		} else {
			b = append(b, u.ip.bytes[:u.ip.form]...)
		}
		b = binary.AppendUvarint(b, uint64(u.agent))
		b = binary.AppendUvarint(b, uint64(u.asn))
	}
	return b
}

// decodeUses is the inverse of encode.
func decodeUses(known *uses, seq uint64, b []byte) (*useRecord, error) {
	d, err := newDecoder("a record of uses", b, useFormat)
	if err != nil {
		return nil, err
	}
	r := &useRecord{seq: seq, size: recordSize(b), texts: make([]string, 1+d.count())}
	for i := range r.texts[1:] {
		r.texts[i+1] = d.text()
	}
	r.uses = make([]use, d.count())
	var at int64
	for i := range r.uses {
		u := &r.uses[i]
		u.born = seq - d.uvarint()
		u.laps = d.byte()
		u.sessionID, u.userID = d.text(), d.text()
		u.at = at + d.varint()
		u.idle = u.at + d.varint()
		at = u.at
		switch u.ip.form = d.byte(); u.ip.form {
		case formText:
			u.ip.text = d.number(len(r.texts))
		case form4, form6:
			copy(u.ip.bytes[:], d.bytes(int(u.ip.form)))
		default:
			d.bad = true
		}
		u.agent, u.asn = d.number(len(r.texts)), d.number(len(r.texts))
		u.key = known.key(u.userID, u.sessionID)
	}
	return r, d.end()
}

func readRecord(known *uses, it *pebbledb.Iterator) (*useRecord, error) {
	value, err := it.ValueAndErr()
	if err != nil {
		return nil, err
	}
	return decodeUses(known, binary.BigEndian.Uint64(it.Key()[1:]), value)
}

func milli(ms int64) time.Time { return time.UnixMilli(ms).UTC() }
