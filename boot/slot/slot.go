// Package slot remembers what became of firmware updates: which version is on
// trial, how far it got, and why the last one was kept or not. It is pure (the
// transitions of Record) but for Store, which keeps a Record so that a power cut
// at any instant leaves the old or the new one. It does not choose what boots:
// the boot loader does, by counting tries (docs/design/010-boot-layout.md); here
// its choice is read and explained.
package slot

import (
	"github.com/ariacomputecompany/firmware/firmware"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

// Name of a slot: "a" or "b".
type Name string

// Other slot than this one.
func (n Name) Other() Name {
	if n == "a" {
		return "b"
	}
	return "a"
}

// Stage is how far a version on trial has come.
type Stage string

const (
	Entering Stage = "entering" // its boot entry is being written
	Entered  Stage = "entered"  // the next start takes it
	Init     Stage = "init"     // its init found the data partition
	Daemons  Stage = "daemons"  // ariad and quiltd were started
)

// Running is what the loader started, as init sees it.
type Running struct {
	Slot       Name
	Generation int
	Version    string
	Tries      bool // its entry carries a counter: it is on trial
}

// Trial is an update between its boot entry and the verdict.
type Trial struct {
	Version    string          `json:"version"`
	Image      firmware.Digest `json:"image"`
	Slot       Name            `json:"slot"`
	Generation int             `json:"generation"`
	Stage      Stage           `json:"stage"`
	Failure    string          `json:"failure,omitempty"` // what it said itself before it gave up
}

// Outcome is what became of an update.
type Outcome struct {
	Version    string          `json:"version"`
	Image      firmware.Digest `json:"image,omitempty"`
	Slot       Name            `json:"slot"`
	Generation int             `json:"generation"`
	Kept       bool            `json:"kept"`
	Reason     string          `json:"reason,omitempty"` // unless kept
	Cut        bool            `json:"cut,omitempty"`    // its transfer never ended
	UnixMS     int64           `json:"unixMs"`
}

// Upload is an update that is being received.
type Upload struct {
	Version string          `json:"version"`
	Image   firmware.Digest `json:"image"`
	Slot    Name            `json:"slot"`
}

// Record is all that is remembered.
type Record struct {
	Upload *Upload  `json:"upload,omitempty"`
	Trial  *Trial   `json:"trial,omitempty"`
	Last   *Outcome `json:"last,omitempty"`
}

// Receive notes that an update is being received.
func (r Record) Receive(u Upload) Record {
	r.Upload = &u
	return r
}

// Cut ends an update that was being received.
func (r Record) Cut(reason string, unixMS int64) Record {
	if u := r.Upload; u != nil {
		r.Last = &Outcome{Version: u.Version, Image: u.Image, Slot: u.Slot, Reason: reason, Cut: true, UnixMS: unixMS}
		r.Upload = nil
	}
	return r
}

// Enter puts an update on trial; to be saved before its boot entry is written.
func (r Record) Enter(t Trial) (Record, error) {
	if r.Trial != nil {
		return r, fault.New(fault.Conflict, "firmware %s is on trial already", r.Trial.Version).
			WithHint("wait until it is kept or back: arc firmware status")
	}
	t.Stage, t.Failure = Entering, ""
	r.Trial, r.Upload = &t, nil
	return r, nil
}

// At says that the trial has reached a stage.
func (r Record) At(s Stage) Record {
	if r.Trial != nil {
		t := *r.Trial
		t.Stage = s
		r.Trial = &t
	}
	return r
}

// Fail keeps the reason that the version on trial gives for giving up. The first
// reason stands: what follows from it explains less.
func (r Record) Fail(reason string) Record {
	if r.Trial != nil && r.Trial.Failure == "" {
		t := *r.Trial
		t.Failure = reason
		r.Trial = &t
	}
	return r
}

// Keep ends the trial well.
func (r Record) Keep(unixMS int64) Record { return r.end(true, "", unixMS) }

// Refuse remembers an update that never came to a trial: a bad signature, a cut
// transfer.
func (r Record) Refuse(version string, image firmware.Digest, to Name, reason string, unixMS int64) Record {
	r.Last = &Outcome{Version: version, Image: image, Slot: to, Reason: reason, UnixMS: unixMS}
	r.Upload = nil
	return r
}

func (r Record) end(kept bool, reason string, unixMS int64) Record {
	if t := r.Trial; t != nil {
		r.Last = &Outcome{Version: t.Version, Image: t.Image, Slot: t.Slot, Generation: t.Generation,
			Kept: kept, Reason: reason, UnixMS: unixMS}
		r.Trial = nil
	}
	return r
}

// Booted reads the loader's choice: it ends a trial that the machine has come
// back from, and says whether what runs now is on trial. To be called once at
// each start, and saved before anything else is tried.
func (r Record) Booted(now Running, unixMS int64) (_ Record, onTrial bool) {
	r = r.Cut("the transfer was cut: the machine restarted before all of it was there", unixMS)
	t := r.Trial
	switch {
	case t != nil && t.Generation == now.Generation && now.Tries:
		return r.At(Init), true
	case t != nil && t.Generation == now.Generation:
		// Its entry lost the counter, so it was found healthy; only the note of it is missing.
		return r.Keep(unixMS), false
	case t != nil:
		r = r.end(false, t.why(), unixMS)
	}
	if now.Tries { // the record knows nothing of it: the data partition was replaced
		r.Trial = &Trial{Version: now.Version, Slot: now.Slot, Generation: now.Generation, Stage: Init}
		return r, true
	}
	return r, false
}

// why the machine came back from a trial, as far as the trial got to tell.
func (t *Trial) why() string {
	if t.Failure != "" {
		return t.Failure
	}
	switch t.Stage {
	case Entering:
		return "the machine restarted while the update was being entered"
	case Entered:
		return "it never reached the data partition: its kernel panicked or hung, its init ended, or power was lost"
	case Init:
		return "its init ended or the machine was reset before the daemons were started"
	}
	return "the machine was reset before it was found healthy: a kernel panic, a hang or a power cut"
}
