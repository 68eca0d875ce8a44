package api_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/api"
	"github.com/rollcall-id/rollcall/internal/doortest"
	"github.com/rollcall-id/rollcall/internal/request"
	"github.com/rollcall-id/rollcall/internal/wire"
	"github.com/rollcall-id/rollcall/reference/referencetest"
)

func TestALogOutByTheBrowsersCookiesEndsEverySessionWhoseSecretIsRight(t *testing.T) {
	f := newFixture(t)
	cookie := wire.Cookie{Cookie: request.CookieOptions{Domain: "app.example.com", ClearedDomains: []string{"example.com"}}.Cookie()}
	h := referencetest.Handler(t, api.New(api.Options{Manager: f.manager, Cookie: cookie, Logger: slog.New(slog.DiscardHandler)}))
	out := func(cookies string, headers ...string) (status int, set []string, body string) {
		b, err := json.Marshal(map[string]string{"cookie": cookies})
		if err != nil {
			t.Fatal(err)
		}
		w := doortest.Serve(h, "POST", "/v1/sessions/end", string(b), append(headers, "Content-Type", "application/json")...)
		return w.Code, w.Header()["Set-Cookie"], w.Body.String()
	}
	one, two, kept := f.create(signIn), f.create(signIn), f.create(signIn)
	wrong := rollcall.Token{ID: kept.Session.ID, Secret: rollcall.NewSecret()}.Reveal()
	const name = "__Secure-rollcall="
	status, set, body := out("a=b; " + name + wrong + "; " + name + one.Token + ";" + name + two.Token)
	clearing := []string{
		"__Secure-rollcall=; Path=/; Domain=app.example.com; Max-Age=0; HttpOnly; Secure; SameSite=Lax",
		"__Secure-rollcall=; Path=/; Domain=example.com; Max-Age=0; HttpOnly; Secure; SameSite=Lax",
	}
	if diff := cmp.Diff(clearing[:1], set); status != http.StatusOK || diff != "" {
		t.Errorf("%d %s\n%s", status, body, diff)
	}
	var said struct {
		SessionID  string   `json:"session_id"`
		SetCookie  string   `json:"set_cookie"`
		SetCookies []string `json:"set_cookies"`
	}
	if err := json.Unmarshal([]byte(body), &said); err != nil || said.SessionID != one.Session.ID || said.SetCookie != clearing[0] || cmp.Diff(clearing, said.SetCookies) != "" {
		t.Errorf("%s %v", body, err)
	}
	for id, live := range map[string]bool{one.Session.ID: false, two.Session.ID: false, kept.Session.ID: true} {
		if _, err := f.manager.Session(context.Background(), id); (err == nil) != live {
			t.Errorf("%s, live %t: %v", id, live, err)
		}
	}
	for _, cookies := range []string{"", name, name + wrong, name + one.Token, "__Host-rollcall=" + kept.Token, "\u2000" + name + kept.Token} {
		if status, set, body := out(cookies); status != http.StatusUnauthorized || len(set) > 0 {
			t.Errorf("%q: %d %s", cookies, status, body)
		}
	}
	if status, _, _ := out(name+kept.Token, "Authorization", "Bearer "+wrong); status != http.StatusUnauthorized {
		t.Errorf("the header does not win: %d", status)
	}
	for _, body := range []string{"{}", `{"cookie":1}`, `{"cookie":"","x":1}`, "[]", "x"} {
		if w := doortest.Serve(h, "POST", "/v1/sessions/end", body, "Content-Type", "application/json"); w.Code != http.StatusBadRequest {
			t.Errorf("%s: %d %s", body, w.Code, w.Body)
		}
	}
	if _, err := f.manager.Session(context.Background(), kept.Session.ID); err != nil {
		t.Error(err)
	}
}
