package client

import (
	"fmt"
	"time"

	"github.com/rollcall-id/rollcall"
)

// A Session is one as the published API shows it. Instants are UTC in whole
// milliseconds.
type Session struct {
	ID               string            `json:"id"`
	UserID           string            `json:"user_id"`
	CreatedAt        time.Time         `json:"created_at"`
	UpdatedAt        time.Time         `json:"updated_at"`
	AuthenticatedAt  time.Time         `json:"authenticated_at"`
	Authentication   Authentication    `json:"authentication"`
	IdleExpiresAt    time.Time         `json:"idle_expires_at"`
	ExpiresAt        time.Time         `json:"expires_at"`
	Device           Device            `json:"device"`
	Clients          []Application     `json:"clients"`
	LastInteractedAt time.Time         `json:"last_interacted_at"`
	Cookie           Cookie            `json:"cookie"`
	Metadata         map[string]string `json:"session_metadata"`
}

// An Authentication is how the user was authenticated.
type Authentication struct {
	Methods []Method `json:"methods"`
}

// A Method is one way of it, and when: pwd, passkey, mfa with a Type such as otp,
// federated, sms, email, or a URL.
type Method struct {
	Name string    `json:"name"`
	Type string    `json:"type,omitempty"`
	At   time.Time `json:"timestamp,omitzero"`
}

// A Device is where the session began and where it was used last. What is not
// known is "".
type Device struct {
	InitialIP        string `json:"initial_ip"`
	InitialASN       string `json:"initial_asn"`
	InitialUserAgent string `json:"initial_user_agent"`
	LastIP           string `json:"last_ip"`
	LastASN          string `json:"last_asn"`
	LastUserAgent    string `json:"last_user_agent"`
}

// An Application is one that the session was used for.
type Application struct {
	ClientID string `json:"client_id"`
}

// A Cookie says whether the session's cookie outlives the browser.
type Cookie struct {
	Mode rollcall.CookieMode `json:"mode"`
}

// A SignedIn is a session with the token that uses it. The token is given out here
// and never again.
type SignedIn struct {
	Session Session
	Token   rollcall.Token
	// SetCookie is for the browser.
	SetCookie SetCookie
}

// A SetCookie is the value of a Set-Cookie header. It holds a session token, so it
// never prints.
type SetCookie string

// Reveal returns the header's value.
func (c SetCookie) Reveal() string { return string(c) }

const hidden = "[redacted]"

// Format hides the value, whatever the verb.
func (c SetCookie) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(hidden)) }

// MarshalText hides the value, in JSON too.
func (c SetCookie) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// signedIn reads the answer to a creation or to a further authentication.
func (a *answer) signedIn(op string) (SignedIn, error) {
	var said struct {
		Session   Session `json:"session"`
		Token     string  `json:"token"`
		SetCookie string  `json:"set_cookie"`
	}
	if err := a.read(op, &said); err != nil {
		return SignedIn{}, err
	}
	token, ok := rollcall.ParseToken(said.Token)
	if !ok || said.Session.ID != token.ID || said.SetCookie == "" {
		return SignedIn{}, unanswered(op, "the answer holds no session with its token", a.status, nil)
	}
	return SignedIn{said.Session, token, SetCookie(said.SetCookie)}, nil
}
