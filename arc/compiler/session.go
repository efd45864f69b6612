package compiler

import (
	"context"
	"fmt"
	"reflect"
	"time"

	"github.com/evanw/esbuild/pkg/api"
	"github.com/microsoft/typescript-go/arctsc"
)

// Session builds one project again and again, for a watcher: both compilers keep
// what did not change. It makes the same bundles as Build does. One caller at a
// time; Close gives its memory back.
type Session struct {
	types   arctsc.Session
	project Project
	bundler bundler
	schemas reflections
}

// bundler is esbuild's memory of one set of entries.
type bundler struct {
	context api.BuildContext
	input   input // what the resolver knows
	entries []string
}

// Build is as the function. changed are the absolute paths of the source files
// whose text is another one since the last call; nil means that anything may be.
func (s *Session) Build(ctx context.Context, o Options, changed []string) (*Result, error) {
	last := s.project
	s.project = o.Project
	last.Version = o.Project.Version // of no consequence before the manifest
	if !reflect.DeepEqual(last, o.Project) {
		changed = nil
	}
	o.memo = &s.schemas
	return assemble(ctx, o, stages{
		check: func(ctx context.Context, in *input) *checked {
			return checkedOf(s.types.Analyze(ctx, in.forTypeScript(), changed))
		},
		emit: s.bundler.emit,
	})
}

// Close ends the session.
func (s *Session) Close() { s.bundler.close() }

func (b *bundler) close() {
	if b.context != nil {
		b.context.Dispose()
		b.context = nil
	}
}

func (b *bundler) emit(in *input, entries []string) *emitted {
	start := time.Now()
	e := &emitted{entries: entries}
	if len(entries) == 0 {
		return e
	}
	if b.context == nil || !b.suits(in, entries) {
		b.close()
		made, err := api.Context(bundling(in, entries))
		if err != nil {
			e.result.Errors = []api.Message{{Text: fmt.Sprintf("the bundler cannot start: %v", err)}}
			return e
		}
		b.context, b.input, b.entries = made, *in, entries
	}
	e.result = b.context.Rebuild()
	e.took = time.Since(start)
	return e
}

// suits: the same files and the same rules for finding more.
func (b *bundler) suits(in *input, entries []string) bool {
	return reflect.DeepEqual(b.entries, entries) && b.input.Dir == in.Dir &&
		reflect.DeepEqual(b.input.paths, in.paths) && reflect.DeepEqual(b.input.Allow, in.Allow)
}
