package postgres

import (
	"cmp"
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Migrations are numbered from 1, and lead forward alone: each takes the tables from the
// form of the number before to its own. A file is never changed once it was released. It
// begins with a comment for whoever runs the database: what is done, what is locked, and
// how long 1,000,000 sessions take. Each runs in one transaction, so none can make an index
// CONCURRENTLY. The statements of the release before go on working on the tables that a
// migration leaves: nodes of that release serve until they are stopped.
//
//go:embed migrations/*.sql
var migrationFiles embed.FS

// What a database can be other than good. In each case nothing was changed.
var (
	// ErrNotMigrated is of a database that is empty or has tables of an earlier form.
	ErrNotMigrated = errors.New("the database is not migrated")
	// ErrNewer is of a database whose tables a later program has migrated.
	ErrNewer = errors.New("the database is newer than this program")
	// ErrForeign is of a database that holds tables of somebody else.
	ErrForeign = errors.New("the database is not Rollcall's")
)

// A Migration is one step from a form of the tables to the next.
type Migration struct {
	Form int    // which the step leads to
	Name string // of its file, without number and ending
	Note string // for whoever runs the database: what is locked, and for how long
	sql  string
}

// readMigrations reads the steps in their order.
func readMigrations(files fs.FS) (steps []Migration, err error) {
	names, err := fs.Glob(files, "migrations/*.sql")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		number, title, _ := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(name, "migrations/"), ".sql"), "-")
		m := Migration{Name: title, sql: string(text)}
		if m.Form, err = strconv.Atoi(number); err != nil {
			return nil, fmt.Errorf("%s has no number", name)
		}
		var note []string
		for line := range strings.Lines(m.sql) {
			line, isNote := strings.CutPrefix(strings.TrimSpace(line), "-- ")
			if !isNote {
				break
			}
			note = append(note, line)
		}
		m.Note = strings.Join(note, "\n")
		steps = append(steps, m)
	}
	slices.SortFunc(steps, func(a, b Migration) int { return cmp.Compare(a.Form, b.Form) })
	for i, m := range steps {
		if m.Form != i+1 {
			return nil, fmt.Errorf("migration %d is missing", i+1)
		}
	}
	return steps, nil
}

// migrations are the steps of this program.
var migrations = func() []Migration {
	steps, err := readMigrations(migrationFiles)
	if err != nil {
		panic(err) // by the files of the program itself
	}
	return steps
}()

// Pending returns the form that a database has, 0 for an empty one, and the steps that
// Migrate would take. It changes nothing.
//
// Errors: ErrNewer, ErrForeign.
func Pending(ctx context.Context, address string) (form int, steps []Migration, err error) {
	conn, err := connect(ctx, address)
	if err != nil {
		return 0, nil, err
	}
	defer conn.close(ctx)
	if form, err = formOf(ctx, conn); err == nil {
		steps, err = after(form)
	}
	return form, steps, err
}

// after are the steps that follow a form.
func after(form int) ([]Migration, error) {
	if form > len(migrations) {
		return nil, fmt.Errorf("%w: its tables have form %d, this program knows form %d: run a later version of Rollcall", ErrNewer, form, len(migrations))
	}
	return migrations[form:], nil
}

// Create makes the tables in an empty database, all or none of them. A database with tables
// of Rollcall is left as it is, whatever their form.
//
// Errors: ErrForeign.
func Create(ctx context.Context, address string) error {
	err := migrate(ctx, address, func(form int) ([]Migration, error) {
		if form > 0 {
			return nil, nil
		}
		return after(0)
	}, nil)
	if err != nil {
		return fmt.Errorf("creating the tables: %w", err)
	}
	return nil
}

// Migrate takes a database to the form that this program knows, and calls done, unless
// done is nil, after each step that is committed. A step that fails changes nothing, and
// those before stay. Several programs may call Migrate at once: each step is taken once.
//
// A step waits up to three seconds for a table that others use, and fails then: whoever
// asks for the table meanwhile waits behind the step.
//
// Errors: ErrNewer, ErrForeign.
func Migrate(ctx context.Context, address string, done func(Migration)) error {
	err := migrate(ctx, address, func(form int) ([]Migration, error) {
		steps, err := after(form)
		if form > 0 && len(steps) > 0 {
			steps = steps[:1] // others wait for the locks of one step, not of all
		}
		return steps, err
	}, done)
	if err != nil {
		return fmt.Errorf("migrating: %w", err)
	}
	return nil
}

// migrate takes the steps that next names for a form, in one transaction, until there are
// none.
func migrate(ctx context.Context, address string, next func(form int) ([]Migration, error), done func(Migration)) error {
	conn, err := connect(ctx, address)
	if err != nil {
		return err
	}
	defer conn.close(ctx)
	for {
		var taken []Migration
		err := conn.transact(ctx, func(tx pgx.Tx) error {
			form, err := lockForm(ctx, tx)
			if err != nil {
				return err
			}
			if taken, err = next(form); err != nil {
				return err
			}
			for _, step := range taken {
				if err := step.take(ctx, tx); err != nil {
					return fmt.Errorf("migration %d (%s), nothing of which was kept: %w", step.Form, step.Name, explained(err))
				}
			}
			return nil
		})
		if err != nil || len(taken) == 0 {
			return err
		}
		for _, step := range taken {
			if done != nil {
				done(step)
			}
		}
	}
}

// lockMigrations waits, until the transaction ends, for others that migrate the database. A
// lock that belongs to the transaction holds through a pooler as well; a session's does not.
// Locks with two numbers are apart from those with one, which are of users.
const lockMigrations = `SELECT pg_advisory_xact_lock(1919904876, 1)`

// lockForm waits for others that migrate, and returns the form that the database then has.
func lockForm(ctx context.Context, tx pgx.Tx) (form int, err error) {
	for _, sql := range []string{
		`SET LOCAL lock_timeout = 0`, `SET LOCAL statement_timeout = 0`, `SET LOCAL idle_in_transaction_session_timeout = 0`,
		lockMigrations, `SET LOCAL lock_timeout = '3s'`,
	} {
		if _, err := tx.Exec(ctx, sql); err != nil {
			return 0, err
		}
	}
	return formOf(ctx, tx)
}

func (m *Migration) take(ctx context.Context, tx pgx.Tx) error {
	if _, err := tx.Exec(ctx, m.sql, pgx.QueryExecModeSimpleProtocol); err != nil {
		return err
	}
	if m.Form == 1 {
		_, err := tx.Exec(ctx, `INSERT INTO meta (form, incarnation) VALUES (1, $1)`, newIncarnation())
		return err
	}
	_, err := tx.Exec(ctx, `UPDATE meta SET form = $1`, m.Form)
	return err
}

// explained adds to an error what is to be done about it.
func explained(err error) error {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return err
	}
	switch pg.Code {
	case "55P03": // lock_not_available
		return fmt.Errorf("%w: another transaction uses the table and does not end; repeat, or end that one", err)
	case "42501": // insufficient_privilege
		return fmt.Errorf("%w: migrate as the role that owns the database, or grant this one CREATE on the schema", err)
	case "25006": // read_only_sql_transaction
		return fmt.Errorf("%w: this is a standby, or made read-only; name the primary", err)
	}
	return err
}

// selectKind tells of the schema in which tables are made: its name, how much is in it but
// for what belongs to extensions, and how many columns of meta are ours.
const selectKind = `SELECT n.nspname,
  (SELECT count(*) FROM pg_class c WHERE c.relnamespace = n.oid AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')),
  (SELECT count(*) FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND NOT a.attisdropped
    WHERE c.relnamespace = n.oid AND c.relname = 'meta' AND c.relkind = 'r' AND a.attname IN ('one', 'form', 'incarnation', 'removed_xid', 'removed_seq'))
FROM pg_namespace n WHERE n.nspname = current_schema()`

// formOf returns the form that a database has, 0 for an empty one. Error: ErrForeign.
func formOf(ctx context.Context, q querier) (form int, err error) {
	var schema string
	var relations, columns int
	err = q.QueryRow(ctx, selectKind).Scan(&schema, &relations, &columns)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return 0, errors.New("search_path names no schema that exists and that this role may use")
	case err != nil:
		return 0, fmt.Errorf("looking at the tables: %w", err)
	case relations == 0:
		return 0, nil
	case columns != 5:
		return 0, fmt.Errorf("%w: the schema %s holds tables of something else: name a database, or a schema in search_path, of Rollcall's own", ErrForeign, schema)
	}
	if err := q.QueryRow(ctx, `SELECT form FROM meta`).Scan(&form); err != nil {
		return 0, fmt.Errorf("reading the form of the tables: %w", err)
	}
	if form < 1 {
		return 0, fmt.Errorf("%w: the table meta says form %d, which no program makes", ErrForeign, form)
	}
	return form, nil
}

// checkForm refuses a database of another form than the one this program knows.
//
// Errors: ErrNotMigrated, ErrNewer, ErrForeign.
func checkForm(ctx context.Context, q querier) error {
	form, err := formOf(ctx, q)
	if err != nil {
		return err
	}
	steps, err := after(form)
	switch {
	case err != nil:
		return err
	case form == 0:
		return fmt.Errorf("%w: it is empty: migrate it (rollcall migrate)", ErrNotMigrated)
	case len(steps) > 0:
		return fmt.Errorf("%w: its tables have form %d, this program needs form %d: migrate it (rollcall migrate)", ErrNotMigrated, form, len(migrations))
	}
	return nil
}
