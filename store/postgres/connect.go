package postgres

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// A connection is one outside of any pool, for what is done once. Nothing on it outlives a
// transaction, so that a pooler may hand each transaction to another connection.
type connection struct{ *pgx.Conn }

// oldest is the oldest version of PostgreSQL that has what the statements use.
const oldest = 13

func connect(ctx context.Context, address string) (connection, error) {
	config, err := parse(address)
	if err != nil {
		return connection{}, err
	}
	config.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeExec
	conn, err := pgx.ConnectConfig(ctx, config.ConnConfig)
	if err != nil {
		return connection{}, fmt.Errorf("connecting to PostgreSQL: %w", err)
	}
	c := connection{conn}
	version := conn.PgConn().ParameterStatus("server_version")
	major, _, _ := strings.Cut(version, ".")
	if n, err := strconv.Atoi(major); err == nil && n < oldest {
		c.close(ctx)
		return connection{}, fmt.Errorf("PostgreSQL %s is too old: %d or later is needed", version, oldest)
	}
	return c, nil
}

func (c connection) close(ctx context.Context) { _ = c.Close(context.WithoutCancel(ctx)) }

// transact runs do in a transaction whose statements each see what was committed before the
// statement, whatever the database's defaults are.
func (c connection) transact(ctx context.Context, do func(pgx.Tx) error) error {
	return pgx.BeginTxFunc(ctx, c, pgx.TxOptions{IsoLevel: pgx.ReadCommitted, AccessMode: pgx.ReadWrite}, do)
}

// parse reads an address. The error holds no password.
func parse(address string) (*pgxpool.Config, error) {
	config, err := pgxpool.ParseConfig(address)
	if err != nil {
		return nil, badAddress(address, err)
	}
	return config, nil
}

// parse reads the address of a pool.
func (o *Options) parse(address string) (*pgxpool.Config, error) {
	config, err := parse(address)
	if err == nil && o.MaxConns > 0 {
		config.MaxConns = int32(o.MaxConns)
	}
	return config, err
}
