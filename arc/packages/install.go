package packages

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// Bun is the path of the runtime, looked for where quiltd looks: $ARIA_BUN, bun
// beside this program, bun on the PATH.
func Bun(env func(string) string) (string, error) {
	const hint = "put bun beside arc, or say where it is with ARIA_BUN"
	if at := env("ARIA_BUN"); at != "" {
		if st, err := os.Stat(at); err != nil || !st.Mode().IsRegular() {
			return "", fault.Wrap(err, fault.NotFound, "there is no bun at %s", at).WithHint(hint)
		}
		return filepath.Abs(at)
	}
	if self, err := os.Executable(); err == nil {
		beside := filepath.Join(filepath.Dir(self), "bun")
		if st, err := os.Stat(beside); err == nil && st.Mode().IsRegular() {
			return beside, nil
		}
	}
	path, err := exec.LookPath("bun")
	if err != nil {
		return "", fault.New(fault.NotFound, "bun was not found").WithHint(hint)
	}
	return path, nil
}

// install lets Bun fetch what the lock file says. Scripts of packages never run:
// they are other people's code on the author's machine. The project's own
// bunfig.toml could name such code too, so Bun gets only a part of it.
func install(ctx context.Context, r Request, l *Lock, gone []string) error {
	bun, err := Bun(r.Env)
	if err != nil {
		return fault.Wrap(err, fault.Invalid, "%s not in node_modules%s, and there is no bun to install with", are(gone), l.versions()).
			WithHint(`install them with "npm ci --ignore-scripts", or put bun beside arc or in ARIA_BUN`)
	}
	settings, done, err := config(r.Dir)
	if err != nil {
		return err
	}
	defer done()
	args := []string{"install", "--config=" + settings, "--ignore-scripts", "--no-progress", "--no-summary"}
	from := "there is no lock file yet: Bun writes bun.lock"
	if l != nil {
		args = append(args, "--frozen-lockfile")
		from = "as " + l.File + " says"
	}
	r.Note("installing %s, %s, without install scripts", text(gone), from)

	cmd := exec.CommandContext(ctx, bun, args...)
	cmd.Dir = r.Dir
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 3 * time.Second
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return fault.Wrap(ctx.Err(), fault.Cancelled, "the install was stopped")
		}
		return refused(err, said.String(), l)
	}
	return nil
}

// refused says why in Bun's own words: the lines it marks as errors.
func refused(err error, said string, l *Lock) error {
	var why []string
	for _, line := range strings.Split(said, "\n") {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), "error: "); ok {
			why = append(why, rest)
		}
	}
	if strings.Contains(said, "lockfile is frozen") {
		return fault.Wrap(err, fault.Invalid, "package.json and %s disagree", l.File).
			WithHint(`run "bun install" or "npm install", and keep the new lock file`)
	}
	if len(why) == 0 {
		why = []string{err.Error()}
	}
	return fault.Wrap(err, fault.Unavailable, "packages cannot be installed: %s", strings.Join(why[:min(3, len(why))], "; ")).
		WithHint(`is the registry of your npm configuration reachable? "bun install" in the project says more`)
}
