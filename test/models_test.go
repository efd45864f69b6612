package test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/ariacomputecompany/firmware/internal/testenv"
	"github.com/ariacomputecompany/firmware/llm/scripted"
)

// modelsFile has a scripted provider under three names: a dialect each.
const modelsFile = `
[providers.openai]
dialect = "openai"
base_url = "%[1]s/v1"
key_file = "%[2]s"
[providers.openai.models.mini]
price = { input = 1.0, output = 1.0 }
usd_per_run = 0.01
[providers.anthropic]
dialect = "anthropic"
base_url = "%[1]s"
key_file = "%[2]s"
[providers.down]
dialect = "openai"
base_url = "http://127.0.0.1:9/v1"
`

// TestModels runs the scripts that need a provider of models.
func TestModels(t *testing.T) {
	testenv.NeedRoot(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	provider := scripted.Serve(ln, scripted.Script{Key: "sk-of-the-test", Forever: true, Turns: []scripted.Turn{
		{Text: `{"topic":"refund"}`, Usage: &scripted.Usage{Input: 30, Output: 6}}}})
	t.Cleanup(func() { provider.Close() })
	data := t.TempDir()
	for dir := data; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil { // the daemons' users must reach it
			t.Fatal(err)
		}
	}
	key := filepath.Join(data, "provider.key")
	if err := os.WriteFile(key, []byte("sk-of-the-test\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(key, 64102, 64102); err != nil { // quiltd's user: units use it
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(data, "models.toml"), fmt.Appendf(nil, modelsFile, provider.Root(), key), 0o644); err != nil {
		t.Fatal(err)
	}
	pair := startPairIn(t, data)
	p := params("testdata/models")
	p.Setup = func(env *testscript.Env) error {
		commonEnv(env)
		env.Setenv("ARIA_SERVER", pair.server)
		env.Setenv("ARIA_CREDENTIAL_FILE", pair.credential)
		return nil
	}
	t.Run("script", func(t *testing.T) { testscript.Run(t, p) })
}
