// Package models reads the models file: which providers there are, what their
// models cost and may be used for, and who stands in for whom. ariad and quiltd
// read the same file. It is checked as a whole; what is wrong is said with its
// place. No key stands in it.
package models

import (
	"errors"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/BurntSushi/toml"

	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/llm"
)

// File is a models file that was read.
type File struct {
	// Limits of everything together.
	Limits llm.Limits `toml:"limits,omitempty"`
	// Fallback is tried in order behind every model that names none of its own.
	Fallback []string `toml:"fallback,omitempty"`
	// Providers by the word before the colon of a model's reference. "local" is
	// always there.
	Providers llm.Catalog `toml:"providers,omitempty"`
}

// Default needs no file.
func Default() File { return File{Providers: llm.DefaultCatalog()} }

// Read reads path. A file that is not there is the default. Fault: Invalid, with
// line and hint.
func Read(path string) (File, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Default(), nil
	}
	if err != nil {
		return File{}, fault.Wrap(err, fault.Unavailable, "the models file %s cannot be read", path).
			WithHint("ariad's and quiltd's users read it; no key stands in it: chmod 644 %s", path)
	}
	return Parse(path, string(text))
}

// Parse reads the text of a file called name.
func Parse(name, text string) (File, error) {
	var f File
	meta, err := toml.Decode(text, &f)
	var syntax toml.ParseError
	switch {
	case errors.As(err, &syntax):
		return File{}, fault.New(fault.Invalid, "%s:%d: %s", name, syntax.Position.Line, syntax.Message).
			WithHint("docs/guide/models.md has an example of everything")
	case err != nil:
		return File{}, fault.Wrap(err, fault.Invalid, "%s: %v", name, err).WithHint("docs/guide/models.md has an example of everything")
	}
	p := places{name, text}
	if odd := meta.Undecoded(); len(odd) > 0 {
		return File{}, p.unknown(odd[0])
	}
	if f.Providers == nil {
		f.Providers = llm.Catalog{}
	}
	for name, local := range llm.DefaultCatalog() {
		if _, there := f.Providers[name]; !there {
			f.Providers[name] = local
		}
	}
	return f, f.check(p)
}

// FallbackOf is who stands in for a model, in order.
func (f File) FallbackOf(t llm.Target) []string {
	if len(t.Traits.Fallback) > 0 {
		return t.Traits.Fallback
	}
	return f.Fallback
}

func (f File) check(p places) error {
	if err := checkLimits(f.Limits, p, "limits"); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(f.Providers)) {
		if err := f.checkProvider(p, name); err != nil {
			return err
		}
	}
	return f.checkRefs(p, f.Fallback, "fallback")
}

func (f File) checkRefs(p places, refs []string, key ...string) error {
	for _, ref := range refs {
		if _, err := f.Providers.Resolve(ref); err != nil {
			e, _ := fault.As(err)
			return p.fail("fallback: "+e.Message, e.Hint, key...)
		}
	}
	return nil
}

// Live is a file that is read again when it changes, so that a daemon needs no
// restart. A version that is wrong is told and the one before it holds.
type Live struct {
	path string
	log  *slog.Logger

	mu     sync.Mutex
	file   File
	stamp  stamp
	looked time.Time
}

type stamp struct {
	time time.Time
	size int64
}

// Open reads the file now; it must be right or not there.
func Open(path string, log *slog.Logger) (*Live, error) {
	l := &Live{path: path, log: log, stamp: stampOf(path), looked: time.Now()}
	var err error
	l.file, err = Read(path)
	return l, err
}

// Fixed never changes.
func Fixed(f File) *Live { return &Live{file: f} }

func stampOf(path string) stamp {
	info, err := os.Stat(path)
	if err != nil {
		return stamp{}
	}
	return stamp{info.ModTime(), info.Size()}
}

// File is what holds now. It looks at the disk at most once a second.
func (l *Live) File() File {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.path == "" || time.Since(l.looked) < time.Second {
		return l.file
	}
	l.looked = time.Now()
	now := stampOf(l.path)
	if now == l.stamp {
		return l.file
	}
	l.stamp = now
	f, err := Read(l.path)
	if err != nil {
		l.log.Warn("the models file is wrong and the one before it holds", "file", l.path, "err", err)
		return l.file
	}
	l.log.Info("models file read again", "file", l.path, "providers", len(f.Providers))
	l.file = f
	return f
}
