// Package reference serves what there is to read about the calls: an OpenAPI 3.1
// document of everything the server answers, and a page made of it where the
// reading calls can be tried.
package reference

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"

	"github.com/rollcall-id/rollcall/internal/request"
	"github.com/rollcall-id/rollcall/internal/strictjson"
	"github.com/rollcall-id/rollcall/internal/wire"
)

// Options configure the door.
type Options struct {
	// PublicURLs are the origins at which clients know the server, without a slash
	// at the end; the first is the one that samples name. There is at least one.
	PublicURLs []string
	// Cookie carries session tokens in browsers.
	Cookie wire.Cookie
}

// The two paths that people know.
const (
	DocumentPath = "/openapi.json"
	PagePath     = "/docs"
)

//go:embed page/reference.css page/reference.js page/icon.svg
var files embed.FS

// policy lets the page load and ask nothing but this server: a token that is
// pasted into it can go nowhere else. Nothing is inline, nothing frames it.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Document returns the OpenAPI document as JSON.
func Document(o Options) ([]byte, error) {
	document, err := configured(o)
	if err != nil {
		return nil, err
	}
	return appendJSON(nil, document), nil
}

// configured is the document with what depends on the configuration filled in.
// Nothing in it ever comes from a request.
func configured(o Options) (strictjson.Object, error) {
	document, err := readDocument()
	if err != nil {
		return nil, err
	}
	servers := []any{}
	for _, u := range o.PublicURLs {
		servers = append(servers, strictjson.Object{{Name: "url", Value: u}})
	}
	document = with(document, "servers", servers)
	schemes := get(document, "components", "securitySchemes")
	flow, _ := get(schemes, "managementToken", "flows", "clientCredentials").(strictjson.Object)
	with(flow, "tokenUrl", o.PublicURLs[0]+"/oauth/token")
	cookie, _ := get(schemes, "sessionCookie").(strictjson.Object)
	with(cookie, "name", o.Cookie.Name)
	return document, nil
}

// Handlers returns what is served, by path. It needs no caller: there is nothing in
// it that is not public. It panics when the embedded files are not what they
// should be, which the package's tests rule out.
func Handlers(o Options) map[string]http.Handler {
	document, err := configured(o)
	if err != nil {
		panic("reference: " + err.Error())
	}
	page, err := renderPage(document)
	if err != nil {
		panic("reference: " + err.Error())
	}
	return map[string]http.Handler{
		DocumentPath:                fixed("application/json", appendJSON(nil, document)),
		PagePath:                    fixed("text/html; charset=utf-8", page),
		PagePath + "/reference.css": file("reference.css", "text/css; charset=utf-8"),
		PagePath + "/reference.js":  file("reference.js", "text/javascript; charset=utf-8"),
		PagePath + "/icon.svg":      file("icon.svg", "image/svg+xml"),
	}
}

func file(name, contentType string) http.Handler {
	body, err := files.ReadFile("page/" + name)
	if err != nil {
		panic("reference: " + err.Error())
	}
	return fixed(contentType, body)
}

// A form is a body as it is sent, plain or compressed. Each has a tag of its own (RFC 9110
// 8.8.3.3).
type form struct {
	body []byte
	etag string
}

func newForm(body []byte) form {
	sum := sha256.Sum256(body)
	return form{body, `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`}
}

// fixed answers GET and HEAD with bytes that never change while the process runs.
// Browsers ask after them before each use, so that an upgrade shows at once.
func fixed(contentType string, body []byte) http.Handler {
	plain := newForm(body)
	zipped := plain
	if len(body) >= wire.MinCompressed {
		zipped = newForm(wire.AppendGzip(nil, body))
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			h.Set("Allow", "GET, HEAD")
			wire.WriteError(w, http.StatusMethodNotAllowed, "Method Not Allowed", "")
			return
		}
		h.Set("Cache-Control", "no-cache")
		h.Set("Content-Security-Policy", policy)
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		sent := plain
		if request.AcceptsGzip(r.Header) {
			sent = zipped
		}
		h.Set("ETag", sent.etag)
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		if has(r.Header["If-None-Match"], sent.etag) {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		wire.SayCoding(h, sent.body)
		h.Set("Content-Type", contentType)
		h.Set("Content-Length", strconv.Itoa(len(sent.body)))
		w.WriteHeader(http.StatusOK)
		if r.Method == http.MethodGet {
			_, _ = w.Write(sent.body) // a client that has gone away is no error of ours
		}
	})
}

// has reports whether an If-None-Match names the tag (RFC 9110 13.1.2).
func has(lines []string, etag string) bool {
	for _, line := range lines {
		for tag := range strings.SplitSeq(line, ",") {
			tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/")
			if tag == etag || tag == "*" {
				return true
			}
		}
	}
	return false
}
