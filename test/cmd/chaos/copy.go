package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"connectrpc.com/connect"

	ariav1 "github.com/ariacomputecompany/firmware/proto/gen/aria/v1"
	"github.com/ariacomputecompany/firmware/test/system"
)

// copier takes what a power cut would leave: the data folder as it is at one
// instant, both daemons held still, with rubbish behind the end of the write-ahead
// logs, where a write was under way. An Aria that is started on the copy must know
// every run that had been accepted, and take each to its end, done, with every
// effect once: in the store of the copy, and outside, where the original and the
// copies all ask with the same keys.
type copier struct {
	c      *chaos
	bin    string
	random *rand.Rand
	copies int
}

// run makes the copies one after the other, while runs go on.
func (k *copier) run(ctx context.Context, wanted int, stop <-chan struct{}) error {
	for k.copies < wanted {
		select {
		case <-stop:
			return fmt.Errorf("the runs ended after %d copies", k.copies)
		case <-time.After(time.Duration(k.random.IntN(700)) * time.Millisecond):
		}
		if err := k.one(ctx); err != nil {
			return fmt.Errorf("copy %d: %w", k.copies, err)
		}
		k.copies++
	}
	return nil
}

func (k *copier) one(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "aria-copy-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	accepted, over, err := k.freeze(dir)
	if err != nil {
		return err
	}
	if err := k.tear(dir); err != nil {
		return err
	}
	inst, err := system.Start(ctx, k.bin, dir)
	if err != nil {
		return err
	}
	defer inst.Stop()
	for n, id := range accepted {
		if err := k.judge(ctx, inst, n, id, !over[n] || k.random.IntN(20) == 0); err != nil {
			return fmt.Errorf("%w\n%s", err, inst.Log())
		}
	}
	return nil
}

// freeze copies the folder while nobody writes to it, and says which runs had
// been accepted before, and which of these had ended.
func (k *copier) freeze(dir string) (accepted map[int]string, over map[int]bool, err error) {
	var pids []int
	for _, who := range []string{"ariad serve", "quiltd engine"} {
		if pid := k.c.inst.Find(who); pid > 0 {
			pids = append(pids, pid)
		}
	}
	accepted, over = k.c.accepted()
	for _, pid := range pids {
		if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
			return nil, nil, err
		}
		defer syscall.Kill(pid, syscall.SIGCONT)
	}
	return accepted, over, copyTree(k.c.inst.Dir, dir)
}

// tear puts what was never synced behind the logs: a file can have grown before
// its bytes came.
func (k *copier) tear(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "-wal") || k.random.IntN(2) == 0 {
			return err
		}
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			return err
		}
		rubbish := make([]byte, 1+k.random.IntN(9000))
		if k.random.IntN(2) == 0 { // or zeroes
			for i := range rubbish {
				rubbish[i] = byte(k.random.Uint32())
			}
		}
		_, err = f.Write(rubbish)
		return errors.Join(err, f.Close())
	})
}

// judge one run in a copy; its effects are counted there if count says so: of all
// that were open, and of some that had ended.
func (k *copier) judge(ctx context.Context, inst *system.Instance, n int, id string, count bool) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		g, err := inst.Tasks.Get(ctx, connect.NewRequest(&ariav1.GetRunRequest{Run: id}))
		if err != nil {
			return fmt.Errorf("run %d (%s) was accepted: %w", n, id, err)
		}
		if r := g.Msg.Run; r.EndedUnixMs > 0 {
			if r.State != "done" {
				return fmt.Errorf("run %d (%s) ended as %s: %s", n, id, r.State, r.GetError().GetMessage())
			}
			break
		}
		if err := pause(ctx, 25*time.Millisecond); err != nil {
			return fmt.Errorf("run %d (%s) does not end", n, id)
		}
	}
	if !count {
		return nil
	}
	return k.c.countIn(ctx, inst, n)
}

// copyTree copies files with their owners and modes; sockets stay out.
func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // of a container that ended meanwhile
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		into := filepath.Join(to, rel)
		switch {
		case d.IsDir():
			if err := os.MkdirAll(into, 0o755); err != nil {
				return err
			}
		case d.Type()&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			return os.Symlink(target, into)
		case !d.Type().IsRegular():
			return nil
		default:
			if err := copyFile(path, into); err != nil {
				return err
			}
		}
		st := info.Sys().(*syscall.Stat_t)
		return errors.Join(os.Chown(into, int(st.Uid), int(st.Gid)), os.Chmod(into, info.Mode().Perm()))
	})
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
