package referencetest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi-validator/config"
	validation "github.com/pb33f/libopenapi-validator/errors"
	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"

	"github.com/rollcall-id/rollcall/internal/wire"
	"github.com/rollcall-id/rollcall/reference"
)

// An exchange is a request and its answer.
type exchange struct {
	request *http.Request
	path    string // escaped, as it was sent
	sent    []byte
	status  int
	header  http.Header
	body    []byte
}

// An oracle knows the document.
type oracle struct {
	validator validator.Validator
	paths     []*path
	unknown   []byte // what an unknown route answers
}

// A path is one of the document's.
type path struct {
	template  string
	segments  []string
	item      *v3.PathItem
	methods   []string
	anyMethod bool
}

// built is made once a process: it takes a while.
var built = sync.OnceValues(build)

func theOracle(t testing.TB) *oracle {
	t.Helper()
	o, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func build() (*oracle, error) {
	text, err := reference.Document(reference.Options{PublicURLs: []string{"https://sessions.example.com"}, Cookie: wire.NewCookie("")})
	if err != nil {
		return nil, err
	}
	document, err := libopenapi.NewDocument(text)
	if err != nil {
		return nil, fmt.Errorf("reading the reference: %w", err)
	}
	model, err := document.BuildV3Model()
	if err != nil {
		return nil, fmt.Errorf("reading the reference: %w", err)
	}
	v, errs := validator.NewValidator(document, config.WithFormatAssertions(), config.WithoutSecurityValidation())
	if len(errs) > 0 {
		return nil, fmt.Errorf("reading the reference: %v", errs)
	}
	if ok, errs := v.ValidateDocument(); !ok {
		return nil, fmt.Errorf("the reference is not OpenAPI 3.1: %s", describe(errs))
	}
	o := &oracle{validator: v, unknown: []byte(`{"statusCode":404,"error":"Not Found","message":"Not Found"}`)}
	for template, item := range model.Model.Paths.PathItems.FromOldest() {
		p := &path{template: template, segments: strings.Split(template, "/"), item: item}
		if item.Extensions != nil {
			_, p.anyMethod = item.Extensions.Get("x-any-method")
		}
		for method := range item.GetOperations().FromOldest() {
			p.methods = append(p.methods, strings.ToUpper(method))
		}
		o.paths = append(o.paths, p)
	}
	return o, nil
}

// find returns the document's path for an escaped one. Of two that fit, one without
// parameters counts, then one that has the method, then the one with fewer parameters.
func (o *oracle) find(method, escaped string) *path {
	segments := strings.Split(escaped, "/")
	var best *path
	rank := func(p *path) int {
		n := strings.Count(p.template, "{")
		if n > 0 && !slices.Contains(p.methods, method) {
			n += 100
		}
		return n
	}
	for _, p := range o.paths {
		if p.fits(segments) && (best == nil || rank(p) < rank(best)) {
			best = p
		}
	}
	return best
}

func (p *path) fits(segments []string) bool {
	return slices.EqualFunc(p.segments, segments, func(want, got string) bool {
		if strings.HasPrefix(want, "{") {
			return got != "" && got != "." && got != ".."
		}
		return want == got
	})
}

// check holds an exchange against the document.
func (o *oracle) check(t testing.TB, e exchange) {
	t.Helper()
	name := fmt.Sprintf("%s %.100s: %d %.300s", e.request.Method, e.path, e.status, e.body)
	e = e.withOneSegment()
	method := e.request.Method
	p := o.find(method, e.path)
	if method == http.MethodHead || p != nil && p.anyMethod {
		method = http.MethodGet
	}
	switch {
	case p == nil:
		if e.status != http.StatusNotFound || e.request.Method != http.MethodHead && !bytes.Equal(e.body, o.unknown) {
			t.Errorf("%s\nThe reference has no such path.", name)
		}
		return
	case !slices.Contains(p.methods, method):
		o.checkMethod(t, name, p, e)
		return
	}
	for _, complaint := range o.complaints(p, method, e) {
		t.Errorf("%s\n%s", name, complaint)
	}
}

// restPrefixes begin the paths whose parameter is a whole path of somebody else, which a
// document cannot say.
var restPrefixes = [...]string{"/check/envoy/", "/check/envoy-no-touch/"}

// withOneSegment is the exchange as the document can say it.
func (e exchange) withOneSegment() exchange {
	for _, prefix := range restPrefixes {
		if strings.HasPrefix(e.path, prefix) {
			e.path = prefix + "rest"
			e.request = e.request.Clone(e.request.Context())
			e.request.URL.Path, e.request.URL.RawPath = e.path, ""
		}
	}
	return e
}

// checkMethod is for a method that the document does not have: 405 with the methods
// there are; under /api/v2 what the published service answers, 404 (docs/published-api.md P2).
func (o *oracle) checkMethod(t testing.TB, name string, p *path, e exchange) {
	t.Helper()
	if e.status == http.StatusNotFound && bytes.Equal(e.body, o.unknown) {
		if !strings.HasPrefix(p.template, "/api/v2/") {
			t.Errorf("%s\nThe reference has the path, with %v: 405 is wanted.", name, p.methods)
		}
		return
	}
	var body struct {
		StatusCode int    `json:"statusCode"`
		Error      string `json:"error"`
	}
	_ = json.Unmarshal(e.body, &body) // what is no JSON has no error
	if e.status != http.StatusMethodNotAllowed || body.Error == "" {
		t.Errorf("%s\nThe reference has no such method.", name)
		return
	}
	allowed := strings.Split(e.header.Get("Allow"), ", ")
	for _, method := range p.methods {
		if !slices.Contains(allowed, method) {
			t.Errorf("%s\nAllow is %v, the reference has %v.", name, allowed, p.methods)
		}
	}
}

// complaints are what does not fit the document. A request is held against it
// only when it was accepted: what is refused may be of any form.
func (o *oracle) complaints(p *path, method string, e exchange) []string {
	var found []string
	request := e.request.Clone(e.request.Context())
	request.Method = method
	request.URL = &url.URL{Scheme: "https", Host: "sessions.example.com", Path: e.request.URL.Path, RawPath: e.path, RawQuery: e.request.URL.RawQuery}
	answer := &http.Response{StatusCode: e.status, Header: e.header, Body: io.NopCloser(bytes.NewReader(e.body)), Request: request}
	if e.request.Method == http.MethodHead {
		answer.Body = nil
	}
	responses := o.validator.GetResponseBodyValidator()
	if e.request.Method != http.MethodHead {
		if ok, errs := responses.ValidateResponseBodyWithPathItem(request, answer, p.item, p.template); !ok {
			found = append(found, "The answer does not fit the reference: "+describe(errs))
		}
		found = append(found, o.beyondSchemas(p, method, e)...)
	}
	if e.status >= http.StatusBadRequest || p.anyMethod && e.request.Method != http.MethodGet {
		return found
	}
	request.Body = io.NopCloser(bytes.NewReader(e.sent))
	request.ContentLength = int64(len(e.sent))
	if request.Header.Get("Content-Type") == "" && len(e.sent) > 0 {
		request.Header.Set("Content-Type", "application/json") // what the server takes it for
	}
	if len(e.sent) == 0 {
		request.Body = http.NoBody
	}
	if ok, errs := o.validator.ValidateHttpRequestSyncWithPathItem(request, p.item, p.template); !ok {
		found = append(found, "The accepted request does not fit the reference: "+describe(errs))
	}
	return found
}

// beyondSchemas holds what no schema says: a body where none is documented, and a
// status that the body gets wrong.
func (o *oracle) beyondSchemas(p *path, method string, e exchange) []string {
	operation, ok := p.item.GetOperations().Get(strings.ToLower(method))
	if !ok || operation.Responses == nil {
		return nil
	}
	response, ok := operation.Responses.Codes.Get(fmt.Sprint(e.status))
	if !ok {
		return []string{"The reference has no such status here."}
	}
	var found []string
	if (response.Content == nil || response.Content.Len() == 0) && len(e.body) > 0 {
		found = append(found, "The reference has no body here.")
	}
	var body struct {
		StatusCode int    `json:"statusCode"`
		Error      string `json:"error"`
	}
	if json.Unmarshal(e.body, &body) == nil && body.StatusCode != 0 && (body.StatusCode != e.status || body.Error != http.StatusText(e.status)) {
		found = append(found, "The body tells of another status.")
	}
	return found
}

// describe says what the validator found, cause by cause.
func describe(errs []*validation.ValidationError) string {
	var all []string
	for _, err := range errs {
		all = append(all, err.Message+": "+err.Reason)
		for _, cause := range err.SchemaValidationErrors {
			all = append(all, "  "+cause.Reason+" at "+cause.KeywordLocation)
		}
	}
	return strings.Join(all, "\n")
}
