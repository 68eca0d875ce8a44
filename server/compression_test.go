package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/internal/wire"
)

// TestNoAnswerThatCarriesASecretIsCompressed asks for answers that are long enough to be: how
// far a text can be compressed tells something of what is in it.
func TestNoAnswerThatCarriesASecretIsCompressed(t *testing.T) {
	r := start(t)
	accept := []string{"Accept-Encoding", "gzip", "Content-Type", "application/json"}
	managed := append([]string{"Authorization", "Bearer " + r.token()}, accept...)
	metadata := map[string]string{}
	for i := range rollcall.MaxMetadataEntries {
		metadata[fmt.Sprint("key", i)] = strings.Repeat("v", rollcall.MaxMetadataLength)
	}
	signIn, err := json.Marshal(map[string]any{
		"user_id": "u", "session_metadata": metadata,
		"authentication": map[string]any{"methods": []any{map[string]string{"name": "pwd"}}},
	})
	r.must(err)
	var own string
	for range 20 {
		status, header, body := r.do("POST", r.secure+"/v1/sessions", string(signIn), managed...)
		var answer struct{ Token string }
		if err := json.Unmarshal([]byte(body), &answer); err != nil || status != http.StatusCreated || len(body) < wire.MinCompressed || header["Content-Encoding"] != nil {
			t.Fatalf("a sign-in: %d, %d bytes, %v, %v", status, len(body), header, err)
		}
		own = answer.Token
	}
	mine := append([]string{"Authorization", "Bearer " + own}, accept...)
	if status, header, body := r.do("GET", r.secure+"/v1/me/sessions", "", mine...); status != http.StatusOK || len(body) < wire.MinCompressed || header["Content-Encoding"] != nil {
		t.Errorf("/v1/me/sessions: %d, %d bytes, %v", status, len(body), header)
	}
	if status, header, body := r.do("GET", r.secure+"/api/v2/users/u/sessions", "", managed...); status != http.StatusOK || header.Get("Content-Encoding") != "gzip" {
		t.Errorf("the published listing, which has no secret: %d, %d bytes, %v", status, len(body), header)
	}
	page, err := r.manager.List(context.Background(), rollcall.ListQuery{UserID: "u", Take: 1})
	r.must(err)
	body := `{"user_id":"u","authentication":{"methods":[{"name":"pwd"}]}}`
	if status, header, body := r.do("POST", r.secure+"/v1/sessions/"+page.Sessions[0].ID+"/authentications", body, managed...); status != http.StatusOK || len(body) < wire.MinCompressed || header["Content-Encoding"] != nil {
		t.Errorf("a further authentication: %d, %d bytes, %v", status, len(body), header)
	}
}
