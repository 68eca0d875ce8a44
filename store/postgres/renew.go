package postgres

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// renumber gives every event a place in transaction 1, which no server hands out: those
// that wrote a restored copy's events are no transactions of the server that has the copy.
const renumber = `WITH base AS (SELECT coalesce(max(seq), 0) AS seq FROM events WHERE xid = '1'),
n AS (SELECT xid, seq, row_number() OVER (ORDER BY xid, seq) AS o FROM events),
m AS (
  UPDATE meta SET incarnation = $1, removed_xid = CASE WHEN removed_xid = '0' THEN '0'::xid8 ELSE '1' END,
    removed_seq = CASE WHEN removed_xid = '0' THEN 0 ELSE base.seq END FROM base)
UPDATE events v SET xid = '1', seq = base.seq + n.o FROM base, n WHERE v.xid = n.xid AND v.seq = n.seq`

// Renew makes a store of its own of a database that was copied or restored: a reader with
// a position of the other store is told what it missed. No store may be open on the
// database meanwhile.
//
// Errors: ErrNotMigrated, ErrNewer and ErrForeign, when nothing changed.
func Renew(ctx context.Context, address string) error {
	conn, err := connect(ctx, address)
	if err != nil {
		return err
	}
	defer conn.close(ctx)
	err = conn.transact(ctx, func(tx pgx.Tx) error {
		if err := checkForm(ctx, tx); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `LOCK TABLE events IN EXCLUSIVE MODE`); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, renumber, newIncarnation())
		return err
	})
	if err != nil {
		return fmt.Errorf("renewing the store: %w", err)
	}
	return nil
}

func newIncarnation() int64 {
	var b [8]byte
	rand.Read(b[:])
	return int64(binary.BigEndian.Uint64(b[:]))
}
