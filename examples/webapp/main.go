// Webapp is an application that keeps its sessions in Rollcall, without a proxy:
// people sign in, see where they are signed in, and sign devices out.
//
// Against a demo server (it prints the secret and the path of its CA file):
//
//	rollcall demo
//	ROLLCALL_CLIENT_SECRET=rccs_... go run ./examples/webapp -ca /tmp/rollcall-demo-.../tls/ca.pem
//
// Then open http://localhost:8090 and sign in as ada with the password lovelace, from
// two browsers. The application's address is among the server's trusted_proxies, so
// that the sessions show the browsers' addresses and not its own.
//
// The cookie is Secure: Chrome and Firefox take it from http://localhost, Safari and
// every other host need https (-tls-cert, -tls-key).
package main

import (
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"embed"
	"errors"
	"flag"
	"html/template"
	"log"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/rollcall-id/rollcall/client"
)

//go:embed templates
var files embed.FS

// users are made up; yours are in your own directory, with hashed passwords.
var users = map[string]string{"ada": "lovelace", "grace": "hopper"}

func main() {
	listen := flag.String("listen", "localhost:8090", "address to listen on")
	server := flag.String("rollcall", "https://127.0.0.1:8443", "Rollcall's public URL")
	ca := flag.String("ca", "", "CA file of Rollcall's certificate (PEM); none for the system's")
	id := flag.String("client-id", "demo", "client id; the secret is in ROLLCALL_CLIENT_SECRET")
	cert := flag.String("tls-cert", "", "certificate file of this application")
	key := flag.String("tls-key", "", "key file of this application")
	flag.Parse()
	hc, err := httpClient(*ca)
	if err != nil {
		log.Fatal(err)
	}
	c, err := client.New(client.Options{BaseURL: *server, ClientID: *id, ClientSecret: os.Getenv("ROLLCALL_CLIENT_SECRET"), HTTPClient: hc})
	if err != nil {
		log.Fatal(err)
	}
	app, err := newApp(c, slog.Default())
	if err != nil {
		log.Fatal(err)
	}
	log.Printf("listening on %s", *listen)
	s := &http.Server{Addr: *listen, Handler: app, ReadTimeout: 10 * time.Second, WriteTimeout: 20 * time.Second}
	if *cert != "" {
		log.Fatal(s.ListenAndServeTLS(*cert, *key))
	}
	log.Fatal(s.ListenAndServe())
}

// httpClient trusts the CA of a file; without one, the system's.
func httpClient(caFile string) (*http.Client, error) {
	if caFile == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New("no certificate in " + caFile)
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 100}}, nil
}

type app struct {
	mw    *client.Middleware
	pages *template.Template
	log   *slog.Logger
}

// newApp returns the whole application.
func newApp(c *client.Client, log *slog.Logger) (http.Handler, error) {
	pages, err := template.New("").Funcs(template.FuncMap{"device": device, "place": place, "when": when}).ParseFS(files, "templates/*.html")
	if err != nil {
		return nil, err
	}
	mw, err := client.NewMiddleware(c, client.MiddlewareOptions{Application: "webapp", LoginURL: "/login", Logger: log})
	if err != nil {
		return nil, err
	}
	a := &app{mw, pages, log}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /login", a.loginPage)
	mux.HandleFunc("POST /login", a.login)
	mux.HandleFunc("POST /logout", a.logout)
	mux.Handle("GET /{$}", mw.Require(http.HandlerFunc(a.devices)))
	mux.Handle("POST /devices/{id}/end", mw.Require(http.HandlerFunc(a.endDevice)))
	mux.Handle("POST /devices/end-others", mw.Require(http.HandlerFunc(a.endOthers)))
	return mux, nil
}

func (a *app) loginPage(w http.ResponseWriter, r *http.Request) {
	a.show(w, http.StatusOK, "login.html", map[string]any{"ReturnTo": a.mw.ReturnAddress(r)})
}

// login holds the password and lets Rollcall make the session.
func (a *app) login(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 16<<10)
	back := a.mw.ReturnAddress(r)
	user, password := r.PostFormValue("user"), r.PostFormValue("password")
	want, known := users[user]
	if subtle.ConstantTimeCompare([]byte(password), []byte(want)) != 1 || !known {
		a.show(w, http.StatusUnauthorized, "login.html", map[string]any{"ReturnTo": back, "User": user, "Wrong": true})
		return
	}
	if _, err := a.mw.SignIn(w, r, client.NewSession{UserID: user, Methods: []client.Method{{Name: "pwd"}}}); err != nil {
		a.fail(w, r, err)
		return
	}
	http.Redirect(w, r, back, http.StatusSeeOther)
}

func (a *app) logout(w http.ResponseWriter, r *http.Request) {
	if err := a.mw.SignOut(w, r); err != nil {
		a.fail(w, r, err)
		return
	}
	http.Redirect(w, r, "/login", http.StatusSeeOther)
}

// devices shows where the user is signed in.
func (a *app) devices(w http.ResponseWriter, r *http.Request) {
	me, _ := client.FromContext(r.Context())
	var sessions []client.MySession
	for s, err := range a.mw.Me(r).All(r.Context()) {
		if err != nil {
			a.fail(w, r, err)
			return
		}
		sessions = append(sessions, s)
	}
	a.show(w, http.StatusOK, "devices.html", map[string]any{"User": me.UserID, "Sessions": sessions})
}

// endDevice signs one device out. That it is signed out already is what was wanted.
func (a *app) endDevice(w http.ResponseWriter, r *http.Request) {
	if err := a.mw.Me(r).End(r.Context(), r.PathValue("id")); err != nil && !errors.Is(err, client.ErrNotFound) {
		a.fail(w, r, err)
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (a *app) endOthers(w http.ResponseWriter, r *http.Request) {
	if err := a.mw.Me(r).EndOthers(r.Context()); err != nil {
		a.fail(w, r, err)
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (a *app) fail(w http.ResponseWriter, r *http.Request, err error) {
	if e, ok := errors.AsType[*client.Error](err); ok && (e.Status == http.StatusForbidden || e.Status == http.StatusMethodNotAllowed) {
		http.Error(w, e.Message, e.Status)
		return
	}
	a.log.ErrorContext(r.Context(), "request failed", "error", err)
	http.Error(w, "Not now, please try again.", http.StatusServiceUnavailable)
}

func (a *app) show(w http.ResponseWriter, status int, page string, data any) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
	w.WriteHeader(status)
	if err := a.pages.ExecuteTemplate(w, page, data); err != nil {
		a.log.Error("cannot show the page", "page", page, "error", err)
	}
}

// device is a guess at what an agent runs on, for people to recognise; a real
// application has a library for it.
func device(agent string) string {
	first := func(table ...string) string {
		for i := 0; i < len(table); i += 2 {
			if strings.Contains(agent, table[i]) {
				return table[i+1]
			}
		}
		return ""
	}
	browser := first("Firefox/", "Firefox", "Edg/", "Edge", "Chrome/", "Chrome", "Safari/", "Safari", "curl/", "curl")
	system := first("iPhone", "iPhone", "iPad", "iPad", "Android", "Android", "Windows", "Windows", "Mac OS X", "Mac", "Linux", "Linux")
	switch {
	case browser != "" && system != "":
		return browser + " on " + system
	case browser+system != "":
		return browser + system
	}
	return "An unknown device"
}

func place(ip, asn string) string {
	switch {
	case ip == "":
		return "an unknown place"
	case asn == "":
		return ip
	}
	return ip + " (AS" + asn + ")"
}

func when(t time.Time) string { return t.Format("2 January 2006, 15:04 MST") }
