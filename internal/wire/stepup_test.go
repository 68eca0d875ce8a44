package wire_test

import (
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/rollcall-id/rollcall"
	"github.com/rollcall-id/rollcall/internal/wire"
)

func FuzzReadRequirement(f *testing.F) {
	for _, seed := range []string{"acr=aal2+aal1&max_age=60", "amr=pwd&amr=mfa:otp", "max_age=-1", `acr=a"b`, "acr="} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		values, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		r, err := wire.ReadRequirement(values)
		if err != nil {
			return
		}
		if len(r.Levels)+len(r.Methods) > 32 || r.MaxAge < 0 || !r.Aged && r.MaxAge != 0 {
			t.Errorf("%q asks for %+v", query, r)
		}
		if (values.Has("acr") || values.Has("amr") || values.Has("max_age")) == r.IsZero() {
			t.Errorf("%q asks for %+v", query, r)
		}
		w := httptest.NewRecorder()
		if !wire.WriteInsufficient(w, &rollcall.Insufficient{Requirement: r}) {
			t.Fatal("no challenge")
		}
		// Quotes come in pairs, and nothing can end the header.
		if c := w.Header().Get("WWW-Authenticate"); strings.Count(c, `"`)%2 != 0 || strings.ContainsAny(c, "\r\n\\") {
			t.Errorf("%q gives the challenge %q", query, c)
		}
	})
}
