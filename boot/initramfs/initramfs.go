// Package initramfs writes the archive that the kernel unpacks as its first
// root (Documentation/driver-api/early-userspace/buffer-format.rst): cpio
// "newc", compressed with zstd. Same files, same bytes.
package initramfs

import (
	"bytes"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

// File is one entry. A path ending in "/" is a folder.
type File struct {
	Path string
	Mode uint32 // permission bits
	Data []byte
	// Device makes a character device of these numbers.
	Device *[2]uint32
}

const (
	modeDir    = 0o040000
	modeFile   = 0o100000
	modeDevice = 0o020000
)

// Write packs files in their order; parents have to come first.
func Write(w io.Writer, files []File) error {
	z, err := zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(8<<20))
	if err != nil {
		return fmt.Errorf("initramfs: %w", err)
	}
	if err := WritePlain(z, files); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return fmt.Errorf("initramfs: %w", err)
	}
	return nil
}

// WritePlain does not compress: the kernel takes that too, sooner.
func WritePlain(w io.Writer, files []File) error {
	for i, f := range append(files, File{Path: "TRAILER!!!"}) {
		if _, err := w.Write(entry(uint32(i+1), f)); err != nil {
			return fmt.Errorf("initramfs: %w", err)
		}
	}
	return nil
}

func entry(number uint32, f File) []byte {
	mode, name, device := f.Mode|modeFile, f.Path, [2]uint32{}
	switch {
	case name == "TRAILER!!!":
		mode = 0
	case f.Device != nil:
		mode, device = f.Mode|modeDevice, *f.Device
	case name[len(name)-1] == '/':
		mode, name = f.Mode|modeDir, name[:len(name)-1]
	}
	var b bytes.Buffer
	b.WriteString("070701")
	for _, v := range []uint32{number, mode, 0, 0, 1, 0, uint32(len(f.Data)), 0, 0, device[0], device[1], uint32(len(name) + 1), 0} {
		fmt.Fprintf(&b, "%08X", v)
	}
	b.WriteString(name + "\x00")
	align(&b)
	b.Write(f.Data)
	align(&b)
	return b.Bytes()
}

func align(b *bytes.Buffer) {
	for b.Len()%4 != 0 {
		b.WriteByte(0)
	}
}
