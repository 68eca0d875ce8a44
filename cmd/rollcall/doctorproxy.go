package main

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/rollcall-id/rollcall"
)

// The doctor's user, and an address that is nobody's (RFC 5737).
const (
	doctorUser    = "rollcall-doctor"
	doctorAddress = "192.0.2.77"
)

// proxy makes a session, checks it through each public_url with an address that is made up,
// sees which one arrived, and ends it.
func (p *patient) proxy(ctx context.Context) {
	for _, origin := range p.cfg.list("public_url") {
		if err := p.through(ctx, strings.TrimSuffix(origin, "/")); err != nil {
			p.say("proxy", isProblem, "%v", err)
		}
	}
	if len(p.cfg.list("public_url")) == 0 {
		p.say("proxy", isWarning, "there is no public_url to go through")
	}
}

func (p *patient) through(ctx context.Context, origin string) error {
	r, err := newRemote(p.flags, rollcall.ScopeCreateSessions, rollcall.ScopeReadSessions, rollcall.ScopeDeleteSessions)
	if err != nil {
		return err
	}
	if !keepsSecrets(origin) {
		return fmt.Errorf("%s is plain http: a session's token would go there in the clear", origin)
	}
	var made struct {
		Session struct{ ID string }
		Token   string
	}
	body := fmt.Sprintf(`{"user_id":%q,"authentication":{"methods":[{"name":"mock"}]}}`, doctorUser)
	if err := r.send(ctx, http.MethodPost, "/v1/sessions", strings.NewReader(body), &made); err != nil {
		return fmt.Errorf("making a session to check with: %w", err)
	}
	path := "/api/v2/sessions/" + url.PathEscape(made.Session.ID)
	defer func() { _ = r.do(context.WithoutCancel(ctx), http.MethodDelete, path, nil) }() // or it comes to its limit
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, origin+"/check", nil)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+made.Token)
	request.Header.Set("X-Forwarded-For", doctorAddress)
	answer, err := r.client.Do(request)
	if err != nil {
		return fmt.Errorf("checking through %s: %w", origin, err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		p.say("proxy", isWarning, "%s/check answers %s to a session that is good: either clients are not to reach /check there, or the proxy takes the Authorization header away", origin, answer.Status)
		return nil
	}
	var seen struct {
		Device struct {
			LastIP string `json:"last_ip"`
		}
	}
	if err := r.do(ctx, http.MethodGet, path, &seen); err != nil {
		return fmt.Errorf("reading the session that was checked: %w", err)
	}
	p.say("proxy", stateOf(seen.Device.LastIP), "%s", addressVerdict(origin, seen.Device.LastIP))
	return nil
}

func stateOf(arrived string) string {
	switch addr, err := netip.ParseAddr(arrived); {
	case arrived == doctorAddress:
		return isProblem
	case err != nil, addr.IsPrivate(), addr.IsLoopback():
		return isWarning
	}
	return isFine
}

// addressVerdict says what an address means that arrived for a request with an address that
// was made up.
func addressVerdict(origin, arrived string) string {
	switch stateOf(arrived) {
	case isProblem:
		return fmt.Sprintf("through %s anybody can say which address a request comes from: the proxy must add to X-Forwarded-For or set it, never pass on what a client sends, and trusted_proxies must name proxies alone", origin)
	case isWarning:
		return fmt.Sprintf("through %s a request from here has the address %q: if that is the proxy's, name the proxy in trusted_proxies and let it send X-Forwarded-For", origin, arrived)
	}
	return fmt.Sprintf("through %s a request from here has the address %s", origin, arrived)
}
