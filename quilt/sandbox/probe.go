package sandbox

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// The oldest kernel that has all we need: clone3 (5.3), close_range with
// CLOEXEC (5.11), proc subset=pid (5.8), mount_setattr (5.12).
const minMajor, minMinor = 5, 12

// probe refuses a host on which a container would miss a wall. It says what is
// missing and what to do, and never falls back to less.
func probe() (Host, error) {
	h := Host{Arch: runtime.GOARCH, LauncherPID: os.Getpid()}
	if ownTable.arch == "" {
		return h, fault.New(fault.Unavailable, "there is no list of system calls for containers on %s", runtime.GOARCH).
			WithHint("run quiltd on amd64 or arm64")
	}
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return h, fmt.Errorf("uname: %w", err)
	}
	h.Kernel = unix.ByteSliceToString(u.Release[:])
	var major, minor int
	if _, err := fmt.Sscanf(h.Kernel, "%d.%d", &major, &minor); err != nil || major < minMajor || major == minMajor && minor < minMinor {
		return h, fault.New(fault.Unavailable, "kernel %s is too old for containers", h.Kernel).
			WithHint("run Linux %d.%d or newer", minMajor, minMinor)
	}
	if os.Geteuid() != 0 {
		return h, fault.New(fault.Unavailable, "the container launcher is not root").
			WithHint("start quiltd as root; it keeps root for the launcher alone and runs everything else without privilege")
	}
	if n := readCount("/proc/sys/user/max_user_namespaces", ""); n == 0 {
		return h, fault.New(fault.Unavailable, "user namespaces are switched off").
			WithHint("sysctl user.max_user_namespaces=16384")
	}
	if err := unix.Prctl(unix.PR_GET_SECCOMP, 0, 0, 0, 0); err != nil {
		return h, fault.New(fault.Unavailable, "the kernel has no seccomp").WithHint("use a kernel with CONFIG_SECCOMP_FILTER")
	}
	h.LandlockABI = landlockABI()
	return h, nil
}

// landlockABI is 0 where Landlock is missing, off, or older than ABI 2.
func landlockABI() int {
	const versionFlag = 1
	n, _, e := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, versionFlag)
	if e != 0 || n < 2 {
		return 0
	}
	return int(n)
}

// lastCap is the highest capability the kernel knows.
func lastCap() (int, error) {
	b, err := os.ReadFile("/proc/sys/kernel/cap_last_cap")
	if err != nil {
		return 0, fmt.Errorf("probe: %w", err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || n < 37 || n > 63 {
		return 0, fmt.Errorf("probe: cap_last_cap is %q", b)
	}
	return n, nil
}
