package daemon

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/policy"
	"github.com/ariacomputecompany/firmware/quilt/engine"
)

// policyEvery is how often the policy's file is looked at.
const policyEvery = time.Second

// readPolicy reads the policy; a file that is not there is none.
func readPolicy(path string) (engine.Rules, error) {
	r := engine.Rules{Since: time.Now()}
	p, text, err := policy.Load(path)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	r.Policy, r.Text, r.File = p, text, path
	return r, err
}

// watchPolicy takes up what is written to the policy's file, and looks at once on
// SIGHUP. A text that is wrong changes nothing: the policy before it holds, and
// one sentence says so. The same goes for a file that disappears.
func watchPolicy(ctx context.Context, path string, eng *engine.Engine, log *slog.Logger) {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	tick := time.NewTicker(policyEvery)
	defer tick.Stop()
	seen := stamp(path)
	for {
		asked := false
		select {
		case <-ctx.Done():
			return
		case <-hup:
			asked = true
		case <-tick.C:
		}
		if now := stamp(path); asked || now != seen {
			seen = now
			takePolicy(path, eng, log)
		}
	}
}

func takePolicy(path string, eng *engine.Engine, log *slog.Logger) {
	old := eng.Policy()
	r, err := readPolicy(path)
	if err == nil && r.Policy == nil && old.Policy != nil {
		err = fault.New(fault.NotFound, "%s is gone", path)
	}
	if err != nil {
		old.Problem = err.Error()
		if f, ok := fault.As(err); ok {
			old.Problem = f.Message
		}
		eng.SetPolicy(old)
		log.Error("policy not taken up; the one before it holds", "file", path, "err", err)
		return
	}
	if old.Problem == "" && bytes.Equal(old.Text, r.Text) {
		return
	}
	eng.SetPolicy(r)
	log.Info("policy taken up", "file", path, "tenants", len(r.Policy.Tenants), "namespaces", len(r.Policy.Namespace))
}

// stamp changes when a file does.
func stamp(path string) (s struct {
	size int64
	at   time.Time
}) {
	if info, err := os.Stat(path); err == nil {
		s.size, s.at = info.Size(), info.ModTime()
	}
	return s
}
