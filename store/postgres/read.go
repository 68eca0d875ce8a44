package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/rollcall-id/rollcall"
)

// Columns of a standing: the user's row u, everybody's row e.
const (
	userNames        = "no, id, version, events, generation, generation_at, generation_reason, generation_by, token_generation, token_generation_at"
	userColumns      = "u.no, u.id, u.version, u.events, u.generation, u.generation_at, u.generation_reason, u.generation_by, u.token_generation, u.token_generation_at"
	everybodyColumns = "e.version, e.generation, e.generation_at, e.generation_by, e.settings, e.clients"
)

// sessionColumns are the columns of a session s, of whose uses l is a row or none.
const sessionColumns = `s.id, s.version, s.generation, s.everybody, s.secret_hash, s.created_at, s.updated_at, s.authenticated_at, s.expires_at, s.renewed_at,
  s.absolute_ns, s.idle_ns, s.cookie_mode, s.methods, s.clients, s.metadata, s.initial_ip, s.initial_asn, s.initial_agent, s.request_digest, s.used_keys,
  s.ended_at, s.end_reason, s.ended_by, coalesce(l.at, s.last_at) AS last_at, coalesce(l.idle_expires_at, s.last_idle_expires_at) AS last_idle,
  coalesce(l.ip, s.last_ip) AS last_ip, coalesce(l.asn, s.last_asn) AS last_asn, coalesce(l.agent, s.last_agent) AS last_agent`

// prefixed puts a prefix before each name of a list.
func prefixed(prefix, names string) string {
	return prefix + strings.ReplaceAll(names, ", ", ", "+prefix)
}

var eventNames = func() string { _, names := unnest(0, eventColumns); return names }()

// A standingRow is what a statement tells of a standing. No part is there of a user who
// has no row.
type standingRow struct {
	no, version, events, generation, tokenGeneration pgtype.Int8
	id, reason, by                                   pgtype.Text
	generationAt, tokenGenerationAt                  pgtype.Timestamptz

	everybodyVersion, everybodyGeneration, settings int64
	everybodyAt                                     pgtype.Timestamptz
	everybodyBy                                     pgtype.Text
	clients                                         []byte
}

func (r *standingRow) targets() []any {
	return []any{
		&r.no, &r.id, &r.version, &r.events, &r.generation, &r.generationAt, &r.reason, &r.by, &r.tokenGeneration, &r.tokenGenerationAt,
		&r.everybodyVersion, &r.everybodyGeneration, &r.everybodyAt, &r.everybodyBy, &r.settings, &r.clients,
	}
}

// standing is the standing of a user. userID is the user's id when the user has no row.
func (r *standingRow) standing(userID string) (rollcall.Standing, error) {
	if r.id.Valid {
		userID = r.id.String
	}
	st := rollcall.Standing{
		User: rollcall.User{
			ID: userID, Version: uint64(r.version.Int64), Events: uint64(r.events.Int64),
			Generation: uint64(r.generation.Int64), GenerationAt: timeOf(r.generationAt),
			GenerationReason: rollcall.Reason(r.reason.String), GenerationBy: r.by.String,
			TokenGeneration: uint64(r.tokenGeneration.Int64), TokenGenerationAt: timeOf(r.tokenGenerationAt),
		},
		Everybody: rollcall.Everybody{
			Version: uint64(r.everybodyVersion), Generation: uint64(r.everybodyGeneration), Settings: uint64(r.settings),
			GenerationAt: timeOf(r.everybodyAt), GenerationBy: r.everybodyBy.String,
		},
	}
	if len(r.clients) > 0 {
		if err := json.Unmarshal(r.clients, &st.Everybody.Clients); err != nil {
			return rollcall.Standing{}, fmt.Errorf("reading the generations of clients: %w", err)
		}
	}
	return st, nil
}

// A sessionRow is what a statement tells of a session. No part is there where a user has
// no session.
type sessionRow struct {
	id                                                                           pgtype.Text
	version, generation, everybody, absolute, idle                               pgtype.Int8
	secretHash, methods, metadata, requestDigest, usedKeys                       []byte
	created, updated, authenticated, expires, renewed, ended, lastAt, lastIdle   pgtype.Timestamptz
	clients                                                                      []string
	initialIP, lastIP                                                            *netip.Prefix
	initialASN, initialAgent, lastASN, lastAgent, endReason, endedBy, cookieMode pgtype.Text
}

func (r *sessionRow) targets() []any {
	return []any{
		&r.id, &r.version, &r.generation, &r.everybody, &r.secretHash, &r.created, &r.updated, &r.authenticated, &r.expires, &r.renewed,
		&r.absolute, &r.idle, &r.cookieMode, &r.methods, &r.clients, &r.metadata, &r.initialIP, &r.initialASN, &r.initialAgent, &r.requestDigest, &r.usedKeys,
		&r.ended, &r.endReason, &r.endedBy, &r.lastAt, &r.lastIdle, &r.lastIP, &r.lastASN, &r.lastAgent,
	}
}

func (r *sessionRow) session(userID string) (s rollcall.Session, err error) {
	s = rollcall.Session{
		ID: r.id.String, UserID: userID, Version: uint64(r.version.Int64),
		Generation: rollcall.Generation{User: uint64(r.generation.Int64), Everybody: uint64(r.everybody.Int64)},
		CreatedAt:  timeOf(r.created), UpdatedAt: timeOf(r.updated), AuthenticatedAt: timeOf(r.authenticated),
		ExpiresAt: timeOf(r.expires), RenewedAt: timeOf(r.renewed),
		Lifetimes:  rollcall.Lifetimes{Absolute: time.Duration(r.absolute.Int64), Idle: time.Duration(r.idle.Int64)},
		CookieMode: rollcall.CookieMode(r.cookieMode.String), Clients: r.clients,
		Initial: rollcall.Origin{IP: addressOf(r.initialIP), ASN: r.initialASN.String, UserAgent: r.initialAgent.String},
		Last: rollcall.Interaction{
			At: timeOf(r.lastAt), IdleExpiresAt: timeOf(r.lastIdle),
			Origin: rollcall.Origin{IP: addressOf(r.lastIP), ASN: r.lastASN.String, UserAgent: r.lastAgent.String},
		},
		EndedAt: timeOf(r.ended), EndReason: rollcall.Reason(r.endReason.String), EndedBy: r.endedBy.String,
	}
	if len(r.secretHash) != len(s.SecretHash) || r.requestDigest != nil && len(r.requestDigest) != len(s.RequestDigest) {
		return rollcall.Session{}, fmt.Errorf("the row of session %s has a digest that is none", s.ID)
	}
	copy(s.SecretHash[:], r.secretHash)
	copy(s.RequestDigest[:], r.requestDigest)
	if s.Methods, err = methodsOf(r.methods); err != nil {
		return rollcall.Session{}, err
	}
	if s.Metadata, err = metadataOf(r.metadata); err != nil {
		return rollcall.Session{}, err
	}
	s.UsedKeys, err = keysOf(r.usedKeys)
	return s, err
}

// selectSession reads the session whose id is $1, and selectShared those whose ids are in $1.
var (
	selectSession = sessionWhere("= $1")
	selectShared  = sessionWhere("= ANY ($1::text[])")
)

// sessionWhere spells a read of sessions that gives one row at least, of no session if none
// is found.
func sessionWhere(id string) *query {
	q := reading(sessionColumns+", "+userColumns+", "+everybodyColumns, `everybody e
LEFT JOIN (sessions s JOIN users u ON u.no = s.user_no LEFT JOIN uses l ON l.session_id = s.id) ON s.id `+id)
	return &q
}

// Session implements rollcall.Store: one statement, which calls at the same time share.
// What the caller believes saves nothing.
func (s *Store) Session(ctx context.Context, at rollcall.At) (rollcall.Session, rollcall.Standing, error) {
	if err := ctx.Err(); err != nil {
		return rollcall.Session{}, rollcall.Standing{}, err
	}
	if !isText(at.ID) {
		return rollcall.Session{}, rollcall.Standing{}, rollcall.ErrNoSession
	}
	b := s.checks.join(at.ID, s.readShared)
	select {
	case <-b.done:
	case <-ctx.Done():
		return rollcall.Session{}, rollcall.Standing{}, ctx.Err()
	}
	if b.err != nil {
		return rollcall.Session{}, rollcall.Standing{}, b.err
	}
	f, ok := b.found[at.ID]
	if !ok {
		return rollcall.Session{}, rollcall.Standing{}, rollcall.ErrNoSession
	}
	found, st, err := walked(&f.session, &f.standing, "")
	found.Clients = slices.Clone(found.Clients) // the one part that callers would share
	return found, st, err
}

// readShared reads the sessions of a batch.
func (s *Store) readShared(ctx context.Context, b *batch) {
	q, args := selectShared, []any{b.ids}
	if len(b.ids) == 1 {
		q, args = selectSession, []any{b.ids[0]}
	}
	b.err = s.read(ctx, "sessions", q, args, func(rows *answer) error {
		b.found = make(map[string]*foundSession, len(b.ids))
		for rows.Next() {
			var f foundSession
			if err := rows.Scan(append(f.session.targets(), f.standing.targets()...)...); err != nil {
				return err
			}
			if f.session.id.Valid {
				b.found[f.session.id.String] = &f
			}
		}
		return nil
	})
}

// walked is a session and its standing out of their rows.
func walked(session *sessionRow, standing *standingRow, userID string) (rollcall.Session, rollcall.Standing, error) {
	st, err := standing.standing(userID)
	if err != nil {
		return rollcall.Session{}, rollcall.Standing{}, err
	}
	found, err := session.session(st.User.ID)
	if err != nil {
		return rollcall.Session{}, rollcall.Standing{}, err
	}
	return found, st, nil
}

// selectSessions gives one row at least, for the standing. $2 says which sessions: those
// that are not ended, or both kinds, each read in the order of its index.
var selectSessions = reading(userColumns+`, `+everybodyColumns+`, t.*`, `everybody e LEFT JOIN users u ON u.id = $1 LEFT JOIN LATERAL (
  SELECT x.* FROM unnest($2::bool[]) k (ended) CROSS JOIN LATERAL (
    SELECT `+sessionColumns+`
    FROM sessions s LEFT JOIN uses l ON l.session_id = s.id
    WHERE s.user_no = u.no AND s.ended = k.ended AND s.created_at <= $3 AND (s.created_at < $3 OR s.id > $4)
    ORDER BY s.created_at DESC, s.id LIMIT $5
  ) x ORDER BY x.created_at DESC, x.id LIMIT $5
) t ON true ORDER BY t.created_at DESC, t.id`)

// Sessions implements rollcall.Store: one statement.
func (s *Store) Sessions(ctx context.Context, q rollcall.SessionsOf) (st rollcall.Standing, found []rollcall.Session, err error) {
	if err := ctx.Err(); err != nil {
		return rollcall.Standing{}, nil, err
	}
	if !isText(q.UserID) || !isText(q.After.ID) {
		return rollcall.Standing{}, nil, rollcall.Errorf(rollcall.CodeInternal, "Not a question: an id that is no text")
	}
	ended := []bool{false}
	if q.Ended {
		ended = append(ended, true)
	}
	after := moment(q.After.CreatedAt)
	if q.After == (rollcall.Position{}) {
		after.InfinityModifier = pgtype.Infinity
	}
	args := []any{q.UserID, ended, after, q.After.ID, q.Limit}
	err = s.read(ctx, "a user's sessions", &selectSessions, args, func(rows *answer) error {
		st, found = rollcall.Standing{}, nil
		return collectSessions(rows, q.UserID, &st, &found)
	})
	if err != nil {
		return rollcall.Standing{}, nil, err
	}
	return st, found, nil
}

// collectSessions reads the rows of selectSessions.
func collectSessions(rows *answer, userID string, st *rollcall.Standing, found *[]rollcall.Session) (err error) {
	for rows.Next() {
		var session sessionRow
		var standing standingRow
		if err := rows.Scan(append(standing.targets(), session.targets()...)...); err != nil {
			return err
		}
		if len(*found) == 0 {
			if *st, err = standing.standing(userID); err != nil {
				return err
			}
		}
		if !session.id.Valid {
			continue
		}
		one, err := session.session(st.User.ID)
		if err != nil {
			return err
		}
		*found = append(*found, one)
	}
	return nil
}

var selectDocument = reading(`coalesce(d.version, 0), d.body`, `(SELECT) x LEFT JOIN documents d ON d.name = $1`)

// Document implements rollcall.Store.
func (s *Store) Document(ctx context.Context, name string) (rollcall.Document, error) {
	d := rollcall.Document{Name: name}
	if err := ctx.Err(); err != nil {
		return rollcall.Document{}, err
	}
	if !isText(name) {
		return d, nil
	}
	err := s.read(ctx, "a document", &selectDocument, []any{name}, func(rows *answer) error {
		d.Version, d.Body = 0, nil
		for rows.Next() {
			var version int64
			if err := rows.Scan(&version, &d.Body); err != nil {
				return err
			}
			d.Version = uint64(version)
		}
		return nil
	})
	if err != nil {
		return rollcall.Document{}, err
	}
	return d, nil
}
