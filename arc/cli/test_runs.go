package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ariacomputecompany/firmware/arc/file"
	"github.com/ariacomputecompany/firmware/arc/project"
	"github.com/ariacomputecompany/firmware/arc/remote"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

// runsFolder holds recorded runs that are tests, in the project's folder.
const runsFolder = "tests/runs"

// newestRuns is what --from-runs means without ids.
const newestRuns = "newest"

// recorded is one recording, as far as arc looks into it.
type recorded struct {
	Run  string `json:"run"`
	Runs []struct {
		Unit  string `json:"unit"`
		State string `json:"state"`
	} `json:"runs"`
}

// recordedTests are the recordings of a project, in order of their names.
func recordedTests(dir string) ([]string, error) {
	files, err := fs.Glob(os.DirFS(dir), runsFolder+"/*.json")
	if err != nil {
		return nil, fmt.Errorf("recorded runs: %w", err)
	}
	slices.Sort(files)
	return files, nil
}

// record writes runs into the project, to be played again by every arc test.
func (a *app) record(ctx context.Context, p *project.Project, ids []string) error {
	client, err := a.client()
	if err != nil {
		return err
	}
	if len(ids) == 1 && ids[0] == newestRuns {
		if ids, err = a.newest(ctx, client, p); err != nil {
			return err
		}
	}
	folder := filepath.Join(p.Dir, filepath.FromSlash(runsFolder))
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fault.Wrap(err, fault.Invalid, "%s cannot be made: %s", folder, reason(err))
	}
	for _, id := range ids {
		raw, err := client.Recording(ctx, id)
		if err != nil {
			return err
		}
		var rec recorded
		if err := json.Unmarshal(raw, &rec); err != nil || len(rec.Runs) == 0 {
			return fault.New(fault.Internal, "the recording of %s cannot be read", id)
		}
		if s := rec.Runs[0].State; s != "done" && s != "failed" && s != "cancelled" {
			return fault.New(fault.Conflict, "run %s goes on: it is %s", id, s).WithHint("wait until it has ended, or: arc cancel %s", id)
		}
		name := fmt.Sprintf("%s-%s.json", rec.Runs[0].Unit, id[max(0, len(id)-8):])
		if err := writeRecording(filepath.Join(folder, name), raw); err != nil {
			return err
		}
		a.note("recorded %s/%s", runsFolder, name)
	}
	return nil
}

// newest is the latest ended run of each unit and outcome of the project.
func (a *app) newest(ctx context.Context, client *remote.Client, p *project.Project) ([]string, error) {
	units, err := client.Units(ctx, "")
	if err != nil {
		return nil, err
	}
	own := map[string]bool{}
	for _, u := range units {
		own[u.Name] = own[u.Name] || u.Bundle == p.Name
	}
	var ids []string
	seen := map[string]bool{}
	for _, state := range []string{"done", "failed"} {
		runs, err := client.Runs(ctx, 1000, "", state)
		if err != nil {
			return nil, err
		}
		for _, r := range runs {
			if r.Parent != "" || !own[r.Unit] || seen[r.Unit+state] {
				continue
			}
			seen[r.Unit+state] = true
			ids = append(ids, r.ID)
		}
	}
	if len(ids) == 0 {
		return nil, fault.New(fault.NotFound, "no unit of %s has a run that ended", p.Name).WithHint("arc upload, arc run, and then: arc test --from-runs")
	}
	return ids, nil
}

func writeRecording(path string, raw json.RawMessage) error {
	var v any
	err := json.Unmarshal(raw, &v)
	if err == nil {
		raw, err = json.MarshalIndent(json.RawMessage(raw), "", " ")
	}
	if err == nil {
		err = os.WriteFile(path, append(raw, '\n'), 0o644)
	}
	if err != nil {
		return fault.Wrap(err, fault.Invalid, "%s cannot be written: %s", path, reason(err))
	}
	return nil
}

// playRuns plays the recorded runs of the project on the code as it is now.
func (a *app) playRuns(ctx context.Context, p *project.Project, files []string) (passed int, err error) {
	client, err := a.client()
	if err != nil {
		return 0, playing(err, len(files))
	}
	digest, drop, err := a.replayWith(ctx, client, p.Dir)
	if err != nil {
		return 0, playing(err, len(files))
	}
	defer drop()
	for _, f := range files {
		raw, err := file.Read(filepath.Join(p.Dir, filepath.FromSlash(f)), f, file.Large)
		if err != nil {
			return passed, fault.Wrap(err, fault.Invalid, "%s cannot be read: %s", f, reason(err))
		}
		began := time.Now()
		rep, err := client.Replay(ctx, "", raw, digest, 0)
		var wrong *fault.Error
		switch {
		case errors.As(err, &wrong) && (wrong.Code == fault.Invalid || wrong.Code == fault.NotFound):
			a.note("(fail) %s: %s", f, wrong.Message)
		case err != nil:
			return passed, err
		case rep.Divergence != nil:
			d := rep.Divergence
			a.note("(fail) %s: event %d of %s\n  expected  %s\n  got       %s", f, d.Seq, d.Unit, clean(oneLine(d.Expected)), clean(oneLine(d.Got)))
		default:
			passed++
			a.note("(pass) %s: %d events [%s]", f, rep.Events, tookText(time.Since(began)))
		}
	}
	return passed, nil
}

// playing says why an ariad is needed at all.
func playing(err error, n int) error {
	f, ok := fault.As(err)
	if !ok || f.Code != fault.Unavailable && f.Code != fault.Unauthenticated {
		return err
	}
	return fault.Wrap(f.Cause, f.Code, "%s; the %d recorded runs in %s are played in containers", strings.TrimSuffix(f.Message, "."), n, runsFolder).
		WithHint("start one with arc dev, or leave them out with --no-runs")
}
