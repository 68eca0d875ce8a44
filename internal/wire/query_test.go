package wire_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/internal/wire"
)

// Whatever a query says, what is read of it is within bounds, and what is refused
// is refused as a query, in a text that cannot grow with it.
func FuzzListQuery(f *testing.F) {
	for _, seed := range []string{
		"", "take=50&from=abc&include_totals=true", "take=1e2", "take=-0", "take=1e400", "take=0x10", "take=1&take=2", "take=NaN", "take=%",
		"from=a&from=b", "include_totals=1", "per_page=5&include_totals=true", "a;b", "take=99.99999999999999999", "take=" + strings.Repeat("9", 300),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		values, err := wire.ParseQuery(raw, "take", "from", "include_totals", "page", "per_page")
		var q rollcall.ListQuery
		if err == nil {
			q, err = wire.ListQuery(values)
		}
		if err == nil {
			q.Total, err = wire.IncludeTotals(values)
		}
		if err != nil {
			if _, ok := errors.AsType[wire.QueryError](err); !ok || len(err.Error()) > 1000 {
				t.Errorf("%q: %v", raw, err)
			}
			return
		}
		if q.Take < 1 || q.Take > rollcall.MaxTake || q.From != values.Get("from") || q.Total && (values.Get("include_totals") != "true" || values.Has("per_page") || values.Has("page")) {
			t.Errorf("%q is read as %+v", raw, q)
		}
	})
}
