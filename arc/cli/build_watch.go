package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"

	"github.com/ariacomputecompany/firmware/arc/compiler"
	"github.com/ariacomputecompany/firmware/arc/dev"
	"github.com/ariacomputecompany/firmware/arc/project"
)

// buildLoop is "arc build --watch": both compilers stay warm, and every change
// is a build.
type buildLoop struct {
	*app
	dir     string
	session compiler.Session
	write   func(*built) error
}

func (a *app) buildWatch(ctx context.Context, dir string, write func(*built) error) error {
	root, err := project.Find(dir)
	if err != nil {
		return asBuild(err)
	}
	w, err := dev.Watch(root) // before the first build, so that no change is missed
	if err != nil {
		return err
	}
	defer w.Close()
	l := &buildLoop{app: a, dir: root, write: write}
	defer l.session.Close()
	a.note("watching %s; Ctrl-C ends it", root)
	change := dev.Change{Any: true}
	for {
		if err := l.turn(ctx, change); err != nil && ctx.Err() == nil {
			l.complain(err) // and on: the next change may mend it
		}
		runtime.GC() // while the author reads, not while the next build runs
		if change, err = w.Next(ctx); err != nil {
			if errors.Is(ctx.Err(), context.Canceled) {
				return nil // Ctrl-C is how it ends
			}
			return err
		}
	}
}

func (l *buildLoop) turn(ctx context.Context, change dev.Change) error {
	b, err := l.compile(ctx, l.dir, func(ctx context.Context, o compiler.Options) (*compiler.Result, error) {
		known := change.Files
		if change.Any {
			known = nil
		}
		return l.session.Build(ctx, o, known)
	})
	if err != nil {
		return err
	}
	if err := l.write(b); err != nil {
		return err
	}
	if l.json {
		return writeJSON(l.out, b.summary)
	}
	var names []string
	for _, f := range change.Files {
		if rel, err := filepath.Rel(l.dir, f); err == nil {
			names = append(names, filepath.ToSlash(rel))
		}
	}
	fmt.Fprintln(l.out, b.summary.Path)
	l.note("%s %s %s in %s%s", l.paint("built", bold), b.project.Name, b.project.Version, preciseText(b.took), after(names))
	return nil
}

// writeBuilt writes the bundle where it belongs, signed if a key was named.
func (a *app) writeBuilt(b *built, out, key string, password bool) error {
	b.summary.Path = first(out, b.defaultPath())
	if key != "" {
		return a.signBuilt(b, key, password)
	}
	return writeAtomic(b.summary.Path, b.result.Bundle)
}
