package oauth

import (
	"crypto/sha256"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestASecretThatWeDidNotIssueIsNeverAccepted(t *testing.T) {
	good, _ := NewClientSecret()
	for _, secret := range []string{
		"", "test", "hunter2", SecretPrefix, SecretPrefix + "test", good[:len(good)-1], good + "A", good + "\n", good + "=",
		strings.TrimPrefix(good, SecretPrefix), strings.ToUpper(SecretPrefix) + good[len(SecretPrefix):],
		good[:len(good)-1] + "_", good[:20] + "\n" + good[20:], good[:20] + "+" + good[21:], "rcs_" + good[len(SecretPrefix):],
		strings.Repeat(good, 100),
	} {
		c := Client{ID: "app", SecretHashes: [][32]byte{sha256.Sum256([]byte(secret))}}
		if c.accepts(secret) {
			t.Errorf("%q is accepted by its hash", secret)
		}
	}
	c := Client{ID: "app", SecretHashes: [][32]byte{{1}, sha256.Sum256([]byte(good))}}
	if !c.accepts(good) {
		t.Error("the secret is refused")
	}
	for i := len(SecretPrefix); i < len(good); i++ {
		for bit := range 8 {
			changed := []byte(good)
			changed[i] ^= 1 << bit
			if c.accepts(string(changed)) {
				t.Errorf("%q is taken for %q", changed, good)
			}
		}
	}
	if (*Client)(nil).accepts(good) || (&Client{ID: "app"}).accepts(good) {
		t.Error("a client without a secret has one")
	}
}

func TestHashesOfWhatAnybodyGuessesAreRefusedByName(t *testing.T) {
	for secret, want := range map[string]string{
		"": "the hash of nothing", "\n": "the hash of nothing", "test": `the hash of "test"`, "test\n": `the hash of "test"`,
		"changeme\r\n": `the hash of "changeme"`, "backend": `the hash of "backend"`, SecretPrefix: `the hash of "rccs_"`,
	} {
		c := Client{ID: "backend", SecretHashes: [][32]byte{{1}, sha256.Sum256([]byte(secret))}}
		if err := c.Check(); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "client backend") {
			t.Errorf("%q: %v", secret, err)
		}
	}
	if err := (Client{ID: "a", SecretHashes: [][32]byte{{}}}).Check(); err == nil || !strings.Contains(err.Error(), "all zeros") {
		t.Errorf("zeros: %v", err)
	}
}

func TestNoClientIsTakenForTheOfflineMinter(t *testing.T) {
	f := newFixture(t, "read:sessions")
	app := *f.issuer.state.Load().clients["app"]
	app.ID = "offline"
	if err := f.issuer.Reload(Callers{Clients: []Client{app}}); err != nil {
		t.Fatal(err)
	}
	w := f.post(form, f.form("client_id", "offline"))
	if w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	client, refusal := f.verify(tokenIn(t, w))
	if refusal != nil {
		t.Fatal(refusal)
	}
	minted, err := f.issuer.MintOffline("", []string{"read:sessions"}, TokenLifetime)
	if err != nil {
		t.Fatal(err)
	}
	minter, refusal := f.verify(minted)
	if refusal != nil || client.ID == minter.ID || clientID.MatchString(minter.ID) {
		t.Errorf("the client is %q, the minter %q, %v", client.ID, minter.ID, refusal)
	}
}

func TestOthersFailuresShutNobodyOut(t *testing.T) {
	f := newSigning(t)
	const ip = "192.0.2.1"
	for i := range 3 * attemptBurst {
		f.post(form, f.form("client_secret", "wrong"), "Test-IP", ip)
		f.post(form, f.form("client_id", "nobody-"+strconv.Itoa(i)), "Test-IP", ip)
	}
	signs := func(assertion string) *httptest.ResponseRecorder {
		return f.post(form, f.form("client_secret", "", "client_id", "", "client_assertion_type", assertionType, "client_assertion", assertion), "Test-IP", ip)
	}
	for name, w := range map[string]*httptest.ResponseRecorder{
		"the right secret":           f.post(form, f.form(), "Test-IP", ip),
		"the right secret, as Basic": f.post(form, f.form("client_id", "", "client_secret", ""), "Test-IP", ip, "Authorization", basic("app", f.secret)),
		"a good assertion":           signs(f.ed.sign(f.fresh())),
	} {
		if w.Code != 200 {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	if w := f.post(form, f.form("client_secret", "wrong"), "Test-IP", ip); w.Code != 429 {
		t.Errorf("a wrong secret after too many: %d", w.Code)
	}
	if w := signs(f.two.sign(f.fresh())); w.Code != 429 {
		t.Errorf("a wrong assertion after too many: %d", w.Code)
	}
}

// Whatever has been tried from an address before, and in whatever way: a wrong secret
// of a client that there is looks like one of a client that there is not.
func TestUnknownClientsAreAnsweredAsKnownOnesAre(t *testing.T) {
	wrong, _ := NewClientSecret()
	// A way changes who is asked about, before the last attempt.
	for name, id := range map[string]func(attempt int) string{
		"each time another id": func(i int) string { return "nobody-" + strconv.Itoa(i) },
		"the same id":          func(int) string { return "nobody" },
		"the client's id":      func(int) string { return "app" },
	} {
		for _, tries := range []int{0, attemptBurst - 2, attemptBurst - 1, attemptBurst, attemptBurst + 3} {
			answers := map[string]string{}
			for _, asked := range []string{"app", "somebody"} {
				f := newFixture(t, "read:sessions")
				for i := range tries {
					f.post(form, f.form("client_id", id(i), "client_secret", wrong), "Test-IP", "192.0.2.1")
				}
				for _, headers := range [][]string{nil, {"Authorization", basic(asked, wrong)}} {
					body := f.form("client_id", asked, "client_secret", wrong)
					if headers != nil {
						body = f.form("client_id", "", "client_secret", "")
					}
					w := f.post(form, body, append(headers, "Test-IP", "192.0.2.1")...)
					answers[asked] += strconv.Itoa(w.Code) + w.Body.String()
					for _, h := range []string{"Www-Authenticate", "Retry-After", "X-Ratelimit-Limit", "X-Ratelimit-Remaining", "X-Ratelimit-Reset"} {
						answers[asked] += "\n" + h + ": " + w.Header().Get(h)
					}
				}
			}
			if diff := cmp.Diff(answers["app"], answers["somebody"]); diff != "" {
				t.Errorf("%s, after %d failures (-known +unknown):\n%s", name, tries, diff)
			}
		}
	}
}
