package bundle

import (
	"bytes"
	"encoding/binary"
)

// readZip walks the entries from the first byte on, then compares the rest of
// data with the one directory those entries can have. Nothing is unpacked.
func readZip(data []byte) ([]entry, error) {
	if !bytes.HasPrefix(data, localSig) {
		if isZip(data) {
			return nil, refuse("bytes stand before the first entry")
		}
		return nil, refuse("not a ZIP file")
	}
	var list []entry
	seen := newNames()
	var at, total int64
	for bytes.HasPrefix(data[at:], localSig) {
		e, err := readLocal(data, at)
		if err != nil {
			return nil, err
		}
		if err := checkOrder(list, e, seen); err != nil {
			return nil, err
		}
		if total += e.size; total > MaxTotal {
			return nil, refuse("more than %d MiB unpacked", MaxTotal>>20)
		}
		list = append(list, e)
		at += localSize + int64(len(e.name)) + e.packed
	}
	want := directory(list)
	if rest := data[at:]; !bytes.Equal(rest, want) {
		return nil, directoryFault(rest, want, list)
	}
	return list, nil
}

func checkOrder(list []entry, e entry, seen *names) error {
	if len(list) == 0 {
		if e.name != ManifestName {
			return refuse("the first entry is %q, not %s", e.name, ManifestName)
		}
		if e.size > MaxManifest {
			return refuse("%s is larger than %d MiB", ManifestName, MaxManifest>>20)
		}
	}
	if err := seen.add(e.name); err != nil {
		return err
	}
	if len(list) == MaxEntries {
		return refuse("more than %d entries", MaxEntries)
	}
	if len(list) > 1 && e.name < list[len(list)-1].name {
		return refuse("%q is out of order: entries are sorted by name", e.name)
	}
	return nil
}

// readLocal reads the local header at offset at.
func readLocal(data []byte, at int64) (entry, error) {
	h := data[at:]
	if len(h) < localSize {
		return entry{}, refuse("cut short in a header at byte %d", at)
	}
	le := binary.LittleEndian
	e := entry{
		method: le.Uint16(h[8:]),
		crc:    le.Uint32(h[14:]),
		packed: int64(le.Uint32(h[18:])),
		size:   int64(le.Uint32(h[22:])),
		offset: at,
	}
	nameLen, extraLen := int(le.Uint16(h[26:])), int(le.Uint16(h[28:]))
	if len(h) < localSize+nameLen {
		return entry{}, refuse("cut short in a name at byte %d", at)
	}
	e.name = string(h[localSize : localSize+nameLen])
	flags := le.Uint16(h[6:])
	switch {
	case flags&0x2041 != 0:
		return entry{}, refuse("%q is encrypted", e.name)
	case flags&0x0008 != 0:
		return entry{}, refuse("%q has its sizes behind the data", e.name)
	case extraLen != 0:
		return entry{}, refuse("%q has an extra field", e.name)
	case e.method != methodStore && e.method != methodDeflate:
		return entry{}, refuse("%q uses compression method %d; only 0 (store) and 8 (deflate) are allowed", e.name, e.method)
	case e.size > MaxFile:
		return entry{}, refuse("%q is larger than %d MiB unpacked", e.name, MaxFile>>20)
	case e.method == methodStore && e.packed != e.size:
		return entry{}, refuse("%q is stored but its two sizes differ", e.name)
	case tooDense(e.packed, e.size):
		return entry{}, refuse("%q unpacks to more than %d times its packed size", e.name, maxRatio)
	case int64(len(h)) < localSize+int64(nameLen)+e.packed:
		return entry{}, refuse("cut short inside %q", e.name)
	}
	if err := checkPath(e.name); err != nil {
		return entry{}, err
	}
	if want := e.local(nil); !bytes.Equal(h[:len(want)], want) {
		return entry{}, refuse("the header of %q is not in the fixed form", e.name)
	}
	return e, nil
}

// directoryFault says how rest differs from the directory it should be.
func directoryFault(rest, want []byte, list []entry) error {
	if bytes.HasPrefix(rest, want) {
		return refuse("%d bytes stand behind the end", len(rest)-len(want))
	}
	if bytes.HasPrefix(rest, want[:len(want)-2]) && len(rest) > len(want) {
		return refuse("the file has a comment")
	}
	if bytes.HasPrefix(want, rest) {
		return refuse("cut short in the directory at the end")
	}
	at := 0
	for _, e := range list {
		n := centralSize + len(e.name)
		if len(rest) < at+n || !bytes.Equal(rest[at:at+n], want[at:at+n]) {
			return centralFault(rest[min(at, len(rest)):], e)
		}
		at += n
	}
	if bytes.HasPrefix(rest[at:], centralSig) {
		return refuse("the directory names an entry that is not there")
	}
	return refuse("the end record does not match the entries")
}

// centralFault says what is wrong with e's header in the directory.
func centralFault(h []byte, e entry) error {
	if len(h) < centralSize || !bytes.HasPrefix(h, centralSig) {
		return refuse("%q is missing in the directory", e.name)
	}
	le := binary.LittleEndian
	switch {
	case le.Uint16(h[30:]) != 0:
		return refuse("%q has an extra field in the directory", e.name)
	case le.Uint16(h[32:]) != 0:
		return refuse("%q has a comment", e.name)
	case le.Uint32(h[38:])>>16&0o170000 == 0o120000:
		return refuse("%q is a symbolic link", e.name)
	case le.Uint32(h[38:]) != fileMode:
		return refuse("%q is not a plain file of mode 0644", e.name)
	}
	return refuse("%q has two headers that differ", e.name)
}
