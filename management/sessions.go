package management

import (
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/internal/strictjson"
	"github.com/rollcall-id/rollcall/internal/wire"
)

// maxRevokeID is the published bound on the id of a revoke, and of no other
// call (docs/published-api.md P56).
const maxRevokeID = 50

func (d *Door) deleteUserSessions(w http.ResponseWriter, r *http.Request, by rollcall.Caller) error {
	userID, err := wire.PathUserID(r)
	if err != nil {
		return err
	}
	if err := d.manager.EndAll(r.Context(), by, userID, rollcall.ReasonDeleted); err != nil {
		return err
	}
	accepted(w)
	return nil
}

func (d *Door) getSession(w http.ResponseWriter, r *http.Request, _ rollcall.Caller) error {
	s, err := d.manager.Session(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	wire.WriteJSON(w, http.StatusOK, wire.AppendSession(nil, &s))
	return nil
}

func (d *Door) updateSession(w http.ResponseWriter, r *http.Request, by rollcall.Caller) error {
	body, ok := wire.ReadObject(w, r)
	if !ok {
		return nil
	}
	metadata, err := metadataUpdate(body)
	if err != nil {
		return err
	}
	s, err := d.manager.UpdateMetadata(r.Context(), by, r.PathValue("id"), metadata)
	if err != nil {
		return err
	}
	wire.WriteJSON(w, http.StatusOK, wire.AppendSession(nil, &s))
	return nil
}

// metadataUpdate reads the body of a PATCH: session_metadata and nothing else.
func metadataUpdate(body strictjson.Object) ([]rollcall.MetadataEntry, error) {
	var unknown []string
	var value any
	for _, m := range body {
		if m.Name == wire.MetadataProperty {
			value = m.Value
		} else {
			unknown = append(unknown, m.Name)
		}
	}
	if len(body) == 0 {
		return nil, &wire.Invalid{Text: "Too few properties defined (0), minimum 1"}
	}
	if len(unknown) > 0 {
		return nil, &wire.Invalid{Text: "Additional properties not allowed: " + rollcall.Echo(strings.Join(unknown, ","))}
	}
	return wire.Metadata(value)
}

// deleteSession answers 202 for an unknown session too (docs/published-api.md P54).
func (d *Door) deleteSession(w http.ResponseWriter, r *http.Request, by rollcall.Caller) error {
	err := d.manager.End(r.Context(), by, r.PathValue("id"), rollcall.ReasonDeleted)
	if err != nil && rollcall.ErrorCode(err) != rollcall.CodeNotFound {
		return err
	}
	accepted(w)
	return nil
}

func (d *Door) revokeSession(w http.ResponseWriter, r *http.Request, by rollcall.Caller) error {
	id := r.PathValue("id")
	if n := utf8.RuneCountInString(id); n > maxRevokeID {
		return wire.PathError{Invalid: wire.TooLong(n, maxRevokeID, "id", "ID of the session to revoke.")}
	}
	if err := d.manager.End(r.Context(), by, id, rollcall.ReasonRevoked); err != nil {
		return err
	}
	accepted(w)
	return nil
}

func accepted(w http.ResponseWriter) { wire.WriteJSON(w, http.StatusAccepted, []byte("{}")) }
