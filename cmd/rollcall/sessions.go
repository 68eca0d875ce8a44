package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/client"
	"github.com/rollcall-id/rollcall/internal/sink"
)

func newSessions() *cobra.Command {
	c := &cobra.Command{
		Use:   "sessions",
		Short: "List, show and end sessions of a running server",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	addRemoteFlags(c)
	c.AddCommand(newSessionsList(), newSessionsShow(), newSessionsRevoke())
	return c
}

func newSessionsList() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "list USER",
		Short:   "List a user's sessions, newest first",
		Example: `  rollcall sessions list 'auth0|507f1f77bcf86cd799439020'`,
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			r, err := newRemote(c, rollcall.ScopeReadSessions)
			if err != nil {
				return err
			}
			raw, err := listAll(c.Context(), r, args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(output(c), raw)
			}
			return printTable(output(c), raw, time.Now())
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print the sessions as the API shows them")
	return c
}

// listAll follows the pages to the end.
func listAll(ctx context.Context, r *remoteServer, userID string) ([]json.RawMessage, error) {
	all := []json.RawMessage{}
	query := url.Values{"take": {"100"}}
	for {
		var page struct {
			Sessions []json.RawMessage
			Next     string
		}
		if err := r.do(ctx, http.MethodGet, "/api/v2/users/"+url.PathEscape(userID)+"/sessions?"+query.Encode(), &page); err != nil {
			return nil, err
		}
		all = append(all, page.Sessions...)
		if page.Next == "" {
			return all, nil
		}
		query.Set("from", page.Next)
	}
}

func printJSON(w io.Writer, value any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(value)
}

func printTable(out io.Writer, raw []json.RawMessage, now time.Time) error {
	w := newTable(out)
	fmt.Fprintln(w, "ID\tCREATED\tLAST USED\tENDS\tIP\tMETHODS\tAGENT")
	for _, text := range raw {
		var s client.Session
		if err := json.Unmarshal(text, &s); err != nil {
			return err
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", sink.Line(s.ID), relative(s.CreatedAt, now), relative(s.LastInteractedAt, now),
			relative(endOf(&s), now), sink.Line(s.Device.LastIP), sink.Line(methodsOf(&s)), sink.Line(cut(s.Device.LastUserAgent, 40)))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "%d sessions\n", len(raw))
	return err
}

// endOf is when a session ends if it is not used.
func endOf(s *client.Session) time.Time {
	if s.IdleExpiresAt.Before(s.ExpiresAt) {
		return s.IdleExpiresAt
	}
	return s.ExpiresAt
}

// methodsOf says how a session's user was authenticated.
func methodsOf(s *client.Session) string {
	var names []string
	for _, m := range s.Authentication.Methods {
		if m.Type != "" {
			m.Name += ":" + m.Type
		}
		names = append(names, m.Name)
	}
	return strings.Join(names, ",")
}

// relative says how far an instant lies from now, for people.
func relative(t, now time.Time) string {
	d := now.Sub(t)
	form := "%s ago"
	if d < 0 {
		d, form = -d, "in %s"
	}
	var text string
	switch {
	case d < time.Minute:
		text = fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		text = fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		text = fmt.Sprintf("%dh", int(d.Hours()))
	default:
		text = fmt.Sprintf("%dd", int(d.Hours()/24))
	}
	return fmt.Sprintf(form, text)
}

func cut(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

func newSessionsShow() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "show ID",
		Short: "Show a session",
		Example: `  rollcall sessions show zTvxpeBMGZwAMRAwyy6PUoSBXCo3gZCe
  rollcall sessions show zTvxpeBMGZwAMRAwyy6PUoSBXCo3gZCe --json`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			r, err := newRemote(c, rollcall.ScopeReadSessions)
			if err != nil {
				return err
			}
			var raw json.RawMessage
			if err := r.do(c.Context(), http.MethodGet, "/api/v2/sessions/"+url.PathEscape(args[0]), &raw); err != nil {
				return err
			}
			if asJSON {
				return printJSON(output(c), raw)
			}
			return printSession(output(c), raw, time.Now())
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print the session as the API shows it")
	return c
}

func printSession(out io.Writer, raw json.RawMessage, now time.Time) error {
	var s client.Session
	if err := json.Unmarshal(raw, &s); err != nil {
		return err
	}
	w := newTable(out)
	line := func(name, value string) { fmt.Fprintf(w, "%s\t%s\n", sink.Line(name), sink.Line(value)) }
	instant := func(name string, t time.Time) { line(name, t.Format(time.RFC3339)+" ("+relative(t, now)+")") }
	line("id", s.ID)
	line("user", s.UserID)
	instant("created", s.CreatedAt)
	instant("last used", s.LastInteractedAt)
	instant("idle limit", s.IdleExpiresAt)
	instant("absolute limit", s.ExpiresAt)
	line("methods", methodsOf(&s))
	line("first address", s.Device.InitialIP)
	line("last address", s.Device.LastIP)
	line("agent", s.Device.LastUserAgent)
	var clients []string
	for _, c := range s.Clients {
		clients = append(clients, c.ClientID)
	}
	line("clients", strings.Join(clients, ", "))
	line("cookie", string(s.Cookie.Mode))
	for key, value := range s.Metadata {
		line("metadata "+key, value)
	}
	return w.Flush()
}

func newSessionsRevoke() *cobra.Command {
	var userID string
	var yes bool
	c := &cobra.Command{
		Use:   "revoke {ID | --user USER}",
		Short: "End a session, or all of a user's, now",
		Example: `  rollcall sessions revoke dKvR03IjVSNLPaVLqVS-FBuX87z0bBoE
  rollcall sessions revoke --user 'auth0|507f1f77bcf86cd799439020' --yes`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if (len(args) == 1) == (userID != "") {
				return usage(fmt.Errorf("name a session's id, or a user with --user"))
			}
			method, path, what := http.MethodDelete, "/api/v2/users/"+url.PathEscape(userID)+"/sessions", "all sessions of "+userID
			if userID == "" {
				method, path, what = http.MethodPost, "/api/v2/sessions/"+url.PathEscape(args[0])+"/revoke", "session "+args[0]
			}
			if !yes && isTerminal(os.Stdin) && !confirm(c, "End "+what+"?") {
				return usage(fmt.Errorf("nothing was ended"))
			}
			r, err := newRemote(c, rollcall.ScopeDeleteSessions)
			if err != nil {
				return err
			}
			if err := r.do(c.Context(), method, path, nil); err != nil {
				return err
			}
			fmt.Fprintf(output(c), "Ended %s.\n", what)
			return nil
		},
	}
	c.Flags().StringVar(&userID, "user", "", "end all sessions of this user")
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return c
}

// confirm asks on the terminal.
func confirm(c *cobra.Command, question string) bool {
	fmt.Fprintf(sink.Terminal(c.ErrOrStderr()), "%s [y/N] ", question)
	answer, _ := bufio.NewReader(os.Stdin).ReadString('\n')
	return strings.EqualFold(strings.TrimSpace(answer), "y")
}
