package postgres

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Schemes are what an address of PostgreSQL begins with, when it is a URL.
func Schemes() []string { return []string{"postgres://", "postgresql://"} }

// IsAddress reports whether a text is meant to be the URL of a PostgreSQL database.
func IsAddress(text string) bool {
	return slices.ContainsFunc(Schemes(), func(s string) bool { return strings.HasPrefix(text, s) })
}

// hidden stands in place of a password.
const hidden = "xxxxx"

// HidePassword returns the URL of a database with each password replaced, for people to
// read. Of a URL in which a password cannot be told from the rest, only the scheme is left.
func HidePassword(address string) string {
	scheme, rest, ok := strings.Cut(address, "://")
	if !ok || !IsAddress(address) {
		return hidden
	}
	userinfo := ""
	if i := strings.IndexAny(rest, "@/?#"); i >= 0 && rest[i] == '@' {
		userinfo, rest = rest[:i+1], rest[i+1:]
		if user, _, found := strings.Cut(userinfo, ":"); found {
			userinfo = user + ":" + hidden + "@"
		}
	}
	if strings.ContainsAny(rest, "@#") {
		return scheme + "://" + hidden
	}
	place, query, found := strings.Cut(rest, "?")
	if !found {
		return scheme + "://" + userinfo + place
	}
	settings := strings.Split(query, "&")
	for i, setting := range settings {
		name, _, _ := strings.Cut(setting, "=")
		plain, err := url.QueryUnescape(name)
		if err != nil || strings.Contains(strings.ToLower(plain), "password") {
			settings[i] = name + "=" + hidden
		}
	}
	return scheme + "://" + userinfo + place + "?" + strings.Join(settings, "&")
}

// HasPassword reports whether the URL of a database holds a password.
func HasPassword(address string) bool { return HidePassword(address) != address }

// CheckAddress returns what is wrong with an address, and with the files that the address
// and the environment name, without asking any server. The error holds no password.
func CheckAddress(address string) error {
	_, err := parse(address)
	return err
}

// badAddress tells what is wrong with an address by reading the address once more without
// its passwords.
func badAddress(address string, err error) error {
	if IsAddress(address) && HasPassword(address) {
		if _, err = parse(HidePassword(address)); err == nil {
			err = errors.New("its password is not written as a URL has it: spell each of : / ? # [ ] @ % as % and two digits, such as %2F for /")
		}
		return err
	}
	if !IsAddress(address) {
		err = errors.New("it is neither a URL nor a list of settings")
	}
	return fmt.Errorf("reading the address of PostgreSQL: %w", err)
}

// Connections returns how many connections a store opens at most.
func Connections(address string, o Options) (int, error) {
	config, err := o.parse(address)
	if err != nil {
		return 0, err
	}
	return int(config.MaxConns), nil
}

// Files returns the files that an address and the environment name, whether they are there
// or not: those that hold a secret, and those that decide whom to trust.
func Files(address string) (secrets, decides []string) {
	home, err := os.UserHomeDir()
	below := func(names ...string) string {
		if err != nil {
			return ""
		}
		return filepath.Join(append([]string{home}, names...)...)
	}
	for _, file := range []struct {
		setting, variable, otherwise string
		to                           *[]string
	}{
		{"passfile", "PGPASSFILE", below(".pgpass"), &secrets},
		{"sslkey", "PGSSLKEY", below(".postgresql", "postgresql.key"), &secrets},
		{"servicefile", "PGSERVICEFILE", below(".pg_service.conf"), &secrets},
		{"sslrootcert", "PGSSLROOTCERT", below(".postgresql", "root.crt"), &decides},
	} {
		path := queryValue(address, file.setting)
		if path == "" {
			path = os.Getenv(file.variable)
		}
		if path == "" {
			path = file.otherwise
		}
		if path != "" && path != "system" {
			*file.to = append(*file.to, path)
		}
	}
	return secrets, decides
}

// queryValue is the value of a name in the query of a URL, "" for none.
func queryValue(address, name string) string {
	_, query, _ := strings.Cut(address, "?")
	for part := range strings.SplitSeq(query, "&") {
		if n, value, _ := strings.Cut(part, "="); n == name {
			if plain, err := url.PathUnescape(value); err == nil {
				return plain
			}
		}
	}
	return ""
}
