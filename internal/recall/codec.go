package recall

import (
	"math"
	"net/netip"
	"strings"
	"time"

	"github.com/rollcall-id/rollcall"
)

const (
	timeSize = 6       // of an instant: milliseconds since 1970
	maxText  = 1 << 15 // of a text that is in no dictionary, in bytes
)

// noTime stands for the zero instant.
const noTime = 1<<(8*timeSize) - 1

// fits reports whether an instant has room: any from 1970 to 9999, and the zero instant.
func fits(t time.Time) bool {
	ms := t.UnixMilli()
	return 0 <= ms && ms < noTime || t.IsZero()
}

func putTime(b []byte, t time.Time) {
	ms := t.UnixMilli()
	if t.IsZero() {
		ms = noTime
	}
	bytesOrder.PutUint32(b, uint32(ms))
	bytesOrder.PutUint16(b[4:], uint16(ms>>32))
}

func readTime(b []byte) time.Time {
	ms := int64(bytesOrder.Uint32(b)) | int64(bytesOrder.Uint16(b[4:]))<<32
	if ms == noTime {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// The append functions take whether all went well so far, and return whether it still
// does.

func appendTime(b []byte, t time.Time, ok bool) ([]byte, bool) {
	var room [timeSize]byte
	putTime(room[:], t)
	return append(b, room[:]...), ok && fits(t)
}

// appendNumber appends a text as its number.
func (d charged) appendNumber(b []byte, text string, ok bool) ([]byte, bool) {
	n, known := d.texts.number(text, d.user)
	return bytesOrder.AppendUint16(b, n), ok && known
}

// appendText appends a text after its size.
func appendText(b []byte, text string, ok bool) ([]byte, bool) {
	b = bytesOrder.AppendUint16(b, uint16(len(text)))
	return append(b, text...), ok && len(text) <= math.MaxUint16
}

func readText(texts *arena, b []byte) (string, []byte) {
	n := 2 + int(bytesOrder.Uint16(b))
	return texts.add(b[2:n]), b[n:]
}

// putInteraction writes the latest use in place. It reports false, and has written
// nothing, for one that the record has no room for.
func (d charged) putInteraction(r record, last rollcall.Interaction) bool {
	return fits(last.At) && fits(last.IdleExpiresAt) && d.putOrigin(r, atLastOrigin, 0, last.Origin) && r.putInstants(last)
}

// putInstants writes the instants of the latest use in place. It reports false, and has
// written nothing, for instants that have no room.
func (r record) putInstants(last rollcall.Interaction) bool {
	if !fits(last.At) || !fits(last.IdleExpiresAt) {
		return false
	}
	putTime(r[atLast:], last.At)
	putTime(r[atLast+timeSize:], last.IdleExpiresAt)
	return true
}

// interaction is the latest use.
func (d *dictionaries) interaction(r record, texts *arena) (last rollcall.Interaction) {
	d.readInteraction(r, &last, texts)
	return last
}

func (d *dictionaries) readInteraction(r record, last *rollcall.Interaction, texts *arena) {
	last.At, last.IdleExpiresAt = readTime(r[atLast:]), readTime(r[atLast+timeSize:])
	d.readOrigin(r, atLastOrigin, 0, &last.Origin, texts)
}

// putOrigin writes an origin at a place of the record, and its address as the nth of the
// two. It reports false, and has written nothing, for an origin that has no room, and for
// an address that would come back spelled otherwise.
func (d charged) putOrigin(r record, at, nth int, o rollcall.Origin) bool {
	agent, known := d.texts.number(o.UserAgent, d.user)
	network, alsoKnown := d.texts.number(o.ASN, d.user)
	if !known || !alsoKnown {
		return false
	}
	room := r.addressRoom()
	var ip []byte
	if o.IP != "" {
		addr, err := netip.ParseAddr(o.IP)
		if err != nil || addr.Zone() != "" || addr.Is4In6() || addr.String() != o.IP {
			return false
		}
		if ip = addr.AsSlice(); len(ip) > room {
			return false
		}
	}
	bytesOrder.PutUint16(r[at:], agent)
	bytesOrder.PutUint16(r[at+2:], network)
	r[at+4] = byte(len(ip))
	n := copy(r[atAddresses+nth*room:][:room], ip)
	clear(r[atAddresses+nth*room:][n:room])
	return true
}

// isWide reports whether an address needs the room of IPv6.
func isWide(ip string) bool { return strings.Contains(ip, ":") }

func (d *dictionaries) readOrigin(r record, at, nth int, o *rollcall.Origin, texts *arena) {
	o.UserAgent, o.ASN, o.IP = d.texts.value(r[at:]), d.texts.value(r[at+2:]), ""
	room := r.addressRoom()
	var spelled [46]byte
	switch b := r[atAddresses+nth*room:]; r[at+4] {
	case 4:
		o.IP = texts.add(netip.AddrFrom4([4]byte(b)).AppendTo(spelled[:0]))
	case 16:
		o.IP = texts.add(netip.AddrFrom16([16]byte(b)).AppendTo(spelled[:0]))
	}
}

// sameOrigin reports whether the latest use came from where the session began, as most
// did.
func (r record) sameOrigin() bool {
	room := r.addressRoom()
	return string(r[atLastOrigin:][:originSize]) == string(r[atInitial:][:originSize]) &&
		string(r[atAddresses:][:room]) == string(r[atAddresses+room:][:room])
}
