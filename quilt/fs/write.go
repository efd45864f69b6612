package fs

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/quilt/broker"
	"github.com/ariacomputecompany/firmware/quilt/store"
	"github.com/ariacomputecompany/firmware/token"
)

// change makes one change of a volume under the call's token.
func (s *service) change(ctx context.Context, c broker.Call, check func(args) error, do func(tx *store.Tx, a args, v volume) (any, error)) (any, error) {
	a, hold, err := claim(ctx, c, token.Atomic)
	if err != nil {
		return nil, err
	}
	defer hold.Done()
	if err := check(a); err != nil {
		return nil, err
	}
	sp := space(c, a)
	lease := store.Lease{Space: sp, Fence: hold.Fence, Shared: hold.Token.Verb() == token.Atomic}
	return s.data.Change(ctx, store.Change{Tenant: c.Grant.Tenant, Key: c.Key, Do: func(tx *store.Tx) (any, error) {
		id, err := tx.Enter(lease)
		if err != nil {
			return nil, err
		}
		return do(tx, a, volume{id, sp})
	}})
}

type volume struct {
	id    int64
	space store.Space
}

// write puts bytes at a place of a file and makes it if it is not there; with
// truncate the file is these bytes and nothing else.
func (s *service) write(ctx context.Context, c broker.Call) (any, error) {
	return s.change(ctx, c, checkWrite, func(tx *store.Tx, a args, v volume) (any, error) {
		f, ok, err := find(tx, v.space, a.Path)
		if err != nil {
			return nil, err
		}
		if !ok {
			if f, err = v.create(tx, a.Path); err != nil {
				return nil, err
			}
		} else if a.Truncate {
			if _, err := tx.Exec(`delete from fs_part where file = ?`, f.id); err != nil {
				return nil, err
			}
		}
		size := f.size
		if a.Truncate {
			size = 0
		}
		at := a.At
		if at < 0 {
			at = size
		}
		size = max(size, at+int64(len(a.Data)))
		if size > maxFile {
			return nil, fault.New(fault.Invalid, "a file has at most %d GiB", maxFile>>30).WithHint("split it, or keep it as a blob")
		}
		if err := tx.Charge(v.space.Tenant, 0, size-f.size); err != nil {
			return nil, err
		}
		if err := f.put(tx, a.Data, at); err != nil {
			return nil, err
		}
		_, err = tx.Exec(`update fs_file set size = ?, modified = ? where id = ?`, size, tx.Now.UnixMilli(), f.id)
		return map[string]int64{"size": size}, err
	})
}

func checkWrite(a args) error {
	if len(a.Data) > maxPiece || a.At < -1 || a.At > maxFile {
		return fault.New(fault.Invalid, "a piece of %d bytes at %d; at most %d are written at once", len(a.Data), a.At, maxPiece).WithHint("write piece by piece")
	}
	return checkPath(a.Path)
}

// create makes an empty file. Above it there may be folders only, and it may
// not be one.
func (v volume) create(tx *store.Tx, p string) (f file, err error) {
	if err := v.free(tx, p); err != nil {
		return f, err
	}
	if err := tx.Charge(v.space.Tenant, 1, int64(len(p))); err != nil {
		return f, err
	}
	err = tx.QueryRow(`insert into fs_file (space, path, size, modified) values (?, ?, 0, ?) returning id`, v.id, p, tx.Now.UnixMilli()).Scan(&f.id)
	return f, err
}

func (v volume) free(tx *store.Tx, p string) error {
	for at := strings.IndexByte(p, '/'); at >= 0; {
		if err := v.noFile(tx, p[:at], "%q is a file, so there is nothing in it"); err != nil {
			return err
		}
		next := strings.IndexByte(p[at+1:], '/')
		if next < 0 {
			break
		}
		at += 1 + next
	}
	var below bool
	err := tx.QueryRow(`select exists (select 1 from fs_file where space = ? and path > ? and path < ?)`, v.id, p+"/", p+"0").Scan(&below)
	if err == nil && below {
		err = fault.New(fault.Conflict, "%q is a folder with files in it", p).WithHint("remove it first")
	}
	return err
}

func (v volume) noFile(tx *store.Tx, p, why string) error {
	_, ok, err := find(tx, v.space, p)
	if err == nil && ok {
		err = fault.New(fault.Conflict, why, p).WithHint("remove it first")
	}
	return err
}

// put writes parts; those at the ends keep what lies beside.
func (f file) put(tx *store.Tx, data []byte, at int64) error {
	for len(data) > 0 {
		n, off := at/part, at%part
		piece := data[:min(int64(len(data)), part-off)]
		whole := piece
		if off > 0 || len(piece) < part {
			var old []byte
			err := tx.QueryRow(`select data from fs_part where file = ? and n = ?`, f.id, n).Scan(&old)
			if err != nil && !errors.Is(err, sql.ErrNoRows) {
				return err
			}
			whole = make([]byte, max(int64(len(old)), off+int64(len(piece))))
			copy(whole, old)
			copy(whole[off:], piece)
		}
		if _, err := tx.Exec(`insert into fs_part (file, n, data) values (?, ?, ?)
			on conflict (file, n) do update set data = excluded.data`, f.id, n, whole); err != nil {
			return err
		}
		data, at = data[len(piece):], at+int64(len(piece))
	}
	return nil
}

// remove deletes a file, or with all a folder and what is in it.
func (s *service) remove(ctx context.Context, c broker.Call) (any, error) {
	return s.change(ctx, c, func(a args) error { return checkPath(a.Path) }, func(tx *store.Tx, a args, v volume) (any, error) {
		files, err := v.under(tx, a.Path, a.All)
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			if err := f.erase(tx, v); err != nil {
				return nil, err
			}
		}
		return map[string]int{"removed": len(files)}, nil
	})
}

type named struct {
	file
	path string
}

// under is the file p, and with all those in the folder p.
func (v volume) under(tx *store.Tx, p string, all bool) (out []named, err error) {
	low, high := p, p
	if all {
		low, high = p+"/", p+"0"
	}
	rows, err := tx.Query(`select id, size, modified, path from fs_file where space = ? and (path = ? or path > ? and path < ?) limit ?`,
		v.id, p, low, high, maxPage+1)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var f named
		if err := rows.Scan(&f.id, &f.size, &f.modified, &f.path); err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	if len(out) > maxPage {
		return nil, fault.New(fault.Invalid, "%q has more than %d files in it", p, maxPage).WithHint("go through the folders in it one by one")
	}
	return out, rows.Err()
}

func (f named) erase(tx *store.Tx, v volume) error {
	if _, err := tx.Exec(`delete from fs_part where file = ?`, f.id); err != nil {
		return err
	}
	if _, err := tx.Exec(`delete from fs_file where id = ?`, f.id); err != nil {
		return err
	}
	return tx.Charge(v.space.Tenant, -1, -f.size-int64(len(f.path)))
}

// rename moves a file over another, or a folder to where nothing is, at once.
func (s *service) rename(ctx context.Context, c broker.Call) (any, error) {
	check := func(a args) error { return errors.Join(checkPath(a.Path), checkPath(a.To)) }
	return s.change(ctx, c, check, func(tx *store.Tx, a args, v volume) (any, error) {
		files, err := v.under(tx, a.Path, true)
		if err != nil {
			return nil, err
		}
		if len(files) == 0 {
			return nil, fault.New(fault.NotFound, "there is no %q", a.Path).WithHint("list the folder")
		}
		if a.To == a.Path {
			return map[string]int{"moved": len(files)}, nil
		}
		if strings.HasPrefix(a.To, a.Path+"/") {
			return nil, fault.New(fault.Invalid, "%q cannot move into itself", a.Path).WithHint("choose another place")
		}
		if files[0].path == a.Path {
			if err := v.replace(tx, a.To); err != nil {
				return nil, err
			}
		}
		if err := v.free(tx, a.To); err != nil {
			return nil, err
		}
		if err := v.noFile(tx, a.To, "%q is there already"); err != nil {
			return nil, err
		}
		for _, f := range files {
			if err := f.move(tx, v, a.To+strings.TrimPrefix(f.path, a.Path)); err != nil {
				return nil, err
			}
		}
		return map[string]int{"moved": len(files)}, nil
	})
}

// replace removes the file that another is about to take the place of.
func (v volume) replace(tx *store.Tx, p string) error {
	old, err := v.under(tx, p, false)
	if err != nil || len(old) == 0 {
		return err
	}
	return old[0].erase(tx, v)
}

func (f named) move(tx *store.Tx, v volume, to string) error {
	if err := checkPath(to); err != nil {
		return err
	}
	if err := tx.Charge(v.space.Tenant, 0, int64(len(to)-len(f.path))); err != nil {
		return err
	}
	_, err := tx.Exec(`update fs_file set path = ?, modified = ? where id = ?`, to, tx.Now.UnixMilli(), f.id)
	return err
}
