package arctsc

import (
	"context"
	"reflect"
	"strings"
	"sync"

	"github.com/microsoft/typescript-go/internal/ast"
	"github.com/microsoft/typescript-go/internal/bundled"
	"github.com/microsoft/typescript-go/internal/compiler"
	"github.com/microsoft/typescript-go/internal/tspath"
	"github.com/microsoft/typescript-go/internal/vfs"
)

// Session analyzes one project again and again. It keeps the parsed libraries
// and, where nothing but the text of known files changed, everything else that
// was parsed. Types are always checked anew. One caller at a time.
type Session struct {
	p      *project
	parsed map[ast.SourceFileParseOptions]*ast.SourceFile
	mu     sync.Mutex // of parsed: files are parsed at the same time
}

// Analyze is as the function. changed are the absolute paths of the files whose
// text is another one since the last call; nil means that anything may be.
func (s *Session) Analyze(ctx context.Context, in Input, changed []string) *Facts {
	last := s.p
	s.p = nil // if the compiler breaks down, the next call begins afresh
	return analyze(ctx, func() *project {
		if last == nil || changed == nil || !reflect.DeepEqual(last.in, in) || !last.update(changed, s.host) {
			if changed == nil {
				s.forget()
			}
			last = open(in, s.host)
		}
		s.p = last
		return last
	})
}

// update takes new text of files that the program has. It says no where a file
// is unknown: then other files may find it that did not before.
func (p *project) update(changed []string, host func(string, vfs.FS) compiler.CompilerHost) bool {
	fresh := host(p.in.Dir, p.fs)
	for _, f := range changed {
		at := tspath.ToPath(f, p.in.Dir, true)
		if p.program.GetSourceFileByPath(at) == nil {
			return false
		}
		p.program, _, _ = p.program.UpdateProgram(at, fresh, nil)
	}
	return true
}

// forget drops what is on disk and may have changed.
func (s *Session) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for o := range s.parsed {
		if !inside(o.FileName, bundled.LibPath()) {
			delete(s.parsed, o)
		}
	}
}

func inside(file, dir string) bool { return strings.HasPrefix(file, strings.TrimSuffix(dir, "/")+"/") }

func (s *Session) host(dir string, fs vfs.FS) compiler.CompilerHost {
	return &keeping{CompilerHost: hostOf(dir, fs), s: s}
}

// keeping parses a library or a file of a package once in a session.
type keeping struct {
	compiler.CompilerHost
	s *Session
}

func (k *keeping) GetSourceFile(o ast.SourceFileParseOptions) *ast.SourceFile {
	if !inside(o.FileName, bundled.LibPath()) && !strings.Contains(o.FileName, "/node_modules/") {
		return k.CompilerHost.GetSourceFile(o)
	}
	k.s.mu.Lock()
	f := k.s.parsed[o]
	k.s.mu.Unlock()
	if f != nil {
		return f
	}
	if f = k.CompilerHost.GetSourceFile(o); f != nil {
		k.s.mu.Lock()
		if k.s.parsed == nil {
			k.s.parsed = map[ast.SourceFileParseOptions]*ast.SourceFile{}
		}
		k.s.parsed[o] = f
		k.s.mu.Unlock()
	}
	return f
}
