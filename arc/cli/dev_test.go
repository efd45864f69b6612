package cli

import (
	"net/http/httptest"
	"testing"
)

// Whether "none runs yet" would be true is told from whether anybody listens.
func TestListens(t *testing.T) {
	srv := httptest.NewServer(nil)
	if !listens(srv.URL) {
		t.Errorf("nobody listens at %s, it says", srv.URL)
	}
	srv.Close()
	for _, at := range []string{srv.URL, "://", "http://"} {
		if listens(at) {
			t.Errorf("somebody listens at %q, it says", at)
		}
	}
}
