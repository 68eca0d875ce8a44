package reference

import (
	"bytes"
	"embed"
	"encoding/json"
	"html/template"
	"net/http"
	"strconv"
	"strings"

	"github.com/rollcall-id/rollcall/internal/strictjson"
)

//go:embed page/page.html
var templates embed.FS

// listing is the operation that the page is about.
const listing = "listUserSessions"

// A view is the document as the page shows it.
type view struct {
	Title, Summary string
	About          []prose
	Base           string // the first public URL
	Domain         string // the same as SDKs take it
	Scopes         []parameter
	Listing        call
	Groups         []group
	Elsewhere      []answer // what other paths and methods are answered
}

// A group is a tag with its calls.
type group struct {
	ID, Name string
	About    prose
	Calls    []call
}

// A call is an operation.
type call struct {
	ID, Method, Path, Summary string
	About                     []prose
	// Auth says what must come along, nothing when nothing must; Token is how the
	// page's form calls it.
	Auth       prose
	Token      string
	Parameters []parameter
	Bodies     []body
	Answers    []answer
	Curl       string
	Tried      bool // there is a form for it
}

// Pieces are the path's, which may be broken between two of them.
func (c call) Pieces() []string { return strings.SplitAfter(c.Path, "/") }

// A body is what a request carries, in one of the types that are taken.
type body struct {
	Type     string
	Required bool
	Fields   []field
	Example  []word
}

// An answer is what a status means.
type answer struct {
	Status, Reason string
	Good           bool
	About          prose
	Headers        []parameter
	Type           string
	Fields         []field
	Examples       []example
}

// An example is a body that is answered.
type example struct {
	Summary string
	Body    []word
}

// A parameter is one of a call, or a header of an answer.
type parameter struct {
	Name, In, Type, Default, Example string
	Required                         bool
	About                            prose
	Input                            string // the kind of the form's field
	Minimum, Maximum                 string
}

// renderPage makes the page. It is the same for everybody, so it is made once.
func renderPage(document strictjson.Object) ([]byte, error) {
	t, err := template.ParseFS(templates, "page/page.html")
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = t.Execute(&out, newView(reader{document}))
	return out.Bytes(), err
}

func newView(r reader) view {
	base := ""
	if servers, _ := get(r.document, "servers").([]any); len(servers) > 0 {
		base = text(servers[0], "url")
	}
	_, domain, _ := strings.Cut(base, "://")
	v := view{
		Title: text(r.document, "info", "title"), Summary: text(r.document, "info", "summary"),
		About: paragraphs(text(r.document, "info", "description")), Base: base, Domain: domain,
	}
	scopes, _ := get(r.document, "components", "securitySchemes", "managementToken", "flows", "clientCredentials", "scopes").(strictjson.Object)
	for _, scope := range scopes {
		about, _ := scope.Value.(string)
		v.Scopes = append(v.Scopes, parameter{Name: scope.Name, About: newProse(about)})
	}
	tags, _ := get(r.document, "tags").([]any)
	for _, tag := range tags {
		name := text(tag, "name")
		g := group{ID: slug(name), Name: name, About: newProse(text(tag, "description"))}
		for _, c := range r.calls(name, base) {
			if c.ID == listing {
				v.Listing = c
			} else {
				g.Calls = append(g.Calls, c)
			}
		}
		v.Groups = append(v.Groups, g)
	}
	responses, _ := get(r.document, "components", "responses").(strictjson.Object)
	v.Elsewhere = []answer{
		r.answer("404", get(responses, "UnknownRoute"), false), r.answer("405", get(responses, "MethodNotAllowed"), false),
	}
	return v
}

// calls returns the operations of a tag, in the order of the document.
func (r reader) calls(tag, base string) []call {
	var found []call
	paths, _ := get(r.document, "paths").(strictjson.Object)
	for _, path := range paths {
		item, _ := path.Value.(strictjson.Object)
		for _, m := range item {
			tags, _ := get(m.Value, "tags").([]any)
			if len(tags) == 1 && tags[0] == tag {
				found = append(found, r.call(path.Name, m.Name, item, m.Value, base))
			}
		}
	}
	return found
}

func (r reader) call(path, method string, item strictjson.Object, operation any, base string) call {
	c := call{
		ID: text(operation, "operationId"), Method: strings.ToUpper(method), Path: path, Summary: text(operation, "summary"),
		About: paragraphs(text(operation, "description")),
	}
	c.Auth, c.Token = r.auth(operation)
	for _, of := range []any{item, operation} {
		list, _ := get(of, "parameters").([]any)
		for _, p := range list {
			c.Parameters = append(c.Parameters, r.parameter(r.follow(p)))
		}
	}
	contents, _ := get(operation, "requestBody", "content").(strictjson.Object)
	for _, content := range contents {
		c.Bodies = append(c.Bodies, body{
			Type: content.Name, Required: get(operation, "requestBody", "required") == true,
			Fields: r.fields(get(content.Value, "schema"), false), Example: pretty(get(content.Value, "example")),
		})
	}
	responses, _ := get(operation, "responses").(strictjson.Object)
	for _, response := range responses {
		c.Answers = append(c.Answers, r.answer(response.Name, response.Value, c.ID == listing))
	}
	c.Curl = curl(base, c, contents)
	c.Tried = c.Method == http.MethodGet && r.isTried(operation)
	return c
}

// isTried reports whether the page has a form for a GET: for all that answer JSON to
// people, not to a browser on its way to a page.
func (r reader) isTried(operation any) bool {
	responses, _ := get(operation, "responses").(strictjson.Object)
	if position(responses, "302") >= 0 || position(responses, "304") >= 0 {
		return false
	}
	return true
}

// auth says what credentials an operation takes: those of its own, else the
// document's.
func (r reader) auth(operation any) (says prose, token string) {
	required, ok := get(operation, "security").([]any)
	if !ok {
		required, _ = get(r.document, "security").([]any)
	}
	var ways []string
	for _, way := range required {
		schemes, _ := way.(strictjson.Object)
		for _, scheme := range schemes {
			scopes, _ := scheme.Value.([]any)
			switch scheme.Name {
			case "managementToken":
				token = "management token"
				ways = append(ways, "a management token"+withScopes(scopes))
			case "sessionToken":
				token = "session token"
				ways = append(ways, "a session's own token")
			case "sessionCookie":
				ways = append(ways, "its cookie")
			case "clientSecret":
				ways = append(ways, "a client's id and secret")
			}
		}
	}
	return newProse(strings.Join(ways, ", or ")), token
}

func withScopes(scopes []any) string {
	var names []string
	for _, s := range scopes {
		name, _ := s.(string)
		names = append(names, name)
	}
	if len(names) == 0 {
		return ""
	}
	return " with `" + strings.Join(names, " ") + "`"
}

func (r reader) answer(status string, response any, deep bool) answer {
	response = r.follow(response)
	code, _ := strconv.Atoi(status)
	a := answer{Status: status, Reason: http.StatusText(code), Good: code < 400, About: newProse(text(response, "description"))}
	headers, _ := get(response, "headers").(strictjson.Object)
	for _, h := range headers {
		p := r.parameter(with(copied(r.follow(h.Value)), "name", h.Name))
		a.Headers = append(a.Headers, p)
	}
	contents, _ := get(response, "content").(strictjson.Object)
	for _, content := range contents {
		a.Type = content.Name
		a.Fields = r.fields(get(content.Value, "schema"), deep)
		a.Examples = r.examples(content.Value)
	}
	return a
}

func (r reader) examples(content any) []example {
	if one := get(content, "example"); one != nil {
		return []example{{Body: pretty(one)}}
	}
	var found []example
	several, _ := get(content, "examples").(strictjson.Object)
	for _, m := range several {
		e := r.follow(m.Value)
		found = append(found, example{Summary: text(e, "summary"), Body: pretty(get(e, "value"))})
	}
	return found
}

func (r reader) parameter(p strictjson.Object) parameter {
	schema := r.follow(get(p, "schema"))
	out := parameter{
		Name: text(p, "name"), In: text(p, "in"), Type: r.kind(schema), Required: get(p, "required") == true,
		About: newProse(text(p, "description")), Default: scalar(get(schema, "default")), Example: scalar(get(p, "example")),
		Minimum: scalar(get(schema, "minimum")), Maximum: scalar(get(schema, "maximum")),
	}
	switch get(schema, "type") {
	case "boolean":
		out.Input = "checkbox"
	case "integer":
		out.Input = "number"
	default:
		out.Input = "text"
	}
	return out
}

// text is the string under names, "" when there is none.
func text(value any, names ...string) string {
	s, _ := get(value, names...).(string)
	return s
}

// scalar spells a value that is no object, "" for none.
func scalar(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	}
	return ""
}

// slug makes a name fit for a fragment.
func slug(name string) string {
	return strings.NewReplacer(" ", "-", "'", "").Replace(strings.ToLower(name))
}
