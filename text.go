package rollcall

import (
	"net/netip"
	"strings"
	"unicode/utf8"
)

// isText reports whether every engine can hold s: valid UTF-8 without NUL.
func isText(s string) bool {
	return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0
}

// isAddress reports whether s is "" or an address in canonical form.
func isAddress(s string) bool {
	if s == "" {
		return true
	}
	addr, err := netip.ParseAddr(s)
	return err == nil && addr.Unmap().WithZone("").String() == s
}

// isDigits reports whether s has no character but digits.
func isDigits(s string) bool {
	return strings.Trim(s, "0123456789") == ""
}

// textProblem says what of a session an engine could not hold, "" for nothing.
func (s *Session) textProblem() string {
	ok := isText(s.ID) && isText(s.UserID) && isText(string(s.CookieMode)) && isText(string(s.EndReason)) && isText(s.EndedBy)
	for _, m := range s.Methods {
		ok = ok && isText(m.Name) && isText(m.Type)
	}
	for _, c := range s.Clients {
		ok = ok && isText(c)
	}
	for _, e := range s.Metadata {
		ok = ok && isText(e.Key) && isText(e.Value)
	}
	if !ok {
		return "a session with what is no text"
	}
	if p := s.Initial.textProblem(); p != "" {
		return p
	}
	return s.Last.Origin.textProblem()
}

func (o *Origin) textProblem() string {
	switch {
	case !isText(o.UserAgent):
		return "a user agent that is no text"
	case !isAddress(o.IP):
		return "an address that is none, or not in canonical form"
	case !isDigits(o.ASN):
		return "a network that is no number"
	}
	return ""
}

func (e *Event) textProblem() string {
	for _, s := range []string{
		e.ID, string(e.Type), e.UserID, e.SessionID, e.Except, e.ClientID, string(e.Reason), e.Actor, string(e.ActorKind), e.IP, e.UserAgent, e.CorrelationID,
	} {
		if !isText(s) {
			return "an event with what is no text"
		}
	}
	return ""
}
