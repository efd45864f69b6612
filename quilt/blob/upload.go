package blob

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"os"
	"sync"
	"time"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/quilt/broker"
	"github.com/ariacomputecompany/firmware/quilt/store"
	"github.com/ariacomputecompany/firmware/token"
)

// maxUploads is how many one execution may have under way.
const maxUploads = 8

// uploads are the blobs under way.
type uploads struct {
	mu   sync.Mutex
	open map[broker.Opened]*upload
}

// upload is a blob that is not there yet. It belongs to one execution and ends
// with it.
type upload struct {
	tenant string
	stop   func() bool

	mu   sync.Mutex
	file *os.File
	sum  hash.Hash
	size int64
}

// begin starts a blob; its name comes with the commit.
func (s *service) begin(ctx context.Context, c broker.Call) (any, error) {
	_, hold, err := claim(ctx, c, token.Atomic)
	if err != nil {
		return nil, err
	}
	hold.Done() // only the right counts now; the commit is what is fenced
	u, err := s.start(ctx, c)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for other := range s.open {
		if other.Execution == c.Execution {
			n++
		}
	}
	if n >= maxUploads {
		u.discard()
		return nil, fault.New(fault.Exhausted, "this unit has %d blobs under way, which is the most it may have", n).WithHint("await one before the next")
	}
	id := c.Opens()
	s.open[id] = u
	u.stop = context.AfterFunc(broker.Lasting(ctx), func() { // it ends with the execution
		if u := s.take(id); u != nil {
			u.discard()
		}
	})
	return map[string]int64{"id": c.ID}, nil
}

func (s *service) start(_ context.Context, c broker.Call) (*upload, error) {
	f, err := s.files.temporary()
	if err != nil {
		return nil, err
	}
	return &upload{tenant: c.Grant.Tenant, file: f, sum: sha256.New(), stop: func() bool { return true }}, nil
}

// take takes an upload out: who gets it ends it.
func (s *service) take(id broker.Opened) *upload {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.open[id]
	if u == nil {
		return nil
	}
	delete(s.open, id)
	u.stop()
	return u
}

func (u *upload) discard() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.file.Close()
	os.Remove(u.file.Name())
}

// chunk adds a piece at the end. At has to be that end, so that nothing is lost
// or doubled when pieces are sent again.
func (s *service) chunk(ctx context.Context, c broker.Call) (any, error) {
	var a args
	if err := c.Into(&a); err != nil {
		return nil, err
	}
	s.mu.Lock()
	u := s.open[broker.Opened{Execution: c.Execution, ID: a.ID}]
	s.mu.Unlock()
	if u == nil {
		return nil, fault.New(fault.Conflict, "the blob is not under way any more").WithHint("begin it again")
	}
	if err := s.room(ctx, u, len(a.Data)); err != nil {
		return nil, err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if a.At != u.size {
		return nil, fault.New(fault.Conflict, "a piece for byte %d, where %d is next", a.At, u.size).WithHint("send the pieces one after the other")
	}
	return map[string]int64{"size": u.size + int64(len(a.Data))}, u.add(a.Data)
}

// room refuses what the commit would refuse, before the disk is full of it.
func (s *service) room(ctx context.Context, u *upload, more int) error {
	s.mu.Lock()
	under := int64(more)
	for _, o := range s.open {
		if o.tenant == u.tenant {
			o.mu.Lock()
			under += o.size
			o.mu.Unlock()
		}
	}
	s.mu.Unlock()
	return s.data.Room(ctx, u.tenant, under)
}

func (u *upload) add(data []byte) error {
	if len(data) > maxPiece {
		return fault.New(fault.Invalid, "a piece of %d bytes; at most %d are written at once", len(data), maxPiece).WithHint("send it in pieces")
	}
	if u.size+int64(len(data)) > maxBlob {
		return fault.New(fault.Invalid, "a blob has at most %d GiB", maxBlob>>30).WithHint("split it over several names")
	}
	if _, err := u.file.Write(data); err != nil {
		return diskError(fmt.Errorf("write a blob: %w", err))
	}
	u.sum.Write(data)
	u.size += int64(len(data))
	return nil
}

func (s *service) end(_ context.Context, c broker.Call) (any, error) {
	var a args
	if err := c.Into(&a); err != nil {
		return nil, err
	}
	if u := s.take(broker.Opened{Execution: c.Execution, ID: a.ID}); u != nil {
		u.discard()
	}
	return nil, nil
}

// put is begin, chunk and commit of a small blob in one.
func (s *service) put(ctx context.Context, c broker.Call) (any, error) {
	a, hold, err := claim(ctx, c, token.Atomic)
	if err != nil {
		return nil, err
	}
	defer hold.Done()
	if err := a.check(); err != nil {
		return nil, err
	}
	if err := s.data.Room(ctx, c.Grant.Tenant, int64(len(a.Data))); err != nil {
		return nil, err
	}
	u, err := s.start(ctx, c)
	if err != nil {
		return nil, err
	}
	defer u.discard()
	if err := u.add(a.Data); err != nil {
		return nil, err
	}
	return s.name(ctx, c, a, hold, u)
}

func (s *service) commit(ctx context.Context, c broker.Call) (any, error) {
	a, hold, err := claim(ctx, c, token.Atomic)
	if err != nil {
		return nil, err
	}
	defer hold.Done()
	if err := a.check(); err != nil {
		return nil, err
	}
	u := s.take(broker.Opened{Execution: c.Execution, ID: a.ID})
	if u == nil {
		return nil, fault.New(fault.Conflict, "the blob is not under way any more").WithHint("begin it again")
	}
	defer u.discard()
	return s.name(ctx, c, a, hold, u)
}

// name puts the file in its place and gives it its name. The file is on disk
// before the name is.
func (s *service) name(ctx context.Context, c broker.Call, a args, hold broker.Hold, u *upload) (any, error) {
	sum := hex.EncodeToString(u.sum.Sum(nil))
	if a.SHA256 != "" && a.SHA256 != sum {
		return nil, fault.New(fault.Invalid, "the blob has sha256 %s, not %s", sum, broker.Clip(a.SHA256, 80)).WithHint("it was damaged on the way, or the sum is of something else")
	}
	file, err := s.files.place(u.file, c.Grant.Tenant, sum)
	if err != nil {
		return nil, err
	}
	defer s.files.unpin(file)
	b := stat{Name: a.Name, Size: u.size, SHA256: sum, Type: a.Type, file: file}
	lease := store.Lease{Space: space(c, a), Fence: hold.Fence, Shared: hold.Token.Verb() == token.Atomic}
	var free []string
	return s.data.Change(ctx, store.Change{
		Tenant: c.Grant.Tenant, Key: c.Key,
		Do: func(tx *store.Tx) (any, error) {
			id, err := tx.Enter(lease)
			if err != nil {
				return nil, err
			}
			if _, free, err = unname(tx, id, a.Name, c.Grant.Tenant); err != nil {
				return nil, err
			}
			if len(free) > 0 && free[0] == file {
				free = nil
			}
			return b.write(tx, id, c.Grant.Tenant, time.Duration(a.TTLMs)*time.Millisecond)
		},
		Then: func() { s.files.release(free) },
	})
}

func (b stat) write(tx *store.Tx, space int64, tenant string, ttl time.Duration) (any, error) {
	if err := tx.Charge(tenant, 1, b.Size+int64(len(b.Name))); err != nil {
		return nil, err
	}
	b.AtMs = tx.Now.UnixMilli()
	expires := never
	if ttl > 0 {
		expires = tx.Now.Add(ttl).UnixMilli()
	}
	_, err := tx.Exec(`insert into blob_name (space, name, file, size, type, written, expires) values (?, ?, ?, ?, ?, ?, ?)`,
		space, b.Name, b.file, b.Size, b.Type, b.AtMs, expires)
	return b, err
}
