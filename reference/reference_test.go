package reference_test

import (
	"compress/gzip"
	"encoding/json"
	"go/parser"
	"go/token"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/internal/doortest"
	"github.com/rollcall-id/rollcall/internal/wire"
	"github.com/rollcall-id/rollcall/reference"
)

var options = reference.Options{PublicURLs: []string{"https://sessions.example.com", "https://127.0.0.1:8443"}, Cookie: wire.NewCookie("example.com")}

// handlers are made once: the page takes a moment.
var handlers = sync.OnceValue(func() map[string]http.Handler { return reference.Handlers(options) })

func get(t *testing.T, method, path string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	h, ok := handlers()[path]
	if !ok {
		t.Fatalf("%s is not served", path)
	}
	return doortest.Serve(h, method, path, "", headers...)
}

// document is what is served, in Go's own types.
func document(t *testing.T) map[string]any {
	t.Helper()
	var d map[string]any
	if err := json.Unmarshal(get(t, "GET", "/openapi.json").Body.Bytes(), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

func dig(value any, names ...string) any {
	for _, name := range names {
		o, _ := value.(map[string]any)
		value = o[name]
	}
	return value
}

func TestServersComeFromTheConfigurationAndNeverFromAHeader(t *testing.T) {
	body := get(t, "GET", "/openapi.json", "Host", "evil.example.net", "X-Forwarded-Host", "evil.example.net").Body.String()
	if strings.Contains(body, "evil") {
		t.Error("a header is in the document")
	}
	d := document(t)
	servers, _ := d["servers"].([]any)
	var urls []string
	for _, s := range servers {
		url, _ := dig(s, "url").(string)
		urls = append(urls, url)
	}
	if !slices.Equal(urls, options.PublicURLs) {
		t.Errorf("servers %v", urls)
	}
	schemes := dig(d, "components", "securitySchemes")
	if got := dig(schemes, "managementToken", "flows", "clientCredentials", "tokenUrl"); got != "https://sessions.example.com/oauth/token" {
		t.Errorf("tokenUrl %v", got)
	}
	if got := dig(schemes, "sessionCookie", "name"); got != "__Secure-rollcall" {
		t.Errorf("cookie %v", got)
	}
	if page := get(t, "GET", "/docs").Body.String(); !strings.Contains(page, "curl &#39;https://sessions.example.com/api/v2/users/auth0%7C507f1f77bcf86cd799439020/sessions?") {
		t.Error("the page's sample does not name the first public URL")
	}
}

func TestEveryScopeIsDocumented(t *testing.T) {
	scopes, _ := dig(document(t), "components", "securitySchemes", "managementToken", "flows", "clientCredentials", "scopes").(map[string]any)
	for _, scope := range rollcall.Scopes() {
		if scopes[scope] == nil {
			t.Errorf("there is nothing on %s", scope)
		}
	}
	if len(scopes) != len(rollcall.Scopes()) {
		t.Errorf("scopes %v", scopes)
	}
}

// eachObject visits every object of the document, with the way to it.
func eachObject(way string, value any, visit func(way string, o map[string]any)) {
	switch v := value.(type) {
	case map[string]any:
		visit(way, v)
		for name, inner := range v {
			if name != "example" && name != "examples" {
				eachObject(way+"/"+name, inner, visit)
			}
		}
	case []any:
		for _, inner := range v {
			eachObject(way+"/[]", inner, visit)
		}
	}
}

func TestEveryFieldIsExplainedAndEveryAnswerStrict(t *testing.T) {
	asked := regexp.MustCompile(`/schemas/(TokenRequest|(Client)?(Introspection|Revocation))$`) // RFC 6749 3.2: what is not known is passed over
	eachObject("", document(t), func(way string, o map[string]any) {
		properties, ok := o["properties"].(map[string]any)
		if !ok || o["type"] != "object" {
			return
		}
		if o["additionalProperties"] != false && !asked.MatchString(way) {
			t.Errorf("%s takes members that are not documented", way)
		}
		for name, p := range properties {
			if dig(p, "description") == nil {
				t.Errorf("%s does not explain %s", way, name)
			}
		}
	})
}

func TestThePageShowsWhatTheDocumentSays(t *testing.T) {
	page := get(t, "GET", "/docs").Body.String()
	var shown []string
	eachObject("", document(t)["paths"], func(_ string, o map[string]any) {
		if summary, ok := o["summary"].(string); ok && o["operationId"] != nil {
			shown = append(shown, summary)
		}
	})
	session, _ := dig(document(t), "components", "schemas", "Session", "properties").(map[string]any)
	for name := range session {
		shown = append(shown, "<code>"+name+"</code>")
	}
	if len(shown) < 35 {
		t.Fatalf("only %d things to look for", len(shown))
	}
	for _, text := range shown {
		if want := strings.NewReplacer("&lt;", "<", "&gt;", ">").Replace(html.EscapeString(text)); !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", text)
		}
	}
	if strings.Contains(page, "ZgotmplZ") || strings.Contains(page, "<no value>") {
		t.Error("the template filled something wrongly")
	}
}

func TestThePageLoadsAndAsksNothingButThisServer(t *testing.T) {
	for path := range handlers() {
		w := get(t, "GET", path)
		policy := w.Header().Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'", "connect-src 'self'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"} {
			if !slices.Contains(strings.Split(policy, "; "), want) {
				t.Errorf("%s: the policy %q lacks %q", path, policy, want)
			}
		}
		if w.Header().Get("X-Content-Type-Options") != "nosniff" || w.Header().Get("Referrer-Policy") != "no-referrer" || w.Header().Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: %v", path, w.Header())
		}
	}
	page := get(t, "GET", "/docs").Body.String()
	if found := regexp.MustCompile(`(?i)<script[^>]*>[^<]|<style|\sstyle=|\son[a-z]+=|(src|href)="(https?:|//)`).FindString(page); found != "" {
		t.Errorf("the page holds %q", found)
	}
	script := get(t, "GET", "/docs/reference.js").Body.String()
	if found := regexp.MustCompile(`localStorage|sessionStorage|document\.cookie|innerHTML|indexedDB|eval\(`).FindString(script); found != "" {
		t.Errorf("the script uses %s", found)
	}
}

func TestTheReferenceIsSentCompressedToWhoAcceptsIt(t *testing.T) {
	zipped := 0
	for path := range handlers() {
		plain, w := get(t, "GET", path), get(t, "GET", path, "Accept-Encoding", "gzip")
		if w.Header()["Content-Encoding"] == nil {
			continue
		}
		zipped++
		r, err := gzip.NewReader(w.Body)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil || string(text) != plain.Body.String() {
			t.Errorf("%s: %v, %d bytes for %d", path, err, len(text), plain.Body.Len())
		}
		etag := w.Header().Get("ETag")
		if etag == plain.Header().Get("ETag") || w.Header().Get("Vary") != "Accept-Encoding" || plain.Header().Get("Vary") != "Accept-Encoding" {
			t.Errorf("%s: %v and %v", path, w.Header(), plain.Header())
		}
		if w := get(t, "GET", path, "Accept-Encoding", "gzip", "If-None-Match", etag); w.Code != http.StatusNotModified || w.Header()["Content-Encoding"] != nil {
			t.Errorf("%s: %d %v", path, w.Code, w.Header())
		}
	}
	if zipped < 3 {
		t.Errorf("%d were compressed", zipped)
	}
}

func TestTheReferenceIsAskedAfterAndKept(t *testing.T) {
	for path := range handlers() {
		w := get(t, "GET", path)
		etag := w.Header().Get("ETag")
		if w.Code != http.StatusOK || w.Body.Len() == 0 || w.Header().Get("Cache-Control") != "no-cache" {
			t.Errorf("%s: %d %v", path, w.Code, w.Header())
		}
		for _, header := range []string{etag, "W/" + etag, `"x", ` + etag, "*"} {
			if w := get(t, "GET", path, "If-None-Match", header); w.Code != http.StatusNotModified || w.Body.Len() > 0 || w.Header().Get("ETag") != etag {
				t.Errorf("%s: If-None-Match %s: %d", path, header, w.Code)
			}
		}
		if w := get(t, "GET", path, "If-None-Match", `"x"`); w.Code != http.StatusOK {
			t.Errorf("%s: another tag: %d", path, w.Code)
		}
		if head := get(t, "HEAD", path); head.Code != http.StatusOK || head.Body.Len() > 0 || head.Header().Get("Content-Length") != w.Header().Get("Content-Length") {
			t.Errorf("%s: HEAD %d %v", path, head.Code, head.Header())
		}
		for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS", "BREW"} {
			w := get(t, method, path)
			if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" || w.Body.String() != `{"statusCode":405,"error":"Method Not Allowed","message":"Method Not Allowed"}` {
				t.Errorf("%s %s: %d %s", method, path, w.Code, w.Body)
			}
		}
	}
}

func TestTheSampleInGoIsGo(t *testing.T) {
	page := get(t, "GET", "/docs").Body.String()
	_, sample, _ := strings.Cut(page, "<code>package main")
	sample, _, _ = strings.Cut(sample, "</code>")
	if _, err := parser.ParseFile(token.NewFileSet(), "sample.go", "package main"+html.UnescapeString(sample), parser.SkipObjectResolution); err != nil || !strings.Contains(sample, "https://sessions.example.com") {
		t.Errorf("%v\n%s", err, sample)
	}
}
