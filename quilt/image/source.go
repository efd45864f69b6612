package image

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/content/oci"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// readArchive applies the layers of FILE to u: an OCI layout as a folder or tar
// archive, what `docker save` writes, or the tar archive of a root.
func readArchive(ctx context.Context, name string, u *unpacker) error {
	info, err := os.Stat(name)
	if err != nil {
		return fault.Wrap(err, fault.NotFound, "there is no image %s", name)
	}
	if info.IsDir() {
		store, err := oci.NewFromFS(ctx, os.DirFS(name))
		if err != nil {
			return fault.Wrap(err, fault.Invalid, "%s is not an OCI layout", name).WithHint("skopeo copy docker://IMAGE oci:FOLDER makes one")
		}
		return readLayout(ctx, name, true, store, u)
	}
	kind, err := archiveKind(name)
	if err != nil {
		return err
	}
	switch kind {
	case "oci":
		store, err := oci.NewFromTar(ctx, name)
		if err != nil {
			return fault.Wrap(err, fault.Invalid, "%s is not an OCI archive", name)
		}
		return readLayout(ctx, name, false, store, u)
	case "docker":
		return readDocker(name, u)
	}
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return u.layer(f)
}

// archiveKind looks for the file that says what an archive is.
func archiveKind(name string) (string, error) {
	kind := "root"
	err := eachEntry(name, func(h *tar.Header, _ io.Reader) error {
		switch path.Clean(h.Name) {
		case "oci-layout":
			kind = "oci"
			return io.EOF
		case "manifest.json":
			kind = "docker" // unless it is both
		}
		return nil
	})
	return kind, err
}

// eachEntry reads an uncompressed tar archive; a compressed one has no entries
// that say anything, for it is a root. io.EOF from f ends it.
func eachEntry(name string, f func(*tar.Header, io.Reader) error) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	var head [4]byte
	if n, _ := file.ReadAt(head[:], 0); n == 4 && (head[0] == 0x1f && head[1] == 0x8b || head == [4]byte{0x28, 0xb5, 0x2f, 0xfd}) {
		return nil
	}
	archive := tar.NewReader(file)
	for n := 0; ; n++ {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil || n > maxEntries {
			return fault.Wrap(err, fault.Invalid, "%s is not a tar archive that can be read", name)
		}
		if err := f(h, archive); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// maxManifest bounds what is read into memory.
const maxManifest = 4 << 20

// readLayout finds the one image for this machine and applies its layers. Every
// byte is checked against the digest that names it.
func readLayout(ctx context.Context, name string, folder bool, store content.Fetcher, u *unpacker) error {
	index, err := layoutIndex(name, folder)
	if err != nil {
		return fault.Wrap(err, fault.Invalid, "the index of %s cannot be read", name)
	}
	desc, err := forThisMachine(index)
	if err != nil {
		return err
	}
	for range 4 { // an index may hold indexes
		if desc.Size > maxManifest {
			return refuseImage("its manifest is larger than %d bytes", maxManifest)
		}
		text, err := content.FetchAll(ctx, store, desc)
		if err != nil {
			return fault.Wrap(err, fault.Invalid, "the image's manifest is not what its digest says")
		}
		switch desc.MediaType {
		case ocispec.MediaTypeImageIndex, "application/vnd.docker.distribution.manifest.list.v2+json":
			if desc, err = forThisMachine(text); err != nil {
				return err
			}
			continue
		}
		var m ocispec.Manifest
		if err := json.Unmarshal(text, &m); err != nil || len(m.Layers) == 0 {
			return refuseImage("its manifest lists no layers")
		}
		for _, l := range m.Layers {
			if err := readLayer(ctx, store, l, u); err != nil {
				return err
			}
		}
		return nil
	}
	return refuseImage("its indexes lead nowhere")
}

func readLayer(ctx context.Context, store content.Fetcher, l ocispec.Descriptor, u *unpacker) error {
	rc, err := store.Fetch(ctx, l)
	if err != nil {
		return fault.Wrap(err, fault.Invalid, "the image lacks its layer %s", l.Digest)
	}
	defer rc.Close()
	v := content.NewVerifyReader(rc, l)
	if err := u.layer(v); err != nil {
		return fmt.Errorf("layer %s: %w", l.Digest, err)
	}
	if err := v.Verify(); err != nil {
		return fault.Wrap(err, fault.Invalid, "the layer %s is not what its digest says", l.Digest)
	}
	return nil
}

// layoutIndex is the text of index.json, in a folder or an archive.
func layoutIndex(name string, folder bool) (text []byte, err error) {
	if folder {
		return os.ReadFile(filepath.Join(name, "index.json"))
	}
	err = eachEntry(name, func(h *tar.Header, r io.Reader) error {
		if path.Clean(h.Name) != "index.json" {
			return nil
		}
		if text, err = io.ReadAll(io.LimitReader(r, maxManifest)); err != nil {
			return err
		}
		return io.EOF
	})
	return text, err
}

// forThisMachine picks the manifest of our architecture out of an index.
func forThisMachine(index []byte) (ocispec.Descriptor, error) {
	var i ocispec.Index
	if err := json.Unmarshal(index, &i); err != nil {
		return ocispec.Descriptor{}, refuseImage("its index is not JSON")
	}
	var fit []ocispec.Descriptor
	for _, m := range i.Manifests {
		if m.Platform == nil || m.Platform.OS == "linux" && m.Platform.Architecture == runtime.GOARCH {
			fit = append(fit, m)
		}
	}
	switch len(fit) {
	case 0:
		return ocispec.Descriptor{}, refuseImage("it has nothing for linux/%s", runtime.GOARCH)
	case 1:
		return fit[0], nil
	}
	return ocispec.Descriptor{}, refuseImage("it holds %d images", len(fit)).WithHint("save one image only")
}

// readDocker reads the older archives of `docker save`. Their layers are named
// by a manifest and, where the name is one, checked against a digest.
func readDocker(name string, u *unpacker) error {
	var manifest []struct{ Layers []string }
	err := eachEntry(name, func(h *tar.Header, r io.Reader) error {
		if path.Clean(h.Name) != "manifest.json" {
			return nil
		}
		if err := json.NewDecoder(io.LimitReader(r, maxManifest)).Decode(&manifest); err != nil {
			return fault.Wrap(err, fault.Invalid, "manifest.json of %s cannot be read", name)
		}
		return io.EOF
	})
	if err != nil {
		return err
	}
	if len(manifest) != 1 || len(manifest[0].Layers) == 0 {
		return refuseImage("the archive holds %d images", len(manifest)).WithHint("save one image only")
	}
	for _, want := range manifest[0].Layers {
		found := false
		err := eachEntry(name, func(h *tar.Header, r io.Reader) error {
			if path.Clean(h.Name) != path.Clean(want) || h.Typeflag != tar.TypeReg {
				return nil
			}
			found = true
			if err := dockerLayer(want, r, u); err != nil {
				return err
			}
			return io.EOF
		})
		if err != nil {
			return err
		}
		if !found {
			return refuseImage("it lacks its layer %s", want)
		}
	}
	return nil
}

func dockerLayer(name string, r io.Reader, u *unpacker) error {
	hex, named := strings.CutPrefix(name, "blobs/sha256/")
	v := digest.SHA256.Digester()
	if err := u.layer(io.TeeReader(r, v.Hash())); err != nil {
		return fmt.Errorf("layer %s: %w", name, err)
	}
	if named && v.Digest().Encoded() != hex {
		return refuseImage("its layer %s is not what its digest says", name)
	}
	return nil
}

func refuseImage(format string, args ...any) *fault.Error {
	return fault.New(fault.Invalid, "the image cannot be used: "+format, args...)
}
