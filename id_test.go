package rollcall_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/rollcall-id/rollcall"
)

func TestSessionIDIs32CharactersOfBase64URL(t *testing.T) {
	form := regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_-]{31}$`)
	seen := map[string]bool{}
	for range 1000 {
		id := rollcall.NewSessionID()
		if !form.MatchString(id) || seen[id] {
			t.Fatalf("id %q", id)
		}
		seen[id] = true
	}
}

func TestTokenTextIsFoundByScanners(t *testing.T) {
	form := regexp.MustCompile(`^rcs_[A-Za-z0-9_-]{65,99}$`)
	for _, length := range []int{16, 32, 50} {
		token := rollcall.Token{ID: strings.Repeat("i", length), Secret: rollcall.NewSecret()}
		if text := token.Reveal(); !form.MatchString(text) {
			t.Errorf("token of an id of %d characters has the form %q", length, text)
		}
	}
}

func TestTokenReadsBackAndAnyChangeRefusesIt(t *testing.T) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for _, length := range []int{16, 32, 50} {
		token := rollcall.Token{ID: strings.Repeat("-_", length/2), Secret: rollcall.NewSecret()}
		text := token.Reveal()
		if got, ok := rollcall.ParseToken(text); !ok || got != token {
			t.Fatalf("token of an id of %d characters does not read back", length)
		}
		for i := range text {
			changed := []byte(text)
			changed[i] = alphabet[(strings.IndexByte(alphabet, text[i])+1)%len(alphabet)]
			if _, ok := rollcall.ParseToken(string(changed)); ok {
				t.Errorf("a change at %d of %d is accepted", i, len(text))
			}
			if _, ok := rollcall.ParseToken(text[:i]); ok {
				t.Errorf("the first %d of %d characters are accepted", i, len(text))
			}
		}
		if _, ok := rollcall.ParseToken(text + "A"); ok {
			t.Error("a longer text is accepted")
		}
	}
}

func TestSecretNeverPrints(t *testing.T) {
	token := rollcall.Token{ID: rollcall.NewSessionID(), Secret: rollcall.NewSecret()}
	secret := token.Reveal()[len(rollcall.TokenPrefix)+len(token.ID):][:43]
	key := rollcall.DerivationKey(token.Secret)
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "secret", token.Secret, "token", token, "key", key)
	body, err := json.Marshal(map[string]any{"secret": token.Secret, "token": token})
	if err != nil {
		t.Fatal(err)
	}
	printed := []string{log.String(), string(body)}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		printed = append(printed, fmt.Sprintf(verb, token.Secret), fmt.Sprintf(verb, struct{ S rollcall.Secret }{token.Secret}))
	}
	for _, verb := range []string{"%v", "%+v", "%s"} {
		printed = append(printed, fmt.Sprintf(verb, token), fmt.Sprintf(verb, key))
	}
	hex := fmt.Sprintf("%x", [32]byte(token.Secret))
	decimal := strings.Trim(fmt.Sprint([32]byte(token.Secret)), "[]")
	for _, text := range printed {
		for _, form := range []string{secret, hex, strings.ToUpper(hex), decimal} {
			if strings.Contains(text, form) {
				t.Errorf("the secret prints: %s", text)
			}
		}
	}
}

func TestSecretHashMatchesItsSecretAlone(t *testing.T) {
	a, b := rollcall.NewSecret(), rollcall.NewSecret()
	if !a.Hash().Matches(a) || a.Hash().Matches(b) || (rollcall.SecretHash{}).Matches(rollcall.Secret{}) {
		t.Error("a hash matches a secret that is not its own, or not its own")
	}
}

func TestARequestDigestIsOfItsRequestAloneAndNeverTheSameTwice(t *testing.T) {
	request, other := rollcall.NewSession{UserID: "a"}, rollcall.NewSession{UserID: "b"}
	d, again := rollcall.NewRequestDigest(request), rollcall.NewRequestDigest(request)
	if !d.Of(request) || !again.Of(request) || d.Of(other) || (rollcall.RequestDigest{}).Of(request) {
		t.Error("a digest is of another request, or not of its own")
	}
	if d == again {
		t.Error("two requests have one digest")
	}
	key := rollcall.DerivationKey{1}
	if key.Secret(d, "x") == key.Secret(again, "x") || key.Secret(d, "x") == key.Secret(d, "y") {
		t.Error("a secret does not depend on the digest and the parts")
	}
}

func TestUserIDs(t *testing.T) {
	for _, tt := range []struct {
		id string
		ok bool
	}{
		{"auth0|677e183104cb56de4c43408a", true},
		{"a", true},
		{"plain", true},
		{"oauth2|a/b c|d", true},
		{"ünïcødé|日本", true},
		{strings.Repeat("é", 300), true},
		{strings.Repeat("é", 301), false},
		{"", false},
		{" a", false},
		{"a ", false},
		{"a\u00a0", false},
		{"a\x00b", false},
		{"a\nb", false},
		{"a\u0085b", false},
		{"a\x7fb", false},
		{"a\xffb", false},
	} {
		if err := rollcall.CheckUserID(tt.id); (err == nil) != tt.ok {
			t.Errorf("%q: %v", tt.id, err)
		}
	}
}

func TestOriginIsCanonicalAndClean(t *testing.T) {
	for _, tt := range []struct {
		ip, agent string
		want      rollcall.Origin
	}{
		{"192.0.2.1", "curl/8", rollcall.Origin{IP: "192.0.2.1", UserAgent: "curl/8"}},
		{"::ffff:192.0.2.1", "", rollcall.Origin{IP: "192.0.2.1"}},
		{"2001:DB8:0::1", "", rollcall.Origin{IP: "2001:db8::1"}},
		{"fe80::1%eth0", "", rollcall.Origin{IP: "fe80::1"}},
		{"192.0.2.1:80", "", rollcall.Origin{IP: "192.0.2.1"}},
		{"x", "a\r\nb\x00c", rollcall.Origin{UserAgent: "a  b c"}},
		{"", "a\xffb", rollcall.Origin{UserAgent: "a\ufffdb"}},
		{"", strings.Repeat("é", 600), rollcall.Origin{UserAgent: strings.Repeat("é", rollcall.MaxUserAgentLength)}},
	} {
		if got := rollcall.NewOrigin(tt.ip, tt.agent); got != tt.want {
			t.Errorf("%q %q: %+v", tt.ip, tt.agent, got)
		}
	}
}

func TestMethodsFollowThePublishedForm(t *testing.T) {
	for _, tt := range []struct {
		method rollcall.Method
		ok     bool
	}{
		{rollcall.Method{Name: "pwd"}, true},
		{rollcall.Method{Name: "mfa", Type: "otp"}, true},
		{rollcall.Method{Name: "https://example.com/face"}, true},
		{rollcall.Method{Name: "pwd", Type: "otp"}, false},
		{rollcall.Method{Name: "telepathy"}, false},
		{rollcall.Method{Name: ""}, false},
		{rollcall.Method{Name: "javascript:alert(1)"}, false},
		{rollcall.Method{Name: "mfa", Type: strings.Repeat("x", 65)}, false},
	} {
		if err := rollcall.CheckMethods([]rollcall.Method{tt.method}); (err == nil) != tt.ok {
			t.Errorf("%+v: %v", tt.method, err)
		}
	}
}

func TestEchoIsCutAndClean(t *testing.T) {
	if got := rollcall.Echo(strings.Repeat("é", 100)); got != strings.Repeat("é", 64) {
		t.Errorf("%q", got)
	}
	if got := rollcall.Echo("a\xff" + strings.Repeat("\xff", 10000)); len([]rune(got)) != 64 {
		t.Errorf("%q", got)
	}
}

func TestCursorHoldsForItsUserAlone(t *testing.T) {
	p := rollcall.Position{CreatedAt: t0.Add(time.Millisecond), ID: rollcall.NewSessionID()}
	c := rollcall.EncodeCursor("auth0|1", p)
	if got, err := rollcall.DecodeCursor("auth0|1", c); err != nil || got != p {
		t.Errorf("got %v, %v", got, err)
	}
	if regexp.MustCompile(`[^A-Za-z0-9_-]`).MatchString(c) || len(c) > 100 {
		t.Errorf("cursor %q is not short and URL-safe", c)
	}
	refused := []string{"", "x", "====", c + "A", c + "=", strings.ToLower(c), p.ID, "AXM", strings.Repeat("A", 10000)}
	for i := range c {
		refused = append(refused, c[:i])
	}
	for _, cursor := range refused {
		if got, err := rollcall.DecodeCursor("auth0|1", cursor); err == nil && len(cursor) < len(c)-40 {
			t.Errorf("%q gives %v", cursor, got)
		}
	}
	if _, err := rollcall.DecodeCursor("auth0|2", c); err != rollcall.ErrBadCursor {
		t.Errorf("another user's cursor: %v", err)
	}
}

func FuzzParseToken(f *testing.F) {
	f.Add("rcs_" + strings.Repeat("a", 81))
	f.Add(rollcall.Token{ID: rollcall.NewSessionID()}.Reveal())
	f.Fuzz(func(t *testing.T, text string) {
		if token, ok := rollcall.ParseToken(text); ok && token.Reveal() != text {
			t.Errorf("%q reads as %q", text, token.Reveal())
		}
	})
}

func FuzzDecodeCursor(f *testing.F) {
	good := rollcall.EncodeCursor("u", rollcall.Position{CreatedAt: t0, ID: rollcall.NewSessionID()})
	f.Add("u", good)
	f.Add("u", good[:8]+"\n"+good[8:])
	f.Add("u", good+"\r")
	f.Fuzz(func(t *testing.T, user, cursor string) {
		if p, err := rollcall.DecodeCursor(user, cursor); err == nil && rollcall.EncodeCursor(user, p) != cursor {
			t.Errorf("%q reads as %v", cursor, p)
		}
	})
}

func FuzzCheckUserID(f *testing.F) {
	for _, seed := range []string{"auth0|1", "", " a", "a\u0000", "\xff", "\u2028", "\u00a0a", strings.Repeat("ü", 300), strings.Repeat("x", 301)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, id string) {
		if rollcall.CheckUserID(id) != nil {
			return
		}
		n := utf8.RuneCountInString(id)
		if n < 1 || n > rollcall.MaxUserIDLength || !utf8.ValidString(id) || strings.TrimSpace(id) != id || strings.ContainsAny(id, "\x00\r\n\t\x7f") {
			t.Errorf("%q is accepted", id)
		}
		// It goes through a path and comes back.
		u, err := url.Parse("/api/v2/users/" + url.PathEscape(id) + "/sessions")
		if err != nil || u.Path != "/api/v2/users/"+id+"/sessions" {
			t.Errorf("%q does not survive a path: %v", id, err)
		}
		// A cursor of its list is its own.
		p := rollcall.Position{CreatedAt: t0, ID: "0123456789abcdef"}
		if back, err := rollcall.DecodeCursor(id, rollcall.EncodeCursor(id, p)); err != nil || back != p {
			t.Errorf("%q: the cursor reads back as %v, %v", id, back, err)
		}
	})
}
