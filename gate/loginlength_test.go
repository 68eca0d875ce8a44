package gate_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/rollcall-id/rollcall/internal/doortest"
)

func TestLoginLeavesOutAReturnAddressThatMakesItsOwnLongerThanServersTake(t *testing.T) {
	f := newFixture(t)
	_, token := f.create("auth0|1")
	const start = "https://login.example.com/start?acr_values=aal3&return_to=&x=1"
	room := 8000 - len(start) - len(url.QueryEscape("https://app.example.com/"))
	for length, kept := range map[int]bool{0: true, 3000: true, room: true, room + 1: false, 30_000: false} {
		path := "/" + strings.Repeat("a", length)
		w := doortest.Serve(http.HandlerFunc(f.gate.Login), "GET", "/check/login?acr=aal3", "",
			"Test-Trusted", "yes", "Accept", "text/html", "Authorization", "Bearer "+token,
			"X-Forwarded-Proto", "https", "X-Forwarded-Host", "app.example.com", "X-Forwarded-Uri", path)
		location, err := url.Parse(w.Header().Get("Location"))
		if err != nil || w.Code != http.StatusFound {
			t.Errorf("%d bytes: %d, %v", length, w.Code, err)
			continue
		}
		query := location.Query()
		if query.Has("return_to") != kept || kept && query.Get("return_to") != "https://app.example.com"+path {
			t.Errorf("%d bytes: back to %.60s", length, query.Get("return_to"))
		}
		if n := len(location.String()); n > 8000 || query.Get("acr_values") != "aal3" || query.Get("x") != "1" {
			t.Errorf("%d bytes: %d bytes, %.60s", length, n, location)
		}
	}
}
