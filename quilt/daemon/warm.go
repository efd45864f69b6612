package daemon

import (
	"log/slog"
	"time"

	"github.com/ariacomputecompany/firmware/quilt/engine"
)

// warm is what waits with its code loaded; without the setting it holds nothing.
type warm struct{ *engine.Warm }

// loadTime is how long code may take to load for nobody.
const loadTime = 5 * time.Second

// newWarm puts what is loaded before host, if the configuration wants that.
func newWarm(host engine.Machine, base machine, cfg Config, log *slog.Logger) (*warm, engine.Machine) {
	if cfg.Warm == 0 || base.client.Hello().CgroupVersion == 0 { // its memory could not grow with the claim
		return &warm{}, host
	}
	w := engine.NewWarm(host, engine.WarmConfig{Max: cfg.Warm, Base: base, Fits: base.fitsParked, Room: roomLoaded,
		Boot: loadTime, Quiet: time.Duration(cfg.ParkedQuiet), Log: log})
	return &warm{w}, w
}

// roomLoaded counts what loaded code may take at most: a quarter of the memory
// that is free.
func roomLoaded() int { return roomParked() * 8 * parkedBytes / 4 / (64 << 20) }

func (w *warm) close() {
	if w.Warm != nil {
		w.Close()
	}
}
