package oauth

import (
	"net/http"
	"strings"
	"testing"
)

// A parameter that is not a text is not as if it were not there: a narrower token was asked for.
func TestAParameterOfATokenRequestIsAText(t *testing.T) {
	f := newFixture(t, "read:sessions")
	for _, name := range tokenParameters {
		for _, value := range []string{"5", "false", "1.5"} {
			body := `{"grant_type":"client_credentials","client_id":"app","client_secret":"` + f.secret + `"}`
			body = strings.Replace(body, "{", `{"x":5,"`+name+`":`+value+`,`, 1)
			for _, member := range []string{"grant_type", "client_id", "client_secret"} {
				if name == member {
					body = strings.Replace(body, `,"`+member+`":"`, `,"other_`+member+`":"`, 1)
				}
			}
			if w := f.post("application/json", body); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "not a JSON object of strings") {
				t.Errorf("%s: %d %s", body, w.Code, w.Body)
			}
		}
	}
	good := `{"grant_type":"client_credentials","client_id":"app","client_secret":"` + f.secret + `","audience":null,"scope":null,"x":5}`
	if w := f.post("application/json", good); w.Code != http.StatusOK {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
