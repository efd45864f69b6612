// Package image makes the read-only root of every container: Bun, the shared
// libraries it names, a handful of /etc files, the harness and empty mount
// points. Flat: folders and regular files only, no link, no device, no
// set-user-id bit. It copies files and hashes them; it mounts nothing and
// downloads nothing.
package image

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// Config says what goes in.
type Config struct {
	Bun      string   // path of the bun binary
	Harness  []byte   // JavaScript, becomes /aria/harness.js
	CacheDir string   // images live in CacheDir/DIGEST; made if missing
	CA       string   // PEM file of further roots, becomes /aria/ca.pem; "": none
	Libs     []string // folders to look for shared libraries; nil: the usual ones
	Base     Base     // what the image is made on; zero: nothing
}

// Image is a verified folder.
type Image struct {
	Dir    string
	Digest string // sha256 over path, mode and content of everything in it, in hex
	Reused bool   // it lay in the cache and was verified
}

// Build returns the image for cfg: from the cache if what lies there still has
// the digest it is named after, else built anew. The cache key is found by
// hashing the inputs, so a new Bun or harness is a new image. Files that have
// not changed since they were last hashed are not hashed again.
func Build(cfg Config) (Image, error) {
	files, err := contents(cfg)
	if err != nil {
		return Image{}, err
	}
	if img, ok := stamped(cfg.CacheDir, files); ok {
		return img, nil
	}
	if cfg.Base.Dir != "" {
		if err := cfg.Base.Verify(); err != nil {
			return Image{}, err
		}
	}
	began := time.Now()
	digest, err := want(files)
	if err != nil {
		return Image{}, err
	}
	dir := filepath.Join(cfg.CacheDir, digest)
	prune(cfg.CacheDir, digest)
	if got, err := Digest(dir); err == nil && got == digest {
		now := time.Now()
		_ = os.Chtimes(dir, now, now) // used today, says prune's clock
		img := Image{Dir: dir, Digest: digest, Reused: true}
		putStamp(cfg.CacheDir, img, files, began)
		return img, nil
	}
	if err := write(cfg.CacheDir, dir, files); err != nil {
		return Image{}, fault.Wrap(err, fault.Unavailable, "the container image could not be written to %s", cfg.CacheDir).
			WithHint("it needs about 120 MB of free space there, and as much again as an imported image has")
	}
	got, err := Digest(dir)
	if err != nil {
		return Image{}, fmt.Errorf("image: %w", err)
	}
	if got != digest {
		return Image{}, fault.New(fault.Unavailable, "the container image changed while it was written").
			WithHint("is the bun binary being replaced? start quiltd again")
	}
	img := Image{Dir: dir, Digest: digest}
	putStamp(cfg.CacheDir, img, files, began)
	return img, nil
}

// keepUnused is how long an image that no start asks for stays in the cache.
const keepUnused = 7 * 24 * time.Hour

// prune removes images that were not used for a while. It is housekeeping: what
// cannot be removed stays.
func prune(cache, keep string) {
	entries, err := os.ReadDir(cache)
	if err != nil {
		return
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !e.IsDir() || e.Name() == keep || len(e.Name()) != 2*sha256.Size && !strings.HasPrefix(e.Name(), making) {
			continue
		}
		if time.Since(info.ModTime()) > keepUnused {
			_ = os.RemoveAll(filepath.Join(cache, e.Name()))
		}
	}
}

// Clean removes what was never finished and is not being written now. It returns
// how many.
func Clean(cache string) (int, error) {
	entries, err := os.ReadDir(cache)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("images: %w", err)
	}
	gone := 0
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !e.IsDir() || !strings.HasPrefix(e.Name(), making) || time.Since(info.ModTime()) < time.Minute {
			continue
		}
		if err := os.RemoveAll(filepath.Join(cache, e.Name())); err != nil {
			return gone, fmt.Errorf("images: %w", err)
		}
		gone++
	}
	return gone, nil
}

// making begins the name of a folder that is being written.
const making = ".making-"

// file is one entry to be: a folder when dir, else from bytes or from source.
type file struct {
	path   string // slash-separated, no leading slash
	mode   fs.FileMode
	dir    bool
	bytes  []byte
	source string
}

// write builds beside the goal and renames, so a crash leaves no half image
// under a digest's name.
func write(cache, dir string, files []file) error {
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(cache, making)
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	if err := os.Chmod(tmp, 0o755); err != nil {
		return err
	}
	for _, f := range files {
		if err := f.write(tmp); err != nil {
			return err
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	return os.Rename(tmp, dir)
}

func (f file) write(root string) error {
	path := filepath.Join(root, filepath.FromSlash(f.path))
	if f.dir {
		if err := os.Mkdir(path, 0o755); err != nil {
			return err
		}
		return os.Chmod(path, f.mode)
	}
	in, err := f.open()
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, f.mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if err := errors.Join(err, out.Close()); err != nil {
		return err
	}
	return os.Chmod(path, f.mode) // whatever the umask said
}

func (f file) open() (io.ReadCloser, error) {
	if f.source == "" {
		return io.NopCloser(strings.NewReader(string(f.bytes))), nil
	}
	return os.Open(f.source)
}

// want is the digest that a folder of files will have.
func want(files []file) (string, error) {
	h := sha256.New()
	for _, f := range files {
		if f.dir {
			fmt.Fprintf(h, "%s/ %o\n", f.path, f.mode)
			continue
		}
		in, err := f.open()
		if err != nil {
			return "", fmt.Errorf("image: %w", err)
		}
		sum, err := hash(in)
		in.Close()
		if err != nil {
			return "", fmt.Errorf("image: %s: %w", f.path, err)
		}
		fmt.Fprintf(h, "%s %o %s\n", f.path, f.mode, sum)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Digest hashes a folder: one line per entry in lexical order, "path/ mode" for
// a folder, "path mode sha256" for a file. Anything else in it is an error.
func Digest(dir string) (string, error) {
	h := sha256.New()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if info.Mode()&(fs.ModeSetuid|fs.ModeSetgid|fs.ModeSticky) != 0 {
			return fmt.Errorf("%s has a special mode bit", rel)
		}
		if d.IsDir() {
			fmt.Fprintf(h, "%s/ %o\n", rel, info.Mode().Perm())
			return nil
		}
		if !info.Mode().IsRegular() {
			return fmt.Errorf("%s is neither a folder nor a regular file", rel)
		}
		in, err := os.Open(path)
		if err != nil {
			return err
		}
		defer in.Close()
		sum, err := hash(in)
		if err != nil {
			return err
		}
		fmt.Fprintf(h, "%s %o %s\n", rel, info.Mode().Perm(), sum)
		return nil
	})
	if err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func hash(r io.Reader) (string, error) {
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
