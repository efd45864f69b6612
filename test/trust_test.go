package test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ariacomputecompany/firmware/internal/testenv"
	"github.com/ariacomputecompany/firmware/test/system"
)

// TestTrustRequired: an ariad that was told to takes in only what a trusted key
// has signed, and does not start without its trust file.
func TestTrustRequired(t *testing.T) {
	testenv.NeedRoot(t)
	t.Setenv("ARIA_BUN", testenv.Bun(t))
	t.Setenv("HOME", t.TempDir())
	dir, err := os.MkdirTemp("", "aria-trust-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil { // the daemon's user reads the files here
		t.Fatal(err)
	}
	file, config := filepath.Join(dir, "who.toml"), filepath.Join(dir, "conf.toml")
	if err := os.WriteFile(config, []byte("[trust]\nrequire = true\nfile = \""+file+"\"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if inst, err := system.Start(t.Context(), binDir, "", "--config", config); err == nil {
		inst.Stop()
		t.Fatal("it starts without its trust file")
	} else if !strings.Contains(err.Error(), "the trust file "+file+" does not exist") {
		t.Errorf("without its trust file: %v", err)
	}

	var p pair
	arc := func(want int, says string, args ...string) {
		t.Helper()
		if out, code := p.arc(t, args...); code != want || !strings.Contains(string(out), says) {
			t.Errorf("arc %s: exit code %d, want %d with %q\n%s", strings.Join(args, " "), code, want, says, out)
		}
	}
	arc(0, "RW", "key", "new")
	arc(0, "RW", "key", "new", "other")
	arc(0, "", "trust", "add", "restart", "default", "--trust-file", file)
	inst, err := system.Start(t.Context(), binDir, "", "--config", config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := inst.Stop(); err != nil {
			t.Error(err)
		}
	})
	p = pair{Instance: inst, server: inst.URL, credential: inst.CredentialFile()}
	out := filepath.Join(t.TempDir(), "nap.aria")
	arc(0, "", "build", "testdata/restart", "-o", out)
	arc(4, "is not signed, and the trust file requires a signature for \"restart\"", "upload", out)
	arc(0, "", "sign", out, "--key", "other")
	arc(4, "whom nobody trusts for it", "upload", out)
	arc(0, "", "sign", out)
	arc(0, "sha256:", "upload", out)
	arc(0, "", "run", "nap.nap", "--input", `{"ms":1}`)
	// The file is read anew: what is taken away counts at once.
	arc(0, "", "trust", "remove", "restart", "default", "--trust-file", file)
	arc(4, "whom nobody trusts for it", "upload", out)
}
