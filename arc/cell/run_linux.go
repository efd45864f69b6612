package cell

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// inside is what the process in the cell is told.
type inside struct {
	Files map[string][]byte `json:"files"` // absolute paths under the new root
}

const (
	namespaces = unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET |
		unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWCGROUP
	modulePath = "/module.mjs"
	// Codes with which Enter ends when the cell could not be finished.
	exitUnfinished = 121
	nobody         = 65534
)

// Run runs a module once. The error is a *Failed, a *Refused, the context's, or
// trouble with the machine.
func Run(ctx context.Context, r Request) ([]byte, error) {
	files, err := libraries(r.Bun)
	if err != nil {
		return nil, err
	}
	files[modulePath] = r.Module
	told, err := json.Marshal(inside{files})
	if err != nil {
		return nil, err
	}
	bun, err := os.Open(r.Bun)
	if err != nil {
		return nil, err
	}
	defer bun.Close()
	out, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer out.Close()

	limited, cancel := context.WithTimeout(ctx, maxTime)
	defer cancel()
	said := &tail{}
	cmd := exec.CommandContext(limited, "/proc/self/exe", Word)
	cmd.Dir, cmd.Env = "/", []string{}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(told), said, said
	cmd.ExtraFiles = []*os.File{w, bun}
	cmd.SysProcAttr = attributes()

	// The death signal is sent when the thread ends that started the process.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		w.Close()
		return nil, &Refused{err}
	}
	w.Close()
	got, readErr := io.ReadAll(io.LimitReader(out, maxOut+1))
	if len(got) > maxOut {
		cancel()
	}
	err = cmd.Wait()
	return got, verdict(ctx, limited, got, said.String(), errors.Join(err, readErr))
}

// attributes: as root the process is nobody outside, else the author, and root
// of nothing but its namespaces inside.
func attributes() *syscall.SysProcAttr {
	uid, gid := os.Geteuid(), os.Getegid()
	if uid == 0 {
		uid, gid = nobody, nobody
	}
	return &syscall.SysProcAttr{
		Cloneflags:  namespaces,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: gid, Size: 1}},
		Credential:  &syscall.Credential{Uid: 0, Gid: 0, NoSetGroups: true},
		Pdeathsig:   syscall.SIGKILL,
		Setsid:      true,
	}
}

func verdict(ctx, limited context.Context, got []byte, said string, err error) error {
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case len(got) > maxOut:
		return &Failed{fmt.Sprintf("wrote more than %d MiB", maxOut>>20), said}
	case limited.Err() != nil:
		return &Failed{fmt.Sprintf("took longer than %s", maxTime), said}
	case err == nil:
		return nil
	case !errors.As(err, &exit):
		return err
	case exit.ExitCode() == exitUnfinished:
		return &Refused{errors.New(said)}
	case exit.Exited():
		return &Failed{fmt.Sprintf("ended with code %d", exit.ExitCode()), said}
	}
	return &Failed{"was ended: " + exit.Error(), said}
}

// tail keeps the end of what is written to it.
type tail struct{ kept []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p...)
	if n := len(t.kept) - maxSaid; n > 0 {
		t.kept = t.kept[n:]
	}
	return len(p), nil
}

func (t *tail) String() string { return string(bytes.TrimSpace(bytes.ToValidUTF8(t.kept, nil))) }
