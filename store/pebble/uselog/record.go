package uselog

import (
	"encoding/binary"
	"net/netip"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/store/pebble/internal/codec"
)

// A Use is one use of a session, as it stands in a record.
type Use struct {
	SessionID, UserID string
	key               Key
	at, idle          int64 // milliseconds since 1970
	ip                address
	agent, asn        int32   // numbers in the record's texts
	further           []int32 // numbers of texts whose meaning this version does not know
	born              uint64  // number of the record that the use was first written in
	laps              uint8   // how often the use was written anew
	void              bool    // the use is left out
}

// A record is what is written under one number. A use carries the number that it was
// born with, which is not the record's when the use was written anew.
type record struct {
	number uint64
	uses   []Use
	texts  []string // texts[0] is empty
	// further is how many texts each use has whose meaning this version does not know: a
	// later version may write some without a new format.
	further int
	size    int64 // of a record that was read
}

// maxFurther bounds the further texts of a use.
const maxFurther = 64

// newRecord makes a record of uses that are new.
func newRecord(known *Index, touches []rollcall.Touch) *record {
	r := &record{uses: make([]Use, len(touches)), texts: []string{""}}
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
		u.SessionID, u.UserID = t.SessionID, t.UserID
		u.key = known.Key(t.UserID, t.SessionID)
		u.at, u.idle = t.Interaction.At.UnixMilli(), t.Interaction.IdleExpiresAt.UnixMilli()
		var ok bool
		if u.ip, ok = parseAddress(t.Interaction.Origin.IP); !ok {
			u.ip = address{form: formText, text: number(t.Interaction.Origin.IP)}
		}
		u.agent, u.asn = number(t.Interaction.Origin.UserAgent), number(t.Interaction.Origin.ASN)
	}
	return r
}

// bear gives a record of new uses its number.
func (r *record) bear(number uint64) {
	r.number = number
	for i := range r.uses {
		r.uses[i].born = number
	}
}

// again makes a record of uses of this one that are written anew.
func (r *record) again(us []*Use) *record {
	n := &record{uses: make([]Use, len(us)), texts: []string{""}, further: r.further}
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
		n.uses[i].further = nil
		for _, text := range u.further {
			n.uses[i].further = append(n.uses[i].further, number(text))
		}
	}
	return n
}

// textNumbers returns room for the numbers that the record's texts have in memory.
func (r *record) textNumbers() []uint32 { return make([]uint32, len(r.texts)) }

// The forms of an address. A text is for what is no address in canonical form.
const (
	formText = 0
	form4    = 4
	form6    = 16
)

// An address is written as its bytes where the bytes bring back the same text.
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

// encode writes the record: the texts, and then each use with its instants as
// differences. The ages of uses count from the record's number, so that the number need
// not be known yet when all uses are new.
func (r *record) encode() []byte {
	b := append(make([]byte, 0, 256+96*len(r.uses)), codec.Format)
	b = binary.AppendUvarint(b, uint64(len(r.texts)-1))
	b = codec.AppendTexts(b, r.texts[1:]...)
	b = binary.AppendUvarint(b, uint64(r.further))
	b = binary.AppendUvarint(b, uint64(len(r.uses)))
	var at int64
	for i := range r.uses {
		u := &r.uses[i]
		b = append(binary.AppendUvarint(b, r.number-u.born), u.laps)
		b = codec.AppendTexts(b, u.SessionID, u.UserID)
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
		for _, text := range u.further {
			b = binary.AppendUvarint(b, uint64(text))
		}
	}
	return b
}

// decodeRecord is the inverse of encode.
func decodeRecord(known *Index, number uint64, b []byte) (*record, error) {
	d, err := codec.NewDecoder("a record of uses", b)
	if err != nil {
		return nil, err
	}
	r := &record{number: number, size: recordSize(b), texts: make([]string, 1+d.Count())}
	for i := range r.texts[1:] {
		r.texts[i+1] = d.Text()
	}
	r.further = int(d.Number(maxFurther))
	r.uses = make([]Use, d.Count())
	var at int64
	for i := range r.uses {
		u := &r.uses[i]
		u.born = number - d.Uvarint()
		u.laps = d.Byte()
		u.SessionID, u.UserID = d.Text(), d.Text()
		u.at = at + d.Varint()
		u.idle = u.at + d.Varint()
		at = u.at
		switch u.ip.form = d.Byte(); u.ip.form {
		case formText:
			u.ip.text = d.Number(len(r.texts))
		case form4, form6:
			copy(u.ip.bytes[:], d.Bytes(int(u.ip.form)))
		default:
			d.Fail()
		}
		u.agent, u.asn = d.Number(len(r.texts)), d.Number(len(r.texts))
		for range r.further {
			if d.Err() == nil {
				u.further = append(u.further, d.Number(len(r.texts)))
			}
		}
		u.key = known.Key(u.UserID, u.SessionID)
	}
	return r, d.End()
}
