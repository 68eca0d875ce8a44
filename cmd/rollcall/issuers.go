package main

import (
	"fmt"

	"github.com/rollcall-id/rollcall/oauth"
)

// parseIssuers reads the file's declarations of other issuers. judge has its say on files
// that they name.
func parseIssuers(value any, judge func(path string) error) ([]oauth.TrustedIssuer, error) {
	list, ok := value.([]any)
	if !ok {
		return nil, fmt.Errorf("%s: must be a list", issuersKey)
	}
	var issuers []oauth.TrustedIssuer
	for i, item := range list {
		t, err := parseIssuer(item)
		if err == nil {
			err = t.Check()
		}
		if err == nil && t.JWKSFile != "" {
			err = judge(t.JWKSFile)
		}
		if err != nil {
			return nil, fmt.Errorf("%s[%d]: %w", issuersKey, i, err)
		}
		issuers = append(issuers, t)
	}
	return issuers, nil
}

func parseIssuer(item any) (t oauth.TrustedIssuer, err error) {
	fields, ok := item.(map[string]any)
	if !ok {
		return t, fmt.Errorf("must have issuer, audience, scopes, and jwks_url or jwks_file")
	}
	texts := map[string]*string{"issuer": &t.Issuer, "audience": &t.Audience, "jwks_url": &t.JWKSURL, "jwks_file": &t.JWKSFile}
	for name, value := range fields {
		switch to, isText := texts[name]; {
		case isText:
			if *to, ok = value.(string); !ok {
				err = fmt.Errorf("%s: must be a text", name)
			}
		case name == "scopes":
			t.Scopes, err = words(value)
		case name == "algorithms":
			if t.Algorithms, err = words(value); err == nil && len(t.Algorithms) == 0 {
				err = fmt.Errorf("algorithms: name some, or leave the key out for all of %v", oauth.Algorithms())
			}
		case name == "jwks_allow_internal":
			if t.AllowInternal, ok = value.(bool); !ok {
				err = fmt.Errorf("%s: must be true or false", name)
			}
		default:
			err = fmt.Errorf("there is no key %q", name)
		}
		if err != nil {
			return t, err
		}
	}
	return t, nil
}
