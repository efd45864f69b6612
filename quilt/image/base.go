package image

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// Base is an imported root that images can be made on: flat, plain, named after
// its content.
type Base struct {
	Name    string    `json:"name"`
	Digest  string    `json:"digest"` // as Digest gives it
	From    string    `json:"from"`   // name of the file it came from
	Made    time.Time `json:"made"`
	Files   int       `json:"files"`
	Bytes   int64     `json:"bytes"`
	Dropped int       `json:"dropped"` // set-user-id bits and capabilities that were left out
	Loose   int       `json:"loose"`   // links that led nowhere
	Dir     string    `json:"-"`
}

// DefaultMaxBytes is how large a base may be, with links counted as what they
// lead to: the image is kept in memory.
const DefaultMaxBytes = 1 << 30

// baseFolder lies beside the images.
func baseFolder(cache string) string { return filepath.Join(cache, "bases") }

var baseName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)

// Import reads FILE (see readArchive), checks it and keeps it under name. None of
// its code is executed. cfg says what an image on it will hold besides, which
// must not collide.
func Import(ctx context.Context, cfg Config, from, name string, maxBytes int64) (Base, error) {
	if !baseName.MatchString(name) {
		return Base{}, fault.New(fault.Invalid, "%.64q is not a name for an image", name).WithHint("use small letters, digits and . _ -, at most 64")
	}
	folder := baseFolder(cfg.CacheDir)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return Base{}, fault.Wrap(err, fault.Unavailable, "the images' folder cannot be made")
	}
	tmp, err := os.MkdirTemp(cfg.CacheDir, making)
	if err != nil {
		return Base{}, err
	}
	defer os.RemoveAll(tmp)
	u := &unpacker{tree: newTree(), blobs: tmp, limit: maxBytes}
	if err := readArchive(ctx, from, u); err != nil {
		return Base{}, importFault(err, from, maxBytes)
	}
	flat, err := u.tree.flatten(maxBytes)
	if err != nil {
		return Base{}, importFault(err, from, maxBytes)
	}
	if len(flat.files) == 0 {
		return Base{}, refuseImage("it is empty")
	}
	files := withFolders(flat.files)
	if _, err := onBase(cfg, files); err != nil {
		return Base{}, err
	}
	digest, err := want(files)
	if err != nil {
		return Base{}, err
	}
	b := Base{Name: name, Digest: digest, From: filepath.Base(from), Made: time.Now().UTC().Truncate(time.Second), Files: len(files),
		Bytes: flat.bytes, Dropped: u.dropped, Loose: flat.dropped, Dir: filepath.Join(folder, digest)}
	if got, err := Digest(b.Dir); err != nil || got != digest {
		if err := write(folder, b.Dir, files); err != nil {
			return Base{}, fault.Wrap(err, fault.Unavailable, "the image could not be written to %s", folder)
		}
	}
	return b, b.save(folder)
}

// importFault gives an archive's fault a sentence.
func importFault(err error, from string, maxBytes int64) error {
	if errors.Is(err, errTooBig) {
		return fault.Wrap(err, fault.Exhausted, "the image %s holds more than %d MiB", filepath.Base(from), maxBytes>>20).
			WithHint("it would be kept in memory; use a smaller one, or raise -max-mib")
	}
	if _, ok := fault.As(err); ok {
		return err
	}
	return fault.New(fault.Invalid, "the image %s cannot be used: %v", filepath.Base(from), err)
}

func (b Base) save(folder string) error {
	text, err := json.Marshal(b)
	if err != nil {
		return err
	}
	path := filepath.Join(folder, b.Name+".json")
	tmp := filepath.Join(folder, making+b.Name)
	if err := os.WriteFile(tmp, append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("image: %w", err)
	}
	return os.Rename(tmp, path)
}

// Bases lists what was imported, by name.
func Bases(cache string) ([]Base, error) {
	entries, err := os.ReadDir(baseFolder(cache))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("images: %w", err)
	}
	var out []Base
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".json")
		if !ok {
			continue
		}
		b, err := FindBase(cache, name)
		if err != nil {
			return nil, err
		}
		out = append(out, b)
	}
	return out, nil
}

// FindBase finds an imported base by its name.
func FindBase(cache, name string) (Base, error) {
	var b Base
	if !baseName.MatchString(name) {
		return b, fault.New(fault.Invalid, "%.64q is not a name of an image", name)
	}
	text, err := os.ReadFile(filepath.Join(baseFolder(cache), name+".json"))
	if errors.Is(err, fs.ErrNotExist) {
		return b, fault.New(fault.NotFound, "there is no imported image %q", name).WithHint("quiltd image ls shows what there is")
	}
	if err == nil {
		err = json.Unmarshal(text, &b)
	}
	if err == nil && !hexDigest.MatchString(b.Digest) {
		err = fmt.Errorf("digest %q", b.Digest)
	}
	if err != nil {
		return b, fault.Wrap(err, fault.Invalid, "the description of the image %q is damaged", name).WithHint("import it again")
	}
	b.Dir = filepath.Join(baseFolder(cache), b.Digest)
	return b, nil
}

var hexDigest = regexp.MustCompile(`^[0-9a-f]{64}$`)

// Verify hashes the base anew.
func (b Base) Verify() error {
	got, err := Digest(b.Dir)
	if err != nil || got != b.Digest {
		return fault.Wrap(err, fault.Invalid, "the image %q is not what was imported: something changed it", b.Name).WithHint("remove it and import it again")
	}
	return nil
}

// RemoveBase takes a name away, and the content when no other name has it.
func RemoveBase(cache, name string) error {
	b, err := FindBase(cache, name)
	if err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(baseFolder(cache), name+".json")); err != nil {
		return fmt.Errorf("image: %w", err)
	}
	rest, err := Bases(cache)
	if err != nil || slices.ContainsFunc(rest, func(o Base) bool { return o.Digest == b.Digest }) {
		return err
	}
	return os.RemoveAll(b.Dir)
}

// listBase lists a base's folder as it lies there.
func listBase(dir string) ([]file, error) {
	var out []file
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
		f := file{path: filepath.ToSlash(rel), mode: info.Mode().Perm(), dir: d.IsDir()}
		if !f.dir {
			if !info.Mode().IsRegular() {
				return fmt.Errorf("%s is neither a folder nor a regular file", rel)
			}
			f.source = path
		}
		out = append(out, f)
		return nil
	})
	return out, err
}

// onBase puts our files over the base's: Bun and its libraries, which belong
// together, the harness, the mount points. A file of ours where the base has a
// folder, or the other way round, is refused.
func onBase(cfg Config, base []file) ([]file, error) {
	ours, err := ownContents(cfg)
	if err != nil {
		return nil, err
	}
	have := map[string]file{}
	for _, f := range ours {
		have[f.path] = f
	}
	for _, f := range base {
		own, both := have[f.path]
		if both && own.dir != f.dir {
			return nil, refuseImage("%s is a file in one and a folder in the other of it and Bun's own", f.path)
		}
		if !both {
			ours = append(ours, f)
		}
	}
	return withFolders(ours), nil
}
