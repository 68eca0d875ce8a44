package main

import (
	"crypto/sha256"
	"fmt"
	"strings"

	"github.com/rollcall-id/rollcall/oauth"
)

// parseClients reads the file's declarations of clients. judge has its say on files that they
// name.
func parseClients(value any, judge func(path string) error) ([]oauth.Client, error) {
	list, ok := value.([]any)
	if !ok {
		return nil, fmt.Errorf("%s: must be a list", clientsKey)
	}
	var clients []oauth.Client
	for i, item := range list {
		c, err := parseClient(item, judge)
		if err == nil {
			err = c.Check()
		}
		if err != nil {
			return nil, fmt.Errorf("%s[%d]: %w", clientsKey, i, err)
		}
		clients = append(clients, c)
	}
	return clients, nil
}

func parseClient(item any, judge func(path string) error) (c oauth.Client, err error) {
	fields, ok := item.(map[string]any)
	if !ok {
		return c, fmt.Errorf("must have client_id, client_secret_sha256 and scopes")
	}
	for name, value := range fields {
		switch name {
		case "client_id":
			c.ID = fmt.Sprint(value)
		case "name":
			c.Name = fmt.Sprint(value)
		case "client_secret":
			return c, fmt.Errorf("a secret does not belong into a file: set client_secret_sha256, as `rollcall client new` prints it")
		case "client_secret_sha256":
			c.SecretHashes, err = parseHashes(value)
		case "public_key_file":
			if err = judge(fmt.Sprint(value)); err == nil {
				c.Keys, err = oauth.ReadPublicKeys(fmt.Sprint(value))
			}
		case "scopes":
			c.Scopes, err = words(value)
		default:
			err = fmt.Errorf("there is no key %q", name)
		}
		if err != nil {
			return c, err
		}
	}
	return c, nil
}

func parseHashes(value any) (hashes [][sha256.Size]byte, err error) {
	texts, err := words(value)
	for _, text := range texts {
		hash, bad := oauth.ParseSecretHash(text)
		if bad != nil {
			return nil, bad
		}
		hashes = append(hashes, hash)
	}
	return hashes, err
}

// words reads a list of texts, or a text of words.
func words(value any) ([]string, error) {
	list, ok := value.([]any)
	if !ok {
		return strings.Fields(fmt.Sprint(value)), nil
	}
	var out []string
	for _, item := range list {
		text, ok := item.(string)
		if !ok {
			return nil, fmt.Errorf("must be a list of texts")
		}
		out = append(out, text)
	}
	return out, nil
}
