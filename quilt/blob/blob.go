// Package blob is what stands behind blob tokens: bytes of any length under a
// name. The names are in quilt/store's file; the bytes are files named by their
// sha256, one for all names of a tenant that have the same content. A file is on
// disk before its name is, and goes when no name is left.
package blob

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/quilt/broker"
	"github.com/ariacomputecompany/firmware/quilt/store"
	"github.com/ariacomputecompany/firmware/token"
)

const tables = `
create table if not exists blob_name (
	space integer not null,
	name text not null,
	file text not null, -- below the folder
	size integer not null,
	type text not null,
	written integer not null, -- unix ms
	expires integer not null, -- unix ms
	primary key (space, name)
) without rowid;
create index if not exists blob_file on blob_name (file);
create index if not exists blob_expires on blob_name (expires) where expires < 9223372036854775807;
`

// Bounds of blobs and of one operation.
const (
	maxName  = 512
	maxType  = 128
	maxPiece = 3 << 20 // of one write or read
	maxBlob  = 4 << 30
	maxTTL   = 10 * 365 * 24 * time.Hour
	maxPage  = 1000
	never    = int64(1<<63 - 1)
)

// Data is what is used of quilt/store.
type Data interface {
	Change(ctx context.Context, c store.Change) (any, error)
	Ensure(ctx context.Context, tables string) error
	Reader() *sql.DB
	Room(ctx context.Context, tenant string, bytes int64) error
	EachSweep(c store.Change)
}

// New makes the service over data, with the files in folder. What a crash left
// behind there is cleared away beside the work.
func New(data Data, folder string, log *slog.Logger) (broker.Service, error) {
	if err := data.Ensure(context.Background(), tables); err != nil {
		return broker.Service{}, fmt.Errorf("blob tables: %w", err)
	}
	files, err := openFiles(data, folder, log)
	if err != nil {
		return broker.Service{}, fmt.Errorf("blob folder: %w", err)
	}
	s := &service{data: data, files: files, uploads: uploads{open: map[broker.Opened]*upload{}}}
	data.EachSweep(s.expiry())
	return broker.Service{
		Scheme: "blob",
		Ops: map[string]broker.Op{
			"blob.put": s.put, "blob.begin": s.begin, "blob.chunk": s.chunk, "blob.commit": s.commit, "blob.end": s.end,
			"blob.read": s.read, "blob.stat": s.stat, "blob.list": s.list, "blob.delete": s.remove,
		},
		Nature: broker.Natures{
			"blob.read": broker.Read, "blob.stat": broker.Read, "blob.list": broker.Read,
			"blob.begin": broker.Read, "blob.chunk": broker.Read, "blob.end": broker.Read,
			"blob.put": broker.Keyed, "blob.commit": broker.Keyed, "blob.delete": broker.Keyed,
		}.Of,
		Live: []string{"blob.begin", "blob.chunk", "blob.end"},
	}, nil
}

type service struct {
	data  Data
	files *files
	uploads
}

// args are the arguments of every operation; which count depends on it.
type args struct {
	NS     string `json:"ns"`
	Name   string `json:"name"`
	Data   []byte `json:"data"`
	Type   string `json:"type"`
	TTLMs  int64  `json:"ttlMs"`
	SHA256 string `json:"sha256"`
	ID     int64  `json:"id"`
	At     int64  `json:"at"`
	Length int64  `json:"length"`
	Prefix string `json:"prefix"`
	After  string `json:"after"`
	Limit  int    `json:"limit"`
}

// stat is what is known of a blob.
type stat struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
	Type   string `json:"type,omitempty"`
	AtMs   int64  `json:"atMs"`

	file string
}

func claim(ctx context.Context, c broker.Call, verb token.Verb) (args, broker.Hold, error) {
	var a args
	if err := c.Into(&a); err != nil {
		return a, broker.Hold{}, err
	}
	need, err := broker.Need("blob", a.NS, verb)
	if err != nil {
		return a, broker.Hold{}, err
	}
	hold, err := c.Hold(ctx, need)
	return a, hold, err
}

func space(c broker.Call, a args) store.Space {
	return store.Space{Tenant: c.Grant.Tenant, Name: "blob:" + a.NS}
}

func (a args) check() error {
	if a.Name == "" || len(a.Name) > maxName {
		return fault.New(fault.Invalid, "the name of a blob is 1 to %d bytes of Unicode text; this one has %d bytes", maxName, len(a.Name)).
			WithHint("shorten the name, or hash the long part")
	}
	for _, s := range []string{a.Name, a.Type, a.Prefix, a.After} {
		if strings.ContainsAny(s, "\x00\ufffd") || !utf8.ValidString(s) {
			return fault.New(fault.Invalid, "the name or type of a blob is no Unicode text").WithHint("half of a surrogate pair is no character")
		}
	}
	if len(a.Type) > maxType {
		return fault.New(fault.Invalid, "the type of a blob has %d bytes; at most %d are allowed", len(a.Type), maxType).WithHint("write it like text/plain")
	}
	if a.TTLMs < 0 || a.TTLMs > maxTTL.Milliseconds() {
		return fault.New(fault.Invalid, "ttlMs %d is not a time to live", a.TTLMs).WithHint("give milliseconds from now; 0 means for ever")
	}
	return nil
}

// find reads a name; nil: it is not there.
func (s *service) find(ctx context.Context, sp store.Space, name string) (*stat, error) {
	b := stat{Name: name}
	err := s.data.Reader().QueryRowContext(ctx, `select file, size, type, written from blob_name join space on space.id = blob_name.space
		where space.tenant = ? and space.name = ? and blob_name.name = ? and expires > ?`, sp.Tenant, sp.Name, name, time.Now().UnixMilli()).
		Scan(&b.file, &b.Size, &b.Type, &b.AtMs)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	b.SHA256 = shaOf(b.file)
	return &b, err
}

func (s *service) stat(ctx context.Context, c broker.Call) (any, error) {
	a, hold, err := claim(ctx, c, token.Snapshot)
	if err != nil {
		return nil, err
	}
	defer hold.Done()
	if err := a.check(); err != nil {
		return nil, err
	}
	b, err := s.find(ctx, space(c, a), a.Name)
	if b == nil {
		return nil, err
	}
	return b, err
}

// read answers with a piece. Who reads piece by piece gives the sha256 of the
// first: should the name have other content by then, it is told.
func (s *service) read(ctx context.Context, c broker.Call) (any, error) {
	a, hold, err := claim(ctx, c, token.Snapshot)
	if err != nil {
		return nil, err
	}
	defer hold.Done()
	if err := a.check(); err != nil {
		return nil, err
	}
	if a.At < 0 || a.Length < 0 || a.Length > maxPiece {
		return nil, fault.New(fault.Invalid, "a piece of %d bytes at %d; at most %d are read at once", a.Length, a.At, maxPiece).WithHint("read piece by piece")
	}
	b, err := s.find(ctx, space(c, a), a.Name)
	if b == nil || err != nil {
		return nil, err
	}
	if a.SHA256 != "" && a.SHA256 != b.SHA256 {
		return nil, fault.New(fault.Conflict, "%q was written anew while it was read", a.Name).WithHint("read it from the beginning")
	}
	piece, err := s.files.read(b.file, a.At, min(max(a.Length, 0), max(0, b.Size-a.At)))
	if err != nil {
		return nil, err
	}
	return struct {
		*stat
		Data []byte `json:"data"`
	}{b, piece}, nil
}

func (s *service) list(ctx context.Context, c broker.Call) (any, error) {
	a, hold, err := claim(ctx, c, token.Snapshot)
	if err != nil {
		return nil, err
	}
	defer hold.Done()
	if a.Limit < 0 || a.Limit > maxPage {
		return nil, fault.New(fault.Invalid, "limit %d is not 0 to %d", a.Limit, maxPage).WithHint("pass next of one page as after of the following")
	}
	if a.Limit == 0 {
		a.Limit = 100
	}
	sp := space(c, a)
	// substr counts characters, and so does length: the prefix is text too.
	rows, err := s.data.Reader().QueryContext(ctx, `select blob_name.name, file, size, type, written from blob_name join space on space.id = blob_name.space
		where space.tenant = ?1 and space.name = ?2 and blob_name.name > ?3 and blob_name.name >= ?4
		  and substr(blob_name.name, 1, length(?4)) = ?4 and expires > ?5 order by blob_name.name limit ?6`,
		sp.Tenant, sp.Name, a.After, a.Prefix, time.Now().UnixMilli(), a.Limit+1)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := struct {
		Items []stat `json:"items"`
		Next  string `json:"next"`
	}{Items: []stat{}}
	for rows.Next() {
		if len(out.Items) == a.Limit {
			out.Next = out.Items[a.Limit-1].Name
			break
		}
		var b stat
		if err := rows.Scan(&b.Name, &b.file, &b.Size, &b.Type, &b.AtMs); err != nil {
			return nil, err
		}
		b.SHA256 = shaOf(b.file)
		out.Items = append(out.Items, b)
	}
	return out, rows.Err()
}

func (s *service) remove(ctx context.Context, c broker.Call) (any, error) {
	a, hold, err := claim(ctx, c, token.Atomic)
	if err != nil {
		return nil, err
	}
	defer hold.Done()
	if err := a.check(); err != nil {
		return nil, err
	}
	lease := store.Lease{Space: space(c, a), Fence: hold.Fence, Shared: hold.Token.Verb() == token.Atomic}
	var free []string
	return s.data.Change(ctx, store.Change{
		Tenant: c.Grant.Tenant, Key: c.Key,
		Do: func(tx *store.Tx) (any, error) {
			id, err := tx.Enter(lease)
			if err != nil {
				return nil, err
			}
			var gone bool
			gone, free, err = unname(tx, id, a.Name, c.Grant.Tenant)
			return map[string]bool{"deleted": gone}, err
		},
		Then: func() { s.files.release(free) },
	})
}

// unname removes a name: whether it was there for readers, and the file if no
// name has it now.
func unname(tx *store.Tx, space int64, name, tenant string) (there bool, free []string, err error) {
	var file string
	var size, expires int64
	err = tx.QueryRow(`delete from blob_name where space = ? and name = ? returning file, size, expires`, space, name).Scan(&file, &size, &expires)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil, nil
	}
	if err != nil {
		return false, nil, err
	}
	if err := tx.Charge(tenant, -1, -size-int64(len(name))); err != nil {
		return false, nil, err
	}
	free, err = unused(tx, file)
	return expires > tx.Now.UnixMilli(), free, err
}

// unused is the file, if no name has it.
func unused(tx *store.Tx, file string) ([]string, error) {
	var used bool
	if err := tx.QueryRow(`select exists (select 1 from blob_name where file = ?)`, file).Scan(&used); err != nil || used {
		return nil, err
	}
	return []string{file}, nil
}

// expiry removes names whose time is over, some at each sweep.
func (s *service) expiry() store.Change {
	var free []string
	return store.Change{
		Do: func(tx *store.Tx) (any, error) {
			free = nil
			rows, err := tx.Query(`select blob_name.space, blob_name.name, space.tenant from blob_name join space on space.id = blob_name.space
				where expires <= ? order by expires limit 200`, tx.Now.UnixMilli())
			if err != nil {
				return nil, err
			}
			defer rows.Close()
			type old struct {
				space        int64
				name, tenant string
			}
			var found []old
			for rows.Next() {
				var o old
				if err := rows.Scan(&o.space, &o.name, &o.tenant); err != nil {
					return nil, err
				}
				found = append(found, o)
			}
			if err := rows.Err(); err != nil {
				return nil, err
			}
			for _, o := range found {
				_, files, err := unname(tx, o.space, o.name, o.tenant)
				if err != nil {
					return nil, err
				}
				free = append(free, files...)
			}
			return nil, nil
		},
		Then: func() { s.files.release(free) },
	}
}
