package wire

import (
	"slices"
	"time"

	"github.com/rollcall-id/rollcall"
)

// AppendSession appends a session as the published API shows it (docs/published-api.md P43),
// in the field order of its recorded answers.
func AppendSession(b []byte, s *rollcall.Session) []byte {
	b = slices.Grow(b, usualSize)
	b = append(b, `{"id":`...)
	b = AppendString(b, s.ID)
	b = append(b, `,"user_id":`...)
	b = AppendString(b, s.UserID)
	b = append(b, `,"created_at":`...)
	b = AppendTime(b, s.CreatedAt)
	created := instant{s.CreatedAt, b[len(b)-len(timeLayout):]}
	b = append(b, `,"updated_at":`...)
	updated := s.Updated()
	b = created.appendTime(b, updated)
	last := instant{updated, b[len(b)-len(timeLayout):]}
	b = append(b, `,"authenticated_at":`...)
	b = created.appendTime(b, s.AuthenticatedAt)
	b = append(b, `,"authentication":{"methods":[`...)
	for i := range s.Methods {
		b = appendMethod(comma(b, i), &s.Methods[i], created)
	}
	b = append(b, `]},"idle_expires_at":`...)
	b = AppendTime(b, s.Last.IdleExpiresAt)
	b = append(b, `,"expires_at":`...)
	b = AppendTime(b, s.ExpiresAt)
	b = append(b, `,"device":`...)
	b = appendDevice(b, &s.Initial, &s.Last.Origin)
	b = append(b, `,"clients":[`...)
	for i, id := range s.Clients {
		b = append(comma(b, i), `{"client_id":`...)
		b = append(AppendString(b, id), '}')
	}
	b = append(b, `],"last_interacted_at":`...)
	b = last.appendTime(b, s.Last.At)
	b = append(b, `,"cookie":{"mode":`...)
	b = AppendString(b, string(s.CookieMode))
	b = append(b, `},"session_metadata":{`...)
	for i, e := range s.Metadata {
		b = AppendString(comma(b, i), e.Key)
		b = AppendString(append(b, ':'), e.Value)
	}
	return append(b, "}}"...)
}

// usualSize is the size that few sessions exceed.
const usualSize = 1 << 10

// An instant is one that has been spelled already: most of a session's are the same.
type instant struct {
	at      time.Time
	spelled []byte
}

// appendTime is AppendTime.
func (i instant) appendTime(b []byte, t time.Time) []byte {
	if t.Equal(i.at) {
		return append(b, i.spelled...)
	}
	return AppendTime(b, t)
}

func comma(b []byte, i int) []byte {
	if i > 0 {
		return append(b, ',')
	}
	return b
}

func appendMethod(b []byte, m *rollcall.Method, created instant) []byte {
	b = append(b, `{"name":`...)
	b = AppendString(b, m.Name)
	b = append(b, `,"timestamp":`...)
	b = created.appendTime(b, m.At)
	if m.Type != "" {
		b = append(b, `,"type":`...)
		b = AppendString(b, m.Type)
	}
	return append(b, '}')
}

// appendDevice appends where the session began and where it was used last, in
// the order of the recorded answers. An unknown address is null, an unknown
// agent or network is left out.
func appendDevice(b []byte, initial, last *rollcall.Origin) []byte {
	b = append(b, '{')
	var agent []byte // as it has been spelled
	if initial.UserAgent != "" {
		b = append(b, `"initial_user_agent":`...)
		start := len(b)
		b = AppendString(b, initial.UserAgent)
		agent = b[start:]
		b = append(b, ',')
	}
	if initial.ASN != "" {
		b = append(b, `"initial_asn":`...)
		b = append(AppendString(b, initial.ASN), ',')
	}
	b = append(b, `"initial_ip":`...)
	b = append(appendNullable(b, initial.IP), ',')
	if last.UserAgent != "" {
		b = append(b, `"last_user_agent":`...)
		if last.UserAgent == initial.UserAgent {
			b = append(b, agent...) // the longest text there is, and nearly always the same
		} else {
			b = AppendString(b, last.UserAgent)
		}
		b = append(b, ',')
	}
	b = append(b, `"last_ip":`...)
	b = appendNullable(b, last.IP)
	if last.ASN != "" {
		b = append(b, `,"last_asn":`...)
		b = AppendString(b, last.ASN)
	}
	return append(b, '}')
}

func appendNullable(b []byte, s string) []byte {
	if s == "" {
		return append(b, "null"...)
	}
	return AppendString(b, s)
}

// MethodNames lists how a user was authenticated, each way once.
func MethodNames(methods []rollcall.Method) []string {
	var names []string
	for _, m := range methods {
		if !slices.Contains(names, m.Name) {
			names = append(names, m.Name)
		}
	}
	return names
}
