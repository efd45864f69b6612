package test

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/ariacomputecompany/firmware/internal/testenv"
)

// TestShare runs the scripts that need two instances, A and B, and a mirror
// between them that may lie.
func TestShare(t *testing.T) {
	testenv.NeedRoot(t)
	a, b := startPair(t), startPair(t)
	m := &mirror{pairs: map[string]pair{"a": a, "b": b, "liar": a}}
	m.target.Store("a")
	srv := httptest.NewServer(m)
	t.Cleanup(srv.Close)
	mirrorHost := strings.TrimPrefix(srv.URL, "http://")

	p := params("testdata/share")
	p.Cmds["mirror"] = m.turn
	p.Setup = func(env *testscript.Env) error {
		commonEnv(env)
		for name, i := range map[string]pair{"A": a, "B": b} {
			env.Setenv(name, i.host())
			env.Setenv(name+"_SERVER", i.server)
			env.Setenv(name+"_CREDENTIAL", i.credential)
		}
		env.Setenv("MIRROR", mirrorHost)
		env.Setenv("DOCKER_CONFIG", filepath.Join(env.WorkDir, "docker"))
		return dockerConfig(filepath.Join(env.WorkDir, "docker"), a)
	}
	t.Run("script", func(t *testing.T) { testscript.Run(t, p) })
}

func (p pair) host() string { return strings.TrimPrefix(p.server, "http://") }

func (p pair) secret() (string, error) {
	text, err := os.ReadFile(p.credential)
	return strings.TrimSpace(string(text)), err
}

// dockerConfig writes what "docker login" would.
func dockerConfig(dir string, p pair) error {
	credential, err := p.secret()
	if err != nil {
		return err
	}
	type login struct {
		Auth string `json:"auth"`
	}
	auth := login{base64.StdEncoding.EncodeToString([]byte("aria:" + credential))}
	text, err := json.Marshal(map[string]any{"auths": map[string]login{p.host(): auth}})
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "config.json"), text, 0o600)
}

// mirror hands every request on to one of the instances, with that one's
// credential; the liar is A with the content of blobs changed.
type mirror struct {
	pairs  map[string]pair
	target atomic.Value // a key of pairs
}

// turn is the script command: mirror a | b | liar.
func (m *mirror) turn(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 || m.pairs[args[0]].server == "" {
		ts.Fatalf("usage: mirror a | b | liar")
	}
	m.target.Store(args[0])
}

func (m *mirror) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	target := m.target.Load().(string)
	credential, err := m.pairs[target].secret()
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) {
		p.Out.URL.Scheme, p.Out.URL.Host = "http", m.pairs[target].host()
		p.Out.SetBasicAuth("aria", credential)
	}}
	if target == "liar" && r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/") {
		proxy.ModifyResponse = spoil
	}
	proxy.ServeHTTP(w, r)
}

func spoil(res *http.Response) error {
	body, err := io.ReadAll(res.Body)
	if err != nil || len(body) == 0 {
		return err
	}
	body[len(body)/2] ^= 0xff
	res.Body = io.NopCloser(strings.NewReader(string(body)))
	return nil
}
