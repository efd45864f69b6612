package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// users are the ids that our user's processes have: its own, and, where it was given
// one, a range for containers.
type users struct{ own, first, count uint32 }

func (u users) has(id uint32) bool {
	return id == u.own || id >= u.first && id-u.first < u.count
}

// degraded is what quiltd has to do without.
func (u users) degraded() string {
	if u.count > 0 {
		return "cgroups"
	}
	return "ids,cgroups"
}

// rangeCount is how many ids the user is given: enough for all containers at once.
const rangeCount = 1000

// again runs this program once more, where the user has a range of ids, and returns its
// last line.
func again(bin string, uid uint32) (string, error) {
	for _, p := range []string{"newuidmap", "newgidmap"} {
		if _, err := exec.LookPath(p); err != nil {
			return "", fmt.Errorf("%s is not installed: apt-get install uidmap", p)
		}
	}
	var said bytes.Buffer
	cmd := exec.Command("/proc/self/exe", "-bin", bin, "-uid", fmt.Sprint(uid), "-ids")
	cmd.Stdout, cmd.Stderr = io.MultiWriter(os.Stdout, &said), os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	err := cmd.Run()
	lines := strings.Split(strings.TrimSpace(said.String()), "\n")
	return lines[len(lines)-1], err
}

// give makes the user known by name and gives it a range, in files that are seen in our
// mount namespace alone.
func (u *users) give(dir string) error {
	u.first, u.count = 1<<20, rangeCount
	known, err := os.ReadFile("/etc/passwd")
	if err != nil {
		return err
	}
	part := fmt.Sprintf("rootless:%d:%d\n", u.first, u.count)
	for name, text := range map[string]string{
		"passwd": string(known) + fmt.Sprintf("rootless:x:%d:%d::/nonexistent:/bin/false\n", u.own, u.own),
		"subuid": part, "subgid": part,
	} {
		file, to := filepath.Join(dir, name), filepath.Join("/etc", name)
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			return err
		}
		if err := syscall.Mount(file, to, "", syscall.MS_BIND, ""); errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("%s is missing: touch it", to)
		} else if err != nil {
			return fmt.Errorf("bind %s: %w", to, err)
		}
	}
	return nil
}
