package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/client"
)

func ExampleNew() {
	c, err := client.New(client.Options{
		BaseURL:      "https://sessions.example.com",
		ClientID:     "web-shop",
		ClientSecret: os.Getenv("ROLLCALL_CLIENT_SECRET"),
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(c) // the secret never prints
}

// The typed calls: what the API does, by its own names.
func ExampleClient_All() {
	ctx := context.Background()
	c, err := client.New(client.Options{BaseURL: "https://sessions.example.com", ClientID: "support", ClientSecret: os.Getenv("ROLLCALL_CLIENT_SECRET")})
	if err != nil {
		log.Fatal(err)
	}
	for s, err := range c.All(ctx, "auth0|507f1f77bcf86cd799439020") {
		if err != nil {
			log.Fatal(err)
		}
		if s.Device.LastIP == "203.0.113.9" {
			err = c.Revoke(ctx, s.ID) // ended for every application when it returns
		}
		if err != nil && !errors.Is(err, client.ErrNotFound) {
			log.Fatal(err)
		}
	}
}

// An error says what was answered, and what it means.
func ExampleError() {
	c, err := client.New(client.Options{BaseURL: "https://sessions.example.com"})
	if err != nil {
		log.Fatal(err)
	}
	i, err := c.Check(context.Background(), "rcs_...", rollcall.Use{IP: "192.0.2.1", UserAgent: "ShopApp/5.12"})
	var e *client.Error
	switch {
	case err == nil:
		fmt.Println("signed in as", i.UserID)
	case errors.Is(err, client.ErrRefused):
		fmt.Println("not signed in")
	case errors.As(err, &e):
		fmt.Println("cannot say", e.Status, e.Code, e.RetryAfter, e.RequestID)
	}
}

// An application without a proxy: the cookie comes in, the session is in the context.
func ExampleMiddleware() {
	c, err := client.New(client.Options{BaseURL: "https://sessions.example.com", ClientID: "web-shop", ClientSecret: os.Getenv("ROLLCALL_CLIENT_SECRET")})
	if err != nil {
		log.Fatal(err)
	}
	mw, err := client.NewMiddleware(c, client.MiddlewareOptions{Application: "web-shop", LoginURL: "/login"})
	if err != nil {
		log.Fatal(err)
	}
	account := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		me, _ := client.FromContext(r.Context())
		fmt.Fprintf(w, "Hello %s, signed in by %v", me.UserID, me.Methods)
	})
	mux := http.NewServeMux()
	mux.Handle("/", mw.Load(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, signedIn := client.FromContext(r.Context())
		fmt.Fprintln(w, signedIn)
	})))
	mux.Handle("/account", mw.Require(account))
	mux.Handle("/payout", mw.RequireLevel("aal2")(account))
	mux.Handle("/password", mw.RequireMaxAge(5*time.Minute)(account))
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		// ... once the password was right
		_, err := mw.SignIn(w, r, client.NewSession{UserID: r.PostFormValue("user"), Methods: []client.Method{{Name: "pwd"}}})
		if err != nil {
			http.Error(w, "not now", http.StatusServiceUnavailable)
			return
		}
		http.Redirect(w, r, mw.ReturnAddress(r), http.StatusSeeOther)
	})
	mux.HandleFunc("POST /logout", func(w http.ResponseWriter, r *http.Request) {
		if err := mw.SignOut(w, r); err != nil {
			http.Error(w, "not now", http.StatusServiceUnavailable)
			return
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	log.Fatal(http.ListenAndServe("localhost:8090", mux))
}

// Users end their own sessions with their own token; no credentials of the
// application's are needed.
func ExampleMiddleware_Me() {
	var mw *client.Middleware // as above
	http.HandleFunc("POST /devices/end-others", func(w http.ResponseWriter, r *http.Request) {
		if err := mw.Me(r).EndOthers(r.Context()); err != nil {
			http.Error(w, "not now", http.StatusServiceUnavailable)
			return
		}
		http.Redirect(w, r, "/devices", http.StatusSeeOther)
	})
}
