package server_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-id/rollcall"
)

// A signIn is a session that the API has made.
type signIn struct {
	Session struct{ ID string }
	Token   string
}

func (r *running) signIn(management, userID string) signIn {
	r.t.Helper()
	body := `{"user_id":"` + userID + `","authentication":{"methods":[{"name":"pwd"}]}}`
	status, _, answer := r.do("POST", r.plain+"/v1/sessions", body, "Authorization", "Bearer "+management)
	var s signIn
	if err := json.Unmarshal([]byte(answer), &s); err != nil || status != http.StatusCreated {
		r.t.Fatalf("%d %s %v", status, answer, err)
	}
	return s
}

// Whatever door an ending comes through, its event says who, from where and with
// what, and bears the caller's own mark.
func TestEveryEndingLeavesWhoFromWhereAndWithWhat(t *testing.T) {
	r := start(t, "127.0.0.1")
	management := r.token()
	const form = "application/x-www-form-urlencoded"
	for name, tt := range map[string]struct {
		method, path, body string // {user}, {id} and {token} stand for the session's
		own                bool   // by the session's own token
		reason             rollcall.Reason
	}{
		"published: one":        {"DELETE", "/api/v2/sessions/{id}", "", false, rollcall.ReasonDeleted},
		"published: revoke":     {"POST", "/api/v2/sessions/{id}/revoke", "", false, rollcall.ReasonRevoked},
		"published: a user's":   {"DELETE", "/api/v2/users/{user}/sessions", "", false, rollcall.ReasonDeleted},
		"log out":               {"POST", "/v1/sessions/end", "", true, rollcall.ReasonLogout},
		"a user's":              {"POST", "/v1/users/{user}/sessions/end", "", false, rollcall.ReasonRevoked},
		"a user's but one":      {"POST", "/v1/users/{user}/sessions/end", `{"except":"{id}"}`, false, rollcall.ReasonOthers},
		"revocation of a token": {"POST", "/v1/revoke", "token={token}", false, rollcall.ReasonLogout},
		"revocation by itself":  {"POST", "/oauth/revoke", "token={token}", false, rollcall.ReasonLogout},
		"one of one's own":      {"DELETE", "/v1/me/sessions/{id}", "", true, rollcall.ReasonSelf},
		"one's others":          {"POST", "/v1/me/sessions/end-others", "", true, rollcall.ReasonOthers},
		"replaced by another":   {"POST", "/v1/sessions", `{"user_id":"{name}","authentication":{"methods":[{"name":"pwd"}]},"replaces":"{token}"}`, false, rollcall.ReasonReplaced},
		"replaced by another's": {"POST", "/v1/sessions", `{"user_id":"other","authentication":{"methods":[{"name":"pwd"}]},"replaces":"{token}"}`, false, rollcall.ReasonReplaced},
		"everybody's":           {"POST", "/v1/sessions/end-everybody", "", false, rollcall.ReasonEverybody},
	} {
		user := "auth0|" + name
		s := r.signIn(management, user)
		r.signIn(management, user)
		seen := r.events("")
		fill := strings.NewReplacer("{user}", url.PathEscape(user), "{id}", s.Session.ID, "{token}", s.Token, "{name}", user)
		by, authorization := "backend", "Bearer "+management
		switch {
		case tt.own:
			by, authorization = user, "Bearer "+s.Token
		case strings.HasPrefix(tt.path, "/oauth/"):
			authorization = basic("backend", secret)
		}
		headers := []string{
			"Authorization", authorization, "X-Forwarded-For", "198.51.100.66, 192.0.2.7",
			"User-Agent", "agent of " + name, "X-Correlation-ID", "mark of " + name,
		}
		if strings.HasPrefix(tt.body, "token=") {
			headers = append(headers, "Content-Type", form)
		}
		status, _, body := r.do(tt.method, r.plain+fill.Replace(tt.path), fill.Replace(tt.body), headers...)
		if status >= 300 {
			t.Fatalf("%s: %d %s", name, status, body)
		}
		var ending *rollcall.Event
		for _, e := range r.events(seen[len(seen)-1].Position) {
			if e.Event.Reason != "" {
				ending = &e.Event
			}
		}
		if ending == nil {
			t.Fatalf("%s: no ending is among the events", name)
		}
		kind := rollcall.ActorClient
		if tt.own {
			kind = rollcall.ActorUser
		}
		want := rollcall.Event{Reason: tt.reason, Actor: by, ActorKind: kind, IP: "192.0.2.7", UserAgent: "agent of " + name, CorrelationID: "mark of " + name}
		got := rollcall.Event{Reason: ending.Reason, Actor: ending.Actor, ActorKind: ending.ActorKind, IP: ending.IP, UserAgent: ending.UserAgent, CorrelationID: ending.CorrelationID}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func (r *running) events(after string) []rollcall.StoredEvent {
	r.t.Helper()
	page, err := r.manager.Events(context.Background(), rollcall.EventsAfter{After: after, Limit: 1000})
	r.must(err)
	return page.Events
}
