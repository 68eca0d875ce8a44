package postgres

import (
	"fmt"
	"strings"
)

// lockUser is a call that waits for the user whose id is $1, until the transaction ends.
// Every transaction that writes to a user's rows or events begins with the call, before
// the server gives the transaction a number: so the numbers of a user's commits rise in the
// order of the commits. The lock of the user's row cannot stand for it: of several that
// wait for a row, each takes its number when the first has gone, and then waits again.
const lockUser = "pg_advisory_xact_lock(hashtextextended($1::text, 0))"

// text spells the statement of a user's change of this shape. The parts, in the order in
// which the server comes by them:
//
//	a     the lock of the user; see lockUser
//	l     the user's row, locked
//	p, q  what is put, what is ended
//	ls    the stored sessions of the user that are put or ended, locked
//	ok    one row if every guard holds, else none
//	g     the user's row as the change leaves it; empty without ok, and when another made
//	      the row meanwhile. Every write is joined with g
//	us    the stored uses of ls, locked
//	b     the later of stored and given interactions, by session
//
// The answer is one row: the standing, whether the guards hold, whether g has a row.
func (k shape) text() string {
	n := userArgs[k.user]
	next := func(count int) int { first := n; n += count; return first }
	var stored, claims, events string
	if k.stored {
		stored = fmt.Sprintf("$%d::text[]", next(1)+1)
	}
	if k.claims {
		claims = fmt.Sprintf("$%d::text[]", next(1)+1)
	}
	parts := []string{
		"a AS MATERIALIZED (SELECT $1::text AS id FROM " + lockUser + ")",
		"l AS MATERIALIZED (SELECT " + userColumns + " FROM users u WHERE u.id = (SELECT a.id FROM a) FOR NO KEY UPDATE)",
	}
	if k.puts {
		table, names := unnest(next(len(putColumns)), putColumns)
		parts = append(parts, fmt.Sprintf("p AS MATERIALIZED (SELECT * FROM %s AS p (%s))", table, names))
	}
	if k.ends {
		table, names := unnest(next(len(endColumns)), endColumns)
		parts = append(parts, fmt.Sprintf("q AS MATERIALIZED (SELECT * FROM %s AS q (%s))", table, names))
	}
	if k.events {
		table, names := unnest(next(len(eventColumns)), eventColumns)
		events = fmt.Sprintf("%s WITH ORDINALITY AS v (%s, o)", table, names)
	}
	if k.stored {
		parts = append(parts, `ls AS MATERIALIZED (
  SELECT s.id, s.version, s.created_at, s.ended, s.last_at, s.last_idle_expires_at, s.last_ip, s.last_asn, s.last_agent
  FROM l, sessions s WHERE s.id = ANY (`+stored+`) AND s.user_no = l.no FOR NO KEY UPDATE OF s)`)
	}
	parts = append(parts, k.guards(stored, claims))
	parts = append(parts, k.userParts()...)
	if k.stored {
		parts = append(parts, k.storedParts(stored)...)
	}
	if k.puts {
		parts = append(parts, newParts)
	}
	if k.events {
		parts = append(parts, `ev AS (
  INSERT INTO events (xid, seq, user_no, number, `+eventNames+`)
  SELECT pg_current_xact_id(), v.o, g.no, g.events - `+k.eventCount()+` + v.o, `+prefixed("v.", eventNames)+` FROM g, `+events+`)`)
	}
	return "WITH " + strings.Join(parts, ",\n") + `
SELECT ` + prefixed("g.", userNames) + `, ` + everybodyColumns + `, EXISTS (SELECT FROM ok), g.no IS NOT NULL
FROM everybody e LEFT JOIN g ON true`
}

// guards spells ok.
func (k shape) guards(stored, claims string) string {
	from, where := "FROM l", "true"
	switch k.user {
	case userNew:
		from, where = "", "NOT EXISTS (SELECT FROM l)"
	case userAny:
		from = ""
	case userPut:
		where = "l.version = $2::bigint"
	case userMoved:
		where = "l.generation + 1 = $2::bigint"
	}
	if k.stored {
		var guarded []string
		if k.puts {
			guarded = append(guarded, "SELECT p.id, p.created_at, p.replaces AS version FROM p WHERE p.replaces <> 0")
		}
		if k.ends {
			guarded = append(guarded, "SELECT q.id, q.created_at, NULL::bigint FROM q")
		}
		where += `
  AND cardinality(` + stored + `) = (SELECT count(*) FROM ls JOIN (` + strings.Join(guarded, " UNION ALL ") + `) x (id, created_at, version) USING (id)
    WHERE ls.created_at = x.created_at AND (ls.version = x.version OR x.version IS NULL AND NOT ls.ended))`
	}
	if k.claims {
		where += "\n  AND NOT EXISTS (SELECT FROM sessions s WHERE s.id = ANY (" + claims + "))"
	}
	return "ok AS MATERIALIZED (SELECT true AS yes " + from + " WHERE " + where + ")"
}

// eventCount spells the number of the change's events.
func (k shape) eventCount() string {
	if !k.events {
		return "0"
	}
	first := userArgs[k.user] + 1
	for _, part := range []struct {
		there   bool
		columns int
	}{{k.stored, 1}, {k.claims, 1}, {k.puts, len(putColumns)}, {k.ends, len(endColumns)}} {
		if part.there {
			first += part.columns
		}
	}
	return fmt.Sprintf("cardinality($%d::text[])", first)
}

// userParts spells g, and what makes or moves the user's row.
func (k shape) userParts() []string {
	const returning = " RETURNING " + userColumns + ")"
	events := k.eventCount()
	insert := `n AS (
  INSERT INTO users AS u (id, version, events, generation, generation_at, generation_reason, generation_by, token_generation, token_generation_at)
  SELECT $1, $2::bigint, ` + events + `, $2, $3, $4, $5, $2, $6 FROM ok WHERE NOT EXISTS (SELECT FROM l)
  ON CONFLICT (id) DO NOTHING` + returning
	set := func(more string) string {
		return "up AS (UPDATE users u SET events = u.events + " + events + more + " FROM ok, l WHERE u.no = l.no" + returning
	}
	one := func(name string) string {
		return "g AS MATERIALIZED (SELECT " + userNames + " FROM " + name + ")"
	}
	switch k.user {
	case userNew:
		return []string{insert, one("n")}
	case userPut:
		return []string{set(`, version = u.version + 1, generation = $7, generation_at = $3, generation_reason = $4, generation_by = $5,
    token_generation = $8, token_generation_at = $6`), one("up")}
	case userMoved:
		return []string{set(", version = u.version + 1, generation = $2::bigint, generation_at = $3, generation_reason = $4, generation_by = $5"), one("up")}
	case userAny:
		return []string{set(", version = u.version + 1"), insert, one("(SELECT * FROM up UNION ALL SELECT * FROM n) x")}
	}
	if k.events {
		return []string{set(""), one("up")}
	}
	return []string{one("l, ok")}
}

// storedParts spells what becomes of sessions that are stored, and of their uses.
func (k shape) storedParts(stored string) []string {
	var given, over, parts []string
	if k.puts {
		given = append(given, "SELECT id, 1, last_at, last_idle, last_ip, last_asn, last_agent FROM p WHERE replaces <> 0")
		over = append(over, "SELECT id FROM p WHERE replaces <> 0 AND ended_at IS NOT NULL")
	}
	if k.ends {
		given = append(given, "SELECT id, 1, last_at, last_idle, last_ip, last_asn, last_agent FROM q")
		over = append(over, "SELECT id FROM q")
	}
	given = append(given, "SELECT session_id, 2, at, idle_expires_at, ip, asn, agent FROM us",
		"SELECT id, 3, last_at, last_idle_expires_at, last_ip, last_asn, last_agent FROM ls WHERE last_at IS NOT NULL")
	parts = append(parts, `us AS MATERIALIZED (
  SELECT x.* FROM g, uses x WHERE x.session_id = ANY (`+stored+`) ORDER BY x.session_id FOR NO KEY UPDATE OF x)`,
		`b AS MATERIALIZED (
  SELECT DISTINCT ON (id) id, at, idle_expires_at, ip, asn, agent
  FROM (`+strings.Join(given, " UNION ALL ")+`) x (id, o, at, idle_expires_at, ip, asn, agent) ORDER BY id, at DESC, o)`,
		`du AS (DELETE FROM uses x USING g, (`+strings.Join(over, " UNION ALL ")+`) o WHERE x.session_id = o.id)`)
	if k.puts {
		parts = append(parts, replaceParts)
	}
	if k.ends {
		parts = append(parts, endPart)
	}
	return parts
}

// replaceParts replaces stored sessions, and puts the uses of those that are not ended.
const replaceParts = `ps AS (
  UPDATE sessions s SET version = p.replaces + 1, generation = p.generation, everybody = p.everybody, updated_at = p.updated_at,
    authenticated_at = p.authenticated_at, expires_at = p.expires_at, renewed_at = p.renewed_at, filed_at = p.filed_at,
    absolute_ns = p.absolute_ns, idle_ns = p.idle_ns, secret_hash = p.secret_hash, request_digest = p.request_digest, used_keys = p.used_keys,
    cookie_mode = p.cookie_mode, methods = p.methods::json, clients = p.clients::text[], metadata = p.metadata::json,
    initial_ip = p.initial_ip, initial_asn = p.initial_asn, initial_agent = p.initial_agent,
    ended_at = p.ended_at, end_reason = p.end_reason, ended_by = p.ended_by,
    last_at = b.at, last_idle_expires_at = b.idle_expires_at, last_ip = b.ip, last_asn = b.asn, last_agent = b.agent
  FROM g, p LEFT JOIN b ON b.id = p.id AND p.ended_at IS NOT NULL WHERE s.id = p.id AND p.replaces <> 0),
pu AS (
  INSERT INTO uses AS x (session_id, user_no, at, idle_expires_at, ip, asn, agent)
  SELECT p.id, g.no, b.at, b.idle_expires_at, b.ip, b.asn, b.agent
  FROM g, p JOIN b ON b.id = p.id WHERE p.replaces <> 0 AND p.ended_at IS NULL ORDER BY p.id
  ON CONFLICT (session_id) DO UPDATE
  SET at = excluded.at, idle_expires_at = excluded.idle_expires_at, ip = excluded.ip, asn = excluded.asn, agent = excluded.agent
  WHERE (x.at, x.idle_expires_at, x.ip, x.asn, x.agent)
    IS DISTINCT FROM (excluded.at, excluded.idle_expires_at, excluded.ip, excluded.asn, excluded.agent))`

// endPart ends stored sessions that nobody has read.
const endPart = `en AS (
  UPDATE sessions s SET version = s.version + 1, updated_at = q.ended_at, filed_at = q.filed_at,
    ended_at = q.ended_at, end_reason = q.end_reason, ended_by = q.ended_by,
    last_at = b.at, last_idle_expires_at = b.idle_expires_at, last_ip = b.ip, last_asn = b.asn, last_agent = b.agent
  FROM g, q JOIN b ON b.id = q.id WHERE s.id = q.id)`

// newParts puts sessions that are new, and the uses of those that are not ended.
const newParts = `ns AS (
  INSERT INTO sessions (id, user_no, version, generation, everybody, created_at, updated_at, authenticated_at, expires_at, renewed_at, filed_at,
    absolute_ns, idle_ns, secret_hash, request_digest, used_keys, cookie_mode, methods, clients, metadata,
    initial_ip, initial_asn, initial_agent, ended_at, end_reason, ended_by, last_at, last_idle_expires_at, last_ip, last_asn, last_agent)
  SELECT p.id, g.no, 1, CASE WHEN p.stamped THEN g.generation ELSE p.generation END, CASE WHEN p.stamped THEN e.generation ELSE p.everybody END,
    p.created_at, p.updated_at, p.authenticated_at, p.expires_at, p.renewed_at, p.filed_at,
    p.absolute_ns, p.idle_ns, p.secret_hash, p.request_digest, p.used_keys, p.cookie_mode, p.methods::json, p.clients::text[], p.metadata::json,
    p.initial_ip, p.initial_asn, p.initial_agent, p.ended_at, p.end_reason, p.ended_by, i.last_at, i.last_idle, i.last_ip, i.last_asn, i.last_agent
  FROM g, everybody e, p LEFT JOIN p i ON i.id = p.id AND i.ended_at IS NOT NULL WHERE p.replaces = 0 ORDER BY p.id),
nu AS (
  INSERT INTO uses (session_id, user_no, at, idle_expires_at, ip, asn, agent)
  SELECT p.id, g.no, p.last_at, p.last_idle, p.last_ip, p.last_asn, p.last_agent
  FROM g, p WHERE p.replaces = 0 AND p.ended_at IS NULL ORDER BY p.id)`
