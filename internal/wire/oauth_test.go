package wire

import (
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/internal/logtest"
)

func TestFailuresOfTheDomainAreToldInTheOAuthForm(t *testing.T) {
	insufficient := rollcall.NewInsufficient(rollcall.Requirement{Levels: []string{"aal3"}})
	for name, tt := range map[string]struct {
		err                    error
		status                 int
		body, challenge, retry string
		logged                 bool
	}{
		"invalid":      {rollcall.Errorf(rollcall.CodeInvalid, "a \"b\""), 400, `{"error":"invalid_request","error_description":"a \"b\""}`, "", "", false},
		"insufficient": {insufficient, 401, `{"error":"insufficient_user_authentication","error_description":"A different authentication level is required"}`, `acr_values="aal3"`, "", false},
		"unavailable":  {&rollcall.Error{Code: rollcall.CodeUnavailable, Message: "later", RetryAfter: 2 * time.Second}, 503, `{"error":"temporarily_unavailable","error_description":"later"}`, "", "2", true},
		"a defect":     {errors.New("secret"), 500, `{"error":"server_error","error_description":"An internal server error occurred"}`, "", "", true},
		"unforeseen":   {rollcall.Errorf(rollcall.CodeConflict, "secret"), 500, `{"error":"server_error","error_description":"An internal server error occurred"}`, "", "", true},
	} {
		w, log := httptest.NewRecorder(), &logtest.Buffer{}
		WriteOAuthFailure(w, httptest.NewRequest("POST", "/", nil), log.Logger(), tt.err)
		h := w.Header()
		if w.Code != tt.status || w.Body.String() != tt.body || h.Get("Content-Type") != "application/json" || h.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %s %v", name, w.Code, w.Body, h)
		}
		if !strings.Contains(h.Get("WWW-Authenticate"), tt.challenge) || h.Get("Retry-After") != tt.retry || log.Has("request failed") != tt.logged {
			t.Errorf("%s: %v, the log: %s", name, h, log)
		}
	}
}
