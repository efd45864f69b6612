package daemon

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

func TestParse(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "ariad.toml")
	if err := os.WriteFile(file, []byte("listen = \"127.0.0.1:1\"\ntools = 3\ngrace = \"2s\"\n[models.ollama]\ndialect = \"openai\"\nbase_url = \"http://127.0.0.1:11434/v1\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, _, err := parse([]string{"--data", dir, "--listen", "127.0.0.1:2"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Listen != "127.0.0.1:2" || cfg.Tools != 3 || cfg.Agents != defaults().Agents || cfg.Socket != filepath.Join(dir, "run", "quilt.sock") {
		t.Errorf("flags win over the file in the data folder, and that over defaults: %+v", cfg)
	}
	if _, ok := cfg.Models["local"]; !ok || len(cfg.Models) != 2 {
		t.Errorf("the planner is always there: %v", cfg.Models)
	}
	var out bytes.Buffer
	if code := Main([]string{"-print-config", "--data", dir}, &out, io.Discard); code != exitOK || !strings.Contains(out.String(), `grace = "2s"`) {
		t.Errorf("print-config: %d %s", code, out.String())
	}
}

func TestParseRefuses(t *testing.T) {
	write := func(text string) string {
		f := filepath.Join(t.TempDir(), "c.toml")
		if err := os.WriteFile(f, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return f
	}
	for _, c := range []struct {
		shows string
		args  []string
		want  string
	}{
		{"an unknown flag", []string{"--lisen", "x"}, "wrong flags"},
		{"a stray word", []string{"now"}, `"now" was not expected`},
		{"an unknown setting", []string{"--config", write("lisen = \"x\"\n")}, `unknown setting "lisen"`},
		{"broken TOML has its line", []string{"--config", write("a = 1\nb = = 2\n")}, "c.toml:2:"},
		{"a named file that is not there", []string{"--config", "/nonexistent.toml"}, "cannot be read"},
		{"a path that no socket can have", []string{"--data", "/" + strings.Repeat("x", 110)}, "107 bytes"},
		{"a trust file somewhere", []string{"--config", write("[trust]\nfile = \"trust.toml\"\n")}, "not an absolute path"},
		{"trust mistyped", []string{"--config", write("[trust]\nrequired = true\n")}, `unknown setting "trust.required"`},
		{"nothing at once", []string{"--config", write("tools = 0\n")}, "at least 1"},
	} {
		_, _, err := parse(c.args, io.Discard)
		if fault.CodeOf(err) != fault.Invalid || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.shows, err)
		}
	}
}

func TestCredential(t *testing.T) {
	path := filepath.Join(t.TempDir(), "credential")
	first, err := credential(path)
	if err != nil || len(first) != 43 {
		t.Fatalf("%d characters, %v", len(first), err)
	}
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v %v", st.Mode(), err)
	}
	if again, err := credential(path); err != nil || again != first {
		t.Errorf("it changed: %v", err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := credential(path); fault.CodeOf(err) != fault.Denied {
		t.Errorf("readable by others: %v", err)
	}
	if err := os.WriteFile(path, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	_ = os.Chmod(path, 0o600)
	if _, err := credential(path); fault.CodeOf(err) != fault.Invalid {
		t.Errorf("too short: %v", err)
	}
}
