// Package gpt reads, writes and grows a GUID partition table (UEFI
// specification 2.10, chapter 5) with 512-byte sectors and 128 entries. It
// knows nothing of file systems. Same table, same bytes.
package gpt

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
	"unicode/utf16"
)

const (
	sector    = 512
	entries   = 128
	entrySize = 128
	tableSize = entries * entrySize
	// Overhead is how many bytes the table takes at the disk's end.
	Overhead = tableSize + sector
)

// Part is one partition. First and Last are sectors, both within it.
type Part struct {
	Number      int // 1 to 128
	Name        string
	Type, GUID  string // "c12a7328-f81f-…"
	First, Last uint64
	attributes  uint64
}

// Offset and Size in bytes.
func (p Part) Offset() int64 { return int64(p.First) * sector }
func (p Part) Size() int64   { return int64(p.Last-p.First+1) * sector }

// Table is a disk's partitions.
type Table struct {
	Disk  string // GUID
	Parts []Part
}

// Find is the partition of that name.
func (t *Table) Find(name string) (Part, bool) {
	for _, p := range t.Parts {
		if p.Name == name {
			return p, true
		}
	}
	return Part{}, false
}

// Write puts the table on a disk of size bytes: protective MBR, both headers,
// both entry arrays. The backup goes first, so that a cut leaves one that holds.
func (t *Table) Write(w io.WriterAt, size int64) error {
	array, err := t.array()
	if err != nil {
		return err
	}
	last := uint64(size/sector) - 1
	for _, p := range t.Parts {
		if p.First < 2+tableSize/sector || p.Last < p.First || p.Last > last-1-tableSize/sector {
			return fmt.Errorf("partition %q (sectors %d to %d) does not fit the disk of %d", p.Name, p.First, p.Last, last+1)
		}
	}
	steps := []struct {
		at   uint64
		data []byte
	}{
		{last - tableSize/sector, array},
		{last, t.header(array, last, 1, last-tableSize/sector, last)},
		{2, array},
		{1, t.header(array, 1, last, 2, last)},
		{0, protective(last)},
	}
	for _, s := range steps {
		if _, err := w.WriteAt(s.data, int64(s.at)*sector); err != nil {
			return fmt.Errorf("partition table: %w", err)
		}
	}
	return nil
}

func (t *Table) array() ([]byte, error) {
	out := make([]byte, tableSize)
	for _, p := range t.Parts {
		if p.Number < 1 || p.Number > entries {
			return nil, fmt.Errorf("partition number %d", p.Number)
		}
		e := out[(p.Number-1)*entrySize:]
		for i, g := range []string{p.Type, p.GUID} {
			b, err := guid(g)
			if err != nil {
				return nil, err
			}
			copy(e[16*i:], b[:])
		}
		binary.LittleEndian.PutUint64(e[32:], p.First)
		binary.LittleEndian.PutUint64(e[40:], p.Last)
		binary.LittleEndian.PutUint64(e[48:], p.attributes)
		for i, u := range utf16.Encode([]rune(p.Name)) {
			if i >= 36 {
				return nil, fmt.Errorf("partition name %q is too long", p.Name)
			}
			binary.LittleEndian.PutUint16(e[56+2*i:], u)
		}
	}
	return out, nil
}

func (t *Table) header(array []byte, self, other, table, last uint64) []byte {
	h := make([]byte, sector)
	copy(h, "EFI PART")
	le := binary.LittleEndian
	le.PutUint32(h[8:], 0x00010000)
	le.PutUint32(h[12:], 92)
	le.PutUint64(h[24:], self)
	le.PutUint64(h[32:], other)
	le.PutUint64(h[40:], 2+tableSize/sector)
	le.PutUint64(h[48:], last-1-tableSize/sector)
	disk, _ := guid(t.Disk)
	copy(h[56:], disk[:])
	le.PutUint64(h[72:], table)
	le.PutUint32(h[80:], entries)
	le.PutUint32(h[84:], entrySize)
	le.PutUint32(h[88:], crc32.ChecksumIEEE(array))
	le.PutUint32(h[16:], crc32.ChecksumIEEE(h[:92]))
	return h
}

// protective is the MBR that keeps old tools away.
func protective(last uint64) []byte {
	m := make([]byte, sector)
	m[446+2] = 2 // C/H/S of sector 1
	m[446+4] = 0xee
	copy(m[446+5:], []byte{0xff, 0xff, 0xff})
	binary.LittleEndian.PutUint32(m[446+8:], 1)
	binary.LittleEndian.PutUint32(m[446+12:], uint32(min(last, 0xffffffff)))
	m[510], m[511] = 0x55, 0xaa
	return m
}

// ErrNone says that a disk has no table.
var ErrNone = errors.New("no partition table")

// Read takes the primary table, or the backup at the end of a disk of size
// bytes where the primary is damaged.
func Read(r io.ReaderAt, size int64) (*Table, error) {
	t, err := readAt(r, 1)
	if err == nil {
		return t, nil
	}
	if b, e := readAt(r, uint64(size/sector)-1); e == nil {
		return b, nil
	}
	return nil, err
}

func readAt(r io.ReaderAt, lba uint64) (*Table, error) {
	h := make([]byte, sector)
	if _, err := r.ReadAt(h, int64(lba)*sector); err != nil {
		return nil, fmt.Errorf("partition table: %w", err)
	}
	le := binary.LittleEndian
	if !bytes.HasPrefix(h, []byte("EFI PART")) {
		return nil, ErrNone
	}
	sum := le.Uint32(h[16:])
	le.PutUint32(h[16:], 0)
	if le.Uint32(h[12:]) != 92 || crc32.ChecksumIEEE(h[:92]) != sum || le.Uint64(h[24:]) != lba {
		return nil, errors.New("partition table: the header is damaged")
	}
	if le.Uint32(h[80:]) != entries || le.Uint32(h[84:]) != entrySize {
		return nil, errors.New("partition table: not of 128 entries of 128 bytes")
	}
	array := make([]byte, tableSize)
	if _, err := r.ReadAt(array, int64(le.Uint64(h[72:]))*sector); err != nil {
		return nil, fmt.Errorf("partition table: %w", err)
	}
	if crc32.ChecksumIEEE(array) != le.Uint32(h[88:]) {
		return nil, errors.New("partition table: the entries are damaged")
	}
	t := &Table{Disk: text(h[56:72])}
	for i := range entries {
		e := array[i*entrySize:]
		if bytes.Equal(e[:16], make([]byte, 16)) {
			continue
		}
		var name []uint16
		for j := range 36 {
			if u := le.Uint16(e[56+2*j:]); u != 0 {
				name = append(name, u)
			}
		}
		t.Parts = append(t.Parts, Part{Number: i + 1, Name: string(utf16.Decode(name)), Type: text(e[:16]), GUID: text(e[16:32]),
			First: le.Uint64(e[32:]), Last: le.Uint64(e[40:]), attributes: le.Uint64(e[48:])})
	}
	return t, nil
}

// Extend gives the named partition all the room after it on a disk of size
// bytes, or adds it as number after the last one. Partitions begin and end on
// align bytes. It returns the partition, and whether anything changed.
func (t *Table) Extend(p Part, size, align int64) (Part, bool) {
	step := uint64(align / sector)
	end := uint64(size/sector) - 1 - tableSize/sector
	last := end/step*step - 1
	for i, old := range t.Parts {
		if old.Name != p.Name {
			continue
		}
		if old.Last >= last {
			return old, false
		}
		t.Parts[i].Last = last
		return t.Parts[i], true
	}
	for _, o := range t.Parts {
		p.First = max(p.First, o.Last+1)
	}
	p.First = (p.First + step - 1) / step * step
	p.Last = last
	if p.Last < p.First {
		p.Last = p.First - 1 // no room: a size of 0
		return p, false
	}
	t.Parts = append(t.Parts, p)
	return p, true
}

// guid encodes the text form: three little-endian groups, then bytes.
func guid(s string) (out [16]byte, err error) {
	b, err := hex.DecodeString(strings.ReplaceAll(s, "-", ""))
	if err != nil || len(b) != 16 {
		return out, fmt.Errorf("%q is no GUID", s)
	}
	copy(out[:], []byte{b[3], b[2], b[1], b[0], b[5], b[4], b[7], b[6]})
	copy(out[8:], b[8:])
	return out, nil
}

func text(b []byte) string {
	return fmt.Sprintf("%08x-%04x-%04x-%x-%x", binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint16(b[4:]),
		binary.LittleEndian.Uint16(b[6:]), b[8:10], b[10:16])
}
