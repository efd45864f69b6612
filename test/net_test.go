package test

import (
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/ariacomputecompany/firmware/internal/testenv"
	"github.com/ariacomputecompany/firmware/test/system"
)

// TestNet runs the scripts that need servers on the net: the instance knows
// api.test and www.test as addresses of this machine, opened by its operator.
func TestNet(t *testing.T) {
	testenv.NeedRoot(t)
	pair := startPairIn(t, netFolder(t, "127.0.0.77", echoServer))
	p := params("testdata/net")
	p.Setup = func(env *testscript.Env) error {
		commonEnv(env)
		env.Setenv("ARIA_SERVER", pair.server)
		env.Setenv("ARIA_CREDENTIAL_FILE", pair.credential)
		return nil
	}
	t.Run("script", func(t *testing.T) { testscript.Run(t, p) })
}

// echoServer tells what it was asked with, the credential too.
func echoServer(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	switch r.URL.Path {
	case "/away":
		http.Redirect(w, r, "http://elsewhere.test/", http.StatusFound)
		return
	case "/events":
		for i := range 3 {
			fmt.Fprintf(w, "data: %d\n\n", i)
			w.(http.Flusher).Flush()
		}
		return
	}
	w.Header().Set("X-Length", fmt.Sprint(len(r.Header.Get("Authorization"))))
	fmt.Fprintf(w, "%s %s%s %s auth=%s key=%s", r.Method, r.Host, r.URL, body, r.Header.Get("Authorization"), r.Header.Get("X-Api-Key"))
}

// netFolder is a data folder whose operator opened ports 80 and 443 of an
// address of this machine, where answer serves api.test and www.test.
func netFolder(t *testing.T, address string, answer http.HandlerFunc) string {
	t.Helper()
	cert, ca, err := system.Authority("api.test", "www.test")
	if err != nil {
		t.Fatal(err)
	}
	quiet := slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	for _, port := range []string{"80", "443"} {
		l, err := net.Listen("tcp", net.JoinHostPort(address, port))
		if err != nil {
			t.Fatal(err)
		}
		if port == "443" {
			l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{cert}})
		}
		srv := &http.Server{Handler: answer, ErrorLog: quiet}
		go srv.Serve(l)
		t.Cleanup(func() { srv.Close() })
	}
	dir, err := os.MkdirTemp("", "aria-net-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	cfg := fmt.Sprintf("[net]\nca = %q\nallow_private = [\"%s:80\", \"%s:443\"]\n[net.hosts]\n\"api.test\" = [%q]\n\"www.test\" = [%q]\n",
		filepath.Join(dir, "ca.pem"), address, address, address, address)
	for name, text := range map[string]string{"quiltd.toml": cfg, "ca.pem": string(ca)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}
