package slot

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// The record lies twice in one file of two blocks that are written in turn, in
// place: no space is ever needed for it again, so a full disk cannot stop the
// reason from being written. A block is magic, sequence number, length, JSON,
// zeros, and the sha256 of all that; the valid block with the higher sequence
// number holds.
const (
	blockSize = 4096
	magic     = "ariaslt1"
	headSize  = 8 + 8 + 4
	maxText   = blockSize - headSize - sha256.Size
)

type device interface {
	ReadAt(p []byte, off int64) (int, error)
	WriteAt(p []byte, off int64) (int, error)
	Sync() error
	Close() error
}

// Store keeps one Record. It is not safe for concurrent use.
type Store struct {
	dev device
	rec Record
	seq uint64
}

// Open reads the store at path and makes it where there is none. A file in which
// neither block can be read counts as empty.
func Open(path string) (*Store, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		f, err = create(path)
	}
	if err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "the firmware record %s cannot be opened", path).
			WithHint("is the data partition mounted and writable?")
	}
	return load(f)
}

// create gives the file its blocks now, so that they are there when the disk is full.
func create(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	_, err = f.WriteAt(make([]byte, 2*blockSize), 0)
	if err = errors.Join(err, f.Sync()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, errors.Join(dir.Sync(), dir.Close())
}

func load(dev device) (*Store, error) {
	s := &Store{dev: dev}
	for n := range int64(2) {
		b := make([]byte, blockSize)
		if _, err := dev.ReadAt(b, n*blockSize); err != nil {
			continue // too short, or a bad sector: the other block holds
		}
		if seq, rec, ok := decode(b); ok && seq > s.seq {
			s.seq, s.rec = seq, rec
		}
	}
	return s, nil
}

// Record as last saved.
func (s *Store) Record() Record { return s.rec }

// Close gives the file back; nothing can be saved after it.
func (s *Store) Close() error { return s.dev.Close() }

// Save makes a record durable: when it returns nil, the next Open finds it.
func (s *Store) Save(r Record) error {
	b, err := encode(s.seq+1, r)
	if err != nil {
		return err
	}
	// The block that holds now has number seq%2; the other one is written.
	_, err = s.dev.WriteAt(b, int64((s.seq+1)%2)*blockSize)
	if err = errors.Join(err, s.dev.Sync()); err != nil {
		return fmt.Errorf("firmware record: %w", err)
	}
	s.seq, s.rec = s.seq+1, r
	return nil
}

// maxReason bounds what others say, so that a record always fits its block.
const maxReason = 800

func encode(seq uint64, r Record) ([]byte, error) {
	if r.Trial != nil {
		t := *r.Trial
		t.Failure = cut(t.Failure)
		r.Trial = &t
	}
	if r.Last != nil {
		o := *r.Last
		o.Reason = cut(o.Reason)
		r.Last = &o
	}
	text, err := json.Marshal(r)
	if err != nil || len(text) > maxText {
		return nil, fmt.Errorf("firmware record of %d bytes: %w", len(text), errors.Join(err, errors.ErrUnsupported))
	}
	b := make([]byte, blockSize)
	copy(b, magic)
	binary.BigEndian.PutUint64(b[8:], seq)
	binary.BigEndian.PutUint32(b[16:], uint32(len(text)))
	copy(b[headSize:], text)
	sum := sha256.Sum256(b[:blockSize-sha256.Size])
	copy(b[blockSize-sha256.Size:], sum[:])
	return b, nil
}

// cut bounds a reason; JSON may write a byte as six.
func cut(s string) string {
	clean := bytes.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '<' || r == '>' || r == '&' || r == 0x2028 || r == 0x2029 {
			return ' '
		}
		return r
	}, []byte(s))
	if len(clean) > maxReason {
		clean = append(bytes.ToValidUTF8(clean[:maxReason], nil), "…"...)
	}
	return string(clean)
}

func decode(b []byte) (seq uint64, r Record, ok bool) {
	sum := sha256.Sum256(b[:blockSize-sha256.Size])
	if string(b[:8]) != magic || !bytes.Equal(sum[:], b[blockSize-sha256.Size:]) {
		return 0, r, false
	}
	n := binary.BigEndian.Uint32(b[16:])
	if n > maxText || json.Unmarshal(b[headSize:headSize+n], &r) != nil {
		return 0, Record{}, false
	}
	return binary.BigEndian.Uint64(b[8:]), r, true
}
