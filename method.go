package rollcall

import (
	"net/url"
	"time"
)

// A Method is one way in which the user was authenticated, and when.
type Method struct {
	Name string // one of the published names, or a URL
	Type string // what kind of second factor; only with the name `mfa`
	At   time.Time
}

var methodNames = map[string]bool{
	"federated": true, "passkey": true, "pwd": true, "sms": true, "email": true, "mfa": true, "mock": true,
}

// CheckMethods holds methods against the published form (docs/published-api.md P44).
func CheckMethods(methods []Method) error {
	if len(methods) > MaxMethods {
		return Errorf(CodeInvalid, "Too many authentication methods (%d), maximum %d", len(methods), MaxMethods)
	}
	for _, m := range methods {
		if !methodNames[m.Name] && !isMethodURL(m.Name) {
			return Errorf(CodeInvalid, "Unknown authentication method: %s", Echo(m.Name))
		}
		if m.Type != "" && m.Name != "mfa" {
			return Errorf(CodeInvalid, "An authentication method has a type only when its name is mfa")
		}
		if len(m.Type) > 64 || !isPlain(m.Type) {
			return Errorf(CodeInvalid, "An authentication method's type is at most 64 printable characters")
		}
	}
	return nil
}

func isMethodURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && len(s) <= 255 && isPlain(s) && (u.Scheme == "https" || u.Scheme == "http") && u.Host != ""
}
