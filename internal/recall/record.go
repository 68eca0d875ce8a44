package recall

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math"
	"slices"
	"time"

	"github.com/rollcall-id/rollcall"
)

// A record is one session of a block. What has a fixed size comes first. Most sessions
// have much in common, which is in dictionaries, and instants that are the same, which
// are left out.
//
//	size         2
//	back         4  how far the beginning of the block is, or of the appended session
//	round        2  the low bits of the round of the latest use; see uses
//	flags        1
//	last        12  at, idle_expires_at
//	durable      6  the idle end that the store has, unless the latest use is durable
//	last origin  5  agent (2), network (2), size of the address (1)
//	hash        32  of the secret
//	profile      2
//	created      6
//	expires      6
//	initial      5  as last origin
//	counts       4  size of the id; methods, clients, metadata
//	addresses   2*4 or 2*16: of the latest use, of the creation
//	id
//	extras          if hasExtras; see appendExtras
//	updated      6  if hasUpdated, else the session has the instant created
//	authenticated, renewed: likewise
//	methods         name (2), type (2), at (6) each
//	clients         2 each
//	metadata        key and value, each with its size (2)
type record []byte

const (
	atSize       = 0
	atBack       = atSize + 2
	atRound      = atBack + 4
	atFlags      = atRound + 2
	atLast       = atFlags + 1
	atDurable    = atLast + 2*timeSize
	atLastOrigin = atDurable + timeSize
	atHash       = atLastOrigin + originSize
	atProfile    = atHash + 32
	atCreated    = atProfile + 2
	atExpires    = atCreated + timeSize
	atInitial    = atExpires + timeSize
	atCounts     = atInitial + originSize
	atAddresses  = atCounts + 4

	originSize = 2 + 2 + 1

	// usualRecord is the room that a record of a usual session takes, in bytes.
	usualRecord = 166
	// maxRecord is the longest record; its size has two bytes.
	maxRecord = 1<<16 - 1
)

// Flags of a record.
const (
	hasWideAddresses = 1 << iota // 16 bytes for each address, as IPv6 needs
	hasUpdated
	hasAuthenticated
	hasRenewed
	hasExtras
	isGone      // the session has ended, or has another record now
	isElsewhere // the latest use was handed to the caller, or came from there
)

// Extras of a record: what few sessions have.
const (
	extraVersion    = 1 << iota // else the row's version is 1
	extraGeneration             // else the session has the user's generation
	extraDigest
	extraUsedKeys
	extraEnding
)

func (r record) is(flag byte) bool { return r[atFlags]&flag != 0 }

func (r record) set(flag byte) { r[atFlags] |= flag }

func (r record) clear(flag byte) { r[atFlags] &^= flag }

func (r record) round() uint16 { return bytesOrder.Uint16(r[atRound:]) }

func (r record) setRound(round uint16) { bytesOrder.PutUint16(r[atRound:], round) }

func (r record) lastAt() time.Time { return readTime(r[atLast:]) }

// copyDurable makes the idle end of the latest use the durable one.
func (r record) copyDurable() { copy(r[atDurable:atDurable+timeSize], r[atLast+timeSize:]) }

// addressRoom is the room for each of the two addresses.
func (r record) addressRoom() int {
	if r.is(hasWideAddresses) {
		return 16
	}
	return 4
}

func (r record) sessionID() []byte {
	at := atAddresses + 2*r.addressRoom()
	return r[at : at+int(r[atCounts])]
}

// compare orders records as [rollcall.Position] does: the newest first, then by id.
func (r record) compare(other record) int {
	return cmp.Or(readTime(other[atCreated:]).Compare(readTime(r[atCreated:])), bytes.Compare(r.sessionID(), other.sessionID()))
}

// appendSession appends the record of a session to a block of a user who has the generation. It
// reports false for a session that no record can hold.
func (d charged) appendSession(b []byte, s *rollcall.Session, generation uint64) ([]byte, bool) {
	start := len(b)
	var fixed [atAddresses + 2*16]byte
	flags := byte(0)
	if isWide(s.Last.Origin.IP) || isWide(s.Initial.IP) {
		flags |= hasWideAddresses
	}
	fixed[atFlags] = flags
	b = append(b, fixed[:atAddresses+2*record(fixed[:]).addressRoom()]...)
	r := record(b[start:])
	p, known := d.profiles.number(profile{s.Lifetimes, s.Generation.Everybody, s.CookieMode}, d.user)
	if !known || !d.putInteraction(r, s.Last) || !d.putOrigin(r, atInitial, 1, s.Initial) || !fits(s.CreatedAt) || !fits(s.ExpiresAt) ||
		len(s.ID) > math.MaxUint8 || len(s.Methods) > math.MaxUint8 || len(s.Clients) > math.MaxUint8 || len(s.Metadata) > math.MaxUint8 {
		return nil, false
	}
	r.copyDurable()
	copy(r[atHash:], s.SecretHash[:])
	bytesOrder.PutUint16(r[atProfile:], p)
	putTime(r[atCreated:], s.CreatedAt)
	putTime(r[atExpires:], s.ExpiresAt)
	r[atCounts], r[atCounts+1], r[atCounts+2], r[atCounts+3] = byte(len(s.ID)), byte(len(s.Methods)), byte(len(s.Clients)), byte(len(s.Metadata))
	b = append(b, s.ID...)
	b, ok := d.appendExtras(b, s, generation, &flags)
	for _, t := range [...]struct {
		flag byte
		at   time.Time
	}{{hasUpdated, s.UpdatedAt}, {hasAuthenticated, s.AuthenticatedAt}, {hasRenewed, s.RenewedAt}} {
		if !t.at.Equal(s.CreatedAt) {
			flags |= t.flag
			b, ok = appendTime(b, t.at, ok)
		}
	}
	for _, m := range s.Methods {
		b, ok = d.appendNumber(b, m.Name, ok)
		b, ok = d.appendNumber(b, m.Type, ok)
		b, ok = appendTime(b, m.At, ok)
	}
	for _, c := range s.Clients {
		b, ok = d.appendNumber(b, c, ok)
	}
	for _, e := range s.Metadata {
		b, ok = appendText(b, e.Key, ok)
		b, ok = appendText(b, e.Value, ok)
	}
	size := len(b) - start
	if !ok || size > maxRecord {
		return nil, false
	}
	b[start+atFlags] = flags
	bytesOrder.PutUint16(b[start:], uint16(size))
	bytesOrder.PutUint32(b[start+atBack:], uint32(start))
	return b, true
}

// appendExtras appends the extras that a session has, if any, and sets hasExtras then.
//
//	which       1
//	version        uvarint
//	generation  8
//	digest     32
//	used keys   1  and 16 each
//	ending         at (6), reason (2), by with its size (2)
func (d charged) appendExtras(b []byte, s *rollcall.Session, generation uint64, flags *byte) (_ []byte, ok bool) {
	at := len(b)
	b, ok = append(b, 0), len(s.UsedKeys) <= math.MaxUint8
	which := byte(0)
	if s.Version != 1 {
		which |= extraVersion
		b = binary.AppendUvarint(b, s.Version)
	}
	if s.Generation.User != generation {
		which |= extraGeneration
		b = bytesOrder.AppendUint64(b, s.Generation.User)
	}
	if s.RequestDigest != ([32]byte{}) {
		which |= extraDigest
		b = append(b, s.RequestDigest[:]...)
	}
	if len(s.UsedKeys) > 0 {
		which |= extraUsedKeys
		b = append(b, byte(len(s.UsedKeys)))
		for _, k := range s.UsedKeys {
			b = append(b, k[:]...)
		}
	}
	if !s.EndedAt.IsZero() || s.EndReason != "" || s.EndedBy != "" {
		which |= extraEnding
		b, ok = appendTime(b, s.EndedAt, ok)
		b, ok = d.appendNumber(b, string(s.EndReason), ok)
		b, ok = appendText(b, s.EndedBy, ok)
	}
	if which == 0 {
		return b[:at], ok
	}
	b[at] = which
	*flags |= hasExtras
	return b, ok
}

// session is the inverse of appendSession, for a user with the id. The slices of s are used
// again, and the arena takes the texts. inherits reports that the session has the user's
// generation, which the caller puts into s.
func (d *dictionaries) session(r record, userID string, s *rollcall.Session, texts *arena) (inherits bool) {
	s.UserID = userID
	d.readInteraction(r, &s.Last, texts)
	if r.sameOrigin() {
		s.Initial = s.Last.Origin
	} else {
		d.readOrigin(r, atInitial, 1, &s.Initial, texts)
	}
	copy(s.SecretHash[:], r[atHash:])
	p := d.profiles.value(r[atProfile:])
	s.Lifetimes, s.Generation.Everybody, s.CookieMode = p.lifetimes, p.everybody, p.mode
	s.CreatedAt, s.ExpiresAt = readTime(r[atCreated:]), readTime(r[atExpires:])
	s.ID = texts.add(r.sessionID())
	rest := []byte(r[atAddresses+2*r.addressRoom()+len(s.ID):])
	rest, inherits = d.readExtras(r, rest, s, texts)
	s.UpdatedAt, rest = r.instant(hasUpdated, s.CreatedAt, rest)
	s.AuthenticatedAt, rest = r.instant(hasAuthenticated, s.CreatedAt, rest)
	s.RenewedAt, rest = r.instant(hasRenewed, s.CreatedAt, rest)
	s.Methods, s.Clients = slices.Grow(s.Methods[:0], int(r[atCounts+1])), slices.Grow(s.Clients[:0], int(r[atCounts+2]))
	s.Metadata = slices.Grow(s.Metadata[:0], int(r[atCounts+3]))
	for range r[atCounts+1] {
		s.Methods = append(s.Methods, rollcall.Method{Name: d.texts.value(rest), Type: d.texts.value(rest[2:]), At: readTime(rest[4:])})
		rest = rest[4+timeSize:]
	}
	for range r[atCounts+2] {
		s.Clients = append(s.Clients, d.texts.value(rest))
		rest = rest[2:]
	}
	for range r[atCounts+3] {
		var e rollcall.MetadataEntry
		e.Key, rest = readText(texts, rest)
		e.Value, rest = readText(texts, rest)
		s.Metadata = append(s.Metadata, e)
	}
	return inherits
}

func (d *dictionaries) readExtras(r record, rest []byte, s *rollcall.Session, texts *arena) (_ []byte, inherits bool) {
	s.Version, s.RequestDigest, s.UsedKeys = 1, [32]byte{}, s.UsedKeys[:0]
	s.EndedAt, s.EndReason, s.EndedBy = time.Time{}, "", ""
	if !r.is(hasExtras) {
		return rest, true
	}
	which, rest := rest[0], rest[1:]
	if which&extraVersion != 0 {
		var n int
		s.Version, n = binary.Uvarint(rest)
		rest = rest[n:]
	}
	if which&extraGeneration != 0 {
		s.Generation.User, rest = bytesOrder.Uint64(rest), rest[8:]
	}
	if which&extraDigest != 0 {
		rest = rest[copy(s.RequestDigest[:], rest):]
	}
	if which&extraUsedKeys != 0 {
		n := rest[0]
		rest = rest[1:]
		for range n {
			s.UsedKeys = append(s.UsedKeys, rollcall.KeyMark(rest))
			rest = rest[len(rollcall.KeyMark{}):]
		}
	}
	if which&extraEnding != 0 {
		s.EndedAt, s.EndReason = readTime(rest), rollcall.Reason(d.texts.value(rest[timeSize:]))
		s.EndedBy, rest = readText(texts, rest[timeSize+2:])
	}
	return rest, which&extraGeneration == 0
}

// instant reads the next instant if the record has the flag, else the instant is the one
// that most sessions have.
func (r record) instant(flag byte, most time.Time, rest []byte) (time.Time, []byte) {
	if !r.is(flag) {
		return most, rest
	}
	return readTime(rest), rest[timeSize:]
}
