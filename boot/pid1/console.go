package pid1

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// console is where lines go: the serial line, and once the data partition is
// there a ring of files on it.
type console struct {
	mu     sync.Mutex
	serial *os.File
	ring   *ring
	kept   bytes.Buffer // what was said before there was a ring
}

func openConsole() *console {
	f, err := os.OpenFile("/dev/console", os.O_WRONLY, 0)
	if err != nil {
		f = os.Stderr
	}
	os.Stdout, os.Stderr = f, f
	return &console{serial: f}
}

func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, _ = c.serial.Write(p)
	if c.ring != nil {
		c.ring.write(p)
	} else if c.kept.Len() < 64<<10 {
		c.kept.Write(p)
	}
	return len(p), nil
}

func (c *console) keep(dir string) error {
	r, err := openRing(dir)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ring = r
	r.write([]byte("--- start " + time.Now().UTC().Format(time.RFC3339) + "\n"))
	r.write(c.kept.Bytes())
	c.kept = bytes.Buffer{}
	return nil
}

// secret shows p on the console and keeps it nowhere.
func (c *console) secret(p string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, _ = c.serial.WriteString(p)
}

// close ends the ring, so that its file system can be unmounted.
func (c *console) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ring != nil {
		_ = c.ring.f.Sync()
		_ = c.ring.f.Close()
		c.ring = nil
	}
}

// The ring is at most ringFiles+1 files of ringSize bytes.
const (
	ringSize  = 2 << 20
	ringFiles = 3
)

type ring struct {
	dir  string
	f    *os.File
	size int64
}

func openRing(dir string) (*ring, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	r := &ring{dir: dir}
	return r, r.open()
}

func (r *ring) path(n int) string {
	return filepath.Join(r.dir, "aria.log"+strings.Repeat(".old", n))
}

func (r *ring) open() error {
	f, err := os.OpenFile(r.path(0), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	r.f = f
	if st, err := f.Stat(); err == nil {
		r.size = st.Size()
	}
	return nil
}

// write never fails loudly: a full disk must not stop the machine.
func (r *ring) write(p []byte) {
	if r.size+int64(len(p)) > ringSize {
		_ = r.f.Close()
		for n := ringFiles - 1; n >= 0; n-- {
			_ = os.Rename(r.path(n), r.path(n+1))
		}
		if r.open() != nil {
			return
		}
	}
	n, _ := r.f.Write(p)
	r.size += int64(n)
}
