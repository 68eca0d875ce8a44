package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/url"
	"sync"

	"github.com/rollcall-id/rollcall"
)

// A population makes requests about the users and sessions of a loaded directory.
// It is for one goroutine, but for its acts.
type population struct {
	plan
	bearer string // management token
	random *rand.Rand
	acts   acts
}

func newPopulation(p plan, bearer string) *population {
	return &population{plan: p, bearer: bearer, random: rand.New(rand.NewPCG(1, 2))}
}

// The hot sets: parts of the population that are asked for again and again. Of a
// million sessions they are 20,000 sessions, 20,000 users with five sessions, and
// 2,000 users with fifty: the lists' hot sets hold 100,000 sessions each.
func (p *population) hotSessions() int { return max(1, p.Sessions/50) }
func (p *population) hotShort() int    { return min(p.short(), p.Users/10) }
func (p *population) hotLong() int     { return min(p.long(), p.Users/100) }

func get(target, bearer, agent string) []byte {
	return fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: rollcall.bench\r\nAuthorization: Bearer %s\r\nUser-Agent: %s\r\nAccept: */*\r\n\r\n", target, bearer, agent)
}

func many(n int, one func() []byte) ([][]byte, error) {
	requests := make([][]byte, n)
	for i := range requests {
		requests[i] = one()
	}
	return requests, nil
}

// A set is of sessions or users that are asked for.
type set struct {
	random *rand.Rand
	size   int
	ask    func(member int) []byte
}

// drawn makes requests about members drawn from the set.
func (s set) drawn(n int) ([][]byte, error) {
	return many(n, func() []byte { return s.ask(s.random.IntN(s.size)) })
}

// each makes one request about every member.
func (s set) each() [][]byte {
	requests := make([][]byte, s.size)
	for i := range requests {
		requests[i] = s.ask(i)
	}
	return requests
}

// checks ask for so many sessions, spread over all users.
func (p *population) checks(size int) set {
	stride := p.Sessions / size
	return set{p.random, size, func(i int) []byte {
		return get("/check", p.token(i*stride).Reveal(), agents[i*stride%len(agents)])
	}}
}

// checksByClient ask for so many sessions as an application's server does.
func (p *population) checksByClient(size int) set {
	stride := p.Sessions / size
	return set{p.random, size, func(i int) []byte {
		body := fmt.Sprintf(`{"token":%q,"device":{"ip":"127.0.0.1","user_agent":%q}}`, p.token(i*stride).Reveal(), agents[i*stride%len(agents)])
		return p.post("/v1/check", body)
	}}
}

// post is a request of a backend, with a body.
func (p *population) post(target, body string) []byte {
	return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: rollcall.bench\r\nAuthorization: Bearer %s\r\nUser-Agent: backend/1.0\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		target, p.bearer, len(body), body)
}

const sdkAgent = "node.js/22.0.0"

func (p *population) list(user int, query string) []byte {
	return get("/api/v2/users/"+url.PathEscape(p.userID(user))+"/sessions"+query, p.bearer, sdkAgent)
}

// lists ask for the sessions of the first of so many users of a kind.
func (p *population) lists(kind func(int) int, size int, query string) set {
	return set{p.random, size, func(i int) []byte { return p.list(kind(i), query) }}
}

// creates sign users in, drawn from all.
func (p *population) creates(n int) ([][]byte, error) {
	return many(n, func() []byte {
		i := p.random.IntN(p.Sessions)
		body := fmt.Sprintf(`{"user_id":%q,"client_id":"web-application","authentication":{"methods":[{"name":"pwd"}]},"device":{"ip":%q,"user_agent":%q}}`,
			p.userID(p.userOf(i)), address(i), agents[i%len(agents)])
		return p.post("/v1/sessions", body)
	})
}

// ends ends sessions that creates has made.
func (p *population) ends(n int) ([][]byte, error) {
	return many(n, func() []byte { return p.end(p.acts.take()) })
}

func (p *population) end(id string) []byte {
	return fmt.Appendf(nil, "DELETE /api/v2/sessions/%s HTTP/1.1\r\nHost: rollcall.bench\r\nAuthorization: Bearer %s\r\nUser-Agent: %s\r\n\r\n", id, p.bearer, sdkAgent)
}

// acts are the ids of the sessions that were created, for the endings.
type acts struct {
	mu  sync.Mutex
	ids []string
}

// made keeps the id of a creation's answer, which comes first in it.
func (a *acts) made(body []byte) error {
	_, rest, _ := bytes.Cut(body, []byte(`"id":"`))
	id, _, _ := bytes.Cut(rest, []byte(`"`))
	if !rollcall.IsSessionID(string(id)) || !bytes.Contains(rest, []byte(`"token":"`+rollcall.TokenPrefix)) {
		return fmt.Errorf("a creation's answer without id or token: %.200s", body)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ids = append(a.ids, string(id))
	return nil
}

// take returns an id that no ending has taken yet. There are enough: the run
// creates as many as it ends, and more.
func (a *acts) take() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	id := a.ids[len(a.ids)-1]
	a.ids = a.ids[:len(a.ids)-1]
	return id
}
