package wire

import (
	"net/http"
	"strconv"
	"unicode/utf8"

	"github.com/rollcall-id/rollcall"
)

// PathUserID is the path's user_id, once decoded, or a PathError.
func PathUserID(r *http.Request) (string, error) {
	const property, description = "user_id", "ID of the user to get sessions for"
	id := r.PathValue(property)
	if n := utf8.RuneCountInString(id); n > rollcall.MaxUserIDLength {
		return "", PathError{TooLong(n, rollcall.MaxUserIDLength, property, description)}
	}
	if err := rollcall.CheckUserID(id); err != nil {
		text := "Object didn't pass validation for format user-id: " + rollcall.Echo(id)
		return "", PathError{&Invalid{Text: text, Property: property, Description: description}}
	}
	return id, nil
}

// TooLong is the refusal of a text of more characters than there may be.
func TooLong(length, maximum int, property, description string) *Invalid {
	text := "String is too long (" + strconv.Itoa(length) + " chars), maximum " + strconv.Itoa(maximum)
	return &Invalid{Text: text, Property: property, Description: description}
}
