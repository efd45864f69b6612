package daemon

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"time"

	_ "modernc.org/sqlite"

	"github.com/ariacomputecompany/firmware/aria/agency"
	"github.com/ariacomputecompany/firmware/aria/api"
	"github.com/ariacomputecompany/firmware/aria/execution"
	"github.com/ariacomputecompany/firmware/aria/memory"
	"github.com/ariacomputecompany/firmware/aria/oci"
	"github.com/ariacomputecompany/firmware/aria/orchestrator"
	"github.com/ariacomputecompany/firmware/aria/registry"
	"github.com/ariacomputecompany/firmware/aria/replay"
	"github.com/ariacomputecompany/firmware/aria/task"
	"github.com/ariacomputecompany/firmware/aria/tokenapi"
	"github.com/ariacomputecompany/firmware/aria/trigger"
	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/firmware/control"
	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/internal/version"
	toolfind "github.com/ariacomputecompany/firmware/llm/find"
)

// serve runs this daemon until SIGTERM or SIGINT.
func serve(cfg Config, log *slog.Logger) error {
	begin := time.Now()
	debug.SetGCPercent(40) // small before fast: the work happens in containers
	if err := os.MkdirAll(cfg.own(), 0o700); err != nil {
		return fault.Wrap(err, fault.Denied, "the data folder %s cannot be made", cfg.own()).WithHint("give --data a folder of yours")
	}
	unlock, err := lock(filepath.Join(cfg.own(), "lock"))
	if err != nil {
		return err
	}
	defer unlock()
	bearer, err := credential(cfg.credential())
	if err != nil {
		return err
	}
	ln, err := listen(cfg.Listen, log)
	if err != nil {
		return err
	}
	defer ln.Close()
	db, err := open(filepath.Join(cfg.own(), "aria.db"))
	if err != nil {
		return err
	}
	defer db.Close()
	quilt, err := tokenapi.Dial(cfg.Socket)
	if err != nil {
		return err
	}
	defer quilt.Close()

	streams, cut := context.WithCancel(context.Background())
	defer cut()
	handler, tasks, started, err := assemble(streams, cfg, db, quilt, bearer, log)
	if err != nil {
		return err
	}
	if err := tasks.Recover(context.Background()); err != nil {
		return err
	}
	go started.Run(streams)
	srv := api.Server(handler, log)
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(ln) }()
	go shrink(streams, tasks)
	go tasks.Retain(streams, task.Retention{Keep: time.Duration(cfg.Journal.Keep), MaxBytes: cfg.Journal.MaxBytes})
	if cfg.Firmware != "" {
		go prove(streams, control.Client(cfg.Firmware), quilt, cfg.own(), log)
	}
	log.Info("ariad ready", "listen", ln.Addr(), "took", time.Since(begin))
	return wait(cfg, srv, tasks, failed, cut, log)
}

// assemble is the whole of ariad, from the store up to the port.
func assemble(streams context.Context, cfg Config, db *sql.DB, quilt *tokenapi.Client, bearer string, log *slog.Logger) (http.Handler, *task.Tasks, *trigger.Triggers, error) {
	reg, err := registry.New(db, filepath.Join(cfg.own(), "bundles"), log)
	if err != nil {
		return nil, nil, nil, err
	}
	if cfg.Trust.Require {
		if err := reg.RequireTrust(cfg.Trust.File); err != nil {
			return nil, nil, nil, err
		}
	}
	known, err := newModels(cfg, log)
	if err != nil {
		return nil, nil, nil, err
	}
	mind, err := memory.New(db)
	if err != nil {
		return nil, nil, nil, err
	}
	run := execution.New(reg, quilt, log)
	keep, err := keeper(reg, cfg.own())
	if err != nil {
		return nil, nil, nil, err
	}
	thinking := agency.New(agency.Config{Registry: reg, Check: run.Check, Model: known.model, Memory: mind, Leases: quilt,
		RunCode: pieces{run}.code, Program: execution.Program, Keep: keep, Resident: cfg.Resident,
		Find: toolfind.New(known.embed, newSentences(db, log)), Log: log})
	if err := thinking.Settle(streams); err != nil {
		return nil, nil, nil, err
	}
	tasks, err := task.New(db, reg, map[bundle.Kind]task.Runner{
		bundle.Tool:     run,
		bundle.Pipeline: orchestrator.New(pieces{run}),
		bundle.Agent:    thinking,
		bundle.Team:     orchestrator.NewTeams(pieces{run}, thinking),
	}, task.Config{Tools: cfg.Tools, Agents: cfg.Agents, Pipelines: cfg.Pipelines}, log)
	if err != nil {
		return nil, nil, nil, err
	}
	shelf, err := oci.New(reg, db, filepath.Join(cfg.own(), "incoming"), log)
	if err != nil {
		return nil, nil, nil, err
	}
	started, err := trigger.New(db, reg, tasks, log)
	if err != nil {
		return nil, nil, nil, err
	}
	fresh := make(chan struct{}, 1)
	reg.OnChange(func() {
		select {
		case fresh <- struct{}{}:
		default: // it is told already
		}
	})
	go thinking.Foresee(streams, fresh)
	return api.New(streams, api.Deps{
		Registry: reg, OCI: shelf, Tasks: tasks, Credential: bearer, Version: version.Version, Started: time.Now(), Log: log,
		Firmware: cfg.Firmware,
		Quilt: func(ctx context.Context) (string, error) {
			st, err := quilt.Status(ctx)
			return st.Isolation, err
		},
		Replay: replay.New(reg, tasks), Backup: backups{cfg, db, quilt}.write, Counted: watched(streams, cfg, tasks, log), Engine: tokens{quilt}, Models: known.list, Secrets: secrets{quilt}, Triggers: started,
		Verify: quilt.VerifySecret,
	}), tasks, started, nil
}

// wait serves until a signal, then stops in order: intake, runs, streams, port.
func wait(cfg Config, srv *http.Server, tasks *task.Tasks, failed chan error, cut func(), log *slog.Logger) error {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case sig := <-signals:
		log.Info("ariad stopping", "signal", sig.String(), "runs", tasks.Open())
	}
	grace, cancel := context.WithTimeout(context.Background(), time.Duration(cfg.Grace))
	defer cancel()
	go func() { <-signals; cancel() }() // a second signal ends the grace
	tasks.Close(grace)
	cut()
	end, cancelEnd := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancelEnd()
	if srv.Shutdown(end) != nil {
		_ = srv.Close()
	}
	log.Info("ariad stopped")
	return nil
}

// shrink gives memory back to the system once the last run is over.
func shrink(ctx context.Context, tasks *task.Tasks) {
	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	seen := uint64(0) // runs at the last look
	for first := true; ; first = false {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if n := tasks.Accepted(); tasks.Open() == 0 && (first || n != seen) {
			debug.FreeOSMemory()
			seen = n
		}
	}
}

// open opens the store. Full sync: what was acknowledged survives a power cut.
func open(path string) (*sql.DB, error) {
	q := url.Values{"_pragma": {"auto_vacuum(2)", "journal_mode(WAL)", "synchronous(FULL)", "busy_timeout(10000)", "cache_size(-1024)",
		"journal_size_limit(16777216)", "temp_store(MEMORY)"}, "_txlock": {"immediate"}}
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?"+q.Encode())
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	db.SetMaxOpenConns(8)
	db.SetMaxIdleConns(2)
	db.SetConnMaxIdleTime(time.Minute)
	if err := db.Ping(); err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "the store %s cannot be opened", path).
			WithHint("is there space on the disk, and does this user own the folder?")
	}
	return db, os.Chmod(path, 0o600)
}

// lock keeps a second process out of the same folder for as long as we live.
func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fault.Wrap(err, fault.Denied, "%s cannot be opened", path).WithHint("does this user own the data folder?")
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fault.New(fault.Conflict, "another process uses the data folder %s", filepath.Dir(path)).
			WithHint("stop it, or give --data another folder")
	}
	return func() { f.Close() }, nil
}

func listen(addr string, log *slog.Logger) (net.Listener, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fault.New(fault.Invalid, "%q is not an address to listen on", addr).WithHint("write host:port, such as 127.0.0.1:7600")
	}
	ln, err := net.Listen("tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fault.New(fault.Conflict, "%s is in use by another program", addr).WithHint("stop it, or choose another address with --listen")
	}
	if err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "cannot listen on %s", addr).WithHint("choose another address with --listen")
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		log.Warn("listening beyond this machine without TLS: the credential crosses the network in the clear", "listen", ln.Addr())
	}
	return ln, nil
}
