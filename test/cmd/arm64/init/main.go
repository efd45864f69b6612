// Command init is the first process of the machine that `make arm64-test` boots: it
// mounts what tests need, runs the programs that its list names one after the
// other, says how each ended, and switches the machine off.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

func main() {
	if err := run(); err != nil {
		fmt.Println("arm64: failed:", err)
	}
	unix.Sync()
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
}

// mounts of the machine, in order.
var mounts = []struct{ kind, to, options string }{
	{"proc", "/proc", ""},
	{"sysfs", "/sys", ""},
	{"cgroup2", "/sys/fs/cgroup", ""},
	{"devtmpfs", "/dev", ""},
	{"tmpfs", "/tmp", "size=2g,mode=1777"},
}

func run() error {
	if err := leaveRootfs(); err != nil {
		return err
	}
	for _, m := range mounts {
		if err := unix.Mount(m.kind, m.to, m.kind, 0, m.options); err != nil {
			return fmt.Errorf("mount %s: %w", m.to, err)
		}
	}
	if err := os.WriteFile("/sys/fs/cgroup/cgroup.subtree_control", []byte("+memory +pids +cpu +io"), 0); err != nil {
		return fmt.Errorf("control groups: %w", err)
	}
	if err := loopback(); err != nil {
		return fmt.Errorf("loopback: %w", err)
	}
	list, err := os.ReadFile("/suite/list")
	if err != nil {
		return err
	}
	for n, line := range strings.Split(strings.TrimSpace(string(list)), "\n") {
		name, err := test(n, strings.Fields(line))
		fmt.Printf("arm64: end %s: %v\n", name, err)
	}
	return nil
}

func loopback() error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(s)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP)
	return unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, lo)
}

// leaveRootfs puts a mount of / over it: from the kernel's first root itself nobody
// can pivot, as launchers do.
func leaveRootfs() error {
	const root = "/root"
	if err := unix.Mount("/", root, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("root: %w", err)
	}
	if err := unix.Chdir(root); err != nil {
		return fmt.Errorf("root: %w", err)
	}
	if err := unix.Mount(".", "/", "", unix.MS_MOVE, ""); err != nil {
		return fmt.Errorf("root: %w", err)
	}
	return errors.Join(unix.Chroot("."), unix.Chdir("/"))
}

// test runs a folder's program in a control group of its own. The other words are
// its flags, or NAME=value for its environment.
func test(n int, words []string) (name string, err error) {
	if len(words) == 0 {
		return "", errors.New("the list has an empty line")
	}
	dir := filepath.Join("/suite", words[0])
	group := filepath.Join("/sys/fs/cgroup", fmt.Sprint("test", n))
	if err := os.Mkdir(group, 0o755); err != nil {
		return words[0], err
	}
	folder, err := os.Open(group)
	if err != nil {
		return words[0], err
	}
	defer folder.Close()
	cmd := exec.Command(filepath.Join(dir, "test"), "-test.v", "-test.timeout=0")
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, os.Stdout, os.Stderr
	cmd.Env = []string{"PATH=/bin", "HOME=/tmp", "TMPDIR=/tmp", "ARIA_TEST_ROOT=1", "ARIA_TEST_PATIENCE=10", "ARIA_BUN=/bin/bun"}
	for _, w := range words[1:] {
		if strings.HasPrefix(w, "-") {
			cmd.Args = append(cmd.Args, w)
		} else {
			cmd.Env = append(cmd.Env, w)
		}
	}
	cmd.SysProcAttr = &unix.SysProcAttr{UseCgroupFD: true, CgroupFD: int(folder.Fd())}
	return words[0], cmd.Run()
}
