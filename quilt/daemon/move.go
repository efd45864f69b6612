package daemon

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/quilt/api"
	"github.com/ariacomputecompany/firmware/quilt/engine"
	"github.com/ariacomputecompany/firmware/quilt/sandbox"
	"github.com/ariacomputecompany/firmware/quilt/store"
)

// takeTime is how long the engine before may take to leave.
const takeTime = time.Minute

// inheritance is what the engine before this one left: at a planned restart its
// state and its containers, else nothing.
type inheritance struct {
	state engine.State
	boxes map[uint64]*sandbox.Container
	real  bool      // false: this engine begins anew
	since time.Time // when it was left
}

// inherit waits, if another engine still serves, until it has left.
func inherit(launcher *sandbox.Client) (in inheritance, err error) {
	if !launcher.Later() {
		return in, nil
	}
	if err := launcher.Standby(); err != nil {
		return in, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), takeTime)
	defer cancel()
	boxes, files, err := launcher.Take(ctx)
	if err != nil || len(files) == 0 {
		return in, err
	}
	defer closeFiles(files)
	if _, err := files[0].Seek(0, io.SeekStart); err != nil {
		return in, fmt.Errorf("state of the engine before: %w", err)
	}
	text, err := io.ReadAll(files[0])
	if err == nil {
		in.state, err = engine.ReadState(text)
	}
	if err != nil {
		return in, fmt.Errorf("state of the engine before: %w", err)
	}
	in.boxes, in.real, in.since = boxes, true, time.Now()
	return in, nil
}

func closeFiles(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

// openStore opens the data: under the epoch of the engine before if its leases
// go on, else under a higher one.
func (in inheritance) openStore(cfg Config, log *slog.Logger) (*store.Store, error) {
	dir := filepath.Join(cfg.Data, "quilt")
	if !in.real {
		return store.Open(dir, log)
	}
	data, err := store.Resume(dir, log)
	if err == nil && data.Epoch() != in.state.Epoch {
		data.Close()
		return nil, fault.New(fault.Internal, "the data is of epoch %d and the engine before was of %d", data.Epoch(), in.state.Epoch)
	}
	return data, err
}

// settle gives pool and engine their containers. What nobody claims is ended.
func (in inheritance) settle(host machine, pool *pools, eng *engine.Engine) error {
	boxes := map[uint64]*engine.Container{}
	for n, k := range in.boxes {
		boxes[n] = host.container(k, false)
	}
	var parked, running []*engine.Container
	for _, n := range in.state.Parked {
		if c := boxes[n]; c != nil && pool != nil {
			parked = append(parked, c)
			delete(boxes, n)
		}
	}
	for _, x := range in.state.Executions {
		if c := boxes[x.Container]; c != nil {
			running = append(running, c)
		}
	}
	if pool != nil {
		pool.Resume(parked, running)
	}
	if err := eng.Resume(in.state, boxes); err != nil {
		return err
	}
	for _, c := range running {
		delete(boxes, c.Number)
	}
	for _, c := range boxes {
		_ = c.Kill()
	}
	return nil
}

// flushTime is how long the answers of a leaving engine may take to go out: on a
// slow machine, or to a caller that does not read, longer than the milliseconds
// that it takes else. Who does not hear that its execution goes on has to guess.
const flushTime = 2 * time.Second

// leave hands everything to the engine that waits. After it this process ends.
func leave(launcher *sandbox.Client, pool *pools, eng *engine.Engine, srv *api.Server, log *slog.Logger, close ...func() error) error {
	began := time.Now()
	var parked []*engine.Container
	if pool != nil {
		parked = pool.Leave()
	}
	state, err := eng.Leave(parked)
	if err != nil {
		return fmt.Errorf("leave: %w", err)
	}
	rested := time.Since(began)
	srv.Stop(flushTime)
	for _, f := range close {
		if err := f(); err != nil {
			return fmt.Errorf("leave: %w", err)
		}
	}
	text, err := state.Marshal()
	if err != nil {
		return fmt.Errorf("leave: %w", err)
	}
	fd, err := unix.MemfdCreate("quiltd-state", unix.MFD_CLOEXEC)
	if err != nil {
		return fmt.Errorf("leave: %w", err)
	}
	file := os.NewFile(uintptr(fd), "state")
	defer file.Close()
	if _, err := file.Write(text); err != nil {
		return fmt.Errorf("leave: %w", err)
	}
	log.Info("quiltd leaves", "executions", len(state.Executions), "parked", len(state.Parked), "bytes", len(text), "rested", rested, "took", time.Since(began))
	return launcher.Left(file)
}
