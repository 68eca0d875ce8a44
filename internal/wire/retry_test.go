package wire_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/rollcall-id/rollcall/internal/wire"
)

func TestRetryAfterIsTheFewestSecondsThatAreEnough(t *testing.T) {
	for wait, want := range map[time.Duration]string{
		0: "1", time.Millisecond: "1", time.Second: "1", time.Second + 1: "2", 1500 * time.Millisecond: "2", 10 * time.Second: "10",
	} {
		h := http.Header{}
		wire.SetRetryAfter(h, wait)
		if got := h.Get("Retry-After"); got != want {
			t.Errorf("%v: %s, want %s", wait, got, want)
		}
	}
	whole := time.Unix(1_800_000_000, 0)
	for after, want := range map[time.Duration]int64{0: 0, 1: 1, time.Second - 1: 1, time.Second: 1} {
		if got := wire.UnixCeil(whole.Add(after)) - whole.Unix(); got != want {
			t.Errorf("%v: %d, want %d", after, got, want)
		}
	}
}
