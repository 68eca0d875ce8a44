package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rollcall-id/rollcall/internal/secretfile"
	"github.com/rollcall-id/rollcall/store/postgres"
)

// The engines, as the setting store names them; an address stands for PostgreSQL.
const (
	enginePebble   = "pebble"
	engineMemory   = "memory"
	enginePostgres = "PostgreSQL"
)

// engine is the engine of the store.
func (c *config) engine() string {
	switch text := c.text("store"); {
	case text == "":
		return enginePebble
	case postgres.IsAddress(text):
		return enginePostgres
	default:
		return text
	}
}

// checkStore checks the setting store. The error does not repeat the value, which may hold
// a password.
func checkStore(value any) error {
	text := value.(string)
	if postgres.IsAddress(text) || text == "" || text == enginePebble || text == engineMemory {
		return nil
	}
	return fmt.Errorf("must be %s, %s, or an address that begins with %s", enginePebble, engineMemory, strings.Join(postgres.Schemes(), " or "))
}

// hidePassword is how config print shows the setting store.
func hidePassword(value any) any {
	if text := value.(string); postgres.IsAddress(text) {
		return postgres.HidePassword(text)
	}
	return value
}

// When the tables are migrated by serve itself.
const (
	migrateNever  = "never"
	migrateEmpty  = "empty"
	migrateAlways = "always"
)

// judgeAddress judges a file from which the setting store was read, once it is known to hold
// a password.
func (c *config) judgeAddress(path string) error {
	if c.engine() != enginePostgres || !postgres.HasPassword(c.text("store")) {
		return nil
	}
	return c.judge(path, secretfile.Secret)
}

// databaseFiles are the files that the address of the store and the environment name.
func (c *config) databaseFiles() map[string]secretfile.Use {
	uses := map[string]secretfile.Use{}
	if c.engine() != enginePostgres {
		return uses
	}
	secrets, decides := postgres.Files(c.text("store"))
	for _, path := range decides {
		uses[path] = secretfile.Decides
	}
	for _, path := range secrets {
		uses[path] = secretfile.Secret
	}
	return uses
}

// databaseWarnings are those of settings that mean nothing, or something else, beside
// PostgreSQL.
func (c *config) databaseWarnings() (all []string) {
	if c.engine() != enginePostgres {
		for _, name := range []string{"store_max_connections", "store_mode", "store_pooler", "migrate"} {
			if c.sources[name] != "default" {
				all = append(all, name+" is for PostgreSQL alone; the store is "+c.engine())
			}
		}
		return all
	}
	if c.sources["store"] == "--store" && postgres.HasPassword(c.text("store")) {
		all = append(all, "the password in --store can be read by every process of this machine: set ROLLCALL_STORE_FILE, or PGPASSFILE")
	}
	for _, name := range []string{"min_free_disk", "cache_size"} {
		if c.sources[name] != "default" {
			all = append(all, name+" is for the embedded engine alone; the store is PostgreSQL")
		}
	}
	return all
}

// reaching bounds how long a command waits for a database that does not answer.
const reaching = 15 * time.Second

// diagnose looks at the database. An error says that it could not be asked.
func (c *config) diagnose(ctx context.Context) ([]postgres.Finding, error) {
	ctx, cancel := context.WithTimeout(ctx, reaching)
	defer cancel()
	connections, err := postgres.Connections(c.text("store"), postgresOptions(c, nil))
	if err != nil {
		return nil, err
	}
	return postgres.Diagnose(ctx, c.text("store"), connections)
}

// checkDatabase is what config check says of the database: what breaks a promise is an
// error, and a database that does not answer is a warning, since a check may run elsewhere.
func (c *config) checkDatabase(ctx context.Context) (warnings []string, err error) {
	if c.engine() != enginePostgres {
		return nil, nil
	}
	findings, err := c.diagnose(ctx)
	if err != nil {
		return []string{"the database could not be asked: " + err.Error()}, nil
	}
	var problems []error
	for _, f := range findings {
		if f.Problem {
			problems = append(problems, errors.New(f.Text))
			continue
		}
		warnings = append(warnings, f.Text)
	}
	if err := errors.Join(problems...); err != nil {
		return nil, fmt.Errorf("the database: %s", strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	return warnings, nil
}

// modeAuto leaves the mode of the store to what the server is set to.
const modeAuto = "auto"

func postgresOptions(cfg *config, log *slog.Logger) postgres.Options {
	o := postgres.Options{MaxConns: cfg.number("store_max_connections"), Pooler: cfg.flag("store_pooler"), Logger: log}
	if mode := cfg.text("store_mode"); mode != modeAuto {
		o.Mode = mode
	}
	return o
}

// openPostgres opens the database, whose tables are made or migrated first as the setting
// migrate has it.
func openPostgres(cfg *config, log *slog.Logger) (*postgres.Store, error) {
	address := cfg.text("store")
	ctx, cancel := context.WithTimeout(context.Background(), reaching)
	defer cancel()
	form, steps, err := postgres.Pending(ctx, address)
	if err != nil {
		return nil, err
	}
	switch mode := cfg.text("migrate"); {
	case mode == migrateAlways && len(steps) > 0:
		log.Info("migrating the database", "from", form, "to", form+len(steps))
		// Without an end of its own: another node may be at it.
		err = postgres.Migrate(context.Background(), address, func(m postgres.Migration) { log.Info("migrated the database", "to", m.Form, "name", m.Name) })
	case mode == migrateEmpty && form == 0:
		log.Info("the database is empty, making its tables")
		err = postgres.Create(context.Background(), address)
	}
	if err != nil {
		return nil, err
	}
	opening, cancel := context.WithTimeout(context.Background(), reaching)
	defer cancel()
	s, err := postgres.Open(opening, address, postgresOptions(cfg, log))
	if err == nil {
		log.Info("opened the database", "mode", s.Mode())
	}
	return s, err
}

// postgresCopies says what takes the place of commands that copy the embedded engine.
const postgresCopies = "the store is PostgreSQL, which is copied by its own means: pg_dump, or a base backup with its log for any moment; see Several nodes on PostgreSQL in docs/operations.md"

// onlyEmbedded refuses a command that is for the embedded engine alone.
func (c *config) onlyEmbedded() error {
	if c.engine() == enginePostgres {
		return usage(errors.New(postgresCopies))
	}
	return nil
}

func newMigrate() *cobra.Command {
	var plan, asJSON bool
	c := &cobra.Command{
		Use:   "migrate",
		Short: "Bring the tables of a PostgreSQL database to the form of this program",
		Long: `Bring the tables of a PostgreSQL database to the form that this program knows, or make
them in an empty one. Migrations lead forward alone. Each is one transaction, kept whole
or not at all, and is taken once, however many programs begin at the same moment; nodes of
the release before serve on meanwhile, and afterwards.

With --plan nothing is changed: each step is shown with what it locks and how long it takes.

A database that a later program has migrated is refused, as is one with tables of
something else.`,
		Example: `  rollcall migrate --config /etc/rollcall.yaml --plan
  rollcall migrate --store 'postgres://owner@db/rollcall?sslmode=verify-full'`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := loadConfig(c.Flags(), os.Environ())
			if err != nil {
				return err
			}
			if cfg.engine() != enginePostgres {
				return usage(fmt.Errorf("the store is %s, which has no tables to migrate: name a database with --store", cfg.engine()))
			}
			if err := cfg.judgeSecrets(); err != nil {
				return usage(err)
			}
			return migrate(c, cfg, plan, asJSON)
		},
	}
	addFlags(c.Flags(), "data", "store")
	c.Flags().BoolVar(&plan, "plan", false, "show what would be done, and do nothing")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// A step is a migration as it is printed.
type step struct {
	Form int    `json:"form"` // which the step leads to
	Name string `json:"name"`
	Note string `json:"note"`
}

func migrate(c *cobra.Command, cfg *config, plan, asJSON bool) error {
	out := output(c)
	ctx, cancel := context.WithTimeout(c.Context(), reaching)
	defer cancel()
	form, pending, err := postgres.Pending(ctx, cfg.text("store"))
	if err != nil {
		return err
	}
	steps := []step{}
	for _, m := range pending {
		steps = append(steps, step{m.Form, m.Name, m.Note})
	}
	if !plan {
		steps = []step{}
		err = postgres.Migrate(c.Context(), cfg.text("store"), func(m postgres.Migration) {
			steps = append(steps, step{m.Form, m.Name, m.Note})
			if !asJSON {
				fmt.Fprintf(out, "Took migration %d (%s).\n", m.Form, m.Name)
			}
		})
	}
	if asJSON {
		return errors.Join(err, printJSON(out, steps))
	}
	switch {
	case err != nil:
		return err
	case plan && len(steps) > 0:
		fmt.Fprintf(out, "The tables have form %d. To be done:\n", form)
		for _, s := range steps {
			fmt.Fprintf(out, "\nMigration %d (%s)\n  %s\n", s.Form, s.Name, strings.ReplaceAll(s.Note, "\n", "\n  "))
		}
	case len(steps) == 0:
		fmt.Fprintf(out, "There is nothing to do: the tables have form %d.\n", form)
	}
	return nil
}
