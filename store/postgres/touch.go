package postgres

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/rollcall-id/rollcall"
)

// touchChunk is how many uses one statement writes.
const touchChunk = 500

var touchColumns = []column[rollcall.Touch]{
	col("session_id", "text", func(t *rollcall.Touch) string { return t.SessionID }),
	col("user_id", "text", func(t *rollcall.Touch) string { return t.UserID }),
	col("at", "timestamptz", func(t *rollcall.Touch) pgtype.Timestamptz { return moment(t.Interaction.At) }),
	col("idle_expires_at", "timestamptz", func(t *rollcall.Touch) pgtype.Timestamptz { return moment(t.Interaction.IdleExpiresAt) }),
	col("ip", "inet", func(t *rollcall.Touch) *netip.Prefix { return address(t.Interaction.Origin.IP) }),
	col("asn", "text", func(t *rollcall.Touch) pgtype.Text { return text(t.Interaction.Origin.ASN) }),
	col("agent", "text", func(t *rollcall.Touch) pgtype.Text { return text(t.Interaction.Origin.UserAgent) }),
}

// updateUses locks the uses in the order of their sessions' ids, as every other write
// does, and then moves them. A session that is ended or gone has no row in uses.
var updateUses = func() string {
	table, names := unnest(0, touchColumns)
	return `WITH k AS MATERIALIZED (
  SELECT p.* FROM ` + table + ` p (` + names + `)
  JOIN uses x ON x.session_id = p.session_id JOIN users u ON u.no = x.user_no AND u.id = p.user_id
  WHERE x.at < p.at ORDER BY x.session_id FOR NO KEY UPDATE OF x)
UPDATE uses x SET at = k.at, idle_expires_at = k.idle_expires_at, ip = k.ip, asn = k.asn, agent = k.agent
FROM k WHERE x.session_id = k.session_id AND x.at < k.at`
}()

// Touch implements rollcall.Store: one statement for every touchChunk sessions, each a
// commit of its own. What of an origin is no text, no address or no number is left out,
// so that one origin cannot keep other uses from being written.
func (s *Store) Touch(ctx context.Context, touches []rollcall.Touch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	latest := latestTouches(touches)
	if len(latest) == 0 {
		return nil
	}
	return s.write(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		for chunk := range slices.Chunk(latest, touchChunk) {
			if _, err := conn.Exec(ctx, updateUses, arrays(nil, touchColumns, chunk)...); err != nil {
				return err
			}
		}
		return nil
	})
}

// latestTouches returns one touch for each user and session, the one that counts, in the
// order of the sessions' ids.
func latestTouches(touches []rollcall.Touch) []rollcall.Touch {
	var latest []rollcall.Touch
	for _, t := range touches {
		if !isText(t.SessionID) || !isText(t.UserID) {
			continue // no session has such an id
		}
		o := &t.Interaction.Origin
		o.UserAgent = strings.ReplaceAll(strings.ToValidUTF8(o.UserAgent, "\uFFFD"), "\x00", "\uFFFD")
		if strings.Trim(o.ASN, "0123456789") != "" {
			o.ASN = ""
		}
		t.Interaction.At = moment(t.Interaction.At).Time
		latest = append(latest, t)
	}
	slices.SortStableFunc(latest, func(a, b rollcall.Touch) int {
		return cmp.Or(cmp.Compare(a.SessionID, b.SessionID), cmp.Compare(a.UserID, b.UserID), b.Interaction.At.Compare(a.Interaction.At))
	})
	return slices.CompactFunc(latest, func(a, b rollcall.Touch) bool { return a.SessionID == b.SessionID && a.UserID == b.UserID })
}
