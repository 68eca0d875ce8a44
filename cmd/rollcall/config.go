package main

import (
	"fmt"
	"log/slog"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/oauth"
)

// A config is every setting with where it comes from: flag over environment over
// file over default. again reads the same sources once more; nil when they are not
// all there is.
type config struct {
	values  map[string]any    // by the key's name
	sources map[string]string // by the key's name, for people
	clients []oauth.Client
	issuers []oauth.TrustedIssuer
	levels  []rollcall.Level // nil when the file has none: the presets
	level   slog.LevelVar    // what the logger goes by
	// reachable says of files that hold or decide secrets who else reaches them.
	reachable []string
	again     func() (*config, error)
}

// addFlags gives a command a flag for each key of the table, or for those that
// are named.
func addFlags(flags *pflag.FlagSet, names ...string) {
	flags.String("config", "", "configuration file (YAML)")
	if len(names) == 0 {
		for _, name := range declarations() {
			flags.String(name, "", "list of "+name+" in YAML or JSON, as the file has it")
		}
	}
	for _, k := range keys() {
		if len(names) > 0 && !slices.Contains(names, k.name) {
			continue
		}
		switch v := k.value.(type) {
		case string:
			flags.String(k.flag(), v, k.help)
		case bool:
			flags.Bool(k.flag(), v, k.help)
		case int:
			flags.Int(k.flag(), v, k.help)
		case []string:
			flags.StringSlice(k.flag(), v, k.help)
		case time.Duration:
			flags.Duration(k.flag(), v, k.help)
		}
	}
}

// loadConfig reads every source. What is unknown or does not fit is refused, with
// its key and its source.
func loadConfig(flags *pflag.FlagSet, environ []string) (*config, error) {
	c := &config{values: map[string]any{}, sources: map[string]string{}}
	c.again = func() (*config, error) { return loadConfig(flags, environ) }
	for _, k := range keys() {
		c.values[k.name], c.sources[k.name] = k.value, "default"
	}
	for _, name := range declarations() {
		c.sources[name] = "default"
	}
	path, err := flags.GetString("config")
	if err != nil {
		return nil, err
	}
	if path == "" {
		path = lookup(environ, envPrefix+"CONFIG")
	}
	if path != "" {
		if err := c.readFile(path); err != nil {
			return nil, usage(err)
		}
	}
	if err := c.readEnvironment(environ); err != nil {
		return nil, usage(err)
	}
	return c, usage(c.readFlags(flags))
}

func (c *config) readFile(path string) error {
	if err := c.decides(path); err != nil {
		return fmt.Errorf("reading the configuration file: %w", err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("reading the configuration file: %w", err)
	}
	if err := c.readYAML(path, data); err != nil {
		return err
	}
	return c.judgeAddress(path)
}

// readYAML reads what a file of this path holds.
func (c *config) readYAML(path string, data []byte) error {
	settings := map[string]any{}
	if err := yaml.Unmarshal(data, &settings); err != nil {
		return fmt.Errorf("reading the configuration file %s: %s", path, strings.ReplaceAll(err.Error(), "\n", " "))
	}
	for name, value := range settings {
		var err error
		if slices.Contains(declarations(), name) {
			err = c.declare(name, value, path)
		} else {
			err = c.set(name, value, path)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}

// declare takes a declaration from a source, in the place of that of a lesser one.
func (c *config) declare(name string, value any, source string) (err error) {
	switch name {
	case clientsKey:
		c.clients, err = parseClients(value, c.decides)
	case issuersKey:
		c.issuers, err = parseIssuers(value, c.decides)
	case levelsKey:
		c.levels, err = parseLevels(value)
	}
	c.sources[name] = source
	return err
}

// declareText is declare for a text in YAML or JSON.
func (c *config) declareText(name, text, source string) error {
	var value any
	if err := yaml.Unmarshal([]byte(text), &value); err != nil {
		return fmt.Errorf("%s: %s", name, strings.ReplaceAll(err.Error(), "\n", " "))
	}
	return c.declare(name, value, source)
}

// readEnvironment reads ROLLCALL_ variables, and the files that their _FILE forms
// name. ROLLCALL_CONFIG, ROLLCALL_URL, ROLLCALL_CA and ROLLCALL_TOKEN belong to
// the commands, and what isInjected knows to nobody.
func (c *config) readEnvironment(environ []string) error {
	for _, variable := range environ {
		name, value, _ := strings.Cut(variable, "=")
		if !strings.HasPrefix(name, envPrefix) {
			continue
		}
		if isCommandVariable(name) || isInjected(name, value) {
			continue
		}
		key := strings.ToLower(strings.TrimPrefix(name, envPrefix))
		file := ""
		if base, isFile := strings.CutSuffix(key, "_file"); isFile {
			file = value
			if err := c.decides(value); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			data, err := os.ReadFile(value)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			key, value = base, string(data)
			if !slices.Contains(declarations(), key) { // in YAML the first indent counts
				value = strings.TrimSpace(value)
			}
		}
		var err error
		if slices.Contains(declarations(), key) {
			err = c.declareText(key, value, name)
		} else {
			err = c.set(key, value, name)
		}
		if err == nil && file != "" && key == "store" {
			err = c.judgeAddress(file)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func isCommandVariable(name string) bool {
	return slices.Contains([]string{"CONFIG", "URL", "CA", "TOKEN", "TOKEN_FILE"}, strings.TrimPrefix(name, envPrefix)) ||
		strings.HasPrefix(name, envPrefix+"TEST_")
}

func (c *config) readFlags(flags *pflag.FlagSet) error {
	var err error
	for _, name := range declarations() {
		if f := flags.Lookup(name); f != nil && f.Changed && err == nil {
			if err = c.declareText(name, f.Value.String(), "--"+name); err != nil {
				err = fmt.Errorf("--%s: %w", name, err)
			}
		}
	}
	for _, k := range keys() {
		f := flags.Lookup(k.flag())
		if f == nil || !f.Changed || err != nil {
			continue
		}
		var value any = f.Value.String()
		if list, ok := f.Value.(pflag.SliceValue); ok {
			value = list.GetSlice()
		}
		if err = c.set(k.name, value, "--"+k.flag()); err != nil {
			err = fmt.Errorf("--%s: %w", k.flag(), err)
		}
	}
	return err
}

// set gives a key a value from a source, if both fit.
func (c *config) set(name string, value any, source string) error {
	at := slices.IndexFunc(keys(), func(k key) bool { return k.name == name })
	if at < 0 {
		return fmt.Errorf("there is no key %q", name)
	}
	k := keys()[at]
	parsed, err := convert(k.value, value)
	if err == nil && k.check != nil {
		err = k.check(parsed)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	c.values[name], c.sources[name] = parsed, source
	return nil
}

// convert makes of a value, as a file or a text has it, one of the type of want.
func convert(want, value any) (any, error) {
	if list, ok := value.([]any); ok {
		texts := make([]string, len(list))
		for i := range list {
			texts[i] = fmt.Sprint(list[i])
		}
		value = texts
	}
	if list, ok := value.([]string); ok {
		if _, wanted := want.([]string); !wanted {
			return nil, fmt.Errorf("must not be a list")
		}
		return list, nil
	}
	if value == nil || reflect.TypeOf(value).Kind() == reflect.Map {
		return nil, fmt.Errorf("must be a single value")
	}
	text := fmt.Sprint(value)
	switch want.(type) {
	case bool:
		b, err := strconv.ParseBool(text)
		return b, reword(err, "must be true or false")
	case int:
		n, err := strconv.Atoi(text)
		return n, reword(err, "must be a whole number")
	case time.Duration:
		d, err := time.ParseDuration(text)
		return d, reword(err, "must be a duration such as 90s, 15m or 72h")
	case []string:
		if text == "" {
			return []string{}, nil
		}
		return strings.Split(text, ","), nil
	}
	return text, nil
}

func reword(err error, text string) error {
	if err != nil {
		return fmt.Errorf("%s", text)
	}
	return nil
}

func lookup(environ []string, name string) string {
	for _, variable := range environ {
		if value, ok := strings.CutPrefix(variable, name+"="); ok {
			return value
		}
	}
	return ""
}

func (c *config) text(name string) string            { return c.values[name].(string) }
func (c *config) list(name string) []string          { return c.values[name].([]string) }
func (c *config) number(name string) int             { return c.values[name].(int) }
func (c *config) duration(name string) time.Duration { return c.values[name].(time.Duration) }
func (c *config) flag(name string) bool              { return c.values[name].(bool) }

// address is a listener's, "" when it is switched off.
func (c *config) address(name string) string {
	if a := c.text(name); a != "off" {
		return a
	}
	return ""
}
