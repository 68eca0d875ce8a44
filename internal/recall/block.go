package recall

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"time"

	"github.com/rollcall-id/rollcall"
)

// An image is what is remembered of a user's live sessions, as one flat run of
// bytes: it holds no pointers, so a million sessions cost the garbage collector
// nothing. It leaves out what only acts look at, and acts read the store.
//
//	state     1
//	mark      4  which no other image of its shard has
//	next      8  where what was added last is: see additionHead
//	added     2  how many were added
//	generation 8 of the user
//	turn      4  of its shard in which a use was last recorded in it
//	sessions  2  how many when it was made, tooMany, or ofMany
//	user id   2 + n
//	then each session: see appendSession
type image []byte

const (
	imageHead    = atIDLength + 2
	atMark       = 1
	atNext       = atMark + 4
	atAdded      = atNext + 8
	atGeneration = atAdded + 2
	atUsed       = atGeneration + 8
	atCount      = atUsed + 4
	atIDLength   = atCount + 2
	// tooMany stands for a user with more sessions than an image holds.
	tooMany = 1<<16 - 1
	// ofMany stands for an image of one session of such a user: see single.go.
	ofMany = tooMany - 1
	// maxImageSessions bounds an image, and with it what one miss reads.
	MaxSessions = 64
)

// Where the parts of a session lie. Those of a fixed size come first. Most sessions
// have much in common, and instants that are the same: those are numbers of a
// dictionary, and left out.
const (
	atSize    = 0
	atBack    = atSize + 2 // how far the image's beginning is
	atUse     = atBack + 4 // the low bits of the shard's turn in which a use was recorded
	atFlags   = atUse + 2
	atLast    = atFlags + 1 // at, idle_expires_at, origin
	atHash    = atLast + 2*timeSize + originSize
	atKind    = atHash + 32
	atCreated = atKind + 2
	atExpires = atCreated + timeSize
	atInitial = atExpires + timeSize
	atCounts  = atInitial + originSize // id, methods, clients, metadata
	atIPs     = atCounts + 4           // the last one, the initial one

	timeSize   = 6         // milliseconds since 1970
	originSize = 2 + 2 + 1 // agent, network, size of the address
)

// Flags of a session: what there is after the addresses and the id.
const (
	wideIPs    = 1 << iota // there is room for the 16 bytes of an IPv6 address
	hasUpdated             // else it is when the session was created
	hasAuthenticated
	hasRenewed
	isGone // the session has ended, or is another one now
)

// A sessionKind is what most sessions share with many others.
type sessionKind struct {
	lifetimes  rollcall.Lifetimes
	generation rollcall.Generation
	mode       rollcall.CookieMode
}

var bytesOrder = binary.LittleEndian

// The states of an image. A commit suspends a good one, and makes it good again when
// its change has been applied; what is gone stays so.
const (
	imageGood = iota
	imageSuspended
	imageGone
	imageAddition // is none, but was added to one
)

func newImage(u rollcall.User, count int) image {
	b := make(image, 0, imageHead+len(u.ID)+min(count, MaxSessions)*160)
	b = append(b, imageGood)
	b = bytesOrder.AppendUint32(b, 0)
	b = bytesOrder.AppendUint64(b, uint64(noPlace))
	b = bytesOrder.AppendUint16(b, 0)
	b = bytesOrder.AppendUint64(b, u.Generation)
	b = bytesOrder.AppendUint32(b, 0)
	b = bytesOrder.AppendUint16(b, uint16(count))
	b = bytesOrder.AppendUint16(b, uint16(len(u.ID)))
	return append(b, u.ID...)
}

func (i image) isGood() bool { return i[0] == imageGood }

// suspend is called when a commit begins. An image that another one has left suspended
// has not got its change.
func (i image) suspend() {
	if i[0] == imageGood {
		i[0] = imageSuspended
	} else {
		i[0] = imageGone
	}
}

// outdate makes an image one that is never good again.
func (i image) outdate() { i[0] = imageGone }

func (i image) count() int { return int(bytesOrder.Uint16(i[atCount:])) }

func (i image) overflows() bool { return i.count() == tooMany }

func (i image) added() int { return int(bytesOrder.Uint16(i[atAdded:])) }

func (i image) mark() uint32 { return bytesOrder.Uint32(i[atMark:]) }

func (i image) headSize() int { return imageHead + int(bytesOrder.Uint16(i[atIDLength:])) }

func (i image) userID() []byte { return i[imageHead:i.headSize()] }

func (i image) generation() uint64 { return bytesOrder.Uint64(i[atGeneration:]) }

func (i image) user() rollcall.User {
	return rollcall.User{ID: string(i.userID()), Generation: i.generation()}
}

// sessions yields the parts of an image that are sessions.
func (i image) sessions(yield func(image) bool) {
	for part := range i.parts {
		if part[atFlags]&isGone == 0 && !yield(part) {
			return
		}
	}
}

// parts yields what are sessions, or were.
func (i image) parts(yield func(image) bool) {
	begins := additionHead
	if i[0] != imageAddition {
		begins = i.headSize()
	}
	for rest := i[begins:]; len(rest) > 0; {
		size := int(bytesOrder.Uint16(rest))
		if !yield(rest[:size]) {
			return
		}
		rest = rest[size:]
	}
}

// ipRoom is the room for each address of a part that is a session.
func (i image) ipRoom() int {
	if i[atFlags]&wideIPs != 0 {
		return 16
	}
	return 4
}

// sessionID is the id of a part that is a session.
func (i image) sessionID() []byte {
	at := atIPs + 2*i.ipRoom()
	return i[at : at+int(i[atCounts])]
}

// appendSession adds a session. It reports false for one that an image cannot hold,
// and then the user has none.
func (d *dictionaries) appendSession(b image, s *rollcall.Session) (image, bool) {
	start := len(b)
	var fixed [atIPs + 2*16]byte
	flags := byte(0)
	if isWide(s.Last.Origin.IP) || isWide(s.Initial.IP) {
		flags |= wideIPs
	}
	fixed[atFlags] = flags
	room := image(fixed[:]).ipRoom()
	b = append(b, fixed[:atIPs+2*room]...)
	part := b[start:]
	if !d.putInteraction(part, s.Last) || !d.putOrigin(part, atInitial, 1, s.Initial) {
		return nil, false
	}
	copy(part[atHash:], s.SecretHash[:])
	kind, known := d.kinds.number(sessionKind{s.Lifetimes, s.Generation, s.CookieMode})
	if !known || !fits(s.CreatedAt) || !fits(s.ExpiresAt) {
		return nil, false
	}
	putTime(part[atCreated:], s.CreatedAt)
	putTime(part[atExpires:], s.ExpiresAt)
	bytesOrder.PutUint16(part[atKind:], kind)
	if len(s.Methods) > 255 || len(s.Clients) > 255 || len(s.Metadata) > 255 || len(s.ID) > 255 {
		return nil, false
	}
	part[atCounts], part[atCounts+1] = byte(len(s.ID)), byte(len(s.Methods))
	part[atCounts+2], part[atCounts+3] = byte(len(s.Clients)), byte(len(s.Metadata))
	b = append(b, s.ID...)
	ok := true
	for _, t := range [...]struct {
		flag byte
		at   time.Time
	}{{hasUpdated, s.UpdatedAt}, {hasAuthenticated, s.AuthenticatedAt}, {hasRenewed, s.RenewedAt}} {
		if !t.at.Equal(s.CreatedAt) {
			flags |= t.flag
			b, ok = appendTime(b, t.at, ok)
		}
	}
	b[start+atFlags] = flags
	for _, m := range s.Methods {
		b, ok = d.appendText(b, m.Name, ok)
		b, ok = d.appendText(b, m.Type, ok)
		b, ok = appendTime(b, m.At, ok)
	}
	for _, c := range s.Clients {
		b, ok = d.appendText(b, c, ok)
	}
	for _, e := range s.Metadata {
		b = append(bytesOrder.AppendUint16(b, uint16(len(e.Key))), e.Key...)
		b = append(bytesOrder.AppendUint16(b, uint16(len(e.Value))), e.Value...)
	}
	size := len(b) - start
	bytesOrder.PutUint16(b[start:], uint16(size))
	bytesOrder.PutUint32(b[start+atBack:], uint32(start))
	return b, ok && size < 1<<16
}

// session is the inverse of appendSession. The slices of s are used again, and texts
// gathers what its strings are parts of.
func (d *dictionaries) session(part image, userID string, s *rollcall.Session, texts *gathered) {
	s.UserID = userID
	d.readInteraction(part, &s.Last, texts)
	if part.sameOrigin() {
		s.Initial = s.Last.Origin
	} else {
		d.readOrigin(part, atInitial, 1, &s.Initial, texts)
	}
	copy(s.SecretHash[:], part[atHash:])
	kind := d.kinds.value(part[atKind:])
	s.Lifetimes, s.Generation, s.CookieMode = kind.lifetimes, kind.generation, kind.mode
	s.CreatedAt, s.ExpiresAt = readTime(part[atCreated:]), readTime(part[atExpires:])
	s.ID = texts.add(part.sessionID())
	rest := part[atIPs+2*part.ipRoom()+len(s.ID):]
	s.UpdatedAt, rest = part.instant(hasUpdated, s.CreatedAt, rest)
	s.AuthenticatedAt, rest = part.instant(hasAuthenticated, s.CreatedAt, rest)
	s.RenewedAt, rest = part.instant(hasRenewed, s.CreatedAt, rest)
	s.Methods, s.Clients, s.Metadata = s.Methods[:0], s.Clients[:0], s.Metadata[:0]
	for range part[atCounts+1] {
		s.Methods = append(s.Methods, rollcall.Method{Name: d.texts.value(rest), Type: d.texts.value(rest[2:]), At: readTime(rest[4:])})
		rest = rest[4+timeSize:]
	}
	for range part[atCounts+2] {
		s.Clients = append(s.Clients, d.texts.value(rest))
		rest = rest[2:]
	}
	for range part[atCounts+3] {
		var e rollcall.MetadataEntry
		e.Key, rest = readText(texts, rest)
		e.Value, rest = readText(texts, rest)
		s.Metadata = append(s.Metadata, e)
	}
}

// sameOrigin reports whether the session was used last from where it began, as most
// were.
func (i image) sameOrigin() bool {
	room := i.ipRoom()
	return string(i[atLast+2*timeSize:][:originSize]) == string(i[atInitial:][:originSize]) &&
		string(i[atIPs:][:room]) == string(i[atIPs+room:][:room])
}

// instant reads the next instant if the flag says that there is one, else it is the
// one that most sessions have.
func (i image) instant(flag byte, most time.Time, rest image) (time.Time, image) {
	if i[atFlags]&flag == 0 {
		return most, rest
	}
	return readTime(rest), rest[timeSize:]
}

// fits reports whether an instant is within the 4,000 years that there is room for.
func fits(t time.Time) bool {
	ms := t.UnixMilli()
	return ms<<16>>16 == ms
}

func putTime(b []byte, t time.Time) {
	ms := t.UnixMilli()
	bytesOrder.PutUint32(b, uint32(ms))
	bytesOrder.PutUint16(b[4:], uint16(ms>>32))
}

func appendTime(b image, t time.Time, ok bool) (image, bool) {
	var room [timeSize]byte
	putTime(room[:], t)
	return append(b, room[:]...), ok && fits(t)
}

func readTime(b []byte) time.Time {
	ms := int64(bytesOrder.Uint32(b)) | int64(int16(bytesOrder.Uint16(b[4:])))<<32
	return time.UnixMilli(ms).UTC()
}

func (d *dictionaries) appendText(b image, text string, ok bool) (image, bool) {
	n, known := d.texts.number(text)
	return bytesOrder.AppendUint16(b, n), ok && known
}

func readText(texts *gathered, b image) (string, image) {
	n := 2 + int(bytesOrder.Uint16(b))
	return texts.add(b[2:n]), b[n:]
}

// putInteraction writes what a touch changes, in place; nothing of it when it reports
// false.
func (d *dictionaries) putInteraction(part image, i rollcall.Interaction) bool {
	return fits(i.At) && fits(i.IdleExpiresAt) && d.putOrigin(part, atLast+2*timeSize, 0, i.Origin) && part.putInstants(i)
}

// putInstants writes an interaction's instants; neither when it reports false.
func (i image) putInstants(last rollcall.Interaction) bool {
	if !fits(last.At) || !fits(last.IdleExpiresAt) {
		return false
	}
	putTime(i[atLast:], last.At)
	putTime(i[atLast+timeSize:], last.IdleExpiresAt)
	return true
}

// interaction is the last use of a part that is a session.
func (d *dictionaries) interaction(part image, texts *gathered) (i rollcall.Interaction) {
	d.readInteraction(part, &i, texts)
	return i
}

func (d *dictionaries) readInteraction(part image, i *rollcall.Interaction, texts *gathered) {
	i.At, i.IdleExpiresAt = readTime(part[atLast:]), readTime(part[atLast+timeSize:])
	d.readOrigin(part, atLast+2*timeSize, 0, &i.Origin, texts)
}

// putOrigin writes an origin, nothing of it when it reports false.
func (d *dictionaries) putOrigin(part image, at, nth int, o rollcall.Origin) bool {
	agent, known := d.texts.number(o.UserAgent)
	network, alsoKnown := d.texts.number(o.ASN)
	if !known || !alsoKnown {
		return false
	}
	room := part.ipRoom()
	var ip []byte
	if o.IP != "" {
		addr, err := netip.ParseAddr(o.IP)
		if err != nil || addr.Zone() != "" || addr.Is4In6() || addr.String() != o.IP {
			return false // it would come back spelled otherwise
		}
		if ip = addr.AsSlice(); len(ip) > room {
			return false
		}
	}
	bytesOrder.PutUint16(part[at:], agent)
	bytesOrder.PutUint16(part[at+2:], network)
	part[at+4] = byte(len(ip))
	n := copy(part[atIPs+nth*room:][:room], ip)
	clear(part[atIPs+nth*room:][n:room])
	return true
}

// isWide reports whether an address needs the room of IPv6.
func isWide(ip string) bool { return strings.Contains(ip, ":") }

func (d *dictionaries) readOrigin(part image, at, nth int, o *rollcall.Origin, texts *gathered) {
	o.UserAgent, o.ASN, o.IP = d.texts.value(part[at:]), d.texts.value(part[at+2:]), ""
	room := part.ipRoom()
	var spelled [46]byte
	switch b := part[atIPs+nth*room:]; part[at+4] {
	case 4:
		o.IP = texts.add(netip.AddrFrom4([4]byte(b)).AppendTo(spelled[:0]))
	case 16:
		o.IP = texts.add(netip.AddrFrom16([16]byte(b)).AppendTo(spelled[:0]))
	}
}
