package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

func TestCommandsThatOnlyLookMakeNoFiles(t *testing.T) {
	for _, args := range [][]string{
		{"config", "check"},
		{"config", "print"},
		{"healthcheck"},
		{"token", "--scope", "read:sessions"},
		{"keys", "list"},
		{"keys", "rotate"},
		{"sessions", "list", "u"},
		{"backup", "x.tar"},
		{"store", "renew"},
		{"client", "new", "--id", "a", "--scope", "read:sessions"},
		{"version"},
	} {
		for _, folder := range []string{"", "rollcall-data", "rollcall-data/keys", "rollcall-data/store"} {
			dir := t.TempDir()
			if err := os.MkdirAll(filepath.Join(dir, folder), 0o700); err != nil {
				t.Fatal(err)
			}
			c := exec.Command(program, args...)
			c.Dir, c.Env = dir, append(os.Environ(), "ROLLCALL_LISTEN=127.0.0.1:1", "ROLLCALL_TLS_LISTEN=127.0.0.1:1")
			_ = c.Run() // there is no server, and no key
			files, err := filepath.Glob(filepath.Join(dir, "*"))
			if err != nil {
				t.Fatal(err)
			}
			for _, pattern := range []string{"*/*", "*/*/*"} {
				more, err := filepath.Glob(filepath.Join(dir, pattern))
				if err != nil {
					t.Fatal(err)
				}
				files = append(files, more...)
			}
			for _, file := range files {
				if path, _ := filepath.Rel(dir, file); len(path) > len(folder) || folder[:len(path)] != path {
					t.Errorf("%v with the folder %q makes %s", args, folder, path)
				}
			}
		}
	}
}
