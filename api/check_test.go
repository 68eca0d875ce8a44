package api_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-id/rollcall"
)

// check asks POST /v1/check; body has %s in the place of the token.
func (f fixture) check(body, token string) *httptest.ResponseRecorder {
	f.t.Helper()
	return f.do("POST", "/v1/check", strings.Replace(body, "%s", token, 1), "Authorization", "Bearer check:sessions")
}

func TestACheckByAClientSaysWhoAndRecordsWhatItsBodySays(t *testing.T) {
	f := newFixture(t)
	c := f.create(signIn)
	want := `{"good":true,"user_id":"auth0|1","session_id":"` + c.Session.ID + `","authenticated_at":"2026-03-01T12:00:00.000Z","expires_at":"2026-03-04T12:00:00.000Z","amr":["pwd","mfa"],"acr":"aal2"}`
	w := f.check(`{"token":"%s","device":{"ip":"2001:db8::7","user_agent":"Safari"},"client_id":"blog","acr":"aal2 aal3","amr":"pwd mfa:otp","max_age":0}`, c.Token)
	if w.Code != http.StatusOK || w.Body.String() != want || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%d %s\nwant %s", w.Code, w.Body, want)
	}
	got, err := f.manager.Session(context.Background(), c.Session.ID)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"web", "blog"}, got.Clients); diff != "" {
		t.Errorf("clients (-want +got):\n%s", diff)
	}
	page, err := f.manager.Events(context.Background(), rollcall.EventsAfter{Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	joined := page.Events[len(page.Events)-1].Event
	if joined.Type != rollcall.SessionJoined || joined.ClientID != "blog" || joined.Actor != "backend" || joined.ActorKind != rollcall.ActorClient {
		t.Errorf("the event of the joining: %+v", joined)
	}
}

func TestACheckByAClientWithoutTouchRecordsNothing(t *testing.T) {
	f := newFixture(t)
	c := f.create(signIn)
	before, err := f.manager.Session(context.Background(), c.Session.ID)
	if err != nil {
		t.Fatal(err)
	}
	w := f.check(`{"token":"%s","device":{"ip":"2001:db8::7","user_agent":"Safari"},"client_id":"blog","touch":false}`, c.Token)
	after, err := f.manager.Session(context.Background(), c.Session.ID)
	if diff := cmp.Diff(before, after); w.Code != http.StatusOK || err != nil || diff != "" {
		t.Errorf("%d %v (-before +after):\n%s", w.Code, err, diff)
	}
}

func TestEveryTokenThatIsNotGoodHasOneVerdict(t *testing.T) {
	f := newFixture(t)
	c, ended := f.create(signIn), f.create(signIn)
	if err := f.manager.End(context.Background(), rollcall.Caller{}, ended.Session.ID, rollcall.ReasonDeleted); err != nil {
		t.Fatal(err)
	}
	const want = `{"good":false,"challenge":"Bearer error=\"invalid_token\""}`
	for name, token := range map[string]string{
		"empty": "", "garbage": "garbage", "unknown": rollcall.Token{ID: rollcall.NewSessionID()}.Reveal(),
		"ended": ended.Token, "wrong secret": rollcall.Token{ID: c.Session.ID}.Reveal(),
	} {
		for _, body := range []string{`{"token":"%s"}`, `{"token":"%s","acr":"aal3","client_id":"blog","touch":false}`} {
			w := f.check(body, token)
			if w.Code != http.StatusOK || w.Body.String() != want || w.Header().Get("WWW-Authenticate") != "" {
				t.Errorf("%s: %d %s %v", name, w.Code, w.Body, w.Header())
			}
		}
	}
	const insufficient = `{"good":false,"challenge":"Bearer error=\"insufficient_user_authentication\", error_description=\"A different authentication level is required\", acr_values=\"aal3\", max_age=\"60\""}`
	if w := f.check(`{"token":"%s","acr":"aal3","max_age":60}`, c.Token); w.Code != http.StatusOK || w.Body.String() != insufficient {
		t.Errorf("not good enough: %d %s", w.Code, w.Body)
	}
	f.store.FailReads(errors.New("disk"))
	if w := f.check(`{"token":"%s"}`, c.Token); w.Code != http.StatusServiceUnavailable || strings.Contains(w.Body.String(), "good") {
		t.Errorf("a store that cannot answer: %d %s", w.Code, w.Body)
	}
}

func TestACheckByAClientIsReadStrictlyAndRefusedWithoutAVerdict(t *testing.T) {
	f := newFixture(t)
	c := f.create(signIn)
	for _, body := range []string{
		``, `[]`, `"%s"`, `{}`, `{"token":7}`, `{"token":"%s","token":"%s"}`, `{"token":"%s","Touch":false}`, `{"token":"%s","ip":"192.0.2.1"}`,
		`{"token":"%s","touch":"false"}`, `{"token":"%s","touch":0}`, `{"token":"%s","acr":["aal2"]}`, `{"token":"%s","acr":""}`, `{"token":"%s","amr":" "}`,
		`{"token":"%s","acr":"a\"b"}`, `{"token":"%s","max_age":"60"}`, `{"token":"%s","max_age":-1}`, `{"token":"%s","max_age":1.5}`, `{"token":"%s","max_age":99999999999}`,
		`{"token":"%s","device":"192.0.2.1"}`, `{"token":"%s","device":{"ip":"localhost"}}`, `{"token":"%s","device":{"address":"192.0.2.1"}}`, `{"token":"%s","client_id":"\u0000"}`,
	} {
		w := f.check(strings.ReplaceAll(body, "%s", c.Token), "")
		if w.Code != http.StatusBadRequest || strings.Contains(w.Body.String(), "good") || strings.Contains(w.Body.String(), c.Token) {
			t.Errorf("%s: %d %s", body, w.Code, w.Body)
		}
	}
	got, err := f.manager.Session(context.Background(), c.Session.ID)
	if err != nil || len(got.Clients) != 1 || got.Last.Origin.IP != "192.0.2.1" {
		t.Errorf("a refused check was recorded: %+v %v", got, err)
	}
	if w := f.do("POST", "/v1/check", "token="+c.Token, "Content-Type", formType, "Authorization", "Bearer check:sessions"); w.Code != http.StatusUnsupportedMediaType {
		t.Errorf("a form: %d", w.Code)
	}
}
