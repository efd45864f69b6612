//go:build boottest

package pid1

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ariacomputecompany/firmware/boot/layout"
)

// extra prints what the running machine consists of, once it is idle: the test
// compares it with docs/spec/firmware.md.
func (m *machine) extra() {
	m.misbehave()
	if _, ok := m.args["aria.audit"]; !ok {
		return
	}
	go func() {
		for !m.healthy {
			time.Sleep(50 * time.Millisecond)
		}
		m.settle()
		text, _ := json.Marshal(m.audit())
		fmt.Fprintf(m.out, "aria-audit: %s\n", text)
	}()
}

// misbehave does once what aria.hang or aria.crash ask for: init stops where it
// pets the watchdog, or ends.
func (m *machine) misbehave() {
	const done = layout.FirmwareDir + "/misbehaved"
	_, hang := m.args["aria.hang"]
	_, crash := m.args["aria.crash"]
	if _, err := os.Stat(done); err == nil || !hang && !crash {
		return
	}
	f, err := os.Create(done)
	if err == nil {
		err = errors.Join(f.Sync(), f.Close())
	}
	unix.Sync()
	if crash {
		os.Exit(1)
	}
	fmt.Fprintln(m.out, "aria: hanging", err)
	select {}
}

// settle waits until no container has run for three seconds: a start ends with
// one, as proof.
func (m *machine) settle() {
	quietSince := time.Now()
	for end := time.Now().Add(60 * time.Second); time.Since(quietSince) < 3*time.Second && time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if len(processes()) > 4 {
			quietSince = time.Now()
		}
	}
}

func (m *machine) audit() map[string]any {
	return map[string]any{
		"processes": processes(), "ports": ports(), "setuid": setuid(), "writable": writable(),
		"modules": modules(), "walls": m.walls, "usedMiB": usedMemory() >> 20,
	}
}

// processes in user space: "name uid".
func processes() (out []string) {
	list, _ := filepath.Glob("/proc/[0-9]*")
	for _, p := range list {
		status, err := os.ReadFile(p + "/status")
		if err != nil {
			continue
		}
		f := map[string][]string{}
		for line := range strings.Lines(string(status)) {
			k, v, _ := strings.Cut(line, ":")
			f[k] = strings.Fields(v)
		}
		if len(f["VmSize"]) == 0 {
			continue // a kernel thread
		}
		out = append(out, f["Name"][0]+" "+f["Uid"][0])
	}
	slices.Sort(out)
	return out
}

// ports that something listens on, or has bound.
func ports() (out []string) {
	for _, kind := range []string{"tcp", "tcp6", "udp", "udp6", "raw", "raw6"} {
		text, _ := os.ReadFile("/proc/net/" + kind)
		for line := range strings.Lines(string(text)) {
			f := strings.Fields(line)
			if len(f) < 4 || !strings.Contains(f[1], ":") || kind[:3] == "tcp" && f[3] != "0A" {
				continue
			}
			host, port, _ := strings.Cut(f[1], ":")
			n, _ := strconv.ParseUint(port, 16, 16)
			out = append(out, fmt.Sprintf("%s %s:%d", kind, ipText(host), n))
		}
	}
	slices.Sort(out)
	return out
}

func ipText(h string) string {
	b, err := hex.DecodeString(h)
	if err != nil || len(b) != 4 {
		return "*"
	}
	n := binary.LittleEndian.Uint32(b)
	return fmt.Sprintf("%d.%d.%d.%d", byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
}

// setuid lists files that give rights to whoever runs them.
func setuid() []string {
	out := []string{}
	for _, root := range []string{"/", "/data", "/run", "/tmp"} {
		_ = filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
			if err != nil {
				return nil
			}
			if d.IsDir() && (p == "/proc" || p == "/sys" || p == "/dev") {
				return filepath.SkipDir
			}
			info, err := d.Info()
			if err == nil && info.Mode().IsRegular() && info.Mode()&(fs.ModeSetuid|fs.ModeSetgid) != 0 {
				out = append(out, p)
			}
			return nil
		})
	}
	return out
}

// writable mounts: "path type exec|noexec".
func writable() (out []string) {
	text, _ := os.ReadFile("/proc/self/mounts")
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		opts := strings.Split(f[3], ",")
		if len(f) < 4 || !slices.Contains(opts, "rw") || f[2] == "rootfs" {
			continue
		}
		exec := "exec"
		if slices.Contains(opts, "noexec") {
			exec = "noexec"
		}
		out = append(out, f[1]+" "+f[2]+" "+exec)
	}
	slices.Sort(out)
	return out
}

func modules() (out []string) {
	text, _ := os.ReadFile("/proc/modules")
	for line := range strings.Lines(string(text)) {
		out = append(out, strings.Fields(line)[0])
	}
	slices.Sort(out)
	return out
}

// usedMemory is what is not available to anybody else, in bytes.
func usedMemory() int64 {
	text, _ := os.ReadFile("/proc/meminfo")
	v := map[string]int64{}
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		v[f[0]], _ = strconv.ParseInt(f[1], 10, 64)
	}
	return (v["MemTotal:"] - v["MemAvailable:"]) << 10
}

// instead runs the tests of a second disk in place of the daemons:
// aria.test=/dev/vdb names a squashfs with list (a folder, NAME=value for its
// environment, and more flags per line), and in each folder a program called test.
func (m *machine) instead() (bool, error) {
	dev := m.args["aria.test"]
	if dev == "" {
		return false, nil
	}
	sup, err := newSupervisor(m.log, m.out)
	if err != nil {
		return true, err
	}
	const dir = "/tmp/suite"
	if err := unix.Mount("tmp", "/tmp", "tmpfs", unix.MS_REMOUNT|unix.MS_NOSUID|unix.MS_NODEV, "size=2g"); err != nil {
		return true, err
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return true, err
	}
	if err := mountRetry(dev, dir, "squashfs", unix.MS_RDONLY|unix.MS_NODEV|unix.MS_NOSUID); err != nil {
		return true, err
	}
	list, err := os.ReadFile(dir + "/list")
	if err != nil {
		return true, err
	}
	env := []string{"PATH=" + dir + "/bin:/bin:/sbin", "HOME=/tmp", "TMPDIR=/tmp", "ARIA_TEST_ROOT=1", "ARIA_TEST_PATIENCE=10",
		"ARIA_BUN=/aria/image/bin/bun", "LD_LIBRARY_PATH=/aria/image/lib/x86_64-linux-gnu"}
	for n, line := range strings.Split(strings.TrimSpace(string(list)), "\n") {
		words := strings.Fields(line)
		pkg, vars := words[0], slices.Clone(env)
		words = slices.DeleteFunc(words[1:], func(w string) bool {
			if strings.HasPrefix(w, "-") {
				return false
			}
			vars = append(vars, w)
			return true
		})
		began := time.Now()
		fmt.Fprintf(m.out, "aria-test: begin %s\n", pkg)
		argv := append([]string{dir + "/" + pkg + "/test", "-test.v", "-test.short", "-test.timeout=1800s"}, words...)
		_, end, err := sup.start(program{argv: argv, dir: dir + "/" + pkg, env: vars, cgroup: "test" + strconv.Itoa(n)})
		if err != nil {
			return true, err
		}
		st := <-end
		time.Sleep(100 * time.Millisecond) // its last lines
		fmt.Fprintf(m.out, "aria-test: end %s %s %.1f s\n", pkg, describe(st), time.Since(began).Seconds())
	}
	fmt.Fprintln(m.out, "aria-test: done")
	m.down(unix.LINUX_REBOOT_CMD_POWER_OFF)
	return true, nil
}
