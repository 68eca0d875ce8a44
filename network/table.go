package network

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/oschwald/maxminddb-golang/v2"
)

// layouts are where the vendors keep the number, in the order that they are tried.
var layouts = [][]any{
	{"autonomous_system_number"},
	{"traits", "autonomous_system_number"},
	{"asn"},
	{"as", "asn"},
	{"as", "number"},
	{"asn", "asn"},
	{"asn", "number"},
	{"as_number"},
}

// probed bounds how many records are looked at for a number.
const probed = 10_000

// A table is what one file says.
type table struct {
	reader *maxminddb.Reader
	layout []any
	built  time.Time
}

func newTable(data []byte) (*table, error) {
	r, err := maxminddb.OpenBytes(data)
	if err != nil {
		return nil, err
	}
	t := &table{reader: r, built: r.Metadata.BuildTime().UTC()}
	if t.layout, err = layoutOf(r); err != nil {
		return nil, err
	}
	return t, nil
}

// layoutOf finds out where a database keeps the number: in the first place that
// holds one in any of the first records.
func layoutOf(r *maxminddb.Reader) ([]any, error) {
	records := 0
	for result := range r.Networks() {
		if err := result.Err(); err != nil {
			return nil, err
		}
		for _, layout := range layouts {
			if read(result, layout) != "" {
				return layout, nil
			}
		}
		if records++; records == probed {
			break
		}
	}
	return nil, errors.New("it holds no autonomous system numbers (type " + strconv.Quote(r.Metadata.DatabaseType) + ")")
}

func (t *table) number(addr netip.Addr) string { return read(t.reader.Lookup(addr), t.layout) }

// read returns a record's number as digits, "" when it has none. A damaged record
// has none: where a session came from is no reason to refuse it.
func read(r maxminddb.Result, layout []any) string {
	var value any
	if err := r.DecodePath(&value, layout...); err != nil {
		return ""
	}
	switch v := value.(type) {
	case string:
		if n, err := strconv.ParseUint(strings.TrimPrefix(strings.ToUpper(v), "AS"), 10, 32); err == nil {
			return digits(n)
		}
	case uint64:
		return digits(v)
	case int32:
		return digits(uint64(max(v, 0)))
	}
	return ""
}

// digits writes a number; 0 is reserved and stands for none (RFC 7607).
func digits(n uint64) string {
	if n == 0 || n > 1<<32-1 {
		return ""
	}
	return strconv.FormatUint(n, 10)
}
