// Package fs is what stands behind fs tokens: volumes of files. A container has
// no mount of them: it asks for every read and write, which are held against its
// token, its tenant's quota and its fence in the transaction of the write. Files
// lie in quilt/store's file in parts, so a crash leaves a write done or not done.
//
// A token's path names a volume; a volume named below another is one of its own.
// Folders are there as long as there is a file in them.
package fs

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/quilt/broker"
	"github.com/ariacomputecompany/firmware/quilt/store"
	"github.com/ariacomputecompany/firmware/token"
)

const tables = `
create table if not exists fs_file (
	id integer primary key autoincrement,
	space integer not null,
	path text not null,
	size integer not null,
	modified integer not null, -- unix ms
	unique (space, path)
);
create table if not exists fs_part (file integer not null, n integer not null, data blob not null, primary key (file, n));
`

// Bounds of files and of one operation.
const (
	part     = 64 << 10 // bytes of one row; holes have none
	maxPath  = 512
	maxPiece = 3 << 20
	maxFile  = 1 << 30
	maxPage  = 1000
)

// Data is what is used of quilt/store.
type Data interface {
	Change(ctx context.Context, c store.Change) (any, error)
	Ensure(ctx context.Context, tables string) error
	Reader() *sql.DB
}

// New makes the service over data.
func New(data Data) (broker.Service, error) {
	if err := data.Ensure(context.Background(), tables); err != nil {
		return broker.Service{}, fmt.Errorf("fs tables: %w", err)
	}
	s := &service{data}
	return broker.Service{Scheme: "fs", Repeats: true, Nature: broker.Natures{
		"fs.read": broker.Read, "fs.stat": broker.Read, "fs.list": broker.Read,
		"fs.write": broker.Keyed, "fs.remove": broker.Keyed, "fs.rename": broker.Keyed,
	}.Of, Ops: map[string]broker.Op{
		"fs.read": s.read, "fs.write": s.write, "fs.stat": s.stat, "fs.list": s.list, "fs.remove": s.remove, "fs.rename": s.rename,
	}}, nil
}

type service struct{ data Data }

// args are the arguments of every operation; which count depends on it.
type args struct {
	NS       string `json:"ns"`
	Path     string `json:"path"` // relative to the volume; "" is its top
	To       string `json:"to"`
	Data     []byte `json:"data"`
	At       int64  `json:"at"` // -1: at the end
	Length   int64  `json:"length"`
	Truncate bool   `json:"truncate"`
	All      bool   `json:"all"`
	After    string `json:"after"`
	Limit    int    `json:"limit"`
}

// info is what is known of a file or folder.
type info struct {
	Name       string `json:"name"`
	Dir        bool   `json:"dir,omitempty"`
	Size       int64  `json:"size"`
	ModifiedMs int64  `json:"modifiedMs"`
}

type file struct {
	id, size, modified int64
}

func claim(ctx context.Context, c broker.Call, verb token.Verb) (args, broker.Hold, error) {
	var a args
	if err := c.Into(&a); err != nil {
		return a, broker.Hold{}, err
	}
	need, err := broker.Need("fs", a.NS, verb)
	if err != nil {
		return a, broker.Hold{}, err
	}
	hold, err := c.Hold(ctx, need)
	return a, hold, err
}

func space(c broker.Call, a args) store.Space {
	return store.Space{Tenant: c.Grant.Tenant, Name: "fs:" + a.NS}
}

// checkPath takes names and slashes only: there is nothing above a volume.
func checkPath(p string) error {
	if p == "" || len(p) > maxPath || path.Clean("/"+p) != "/"+p || !utf8.ValidString(p) || strings.ContainsAny(p, "\x00\ufffd") {
		return fault.New(fault.Invalid, "%q is not a path in a volume", broker.Clip(p, 80)).
			WithHint("write a/b.txt: 1 to %d bytes, no leading slash, no . and no ..", maxPath)
	}
	return nil
}

// querier is a database or a transaction of it.
type querier interface {
	QueryRow(query string, args ...any) *sql.Row
}

func find(db querier, sp store.Space, p string) (f file, ok bool, err error) {
	err = db.QueryRow(`select fs_file.id, size, modified from fs_file join space on space.id = fs_file.space
		where space.tenant = ? and space.name = ? and path = ?`, sp.Tenant, sp.Name, p).Scan(&f.id, &f.size, &f.modified)
	if errors.Is(err, sql.ErrNoRows) {
		return f, false, nil
	}
	return f, err == nil, err
}

// read answers with a piece of a file as it is now, and null if there is none.
func (s *service) read(ctx context.Context, c broker.Call) (any, error) {
	a, hold, err := claim(ctx, c, token.Snapshot)
	if err != nil {
		return nil, err
	}
	defer hold.Done()
	if err := checkPath(a.Path); err != nil {
		return nil, err
	}
	if a.At < 0 || a.Length < 0 || a.Length > maxPiece {
		return nil, fault.New(fault.Invalid, "a piece of %d bytes at %d; at most %d are read at once", a.Length, a.At, maxPiece).WithHint("read piece by piece")
	}
	tx, err := s.data.Reader().BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, err
	}
	defer tx.Rollback()
	f, ok, err := find(tx, space(c, a), a.Path)
	if !ok {
		return nil, err
	}
	buf := make([]byte, min(a.Length, max(0, f.size-a.At)))
	return struct {
		Data       []byte `json:"data"`
		Size       int64  `json:"size"`
		ModifiedMs int64  `json:"modifiedMs"`
	}{buf, f.size, f.modified}, f.fill(tx, buf, a.At)
}

// fill reads parts; what has none is zero.
func (f file) fill(tx *sql.Tx, buf []byte, at int64) error {
	if len(buf) == 0 {
		return nil
	}
	rows, err := tx.Query(`select n, data from fs_part where file = ? and n between ? and ?`, f.id, at/part, (at+int64(len(buf))-1)/part)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var n int64
		var data sql.RawBytes
		if err := rows.Scan(&n, &data); err != nil {
			return err
		}
		if from := n*part - at; from >= 0 {
			copy(buf[from:], data)
		} else if -from < int64(len(data)) {
			copy(buf, data[-from:])
		}
	}
	return rows.Err()
}

func (s *service) stat(ctx context.Context, c broker.Call) (any, error) {
	a, hold, err := claim(ctx, c, token.Snapshot)
	if err != nil {
		return nil, err
	}
	defer hold.Done()
	if err := checkPath(a.Path); err != nil {
		return nil, err
	}
	sp := space(c, a)
	f, ok, err := find(s.data.Reader(), sp, a.Path)
	if err != nil {
		return nil, err
	}
	if ok {
		return info{Name: a.Path, Size: f.size, ModifiedMs: f.modified}, nil
	}
	next, ok, err := s.next(ctx, sp, a.Path+"/", cursor{after: a.Path + "/"})
	if err != nil || !ok {
		return nil, err
	}
	return info{Name: a.Path, Dir: true, ModifiedMs: next.ModifiedMs}, nil
}

// list answers with what lies right below a folder, in the order of names.
func (s *service) list(ctx context.Context, c broker.Call) (any, error) {
	a, hold, err := claim(ctx, c, token.Snapshot)
	if err != nil {
		return nil, err
	}
	defer hold.Done()
	prefix := ""
	if a.Path != "" {
		if err := checkPath(a.Path); err != nil {
			return nil, err
		}
		prefix = a.Path + "/"
	}
	if a.Limit <= 0 || a.Limit > maxPage {
		a.Limit = maxPage
	}
	out := struct {
		Items []info `json:"items"`
		Next  string `json:"next"`
	}{Items: []info{}}
	at := cursor{after: prefix}
	if a.After != "" {
		at = readCursor(a.After)
	}
	for {
		next, ok, err := s.next(ctx, space(c, a), prefix, at)
		if err != nil || !ok {
			return out, err
		}
		if len(out.Items) == a.Limit {
			out.Next = at.String()
			return out, nil
		}
		at = cursor{after: next.Name}
		name, _, deep := strings.Cut(strings.TrimPrefix(next.Name, prefix), "/")
		if deep { // go on behind all that is in the folder: "0" follows "/"
			next = info{Dir: true, ModifiedMs: next.ModifiedMs}
			at = cursor{from: prefix + name + "0"}
		}
		next.Name = name
		out.Items = append(out.Items, next)
	}
}

// cursor is where a listing goes on: behind a path, or at one.
type cursor struct{ after, from string }

func (c cursor) String() string {
	if c.from != "" {
		return "=" + c.from
	}
	return ">" + c.after
}

func readCursor(s string) cursor {
	if from, ok := strings.CutPrefix(s, "="); ok {
		return cursor{from: from}
	}
	return cursor{after: strings.TrimPrefix(s, ">")}
}

// next is the first file at the cursor, if it is below prefix.
func (s *service) next(ctx context.Context, sp store.Space, prefix string, at cursor) (i info, ok bool, err error) {
	err = s.data.Reader().QueryRowContext(ctx, `select path, size, modified from fs_file join space on space.id = fs_file.space
		where space.tenant = ? and space.name = ? and path > ? and path >= ? order by path limit 1`, sp.Tenant, sp.Name, at.after, at.from).
		Scan(&i.Name, &i.Size, &i.ModifiedMs)
	if errors.Is(err, sql.ErrNoRows) {
		return i, false, nil
	}
	return i, err == nil && strings.HasPrefix(i.Name, prefix), err
}
