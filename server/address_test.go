package server_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-id/rollcall"
)

func TestTheAddressComesThroughTrustedProxiesAlone(t *testing.T) {
	for _, tt := range []struct {
		trusted   []string
		forwarded []string
		want      string
	}{
		{nil, []string{"192.0.2.1"}, "127.0.0.1"},
		{[]string{"127.0.0.1"}, nil, "127.0.0.1"},
		{[]string{"127.0.0.1"}, []string{"192.0.2.1"}, "192.0.2.1"},
		{[]string{"127.0.0.0/8"}, []string{"198.51.100.9, 192.0.2.1"}, "192.0.2.1"},
		{[]string{"127.0.0.0/8"}, []string{"198.51.100.9", "192.0.2.1"}, "192.0.2.1"},
		{[]string{"127.0.0.0/8", "10.0.0.0/8"}, []string{"192.0.2.1, 10.1.2.3"}, "192.0.2.1"},
		{[]string{"127.0.0.0/8", "10.0.0.0/8"}, []string{"10.1.2.3"}, "10.1.2.3"},
		{[]string{"127.0.0.1"}, []string{"2001:db8::1"}, "2001:db8::1"},
		{[]string{"127.0.0.1"}, []string{"::ffff:192.0.2.1"}, "192.0.2.1"},
		{[]string{"::ffff:127.0.0.1"}, []string{"192.0.2.1"}, "192.0.2.1"},
		{[]string{"::ffff:127.0.0.0/104"}, []string{"192.0.2.1"}, "192.0.2.1"},
		{[]string{"127.0.0.1"}, []string{"203.0.113.7:51008"}, "203.0.113.7"},
		{[]string{"127.0.0.1"}, []string{"[2001:db8::7]:443"}, "2001:db8::7"},
		{[]string{"127.0.0.1"}, []string{"[2001:db8::7]"}, "2001:db8::7"},
		{[]string{"127.0.0.0/8", "10.0.0.0/8"}, []string{"198.51.100.9, 203.0.113.7:51008, 10.1.2.3:80"}, "203.0.113.7"},
		{[]string{"127.0.0.1"}, []string{"evil"}, ""},
		{[]string{"127.0.0.1"}, []string{"192.0.2.1,"}, ""},
	} {
		r := start(t, tt.trusted...)
		s, token, err := r.manager.Create(context.Background(), rollcall.Caller{}, rollcall.NewSession{UserID: "u"})
		r.must(err)
		time.Sleep(2 * time.Millisecond)
		headers := []string{"Authorization", "Bearer " + token.Reveal()}
		for _, f := range tt.forwarded {
			headers = append(headers, "X-Forwarded-For", f)
		}
		if status, _, _ := r.do("GET", r.plain+"/check", "", headers...); status != 200 {
			t.Fatalf("%v: %d", tt, status)
		}
		got, err := r.manager.Session(context.Background(), s.ID)
		r.must(err)
		if got.Last.Origin.IP != tt.want {
			t.Errorf("trusted %v, forwarded %v: %q, want %q", tt.trusted, tt.forwarded, got.Last.Origin.IP, tt.want)
		}
	}
}

// TestAnAddressThatCannotBeReadErasesNone tries what proxies say of users at each door that
// records where a user is.
func TestAnAddressThatCannotBeReadErasesNone(t *testing.T) {
	for _, forwarded := range []string{"evil", "unknown", "192.0.2.1:80:80", "198.51.100.1, ,", "[203.0.113.7]:80"} {
		r := start(t, "127.0.0.1")
		s, token, err := r.manager.Create(context.Background(), rollcall.Caller{}, rollcall.NewSession{UserID: "u", IP: "192.0.2.1"})
		r.must(err)
		time.Sleep(2 * time.Millisecond)
		status, _, _ := r.do("GET", r.plain+"/check", "", "Authorization", "Bearer "+token.Reveal(), "X-Forwarded-For", forwarded)
		got, err := r.manager.Session(context.Background(), s.ID)
		r.must(err)
		if status != 200 || got.Last.Origin.IP != "192.0.2.1" || !got.Last.At.After(s.Last.At) {
			t.Errorf("a check from %q: %d, %+v", forwarded, status, got.Last)
		}
		body := `{"user_id":"u","authentication":{"methods":[{"name":"pwd"}]}}`
		status, _, text := r.do("POST", r.secure+"/v1/sessions/"+s.ID+"/authentications", body, "Authorization", "Bearer "+r.token(), "Content-Type", "application/json")
		if got, err = r.manager.Session(context.Background(), s.ID); err != nil || status != 200 || got.Last.Origin.IP != "192.0.2.1" {
			t.Errorf("an authentication without an address: %d %s, %+v, %v", status, text, got.Last, err)
		}
		if warned := r.log.Has("the user's address stays unknown"); warned != (forwarded != "unknown") {
			t.Errorf("%q: a warning: %v", forwarded, warned)
		}
	}
}

func TestASignInTakesAnAddressAsItsServerHasIt(t *testing.T) {
	r := start(t)
	for said, want := range map[string]string{"203.0.113.7:51008": "203.0.113.7", "[2001:db8::7]:443": "2001:db8::7", "::ffff:192.0.2.1": "192.0.2.1"} {
		body := fmt.Sprintf(`{"user_id":"u","authentication":{"methods":[{"name":"pwd"}]},"device":{"ip":%q}}`, said)
		status, _, text := r.do("POST", r.secure+"/v1/sessions", body, "Authorization", "Bearer "+r.token(), "Content-Type", "application/json")
		if status != 201 || !strings.Contains(text, `"initial_ip":"`+want+`"`) {
			t.Errorf("%s: %d %s", said, status, text)
		}
	}
}

// TestStrangersShareNoLimitByAddress guesses from one address as often as is heard, and then
// once from others.
func TestStrangersShareNoLimitByAddress(t *testing.T) {
	for _, tt := range []struct {
		from   string
		others map[string]int
	}{
		{"203.0.113.7:51008", map[string]int{"203.0.113.8:51008": 401, "203.0.113.7:51009": 429, "203.0.113.7": 429, "evil": 401}},
		{"[2001:db8::7]:443", map[string]int{"2001:db8:0:1::7": 401, "2001:db8::8": 429}},
		{"evil", map[string]int{"203.0.113.8": 401, "2001:db8::7": 401}},
	} {
		r := start(t, "127.0.0.1")
		guess := func(from string) int {
			form := url.Values{"grant_type": {"client_credentials"}, "client_id": {"backend"}, "client_secret": {"rccs_wrong"}}
			status, _, _ := r.do("POST", r.secure+"/oauth/token", form.Encode(), "Content-Type", "application/x-www-form-urlencoded", "X-Forwarded-For", from)
			return status
		}
		for range 12 {
			guess(tt.from)
		}
		for from, want := range tt.others {
			if got := guess(from); got != want {
				t.Errorf("after twelve guesses from %s, one from %s: %d, want %d", tt.from, from, got, want)
			}
		}
		if got := guess(tt.from); got != http.StatusTooManyRequests {
			t.Errorf("a thirteenth from %s: %d", tt.from, got)
		}
	}
}
