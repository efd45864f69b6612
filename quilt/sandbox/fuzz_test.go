package sandbox

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// TestSyscallFuzz makes N ($ARIA_FUZZ_N, else 20,000) system calls with random
// numbers and arguments inside containers. Nothing outside may change. The seed
// is printed; $ARIA_FUZZ_SEED repeats it.
func TestSyscallFuzz(t *testing.T) {
	c := sharedClient(t)
	total, seed := envNumber("ARIA_FUZZ_N", 20_000), envNumber("ARIA_FUZZ_SEED", int(time.Now().UnixNano()&0xffffff))
	image, oops := imageDigest(t), kernelComplaints(t)
	made, boxes := 0, 0
	for made < total {
		k := begin(t, c, Spec{CPUMillis: 2000, Argv: []string{"/bin/attacker", "attacker-fuzz", strconv.Itoa(seed + boxes), strconv.Itoa(min(total-made, 250_000))}}, "")
		boxes++
		stop := time.AfterFunc(5*time.Minute, func() { k.Kill() })
		lines := bufio.NewScanner(k.Control)
		for lines.Scan() {
			n, err := strconv.Atoi(lines.Text())
			if err != nil {
				t.Fatalf("seed %d: %q", seed, lines.Text())
			}
			made += n
		}
		stop.Stop()
		k.Kill()
		if o := end(t, k); shared.launcher.stats().Leftover != 0 {
			t.Errorf("seed %d: %+v", seed, o.exit)
		}
		if boxes > total/100+10 {
			t.Fatalf("seed %d: %d containers for %d calls", seed, boxes, made)
		}
	}
	if after := imageDigest(t); after != image {
		t.Errorf("seed %d: the image changed", seed)
	}
	if after := kernelComplaints(t); after != oops {
		t.Errorf("seed %d: the kernel complained: %s", seed, after)
	}
	if _, wrong := attackHere(t, c, profile{}); len(wrong) > 0 {
		t.Errorf("seed %d: a container after the fuzzing: %v", seed, wrong)
	}
	lastLine = fmt.Sprintf("syscall-fuzz: %d calls, seed %d, %d containers, host healthy, image unchanged", made, seed, boxes)
	t.Log(lastLine)
}

func envNumber(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil && n > 0 {
		return n
	}
	return otherwise
}

// kernelComplaints are the kernel log's lines that tell of a kernel in trouble.
func kernelComplaints(t testing.TB) string {
	t.Helper()
	const readAll = 3 // SYSLOG_ACTION_READ_ALL, syslog(2)
	out := make([]byte, 1<<20)
	n, err := unix.Klogctl(readAll, out)
	if err != nil {
		t.Fatalf("the kernel's log: %v", err)
	}
	var bad []string
	for line := range strings.Lines(string(out[:n])) {
		for _, sign := range []string{"BUG:", "Oops", "kernel BUG", "general protection fault, ", "refcount_t", "soft lockup"} {
			if strings.Contains(line, sign) && !strings.Contains(line, "attacker[") {
				bad = append(bad, strings.TrimSpace(line))
			}
		}
	}
	return strings.Join(bad, "\n")
}

// fuzzMain is pid 1 of a fuzzed container: it starts one worker after another
// and tells on the control socket how many calls each made.
func fuzzMain(args []string) {
	signal.Ignore()
	seed, _ := strconv.Atoi(args[0])
	todo, _ := strconv.Atoi(args[1])
	shared, err := unix.MemfdCreate("count", 0)
	if err != nil || unix.Ftruncate(shared, 4096) != nil {
		os.Exit(3)
	}
	page, err := unix.Mmap(shared, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		os.Exit(3)
	}
	count := (*atomic.Uint64)(unsafe.Pointer(&page[0]))
	for round := 0; todo > 0; round++ {
		count.Store(0)
		work := exec.Command("/bin/attacker", "attacker-fuzzworker", fmt.Sprint(seed*1_000_003+round), fmt.Sprint(min(todo, 20_000)))
		work.ExtraFiles = []*os.File{os.NewFile(uintptr(must(unix.Dup(shared))), "count")}
		if work.Start() != nil {
			_ = unix.Kill(-1, unix.SIGKILL)
			continue
		}
		work.ExtraFiles[0].Close()
		done := make(chan struct{})
		go func() { _ = work.Wait(); close(done) }()
		watch(done, count)
		_ = unix.Kill(-1, unix.SIGKILL) // all but this one: what it cloned too
		<-done
		n := int(min(count.Load(), 20_000))
		todo -= n
		_, _ = unix.Write(3, fmt.Appendf(nil, "%d\n", n))
	}
	os.Exit(0)
}

// watch returns when the worker has ended or makes no progress.
func watch(done chan struct{}, count *atomic.Uint64) {
	last, still := uint64(0), 0
	for still < 10 {
		select {
		case <-done:
			return
		case <-time.After(3 * time.Millisecond):
		}
		now := count.Load()
		if now == last && now > 0 {
			still++
		} else {
			still = 0
		}
		last = now
	}
}

// fuzzWorker makes calls until one of them ends it.
func fuzzWorker(args []string) {
	runtime.LockOSThread()
	seed, _ := strconv.Atoi(args[0])
	n, _ := strconv.Atoi(args[1])
	page, err := unix.Mmap(3, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		os.Exit(3)
	}
	count := (*atomic.Uint64)(unsafe.Pointer(&page[0]))
	arena, err := unix.Mmap(-1, 0, 1<<16, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		os.Exit(3)
	}
	copy(arena[256:], "/tmp/x\x00/proc/self/mem\x00/dev/null\x00")
	rnd := rand.New(rand.NewPCG(uint64(seed), 1))
	for i := 0; i < len(arena)-8; i += 512 {
		binary.LittleEndian.PutUint64(arena[i:], rnd.Uint64N(64))
	}
	for range n {
		count.Add(1)
		fuzzOnce(rnd, uintptr(unsafe.Pointer(&arena[0])))
	}
	os.Exit(0)
}

// seldom are calls that end or stop a worker: a two-hundredth as often.
var seldom = map[uintptr]bool{
	unix.SYS_EXIT: true, unix.SYS_EXIT_GROUP: true, unix.SYS_RT_SIGSUSPEND: true, unix.SYS_RT_SIGRETURN: true, unix.SYS_PPOLL: true,
	unix.SYS_PSELECT6: true, unix.SYS_CLONE: true, unix.SYS_KILL: true, unix.SYS_TGKILL: true,
	unix.SYS_RT_SIGTIMEDWAIT: true, unix.SYS_NANOSLEEP: true, unix.SYS_CLOCK_NANOSLEEP: true, unix.SYS_RT_SIGPROCMASK: true,
	unix.SYS_SIGALTSTACK: true,
}

func fuzzOnce(rnd *rand.Rand, arena uintptr) {
	nr := uintptr(rnd.Uint64N(472))
	if rnd.Uint64N(50) == 0 {
		nr = uintptr(rnd.Uint64())
	}
	if (seldom[nr] || slices.Contains(seldomHere, nr)) && rnd.Uint64N(200) > 0 {
		nr = unix.SYS_GETPID
	}
	var a [6]uintptr
	for i := range a {
		switch rnd.Uint64N(8) {
		case 0, 1:
			a[i] = uintptr(rnd.Uint64N(8))
		case 2:
			a[i] = ^uintptr(rnd.Uint64N(101)) // -1 to -101: AT_FDCWD is among them
		case 3, 4:
			a[i] = arena + uintptr(rnd.Uint64N(1<<16))
		case 5:
			a[i] = arena + 256
		case 6:
			a[i] = 1 << rnd.Uint64N(64)
		default:
			a[i] = uintptr(rnd.Uint64())
		}
	}
	_, _, _ = syscall.RawSyscall6(nr, a[0], a[1], a[2], a[3], a[4], a[5])
}
