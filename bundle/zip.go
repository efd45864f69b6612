package bundle

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/flate"
)

// The fixed form of the ZIP (APPNOTE 6.3.10): every header field that does not
// describe the entry has one value only, so a bundle's headers follow from its
// entries and the reader compares them byte for byte.
const (
	localSize   = 30
	centralSize = 46
	endSize     = 22

	methodStore   = 0
	methodDeflate = 8

	flagUTF8   = 0x0800
	dosDate    = 1<<5 | 1 // 1980-01-01, the format's zero
	needs      = 20       // version that can unpack deflate
	madeByUnix = 3<<8 | needs
	fileMode   = 0o100644 << 16
)

var (
	localSig   = []byte("PK\x03\x04")
	centralSig = []byte("PK\x01\x02")
	endSig     = []byte("PK\x05\x06")
)

// entry is one file of the ZIP.
type entry struct {
	name   string
	method uint16
	crc    uint32
	packed int64 // bytes in the ZIP
	size   int64 // bytes unpacked
	offset int64 // of the local header
}

// shared appends the fields that local and central headers have in common.
func (e entry) shared(b []byte) []byte {
	le := binary.LittleEndian
	b = le.AppendUint16(b, needs)
	b = le.AppendUint16(b, flagUTF8)
	b = le.AppendUint16(b, e.method)
	b = le.AppendUint16(b, 0) // time
	b = le.AppendUint16(b, dosDate)
	b = le.AppendUint32(b, e.crc)
	b = le.AppendUint32(b, uint32(e.packed))
	b = le.AppendUint32(b, uint32(e.size))
	b = le.AppendUint16(b, uint16(len(e.name)))
	return le.AppendUint16(b, 0) // extra
}

func (e entry) local(b []byte) []byte {
	return append(e.shared(append(b, localSig...)), e.name...)
}

func (e entry) central(b []byte) []byte {
	le := binary.LittleEndian
	b = le.AppendUint16(append(b, centralSig...), madeByUnix)
	b = e.shared(b)
	b = append(b, 0, 0, 0, 0, 0, 0) // comment, disk, internal attributes
	b = le.AppendUint32(b, fileMode)
	b = le.AppendUint32(b, uint32(e.offset))
	return append(b, e.name...)
}

// directory is everything behind the last entry.
func directory(list []entry) []byte {
	var b []byte
	for _, e := range list {
		b = e.central(b)
	}
	last := list[len(list)-1]
	start := last.offset + localSize + int64(len(last.name)) + last.packed
	le := binary.LittleEndian
	size := len(b)
	b = append(b, endSig...)
	b = append(b, 0, 0, 0, 0) // disks
	b = le.AppendUint16(b, uint16(len(list)))
	b = le.AppendUint16(b, uint16(len(list)))
	b = le.AppendUint32(b, uint32(size))
	b = le.AppendUint32(b, uint32(start))
	return le.AppendUint16(b, 0) // comment
}

// writeZip packs names in the given order.
func writeZip(names []string, files map[string][]byte) ([]byte, error) {
	var out []byte
	var list []entry
	// The encoder is not the standard library's because that may change its
	// bytes with any Go release.
	w, err := flate.NewWriter(nil, flate.BestCompression)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		e, packed, err := pack(w, name, files[name])
		if err != nil {
			return nil, err
		}
		e.offset = int64(len(out))
		out = append(e.local(out), packed...)
		list = append(list, e)
	}
	return append(out, directory(list)...), nil
}

// pack makes an entry, whose offset is not known yet, and its bytes.
func pack(w *flate.Writer, name string, body []byte) (entry, []byte, error) {
	method, packed, err := deflate(w, body)
	return entry{name: name, method: method, crc: crc32.ChecksumIEEE(body), packed: int64(len(packed)), size: int64(len(body))}, packed, err
}

// deflate chooses the smaller form.
func deflate(w *flate.Writer, body []byte) (uint16, []byte, error) {
	var b bytes.Buffer
	w.Reset(&b)
	if _, err := w.Write(body); err != nil {
		return 0, nil, err
	}
	if err := w.Close(); err != nil {
		return 0, nil, err
	}
	if b.Len() >= len(body) || tooDense(int64(b.Len()), int64(len(body))) {
		return methodStore, body, nil
	}
	return methodDeflate, b.Bytes(), nil
}

func tooDense(packed, size int64) bool { return size > freeRatio && size > maxRatio*packed }

// body is the entry as it stands in the ZIP.
func (e entry) body(zip []byte) []byte {
	start := e.offset + localSize + int64(len(e.name))
	return zip[start : start+e.packed]
}

// unpack gives the bytes of one entry, exactly as many as its header says.
func (e entry) unpack(zip []byte) ([]byte, error) {
	packed := e.body(zip)
	body := packed
	if e.method == methodDeflate {
		in := bytes.NewReader(packed)
		body = make([]byte, e.size)
		r := flate.NewReader(in)
		if _, err := io.ReadFull(r, body); err != nil {
			return nil, refuse("%q does not unpack to %d bytes", e.name, e.size)
		}
		if n, err := r.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			return nil, refuse("%q unpacks to more than %d bytes", e.name, e.size)
		}
		if in.Len() != 0 {
			return nil, refuse("%q has bytes behind its compressed data", e.name)
		}
	}
	if crc32.ChecksumIEEE(body) != e.crc {
		return nil, refuse("%q is damaged: its checksum differs", e.name)
	}
	return body, nil
}

// isZip: some ZIP begins somewhere in data.
func isZip(data []byte) bool { return bytes.Contains(data, endSig) }
