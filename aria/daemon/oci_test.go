package daemon

import (
	"encoding/base64"
	"io"
	"net/http"
	"strings"
	"testing"
)

// The OCI registry stands on the public port behind the same credential, which
// clients of registries send as a password; nowhere else is a password one.
func TestRegistryOnThePort(t *testing.T) {
	h := build(t, t.TempDir(), shop(), nil)
	h.upload("1.0.0")
	basic := func(password string) string {
		return "Basic " + base64.StdEncoding.EncodeToString([]byte("any:"+password))
	}
	for _, c := range []struct {
		shows, path, authorization string
		status                     int
		text, challenge            string
	}{
		{"nobody", "/v2/", "", 401, `"errors":[{"code":"UNAUTHENTICATED"`, `Basic realm="aria"`},
		{"a wrong password", "/v2/shop/tags/list", basic("guess"), 401, "not the one of this instance", `Basic realm="aria"`},
		{"an empty password", "/v2/", basic(""), 401, "bears no credential", `Basic realm="aria"`},
		{"the password", "/v2/shop/tags/list", basic(secretWord), 200, `"tags":["1.0.0"]`, ""},
		{"the bearer", "/v2/shop/tags/list", "Bearer " + secretWord, 200, `"tags":["1.0.0"]`, ""},
		{"a password elsewhere", "/v1/runs/run_1/events", basic(secretWord), 401, "bears no credential", ""},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.url+c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", c.authorization)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode != c.status || !strings.Contains(string(body), c.text) || c.challenge != "" && res.Header.Get("WWW-Authenticate") != c.challenge {
			t.Errorf("%s: %d %v %s", c.shows, res.StatusCode, res.Header, body)
		}
	}
}
