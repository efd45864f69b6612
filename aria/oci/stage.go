package oci

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/ariacomputecompany/firmware/bundle/oci"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

// Bounds of what lies half pushed.
const (
	maxStaged   = 512 << 20 // bytes, of all pushes together
	maxUploads  = 256       // files
	stagedLives = time.Hour
)

// stage is a folder of unfinished pushes: upload-ID while bytes come in,
// blob-HEX once they are whole. All of it may be lost: the client pushes again.
type stage struct {
	dir string
	mu  sync.Mutex
}

func (s *stage) upload(id string) (string, error) {
	if len(id) != 32 || strings.Trim(id, "0123456789abcdef") != "" {
		return "", unknownUpload()
	}
	return filepath.Join(s.dir, "upload-"+id), nil
}

func (s *stage) blob(digest string) string {
	return filepath.Join(s.dir, "blob-"+strings.TrimPrefix(digest, "sha256:"))
}

func unknownUpload() error {
	return known("BLOB_UPLOAD_UNKNOWN", fault.New(fault.NotFound, "there is no such upload").WithHint("push again from the beginning"))
}

// sweep removes what is older than age and answers with an error only if the
// folder cannot be read.
func (s *stage) sweep(age time.Duration) error {
	files, err := os.ReadDir(s.dir)
	if err != nil {
		return fmt.Errorf("staging folder: %w", err)
	}
	for _, f := range files {
		if info, err := f.Info(); err == nil && time.Since(info.ModTime()) >= age {
			_ = os.Remove(filepath.Join(s.dir, f.Name()))
		}
	}
	return nil
}

// begin makes room for one upload and gives its id.
func (s *stage) begin() (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.sweep(stagedLives); err != nil {
		return "", err
	}
	if err := s.room(0); err != nil {
		return "", err
	}
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	id := hex.EncodeToString(b[:])
	f, err := os.OpenFile(filepath.Join(s.dir, "upload-"+id), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", fmt.Errorf("upload: %w", err)
	}
	return id, f.Close()
}

// room refuses more than the bounds.
func (s *stage) room(more int64) error {
	files, err := os.ReadDir(s.dir)
	if err != nil {
		return fmt.Errorf("staging folder: %w", err)
	}
	for _, f := range files {
		if info, err := f.Info(); err == nil {
			more += info.Size()
		}
	}
	if len(files) >= maxUploads || more > maxStaged {
		return fault.New(fault.Exhausted, "too much is being pushed at the same time").WithHint("try again in a while; what is left unfinished is dropped after an hour")
	}
	return nil
}

// add appends to an upload and gives its size. want is the offset that the
// sender believes in, or -1.
func (s *stage) add(id string, want int64, body io.Reader) (int64, error) {
	path, err := s.upload(id)
	if err != nil {
		return 0, err
	}
	if err := s.room(0); err != nil {
		return 0, err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if errors.Is(err, os.ErrNotExist) {
		return 0, unknownUpload()
	}
	if err != nil {
		return 0, fmt.Errorf("upload: %w", err)
	}
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return 0, fmt.Errorf("upload: %w", err)
	}
	if want >= 0 && want != size {
		return size, known("BLOB_UPLOAD_INVALID", fault.New(fault.Invalid, "the upload stands at byte %d, not %d", size, want))
	}
	n, err := io.Copy(f, io.LimitReader(body, oci.MaxLayer-size+1))
	if err != nil {
		return size + n, known("BLOB_UPLOAD_INVALID", fault.Wrap(err, fault.Invalid, "the upload broke off at byte %d", size+n))
	}
	if size += n; size > oci.MaxLayer {
		_ = os.Remove(path)
		return size, known("SIZE_INVALID", fault.New(fault.Invalid, "a blob has at most %d MiB", oci.MaxLayer>>20))
	}
	return size, nil
}

func (s *stage) size(id string) (int64, error) {
	path, err := s.upload(id)
	if err != nil {
		return 0, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return 0, unknownUpload()
	}
	return info.Size(), nil
}

// end makes a whole upload a blob, if it is what its digest says.
func (s *stage) end(id, digest string) error {
	path, err := s.upload(id)
	if err != nil {
		return err
	}
	if !oci.ValidDigest(digest) {
		return known("DIGEST_INVALID", fault.New(fault.Invalid, "%.100q is not a digest", digest).WithHint(`write "sha256:" and 64 hex digits`))
	}
	f, err := os.Open(path)
	if err != nil {
		return unknownUpload()
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return fmt.Errorf("upload: %w", err)
	}
	if got := "sha256:" + hex.EncodeToString(sum.Sum(nil)); got != digest {
		_ = os.Remove(path)
		return known("DIGEST_INVALID", fault.New(fault.Invalid, "what arrived has the digest %s, not %s", got, digest).WithHint("push again"))
	}
	return os.Rename(path, s.blob(digest))
}

// put stages content that is in memory.
func (s *stage) put(content []byte) error {
	id, err := s.begin()
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(s.dir, "upload-"+id), content, 0o600); err != nil {
		return fmt.Errorf("upload: %w", err)
	}
	return s.end(id, oci.Digest(content))
}

// get reads a staged blob; false if there is none.
func (s *stage) get(digest string) ([]byte, bool) {
	data, err := os.ReadFile(s.blob(digest))
	return data, err == nil && oci.Digest(data) == digest
}

func (s *stage) drop(digest string) { _ = os.Remove(s.blob(digest)) }
