package build

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/ariacomputecompany/firmware/boot/gpt"
	"github.com/ariacomputecompany/firmware/boot/layout"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

// Debian's systemd: the stub that turns kernel, initramfs and command line
// into one EFI program, and the loader that chooses among such programs.
const (
	stub   = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub"
	loader = "/usr/lib/systemd/boot/efi/systemd-bootx64.efi"
)

// GUIDs are fixed: they name the layout, not the machine.
const diskGUID = "a51a0000-0000-4000-8000-000000000000"

func partGUID(n int) string { return fmt.Sprintf("a51a0000-0000-4000-8000-%012d", n) }

// makeUKI is slot/linux.efi (UAPI group's specification of unified kernel images).
func makeUKI(o Options, cmdline string) error {
	if _, err := os.Stat(stub); err != nil {
		return fault.New(fault.Unavailable, "%s is not here", stub).WithHint("apt-get install systemd-boot-efi")
	}
	tmp, err := os.MkdirTemp(o.Out, ".uki-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	release := fmt.Sprintf("ID=aria\nNAME=Aria\nPRETTY_NAME=\"Aria\"\nVERSION_ID=%s\n", o.Version)
	for name, text := range map[string]string{"osrel": release, "cmdline": cmdline} {
		if err := os.WriteFile(filepath.Join(tmp, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	// Sections follow one another in memory behind the stub's own.
	at := int64(0x10_0000)
	var args []string
	for _, s := range []struct{ name, file string }{
		{".osrel", filepath.Join(tmp, "osrel")}, {".cmdline", filepath.Join(tmp, "cmdline")},
		{".linux", filepath.Join(o.Out, "vmlinuz")}, {".initrd", filepath.Join(o.Out, "initrd")},
	} {
		st, err := os.Stat(s.file)
		if err != nil {
			return err
		}
		args = append(args, "--add-section", s.name+"="+s.file, "--change-section-vma", fmt.Sprintf("%s=%#x", s.name, at))
		at += (st.Size() + 0xffff) &^ 0xffff
	}
	out := filepath.Join(o.Out, "slot", "linux.efi")
	if err := run("objcopy", append(args, stub, out)...); err != nil {
		return err
	}
	return clearTimes(out)
}

// clearTimes zeroes the time of day that objcopy writes into the PE header, and
// the checksum over it, which firmware does not read (Microsoft's PE format).
func clearTimes(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	var at [4]byte
	if _, err := f.ReadAt(at[:], 0x3c); err != nil {
		return err
	}
	header := int64(binary.LittleEndian.Uint32(at[:]))
	for _, field := range []int64{header + 8, header + 24 + 64} {
		if _, err := f.WriteAt(make([]byte, 4), field); err != nil {
			return err
		}
	}
	return f.Close()
}

// makeDisk writes aria.img and aria.qcow2.
func makeDisk(o Options) (Result, error) {
	esp := filepath.Join(o.Out, ".esp")
	defer os.Remove(esp)
	if err := makeESP(o, esp); err != nil {
		return Result{}, fmt.Errorf("esp: %w", err)
	}
	table := &gpt.Table{Disk: diskGUID}
	at := int64(layout.Align)
	for i, p := range []struct {
		name, kind string
		size       int64
	}{{layout.ESP, layout.TypeESP, layout.ESPSize}, {layout.RootA, layout.TypeRoot, layout.RootSize}, {layout.RootB, layout.TypeRoot, layout.RootSize}} {
		table.Parts = append(table.Parts, gpt.Part{Number: i + 1, Name: p.name, Type: p.kind, GUID: partGUID(i + 1),
			First: uint64(at / 512), Last: uint64((at+p.size)/512) - 1})
		at += p.size
	}
	size := at + layout.Align
	raw := filepath.Join(o.Out, "aria.img")
	if err := writeDisk(raw, size, table, map[string]string{layout.ESP: esp, layout.RootA: filepath.Join(o.Out, "slot", "root.img")}); err != nil {
		return Result{}, err
	}
	qcow := filepath.Join(o.Out, "aria.qcow2")
	if err := run("qemu-img", "convert", "-c", "-O", "qcow2", "-o", "compression_type=zstd", raw, qcow); err != nil {
		return Result{}, err
	}
	if err := run("qemu-img", "resize", "-q", qcow, fmt.Sprint(int64(layout.QcowSize))); err != nil {
		return Result{}, err
	}
	sum, _, err := hashFile(raw)
	if err != nil {
		return Result{}, err
	}
	st, err := os.Stat(qcow)
	if err != nil {
		return Result{}, err
	}
	return Result{Compressed: st.Size(), Digest: sum}, nil
}

func writeDisk(path string, size int64, table *gpt.Table, content map[string]string) error {
	_ = os.Remove(path)
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Truncate(size); err != nil {
		return err
	}
	if err := table.Write(f, size); err != nil {
		return err
	}
	for _, p := range table.Parts {
		if content[p.Name] == "" {
			continue
		}
		if err := copyInto(f, p.Offset(), content[p.Name]); err != nil {
			return err
		}
	}
	return f.Sync()
}

// copyInto leaves blocks of zeroes out, so that the file stays sparse.
func copyInto(f *os.File, at int64, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := io.ReadFull(in, buf)
		if !zero(buf[:n]) {
			if _, err := f.WriteAt(buf[:n], at); err != nil {
				return err
			}
		}
		at += int64(n)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func zero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// makeESP is a FAT32 with the loader, one entry and one kernel file.
func makeESP(o Options, path string) error {
	if _, err := os.Stat(loader); err != nil {
		return fault.New(fault.Unavailable, "%s is not here", loader).WithHint("apt-get install systemd-boot-efi")
	}
	_ = os.Remove(path)
	if err := run("mkfs.vfat", "--invariant", "-F", "32", "-S", "512", "-s", "1", "-n", "ARIA", "-C", path, fmt.Sprint(layout.ESPSize/1024)); err != nil {
		return err
	}
	stage, err := os.MkdirTemp(o.Out, ".esp-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(stage)
	texts := map[string]string{
		layout.LoaderConf: "timeout 0\neditor no\nauto-entries no\nauto-firmware no\n",
		layout.Entries + "/" + layout.Entry{Generation: 1}.Name(): layout.EntryText(1, "a"),
		layout.Config: "# Settings of this machine; see docs/spec/firmware.md. All are optional.\n" +
			"# hostname = \"aria\"\n# credential = \"at least 32 characters\"\n# address = \"dhcp\"\n# gateway = \"\"\n# dns = []\n# ntp = \"\"\n",
	}
	for name, text := range texts {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(stage, name)), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(stage, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	for _, d := range []string{"EFI", "EFI/BOOT", "EFI/aria", "loader", layout.Entries, "aria"} {
		if err := run("mmd", "-i", path, "::/"+d); err != nil {
			return err
		}
	}
	for _, c := range []struct{ from, to string }{
		{loader, layout.Loader}, {filepath.Join(o.Out, "slot", "linux.efi"), layout.UKI("a")},
		{filepath.Join(stage, layout.LoaderConf), layout.LoaderConf}, {filepath.Join(stage, layout.Config), layout.Config},
		{filepath.Join(stage, layout.Entries, layout.Entry{Generation: 1}.Name()), layout.Entries + "/" + layout.Entry{Generation: 1}.Name()},
	} {
		if err := run("mcopy", "-i", path, c.from, "::/"+c.to); err != nil {
			return err
		}
	}
	return nil
}
