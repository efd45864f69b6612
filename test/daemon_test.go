package test

import (
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/ariacomputecompany/firmware/internal/testenv"
	"github.com/ariacomputecompany/firmware/test/system"
)

// TestDaemon runs the scripts that need ariad and quiltd, against one pair that
// they share: each script uses its own project name.
func TestDaemon(t *testing.T) {
	pair := needPair(t)
	p := params("testdata/daemon")
	p.Setup = func(env *testscript.Env) error {
		commonEnv(env)
		examples, err := filepath.Abs("../examples")
		if err != nil {
			return err
		}
		env.Setenv("EXAMPLES", examples)
		env.Setenv("ARIA_SERVER", pair.server)
		env.Setenv("ARIA_CREDENTIAL_FILE", pair.credential)
		return nil
	}
	// The scripts are parallel subtests: the group ends before the pair stops.
	t.Run("script", func(t *testing.T) { testscript.Run(t, p) })
}

// needPair skips where no container can run and starts a pair elsewhere.
func needPair(t *testing.T) pair {
	t.Helper()
	testenv.NeedRoot(t)
	return startPair(t)
}

// pair is a running ariad and quiltd.
type pair struct {
	*system.Instance
	server, credential string
}

// startPair starts "ariad up" on a free port with a fresh data folder and stops
// it at the end of the test. Its log is shown if the test fails.
func startPair(t *testing.T) pair {
	t.Helper()
	return startPairIn(t, "")
}

// startPairIn does so in a folder of the caller's, with more flags for ariad up.
func startPairIn(t *testing.T, data string, flags ...string) pair {
	t.Helper()
	t.Setenv("ARIA_BUN", testenv.Bun(t))
	inst, err := system.Start(t.Context(), binDir, data, flags...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := inst.Stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("log of ariad up:\n%s", inst.Log())
		}
	})
	return pair{Instance: inst, server: inst.URL, credential: inst.CredentialFile()}
}
