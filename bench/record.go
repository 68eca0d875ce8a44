package main

import (
	"encoding/base64"
	"fmt"
	"net/netip"
	"time"

	"github.com/rollcall-id/rollcall"
)

// The agents of today's browsers, 101 to 137 characters long.
var agents = []string{
	"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
	"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
	"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15",
	"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
	"Mozilla/5.0 (Linux; Android 14; Pixel 8 Pro) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36",
	"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36 Edg/126.0.0.0",
}

// address is in a documentation network: three in four of IPv4, the rest of IPv6.
func address(session int) string {
	h := hash("address", session)
	if h[0]%4 > 0 {
		return netip.AddrFrom4([4]byte{198, 51, 100, h[1]}).String()
	}
	return netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, h[1], h[2], h[3], h[4], h[5], h[6], h[7], h[8], h[9], h[10], h[11], h[12]}).String()
}

// session is the stated record: a browser's agent, an address and its network,
// one client, the password; with a second factor in one of five, with two entries
// of metadata in one of ten, used last from elsewhere in one of four.
func (p plan) session(i int) rollcall.Session {
	t := p.token(i)
	h := hash("record", i)
	at := p.Base.Add(-time.Duration(uint64(h[0])<<16|uint64(h[1])<<8|uint64(h[2])) * (loadedUse / (1 << 24))).Truncate(time.Millisecond)
	origin := rollcall.Origin{IP: address(i), UserAgent: agents[int(h[3])%len(agents)], ASN: fmt.Sprint(64496 + int(h[4])%16)}
	last := origin
	if h[5]%4 == 0 {
		last.IP = address(i + p.Sessions)
	}
	used := at.Add(p.Base.Sub(at) / 2).Truncate(time.Millisecond)
	s := rollcall.Session{
		ID: t.ID, UserID: p.userID(p.userOf(i)), SecretHash: t.Secret.Hash(),
		CreatedAt: at, UpdatedAt: at, AuthenticatedAt: at, RenewedAt: at, ExpiresAt: at.Add(lifetime),
		Lifetimes: rollcall.Lifetimes{Absolute: lifetime, Idle: lifetime}, CookieMode: rollcall.Persistent,
		Methods: []rollcall.Method{{Name: "pwd", At: at}}, Clients: []string{"web-application"},
		Initial: origin, Last: rollcall.Interaction{At: used, IdleExpiresAt: at.Add(lifetime), Origin: last},
	}
	if h[6]%5 == 0 {
		s.Methods = append(s.Methods, rollcall.Method{Name: "mfa", Type: "totp", At: at})
	}
	if h[7]%10 == 0 {
		s.Metadata = []rollcall.MetadataEntry{{Key: "device_name", Value: "work laptop"}, {Key: "tenant", Value: fmt.Sprintf("t-%x", h[8:12])}}
	}
	return s
}

// created is the event that goes with a session's creation.
func created(s rollcall.Session) rollcall.Event {
	h := hash("event "+s.ID, 0)
	return rollcall.Event{
		ID: "evt_" + base64.RawURLEncoding.EncodeToString(h[:16]), Type: rollcall.SessionCreated, At: s.CreatedAt,
		UserID: s.UserID, SessionID: s.ID, ClientID: s.Clients[0], Actor: "backend", IP: "192.0.2.10", UserAgent: "backend/1.0",
	}
}
