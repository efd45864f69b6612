package slot

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var errCut = errors.New("power cut")

// disk holds unsynced writes back and, when power is cut, keeps any subset of
// their sectors.
type disk struct {
	rng     *rand.Rand
	cutAt   int // operations until the cut; negative: none
	durable []byte
	pending [][2]any // offset, bytes
}

func (d *disk) step() error {
	if d.cutAt--; d.cutAt == 0 {
		d.settle(func() bool { return d.rng.IntN(2) == 0 })
		return errCut
	}
	return nil
}

func (d *disk) settle(keep func() bool) {
	for _, w := range d.pending {
		off, b := w[0].(int64), w[1].([]byte)
		for i := 0; i < len(b); i += 512 {
			if keep() {
				copy(d.durable[off+int64(i):], b[i:min(i+512, len(b))])
			}
		}
	}
	d.pending = nil
}

func (d *disk) ReadAt(p []byte, off int64) (int, error) { return copy(p, d.durable[off:]), nil }

func (d *disk) WriteAt(p []byte, off int64) (int, error) {
	d.pending = append(d.pending, [2]any{off, bytes.Clone(p)})
	return len(p), d.step()
}

func (d *disk) Close() error { return nil }

func (d *disk) Sync() error {
	if err := d.step(); err != nil {
		return err
	}
	d.settle(func() bool { return true })
	return nil
}

// Whatever the instant of the cut, what was saved last or what was being saved
// is found again.
func TestPowerCutWhileSaving(t *testing.T) {
	for seed := range uint64(3000) {
		rng := rand.New(rand.NewPCG(seed, 1))
		d := &disk{rng: rng, cutAt: 1 + rng.IntN(12), durable: make([]byte, 2*blockSize)}
		var saved, saving Record
		for n := int64(1); ; n++ {
			s, err := load(d)
			if err != nil {
				t.Fatal(err)
			}
			saving = Record{Last: &Outcome{Version: strings.Repeat("v", int(n)), Reason: strings.Repeat("r", rng.IntN(700)), UnixMS: n}}
			if err := s.Save(saving); err != nil {
				break
			}
			saved = saving
		}
		d.cutAt = -1
		s, err := load(d)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Record(); !cmp.Equal(got, saved) && !cmp.Equal(got, saving) {
			t.Fatalf("seed %d: found %+v, saved was %+v", seed, got.Last, saved.Last)
		}
		if err := s.Save(saving); err != nil {
			t.Fatalf("seed %d: saving again: %v", seed, err)
		}
		if again, _ := load(d); !cmp.Equal(again.Record(), saving) {
			t.Fatalf("seed %d: saved again, found %+v", seed, again.Record().Last)
		}
	}
}

func TestStoreFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "record")
	s, err := Open(path)
	if err != nil || !cmp.Equal(s.Record(), Record{}) {
		t.Fatalf("fresh: %+v, %v", s.Record(), err)
	}
	long := Record{Last: &Outcome{Version: "2", Reason: strings.Repeat("<\x00ö", 5000)},
		Trial: &Trial{Version: "3", Failure: strings.Repeat("\u2028", 5000)}}
	for range 3 {
		if err := s.Save(long); err != nil {
			t.Fatal(err)
		}
	}
	again, err := Open(path)
	if err != nil || again.seq != 3 || again.Record().Last.Version != "2" || !strings.HasSuffix(again.Record().Last.Reason, "…") {
		t.Errorf("again: %+v, %v", again.Record().Last, err)
	}
	if st, err := os.Stat(path); err != nil || st.Size() != 2*blockSize || st.Mode().Perm() != 0o600 {
		t.Errorf("file: %v, %v", st, err)
	}
	if err := os.WriteFile(path, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := Open(path); err != nil || !cmp.Equal(s.Record(), Record{}) {
		t.Errorf("garbage counts as empty: %+v, %v", s.Record(), err)
	}
}

func FuzzDecode(f *testing.F) {
	b, err := encode(3, Record{Last: &Outcome{Version: "1"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, raw []byte) {
		block := make([]byte, blockSize)
		copy(block, raw)
		decode(block)
	})
}
