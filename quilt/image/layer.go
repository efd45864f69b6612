package image

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// unpacker reads layers, the lowest first.
type unpacker struct {
	tree    *tree
	blobs   string // folder for content
	limit   int64  // of all content together
	read    int64
	next    int
	dropped int // bits and attributes that give a program more than its user has
}

var errTooBig = errors.New("it is too large")

// decompress looks at the first bytes: gzip, zstd or neither.
func decompress(r io.Reader) (io.ReadCloser, error) {
	b := bufio.NewReaderSize(r, 64<<10)
	head, err := b.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		return gzip.NewReader(b)
	case bytes.Equal(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		z, err := zstd.NewReader(b, zstd.WithDecoderMaxMemory(256<<20))
		if err != nil {
			return nil, err
		}
		return z.IOReadCloser(), nil
	}
	return io.NopCloser(b), nil
}

// layer applies one layer. The reader is read to its end, so that who checks a
// digest has seen all of it.
func (u *unpacker) layer(r io.Reader) error {
	plain, err := decompress(r)
	if err != nil {
		return err
	}
	defer plain.Close()
	// Headers count too: an archive of nothing but names has a size.
	bounded := &io.LimitedReader{R: plain, N: u.limit + u.limit/4}
	archive := tar.NewReader(bounded)
	for {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if bounded.N <= 0 {
			return errTooBig
		}
		if err != nil {
			return fmt.Errorf("the archive is damaged: %w", err)
		}
		if err := u.entry(h, archive); err != nil {
			return err
		}
	}
	_, err = io.Copy(io.Discard, bounded)
	if err == nil && bounded.N <= 0 {
		err = errTooBig
	}
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, r)
	return err
}

func (u *unpacker) entry(h *tar.Header, content io.Reader) error {
	name := strings.TrimPrefix(path.Clean("/"+h.Name), "/")
	if _, err := clean(h.Name); err != nil {
		return err
	}
	dir, base := path.Split(name)
	if base == ".wh..wh..opq" {
		return u.tree.whiteout(dir, "")
	}
	if hidden, ok := strings.CutPrefix(base, ".wh."); ok {
		if hidden == "" || hidden == "." || hidden == ".." {
			return fmt.Errorf("%q removes nothing that can be named", h.Name)
		}
		return u.tree.whiteout(dir, hidden)
	}
	if h.Mode&0o6000 != 0 || h.PAXRecords["SCHILY.xattr.security.capability"] != "" {
		u.dropped++ // nothing of the kind is kept: files get one of two modes
	}
	switch h.Typeflag {
	case tar.TypeDir:
		return u.tree.put(name, &node{children: map[string]*node{}})
	case tar.TypeReg:
		n, err := u.content(h, content)
		if err != nil {
			return fmt.Errorf("%q: %w", h.Name, err)
		}
		return u.tree.put(name, n)
	case tar.TypeSymlink:
		if h.Linkname == "" || len(h.Linkname) > 4095 || strings.ContainsRune(h.Linkname, 0) {
			return fmt.Errorf("%q is a link that leads nowhere", h.Name)
		}
		return u.tree.put(name, &node{link: h.Linkname})
	case tar.TypeLink:
		return u.hardLink(name, h.Linkname)
	case tar.TypeXGlobalHeader:
		return nil
	}
	if mountPoint(strings.SplitN(name, "/", 2)[0]) {
		return nil // covered when a container starts
	}
	return fmt.Errorf("%q is a device, a pipe or of a kind that an image may not hold", h.Name)
}

// hardLink makes name the same file as one that the archive had before.
func (u *unpacker) hardLink(name, target string) error {
	parts, err := clean(target)
	if err != nil {
		return err
	}
	if len(parts) == 0 {
		return fmt.Errorf("%q is linked to the root", name)
	}
	parent, err := u.tree.resolve(parts[:len(parts)-1], false)
	if err != nil {
		return err
	}
	if parent == nil || !parent.folder() || parent.children[parts[len(parts)-1]] == nil {
		return fmt.Errorf("%q is linked to %q, which is not in the archive", name, target)
	}
	to := parent.children[parts[len(parts)-1]]
	if to.folder() {
		return fmt.Errorf("%q is linked to the folder %q", name, target)
	}
	return u.tree.put(name, to)
}

// content copies a file's bytes beside the tree. Holes count as if they were
// written, for they will be.
func (u *unpacker) content(h *tar.Header, r io.Reader) (*node, error) {
	if h.Size < 0 || u.read+h.Size > u.limit {
		return nil, errTooBig
	}
	u.read += h.Size
	u.next++
	blob := filepath.Join(u.blobs, strconv.Itoa(u.next))
	out, err := os.OpenFile(blob, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	n, err := io.Copy(out, r)
	if e := out.Close(); err == nil {
		err = e
	}
	if err == nil && n != h.Size {
		err = io.ErrUnexpectedEOF
	}
	return &node{blob: blob, size: h.Size, program: h.Mode&0o111 != 0}, err
}
