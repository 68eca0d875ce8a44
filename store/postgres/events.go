package postgres

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/rollcall-id/rollcall"
)

// A position is a place in the log of events, spelled as three numbers of 16 hexadecimal
// digits, so that positions of one incarnation rise as texts do. The number of the
// transaction comes before the place in it: a transaction that is under way can only add
// events behind those of every transaction that ended before its number was drawn.
type position struct {
	incarnation, xid, seq uint64
}

func (p position) String() string {
	return fmt.Sprintf("%016x-%016x-%016x", p.incarnation, p.xid, p.seq)
}

func (p position) before(other position) bool {
	return p.xid < other.xid || p.xid == other.xid && p.seq < other.seq
}

func parsePosition(s string) (position, error) {
	var numbers [3]uint64
	parts := strings.Split(s, "-")
	if len(parts) == len(numbers) {
		for i, part := range parts {
			numbers[i], _ = strconv.ParseUint(part, 16, 64)
		}
	}
	p := position{numbers[0], numbers[1], numbers[2]}
	if p.String() != s || int64(p.seq) < 0 {
		return position{}, fmt.Errorf("%w: %q", rollcall.ErrBadPosition, s)
	}
	return p, nil
}

// selectEvents reads events below the oldest transaction that has not ended, all of one
// snapshot with that bound. It gives one row at least, for the positions. A position of
// another incarnation stands for the log's beginning.
var selectEvents = reading(`m.incarnation, m.removed_xid, m.removed_seq, pg_snapshot_xmin(m.now), pg_snapshot_xmax(m.now), v.*`, `(SELECT *, pg_current_snapshot() AS now, CASE WHEN incarnation = $1 THEN $2::xid8 ELSE '0' END AS from_xid FROM meta OFFSET 0) m
LEFT JOIN LATERAL (
  SELECT v.xid, v.seq, v.number, u.id AS user_id, `+prefixed("v.", eventNames)+`
  FROM events v LEFT JOIN users u ON u.no = v.user_no
  WHERE (v.xid, v.seq) > (m.from_xid, $3::bigint) AND v.xid < pg_snapshot_xmin(m.now)
    AND ($4 = '' OR u.id = $4) AND (cardinality($5::text[]) = 0 OR v.type = ANY ($5))
  ORDER BY v.xid, v.seq LIMIT $6
) v ON true ORDER BY v.xid, v.seq`)

// Events implements rollcall.Store: one statement.
func (s *Store) Events(ctx context.Context, q rollcall.EventsAfter) (page rollcall.EventPage, err error) {
	if err := ctx.Err(); err != nil {
		return rollcall.EventPage{}, err
	}
	var after position
	if q.After != "" {
		if after, err = parsePosition(q.After); err != nil {
			return rollcall.EventPage{}, err
		}
	}
	types := make([]string, len(q.Types))
	for i, t := range q.Types {
		types[i] = string(t)
	}
	if !isText(q.UserID) || !isText(strings.Join(types, "")) {
		return rollcall.EventPage{}, rollcall.Errorf(rollcall.CodeInternal, "Not a question: what is no text")
	}
	args := []any{int64(after.incarnation), after.xid, int64(after.seq), q.UserID, types, q.Limit}
	var bounds boundsRow
	err = s.read(ctx, "events", &selectEvents, args, func(rows *answer) error {
		page = rollcall.EventPage{}
		for rows.Next() {
			var event eventRow
			if err := rows.Scan(append(bounds.targets(), event.targets()...)...); err != nil {
				return err
			}
			if event.xid.Valid {
				page.Events = append(page.Events, event.stored(uint64(bounds.incarnation)))
			}
		}
		return nil
	})
	if err != nil {
		return rollcall.EventPage{}, err
	}
	bounds.finish(&page, after, q)
	return page, nil
}

// A boundsRow is what each row of selectEvents says of the log as a whole.
type boundsRow struct {
	incarnation int64
	removedXID  uint64
	removedSeq  int64
	horizon     uint64 // number of the oldest transaction that has not ended
	head        uint64 // number above those of all transactions that have ended
}

func (r *boundsRow) targets() []any {
	return []any{&r.incarnation, &r.removedXID, &r.removedSeq, &r.horizon, &r.head}
}

// finish fills in a page's positions. A page that is full goes on behind its last event,
// every other one at the horizon.
func (r *boundsRow) finish(page *rollcall.EventPage, after position, q rollcall.EventsAfter) {
	removed := position{uint64(r.incarnation), r.removedXID, uint64(r.removedSeq)}
	foreign := q.After != "" && after.incarnation != removed.incarnation
	if foreign {
		after = position{}
	}
	after.incarnation = removed.incarnation
	page.Missed = foreign || after.before(removed)
	if page.Missed {
		after = removed
	}
	page.Head = position{xid: r.head, incarnation: removed.incarnation}.String()
	horizon := position{xid: r.horizon, incarnation: removed.incarnation}
	switch {
	case len(page.Events) > 0 && len(page.Events) >= q.Limit:
		page.Next = page.Events[len(page.Events)-1].Position
	case q.Limit > 0 && after.before(horizon):
		page.Next = horizon.String()
	default:
		page.Next = after.String()
	}
}

// An eventRow is what a statement tells of an event. No part is there where no event is.
type eventRow struct {
	xid                                                          pgtype.Uint64
	seq, number, count, generation, tokenGeneration              pgtype.Int8
	userID, id, kind, sessionID, except, clientID, reason, actor pgtype.Text
	actorKind, ip, userAgent, correlationID                      pgtype.Text
	at                                                           pgtype.Timestamptz
}

func (r *eventRow) targets() []any {
	return []any{
		&r.xid, &r.seq, &r.number, &r.userID, &r.id, &r.kind, &r.at, &r.sessionID, &r.except, &r.clientID, &r.reason,
		&r.count, &r.generation, &r.tokenGeneration, &r.actor, &r.actorKind, &r.ip, &r.userAgent, &r.correlationID,
	}
}

func (r *eventRow) stored(incarnation uint64) rollcall.StoredEvent {
	return rollcall.StoredEvent{
		Position: position{incarnation, r.xid.Uint64, uint64(r.seq.Int64)}.String(),
		Number:   uint64(r.number.Int64),
		Event: rollcall.Event{
			ID: r.id.String, Type: rollcall.EventType(r.kind.String), At: timeOf(r.at), UserID: r.userID.String,
			SessionID: r.sessionID.String, Except: r.except.String, ClientID: r.clientID.String, Reason: rollcall.Reason(r.reason.String),
			Count: int(r.count.Int64), Generation: uint64(r.generation.Int64), TokenGeneration: uint64(r.tokenGeneration.Int64),
			Actor: r.actor.String, ActorKind: rollcall.ActorKind(r.actorKind.String), IP: r.ip.String, UserAgent: r.userAgent.String, CorrelationID: r.correlationID.String,
		},
	}
}
