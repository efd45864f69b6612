package test

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/ariacomputecompany/firmware/internal/testenv"
	"github.com/ariacomputecompany/firmware/llm/scripted"
)

// modelsFile has a scripted provider under three names: a dialect each.
const modelsFile = `
[providers.openai]
dialect = "openai"
base_url = "PROVIDER/v1"
key_file = "KEYFILE"
[providers.openai.models.mini]
price = { input = 1.0, output = 1.0 }
usd_per_run = 0.01
[providers.anthropic]
dialect = "anthropic"
base_url = "PROVIDER"
key_file = "KEYFILE"
[providers.down]
dialect = "openai"
base_url = "http://127.0.0.1:9/v1"
`

// clientsFile has the providers that the official clients speak to by default.
// Their key is a secret of quiltd's.
const clientsFile = `
[providers.openai]
dialect = "openai"
base_url = "PROVIDER/v1"
key = "MODEL_KEY"
[providers.anthropic]
dialect = "anthropic"
base_url = "PROVIDER"
key = "MODEL_KEY"
[providers.gemini]
dialect = "gemini"
base_url = "PROVIDER"
key = "MODEL_KEY"
`

// TestModels runs the scripts that need a provider of models.
func TestModels(t *testing.T) {
	testenv.NeedRoot(t)
	pair := startWithModels(t, modelsFile, scripted.Turn{Text: `{"topic":"refund"}`, Usage: &scripted.Usage{Input: 30, Output: 6}})
	p := params("testdata/models")
	p.Setup = func(env *testscript.Env) error {
		commonEnv(env)
		env.Setenv("ARIA_SERVER", pair.server)
		env.Setenv("ARIA_CREDENTIAL_FILE", pair.credential)
		return nil
	}
	t.Run("script", func(t *testing.T) { testscript.Run(t, p) })
}

// TestModelClients runs the scripts whose units use the providers' own clients,
// as npm has them: $CLIENTS holds them with their lock file.
func TestModelClients(t *testing.T) {
	testenv.NeedRoot(t)
	testenv.NeedModules(t, "clients")
	clients, err := filepath.Abs("clients")
	if err != nil {
		t.Fatal(err)
	}
	pair := startWithModels(t, clientsFile, scripted.Turn{Text: "it is about a refund"})
	p := params("testdata/clients")
	p.Setup = func(env *testscript.Env) error {
		commonEnv(env)
		env.Setenv("CLIENTS", clients)
		env.Setenv("ARIA_SERVER", pair.server)
		env.Setenv("ARIA_CREDENTIAL_FILE", pair.credential)
		return nil
	}
	t.Run("script", func(t *testing.T) { testscript.Run(t, p) })
}

// startWithModels starts a pair whose models file names a scripted provider,
// which says turn again and again to whoever has its key. In the file
// PROVIDER is its address and KEYFILE a file with its key.
func startWithModels(t *testing.T, file string, turn scripted.Turn) pair {
	t.Helper()
	pair, _ := startWithScript(t, file, scripted.Script{Forever: true, Turns: []scripted.Turn{turn}})
	return pair
}

// startWithScript does so with any script, and gives the provider too.
func startWithScript(t *testing.T, file string, script scripted.Script) (pair, *scripted.Server) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	script.Key = "sk-of-the-test"
	provider := scripted.Serve(ln, script)
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
	text := strings.NewReplacer("PROVIDER", provider.Root(), "KEYFILE", key).Replace(file)
	if err := os.WriteFile(filepath.Join(data, "models.toml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return startPairIn(t, data), provider
}
