package wire

import (
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/rollcall-id/rollcall"
)

// The published descriptions of the listing's parameters.
const (
	takeDescription   = "Number of results per page. Defaults to 50."
	fromDescription   = "An optional cursor from which to start the selection (exclusive)."
	totalsDescription = "Return results inside an object that contains the total result count (true) or as a direct array of results (false, default)."
)

// ParseQuery reads the known parameters of a query string or a form. All others are passed
// over whatever they hold, so that nobody else's parameter can spoil a request. A semicolon is
// a character like any other. The error is a QueryError: a known parameter has a malformed
// escape.
func ParseQuery(raw string, known ...string) (url.Values, error) {
	values := url.Values{}
	for raw != "" {
		var pair string
		pair, raw, _ = strings.Cut(raw, "&")
		name, value, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(name)
		if err != nil || !slices.Contains(known, name) {
			continue
		}
		if value, err = url.QueryUnescape(value); err != nil {
			return nil, QueryError{&Invalid{Text: "Malformed query string"}}
		}
		values[name] = append(values[name], value)
	}
	return values, nil
}

// ListParameters are what listings have in common, for ParseQuery.
var ListParameters = []string{"take", "from"}

// ListQuery reads what listings have in common: take and from. Other parameters are
// passed over, since old clients send some (docs/published-api.md P40).
func ListQuery(values url.Values) (rollcall.ListQuery, error) {
	var q rollcall.ListQuery
	var err error
	if q.Take, err = take(values["take"]); err != nil {
		return q, err
	}
	q.From, err = single(values["from"], "string", "from", fromDescription)
	return q, err
}

// IncludeTotals reads include_totals. A total next to page or per_page would make old
// clients page on for ever, so there is none then.
func IncludeTotals(values url.Values) (bool, error) {
	const property = "include_totals"
	text, err := single(values[property], "boolean", property, totalsDescription)
	switch {
	case err != nil:
		return false, err
	case text == "true":
		return !values.Has("per_page") && !values.Has("page"), nil
	case text == "false" || !values.Has(property):
		return false, nil
	}
	return false, QueryError{WrongType("boolean", text, property, totalsDescription)}
}

// single returns a parameter's only value, "" when it is not given.
func single(values []string, kind, property, description string) (string, error) {
	switch len(values) {
	case 0:
		return "", nil
	case 1:
		return values[0], nil
	}
	return "", QueryError{WrongType(kind, []any{}, property, description)}
}

func take(values []string) (int, error) {
	const property = "take"
	text, err := single(values, "integer", property, takeDescription)
	if err != nil || len(values) == 0 {
		return rollcall.DefaultTake, err
	}
	refuse := func(text string) error {
		return QueryError{&Invalid{Text: text, Property: property, Description: takeDescription}}
	}
	number, ok := parseNumber(text)
	switch {
	case !ok:
		return 0, QueryError{WrongType("integer", text, property, takeDescription)}
	case number != math.Trunc(number):
		return 0, refuse("Expected type integer but found type number")
	case number < 1:
		return 0, refuse("Value " + spell(number) + " is less than minimum 1")
	case number > rollcall.MaxTake:
		return 0, refuse("Value " + spell(number) + " is greater than maximum " + strconv.Itoa(rollcall.MaxTake))
	}
	return int(number), nil
}

// parseNumber reads a decimal number as JSON spells it; anything else stays a
// string to the validator.
func parseNumber(text string) (float64, bool) {
	if text == "" || strings.Trim(text, "0123456789+-.eE") != "" || text[0] == '+' {
		return 0, false
	}
	f, err := strconv.ParseFloat(text, 64)
	return f, err == nil
}

// spell writes a whole number as JavaScript would, up to where it turns to
// exponents.
func spell(f float64) string {
	if math.Abs(f) < 1e21 {
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	return strings.Replace(strconv.FormatFloat(f, 'e', -1, 64), "e+0", "e+", 1)
}
