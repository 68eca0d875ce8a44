package server

import (
	"net/http"
	"reflect"
	"testing"
)

// Without traces, what serves a request is what serves it otherwise: traced returns the very
// handler that it was given.
func TestWithoutTracesTheHandlerIsTheSame(t *testing.T) {
	d := newDoors(t)
	h := http.NewServeMux()
	if got := d.traced(h, d.remote()); got != http.Handler(h) {
		t.Errorf("it is %v", reflect.TypeOf(got))
	}
}
