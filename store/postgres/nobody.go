package postgres

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/rollcall-id/rollcall"
)

// documentColumns are the columns of documents that a change puts.
var documentColumns = []column[rollcall.PutDocument]{
	col("name", "text", func(d *rollcall.PutDocument) string { return d.Name }),
	col("replaces", "bigint", func(d *rollcall.PutDocument) int64 { return int64(d.Replaces) }),
	col("body", "bytea", func(d *rollcall.PutDocument) []byte { return append([]byte{}, d.Body...) }),
}

// nobodyStatement is the statement of a change that belongs to no user. Its parts are
// named as those of a user's change are, ld are the stored documents and le is everybody's
// row; the first argument says whether everybody's row is put.
var nobodyStatement = func() string {
	const everybodyArgs = 7
	documents, documentNames := unnest(everybodyArgs, documentColumns)
	events, _ := unnest(everybodyArgs+len(documentColumns), eventColumns)
	return fmt.Sprintf(`WITH d AS MATERIALIZED (SELECT * FROM %s AS d (%s)),
le AS MATERIALIZED (SELECT version FROM everybody WHERE $1::bool FOR NO KEY UPDATE),
ld AS MATERIALIZED (SELECT x.name, x.version FROM documents x WHERE x.name = ANY ($8::text[]) ORDER BY x.name FOR NO KEY UPDATE),
g AS MATERIALIZED (
  SELECT true AS yes WHERE (NOT $1 OR EXISTS (SELECT FROM le WHERE le.version = $2::bigint))
    AND NOT EXISTS (SELECT FROM d LEFT JOIN ld USING (name) WHERE coalesce(ld.version, 0) <> d.replaces)),
ue AS (
  UPDATE everybody e SET version = e.version + 1, generation = $3, generation_at = $4, generation_by = $5, settings = $6, clients = $7::text::jsonb
  FROM g WHERE $1 RETURNING e.*),
ud AS (UPDATE documents x SET version = d.replaces + 1, body = d.body FROM g, d WHERE x.name = d.name AND d.replaces <> 0),
nd AS (INSERT INTO documents (name, version, body) SELECT d.name, 1, d.body FROM g, d WHERE d.replaces = 0 ORDER BY d.name),
ev AS (
  INSERT INTO events (xid, seq, number, %s)
  SELECT pg_current_xact_id(), v.o, 0, %s FROM g, %s WITH ORDINALITY AS v (%s, o))
SELECT %s, %s, EXISTS (SELECT FROM g), true
FROM (SELECT * FROM ue UNION ALL SELECT * FROM everybody WHERE NOT $1 OR NOT EXISTS (SELECT FROM g)) e LEFT JOIN users u ON false`,
		documents, documentNames, eventNames, prefixed("v.", eventNames), events, eventNames, userColumns, everybodyColumns)
}()

func nobodyArgs(c *rollcall.Change) []any {
	documents := slices.Clone(c.Documents)
	slices.SortFunc(documents, func(a, b rollcall.PutDocument) int { return cmp.Compare(a.Name, b.Name) })
	var p rollcall.PutEverybody
	if c.Everybody != nil {
		p = *c.Everybody
	}
	args := []any{
		c.Everybody != nil, int64(p.Replaces), int64(p.Everybody.Generation), instant(p.Everybody.GenerationAt), text(p.Everybody.GenerationBy),
		int64(p.Everybody.Settings), clientsText(p.Everybody.Clients),
	}
	args = arrays(args, documentColumns, documents)
	return arrays(args, eventColumns, c.Events)
}
