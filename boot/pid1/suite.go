//go:build boottest

package pid1

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ariacomputecompany/firmware/boot/layout"
)

const suiteDir = "/tmp/suite"

// instead runs the tests of a second disk in place of the daemons:
// aria.test=/dev/vdb names a squashfs with lists, of which aria.list=NAME is this
// machine's (per line a folder, how long one of its tests may take, NAME=value for
// its environment, and more flags), and in each folder a program called test.
func (m *machine) instead() (bool, error) {
	dev := m.args["aria.test"]
	if dev == "" {
		return false, nil
	}
	watch := &testWatch{out: m.out}
	sup, err := newSupervisor(m.log, watch)
	if err != nil {
		return true, err
	}
	list, err := mountSuite(dev, m.args["aria.list"])
	if err != nil {
		return true, err
	}
	for n, line := range list {
		if err := m.runTests(sup, watch, n, strings.Fields(line)); err != nil {
			return true, err
		}
	}
	fmt.Fprintln(m.out, "aria-test: done")
	m.down(unix.LINUX_REBOOT_CMD_POWER_OFF)
	return true, nil
}

func mountSuite(dev, name string) (list []string, err error) {
	if err := unix.Mount("tmp", "/tmp", "tmpfs", unix.MS_REMOUNT|unix.MS_NOSUID|unix.MS_NODEV, "size=2g"); err != nil {
		return nil, err
	}
	if err := os.Mkdir(suiteDir, 0o755); err != nil {
		return nil, err
	}
	if err := mountRetry(dev, suiteDir, "squashfs", unix.MS_RDONLY|unix.MS_NODEV|unix.MS_NOSUID); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(suiteDir, name))
	return strings.Split(strings.TrimSpace(string(text)), "\n"), err
}

// runTests runs one line of the list to its end, which it always has.
func (m *machine) runTests(sup *supervisor, watch *testWatch, n int, words []string) error {
	if len(words) < 2 {
		return fmt.Errorf("list: %q names no folder and limit", strings.Join(words, " "))
	}
	pkg := words[0]
	limit, err := time.ParseDuration(words[1])
	if err != nil {
		return fmt.Errorf("list: %w", err)
	}
	vars := []string{"PATH=" + suiteDir + "/bin:/bin:/sbin", "HOME=/tmp", "TMPDIR=/tmp", "ARIA_TEST_ROOT=1", "ARIA_TEST_PATIENCE=10",
		"ARIA_BUN=/aria/image/bin/bun", "ARIA_TEST_IMAGE=" + layout.ImageDir, "LD_LIBRARY_PATH=/aria/image/lib/x86_64-linux-gnu"}
	flags := slices.DeleteFunc(words[2:], func(w string) bool {
		if strings.HasPrefix(w, "-") {
			return false
		}
		vars = append(vars, w)
		return true
	})
	began := time.Now()
	fmt.Fprintf(m.out, "aria-test: begin %s\n", pkg)
	argv := append([]string{suiteDir + "/" + pkg + "/test", "-test.v", "-test.short", "-test.timeout=0"}, flags...)
	group := "test" + strconv.Itoa(n)
	watch.begin()
	pid, end, err := sup.start(program{argv: argv, dir: suiteDir + "/" + pkg, env: vars, cgroup: group})
	if err != nil {
		return err
	}
	st := watch.wait(end, limit, func(test string) {
		fmt.Fprintf(m.out, "aria-test: hang %s %s\n", pkg, test)
		tellThreads(m.out)
		_ = syscall.Kill(pid, syscall.SIGQUIT) // Go prints its stacks, if it still can
		time.Sleep(5 * time.Second)
		_ = os.WriteFile(filepath.Join(cgroups, group, "cgroup.kill"), []byte("1"), 0)
	})
	time.Sleep(100 * time.Millisecond) // its last lines
	fmt.Fprintf(m.out, "aria-test: end %s %s %.1f s\n", pkg, describe(st), time.Since(began).Seconds())
	return nil
}

// testWatch passes lines on and keeps the name of the test that runs.
type testWatch struct {
	out io.Writer

	mu    sync.Mutex // guards the rest
	test  string
	since time.Time
}

func (w *testWatch) Write(line []byte) (int, error) {
	text := strings.TrimSpace(string(line))
	w.mu.Lock()
	if name, ok := strings.CutPrefix(text, "=== RUN "); ok {
		w.test, w.since = strings.TrimSpace(name), time.Now()
	}
	w.mu.Unlock()
	return w.out.Write(line)
}

func (w *testWatch) begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.test, w.since = "(before the first test)", time.Now()
}

// late is the name of a test, or part of one, that began longer than limit ago.
func (w *testWatch) late(limit time.Duration) (test string, late bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.test, time.Since(w.since) > limit
}

// wait returns how the tests ended, by themselves or because hung ended them.
func (w *testWatch) wait(end <-chan syscall.WaitStatus, limit time.Duration, hung func(test string)) syscall.WaitStatus {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case st := <-end:
			return st
		case <-tick.C:
			if test, late := w.late(limit); late {
				hung(test)
				return <-end
			}
		}
	}
}

// tellThreads prints where each thread of user space is inside the kernel.
func tellThreads(out io.Writer) {
	tasks, _ := filepath.Glob("/proc/[0-9]*/task/[0-9]*")
	for _, t := range tasks {
		if exe, err := os.Readlink(t + "/exe"); err != nil || exe == "" {
			continue // a kernel thread
		}
		read := func(name string) string {
			b, _ := os.ReadFile(filepath.Join(t, name))
			return strings.Join(strings.Fields(string(b)), " ")
		}
		stat := read("stat")
		fmt.Fprintf(out, "aria-thread: %s state %s group %s syscall %s at %s\n", stat[:strings.LastIndex(stat, ")")+1],
			strings.Fields(stat[strings.LastIndex(stat, ")")+1:])[0], read("cgroup"), read("syscall"), read("stack"))
	}
}
