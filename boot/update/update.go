// Package update is the root side of a firmware update: it takes a signed image
// into the slot that does not run, enters it at the boot loader to be tried once,
// and, when the machine has started into it, keeps it only if ariad says in time
// that all is well. It is what firmware/control's socket asks (control.Handler).
// Which slot starts is the boot loader's choice (docs/design/010-boot-layout.md);
// it mounts nothing itself and never writes to the slot that runs.
package update

import (
	"fmt"
	"hash"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/ariacomputecompany/firmware/boot/layout"
	"github.com/ariacomputecompany/firmware/boot/slot"
	"github.com/ariacomputecompany/firmware/firmware"
	"github.com/ariacomputecompany/firmware/firmware/control"
)

// Machine is what init hands over.
type Machine struct {
	Running layout.Running
	Keys    []firmware.Public // whose images are taken
	// Root is the device of a slot's root partition.
	Root func(slot string) string
	// ESP mounts the EFI partition writable, calls do with its folder, and
	// unmounts it with everything on the disk.
	ESP func(do func(dir string) error) error
	// Reboot restarts the machine in good order; it returns at once.
	Reboot  func(why string)
	DataDir string // where the record is kept; layout.FirmwareDir
	// Patience is how long a version on trial has to become healthy; 0: DefaultPatience.
	Patience time.Duration
	// LastWords of the kernel before this one, if it panicked and they were kept.
	LastWords string
}

// DefaultPatience covers a first start on a slow machine.
const DefaultPatience = 2 * time.Minute

// Updater serves one machine. It is safe for concurrent use.
type Updater struct {
	m   Machine
	log *slog.Logger
	now func() time.Time

	mu         sync.Mutex // over everything below
	store      *slot.Store
	onTrial    bool
	restarting bool
	up         *upload
	unwell     string // ariad's last word on why it is not healthy
	healthy    chan struct{}
}

// upload is an image on its way.
type upload struct {
	head   firmware.Header
	id     firmware.Digest
	slot   slot.Name
	root   *os.File
	linux  *os.File
	next   int64
	synced int64
	sums   [2]hash.Hash
	idle   *time.Timer
}

// New reads what the loader chose, ends or continues a trial accordingly, and
// writes that down. To be called once at each start.
func New(m Machine, log *slog.Logger) (*Updater, error) {
	if m.Patience == 0 {
		m.Patience = DefaultPatience
	}
	if err := os.MkdirAll(m.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("firmware record: %w", err)
	}
	store, err := slot.Open(filepath.Join(m.DataDir, "record"))
	if err != nil {
		return nil, err
	}
	u := &Updater{m: m, log: log, now: time.Now, store: store, healthy: make(chan struct{})}
	before := store.Record()
	rec, onTrial := before.Booted(slot.Running{Slot: slot.Name(m.Running.Slot), Generation: m.Running.Generation,
		Version: m.Running.Version, Tries: m.Running.Tries}, u.ms())
	u.onTrial = onTrial
	if l := rec.Last; l != before.Last && l != nil && !l.Kept && !l.Cut && m.LastWords != "" {
		told := *l
		told.Reason += "; its kernel's last words: " + m.LastWords
		rec.Last = &told
	}
	if rec != before {
		if err := store.Save(rec); err != nil {
			return nil, err
		}
	}
	if rec.Last != before.Last {
		log.Warn("firmware update ended", "version", rec.Last.Version, "kept", rec.Last.Kept, "reason", rec.Last.Reason)
	}
	if onTrial {
		log.Info("firmware on trial", "version", m.Running.Version, "slot", m.Running.Slot, "patience", m.Patience)
	}
	return u, nil
}

// Close ends a transfer and gives the record back, so that the data partition can
// be unmounted; the last thing before the machine goes down.
func (u *Updater) Close() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.restarting = true
	u.drop("the transfer was cut: the machine went down")
	return u.store.Close()
}

func (u *Updater) ms() int64 { return u.now().UnixMilli() }

// OnTrial says whether what runs must still prove itself.
func (u *Updater) OnTrial() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.onTrial
}

// Last is what became of the last update, in one line for the status screen; ""
// when there was none.
func (u *Updater) Last() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	l := u.store.Record().Last
	switch {
	case l == nil:
		return ""
	case l.Kept:
		return fmt.Sprintf("firmware %s was kept", l.Version)
	}
	return fmt.Sprintf("firmware %s was not kept: %s", l.Version, l.Reason)
}

// Status for control.Handler.
func (u *Updater) Status() control.Status {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.status()
}

func (u *Updater) status() control.Status {
	r := u.m.Running
	st := control.Status{Version: r.Version, Slot: r.Slot, Generation: r.Generation, Boot: r.Boot, State: control.Steady}
	for _, k := range u.m.Keys {
		st.Keys = append(st.Keys, k.ID())
	}
	rec := u.store.Record()
	if up := u.up; up != nil {
		st.State = control.Receiving
		st.Update = &control.Update{Version: up.head.Version, Image: up.id, Slot: string(up.slot), Size: up.head.Size(), Offset: up.next}
	}
	if t := rec.Trial; t != nil {
		st.State = control.OnTrial
		st.Update = &control.Update{Version: t.Version, Image: t.Image, Slot: string(t.Slot), Stage: string(t.Stage), Reason: u.unwell}
	}
	if u.restarting {
		st.State = control.Restarting
	}
	if l := rec.Last; l != nil {
		st.Last = &control.Update{Version: l.Version, Image: l.Image, Slot: string(l.Slot), Outcome: outcome(l), Reason: l.Reason, EndedMS: l.UnixMS}
	}
	return st
}

func outcome(o *slot.Outcome) string {
	switch {
	case o.Kept:
		return "kept"
	case o.Cut:
		return "cut"
	case o.Generation == 0:
		return "refused"
	}
	return "back"
}

// arch is what this machine runs, as images name it.
func arch() string {
	switch runtime.GOARCH {
	case "amd64":
		return "x86_64"
	case "arm64":
		return "aarch64"
	}
	return runtime.GOARCH
}
