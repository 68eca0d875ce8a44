package postgres

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/rollcall-id/rollcall"
)

// A column is a column of the rows that a statement is given, each column as one array.
type column[R any] struct {
	name  string
	kind  string // SQL type of an element
	array func(rows []R) any
}

func col[R, V any](name, kind string, of func(*R) V) column[R] {
	return column[R]{name, kind, func(rows []R) any {
		values := make([]V, len(rows))
		for i := range rows {
			values[i] = of(&rows[i])
		}
		return values
	}}
}

// arrays appends the columns of rows to a statement's arguments.
func arrays[R any](args []any, columns []column[R], rows []R) []any {
	for _, c := range columns {
		args = append(args, c.array(rows))
	}
	return args
}

// unnest spells the rows that arrays gave as a table, whose first column is the argument
// after the first n: unnest($3::text[], ...). names is the table's list of columns.
func unnest[R any](n int, columns []column[R]) (table, names string) {
	var params, list []string
	for i, c := range columns {
		params = append(params, fmt.Sprintf("$%d::%s[]", n+1+i, c.kind))
		list = append(list, c.name)
	}
	return "unnest(" + strings.Join(params, ", ") + ")", strings.Join(list, ", ")
}

// interactionColumns are the columns of a last interaction, in the order of every table
// and statement that has them.
func interactionColumns[R any](of func(*R) *rollcall.Interaction) []column[R] {
	return []column[R]{
		col("last_at", "timestamptz", func(r *R) pgtype.Timestamptz { return moment(of(r).At) }),
		col("last_idle", "timestamptz", func(r *R) pgtype.Timestamptz { return moment(of(r).IdleExpiresAt) }),
		col("last_ip", "inet", func(r *R) *netip.Prefix { return address(of(r).Origin.IP) }),
		col("last_asn", "text", func(r *R) pgtype.Text { return text(of(r).Origin.ASN) }),
		col("last_agent", "text", func(r *R) pgtype.Text { return text(of(r).Origin.UserAgent) }),
	}
}

// putColumns are the columns of sessions that a change puts.
var putColumns = slices.Concat([]column[rollcall.PutSession]{
	col("id", "text", func(p *rollcall.PutSession) string { return p.Session.ID }),
	col("replaces", "bigint", func(p *rollcall.PutSession) int64 { return int64(p.Replaces) }),
	col("stamped", "bool", func(p *rollcall.PutSession) bool { return p.Stamped }),
	col("generation", "bigint", func(p *rollcall.PutSession) int64 { return int64(p.Session.Generation.User) }),
	col("everybody", "bigint", func(p *rollcall.PutSession) int64 { return int64(p.Session.Generation.Everybody) }),
	col("created_at", "timestamptz", func(p *rollcall.PutSession) pgtype.Timestamptz { return moment(p.Session.CreatedAt) }),
	col("updated_at", "timestamptz", func(p *rollcall.PutSession) pgtype.Timestamptz { return moment(p.Session.UpdatedAt) }),
	col("authenticated_at", "timestamptz", func(p *rollcall.PutSession) pgtype.Timestamptz { return moment(p.Session.AuthenticatedAt) }),
	col("expires_at", "timestamptz", func(p *rollcall.PutSession) pgtype.Timestamptz { return moment(p.Session.ExpiresAt) }),
	col("renewed_at", "timestamptz", func(p *rollcall.PutSession) pgtype.Timestamptz { return moment(p.Session.RenewedAt) }),
	col("filed_at", "timestamptz", func(p *rollcall.PutSession) pgtype.Timestamptz { return moment(filedAt(p)) }),
	col("absolute_ns", "bigint", func(p *rollcall.PutSession) int64 { return int64(p.Session.Lifetimes.Absolute) }),
	col("idle_ns", "bigint", func(p *rollcall.PutSession) int64 { return int64(p.Session.Lifetimes.Idle) }),
	col("secret_hash", "bytea", func(p *rollcall.PutSession) []byte { return p.Session.SecretHash[:] }),
	col("request_digest", "bytea", func(p *rollcall.PutSession) []byte { return digest(p.Session.RequestDigest) }),
	col("used_keys", "bytea", func(p *rollcall.PutSession) []byte { return keysBytes(p.Session.UsedKeys) }),
	col("cookie_mode", "text", func(p *rollcall.PutSession) pgtype.Text { return text(string(p.Session.CookieMode)) }),
	col("methods", "text", func(p *rollcall.PutSession) pgtype.Text { return methodsText(p.Session.Methods) }),
	col("clients", "text", func(p *rollcall.PutSession) pgtype.Text { return arrayText(p.Session.Clients) }),
	col("metadata", "text", func(p *rollcall.PutSession) pgtype.Text { return metadataText(p.Session.Metadata) }),
	col("initial_ip", "inet", func(p *rollcall.PutSession) *netip.Prefix { return address(p.Session.Initial.IP) }),
	col("initial_asn", "text", func(p *rollcall.PutSession) pgtype.Text { return text(p.Session.Initial.ASN) }),
	col("initial_agent", "text", func(p *rollcall.PutSession) pgtype.Text { return text(p.Session.Initial.UserAgent) }),
	col("ended_at", "timestamptz", func(p *rollcall.PutSession) pgtype.Timestamptz { return instant(p.Session.EndedAt) }),
	col("end_reason", "text", func(p *rollcall.PutSession) pgtype.Text { return text(string(p.Session.EndReason)) }),
	col("ended_by", "text", func(p *rollcall.PutSession) pgtype.Text { return text(p.Session.EndedBy) }),
}, interactionColumns(func(p *rollcall.PutSession) *rollcall.Interaction { return &p.Session.Last }))

// filedAt is when a sweep looks at what a put puts.
func filedAt(p *rollcall.PutSession) time.Time {
	if p.FileAt.IsZero() {
		return p.Session.OverAt()
	}
	return p.FileAt
}

// endColumns are the columns of endings that were not read.
var endColumns = slices.Concat([]column[rollcall.End]{
	col("id", "text", func(e *rollcall.End) string { return e.ID }),
	col("created_at", "timestamptz", func(e *rollcall.End) pgtype.Timestamptz { return moment(e.CreatedAt) }),
	col("filed_at", "timestamptz", func(e *rollcall.End) pgtype.Timestamptz { return moment(e.FileAt) }),
	col("ended_at", "timestamptz", func(e *rollcall.End) pgtype.Timestamptz { return instant(e.EndedAt) }),
	col("end_reason", "text", func(e *rollcall.End) pgtype.Text { return text(string(e.EndReason)) }),
	col("ended_by", "text", func(e *rollcall.End) pgtype.Text { return text(e.EndedBy) }),
}, interactionColumns(func(e *rollcall.End) *rollcall.Interaction { return &e.Last }))

// eventColumns are the columns of events, but for their positions, users and numbers.
var eventColumns = []column[rollcall.Event]{
	col("id", "text", func(e *rollcall.Event) string { return e.ID }),
	col("type", "text", func(e *rollcall.Event) string { return string(e.Type) }),
	col("at", "timestamptz", func(e *rollcall.Event) pgtype.Timestamptz { return moment(e.At) }),
	col("session_id", "text", func(e *rollcall.Event) pgtype.Text { return text(e.SessionID) }),
	col("except_id", "text", func(e *rollcall.Event) pgtype.Text { return text(e.Except) }),
	col("client_id", "text", func(e *rollcall.Event) pgtype.Text { return text(e.ClientID) }),
	col("reason", "text", func(e *rollcall.Event) pgtype.Text { return text(string(e.Reason)) }),
	col("count", "bigint", func(e *rollcall.Event) int64 { return int64(e.Count) }),
	col("generation", "bigint", func(e *rollcall.Event) int64 { return int64(e.Generation) }),
	col("token_generation", "bigint", func(e *rollcall.Event) int64 { return int64(e.TokenGeneration) }),
	col("actor", "text", func(e *rollcall.Event) pgtype.Text { return text(e.Actor) }),
	col("actor_kind", "text", func(e *rollcall.Event) pgtype.Text { return text(string(e.ActorKind)) }),
	col("ip", "text", func(e *rollcall.Event) pgtype.Text { return text(e.IP) }),
	col("user_agent", "text", func(e *rollcall.Event) pgtype.Text { return text(e.UserAgent) }),
	col("correlation_id", "text", func(e *rollcall.Event) pgtype.Text { return text(e.CorrelationID) }),
}
