package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/quilt/api"
	"github.com/ariacomputecompany/firmware/quilt/engine"
	"github.com/ariacomputecompany/firmware/quilt/gate"
	egress "github.com/ariacomputecompany/firmware/quilt/net"
	"github.com/ariacomputecompany/firmware/quilt/sandbox"
	"github.com/ariacomputecompany/firmware/quilt/secret"
)

// runEngine is the side without privilege. Descriptor 3 is the launcher.
func runEngine(text string, log *slog.Logger) error {
	var arg engineArg
	if err := json.Unmarshal([]byte(text), &arg); err != nil {
		return fault.Wrap(err, fault.Invalid, "quiltd engine is started by quiltd only").WithHint("start quiltd")
	}
	log = logger(arg.Config.LogFormat, os.Stderr)
	// From the first moment: who is told to stop while it boots ends in order.
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	// Little garbage is made; a small heap matters more here than a rare cycle.
	debug.SetGCPercent(50)
	debug.SetMemoryLimit(256 << 20)
	cfg := arg.Config

	// Started from a descriptor, it would be called after its number. A name helps
	// people only, so an error is no matter.
	_ = os.WriteFile("/proc/self/comm", []byte("quilt-engine"), 0)
	launcher, err := sandbox.Dial(os.NewFile(3, "launcher"))
	if err != nil {
		return fault.Wrap(err, fault.Invalid, "quiltd engine is started by quiltd only").WithHint("start quiltd")
	}
	before, err := inherit(launcher)
	if err != nil {
		return err
	}
	if before.real {
		arg.Began = before.since
	}
	data, err := before.openStore(cfg, log)
	if err != nil {
		return err
	}
	defer data.Close()
	secrets, err := secret.Open(filepath.Join(cfg.Data, "quilt"), cfg.Secret.Identity)
	if err != nil {
		return err
	}
	models, err := modelGate(cfg, secrets.Resolve, log)
	if err != nil {
		return err
	}
	defer models.Close()
	audit, err := engine.OpenAudit(filepath.Join(cfg.Data, "quilt"), log)
	if err != nil {
		return err
	}
	defer audit.Close()
	way, err := egress.New(cfg.Net, log)
	if err != nil {
		return err
	}
	box := machine{client: launcher, ca: cfg.Net.CA != "" && cfg.Image == "", noJIT: !cfg.JIT}
	var host engine.Machine = box
	var pool *pools
	if cfg.Parked > 0 {
		pool = newPools(host, cfg, box.fitsParked, log)
		defer pool.close()
		host = pool
	}
	warm, host := newWarm(host, box, cfg, log)
	defer warm.close()
	behind, err := services(data, cfg, !before.real, log)
	if err != nil {
		return err
	}
	rules, err := readPolicy(cfg.Policy)
	if err != nil {
		return err // nothing holds that could go on holding: fail closed
	}
	door := gate.New(gate.Config{Egress: way, Model: models.Handler, Addr: sandbox.GateAddr, Log: log})
	eng := engine.New(engine.Config{
		Policy: rules, Ledger: filepath.Join(cfg.Data, "quilt", "spent.json"),
		Machine: host, Services: append(behind, models.Service(), way.Service(secrets, sandbox.GateAddr, door.Inside), secret.Service()), Epoch: data.Epoch(), Audit: audit,
		Gate:          door,
		MaxExecutions: cfg.MaxExecutions, Startup: time.Duration(cfg.Startup), Log: log,
	})
	if err := before.settle(box, pool, eng); err != nil {
		return err
	}
	srv := api.New(api.Config{Engine: eng, Secrets: secrets, UIDs: cfg.Allow, Facts: func(ctx context.Context) (api.Facts, error) {
		return facts(ctx, launcher, data, pool, warm, arg.BunVersion)
	}, Backup: func(ctx context.Context, to io.Writer) error {
		return backup(ctx, data, filepath.Join(cfg.Data, "quilt"), to)
	}})
	l, err := net.FileListener(os.NewFile(4, "socket"))
	if err != nil {
		return fmt.Errorf("inherited socket: %w", err)
	}
	watched, unwatch := context.WithCancel(context.Background())
	defer unwatch()
	go watchPolicy(watched, cfg.Policy, eng, log)
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	if err := launcher.Serving(); err != nil {
		return err
	}
	log.Info("quiltd ready", "socket", cfg.Socket, "isolation", launcher.Hello().Isolation, "epoch", data.Epoch(), "took", time.Since(arg.Began))
	notify("READY=1")
	err = untilStopped(cfg, eng, srv, launcher, served, stop, log)
	if err == errYield {
		warm.close() // what is loaded is made again; what is empty moves
		return leave(launcher, pool, eng, srv, log, data.Close, audit.Close)
	}
	return err
}

// errYield says that another engine waits to take over.
var errYield = errors.New("another engine takes over")

// untilStopped ends quiltd in order: no new executions, live ones end or are
// killed, their last events go out, the data is closed.
func untilStopped(cfg Config, eng *engine.Engine, srv *api.Server, launcher *sandbox.Client, served <-chan error, stop <-chan os.Signal, log *slog.Logger) error {
	select {
	case sig := <-stop:
		log.Info("quiltd stopping", "signal", sig.String(), "executions", eng.Live())
	case <-launcher.Yield():
		return errYield
	case <-launcher.Done():
		return fault.New(fault.Interrupted, "the launcher is gone").WithHint("start quiltd again")
	case err := <-served:
		return fmt.Errorf("serve: %w", err)
	}
	notify("STOPPING=1")
	srv.Draining()
	eng.Shutdown(time.Duration(cfg.Grace))
	srv.Stop(2 * time.Second)
	return nil
}

// notify tells a service manager how far we are, if there is one.
func notify(state string) {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return
	}
	if c, err := net.Dial("unixgram", path); err == nil {
		c.Write([]byte(state))
		c.Close()
	}
}
