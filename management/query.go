package management

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/internal/wire"
)

// A query is what the listing is asked for.
type query struct {
	rollcall.ListQuery
	// skip is how many sessions come before the page, when it is asked for by its number.
	skip int
}

// listParameters are what the listing reads of its query.
var listParameters = append([]string{"include_totals", "page", "per_page"}, wire.ListParameters...)

// readQuery reads the query of the listing.
func readQuery(r *http.Request) (q query, err error) {
	if r.URL.RawQuery == "" {
		q.Take = rollcall.DefaultTake
		return q, nil
	}
	values, err := wire.ParseQuery(r.URL.RawQuery, listParameters...)
	if err != nil {
		return q, err
	}
	if q.ListQuery, err = wire.ListQuery(values); err != nil {
		return q, err
	}
	if q.Total, err = wire.IncludeTotals(values); err != nil {
		return q, err
	}
	q.Total = q.Total && !goesOnForATotal(r.UserAgent())
	q.skip, err = skipped(values, q.Take)
	return q, err
}

// maxSkipped is how many sessions may come before a page that is asked for by its number.
const maxSkipped = 1000

// skipped is how many sessions come before the page of a number, as old clients ask for it
// beside take (docs/published-api.md P64): 0 beside a cursor, and for a number that is none.
func skipped(values url.Values, take int) (int, error) {
	number, err := strconv.Atoi(values.Get("page"))
	if values.Has("from") || len(values["page"]) > 1 || err != nil || number <= 0 {
		return 0, nil
	}
	if most := maxSkipped / take; number > most {
		text := "Value " + strconv.Itoa(number) + " is greater than maximum " + strconv.Itoa(most)
		return 0, wire.QueryError{Invalid: &wire.Invalid{Text: text, Property: "page", Description: "Page index of the results to return. First page is 0."}}
	}
	return number * take, nil
}

// goesOnForATotal reports whether a client reads a total as more to come, even on the last
// page (docs/published-api.md P65): go-auth0 before version 2, by the name that it gives itself.
func goesOnForATotal(userAgent string) bool {
	if strings.HasPrefix(userAgent, "Go-Auth0-SDK/") {
		return true
	}
	version, ok := strings.CutPrefix(userAgent, "Go-Auth0/")
	version = strings.TrimPrefix(version, "v")
	return ok && (version == "" || version[0] < '2' || version[0] > '9')
}

// behind returns the cursor behind so many of the user's sessions; ok is false when no
// session is left there.
func (d *Door) behind(ctx context.Context, userID string, sessions int) (from string, ok bool, err error) {
	for sessions > 0 {
		take := min(sessions, rollcall.MaxTake)
		page, err := d.manager.Each(ctx, rollcall.ListQuery{UserID: userID, From: from, Take: take}, func(*rollcall.Session) {})
		if err != nil || page.Next == "" {
			return "", false, err
		}
		from = page.Next
		sessions -= take
	}
	return from, true, nil
}
