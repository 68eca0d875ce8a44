package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"
	"time"
)

// An answer is one that our server has given, as the floor gives it again.
type answer struct {
	Status int         `json:"status"`
	Header http.Header `json:"header"`
	Body   []byte      `json:"body"`
}

// floorCommand serves the answers that it reads from its standard input, one after
// the other, whatever it is asked: the same bytes with the same headers, and
// nothing else that a server must do.
func floorCommand(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("floor", flag.ContinueOnError)
	listen := f.String("listen", "127.0.0.1:0", "address on loopback")
	if err := parse(f, args); err != nil {
		return err
	}
	var answers []answer
	if err := json.NewDecoder(os.Stdin).Decode(&answers); err != nil {
		return err
	}
	if len(answers) == 0 {
		return errors.New("the floor has no answer to give")
	}
	s := &http.Server{Addr: *listen, Handler: bare(answers), ReadHeaderTimeout: 5 * time.Second}
	go func() { <-ctx.Done(); _ = s.Close() }()
	if err := s.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// bare is the handler. net/http adds Date by itself, on both sides, and the length
// of an answer without a body.
func bare(answers []answer) http.HandlerFunc {
	for i := range answers {
		a := &answers[i]
		delete(a.Header, "Date")
		if delete(a.Header, "Content-Length"); len(a.Body) > 0 {
			a.Header["Content-Length"] = []string{strconv.Itoa(len(a.Body))}
		}
	}
	var next atomic.Uint64
	return func(w http.ResponseWriter, _ *http.Request) {
		a := &answers[next.Add(1)%uint64(len(answers))]
		h := w.Header()
		for name, values := range a.Header {
			h[name] = values
		}
		w.WriteHeader(a.Status)
		if len(a.Body) > 0 {
			_, _ = w.Write(a.Body) // a client that has gone away is no error of ours
		}
	}
}
