package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/ariacomputecompany/firmware/test/system"
)

// rebuilds changes one file of each project n times under a real arc dev, whose
// account of each build is what counts: the wait for the editor to finish and the
// upload come on top.
func rebuilds(ctx context.Context, bin string, small, large project, n int) (quick, slow result, err error) {
	inst, err := system.Start(ctx, bin, "")
	if err != nil {
		return quick, slow, err
	}
	defer inst.Stop()
	if quick, err = changes(ctx, inst, small, "src/orders.ts", n); err != nil {
		return quick, slow, err
	}
	slow, err = changes(ctx, inst, large, "src/m07.ts", n/2)
	return quick, slow, err
}

// event is the part of a line of arc dev --json that is read.
type event struct {
	Event string `json:"event"`
	Build struct {
		TookMS float64 `json:"tookMs"`
	} `json:"build"`
}

func changes(ctx context.Context, inst *system.Instance, p project, file string, n int) (r result, err error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	cmd := inst.Arc(ctx, "dev", p.dir, "--json")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return r, err
	}
	if err := cmd.Start(); err != nil {
		return r, err
	}
	defer func() {
		cmd.Process.Signal(syscall.SIGINT)
		err = errors.Join(err, cmd.Wait())
	}()
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 16<<20)
	at := filepath.Join(p.dir, file)
	text, err := os.ReadFile(at)
	if err != nil {
		return r, err
	}
	for i := -3; i <= n; i++ { // the first is the build at the start, two more warm up
		if !lines.Scan() {
			return r, fmt.Errorf("arc dev ended: %w", lines.Err())
		}
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil || e.Event != "built" {
			return r, fmt.Errorf("arc dev said %.300s", lines.Text())
		}
		if i > 0 {
			r.wall = append(r.wall, e.Build.TookMS)
		}
		if i == n {
			break
		}
		change := fmt.Sprintf("\nexport const change%d = %d;\n", i+3, i)
		if err := os.WriteFile(at, append(text[:len(text):len(text)], change...), 0o644); err != nil {
			return r, err
		}
	}
	r.peak = peakOf(cmd.Process.Pid)
	return r, nil
}

// vmHWM reads the high-water mark of /proc/PID/status, in MiB.
func vmHWM(status string) float64 {
	for _, line := range strings.Split(status, "\n") {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "VmHWM:" {
			kib, _ := strconv.ParseFloat(f[1], 64)
			return kib / 1024
		}
	}
	return 0
}
