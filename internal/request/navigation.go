package request

import (
	"net/http"
	"slices"
	"strings"
)

// scriptHeaders are what libraries put on requests for a page, or a part of one, that a
// script makes.
var scriptHeaders = []string{
	"X-Requested-With", "Hx-Request", "X-Pjax", "Turbo-Frame", "X-Turbo-Request-Id", "X-Turbolinks-Request",
	"X-Inertia", "X-Up-Version", "X-Livewire", "Fx-Request", "Datastar-Request",
}

// NavigationHeaders are the headers of a request that IsNavigation reads, in the form of
// http.Header. A proxy that asks about a request passes them on.
func NavigationHeaders() []string {
	return append([]string{"Accept", "Sec-Fetch-Mode", "Sec-Fetch-Dest"}, scriptHeaders...)
}

// IsNavigation reports whether a browser is on its way to a page: only such a request is
// shown what a redirect to another origin leads to. Scripts get an error instead.
//
// Cases, the first that holds:
//
//  1. another method than GET and HEAD: no
//  2. there is Sec-Fetch-Mode: yes if it is navigate, and Sec-Fetch-Dest a document or a frame
//  3. there is a header that a library puts on requests of scripts: no
//  4. yes if Accept has text/html, with a quality above 0
func IsNavigation(method string, h http.Header) bool {
	if method != http.MethodGet && method != http.MethodHead {
		return false
	}
	if mode := h["Sec-Fetch-Mode"]; len(mode) > 0 {
		return len(mode) == 1 && mode[0] == "navigate" && isPage(h["Sec-Fetch-Dest"])
	}
	for _, name := range scriptHeaders {
		if len(h[name]) > 0 {
			return false
		}
	}
	return acceptsHTML(h["Accept"])
}

// isPage reports whether a Sec-Fetch-Dest is that of a page; browsers of 2020 and before
// leave it out.
func isPage(dest []string) bool {
	return len(dest) == 0 || len(dest) == 1 && slices.Contains([]string{"document", "iframe", "frame", "fencedframe"}, dest[0])
}

// acceptsHTML reports whether text/html is named with a quality above 0 (RFC 9110 12.5.1).
// What stands for everything, as */* does, names nothing.
func acceptsHTML(lines []string) bool {
	for _, line := range lines {
		for element := range strings.SplitSeq(line, ",") {
			media, parameters, _ := strings.Cut(element, ";")
			if equalASCII(strings.Trim(media, space), "text/html") && !isZero(parameters) {
				return true
			}
		}
	}
	return false
}

// isZero reports whether the q among an element's parameters is 0, or none that there can
// be. Without a q the quality is 1.
func isZero(parameters string) bool {
	for parameter := range strings.SplitSeq(parameters, ";") {
		name, q, _ := strings.Cut(parameter, "=")
		if !equalASCII(strings.Trim(name, space), "q") {
			continue
		}
		q = strings.Trim(q, space)
		whole, fraction, _ := strings.Cut(q, ".")
		if len(fraction) > 3 || strings.Trim(fraction, "0123456789") != "" {
			return true
		}
		zero := strings.Trim(fraction, "0") == ""
		return whole != "1" && (whole != "0" || zero) || whole == "1" && !zero
	}
	return false
}

// equalASCII reports whether a text is the lower-case word, the case of its ASCII letters
// aside. strings.EqualFold also takes letters outside ASCII for some inside.
func equalASCII(text, word string) bool {
	if len(text) != len(word) {
		return false
	}
	for i := range len(text) {
		c := text[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != word[i] {
			return false
		}
	}
	return true
}
