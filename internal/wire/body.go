package wire

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/internal/strictjson"
)

// MaxBody is the largest request body, in bytes (docs/published-api.md P4).
const MaxBody = 1 << 20

// Invalid is a refusal of a part of the request, in the published wording
// (docs/published-api.md P13). Text is the inner message; Property is empty when the whole
// body is at fault; Description is the published one of the property, if any.
type Invalid struct {
	Text        string
	Property    string
	Description string
}

func (i *Invalid) Error() string {
	text := "'" + i.Text + "'"
	if i.Property != "" {
		text += " on property " + i.Property
	}
	if i.Description != "" {
		text += " (" + i.Description + ")"
	}
	return text + "."
}

// A PathError and a QueryError are the refusal of a part of the path and of the
// query; an Invalid that is neither is one of the body.
type (
	PathError  struct{ *Invalid }
	QueryError struct{ *Invalid }
)

// WritePayloadError answers 400 for a part of the body.
func WritePayloadError(w http.ResponseWriter, i *Invalid) {
	WriteError(w, http.StatusBadRequest, "Payload validation error: "+i.Error(), "invalid_body")
}

// WrongType is the refusal of a value of another type than the wanted.
func WrongType(want string, value any, property, description string) *Invalid {
	return &Invalid{Text: "Expected type " + want + " but found type " + TypeName(value), Property: property, Description: description}
}

// TypeName names a value's type as the published validator does.
func TypeName(value any) string {
	switch v := value.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case string:
		return "string"
	case []any:
		return "array"
	case json.Number:
		if _, ok := strictjson.Integer(v.String()); ok {
			return "integer"
		}
		return "number"
	}
	return "object"
}

// ReadObject reads a request's JSON object, strictly: bounded in size and depth,
// valid UTF-8, whole characters, no name twice, nothing behind it. When it reports false it has
// answered the request.
func ReadObject(w http.ResponseWriter, r *http.Request) (strictjson.Object, bool) {
	return readObject(w, r, nil)
}

// WriteTooLarge answers 413 for a body of more bytes than there may be.
func WriteTooLarge(w http.ResponseWriter, maximum int) {
	WriteError(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("Payload content length greater than maximum allowed: %d", maximum), "")
}

// IsEncoded reports whether a request says that its body is compressed or otherwise encoded,
// and then has the answer say that bodies come as they are (RFC 9110 12.5.3, 15.5.16). The
// caller answers 415.
func IsEncoded(w http.ResponseWriter, r *http.Request) bool {
	for _, line := range r.Header["Content-Encoding"] {
		for coding := range strings.SplitSeq(line, ",") {
			if coding = strings.Trim(coding, " \t"); coding != "" && !strings.EqualFold(coding, "identity") {
				w.Header().Set("Accept-Encoding", "identity")
				return true
			}
		}
	}
	return false
}

// ReadOptionalObject is ReadObject for a body that may be left out: an empty one is
// an empty object.
func ReadOptionalObject(w http.ResponseWriter, r *http.Request) (strictjson.Object, bool) {
	if r.ContentLength == 0 {
		return strictjson.Object{}, true // of whatever type it says it is
	}
	return readObject(w, r, strictjson.Object{})
}

// readObject reads a body; missing is what an empty one stands for.
func readObject(w http.ResponseWriter, r *http.Request, missing any) (strictjson.Object, bool) {
	if t := r.Header.Get("Content-Type"); t != "" && t != "application/json" {
		if media, _, err := mime.ParseMediaType(t); err != nil || media != "application/json" {
			WriteError(w, http.StatusUnsupportedMediaType, "Unsupported Media Type", "")
			return nil, false
		}
	}
	if IsEncoded(w, r) {
		WriteError(w, http.StatusUnsupportedMediaType, "Unsupported Media Type", "")
		return nil, false
	}
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		WriteTooLarge(w, MaxBody)
		return nil, false
	}
	value := missing
	if err == nil && len(data) > 0 {
		value, err = strictjson.Parse(data)
	}
	if err != nil {
		WriteError(w, http.StatusBadRequest, "Invalid request payload JSON format", "invalid_body")
		return nil, false
	}
	object, ok := value.(strictjson.Object)
	if !ok {
		WritePayloadError(w, WrongType("object", value, "", ""))
	}
	return object, ok
}

// MetadataProperty is the published name and description of a session's
// metadata in a body.
const (
	MetadataProperty    = "session_metadata"
	metadataDescription = "Metadata associated with the session. Pass null or {} to remove all session_metadata."
)

// Metadata reads a session_metadata value: null, or an object of strings.
func Metadata(value any) ([]rollcall.MetadataEntry, error) {
	if value == nil {
		return nil, nil
	}
	object, ok := value.(strictjson.Object)
	if !ok {
		return nil, WrongType("object", value, MetadataProperty, metadataDescription)
	}
	entries := make([]rollcall.MetadataEntry, 0, len(object))
	for _, m := range object {
		text, ok := m.Value.(string)
		if !ok {
			return nil, WrongType("string", m.Value, MetadataProperty+"."+rollcall.Echo(m.Name), "")
		}
		entries = append(entries, rollcall.MetadataEntry{Key: m.Name, Value: text})
	}
	return entries, rollcall.CheckMetadata(entries)
}
