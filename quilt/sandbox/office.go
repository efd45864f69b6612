package sandbox

import (
	"errors"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

const (
	standbyTime = 20 * time.Second // for a new engine to boot
	leaveTime   = 10 * time.Second // for the old one to leave what it holds
	crashes     = 5                // of engines within crashWindow; then the launcher gives up
	crashWindow = 10 * time.Second
)

// office keeps one engine at work. All its decisions are made by one goroutine.
type office struct {
	l       *launcher
	cfg     LauncherConfig
	crashed []time.Time
	ending  bool // somebody asked us to stop
}

// keep serves one engine after the other, until one ends as it should or
// cannot be started.
func (o *office) keep(w *worker) error {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGUSR2)
	defer signal.Stop(signals)
	if err := o.l.greet(w, false); err != nil {
		w.fire()
		return err
	}
	o.l.front(w)
	for {
		select {
		case s := <-signals:
			if s == syscall.SIGUSR2 {
				w = o.replace(w)
				continue
			}
			o.ending = o.ending || s != syscall.SIGHUP
			_ = w.process.Signal(s)
		case err := <-o.l.template.failed:
			w.fire()
			return err
		case <-w.gone:
			next, err := o.after(w)
			if next == nil {
				return err
			}
			w = next
		}
	}
}

// greet sends the hello that an engine waits for and begins to serve it.
func (l *launcher) greet(w *worker, later bool) error {
	host := l.host
	if err := w.conn.send(message{Op: "hello", Host: &host, Base: l.highest(), Later: later}); err != nil {
		return err
	}
	go func() {
		w.err = l.serve(w)
		w.conn.close()
		close(w.gone)
	}()
	return nil
}

// after decides what follows an engine that is gone. Without a next one, err is
// how the launcher ends.
func (o *office) after(w *worker) (next *worker, err error) {
	// However it ended, nobody reads from its containers now. They are told at once:
	// hundreds that notice by themselves would keep the next engine waiting.
	o.l.hurry()
	killed := o.l.orphan()
	if w.err != nil {
		o.l.log.Error("engine's socket broke", "err", w.err)
		_ = w.process.Kill()
	}
	end := <-w.stopped
	w.drop()
	if end == nil && w.err == nil || o.ending || !w.serving.isSet() || !o.patience() {
		return nil, end
	}
	began := time.Now()
	o.l.log.Error("engine crashed, starting another", "err", end, "containers", killed)
	if next, err = hire(o.cfg, false); err != nil {
		return nil, err
	}
	if err := o.l.greet(next, false); err != nil {
		next.fire()
		return nil, end
	}
	o.l.front(next)
	o.l.log.Info("engine started again", "took", time.Since(began))
	return next, nil
}

// patience is false once engines crash one after the other.
func (o *office) patience() bool {
	now := time.Now()
	o.crashed = append(o.crashed, now)
	if len(o.crashed) > crashes {
		o.crashed = o.crashed[1:]
		return now.Sub(o.crashed[0]) > crashWindow
	}
	return true
}

// replace puts a new engine in w's place. What is not ready in time changes
// nothing; once w has begun to leave there is no way back, and a failure is a
// crash: all containers end.
func (o *office) replace(w *worker) *worker {
	began := time.Now()
	next, err := o.candidate()
	if err != nil {
		o.l.log.Error("no restart: the new engine did not come up; the old one goes on", "err", err)
		return w
	}
	// Until the image is laid out, containers of w may be on their way into it, and w
	// cannot leave before they are there.
	o.l.template.begin()
	select {
	case <-o.l.template.laid:
	case <-w.gone:
	case <-time.After(standbyTime):
		o.l.log.Error("no restart: the container image is still being laid out; the old engine goes on", "waited", standbyTime)
		next.fire()
		return w
	}
	o.l.move(w)
	select {
	case <-w.left.c:
	case <-w.gone:
	case <-time.After(leaveTime):
	}
	if !w.left.isSet() {
		o.l.log.Error("the engine did not leave in order; its containers end")
		_ = w.process.Kill()
		o.l.orphan()
		w.drop()
	}
	kept := o.l.settle(w, next)
	go func() { // it has nothing left to do
		defer w.drop()
		select {
		case <-w.stopped:
			return
		case <-time.After(leaveTime):
		}
		_ = w.process.Kill()
		<-w.stopped
	}()
	o.l.log.Info("engine replaced", "containers", kept, "took", time.Since(began))
	return next
}

// candidate is a new engine that has booted and waits to take over.
func (o *office) candidate() (*worker, error) {
	w, err := hire(o.cfg, true)
	if err != nil {
		return nil, err
	}
	if err := o.l.greet(w, true); err != nil {
		w.fire()
		return nil, err
	}
	select {
	case <-w.standby.c:
		return w, nil
	case <-w.gone:
		err = errors.New("it ended")
	case <-time.After(standbyTime):
		err = fault.New(fault.Timeout, "it was not ready within %s", standbyTime)
	}
	w.fire()
	return nil, err
}
