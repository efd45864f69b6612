package daemon

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// findBun is the path of the runtime: as configured, else from the places an
// installation puts it.
func findBun(configured string) (string, error) {
	const hint = "give it with -bun PATH or ARIA_BUN, or put bun beside quiltd"
	if configured == "" {
		configured = os.Getenv("ARIA_BUN")
	}
	if configured != "" {
		if st, err := os.Stat(configured); err != nil || !st.Mode().IsRegular() {
			return "", fault.Wrap(err, fault.NotFound, "there is no bun at %s", configured).WithHint(hint)
		}
		return filepath.Abs(configured)
	}
	if self, err := os.Executable(); err == nil {
		beside := filepath.Join(filepath.Dir(self), "bun")
		if st, err := os.Stat(beside); err == nil && st.Mode().IsRegular() {
			return beside, nil
		}
	}
	if path, err := exec.LookPath("bun"); err == nil {
		return filepath.EvalSymlinks(path)
	}
	return "", fault.New(fault.NotFound, "bun was not found").WithHint(hint)
}

// bunVersion asks the binary, which also shows that it runs here.
func bunVersion(path string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "--version")
	cmd.Env = []string{"HOME=/nonexistent"}
	out, err := cmd.Output()
	if err != nil {
		return "", fault.Wrap(err, fault.Unavailable, "bun at %s does not run", path).WithHint("is it built for this machine and its C library?")
	}
	return strings.TrimSpace(string(out)), nil
}
