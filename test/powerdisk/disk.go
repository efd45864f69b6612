// Package powerdisk is a disk that can lose power: a file behind a volatile
// cache, served to QEMU over NBD. What was not flushed when power goes is kept
// or lost sector by sector, in any order, as disks are allowed to do; killing a
// QEMU that writes to a plain file would lose nothing, because the host's cache
// outlives it. It serves one machine at a time.
package powerdisk

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"sync"

	"github.com/ariacomputecompany/firmware/test/qemu"
)

const sector = 512

// cacheSectors is how much the cache holds; more, and it writes back on its own.
const cacheSectors = 64 << 20 / sector

// Disk is served until Close.
type Disk struct {
	file *os.File
	size int64
	ln   net.Listener
	path string

	mu      sync.Mutex         // over everything below, and the file
	pending map[int64][][]byte // by sector: every unflushed version, oldest first
	err     error              // of serving, for Err
	conns   sync.WaitGroup
	armed   chan struct{} // closed at the flush that is never answered; nil: none wanted
	off     chan struct{} // closed when the machine is gone
}

// Serve opens a file whose size is a multiple of 512 bytes. The socket is made in dir.
func Serve(file, dir string) (*Disk, error) {
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err == nil && st.Size()%sector != 0 {
		err = fmt.Errorf("%s has %d bytes, not whole sectors", file, st.Size())
	}
	d := &Disk{file: f, path: filepath.Join(dir, "nbd"), pending: map[int64][][]byte{}, off: make(chan struct{})}
	if err == nil {
		d.size = st.Size()
		d.ln, err = net.Listen("unix", d.path)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	go d.accept()
	return d, nil
}

func (d *Disk) accept() {
	for {
		c, err := d.ln.Accept()
		if err != nil {
			return
		}
		d.conns.Go(func() {
			defer c.Close()
			if err := d.talk(c); err != nil {
				d.mu.Lock()
				d.err = errors.Join(d.err, err)
				d.mu.Unlock()
			}
		})
	}
}

// Drive is the disk as a machine takes it.
func (d *Disk) Drive() qemu.Disk {
	return qemu.Disk{Path: "nbd+unix:///?socket=" + d.path, Format: "raw", Cache: "writeback"}
}

// NextFlush is closed when a flush arrives while something is at stake. From then
// on the disk answers nothing more, as if its power had gone at this very instant,
// until Cut.
func (d *Disk) NextFlush() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.armed = make(chan struct{})
	return d.armed
}

// hold keeps the flush that NextFlush waits for, and everything after it, until
// the machine is gone; it says whether it did.
func (d *Disk) hold(flush bool) bool {
	d.mu.Lock()
	armed, held := d.armed, false
	if armed != nil {
		select {
		case <-armed:
			held = true
		default:
			if held = flush && len(d.pending) > 0; held {
				close(armed)
			}
		}
	}
	off := d.off
	d.mu.Unlock()
	if held {
		<-off
	}
	return held
}

// Cut loses power, after the machine was killed: each unflushed sector keeps one
// of its versions, the durable one included. It returns how many sectors were at
// stake and how many did not get their last version.
func (d *Disk) Cut(rng *rand.Rand) (atStake, lost int, err error) {
	d.mu.Lock()
	close(d.off)
	d.mu.Unlock()
	d.conns.Wait() // the machine is gone, so its connection ends
	d.mu.Lock()
	defer d.mu.Unlock()
	d.off, d.armed = make(chan struct{}), nil
	keep := rng.Float64() // some cuts lose nearly all, some nearly nothing
	for at, versions := range d.pending {
		atStake++
		n := len(versions) - 1
		if rng.Float64() > keep {
			n = rng.IntN(len(versions)+1) - 1
		}
		if n < len(versions)-1 {
			lost++
		}
		if n >= 0 {
			if _, err := d.file.WriteAt(versions[n], at*sector); err != nil {
				return atStake, lost, err
			}
		}
	}
	clear(d.pending)
	return atStake, lost, nil
}

// Err is what went wrong with serving so far; a machine that was killed is no error.
func (d *Disk) Err() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.err
}

// Close ends serving; what was not flushed is lost.
func (d *Disk) Close() error { return errors.Join(d.ln.Close(), d.file.Close()) }

func (d *Disk) read(p []byte, off int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, err := d.file.ReadAt(p, off); err != nil {
		return err
	}
	for i := 0; i < len(p); i += sector {
		if v := d.pending[(off+int64(i))/sector]; len(v) > 0 {
			copy(p[i:], v[len(v)-1])
		}
	}
	return nil
}

func (d *Disk) write(p []byte, off int64, through bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := 0; i < len(p); i += sector {
		at := (off + int64(i)) / sector
		if through {
			delete(d.pending, at)
		} else {
			d.pending[at] = append(d.pending[at], append([]byte(nil), p[i:i+sector]...))
		}
	}
	if through {
		_, err := d.file.WriteAt(p, off)
		return err
	}
	if len(d.pending) > cacheSectors {
		return d.flush()
	}
	return nil
}

// Flush makes everything durable.
func (d *Disk) Flush() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.flush()
}

func (d *Disk) flush() error {
	for at, v := range d.pending {
		if _, err := d.file.WriteAt(v[len(v)-1], at*sector); err != nil {
			return err
		}
	}
	clear(d.pending)
	return nil
}
