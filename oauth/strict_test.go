package oauth

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"
)

// signText signs a header and claims as they are spelled.
func (s signer) signText(header, claims string) string {
	s.t.Helper()
	text := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims))
	signature, err := methods[s.alg].Sign(text, s.key)
	if err != nil {
		s.t.Fatal(err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func TestNamesInATokenAreExactAndComeOnce(t *testing.T) {
	f := newTrusting(t, nil)
	const header = `{"alg":"EdDSA","kid":"d"}`
	past, future := at(f.now, -time.Hour), at(f.now, time.Hour)
	claims := fmt.Sprintf(`{"iss":%q,"aud":%q,"sub":"app","azp":"app","scope":"read:sessions","exp":%d}`, otherIssuer, otherAudience, future)
	replace := func(old, with string) string {
		t.Helper()
		if !strings.Contains(claims, old) {
			t.Fatalf("the claims have no %s", old)
		}
		return strings.Replace(claims, old, with, 1)
	}
	end := fmt.Sprintf(`"exp":%d`, future)
	audience := fmt.Sprintf(`"aud":%q`, otherAudience)
	for name, tt := range map[string]struct {
		header, claims string
		want           *Refusal
	}{
		"good":                         {header, claims, nil},
		"names that are not known":     {header, replace(end, end+`,"x":{"exp":1,"Exp":2},"EXPIRES":null`), nil},
		"an end revived by EXP":        {header, replace(end, fmt.Sprintf(`"exp":%d,"EXP":%d`, past, future)), ErrExpired},
		"an end that is only EXP":      {header, replace(end, fmt.Sprintf(`"EXP":%d`, future)), ErrToken},
		"an end twice":                 {header, replace(end, fmt.Sprintf(`"exp":%d,"exp":%d`, past, future)), ErrToken},
		"an end twice, once escaped":   {header, replace(end, fmt.Sprintf(`"exp":%d,"\u0065xp":%d`, past, future)), ErrToken},
		"an audience re-aimed by Aud":  {header, replace(audience, fmt.Sprintf(`"aud":"https://other.example.com/","Aud":%q`, otherAudience)), ErrToken},
		"an issuer named Iss":          {header, replace(`"iss"`, `"Iss"`), ErrToken},
		"a person hidden by AZP":       {header, replace(`"sub":"app"`, `"sub":"auth0|1","AZP":"auth0|1"`), ErrToken},
		"a scope widened by SCOPE":     {header, replace(`"scope":"read:sessions"`, `"scope":7,"SCOPE":"read:sessions"`), ErrToken},
		"a key id twice":               {`{"alg":"EdDSA","kid":"x","kid":"d"}`, claims, ErrToken},
		"a type twice":                 {`{"alg":"EdDSA","kid":"d","typ":"secevent+jwt","typ":"at+jwt"}`, claims, ErrToken},
		"a key id named KID":           {`{"alg":"EdDSA","KID":"d"}`, claims, ErrToken},
		"a number for a key id":        {`{"alg":"EdDSA","kid":1}`, claims, ErrToken},
		"something behind the claims":  {header, claims + `{}`, ErrToken},
		"half a character":             {header, replace(`"sub":"app"`, `"sub":"app","x":"\ud800"`), ErrToken},
		"claims that are a list":       {header, `[` + claims + `]`, ErrToken},
		"a header that is a list":      {`[` + header + `]`, claims, ErrToken},
		"a bound token":                {header, replace(end, end+`,"cnf":{"jkt":"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}`), ErrToken},
		"a token bound to nothing":     {header, replace(end, end+`,"cnf":null`), ErrToken},
		"null for what may be missing": {header, replace(end, end+`,"nbf":null,"jti":null,"gty":null`), nil},
	} {
		if caller, refusal := f.verify(f.ed.signText(tt.header, tt.claims)); refusal != tt.want {
			t.Errorf("%s: %v (%+v), want %v", name, refusal, caller, tt.want)
		}
	}
	good := strings.Split(f.ed.signText(header, claims), ".")
	for name, text := range map[string]string{
		"padded":                good[0] + "." + good[1] + "." + good[2] + "==",
		"a line end":            good[0] + "." + good[1] + "." + good[2][:10] + "\n" + good[2][10:],
		"bits that say nothing": good[0] + "." + good[1] + "." + good[2][:len(good[2])-1] + "_",
	} {
		if _, refusal := f.verify(text); refusal == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestNamesInAnAssertionAreExactAndComeOnce(t *testing.T) {
	f := newSigning(t)
	const header = `{"alg":"EdDSA"}`
	n := 0
	claims := func(more string) string {
		n++
		return fmt.Sprintf(`{"iss":"one","sub":"one","aud":%q,"jti":"strict-%d"%s}`, publicURL+"/", n, more)
	}
	past, future := at(f.now, -time.Hour), at(f.now, time.Minute)
	end := fmt.Sprintf(`,"exp":%d`, future)
	for name, tt := range map[string]struct {
		header, claims string
		want           int
	}{
		"good":                     {header, claims(end), 200},
		"typ JWT":                  {`{"alg":"EdDSA","typ":"JWT"}`, claims(end), 200},
		"its own typ":              {`{"alg":"EdDSA","typ":"client-authentication+jwt"}`, claims(end), 200},
		"its own typ, spelled out": {`{"alg":"EdDSA","typ":"application/client-authentication+JWT"}`, claims(end), 200},
		"an access token":          {`{"alg":"EdDSA","typ":"at+jwt"}`, claims(end), 401},
		"a security event":         {`{"alg":"EdDSA","typ":"secevent+jwt"}`, claims(end), 401},
		"a proof of possession":    {`{"alg":"EdDSA","typ":"dpop+jwt"}`, claims(end), 401},
		"a typ that is no text":    {`{"alg":"EdDSA","typ":["JWT"]}`, claims(end), 401},
		"a bound assertion":        {header, claims(end + `,"cnf":{"jkt":"x"}`), 401},
		"an end revived by EXP":    {header, claims(fmt.Sprintf(`,"exp":%d,"EXP":%d`, past, future)), 401},
		"an end twice":             {header, claims(fmt.Sprintf(`,"exp":%d,"exp":%d`, past, future)), 401},
		"a jti twice":              {header, claims(end + `,"jti":"other"`), 401},
		"a quoted end":             {header, claims(fmt.Sprintf(`,"exp":"%d"`, future)), 401},
		"a critical extension":     {`{"alg":"EdDSA","crit":["x"]}`, claims(end), 401},
	} {
		if w := f.assert(f.ed.signText(tt.header, tt.claims), "client_id", "one"); w.Code != tt.want {
			t.Errorf("%s: %d %s, want %d", name, w.Code, w.Body, tt.want)
		}
	}
}

func TestInstantsAreNumbersBeforeTheYear10000(t *testing.T) {
	f := newTrusting(t, nil)
	claims := func(more string) string {
		return fmt.Sprintf(`{"iss":%q,"aud":%q,"sub":"app"%s}`, otherIssuer, otherAudience, more)
	}
	future := at(f.now, time.Hour)
	end := fmt.Sprintf(`,"exp":%d`, future)
	for name, tt := range map[string]struct {
		more string
		want *Refusal
	}{
		"a whole number":              {end, nil},
		"a fraction":                  {fmt.Sprintf(`,"exp":%d.25`, future), nil},
		"an exponent":                 {`,"exp":4.0e9`, nil},
		"the last second of 9999":     {`,"exp":253402300799`, nil},
		"the year 10000":              {`,"exp":253402300800`, ErrToken},
		"more than 64 bits":           {`,"exp":99999999999999999999`, ErrToken},
		"more than a float":           {`,"exp":1e999`, ErrToken},
		"a huge float":                {`,"exp":1e300`, ErrToken},
		"before 1970":                 {`,"exp":-1`, ErrToken},
		"quoted":                      {fmt.Sprintf(`,"exp":"%d"`, future), ErrToken},
		"a list":                      {fmt.Sprintf(`,"exp":[%d]`, future), ErrToken},
		"true":                        {`,"exp":true`, ErrToken},
		"a quoted beginning":          {end + fmt.Sprintf(`,"nbf":"%d"`, at(f.now, -time.Hour)), ErrToken},
		"a beginning past 9999":       {end + `,"nbf":253402300800`, ErrToken},
		"a beginning below all":       {end + `,"nbf":-1e300`, ErrToken},
		"quoted, made at":             {end + `,"iat":"1"`, ErrToken},
		"an end a fraction ago":       {fmt.Sprintf(`,"exp":%d.999`, at(f.now, -time.Second)), ErrExpired},
		"a beginning a bit too early": {end + fmt.Sprintf(`,"nbf":%d.5`, at(f.now, clockSkew)), ErrToken},
	} {
		if _, refusal := f.verify(f.ed.signText(`{"alg":"EdDSA","kid":"d"}`, claims(tt.more))); refusal != tt.want {
			t.Errorf("%s: %v, want %v", name, refusal, tt.want)
		}
	}
}

func TestNamesInAKeySetAreExactAndComeOnce(t *testing.T) {
	j := newSigner(t, "EdDSA", "d").jwk()
	key := fmt.Sprintf(`"kty":"OKP","crv":"Ed25519","x":%q`, j.X)
	other := newSigner(t, "EdDSA", "d").jwk().X
	for text, good := range map[string]bool{
		`{"keys":[{` + key + `,"kid":"d"}]}`:                                        true,
		`{"keys":[{` + key + `,"kid":"d","use":null,"x5c":["x"]}],"x":1}`:           true,
		`{"KEYS":[{` + key + `}]}`:                                                  false,
		`{"keys":[],"keys":[{` + key + `}]}`:                                        false,
		`{"keys":[],"Keys":[{` + key + `}]}`:                                        false,
		`{"keys":[{` + key + `,"x":"` + other + `"}]}`:                              false,
		`{"keys":[{` + key + `,"kid":"a","kid":"d"}]}`:                              false,
		`{"keys":[{` + key + `,"use":"enc","use":"sig"}]}`:                          false,
		`{"keys":[{` + strings.Replace(key, `"x"`, `"X"`, 1) + `}]}`:                false,
		`{"keys":[{` + strings.Replace(key, `"kty"`, `"KTY"`, 1) + `}]}`:            false,
		`{"keys":[{` + key + `,"use":7}]}`:                                          false,
		`{"keys":[{` + key + `,"key_ops":"verify"}]}`:                               false,
		`{"keys":[{` + key + `,"p":"AAAA"}]}`:                                       false,
		`{"keys":[{` + key + `,"d":null}]}`:                                         false,
		`{"keys":[{` + strings.Replace(key, j.X, j.X[:10]+`\n`+j.X[10:], 1) + `}]}`: false,
		`{"keys":[{` + key + `}]} {}`:                                               false,
	} {
		if keys, skipped, err := parseKeySet([]byte(text)); (err == nil) != good || good && (len(keys) != 1 || len(skipped) > 0) {
			t.Errorf("%s: %d keys, %v, %v", text, len(keys), skipped, err)
		}
	}
	// What is wrong with one key alone takes no other away.
	keys, skipped, err := parseKeySet([]byte(`{"keys":[{"kty":"OKP","USE":"enc","kid":7},{` + key + `,"d":"AAAA"},{` + key + `,"USE":"enc","D":"x"}]}`))
	if err != nil || len(keys) != 1 || len(skipped) != 2 {
		t.Errorf("%d keys, %v, %v", len(keys), skipped, err)
	}
}
