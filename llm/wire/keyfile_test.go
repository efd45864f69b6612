package wire_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/llm/wire"
)

const secret = "sk-very-secret-key"

func TestKeyFile(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		name, content string
		mode          os.FileMode
		key           string
		code          fault.Code
	}{
		{"good", secret + "\n", 0o600, secret, ""},
		{"readable by the group", secret, 0o640, "", fault.Denied},
		{"empty", "\n", 0o600, "", fault.Unauthenticated},
	} {
		path := filepath.Join(dir, c.name)
		if err := os.WriteFile(path, []byte(c.content), c.mode); err != nil {
			t.Fatal(err)
		}
		if key, err := wire.KeyFile(path)(); key != c.key || fault.CodeOf(err) != c.code {
			t.Errorf("%s: key %q, error %v", c.name, key, err)
		}
	}
	if _, err := wire.KeyFile(filepath.Join(dir, "none"))(); fault.CodeOf(err) != fault.Unauthenticated {
		t.Errorf("missing: %v", err)
	}
}
