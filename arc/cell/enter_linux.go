package cell

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

const bunFd = 4 // of the process in the cell; 3 is where the module writes

// Enter finishes the cell from the inside and becomes Bun. It returns only if
// that fails, with the exit code.
func Enter() int {
	runtime.LockOSThread() // rights belong to a thread
	if err := enter(); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	return exitUnfinished
}

func enter() error {
	if os.Getpid() != 1 || os.Getuid() != 0 {
		return errors.New("this is no cell: the word is arc's own")
	}
	var told inside
	if err := json.NewDecoder(os.Stdin).Decode(&told); err != nil {
		return fmt.Errorf("what to run: %w", err)
	}
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"mounts", func() error { return newRoot(told.Files) }},
		{"limits", limit},
		{"capabilities", dropAll},
		{"system calls", filter},
	} {
		if err := step.do(); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return become([]string{"/bun", "--no-install", modulePath},
		[]string{"BUN_RUNTIME_TRANSPILER_CACHE_PATH=0", "BUN_ENABLE_CRASH_REPORTING=0", "DO_NOT_TRACK=1"})
}

// newRoot puts the files into a memory file system, makes it the root, read-only,
// and lets go of everything else.
func newRoot(files map[string][]byte) error {
	const at = "/tmp"
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("private: %w", err)
	}
	if err := unix.Mount("cell", at, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, rootSize); err != nil {
		return fmt.Errorf("root: %w", err)
	}
	for name, data := range files {
		path := filepath.Join(at, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, data, 0o555); err != nil {
			return err
		}
	}
	// JavaScriptCore reads there where its stack ends. The kernel gives a new proc
	// only where the old one is seen whole, so it comes before the old root goes.
	if err := os.Mkdir(at+"/proc", 0o555); err != nil {
		return err
	}
	if err := unix.Mount("proc", at+"/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC|unix.MS_RDONLY, "subset=pid"); err != nil {
		return fmt.Errorf("proc: %w", err)
	}
	if err := unix.Chdir(at); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("pivot: %w", err)
	}
	// The old root lies over the new one, at the same place.
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("old root: %w", err)
	}
	if err := unix.Chdir("/"); err != nil {
		return err
	}
	// Bun wants a folder for temporary files to begin at all.
	if err := os.Mkdir("/tmp", 0o755); err != nil {
		return err
	}
	if err := unix.Mount("tmp", "/tmp", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, tmpSize); err != nil {
		return fmt.Errorf("tmp: %w", err)
	}
	return unix.Mount("", "/", "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV, "")
}

func limit() error {
	for what, n := range map[int]uint64{
		unix.RLIMIT_CPU: maxCPU, unix.RLIMIT_DATA: maxMemory, unix.RLIMIT_CORE: 0,
		unix.RLIMIT_NOFILE: 64, unix.RLIMIT_FSIZE: maxOut, unix.RLIMIT_MEMLOCK: 0, unix.RLIMIT_MSGQUEUE: 0,
	} {
		if err := unix.Setrlimit(what, &unix.Rlimit{Cur: n, Max: n}); err != nil {
			return fmt.Errorf("rlimit %d: %w", what, err)
		}
	}
	return nil
}

// dropAll gives up every capability for good. The bounding set goes first: with
// it empty, not even root of the namespace gets one back at execve.
func dropAll() error {
	for c := uintptr(0); c <= 63; c++ {
		err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0)
		if errors.Is(err, unix.EINVAL) && c > unix.CAP_BPF {
			break // this kernel has no more
		}
		if err != nil {
			return fmt.Errorf("bounding set: %w", err)
		}
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	return unix.Capset(&head, &none[0])
}

// become replaces this program by the one behind bunFd: there is no path to it.
func become(args, env []string) error {
	argv, err := pointers(args)
	if err != nil {
		return err
	}
	envv, err := pointers(env)
	if err != nil {
		return err
	}
	unix.CloseOnExec(bunFd)
	empty := []byte{0}
	_, _, errno := unix.RawSyscall6(unix.SYS_EXECVEAT, bunFd, uintptr(unsafe.Pointer(&empty[0])),
		uintptr(unsafe.Pointer(&argv[0])), uintptr(unsafe.Pointer(&envv[0])), unix.AT_EMPTY_PATH, 0)
	return fmt.Errorf("bun: %w", errno)
}

// pointers is a C array of strings, with its end.
func pointers(list []string) ([]*byte, error) {
	out := make([]*byte, 0, len(list)+1)
	for _, s := range list {
		p, err := unix.BytePtrFromString(s)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return append(out, nil), nil
}
