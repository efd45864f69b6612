// Package machine runs the boot image in QEMU for whole-system programs: a disk
// made from the image, started by UEFI, reached over a loopback port as any
// client would. Test programs use it; it knows the image's layout and nothing of
// what they want to show.
package machine

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"connectrpc.com/connect"

	"github.com/ariacomputecompany/firmware/boot/layout"
	"github.com/ariacomputecompany/firmware/proto/gen/aria/v1/ariav1connect"
	"github.com/ariacomputecompany/firmware/test/qemu"
)

// OVMF of Debian.
const (
	ovmfCode = "/usr/share/OVMF/OVMF_CODE_4M.fd"
	ovmfVars = "/usr/share/OVMF/OVMF_VARS_4M.fd"
)

// guest is the machine's address, fixed by its settings; not the one that QEMU's
// DHCP server would give.
const guest = "10.0.2.77"

const settings = "credential = %q\naddress = \"" + guest + "/24\"\ngateway = \"10.0.2.2\"\n"

// ReadyTime is how long a start by UEFI under emulation may take on a busy machine.
const ReadyTime = 4 * time.Minute

// Box is one machine with its disk. Not safe for concurrent use.
type Box struct {
	Dir        string
	Disk       string // raw image file
	Credential string
	Log        io.Writer  // of the serial line; may be nil
	Drive      *qemu.Disk // instead of Disk, when set
	Bus, NIC   string     // empty: virtio
	Guest      string     // the machine's address; set by its settings unless Append says otherwise
	Extra      []string   // more arguments of QEMU
	// Direct boot, with Kernel: without UEFI.
	Kernel, Initrd, Append string
	M                      *qemu.Machine
	URL                    string

	Bundles  ariav1connect.BundleServiceClient
	Tasks    ariav1connect.TaskServiceClient
	System   ariav1connect.SystemServiceClient
	Firmware ariav1connect.FirmwareServiceClient
}

// New makes a disk of size bytes in a new folder, from an image of mkboot.
func New(image string, size int64) (*Box, error) {
	dir, err := os.MkdirTemp("", "aria-box-")
	if err != nil {
		return nil, err
	}
	var secret [32]byte
	_, _ = rand.Read(secret[:])
	b := &Box{Dir: dir, Disk: filepath.Join(dir, "disk"), Credential: hex.EncodeToString(secret[:]), Guest: guest}
	conf := filepath.Join(dir, "aria.toml")
	err = errors.Join(
		tool("cp", "--sparse=always", image, b.Disk),
		os.Truncate(b.Disk, size),
		tool("cp", ovmfVars, filepath.Join(dir, "vars")),
		os.WriteFile(conf, []byte(fmt.Sprintf(settings, b.Credential)), 0o600),
		os.WriteFile(b.CredentialFile(), []byte(b.Credential+"\n"), 0o600),
		tool("mcopy", "-o", "-i", fmt.Sprintf("%s@@%d", b.Disk, layout.Align), conf, "::/"+layout.Config))
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return b, nil
}

func tool(name string, args ...string) error {
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, bytes.TrimSpace(out))
	}
	return nil
}

// CredentialFile is for arc.
func (b *Box) CredentialFile() string { return filepath.Join(b.Dir, "credential") }

// Start switches the machine on and returns at once.
func (b *Box) Start(ctx context.Context) error {
	disk := qemu.Disk{Path: b.Disk, Format: "raw", Bus: b.Bus}
	if b.Drive != nil {
		disk = *b.Drive
	}
	var err error
	c := qemu.Config{Kernel: b.Kernel, Initrd: b.Initrd, Append: b.Append, Disks: []qemu.Disk{disk},
		Ports: []int{layout.Port}, Guest: b.Guest, NIC: b.NIC, Extra: b.Extra, MemoryMiB: 768, Watchdog: true, Log: b.Log}
	if b.Kernel == "" {
		c.Firmware, c.Vars = ovmfCode, filepath.Join(b.Dir, "vars")
	}
	b.M, err = qemu.Start(ctx, c)
	if err != nil {
		return err
	}
	b.URL = "http://" + b.M.Addr(layout.Port)
	opt := connect.WithInterceptors(bearer(b.Credential))
	hc := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // the machine goes away without a word
	b.Bundles = ariav1connect.NewBundleServiceClient(hc, b.URL, opt)
	b.Tasks = ariav1connect.NewTaskServiceClient(hc, b.URL, opt)
	b.System = ariav1connect.NewSystemServiceClient(hc, b.URL, opt)
	b.Firmware = ariav1connect.NewFirmwareServiceClient(hc, b.URL, opt)
	return nil
}

// Ready waits for the ready line and returns it.
func (b *Box) Ready(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, ReadyTime)
	defer cancel()
	return b.M.WaitLine(ctx, "aria: ready")
}

// Close ends the machine and removes its disk.
func (b *Box) Close() error {
	if b.M != nil {
		b.M.Kill()
	}
	return os.RemoveAll(b.Dir)
}

// Arc is the real command, talking to this machine.
func (b *Box) Arc(ctx context.Context, bin string, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, filepath.Join(bin, "arc"), args...)
	c.Env = append(os.Environ(), "ARIA_SERVER="+b.URL, "ARIA_CREDENTIAL_FILE="+b.CredentialFile())
	return c
}

type bearer string

func (b bearer) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, r connect.AnyRequest) (connect.AnyResponse, error) {
		r.Header().Set("Authorization", "Bearer "+string(b))
		return next(ctx, r)
	}
}

func (b bearer) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return func(ctx context.Context, s connect.Spec) connect.StreamingClientConn {
		c := next(ctx, s)
		c.RequestHeader().Set("Authorization", "Bearer "+string(b))
		return c
	}
}

func (b bearer) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return next
}
