// Package build is mkboot: it puts Debian's kernel, our init, the daemons and
// the container image together into what a machine boots. It installs nothing
// and needs no privilege but what Debian's tools need. Same inputs, same bytes.
//
// In OUT: vmlinuz, initrd and cmdline.txt for direct boot; slot/ with one
// version of the firmware (linux.efi, root.img, manifest.json); aria.img and
// aria.qcow2, whole disks. With -test-init also initrd-test.
package build

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"

	"github.com/ariacomputecompany/firmware/boot/initramfs"
	"github.com/ariacomputecompany/firmware/boot/kernel"
	"github.com/ariacomputecompany/firmware/boot/layout"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

// Options of one build.
type Options struct {
	Bin      string // folder of arc, ariad, quiltd, bun
	Daemons  string // folder of ariad and quiltd, where those are others; empty: Bin
	Model    string // llm/embed's file, for daemons that were built without it (tag ariaimage)
	Init     string // aria-init
	TestInit string // aria-init with the tag boottest; empty: no initrd-test
	Out      string
	Cache    string // where the kernel package lies or is fetched to
	Version  string
	Made     time.Time // what the clock never lies before
	Extra    string    // more words for the command line
	Level    int       // zstd level of root, 1 to 22
	// FirmwareKey is a file of public keys whose updates the image takes; empty: none.
	FirmwareKey string
}

// Main is mkboot. The result is the exit code.
func Main(args []string, stdout, stderr io.Writer) int {
	o := Options{}
	var made string
	fs := flag.NewFlagSet("mkboot", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.StringVar(&o.Bin, "bin", "bin", "`folder` of arc, ariad, quiltd and bun")
	fs.StringVar(&o.Daemons, "daemons", "", "`folder` of ariad and quiltd, where those are not of -bin")
	fs.StringVar(&o.Model, "model", "llm/embed/use.bin", "the embedding `file`, for daemons that were built with the tag ariaimage")
	fs.StringVar(&o.Init, "init", "bin/aria-init", "the init `program`")
	fs.StringVar(&o.TestInit, "test-init", "", "the init `program` of the test image")
	fs.StringVar(&o.Out, "out", "bin/boot", "`folder` to write to")
	fs.StringVar(&o.Cache, "cache", "bin/boot/cache", "`folder` of the kernel package")
	fs.StringVar(&o.Version, "version", "0.1.0-dev", "version of the image")
	fs.StringVar(&made, "made", "2026-11-01T00:00:00Z", "`time` that the machine's clock never lies before")
	fs.StringVar(&o.Extra, "append", "", "more `words` for the kernel's command line")
	fs.StringVar(&o.FirmwareKey, "firmware-key", "", "`file` of public keys whose updates the image takes (arc firmware key)")
	fs.IntVar(&o.Level, "level", 19, "zstd `level` of the root file system")
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	var err error
	if o.Made, err = time.Parse(time.RFC3339, made); err != nil {
		fmt.Fprintf(stderr, "mkboot: -made %q is no time such as 2026-11-01T00:00:00Z\n", made)
		return 2
	}
	r, err := Image(o)
	if err != nil {
		fmt.Fprintf(stderr, "mkboot: %v\n", err)
		if f, ok := fault.As(err); ok && f.Hint != "" {
			fmt.Fprintf(stderr, "  hint: %s\n", f.Hint)
		}
		return 1
	}
	fmt.Fprintf(stdout, "image: %.1f MB, digest sha256:%s\n", float64(r.Compressed)/1e6, r.Digest)
	return 0
}

// Result says what was made.
type Result struct {
	Compressed int64  // bytes of aria.qcow2
	Digest     string // sha256 of aria.img
}

// tools are Debian's programs that are needed, and their packages.
var tools = map[string]string{
	"dpkg-deb": "dpkg", "mksquashfs": "squashfs-tools", "mkfs.vfat": "dosfstools", "mcopy": "mtools",
	"objcopy": "binutils", "qemu-img": "qemu-utils",
}

// Image builds everything.
func Image(o Options) (Result, error) {
	if runtime.GOARCH != "amd64" { // kernel, EFI stub and partition types are amd64's
		return Result{}, fault.New(fault.Unavailable, "boot images are made for amd64, on amd64; this is %s", runtime.GOARCH).
			WithHint("run ariad and quiltd on a Linux of your own here")
	}
	for tool, pkg := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			return Result{}, fault.New(fault.Unavailable, "%s is not here", tool).WithHint("apt-get install %s", pkg)
		}
	}
	if err := os.MkdirAll(filepath.Join(o.Out, "slot"), 0o755); err != nil {
		return Result{}, err
	}
	files, err := kernelFiles(o)
	if err != nil {
		return Result{}, err
	}
	root, err := makeRoot(o)
	if err != nil {
		return Result{}, fmt.Errorf("root: %w", err)
	}
	cmdline := commandLine(o, root)
	if err := os.WriteFile(filepath.Join(o.Out, "cmdline.txt"), []byte(cmdline+"\n"), 0o644); err != nil {
		return Result{}, err
	}
	if err := makeUKI(o, cmdline); err != nil {
		return Result{}, fmt.Errorf("kernel image: %w", err)
	}
	if err := writeManifest(o, root, files); err != nil {
		return Result{}, err
	}
	return makeDisk(o)
}

// kernelFiles writes vmlinuz and the initramfs.
func kernelFiles(o Options) (kernel.Pin, error) {
	pin := kernel.Generic
	deb, err := pin.Fetch(o.Cache)
	if err != nil {
		return pin, err
	}
	k, err := pin.Open(deb)
	if err != nil {
		return pin, err
	}
	if err := os.WriteFile(filepath.Join(o.Out, "vmlinuz"), k.Image, 0o644); err != nil {
		return pin, err
	}
	steps, err := k.Order(kernel.Always, kernel.Drivers, kernel.Disks)
	if err != nil {
		return pin, err
	}
	for name, program := range map[string]string{"initrd": o.Init, "initrd-test": o.TestInit} {
		if program == "" {
			continue
		}
		if err := writeInitramfs(filepath.Join(o.Out, name), program, steps); err != nil {
			return pin, err
		}
	}
	return pin, nil
}

func writeInitramfs(path, program string, steps []kernel.Step) error {
	code, err := os.ReadFile(program)
	if err != nil {
		return fault.Wrap(err, fault.NotFound, "there is no init at %s", program).WithHint("go build -o %s ./cmd/aria-init", program)
	}
	var files []initramfs.File
	for _, d := range []string{"dev/", "proc/", "sys/", "run/", "newroot/", "modules/"} {
		files = append(files, initramfs.File{Path: d, Mode: 0o755})
	}
	files = append(files, initramfs.File{Path: "dev/console", Mode: 0o600, Device: &[2]uint32{5, 1}},
		initramfs.File{Path: "init", Mode: 0o755, Data: code},
		initramfs.File{Path: "modules/list", Mode: 0o644, Data: kernel.List(steps)})
	for _, s := range steps {
		files = append(files, initramfs.File{Path: "modules/" + s.Module.Name + ".ko", Mode: 0o644, Data: s.Module.Data})
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(initramfs.Write(f, files), f.Close())
}

// commandLine is the kernel's, whichever way it is booted.
func commandLine(o Options, r rootImage) string {
	line := "console=tty0 console=ttyS0,115200 quiet loglevel=3 panic=5 oops=panic" +
		" slab_nomerge init_on_alloc=1 vsyscall=none debugfs=off random.trust_cpu=on cryptomgr.notests" +
		fmt.Sprintf(" %s=%s %s=%d aria.version=%s aria.made=%s", layout.ArgRoot, r.hash, layout.ArgRootSize, r.size,
			o.Version, o.Made.UTC().Format(time.RFC3339))
	if o.Extra != "" {
		line += " " + o.Extra
	}
	return line
}

func writeManifest(o Options, r rootImage, pin kernel.Pin) error {
	m := layout.Manifest{Version: o.Version, Kernel: pin.Package + " " + pin.Version, RootHash: r.hash, RootSize: r.size, Files: map[string]layout.File{}}
	for _, name := range []string{"linux.efi", "root.img"} {
		sum, size, err := hashFile(filepath.Join(o.Out, "slot", name))
		if err != nil {
			return err
		}
		m.Files[name] = layout.File{Size: size, SHA256: sum}
	}
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(o.Out, "slot", "manifest.json"), append(text, '\n'), 0o644)
}

func hashFile(path string) (sum string, size int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	h := sha256.New()
	size, err = io.Copy(h, f)
	return hex.EncodeToString(h.Sum(nil)), size, err
}

// run is one of Debian's tools, with a fixed clock.
func run(name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH=315532800", "TZ=UTC", "LC_ALL=C", "MTOOLS_SKIP_CHECK=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, out)
	}
	return nil
}
