package request

import (
	"net/http"
	"testing"
)

const browserAccept = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"

func TestOnlyABrowserOnItsWayToAPageIsOnOne(t *testing.T) {
	for _, c := range []struct {
		name    string
		method  string
		headers []string
		page    bool
	}{
		{"a browser", "GET", []string{"Accept", browserAccept, "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}, true},
		{"a frame", "GET", []string{"Accept", browserAccept, "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"}, true},
		{"a browser that says no more than the mode", "HEAD", []string{"Sec-Fetch-Mode", "navigate"}, true},
		{"a web view, which names its application", "GET", []string{"Accept", browserAccept, "X-Requested-With", "com.example.app", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}, true},
		{"an older browser", "GET", []string{"Accept", browserAccept}, true},
		{"capitals, spaces, a parameter", "GET", []string{"Accept", "application/json;q=1, Text/HTML ; level=1 ; Q=0.001"}, true},
		{"two lines", "GET", []string{"Accept", "application/json", "Accept", "text/html"}, true},
		{"a quality of 1.000", "GET", []string{"Accept", "text/html;q=1.000"}, true},

		{"a form", "POST", []string{"Accept", browserAccept, "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}, false},
		{"a preflight", "OPTIONS", []string{"Accept", "text/html", "Access-Control-Request-Method", "GET"}, false},
		{"a method in lower case", "get", []string{"Accept", browserAccept}, false},
		{"fetch of another origin", "GET", []string{"Accept", browserAccept, "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty"}, false},
		{"fetch of the same origin", "GET", []string{"Accept", browserAccept, "Sec-Fetch-Mode", "same-origin"}, false},
		{"an image", "GET", []string{"Accept", browserAccept, "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"}, false},
		{"a websocket", "GET", []string{"Accept", browserAccept, "Sec-Fetch-Mode", "websocket"}, false},
		{"an object in a page", "GET", []string{"Accept", browserAccept, "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "object"}, false},
		{"two modes", "GET", []string{"Accept", browserAccept, "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Mode", "cors"}, false},
		{"a mode in capitals", "GET", []string{"Accept", browserAccept, "Sec-Fetch-Mode", "NAVIGATE"}, false},
		{"an empty mode", "GET", []string{"Accept", browserAccept, "Sec-Fetch-Mode", ""}, false},
		{"jQuery's load", "GET", []string{"Accept", "text/html, */*; q=0.01", "X-Requested-With", "XMLHttpRequest"}, false},
		{"pjax", "GET", []string{"Accept", "text/html, */*", "X-PJAX", "true"}, false},
		{"Turbo", "GET", []string{"Accept", "text/html, application/xhtml+xml", "Turbo-Frame", "cart"}, false},
		{"Turbo's drive", "GET", []string{"Accept", "text/html, application/xhtml+xml", "X-Turbo-Request-Id", "1"}, false},
		{"htmx", "GET", []string{"Accept", "text/html, */*", "HX-Request", "true"}, false},
		{"Inertia", "GET", []string{"Accept", "text/html, application/xhtml+xml", "X-Inertia", "true"}, false},
		{"Unpoly", "GET", []string{"Accept", "text/html", "X-Up-Version", "3.8.0"}, false},
		{"no html at all", "GET", []string{"Accept", "text/html;q=0, application/json"}, false},
		{"no html at all, at length", "GET", []string{"Accept", "text/html; charset=utf-8; q=0.000"}, false},
		{"a quality that is none", "GET", []string{"Accept", "text/html;q=2"}, false},
		{"a quality that is a word", "GET", []string{"Accept", "text/html;q=NaN"}, false},
		{"a quality with an exponent", "GET", []string{"Accept", "text/html;q=1e0"}, false},
		{"a program that takes everything", "GET", []string{"Accept", "*/*"}, false},
		{"a program that takes texts", "GET", []string{"Accept", "text/*"}, false},
		{"a program that says nothing", "GET", nil, false},
		{"html within a longer name", "GET", []string{"Accept", "text/html-x, x/text/html"}, false},
		{"letters that only look like it", "GET", []string{"Accept", "text/\u212bhtml"}, false},
		{"events", "GET", []string{"Accept", "text/event-stream"}, false},
	} {
		h := http.Header{}
		for i := 0; i < len(c.headers); i += 2 {
			h.Add(c.headers[i], c.headers[i+1])
		}
		if got := IsNavigation(c.method, h); got != c.page {
			t.Errorf("%s: %t", c.name, got)
		}
	}
}

// A proxy passes on what is read: the list must name it all, as http.Header does.
func TestTheListOfNavigationHeadersIsWhole(t *testing.T) {
	listed := map[string]bool{}
	for _, name := range NavigationHeaders() {
		listed[name] = true
		if http.CanonicalHeaderKey(name) != name {
			t.Errorf("%s is not as http.Header has it", name)
		}
	}
	for _, name := range []string{"Accept", "Sec-Fetch-Mode", "Sec-Fetch-Dest", "X-Requested-With", "Hx-Request", "X-Pjax", "Turbo-Frame"} {
		if !listed[name] {
			t.Errorf("%s is missing", name)
		}
	}
}
