// Command rootless is what `make rootless` runs: Aria as a user who is nobody. It
// sees that quiltd refuses what it was not allowed to do without, then starts the
// pair, under arc dev and by itself, calls a tool and an agent, runs into limits,
// cancels, replaces the engine and ends each daemon with SIGKILL under running
// containers, cleans up, and has the catalogue of hostile code tried in
// such containers. Then all of it again, by a user who has a range of ids.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/ariacomputecompany/firmware/test/system"
)

func main() {
	bin := flag.String("bin", "bin", "folder of the programs, sandbox.test among them")
	uid := flag.Int("uid", 65532, "the user, who need not exist")
	ids := flag.Bool("ids", false, "with a range of ids for containers, in a mount namespace that is ours alone")
	flag.Parse()
	line, err := run(*bin, users{own: uint32(*uid)}, *ids)
	if err == nil && !*ids {
		fmt.Println(line)
		var other string
		other, err = again(*bin, uint32(*uid))
		line = "rootless: " + line + "; and " + other
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "rootless:", err)
		os.Exit(1)
	}
	fmt.Println(line)
}

// check is one thing that must hold.
type check struct {
	shows string
	do    func(ctx context.Context, p *place) error
}

var checks = []check{
	{"what is missing is refused unless it is allowed", refused},
	{"arc dev starts the pair, builds, uploads and runs", develop},
	{"a tool is called, and says how it is isolated", tool},
	{"an agent calls tools", agent},
	{"too much memory ends a unit", memory},
	{"no more processes than allowed", processes},
	{"a unit whose time is up is told", stopped},
	{"quiltd restart loses no run", restarted},
	{"kill -9 of quiltd leaves nothing", killed("quiltd --data")},
	{"kill -9 of its launcher leaves nothing", killed("quiltd in-user-namespace")},
	{"kill -9 of its engine leaves nothing", killed("quiltd engine")},
	{"quiltd gc finds nothing that was left", collected},
}

// place is where it happens.
type place struct {
	bin, data string
	users     users
	inst      *system.Instance
}

func run(bin string, who users, ids bool) (string, error) {
	if os.Geteuid() != 0 {
		return "", errors.New("it takes root to become nobody: run `sudo make rootless`")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Minute)
	defer cancel()
	dir, err := os.MkdirTemp("", "aria-rootless-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	if ids {
		if err := who.give(dir); err != nil {
			return "", err
		}
	}
	p := &place{bin: filepath.Join(dir, "bin"), data: filepath.Join(dir, "data"), users: who}
	if err := p.prepare(dir, bin); err != nil {
		return "", err
	}
	defer func() {
		if p.inst != nil {
			p.inst.Stop()
		}
	}()
	for _, c := range checks {
		began := time.Now()
		if err := c.do(ctx, p); err != nil {
			log := ""
			if p.inst != nil {
				log = "\n" + p.inst.Log()
			}
			return "", fmt.Errorf("%s: %w%s", c.shows, err, log)
		}
		fmt.Printf("%-50s %6d ms\n", c.shows, time.Since(began).Milliseconds())
	}
	if err := p.inst.Stop(); err != nil {
		return "", err
	}
	p.inst = nil
	if left := processesOf(who); len(left) > 0 {
		return "", fmt.Errorf("left behind: %v", left)
	}
	line, err := p.hostile(ctx)
	return fmt.Sprintf("%d of %d as expected, 0 left behind; %s", len(checks), len(checks), line), err
}

// prepare copies the programs to where that user may read them.
func (p *place) prepare(dir, bin string) error {
	for _, d := range []string{dir, p.bin, p.data, filepath.Join(dir, "testdata")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return err
		}
		if err := errors.Join(os.Chmod(d, 0o755), os.Lchown(d, int(p.users.own), int(p.users.own))); err != nil {
			return err
		}
	}
	for _, name := range []string{"arc", "ariad", "quiltd", "bun", "sandbox.test"} {
		if err := copyTo(filepath.Join(bin, name), filepath.Join(p.bin, name), 0o755); err != nil {
			return err
		}
	}
	return copyTo("quilt/sandbox/testdata/hostile.ts", filepath.Join(dir, "testdata/hostile.ts"), 0o644)
}

func copyTo(from, to string, mode os.FileMode) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// as is a command of that user.
func (p *place) as(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(p.bin, name), args...)
	cmd.Dir = filepath.Dir(p.bin)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: p.users.own, Gid: p.users.own, Groups: []uint32{}}}
	return cmd
}

func refused(ctx context.Context, p *place) error {
	out, err := p.as(ctx, "quiltd", "-data", p.data, "-bun", filepath.Join(p.bin, "bun")).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "allow_degraded") {
		return fmt.Errorf("quiltd said %q (%v)", out, err)
	}
	return nil
}

// hostile runs the catalogue and returns its last line.
func (p *place) hostile(ctx context.Context) (string, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(p.bin, "sandbox.test"), "-test.timeout", "15m", "-test.run", "^TestHostile$")
	cmd.Dir = filepath.Dir(p.bin)
	cmd.Env = append(os.Environ(), fmt.Sprint("ARIA_ROOTLESS=", p.users.own), "ARIA_TEST_ROOT=1", "ARIA_BUN="+filepath.Join(p.bin, "bun"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("hostile code: %w\n%s", err, out)
	}
	for _, line := range strings.Split(string(out), "\n") {
		if strings.HasPrefix(line, "hostile: ") {
			return line, nil
		}
	}
	return "", fmt.Errorf("the catalogue said nothing of itself:\n%s", out)
}
