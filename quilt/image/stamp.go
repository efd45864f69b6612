package image

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// A stamp says that an image was hashed and found right, and which files that
// was about: inode, size, times. Hashing takes most of a start, and nobody but
// root, who can do anything, can change a file and set its change time back. So
// a start that finds the same files trusts the stamp; any doubt means hashing.
type stamp struct {
	Digest string
	Made   time.Time
	Inputs []string // what the image is made of
	Files  []string // what lies in it
}

// settled is how much older than the stamp every file must be: a change within
// one tick of the clock would not be seen.
const settled = time.Second

func stampPath(cache string) string { return filepath.Join(cache, "verified.json") }

// stamped is the image that a stamp vouches for.
func stamped(cache string, files []file) (Image, bool) {
	path := stampPath(cache)
	info, err := os.Lstat(path)
	if err != nil || !info.Mode().IsRegular() || info.Mode().Perm()&0o077 != 0 || owner(info) != os.Geteuid() {
		return Image{}, false
	}
	text, err := os.ReadFile(path)
	var s stamp
	if err != nil || json.Unmarshal(text, &s) != nil || len(s.Digest) != 2*sha256.Size {
		return Image{}, false
	}
	inputs, young, err := inputMarks(files)
	if err != nil || !slices.Equal(inputs, s.Inputs) || young.Add(settled).After(s.Made) {
		return Image{}, false
	}
	dir := filepath.Join(cache, s.Digest)
	found, young, err := fileMarks(dir)
	if err != nil || !slices.Equal(found, s.Files) || young.Add(settled).After(s.Made) {
		return Image{}, false
	}
	return Image{Dir: dir, Digest: s.Digest, Reused: true}, true
}

// putStamp notes what was just hashed. It is a convenience: without one the next
// start hashes again.
func putStamp(cache string, img Image, files []file, began time.Time) {
	inputs, _, err := inputMarks(files)
	if err != nil {
		return
	}
	found, _, err := fileMarks(img.Dir)
	if err != nil {
		return
	}
	// As of when the hashing began: what changed meanwhile is younger.
	text, err := json.Marshal(stamp{Digest: img.Digest, Made: began, Inputs: inputs, Files: found})
	if err != nil {
		return
	}
	tmp := stampPath(cache) + ".new"
	_ = os.Remove(tmp)
	if os.WriteFile(tmp, text, 0o600) == nil {
		_ = os.Rename(tmp, stampPath(cache))
	}
}

func inputMarks(files []file) (marks []string, youngest time.Time, err error) {
	for _, f := range files {
		switch {
		case f.dir:
			marks = append(marks, fmt.Sprintf("%s/ %o", f.path, f.mode))
		case f.source == "":
			sum := sha256.Sum256(f.bytes)
			marks = append(marks, fmt.Sprintf("%s %o %s", f.path, f.mode, hex.EncodeToString(sum[:])))
		default:
			info, err := os.Stat(f.source)
			if err != nil {
				return nil, youngest, err
			}
			mark, changed := mark(info)
			youngest = later(youngest, changed)
			marks = append(marks, fmt.Sprintf("%s %o %s %s", f.path, f.mode, f.source, mark))
		}
	}
	return marks, youngest, nil
}

func fileMarks(dir string) (marks []string, youngest time.Time, err error) {
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		mark, changed := mark(info)
		youngest = later(youngest, changed)
		marks = append(marks, path[len(dir):]+" "+mark)
		return nil
	})
	return marks, youngest, err
}

// mark names one state of one file.
func mark(info fs.FileInfo) (string, time.Time) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return "", time.Now() // too young to be trusted
	}
	changed := time.Unix(st.Ctim.Unix())
	return fmt.Sprintf("%d:%d %o %d:%d %d %d %d", st.Dev, st.Ino, st.Mode, st.Uid, st.Gid, st.Size, info.ModTime().UnixNano(), changed.UnixNano()), changed
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func owner(info fs.FileInfo) int {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid)
	}
	return -1
}

// Latest is the digest of the image that was verified last, "" if there is none.
func Latest(cache string) string {
	var s stamp
	text, err := os.ReadFile(stampPath(cache))
	if err != nil || json.Unmarshal(text, &s) != nil {
		return ""
	}
	return s.Digest
}
