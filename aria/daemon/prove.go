package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/ariacomputecompany/firmware/aria/tokenapi"
	"github.com/ariacomputecompany/firmware/firmware/control"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

// provePause between two attempts to be healthy.
const provePause = time.Second

// proofRoom must be writable: a journal that cannot grow takes no run.
const proofRoom = 1 << 20

// prove tells the machine's update service, once at each start, that all is
// well: this daemon serves, its disk takes writes, and a container ran. Until it
// is, the service hears why not, and goes back to the old firmware when the
// time of a new one is over.
func prove(ctx context.Context, fw control.Client, quilt *tokenapi.Client, dir string, log *slog.Logger) {
	for ctx.Err() == nil {
		err := errors.Join(writable(dir), contained(ctx, quilt))
		if err == nil {
			if err = fw.Healthy(ctx); err == nil {
				log.Info("machine healthy")
				return
			}
		} else if errSay := fw.Unwell(ctx, plain(err)); errSay != nil {
			err = errors.Join(err, errSay)
		}
		log.Warn("machine not healthy yet", "err", err)
		select {
		case <-ctx.Done():
		case <-time.After(provePause):
		}
	}
}

// writable writes and syncs a file and takes it away again.
func writable(dir string) error {
	path := filepath.Join(dir, "proof")
	f, err := os.Create(path)
	if err != nil {
		return fault.Wrap(err, fault.Exhausted, "the data partition takes no files")
	}
	_, err = f.Write(make([]byte, proofRoom))
	if err = errors.Join(err, f.Sync(), f.Close(), os.Remove(path)); err != nil {
		return fault.Wrap(err, fault.Exhausted, "the data partition takes no writes")
	}
	return nil
}

// contained runs one unit of ours in a container of its own.
func contained(ctx context.Context, quilt *tokenapi.Client) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	end, err := quilt.Execute(ctx, tokenapi.Request{
		Execution: fmt.Sprintf("proof.%d", time.Now().UnixNano()), Unit: "proof", Entry: "code/proof.js", Export: "proof",
		Files: []tokenapi.File{{Path: "code/proof.js", Content: []byte("// @bun\nexport function proof(n) { return n + 1 }\n")}},
		Args:  json.RawMessage("[41]"), Limits: tokenapi.Limits{Wall: 30 * time.Second},
	}, func(tokenapi.Event) error { return nil })
	switch {
	case err != nil:
		return fault.Wrap(err, fault.Unavailable, "no container ran")
	case end.Error != nil:
		return fault.Wrap(end.Error, fault.Unavailable, "a container did not end well (%s)", end.Reason)
	case strings.TrimSpace(string(end.Result)) != "42":
		return fault.New(fault.Unavailable, "a container gave %.40q where 42 was right", end.Result)
	}
	return nil
}

// plain is an error on one line.
func plain(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }
