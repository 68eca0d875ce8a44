package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
)

// profiled is how long a profile is: the floor has its turns too, in which the server
// idles.
const profiled = 6

// profile takes a profile of our server from now on, and returns what waits for
// it. It costs the server a little, so a run that is to be published takes none.
func (b *bench) profile(ctx context.Context, key string) (wait func() error) {
	if b.profiles == "" {
		return func() error { return nil }
	}
	ended := make(chan error, 1)
	go func() {
		ended <- fetchProfile(ctx, b.telemetry, filepath.Join(b.profiles, key+".pprof"))
	}()
	return func() error { return <-ended }
}

func fetchProfile(ctx context.Context, address, file string) error {
	url := fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", address, profiled)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	profile, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("taking a profile: %s: %.200s", answer.Status, profile)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, profile, 0o644)
}

// freeAddress is one that nobody listens at now; nobody else on this machine is asking
// for ports.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
