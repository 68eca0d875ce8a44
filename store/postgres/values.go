package postgres

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/rollcall-id/rollcall"
)

// instant is a time as a column has it in which NULL is "not set".
func instant(t time.Time) pgtype.Timestamptz {
	if t.IsZero() {
		return pgtype.Timestamptz{}
	}
	return moment(t)
}

// moment is a time as a column has it that is compared: -infinity is "not set".
func moment(t time.Time) pgtype.Timestamptz {
	if t.IsZero() {
		return pgtype.Timestamptz{Valid: true, InfinityModifier: pgtype.NegativeInfinity}
	}
	return pgtype.Timestamptz{Valid: true, Time: t.UTC().Truncate(time.Millisecond)}
}

// timeOf is the inverse of instant and of moment.
func timeOf(t pgtype.Timestamptz) time.Time {
	if !t.Valid || t.InfinityModifier != pgtype.Finite {
		return time.Time{}
	}
	return t.Time.UTC()
}

// text is a text as a column has it in which NULL is "".
func text(s string) pgtype.Text { return pgtype.Text{String: s, Valid: s != ""} }

// address is an address as an inet column has it; NULL is "".
func address(ip string) *netip.Prefix {
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		return nil
	}
	p := netip.PrefixFrom(addr, addr.BitLen())
	return &p
}

// addressOf is the inverse of address.
func addressOf(p *netip.Prefix) string {
	if p == nil {
		return ""
	}
	return p.Addr().String()
}

// methodRow is a method as it stands in the JSON of its column.
type methodRow struct {
	Name string    `json:"name"`
	Type string    `json:"type,omitempty"`
	At   time.Time `json:"at"`
}

// methodsText is the JSON of methods, invalid for none.
func methodsText(methods []rollcall.Method) pgtype.Text {
	if len(methods) == 0 {
		return pgtype.Text{}
	}
	rows := make([]methodRow, len(methods))
	for i, m := range methods {
		rows[i] = methodRow{m.Name, m.Type, m.At.UTC().Truncate(time.Millisecond)}
	}
	return pgtype.Text{String: jsonText(rows), Valid: true}
}

func methodsOf(b []byte) (methods []rollcall.Method, err error) {
	if len(b) == 0 {
		return nil, nil
	}
	var rows []methodRow
	if err := json.Unmarshal(b, &rows); err != nil {
		return nil, fmt.Errorf("reading a session's methods: %w", err)
	}
	for _, r := range rows {
		methods = append(methods, rollcall.Method{Name: r.Name, Type: r.Type, At: r.At.UTC()})
	}
	return methods, nil
}

// metadataText is a JSON object with the entries in their order, invalid for none.
func metadataText(entries []rollcall.MetadataEntry) pgtype.Text {
	if len(entries) == 0 {
		return pgtype.Text{}
	}
	var b strings.Builder
	for i, e := range entries {
		b.WriteByte("{,"[min(i, 1)])
		b.WriteString(jsonText(e.Key))
		b.WriteByte(':')
		b.WriteString(jsonText(e.Value))
	}
	b.WriteByte('}')
	return pgtype.Text{String: b.String(), Valid: true}
}

func metadataOf(b []byte) (entries []rollcall.MetadataEntry, err error) {
	if len(b) == 0 {
		return nil, nil
	}
	d := json.NewDecoder(bytes.NewReader(b))
	_, err = d.Token() // the object's beginning
	for err == nil && d.More() {
		var key json.Token
		if key, err = d.Token(); err == nil {
			var value string
			err = d.Decode(&value)
			entries = append(entries, rollcall.MetadataEntry{Key: key.(string), Value: value})
		}
	}
	if err != nil {
		return nil, fmt.Errorf("reading a session's metadata: %w", err)
	}
	return entries, nil
}

// jsonText is the JSON of what cannot fail to have one.
func jsonText(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// arrayText spells texts as a text[], invalid for none.
func arrayText(texts []string) pgtype.Text {
	if len(texts) == 0 {
		return pgtype.Text{}
	}
	quoted := make([]string, len(texts))
	for i, t := range texts {
		quoted[i] = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(t) + `"`
	}
	return pgtype.Text{String: "{" + strings.Join(quoted, ",") + "}", Valid: true}
}

// digest is a digest as a column has it in which NULL is the zero digest.
func digest(d [32]byte) []byte {
	if d == [32]byte{} {
		return nil
	}
	return d[:]
}

func keysBytes(keys []rollcall.KeyMark) []byte {
	var b []byte
	for _, k := range keys {
		b = append(b, k[:]...)
	}
	return b
}

func keysOf(b []byte) (keys []rollcall.KeyMark, err error) {
	for ; len(b) >= 16; b = b[16:] {
		keys = append(keys, rollcall.KeyMark(b[:16]))
	}
	if len(b) > 0 {
		return nil, fmt.Errorf("reading a session's used keys: %d bytes too many", len(b))
	}
	return keys, nil
}

// clientsText is the JSON of clients' generations, invalid for none.
func clientsText(clients map[string]uint64) pgtype.Text {
	if len(clients) == 0 {
		return pgtype.Text{}
	}
	return pgtype.Text{String: jsonText(clients), Valid: true}
}
