// Embedded is an application that keeps its sessions itself: Rollcall's rules as a
// library, on the store on disk, without a server. One process at a time has the
// store; an application of several takes the server.
//
//	go run ./examples/embedded -data ./sessions
//	curl -si -d user=ada http://localhost:8091/sign-in
//	curl -s --cookie "__Host-session=rcs_..." http://localhost:8091/sessions
//
// A sign-out that was answered stays one, also when the process is killed a moment
// later. SIGINT and SIGTERM stop it: requests under way are finished and the last uses
// are written.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os/signal"
	"syscall"
	"time"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/sessions"
	"github.com/rollcall-id/rollcall/store/pebble"
)

func main() {
	listen := flag.String("listen", "localhost:8091", "address to listen on")
	data := flag.String("data", "sessions", "directory of the store")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	l, err := net.Listen("tcp", *listen)
	if err == nil {
		log.Printf("listening on %s", l.Addr())
		err = run(ctx, *data, l)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// run serves until ctx is done, then stops in the order that loses nothing: requests
// first, then the manager, which writes what is left, then the store.
func run(ctx context.Context, dir string, l net.Listener) (err error) {
	store, err := pebble.Open(dir, pebble.Options{Logger: slog.Default()})
	if err != nil {
		return errors.Join(err, l.Close())
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	manager, err := sessions.New(store, sessions.Options{Logger: slog.Default()})
	if err != nil {
		return errors.Join(err, l.Close())
	}
	loops, stopLoops := context.WithCancel(context.WithoutCancel(ctx))
	managed := make(chan error, 1)
	go func() { managed <- manager.Run(loops) }()

	s := &http.Server{Handler: newApp(manager), ReadTimeout: 10 * time.Second, WriteTimeout: 20 * time.Second}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	select {
	case err = <-served: // it cannot serve at all
	case <-ctx.Done():
		bound, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		err = errors.Join(s.Shutdown(bound), s.Close())
		cancel()
	}
	stopLoops()
	return errors.Join(err, <-managed)
}

// cookieName binds the cookie to this host (RFC 6265bis 4.1.3).
const cookieName = "__Host-session"

type app struct{ manager *sessions.Manager }

func newApp(m *sessions.Manager) http.Handler {
	a := &app{m}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /sign-in", a.signIn)
	mux.HandleFunc("GET /me", a.signedIn(a.me))
	mux.HandleFunc("GET /sessions", a.signedIn(a.list))
	mux.HandleFunc("POST /sessions/{id}/end", a.signedIn(a.end))
	mux.HandleFunc("POST /sign-out", a.signOut)
	return http.NewCrossOriginProtection().Handler(mux)
}

// signIn takes everybody at their word; yours asks for a password or a passkey first.
func (a *app) signIn(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 16<<10)
	s, token, err := a.manager.Create(r.Context(), caller(r), rollcall.NewSession{
		UserID: r.PostFormValue("user"), Methods: []rollcall.Method{{Name: "mock"}},
		IP: peer(r), UserAgent: r.UserAgent(), Replaces: tokenOf(r),
	})
	if err != nil {
		fail(w, err)
		return
	}
	setCookie(w, token.Reveal(), int(time.Until(s.ExpiresAt)/time.Second))
	answer(w, shown(s))
}

// signedIn lets those pass whose session is good, and records the use.
func (a *app) signedIn(h func(http.ResponseWriter, *http.Request, rollcall.Session)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s, err := a.manager.Check(r.Context(), tokenOf(r), rollcall.Use{IP: peer(r), UserAgent: r.UserAgent()})
		if err != nil {
			fail(w, err)
			return
		}
		h(w, r, s)
	}
}

func (a *app) me(w http.ResponseWriter, _ *http.Request, s rollcall.Session) { answer(w, shown(s)) }

func (a *app) list(w http.ResponseWriter, r *http.Request, s rollcall.Session) {
	page, err := a.manager.List(r.Context(), rollcall.ListQuery{UserID: s.UserID, From: r.URL.Query().Get("from"), Take: rollcall.MaxTake})
	if err != nil {
		fail(w, err)
		return
	}
	sessions := make([]view, 0, len(page.Sessions))
	for _, other := range page.Sessions {
		v := shown(other)
		v.Current = other.ID == s.ID
		sessions = append(sessions, v)
	}
	answer(w, map[string]any{"sessions": sessions, "next": page.Next})
}

// end ends one of the user's own sessions. Another user's is not found.
func (a *app) end(w http.ResponseWriter, r *http.Request, s rollcall.Session) {
	other, err := a.manager.Session(r.Context(), r.PathValue("id"))
	if err == nil && other.UserID != s.UserID {
		err = rollcall.Errorf(rollcall.CodeNotFound, "The session does not exist.")
	}
	if err == nil {
		err = a.manager.End(r.Context(), caller(r), other.ID, rollcall.ReasonSelf)
	}
	if err != nil {
		fail(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (a *app) signOut(w http.ResponseWriter, r *http.Request) {
	if _, err := a.manager.EndByToken(r.Context(), caller(r), tokenOf(r)); err != nil && rollcall.ErrorCode(err) != rollcall.CodeRefused {
		fail(w, err)
		return
	}
	setCookie(w, "", -1)
	w.WriteHeader(http.StatusNoContent)
}

// A view is what people see of a session.
type view struct {
	ID        string    `json:"id"`
	User      string    `json:"user"`
	Since     time.Time `json:"since"`
	LastSeen  time.Time `json:"last_seen"`
	Address   string    `json:"address"`
	UserAgent string    `json:"user_agent"`
	Current   bool      `json:"current"`
}

func shown(s rollcall.Session) view {
	return view{ID: s.ID, User: s.UserID, Since: s.CreatedAt, LastSeen: s.Last.At, Address: s.Last.Origin.IP, UserAgent: s.Last.Origin.UserAgent}
}

// caller is who acts, for the events.
func caller(r *http.Request) rollcall.Caller {
	return rollcall.Caller{ID: "embedded", IP: peer(r), UserAgent: r.UserAgent()}
}

func peer(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	return host
}

// tokenOf is the request's token; a cookie that is there twice is none.
func tokenOf(r *http.Request) string {
	if cookies := r.CookiesNamed(cookieName); len(cookies) == 1 {
		return cookies[0].Value
	}
	return ""
}

func setCookie(w http.ResponseWriter, token string, age int) {
	http.SetCookie(w, &http.Cookie{
		Name: cookieName, Value: token, Path: "/", MaxAge: age, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

// statuses is the one table from codes to answers.
var statuses = map[rollcall.Code]int{
	rollcall.CodeInvalid: http.StatusBadRequest, rollcall.CodeRefused: http.StatusUnauthorized, rollcall.CodeNotFound: http.StatusNotFound,
	rollcall.CodeLimit: http.StatusForbidden, rollcall.CodeUnavailable: http.StatusServiceUnavailable,
}

func fail(w http.ResponseWriter, err error) {
	status, known := statuses[rollcall.ErrorCode(err)]
	e, ok := errors.AsType[*rollcall.Error](err)
	if !known || !ok {
		slog.Error("request failed", "error", err)
		http.Error(w, "something went wrong", http.StatusInternalServerError)
		return
	}
	http.Error(w, e.Message, status)
}

func answer(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if err := json.NewEncoder(w).Encode(body); err != nil {
		slog.Error("cannot answer", "error", err)
	}
}
