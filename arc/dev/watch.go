// Package dev holds what "arc dev" needs beside the compiler: a watch over a
// project's folder, and the pair of daemons as a child process. It builds
// nothing, uploads nothing and prints nothing.
package dev

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// quiet is how long nothing must happen before a change counts as whole: editors
// write a file in several steps.
const quiet = 5 * time.Millisecond

// wide are files that decide how everything else is read.
var wide = []string{"aria.toml", "tsconfig.json", "package.json", "bun.lock", "package-lock.json"}

// Change is what happened since the last one. Any: more than the text of files,
// so that nothing may be taken as known.
type Change struct {
	Files []string // absolute, sorted, each once
	Any   bool
}

// Watcher reports changes of a project's files, but not of those that never
// count: hidden ones, node_modules, dist, tests.
type Watcher struct {
	dir     string
	fs      *fsnotify.Watcher
	folders map[string]bool // those that are watched, and were
}

// Watch begins to watch. No change after its return is lost.
func Watch(dir string) (*Watcher, error) {
	n, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "the system gives no more file watches").
			WithHint("raise fs.inotify.max_user_instances, or close other programs that watch files")
	}
	w := &Watcher{dir: dir, fs: n, folders: map[string]bool{}}
	if err := w.add(dir); err != nil {
		n.Close()
		return nil, fault.Wrap(err, fault.Unavailable, "folder %s cannot be watched", dir).
			WithHint("is it yours to read? fs.inotify.max_user_watches may be too low")
	}
	return w, nil
}

// Close ends the watch.
func (w *Watcher) Close() { w.fs.Close() }

// Next waits for the next change. Its error is the context's, or trouble with
// the system.
func (w *Watcher) Next(ctx context.Context) (Change, error) {
	var c Change
	born := map[string]bool{}
	var settled <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return Change{}, ctx.Err()
		case <-settled:
			if c.settle(born); c.Any || len(c.Files) > 0 {
				return c, nil
			}
		case err := <-w.fs.Errors:
			if !errors.Is(err, fsnotify.ErrEventOverflow) {
				return Change{}, fault.Wrap(err, fault.Unavailable, "the watch over %s broke", w.dir)
			}
			c.Any = true // some events were lost
			settled = time.After(quiet)
		case e := <-w.fs.Events:
			if e.Has(fsnotify.Create) {
				born[e.Name] = true
			}
			if w.take(e, &c) {
				settled = time.After(quiet)
			}
		}
	}
}

// settle drops files that came and went, as editors make them.
func (c *Change) settle(born map[string]bool) {
	c.Files = slices.DeleteFunc(c.Files, func(f string) bool {
		_, err := os.Lstat(f)
		return born[f] && err != nil
	})
	slices.Sort(c.Files)
	c.Files = slices.Compact(c.Files)
}

// take notes one event, and says whether it counts.
func (w *Watcher) take(e fsnotify.Event, c *Change) bool {
	if e.Op == fsnotify.Chmod || w.ignored(e.Name) {
		return false
	}
	info, err := os.Lstat(e.Name)
	switch {
	case err == nil && info.IsDir():
		if !e.Has(fsnotify.Create) {
			return false
		}
		_ = w.add(e.Name) // what cannot be read, the build says
		c.Any = true
	case slices.Contains(wide, w.rel(e.Name)), w.folders[e.Name]:
		c.Any = true
	}
	c.Files = append(c.Files, e.Name)
	return true
}

// add watches a folder and those in it.
func (w *Watcher) add(dir string) error {
	return filepath.WalkDir(dir, func(at string, d fs.DirEntry, err error) error {
		switch {
		case err != nil && at == w.dir:
			return err
		case err != nil:
			return nil // gone again, or not ours to read
		case !d.IsDir():
			return nil
		case at != w.dir && w.ignored(at):
			return fs.SkipDir
		}
		w.folders[at] = true
		return w.fs.Add(at)
	})
}

func (w *Watcher) rel(file string) string {
	r, err := filepath.Rel(w.dir, file)
	if err != nil {
		return file
	}
	return filepath.ToSlash(r)
}

func (w *Watcher) ignored(file string) bool {
	parts := strings.Split(w.rel(file), "/")
	if parts[0] == "dist" || slices.Contains(parts, "node_modules") {
		return true
	}
	if slices.ContainsFunc(parts, func(p string) bool { return strings.HasPrefix(p, ".") }) {
		return true
	}
	base := parts[len(parts)-1]
	for _, end := range []string{"~", ".tmp", ".test.ts", ".spec.ts", ".md", ".aria"} {
		if strings.HasSuffix(base, end) {
			return true
		}
	}
	return base == "4913" // how vim tries out a folder
}
