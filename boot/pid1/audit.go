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
// pets the watchdog, or ends; or ariad stops once it has been healthy.
func (m *machine) misbehave() {
	const done = layout.FirmwareDir + "/misbehaved"
	hang := m.args["aria.hang"] == "init"
	if m.args["aria.hang"] == "ariad" {
		go func() {
			for !m.healthy {
				time.Sleep(50 * time.Millisecond)
			}
			m.sup.signal("ariad", unix.SIGSTOP)
			fmt.Fprintln(m.out, "aria: hanging ariad")
		}()
	}
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
