package wire

import (
	"net/http"
	"strconv"
	"time"
)

// SetRetryAfter has an answer say when to ask again: in whole seconds, the fewest that are
// enough, and at least 1 (docs/published-api.md P29).
func SetRetryAfter(h http.Header, wait time.Duration) {
	seconds := int64(max(wait, time.Second)+time.Second-1) / int64(time.Second)
	h.Set("Retry-After", strconv.FormatInt(seconds, 10))
}

// UnixCeil is the first whole second, in UNIX time, that is not before an instant
// (docs/published-api.md P28).
func UnixCeil(t time.Time) int64 {
	if t.Nanosecond() > 0 {
		return t.Unix() + 1
	}
	return t.Unix()
}
