package management_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/internal/doortest"
	"github.com/rollcall-id/rollcall/management"
	"github.com/rollcall-id/rollcall/sessions"
	"github.com/rollcall-id/rollcall/store/memory"
)

// An oldPage is an answer as go-auth0 before version 2 reads it.
type oldPage struct {
	Sessions []struct{ ID string }
	Start    int
	Limit    int
	Total    int
	Next     string
}

// hasNext is that client's rule.
func (p oldPage) hasNext() bool { return p.Next != "" || p.Total > p.Start+p.Limit }

// Each loop is one that the client's own documentation gives, with each option that it has.
// It sends take=50 unless it is told otherwise.
func TestTheLoopsOfOldClientsEnd(t *testing.T) {
	const count, most = 120, 10
	m, err := sessions.New(memory.New(), sessions.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for range count {
		if _, _, err := m.Create(context.Background(), rollcall.Caller{}, rollcall.NewSession{UserID: "u", Methods: []rollcall.Method{{Name: "pwd"}}}); err != nil {
			t.Fatal(err)
		}
	}
	d := management.New(management.Options{Manager: m, Authenticate: authenticate, Logger: slog.New(slog.DiscardHandler)})
	for name, next := range map[string]func(q url.Values, round int, last oldPage){
		"by page": func(q url.Values, round int, _ oldPage) { q.Set("page", fmt.Sprint(round)) },
		"by cursor": func(q url.Values, round int, last oldPage) {
			if round > 0 {
				q.Set("from", last.Next)
			}
		},
	} {
		for _, options := range []string{"take=50", "take=50&include_totals=true", "take=50&per_page=50", "take=50&per_page=50&include_totals=true", "take=20&per_page=7", "include_totals=true"} {
			for _, agent := range []string{"Go-Auth0/1.45.0", "Go-Auth0/v1.2.0", "Go-Auth0/latest", "Go-Auth0-SDK/latest"} {
				seen, last, rounds := map[string]bool{}, oldPage{}, 0
				for ; rounds == 0 || last.hasNext() && rounds < most; rounds++ {
					q, err := url.ParseQuery(options)
					if err != nil {
						t.Fatal(err)
					}
					next(q, rounds, last)
					w := doortest.Serve(d, "GET", "/api/v2/users/u/sessions?"+q.Encode(), "", "User-Agent", agent)
					last = oldPage{}
					if err := json.Unmarshal(w.Body.Bytes(), &last); w.Code != http.StatusOK || err != nil {
						t.Fatalf("%s, %s: %d %s", name, q.Encode(), w.Code, w.Body)
					}
					for _, s := range last.Sessions {
						if seen[s.ID] {
							t.Fatalf("%s, %s, %s: a session comes twice", name, options, agent)
						}
						seen[s.ID] = true
					}
				}
				if last.hasNext() || len(seen) != count {
					t.Errorf("%s, %s, %s: %d sessions in %d pages, more: %t", name, options, agent, len(seen), rounds, last.hasNext())
				}
			}
		}
	}
}

// A total is there for every other client, and a page by its number only within bounds.
func TestWhatIsDoneForOldClientsIsDoneForNoOthers(t *testing.T) {
	s := newScript(t)
	s.do("create u first-session-0001")
	for _, agent := range []string{"", "Go-Auth0/2.3.0", "Go-Auth0/v3.1.0", "go-http-client", "x Go-Auth0/1.0"} {
		w := doortest.Serve(s.door, "GET", "/api/v2/users/u/sessions?include_totals=true", "", "User-Agent", agent)
		if !strings.HasSuffix(w.Body.String(), `],"total":1}`) {
			t.Errorf("%q: %s", agent, w.Body)
		}
	}
	for query, want := range map[string]string{
		"page=1":                        `{"sessions":[]}`,
		"page=20":                       `{"sessions":[]}`,
		"page=1&take=100":               `{"sessions":[]}`,
		"page=1&include_totals=true":    `{"sessions":[]}`,
		"page=21":                       `{"statusCode":400,"error":"Bad Request","message":"Query validation error: 'Value 21 is greater than maximum 20' on property page (Page index of the results to return. First page is 0.).","errorCode":"invalid_query_string"}`,
		"page=9999999999999999999&take": `{"statusCode":400,"error":"Bad Request","message":"Query validation error: 'Expected type integer but found type string' on property take (Number of results per page. Defaults to 50.).","errorCode":"invalid_query_string"}`,
	} {
		if w := doortest.Serve(s.door, "GET", "/api/v2/users/u/sessions?"+query, ""); w.Body.String() != want {
			t.Errorf("%s: %s\nwant %s", query, w.Body, want)
		}
	}
	for _, query := range []string{"page=0", "page=-1", "page=x", "page=1.5", "page=1&page=2", "page=3&from=", "page="} {
		if w := doortest.Serve(s.door, "GET", "/api/v2/users/u/sessions?"+query, ""); !strings.Contains(w.Body.String(), "first-session-0001") {
			t.Errorf("%s: %s", query, w.Body)
		}
	}
}
