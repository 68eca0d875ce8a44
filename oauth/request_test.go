package oauth

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
)

// tokenIn is the token that an answer gives.
func tokenIn(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || answer.AccessToken == "" {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	return answer.AccessToken
}

func TestUnknownParametersAreIgnoredWhateverTheyHold(t *testing.T) {
	f := newFixture(t, "read:sessions")
	good := `{"grant_type":"client_credentials","client_id":"app","client_secret":"` + f.secret + `"`
	for name, w := range map[string]*httptest.ResponseRecorder{
		"an object":          f.post("application/json", good+`,"x":{"client_id":"other","y":[{}]}}`),
		"a list":             f.post("application/json", good+`,"resource":["https://a/","https://b/"]}`),
		"numbers and words":  f.post("application/json", good+`,"x":1e9,"y":true,"z":null}`),
		"a list in a form":   f.post(form, f.form()+"&resource=https%3A%2F%2Fa&resource=https%3A%2F%2Fb"),
		"no UTF-8 in a form": f.post(form, f.form()+"&x=%ff"),
		"a stray percent":    f.post(form, f.form()+"&x=100%"),
		"a semicolon":        f.post(form, f.form()+"&x=a;b=c"),
	} {
		if w.Code != 200 {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	f.door = f.issuer.Endpoint(func(*http.Request) string { return "" }) // the reference asks for no null
	if w := f.post("application/json", good+`,"audience":null,"scope":null}`); w.Code != 200 {
		t.Errorf("null for an absent one: %d %s", w.Code, w.Body)
	}
	for name, w := range map[string]*httptest.ResponseRecorder{
		"a scope that is a list":        f.post("application/json", good+`,"scope":["read:sessions"]}`),
		"a scope that is an object":     f.post("application/json", good+`,"scope":{}}`),
		"an audience that is a number":  f.post("application/json", good+`,"audience":1}`),
		"an unknown one twice":          f.post("application/json", good+`,"x":1,"x":2}`),
		"a known one twice":             f.post(form, f.form()+"&scope=a&scope=b"),
		"a known one with a bad escape": f.post(form, f.form()+"&scope=%"),
		"a known one without UTF-8":     f.post(form, f.form()+"&scope=%ff"),
	} {
		if w.Code != 400 {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
}

func TestAFailedBasicIsChallenged(t *testing.T) {
	f := newFixture(t, "read:sessions")
	body := f.form("client_id", "", "client_secret", "")
	for name, header := range map[string]string{
		"a wrong secret":    basic("app", "wrong"),
		"an unknown client": basic("nobody", f.secret),
		"no secret":         basic("app", ""),
	} {
		w := f.post(form, body, "Authorization", header, "Test-IP", name)
		if w.Code != 401 || w.Header().Get("WWW-Authenticate") != `Basic realm="rollcall", charset="UTF-8"` {
			t.Errorf("%s: %d %v", name, w.Code, w.Header())
		}
	}
	if w := f.post(form, f.form("client_secret", "wrong")); w.Code != 401 || w.Header().Get("WWW-Authenticate") != "" {
		t.Errorf("a wrong secret in the body: %d %v", w.Code, w.Header())
	}
	for _, header := range []string{"Basic !", "basic", "Basic " + base64.StdEncoding.EncodeToString([]byte("no colon"))} {
		if w := f.post(form, f.form(), "Authorization", header); w.Code != 400 {
			t.Errorf("%q beside good credentials: %d %s", header, w.Code, w.Body)
		}
	}
	r := httptest.NewRequest("POST", "/oauth/token", nil)
	r.Header["Authorization"] = []string{basic("app", f.secret), basic("app", "other")}
	if refused := new(credentials).readBasic(r); refused == nil || refused.status != 400 {
		t.Errorf("two Authorization headers: %+v", refused)
	}
}
