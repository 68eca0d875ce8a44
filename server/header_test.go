package server

import (
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"
)

// What is taken over from a request's headers into the log and the events is well
// formed and bounded, or nothing.
func FuzzRequestHeaders(f *testing.F) {
	const trace = "0af7651916cd43dd8448eb211c80319c"
	for _, seed := range []string{
		"00-" + trace + "-b7ad6b7169203331-01", "01-" + trace + "-b7ad6b7169203331-01-more", "00-" + trace + "-b7ad6b7169203331-01-more", "ff-" + trace + "-b7ad6b7169203331-01",
		"00-" + strings.Repeat("0", 32) + "-b7ad6b7169203331-01", "00-" + strings.ToUpper(trace) + "-b7ad6b7169203331-01", "", "abc-1", `x" evil`, strings.Repeat("ü", 100), "\xff",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		r := &http.Request{Header: http.Header{"Traceparent": {value}, "X-Request-Id": {value}, "X-Correlation-Id": {value}}, RemoteAddr: "192.0.2.1:1"}
		if id := traceID(r, nil); id != "" && (len(id) != 32 || !isLowerHex(id) || strings.Trim(id, "0") == "" || value[3:35] != id) {
			t.Errorf("%q is of trace %q", value, id)
		}
		if id := requestID(r); len(id) == 0 || len(id) > 64 || strings.ContainsAny(id, " \"\\\r\n\x00\x7f") {
			t.Errorf("%q has the id %q", value, id)
		}
		if by := (remote{}).caller(r); !utf8.ValidString(by.CorrelationID) || utf8.RuneCountInString(by.CorrelationID) > maxCorrelationID || by.ID != "" || by.Scopes != nil {
			t.Errorf("%q is of caller %+v", value, by)
		}
	})
}

func isLowerHex(s string) bool { return strings.Trim(s, "0123456789abcdef") == "" }
