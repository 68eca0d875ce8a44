package rollcall

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// An image is what is remembered of a user's live sessions, as one flat run of
// bytes: it holds no pointers, so a million sessions cost the garbage collector
// nothing. It leaves out what only acts look at, and acts read the store.
//
//	word      8  the user's word of the act clock
//	generation 8 of the user
//	sessions  2  how many, or tooMany
//	user id   2 + n
//	then each session: see encodeSession
type image []byte

const (
	imageHead = 8 + 8 + 2 + 2
	atCount   = 8 + 8
	// tooMany stands for a user with more sessions than an image holds.
	tooMany = 1<<16 - 1
	// maxImageSessions bounds an image, and with it what one miss reads.
	maxImageSessions = 64
)

// Where the parts of a session lie. Those of a fixed size come first, and what a
// touch changes before all others, so that a touch is written in place.
const (
	atSize     = 0
	atLast     = atSize + 2 // at, idle_expires_at, origin
	atHash     = atLast + 8 + 8 + originSize
	atTimes    = atHash + 32 // created, updated, authenticated, expires, renewed
	atLifetime = atTimes + 5*8
	atGen      = atLifetime + 2*8
	atInitial  = atGen + 2*8
	atCounts   = atInitial + originSize // mode, id, methods, clients, metadata
	atID       = atCounts + 5

	originSize = 1 + 16 + 4 + 4
)

var bytesOrder = binary.LittleEndian

func newImage(userID string, u User, word uint64, count int) image {
	b := make(image, 0, imageHead+len(userID)+count*300)
	b = bytesOrder.AppendUint64(b, word)
	b = bytesOrder.AppendUint64(b, u.Generation)
	b = bytesOrder.AppendUint16(b, uint16(count))
	b = bytesOrder.AppendUint16(b, uint16(len(userID)))
	return append(b, userID...)
}

func (i image) word() uint64 { return bytesOrder.Uint64(i) }

func (i image) overflows() bool { return bytesOrder.Uint16(i[atCount:]) == tooMany }

func (i image) userID() []byte { return i[imageHead : imageHead+int(bytesOrder.Uint16(i[18:]))] }

func (i image) user() User { return User{ID: string(i.userID()), Generation: bytesOrder.Uint64(i[8:])} }

// sessions yields the parts of an image that are sessions.
func (i image) sessions(yield func(image) bool) {
	if i.overflows() {
		return
	}
	for rest := i[imageHead+len(i.userID()):]; len(rest) > 0; {
		size := int(bytesOrder.Uint16(rest))
		if !yield(rest[:size]) {
			return
		}
		rest = rest[size:]
	}
}

// sessionID is the id of a part that is a session.
func (i image) sessionID() []byte { return i[atID : atID+int(i[atCounts+1])] }

// find returns the part that is the session with the id.
func (i image) find(id string) (image, bool) {
	for s := range i.sessions {
		if string(s.sessionID()) == id {
			return s, true
		}
	}
	return nil, false
}

// appendSession adds a session. It reports false for one that an image cannot hold,
// and then the user has none.
func (w *words) appendSession(b image, s *Session) (image, bool) {
	start := len(b)
	b = append(b, make([]byte, atID)...)
	part := b[start:]
	if !w.putInteraction(part, s.Last) || !w.putOrigin(part[atInitial:], s.Initial) {
		return nil, false
	}
	copy(part[atHash:], s.SecretHash[:])
	for i, t := range []time.Time{s.CreatedAt, s.UpdatedAt, s.AuthenticatedAt, s.ExpiresAt, s.RenewedAt} {
		putTime(part[atTimes+8*i:], t)
	}
	bytesOrder.PutUint64(part[atLifetime:], uint64(s.Lifetimes.Absolute))
	bytesOrder.PutUint64(part[atLifetime+8:], uint64(s.Lifetimes.Idle))
	bytesOrder.PutUint64(part[atGen:], s.Generation.User)
	bytesOrder.PutUint64(part[atGen+8:], s.Generation.Everybody)
	if s.CookieMode == NonPersistent {
		part[atCounts] = 1
	}
	if len(s.Methods) > 255 || len(s.Clients) > 255 || len(s.Metadata) > 255 || len(s.ID) > 255 {
		return nil, false
	}
	part[atCounts+1], part[atCounts+2] = byte(len(s.ID)), byte(len(s.Methods))
	part[atCounts+3], part[atCounts+4] = byte(len(s.Clients)), byte(len(s.Metadata))
	b = append(b, s.ID...)
	for _, m := range s.Methods {
		name, known := w.number(m.Name)
		kind, alsoKnown := w.number(m.Type)
		if !known || !alsoKnown {
			return nil, false
		}
		b = bytesOrder.AppendUint32(bytesOrder.AppendUint32(b, name), kind)
		b = bytesOrder.AppendUint64(b, uint64(m.At.UnixMilli()))
	}
	for _, c := range s.Clients {
		n, known := w.number(c)
		if !known {
			return nil, false
		}
		b = bytesOrder.AppendUint32(b, n)
	}
	for _, e := range s.Metadata {
		b = append(bytesOrder.AppendUint16(b, uint16(len(e.Key))), e.Key...)
		b = append(bytesOrder.AppendUint16(b, uint16(len(e.Value))), e.Value...)
	}
	size := len(b) - start
	bytesOrder.PutUint16(b[start:], uint16(size))
	return b, size < 1<<16
}

// session is the inverse of appendSession. The slices of s are used again, and texts
// gathers what its strings are parts of.
func (w *words) session(part image, userID string, s *Session, texts *strings.Builder) {
	s.UserID = userID
	s.Last = Interaction{At: readTime(part[atLast:]), IdleExpiresAt: readTime(part[atLast+8:]), Origin: w.origin(part[atLast+16:], texts)}
	s.Initial = w.origin(part[atInitial:], texts)
	copy(s.SecretHash[:], part[atHash:])
	s.CreatedAt, s.UpdatedAt, s.AuthenticatedAt = readTime(part[atTimes:]), readTime(part[atTimes+8:]), readTime(part[atTimes+16:])
	s.ExpiresAt, s.RenewedAt = readTime(part[atTimes+24:]), readTime(part[atTimes+32:])
	s.Lifetimes = Lifetimes{
		Absolute: time.Duration(bytesOrder.Uint64(part[atLifetime:])), Idle: time.Duration(bytesOrder.Uint64(part[atLifetime+8:])),
	}
	s.Generation = Generation{User: bytesOrder.Uint64(part[atGen:]), Everybody: bytesOrder.Uint64(part[atGen+8:])}
	s.CookieMode = Persistent
	if part[atCounts] == 1 {
		s.CookieMode = NonPersistent
	}
	s.ID = gather(texts, part.sessionID())
	rest := part[atID+len(s.ID):]
	s.Methods, s.Clients, s.Metadata = s.Methods[:0], s.Clients[:0], s.Metadata[:0]
	for range part[atCounts+2] {
		s.Methods = append(s.Methods, Method{Name: w.text(rest), Type: w.text(rest[4:]), At: readTime(rest[8:])})
		rest = rest[16:]
	}
	for range part[atCounts+3] {
		s.Clients = append(s.Clients, w.text(rest))
		rest = rest[4:]
	}
	for range part[atCounts+4] {
		var e MetadataEntry
		e.Key, rest = readText(texts, rest)
		e.Value, rest = readText(texts, rest)
		s.Metadata = append(s.Metadata, e)
	}
}

// gather returns a text that is a part of what is gathered: one piece of memory for
// many.
func gather(texts *strings.Builder, b []byte) string {
	start := texts.Len()
	texts.Write(b)
	return texts.String()[start:]
}

func putTime(b []byte, t time.Time) { bytesOrder.PutUint64(b, uint64(t.UnixMilli())) }

func readTime(b []byte) time.Time { return time.UnixMilli(int64(bytesOrder.Uint64(b))).UTC() }

func readText(texts *strings.Builder, b image) (string, image) {
	n := 2 + int(bytesOrder.Uint16(b))
	return gather(texts, b[2:n]), b[n:]
}

// putInteraction writes what a touch changes.
func (w *words) putInteraction(part image, i Interaction) bool {
	if !w.putOrigin(part[atLast+16:], i.Origin) {
		return false
	}
	putTime(part[atLast:], i.At)
	putTime(part[atLast+8:], i.IdleExpiresAt)
	return true
}

// putOrigin writes an origin, nothing of it when it reports false.
func (w *words) putOrigin(b []byte, o Origin) bool {
	agent, known := w.number(o.UserAgent)
	network, alsoKnown := w.number(o.ASN)
	if !known || !alsoKnown {
		return false
	}
	var family byte
	var ip [16]byte
	if o.IP != "" {
		addr, err := netip.ParseAddr(o.IP)
		if err != nil || addr.Zone() != "" || addr.Is4In6() || addr.String() != o.IP {
			return false // it would come back spelled otherwise
		}
		family, ip = byte(addr.BitLen()/8), addr.As16()
	}
	b[0] = family
	copy(b[1:], ip[:])
	bytesOrder.PutUint32(b[17:], agent)
	bytesOrder.PutUint32(b[21:], network)
	return true
}

func (w *words) origin(b image, texts *strings.Builder) Origin {
	o := Origin{UserAgent: w.text(b[17:]), ASN: w.text(b[21:])}
	if b[0] != 0 {
		addr := netip.AddrFrom16([16]byte(b[1:17]))
		if b[0] == 4 {
			addr = addr.Unmap()
		}
		var spelled [46]byte
		o.IP = gather(texts, addr.AppendTo(spelled[:0]))
	}
	return o
}

// words are the texts that many sessions share, by number. Number 0 is the empty
// text. They are only added to; when there are too many, the cache begins anew.
type words struct {
	mu      sync.RWMutex
	numbers map[string]uint32
	texts   []string // of fixed capacity: a number that was given out can be read without a lock
	size    int
	full    atomic.Bool
}

const (
	maxWords    = 1 << 16
	maxWordSize = 8 << 20 // of all together: agents come from anybody
)

func newWords() *words {
	return &words{numbers: map[string]uint32{}, texts: make([]string, maxWords)}
}

// number returns a text's number, a new one if it has none. It reports false when
// there are too many.
func (w *words) number(text string) (uint32, bool) {
	if text == "" {
		return 0, true
	}
	w.mu.RLock()
	n, ok := w.numbers[text]
	w.mu.RUnlock()
	if ok {
		return n, true
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if n, ok = w.numbers[text]; ok {
		return n, true
	}
	n = uint32(len(w.numbers)) + 1
	if n == maxWords || w.size+len(text) > maxWordSize {
		w.full.Store(true)
		return 0, false
	}
	text = strings.Clone(text) // it may be a part of a whole request
	w.texts[n], w.numbers[text] = text, n
	w.size += len(text)
	return n, true
}

// text returns the text of the number that b begins with.
func (w *words) text(b image) string { return w.texts[bytesOrder.Uint32(b)] }
