package main

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func freePort(host string) (string, error) {
	l, err := net.Listen("tcp", host+":0")
	if err != nil {
		return "", err
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, errors.Join(err, l.Close())
}

func TestCommandsFindAServerOnAnyLoopbackAddress(t *testing.T) {
	for _, host := range []string{"[::1]", "127.0.0.5", "localhost", "0.0.0.0"} {
		tls := host
		if host == "0.0.0.0" {
			tls = "127.0.0.1" // the local CA is for loopback alone
		}
		plainPort, err := freePort(host)
		tlsPort, tlsErr := freePort(tls)
		if err != nil || tlsErr != nil {
			t.Logf("%s: %v, %v", host, err, tlsErr) // not every machine has them all
			continue
		}
		dir := t.TempDir()
		data := filepath.Join(dir, "data")
		listen := []string{"--listen", host + ":" + plainPort, "--tls-listen", tls + ":" + tlsPort}
		p := serveOn(t, data, append(listen, "--behind-proxy")...)
		for name, found := range map[string][]string{
			"by the directory": {"--data", data},
			"by the settings":  append([]string{"--data", data}, listen...),
			"by the directory, with settings that take any port": {"--data", data, "--listen", host + ":0", "--tls-listen", tls + ":0"},
			"over TLS, by its URL":                               {"--data", data, "--url", p.tls},
		} {
			for _, args := range [][]string{{"healthcheck"}, {"sessions", "list", "auth0|1"}, {"backup", filepath.Join(dir, "copy.tar")}} {
				if out, errs, code := run(t, append(args, found...)...); code != 0 {
					t.Errorf("%s, %s: %v: exit %d %s%s", host, name, args, code, out, errs)
				}
			}
			if !slices.Contains(found, "--url") { // which token does not take
				token, errs, code := run(t, append([]string{"token", "--scope", "read:sessions"}, found...)...)
				if status := p.list(strings.TrimSpace(token)); code != 0 || status != 200 {
					t.Errorf("%s, %s: a token that is minted: exit %d %s, %d", host, name, code, errs, status)
				}
			}
		}
	}
}

func TestAFileThatSaysWhereTokensGoIsRefusedIfOthersCouldWriteIt(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	serveOn(t, data)
	if err := os.Chmod(filepath.Join(data, "server.json"), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"healthcheck"}, {"sessions", "list", "u"}, {"token", "--scope", "read:sessions"}} {
		if out, errs, code := run(t, append(args, "--data", data)...); code != exitUsage || !strings.Contains(errs, "others can change") || !strings.Contains(errs, "server.json") {
			t.Errorf("%v: exit %d %s%s", args, code, out, errs)
		}
	}
}
