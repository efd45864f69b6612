package update

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ariacomputecompany/firmware/boot/layout"
	"github.com/ariacomputecompany/firmware/firmware"
	"github.com/ariacomputecompany/firmware/firmware/control"
	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/internal/testenv"
)

var key = firmware.Secret{1}

// box is a machine made of files, with a boot loader that counts as systemd-boot does.
type box struct {
	t       *testing.T
	dir     string
	espErr  error // the next mount of the ESP fails
	reboots chan string
}

func newBox(t *testing.T) *box {
	b := &box{t: t, dir: t.TempDir(), reboots: make(chan string, 4)}
	for _, d := range []string{"esp/EFI/aria", "esp/loader/entries"} {
		if err := os.MkdirAll(filepath.Join(b.dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	b.write("root-a", "root one")
	b.write("root-b", strings.Repeat("-", 64))
	b.write("esp/EFI/aria/a.efi", "kernel one")
	b.write("esp/loader/entries/aria-000001.conf", layout.EntryText(1, "a"))
	return b
}

func (b *box) write(name, text string) {
	b.t.Helper()
	if err := os.WriteFile(filepath.Join(b.dir, name), []byte(text), 0o600); err != nil {
		b.t.Fatal(err)
	}
}

func (b *box) read(name string) string {
	raw, _ := os.ReadFile(filepath.Join(b.dir, name))
	return string(raw)
}

func (b *box) entries() []string {
	found, err := entries(filepath.Join(b.dir, "esp"))
	if err != nil {
		b.t.Fatal(err)
	}
	var names []string
	for n := range found {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// boot picks an entry, counts its try, and starts the updater in what runs then.
func (b *box) boot() *Updater {
	b.t.Helper()
	var best string
	var pick layout.Entry
	for _, n := range b.entries() {
		e, _ := layout.ParseEntry(n)
		if (!e.Counted || e.Left > 0) && e.Generation > pick.Generation {
			best, pick = n, e
		}
	}
	text := b.read("esp/loader/entries/" + best)
	run := layout.Running{Slot: "a", Version: "1", Generation: pick.Generation, Boot: "uefi", Tries: pick.Counted}
	if strings.Contains(text, layout.UKI("b")) {
		run.Slot, run.Version = "b", "2"
	}
	if pick.Counted {
		pick.Left, pick.Done = pick.Left-1, pick.Done+1
		if err := os.Rename(filepath.Join(b.dir, "esp/loader/entries", best), filepath.Join(b.dir, "esp/loader/entries", pick.Name())); err != nil {
			b.t.Fatal(err)
		}
	}
	run.Entry = pick.Name()
	u, err := New(Machine{
		Running: run, Keys: []firmware.Public{key.Public()},
		Root: func(s string) string { return filepath.Join(b.dir, "root-"+s) },
		ESP: func(do func(string) error) error {
			if err := b.espErr; err != nil {
				b.espErr = nil
				return err
			}
			return do(filepath.Join(b.dir, "esp"))
		},
		Reboot:  func(why string) { b.reboots <- why },
		DataDir: filepath.Join(b.dir, "data"), Patience: 50 * time.Millisecond,
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		if u.up != nil {
			u.close()
		}
	})
	return u
}

// image of version 2: header and payload.
func (b *box) image(k firmware.Secret) (head, payload []byte) {
	b.t.Helper()
	b.write("new-root", "the second root")
	b.write("new-linux", "the second kernel")
	at := func(n string) string { return filepath.Join(b.dir, n) }
	if _, err := firmware.WriteImage(at("image"), at("new-root"), at("new-linux"), "2", arch(), k); err != nil {
		b.t.Fatal(err)
	}
	raw := []byte(b.read("image"))
	return raw[:firmware.HeaderSize], raw[firmware.HeaderSize:]
}

// push sends an image in small pieces and commits it.
func (b *box) push(u *Updater) {
	b.t.Helper()
	head, payload := b.image(key)
	up, err := u.Begin(head, false)
	if err != nil {
		b.t.Fatal(err)
	}
	for next := up.Offset; next < up.Size; {
		if next, err = u.Write(up.Image, next, payload[next:min(next+4, up.Size)]); err != nil {
			b.t.Fatal(err)
		}
	}
	st, err := u.Commit(up.Image)
	if err != nil || st.State != control.Restarting {
		b.t.Fatalf("Commit: %+v, %v", st, err)
	}
	if why := <-b.reboots; !strings.Contains(why, "try firmware 2") {
		b.t.Errorf("reboot %s", why)
	}
}

func TestAGoodUpdate(t *testing.T) {
	b := newBox(t)
	b.push(b.boot())
	if got := b.read("root-b"); !strings.HasPrefix(got, "the second root-") || b.read("esp/EFI/aria/b.efi") != "the second kernel" {
		t.Errorf("slot b: %q, %q", got, b.read("esp/EFI/aria/b.efi"))
	}
	u := b.boot()
	if st := u.Status(); st.Slot != "b" || st.Generation != 2 || st.State != control.OnTrial || st.Update.Stage != "init" {
		t.Fatalf("after the restart: %+v %+v", st, st.Update)
	}
	head, _ := b.image(key)
	if _, err := u.Begin(head, false); fault.CodeOf(err) != fault.Conflict {
		t.Errorf("an update during a trial: %v", err)
	}
	if err := errors.Join(u.Daemons(), u.Healthy(), u.Healthy()); err != nil {
		t.Fatal(err)
	}
	u.Watch(t.Context()) // returns at once
	u.GiveUp("too late")
	if got := b.entries(); !slices.Equal(got, []string{"aria-000001.conf", "aria-000002.conf"}) {
		t.Errorf("entries %v", got)
	}
	st := b.boot().Status()
	if st.Slot != "b" || st.State != control.Steady || st.Last.Outcome != "kept" || st.Last.Version != "2" {
		t.Errorf("later: %+v, last %+v", st, st.Last)
	}
	if len(b.reboots) > 0 {
		t.Errorf("reboot %s", <-b.reboots)
	}
}

func TestBackAgain(t *testing.T) {
	for _, c := range []struct {
		name string
		live func(u *Updater) // of the version on trial; nil: it never gets to run
		want string
	}{
		{"panic", nil, "kernel panicked"},
		{"init dies", func(*Updater) {}, "init ended"},
		{"reset later", func(u *Updater) { _ = u.Daemons() }, "reset before"},
		{"never healthy", func(u *Updater) { u.Unwell("quiltd is not ready"); u.Watch(t.Context()) }, "not healthy within 50ms: quiltd is not ready"},
		{"silent", func(u *Updater) { u.Watch(t.Context()) }, "never came up"},
		{"the mark fails", func(u *Updater) {
			b := u.m.ESP
			u.m.ESP = func(func(string) error) error { return errors.New("no ESP") }
			_ = u.Healthy()
			u.m.ESP = b
			u.Watch(t.Context())
		}, "not healthy"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBox(t)
			b.push(b.boot())
			if c.live == nil { // the loader counts, the kernel panics
				e := layout.Entry{Generation: 2, Counted: true, Left: 1}
				gone := layout.Entry{Generation: 2, Counted: true, Done: 1}
				dir := filepath.Join(b.dir, "esp/loader/entries")
				if err := os.Rename(filepath.Join(dir, e.Name()), filepath.Join(dir, gone.Name())); err != nil {
					t.Fatal(err)
				}
			} else {
				c.live(b.boot())
			}
			u := b.boot()
			st := u.Status()
			if st.Slot != "a" || st.State != control.Steady || st.Last == nil || st.Last.Outcome != "back" || !strings.Contains(st.Last.Reason, c.want) {
				t.Fatalf("%+v, last %+v", st, st.Last)
			}
			for len(b.reboots) > 0 {
				<-b.reboots
			}
			b.push(u) // and another update can be tried
			if got := b.entries(); !slices.Equal(got, []string{"aria-000001.conf", "aria-000003+1.conf"}) {
				t.Errorf("entries %v", got)
			}
		})
	}
}

func TestRefused(t *testing.T) {
	b := newBox(t)
	u := b.boot()
	good, _ := b.image(key)
	stranger, _ := b.image(firmware.NewSecret())
	big, err := firmware.Sign(firmware.Header{Version: "2", Arch: arch(), Root: firmware.Part{Size: layout.RootSize + 1, Digest: firmware.DigestOf(make([]byte, 32))},
		Linux: firmware.Part{Size: 1, Digest: firmware.DigestOf(make([]byte, 32))}}, key)
	if err != nil {
		t.Fatal(err)
	}
	older, err := firmware.Sign(firmware.Header{Version: "0.9.0", Arch: arch(), Root: firmware.Part{Size: 1, Digest: firmware.DigestOf(make([]byte, 32))},
		Linux: firmware.Part{Size: 1, Digest: firmware.DigestOf(make([]byte, 32))}}, key)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		raw  []byte
		want string
	}{
		{"changed", bytes.Replace(good, []byte(`"version":"2"`), []byte(`"version":"3"`), 1), "bad signature"},
		{"a stranger's", stranger, "does not trust"},
		{"no image", make([]byte, firmware.HeaderSize), "not an Aria firmware image"},
		{"too big", big, "does not fit"},
		{"older", older, "is older than 1"},
	} {
		_, err := u.Begin(c.raw, false)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
		if l := u.Status().Last; l == nil || l.Outcome != "refused" || !strings.Contains(l.Reason, c.want) {
			t.Errorf("%s: last %+v", c.name, l)
		}
	}
	if b.read("root-b") != strings.Repeat("-", 64) || u.Status().State != control.Steady {
		t.Error("a refused image changed the slot")
	}
	if up, err := u.Begin(older, true); err != nil || up.Slot != "b" {
		t.Errorf("going back on purpose: %+v, %v", up, err)
	}
}

// A data partition with too little room refuses an update before the other slot
// is touched. The small one is a file system of 4 MiB.
func TestRefusedForSpace(t *testing.T) {
	testenv.NeedRoot(t)
	b := newBox(t)
	data := filepath.Join(b.dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", data, "tmpfs", 0, "size=4m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(data, unix.MNT_DETACH) })
	u := b.boot()
	head, _ := b.image(key)
	_, err := u.Begin(head, false)
	if fault.CodeOf(err) != fault.Exhausted || !strings.Contains(err.Error(), "the data partition is full") {
		t.Errorf("begin: %v", err)
	}
	if l := u.Status().Last; l == nil || l.Outcome != "refused" || !strings.Contains(l.Reason, "the data partition is full") {
		t.Errorf("last %+v", l)
	}
	if b.read("root-b") != strings.Repeat("-", 64) || !slices.Equal(b.entries(), []string{"aria-000001.conf"}) {
		t.Error("it was begun all the same")
	}
	if err := unix.Unmount(data, 0); err != unix.EBUSY {
		t.Errorf("with the record open: %v, want EBUSY: Close would not be needed", err)
	}
	if err := u.Close(); err != nil {
		t.Error(err)
	}
	if err := unix.Unmount(data, 0); err != nil {
		t.Errorf("the record keeps the data partition mounted after Close: %v", err)
	}
}

func TestATransfer(t *testing.T) {
	b := newBox(t)
	u := b.boot()
	head, payload := b.image(key)
	up, err := u.Begin(head, false)
	if err != nil || up.Offset != 0 || up.Slot != "b" {
		t.Fatalf("Begin: %+v, %v", up, err)
	}
	next := func(n int64, err error) int64 {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := next(u.Write(up.Image, 0, payload[:7])); n != 7 {
		t.Errorf("next %d", n)
	}
	if n := next(u.Write(up.Image, 0, payload[:7])); n != 7 {
		t.Errorf("repeated: next %d", n)
	}
	if n := next(u.Write(up.Image, 20, payload[20:])); n != 7 {
		t.Errorf("ahead: next %d", n)
	}
	if again, err := u.Begin(head, false); err != nil || again.Offset != 7 {
		t.Errorf("begun again: %+v, %v", again, err)
	}
	if _, err := u.Commit(up.Image); fault.CodeOf(err) != fault.Conflict {
		t.Errorf("half an image: %v", err)
	}
	if _, err := u.Write("sha256:other", 7, payload); fault.CodeOf(err) != fault.NotFound {
		t.Errorf("another image: %v", err)
	}
	if _, err := u.Write(up.Image, 7, append(bytes.Clone(payload[7:]), 1)); fault.CodeOf(err) != fault.Invalid {
		t.Errorf("too much: %v", err)
	}
	wrong := bytes.Clone(payload)
	wrong[len(wrong)-1] ^= 1
	next(u.Write(up.Image, 7, wrong[7:]))
	if _, err := u.Commit(up.Image); fault.CodeOf(err) != fault.Invalid || !strings.Contains(err.Error(), "not what the image's header says") {
		t.Errorf("another payload: %v", err)
	}
	if got := b.entries(); !slices.Equal(got, []string{"aria-000001.conf"}) {
		t.Errorf("entries %v", got)
	}
}

// Power goes in the middle of a transfer, or between any two steps of Commit.
func TestPowerCuts(t *testing.T) {
	b := newBox(t)
	u := b.boot()
	head, payload := b.image(key)
	up, err := u.Begin(head, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := u.Write(up.Image, 0, payload[:9]); err != nil {
		t.Fatal(err)
	}
	u = b.boot()
	if st := u.Status(); st.Slot != "a" || st.Last.Outcome != "cut" || !strings.Contains(st.Last.Reason, "restarted") {
		t.Fatalf("after a cut: %+v, last %+v", st, st.Last)
	}
	if _, err := u.Write(up.Image, 9, payload[9:]); fault.CodeOf(err) != fault.NotFound {
		t.Errorf("going on after a restart: %v", err)
	}
	if up, err = u.Begin(head, false); err != nil || up.Offset != 0 {
		t.Fatalf("beginning anew: %+v, %v", up, err)
	}
	if _, err := u.Write(up.Image, 0, payload); err != nil {
		t.Fatal(err)
	}
	b.espErr = errors.New("no ESP")
	if _, err := u.Commit(up.Image); err == nil {
		t.Fatal("committed without an ESP")
	}
	if st, err := u.Commit(up.Image); err != nil || st.State != control.Restarting {
		t.Errorf("committed again: %+v, %v", st, err)
	}
}

func TestDirectBootCannotBeUpdated(t *testing.T) {
	b := newBox(t)
	u := b.boot()
	u.m.Running.Boot = "direct"
	head, _ := b.image(key)
	if _, err := u.Begin(head, false); fault.CodeOf(err) != fault.Unimplemented {
		t.Error(err)
	}
}
