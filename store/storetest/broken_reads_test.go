package storetest

import (
	"cmp"
	"context"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/store/memory"
)

var brokenReads = []brokenEngine{
	{
		name: "reads a session before its standing", clauses: []string{"session and standing are of one moment"},
		open: func(s *memory.Store) rollcall.Store {
			return &altered{Store: s, session: func(ctx context.Context, at rollcall.At) (rollcall.Session, rollcall.Standing, error) {
				session, _, err := s.Session(ctx, at)
				pause()
				_, st, _ := s.Session(ctx, at)
				return session, st, err
			}}
		},
	},
	{
		name: "reads a list after its standing", clauses: []string{"session and standing are of one moment"},
		open: func(s *memory.Store) rollcall.Store {
			return &altered{Store: s, sessions: func(ctx context.Context, q rollcall.SessionsOf) (rollcall.Standing, []rollcall.Session, error) {
				st, _, _ := s.Sessions(ctx, q)
				pause()
				_, list, err := s.Sessions(ctx, q)
				return st, list, err
			}}
		},
	},
	{
		name: "reads everybody's row before the user's", clauses: []string{"session and standing are of one moment"},
		open: func(s *memory.Store) rollcall.Store {
			return &altered{Store: s, session: func(ctx context.Context, at rollcall.At) (rollcall.Session, rollcall.Standing, error) {
				_, before, _ := s.Session(ctx, at)
				pause()
				session, st, err := s.Session(ctx, at)
				st.Everybody = before.Everybody
				return session, st, err
			}}
		},
	},
	{
		name: "takes the user that it is told for the session's", clauses: []string{"beliefs change nothing of the answer", modelClause},
		open: believing(func(s rollcall.Session, at rollcall.At) bool { return at.UserID == "" || at.UserID == s.UserID }),
	},
	{
		name: "takes the creation that it is told for the session's", clauses: []string{"beliefs change nothing of the answer", modelClause},
		open: believing(func(s rollcall.Session, at rollcall.At) bool {
			return at.CreatedAt.IsZero() || at.CreatedAt.Equal(s.CreatedAt)
		}),
	},
	{
		name: "lists ties by descending ids", clauses: []string{"sessions are listed newest first and then by the bytes of their ids", modelClause},
		open: ordering(func(a, b string) int { return strings.Compare(b, a) }),
	},
	{
		name: "orders ids as a language does", clauses: []string{"sessions are listed newest first and then by the bytes of their ids"},
		open: ordering(func(a, b string) int {
			return cmp.Or(strings.Compare(strings.ToLower(a), strings.ToLower(b)), strings.Compare(a, b))
		}),
	},
	{
		name: "finds nothing after a row that is gone", clauses: []string{"a page holds when its row is gone and others come"},
		open: func(s *memory.Store) rollcall.Store {
			return &altered{Store: s, sessions: func(ctx context.Context, q rollcall.SessionsOf) (rollcall.Standing, []rollcall.Session, error) {
				st, list, err := s.Sessions(ctx, q)
				if _, ok := stored(s, q.After.ID); q.After.ID != "" && !ok {
					list = nil
				}
				return st, list, err
			}}
		},
	},
	{
		name: "does not find what has ended", clauses: []string{"ended sessions are found, and listed only when they are asked for"},
		open: func(s *memory.Store) rollcall.Store {
			return &altered{Store: s, session: func(ctx context.Context, at rollcall.At) (rollcall.Session, rollcall.Standing, error) {
				session, st, err := s.Session(ctx, at)
				if err == nil && !session.EndedAt.IsZero() {
					return rollcall.Session{}, rollcall.Standing{}, rollcall.ErrNoSession
				}
				return session, st, err
			}}
		},
	},
	{
		name: "lists what has ended unasked", clauses: []string{"ended sessions are found, and listed only when they are asked for", modelClause},
		open: listing(func(q *rollcall.SessionsOf) { q.Ended = true }),
	},
	{
		name: "never lists what has ended", clauses: []string{"ended sessions are found, and listed only when they are asked for", modelClause},
		open: listing(func(q *rollcall.SessionsOf) { q.Ended = false }),
	},
	{
		name: "takes users whose ids differ by their case for one", clauses: []string{"users whose ids begin alike are apart"},
		open: func(s *memory.Store) rollcall.Store { return foldsUsers(s, strings.ToLower) },
	},
	{
		name: "takes users whose ids begin alike for one", clauses: []string{"users whose ids begin alike are apart"},
		open: func(s *memory.Store) rollcall.Store {
			return foldsUsers(s, func(id string) string { return id[:min(len(id), 256)] })
		},
	},
	{
		name: "shows everybody's row to those alone who have sessions", clauses: []string{"everything comes back as it was put", "everybody's row has versions, and stands beside every user's", modelClause},
		open: func(s *memory.Store) rollcall.Store {
			return &altered{Store: s, sessions: func(ctx context.Context, q rollcall.SessionsOf) (rollcall.Standing, []rollcall.Session, error) {
				st, list, err := s.Sessions(ctx, q)
				if st.User.Version == 0 {
					st.Everybody = rollcall.Everybody{}
				}
				return st, list, err
			}}
		},
	},
	{
		name: "cuts a large document", clauses: []string{"a change may put as many documents as its bounds allow"},
		open: func(s *memory.Store) rollcall.Store {
			return &altered{Store: s, document: func(ctx context.Context, name string) (rollcall.Document, error) {
				d, err := s.Document(ctx, name)
				d.Body = d.Body[:min(len(d.Body), 1<<16)]
				return d, err
			}}
		},
	},
}

// pause is long enough for a commit of others.
func pause() { time.Sleep(time.Millisecond) }

func believing(believe func(rollcall.Session, rollcall.At) bool) func(*memory.Store) rollcall.Store {
	return func(s *memory.Store) rollcall.Store {
		return &altered{Store: s, session: func(ctx context.Context, at rollcall.At) (rollcall.Session, rollcall.Standing, error) {
			session, st, err := s.Session(ctx, at)
			if err == nil && !believe(session, at) {
				return rollcall.Session{}, rollcall.Standing{}, rollcall.ErrNoSession
			}
			return session, st, err
		}}
	}
}

// ordering lists sessions of one instant in another order.
func ordering(compare func(a, b string) int) func(*memory.Store) rollcall.Store {
	order := func(a, b rollcall.Position) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), compare(a.ID, b.ID))
	}
	return func(s *memory.Store) rollcall.Store {
		return &altered{Store: s, sessions: func(ctx context.Context, q rollcall.SessionsOf) (rollcall.Standing, []rollcall.Session, error) {
			all := rollcall.SessionsOf{UserID: q.UserID, Ended: q.Ended, Limit: math.MaxInt}
			st, list, err := s.Sessions(ctx, all)
			slices.SortFunc(list, func(a, b rollcall.Session) int { return order(a.Position(), b.Position()) })
			if (q.After != rollcall.Position{}) {
				list = slices.DeleteFunc(list, func(session rollcall.Session) bool { return order(session.Position(), q.After) <= 0 })
			}
			return st, list[:min(q.Limit, len(list))], err
		}}
	}
}

func listing(change func(q *rollcall.SessionsOf)) func(*memory.Store) rollcall.Store {
	return func(s *memory.Store) rollcall.Store {
		return &altered{Store: s, sessions: func(ctx context.Context, q rollcall.SessionsOf) (rollcall.Standing, []rollcall.Session, error) {
			change(&q)
			return s.Sessions(ctx, q)
		}}
	}
}

// foldsUsers keeps users under what fold makes of their ids.
func foldsUsers(s *memory.Store, fold func(string) string) rollcall.Store {
	a := altersCommits(s, func(c *rollcall.Change) {
		c.UserID = fold(c.UserID)
		if c.User != nil {
			u := *c.User
			u.User.ID = c.UserID
			c.User = &u
		}
		c.Sessions, c.Events = slices.Clone(c.Sessions), slices.Clone(c.Events)
		for i := range c.Sessions {
			c.Sessions[i].Session.UserID = c.UserID
		}
		for i := range c.Events {
			c.Events[i].UserID = c.UserID
		}
	})
	a.sessions = func(ctx context.Context, q rollcall.SessionsOf) (rollcall.Standing, []rollcall.Session, error) {
		q.UserID = fold(q.UserID)
		return s.Sessions(ctx, q)
	}
	return a
}

var brokenWalks = []brokenEngine{
	{
		name: "walks past what has ended", clauses: []string{"a walk visits every session, user by user and in order", modelClause},
		open: func(s *memory.Store) rollcall.Store {
			return &altered{Store: s, walk: func(ctx context.Context, after string, visit func(rollcall.Walked) bool) (string, error) {
				return s.Walk(ctx, after, func(w rollcall.Walked) bool { return !w.Session.EndedAt.IsZero() || visit(w) })
			}}
		},
	},
	{
		name: "walks with standings of another moment", clauses: []string{"a walk sees each user at one moment"},
		open: func(s *memory.Store) rollcall.Store {
			return &altered{Store: s, walk: func(ctx context.Context, after string, visit func(rollcall.Walked) bool) (string, error) {
				return s.Walk(ctx, after, func(w rollcall.Walked) bool {
					pause()
					w.Standing, _, _ = s.Sessions(ctx, rollcall.SessionsOf{UserID: w.Session.UserID})
					return visit(w)
				})
			}}
		},
	},
	{
		name: "stops behind the user whom it stopped at", clauses: []string{"a walk goes on before the user whom it stopped at"},
		open: func(s *memory.Store) rollcall.Store {
			return &altered{Store: s, walk: func(ctx context.Context, after string, visit func(rollcall.Walked) bool) (string, error) {
				next, err := s.Walk(ctx, after, visit)
				if next != "" {
					next += "\x00"
				}
				return next, err
			}}
		},
	},
	{
		name: "walks by counting users", clauses: []string{"a walk passes nobody over while others come and go"},
		open: func(s *memory.Store) rollcall.Store {
			return &altered{Store: s, walk: func(ctx context.Context, after string, visit func(rollcall.Walked) bool) (string, error) {
				skip, _ := strconv.Atoi(after)
				users, last := -1, ""
				next, err := s.Walk(ctx, "", func(w rollcall.Walked) bool {
					if u := w.Session.UserID; u != last || users < 0 {
						users, last = users+1, u
					}
					return users < skip || visit(w)
				})
				if next != "" {
					next = strconv.Itoa(users)
				}
				return next, err
			}}
		},
	},
}

var brokenValues = []brokenEngine{
	{
		name: "gives instants in another zone", clauses: []string{"instants come back in UTC"},
		open: func(s *memory.Store) rollcall.Store {
			zone := time.FixedZone("abroad", -3*3600)
			return altersReads(s, func(p any) { eachInstant(p, func(_ string, at *time.Time) { *at = at.In(zone) }) })
		},
	},
	{
		name: "counts instants in nanoseconds", clauses: []string{"the first and the last instants come back"},
		open: func(s *memory.Store) rollcall.Store {
			return altersReads(s, func(p any) {
				eachInstant(p, func(_ string, at *time.Time) { *at = time.Unix(0, at.UnixNano()).UTC() })
			})
		},
	},
	{
		name: "trims texts", clauses: []string{"texts come back byte for byte"},
		open: func(s *memory.Store) rollcall.Store {
			return altersReads(s, func(p any) {
				eachText(p, func(_ string, v reflect.Value) { v.SetString(strings.TrimSpace(v.String())) })
			})
		},
	},
	{
		name: "cuts texts at a control character", clauses: []string{"texts come back byte for byte"},
		open: func(s *memory.Store) rollcall.Store {
			return altersReads(s, func(p any) {
				eachText(p, func(_ string, v reflect.Value) {
					text, _, _ := strings.Cut(v.String(), "\x01")
					v.SetString(text)
				})
			})
		},
	},
	{
		name: "gives addresses as networks", clauses: []string{"addresses come back as they were put"},
		open: func(s *memory.Store) rollcall.Store {
			return altersReads(s, func(p any) {
				if session, ok := p.(*rollcall.Session); ok && strings.Contains(session.Last.Origin.IP, ".") {
					session.Last.Origin.IP += "/32"
				}
			})
		},
	},
	{
		name: "keeps numbers as floating ones", clauses: []string{"numbers come back whole"},
		open: func(s *memory.Store) rollcall.Store {
			return altersReads(s, func(p any) {
				each(reflect.ValueOf(p).Elem(), "", func(_ string, v reflect.Value) {
					if v.CanUint() {
						v.SetUint(uint64(float64(v.Uint())) & (1<<v.Type().Bits() - 1))
					}
				})
			})
		},
	},
}
