package pid1

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// wall is one kernel setting that is written and read back.
type wall struct {
	path, value string
	// ifThere passes over a kernel without the file; what replaces it is said in
	// docs/spec/firmware.md.
	ifThere bool
}

// sysctls, below /proc/sys. No wall here is needed by our own daemons.
var sysctls = []wall{
	{"kernel/kptr_restrict", "2", false},
	{"kernel/dmesg_restrict", "1", false},
	{"kernel/unprivileged_bpf_disabled", "1", false},
	{"net/core/bpf_jit_harden", "2", true},
	{"kernel/perf_event_paranoid", "3", false},
	{"kernel/yama/ptrace_scope", "2", false},
	{"kernel/sysrq", "0", false},
	{"kernel/core_pattern", "|/bin/false", false},
	{"kernel/randomize_va_space", "2", false},
	{"kernel/io_uring_disabled", "2", true}, // Linux 6.6; before it, containers' seccomp refuses io_uring
	{"kernel/unprivileged_userns_clone", "0", true},
	{"kernel/panic_on_oops", "1", false},
	{"kernel/panic", "5", false},
	{"user/max_user_namespaces", "4096", false},
	{"vm/unprivileged_userfaultfd", "0", true},
	{"vm/mmap_min_addr", "65536", false},
	{"dev/tty/ldisc_autoload", "0", false},
	{"dev/tty/legacy_tiocsti", "0", true}, // Linux 6.2; no process here has a terminal
	{"fs/protected_hardlinks", "1", false},
	{"fs/protected_symlinks", "1", false},
	{"fs/protected_fifos", "2", false},
	{"fs/protected_regular", "2", false},
	{"fs/suid_dumpable", "0", false},
	{"net/ipv4/conf/all/accept_redirects", "0", false},
	{"net/ipv4/conf/default/accept_redirects", "0", false},
	{"net/ipv4/conf/all/send_redirects", "0", false},
	{"net/ipv4/conf/all/accept_source_route", "0", false},
	{"net/ipv4/tcp_syncookies", "1", false},
	{"net/ipv4/ip_forward", "0", false},
	{"net/ipv6/conf/all/disable_ipv6", "1", true},
	{"net/ipv6/conf/default/disable_ipv6", "1", true},
	// The last two close doors for good.
	{"kernel/kexec_load_disabled", "1", true},
	{"kernel/modules_disabled", "1", false},
}

// harden raises the walls and checks each. A wall that does not stand stops
// the boot.
func (m *machine) harden() error {
	for _, w := range sysctls {
		err := raise("/proc/sys/"+w.path, w.value)
		switch {
		case err == nil:
			m.walls = append(m.walls, w.path+"="+w.value)
		case w.ifThere && errors.Is(err, os.ErrNotExist):
			m.walls = append(m.walls, w.path+" (not in this kernel)")
		default:
			return fmt.Errorf("the setting %s=%s does not hold: %w", w.path, w.value, err)
		}
	}
	return m.lockdown()
}

// lockdown keeps even root from changing the running kernel. Secure Boot may
// have set it already, or to more.
func (m *machine) lockdown() error {
	const file = "/sys/kernel/security/lockdown"
	_ = os.WriteFile(file, []byte("integrity"), 0)
	b, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("kernel lockdown: %w", err)
	}
	if s := string(b); !strings.Contains(s, "[integrity]") && !strings.Contains(s, "[confidentiality]") {
		return fmt.Errorf("kernel lockdown does not hold: %s", strings.TrimSpace(s))
	}
	m.walls = append(m.walls, "lockdown="+strings.TrimSpace(string(b)))
	return m.checkMounts()
}

func raise(path, value string) error {
	if _, err := os.Stat(path); err != nil {
		return err
	}
	// Some settings may only rise; one that is there already is as good.
	werr := os.WriteFile(path, []byte(value), 0)
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if got := strings.TrimSpace(string(b)); got != value {
		return errors.Join(fmt.Errorf("it is %q", got), werr)
	}
	return nil
}

// checkMounts: root cannot be written, and what can be written cannot be
// executed from.
func (m *machine) checkMounts() error {
	var st unix.Statfs_t
	if err := unix.Statfs("/", &st); err != nil || st.Flags&unix.ST_RDONLY == 0 {
		return errors.Join(errors.New("root is not read-only"), err)
	}
	for _, dir := range []string{"/run", "/tmp", "/proc", "/sys", "/dev"} {
		if err := unix.Statfs(dir, &st); err != nil || st.Flags&unix.ST_NOEXEC == 0 || st.Flags&unix.ST_NOSUID == 0 {
			return errors.Join(fmt.Errorf("%s is not mounted noexec, nosuid", dir), err)
		}
	}
	return nil
}
