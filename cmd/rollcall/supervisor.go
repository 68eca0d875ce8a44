package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"time"
)

// notify tells the supervisor, if there is one, in the form of sd_notify(3).
func notify(state string, log *slog.Logger) {
	address := os.Getenv("NOTIFY_SOCKET")
	if address == "" {
		return
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: address, Net: "unixgram"}) // @ begins an abstract name there as well
	if err == nil {
		_, err = c.Write([]byte(state))
		_ = c.Close()
	}
	if err != nil {
		log.Warn("the supervisor cannot be told", "state", state, "error", err)
	}
}

// supervised tells the supervisor that the server is ready, then at half of its watchdog's
// interval that the server runs, and once ctx is done that it stops.
func supervised(ctx context.Context, log *slog.Logger) {
	notify("READY=1", log)
	defer notify("STOPPING=1", log)
	interval := watchdogInterval()
	if interval == 0 {
		<-ctx.Done()
		return
	}
	t := time.NewTicker(interval / 2)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			notify("WATCHDOG=1", log)
		}
	}
}

// watchdogInterval is how often the supervisor wants to hear of this process, 0 for never.
func watchdogInterval() time.Duration {
	if pid := os.Getenv("WATCHDOG_PID"); pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return 0
	}
	µs, err := strconv.ParseInt(os.Getenv("WATCHDOG_USEC"), 10, 64)
	if err != nil || µs <= 0 {
		return 0
	}
	return time.Duration(µs) * time.Microsecond
}

// reloading tells the supervisor that a reload begins; what is returned tells that it has ended.
func reloading(log *slog.Logger) (done func()) {
	notify(fmt.Sprintf("RELOADING=1\nMONOTONIC_USEC=%d", monotonic().Microseconds()), log)
	return func() { notify("READY=1", log) }
}
