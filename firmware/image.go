package firmware

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// WriteImage signs the files of one firmware version and writes header and
// payload to out, which is replaced only once it is whole. The same files and
// key give the same bytes.
func WriteImage(out, root, linux, version, arch string, key Secret) (Header, error) {
	h := Header{Version: version, Arch: arch}
	var parts [2]*os.File
	for n, at := range []struct {
		path string
		part *Part
	}{{root, &h.Root}, {linux, &h.Linux}} {
		f, err := os.Open(at.path)
		if err != nil {
			return Header{}, fault.Wrap(err, fault.NotFound, "%s cannot be read", at.path).WithHint("make image writes it")
		}
		defer f.Close()
		if at.part.Digest, at.part.Size, err = Sum(f); err == nil {
			_, err = f.Seek(0, io.SeekStart)
		}
		if err != nil {
			return Header{}, fmt.Errorf("read %s: %w", at.path, err)
		}
		parts[n] = f
	}
	head, err := Sign(h, key)
	if err != nil {
		return Header{}, err
	}
	return h, replace(out, io.MultiReader(bytes.NewReader(head), parts[0], parts[1]), HeaderSize+h.Size())
}

func replace(out string, from io.Reader, size int64) error {
	temp := out + ".new"
	f, err := os.Create(temp)
	if err != nil {
		return fault.Wrap(err, fault.Denied, "%s cannot be written", temp)
	}
	n, err := io.Copy(f, from)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil && n != size {
		err = fault.New(fault.Conflict, "a part of %s changed while it was read", out)
	}
	if err == nil {
		err = os.Rename(temp, out)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", out, err), os.Remove(temp))
	}
	return nil
}

// OpenImage opens an image file for pushing: its raw header, what it announces
// (not yet believed: the machine checks the signature), and the payload at its
// beginning. The length of the file is checked against the header.
func OpenImage(path string) (f *os.File, raw []byte, h Header, err error) {
	f, err = os.Open(path)
	if err != nil {
		return nil, nil, Header{}, fault.Wrap(err, fault.NotFound, "the image %s cannot be read", path)
	}
	raw = make([]byte, HeaderSize)
	if _, err = io.ReadFull(f, raw); err != nil {
		raw = nil // too short to be one
	}
	h, err = Peek(raw)
	if err == nil {
		var st os.FileInfo
		if st, err = f.Stat(); err == nil && st.Size() != HeaderSize+h.Size() {
			err = fault.New(fault.Invalid, "%s has %d bytes, its header says %d", path, st.Size(), HeaderSize+h.Size()).
				WithHint("the file was cut or added to; fetch or make it again")
		}
	}
	if err != nil {
		return nil, nil, Header{}, errors.Join(err, f.Close())
	}
	return f, raw, h, nil
}
