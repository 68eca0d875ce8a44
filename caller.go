package rollcall

import "slices"

// Scopes that a caller can hold. The first three are published (docs/published-api.md P25),
// the others are ours.
const (
	ScopeReadSessions   = "read:sessions"
	ScopeUpdateSessions = "update:sessions"
	ScopeDeleteSessions = "delete:sessions"
	ScopeCreateSessions = "create:sessions"
	ScopeEndEverybody   = "end:everybody"
	ScopeCheckSessions  = "check:sessions"
	ScopeIntrospect     = "introspect"
	ScopeBackup         = "backup"
)

// Scopes lists every scope there is, in the order they are documented.
func Scopes() []string {
	return []string{ScopeReadSessions, ScopeUpdateSessions, ScopeDeleteSessions, ScopeCreateSessions, ScopeEndEverybody, ScopeCheckSessions, ScopeIntrospect, ScopeBackup}
}

// A Caller is who asks, once a bearer token has been verified. Doors ask it for
// scopes. The zero Caller may do nothing.
type Caller struct {
	ID      string // client id, or what Kind says
	Kind    ActorKind
	TokenID string // the token's `jti`
	Scopes  []string
	// IP and UserAgent are those of the request, CorrelationID its
	// X-Correlation-ID; all for the events.
	IP            string
	UserAgent     string
	CorrelationID string
}

// Has reports whether the caller holds the scope.
func (c Caller) Has(scope string) bool { return slices.Contains(c.Scopes, scope) }
