package oci

import (
	"bufio"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// cleanEnv keeps the last value of each name and finds HOME for who has none.
func cleanEnv(p *specs.Process) []string {
	last := map[string]int{}
	for i, e := range p.Env {
		name, _, _ := strings.Cut(e, "=")
		last[name] = i
	}
	out := []string{}
	home := false
	for i, e := range p.Env {
		name, value, _ := strings.Cut(e, "=")
		if last[name] != i || name == "HOME" && value == "" {
			continue
		}
		home = home || name == "HOME"
		out = append(out, e)
	}
	if !home {
		out = append(out, "HOME="+homeOf(p.User.UID))
	}
	return out
}

// homeOf reads the container's own list of users; "/" for who is not in it.
func homeOf(uid uint32) string {
	f, err := os.Open("/etc/passwd")
	if err != nil {
		return "/"
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		part := strings.Split(lines.Text(), ":")
		if len(part) >= 6 && part[2] == strconv.FormatUint(uint64(uid), 10) && part[5] != "" {
			return part[5]
		}
	}
	return "/"
}

// lookPath finds the program the way a shell would, by the process's own PATH.
func lookPath(p *specs.Process) (string, error) {
	name := p.Args[0]
	if strings.Contains(name, "/") {
		return name, executable(name)
	}
	path := "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	for _, e := range p.Env {
		if v, ok := strings.CutPrefix(e, "PATH="); ok {
			path = v
		}
	}
	for dir := range strings.SplitSeq(path, ":") {
		if dir == "" {
			dir = "."
		}
		if at := filepath.Join(dir, name); executable(at) == nil {
			return at, nil
		}
	}
	return "", fault.New(fault.NotFound, "exec: %q: executable file not found in $PATH", name)
}

// executable asks the kernel, as the user the process will be.
func executable(path string) error {
	var st unix.Stat_t
	err := unix.Stat(path, &st)
	if err == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR {
		err = unix.EISDIR
	}
	if err == nil {
		err = unix.Faccessat(unix.AT_FDCWD, path, unix.X_OK, unix.AT_EACCESS)
	}
	if err != nil {
		return fault.Wrap(err, fault.Invalid, "exec: %q", path)
	}
	return nil
}

// setgroups is for the calling thread alone.
func setgroups(gids []uint32) syscall.Errno {
	var at unsafe.Pointer
	if len(gids) > 0 {
		at = unsafe.Pointer(&gids[0])
	}
	_, _, e := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(gids)), uintptr(at), 0)
	return e
}
