package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ariacomputecompany/firmware/arc/compiler"
	"github.com/ariacomputecompany/firmware/arc/diag"
	"github.com/ariacomputecompany/firmware/arc/packages"
	"github.com/ariacomputecompany/firmware/arc/project"
	"github.com/ariacomputecompany/firmware/arc/share"
	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

// buildResult is what "arc build" and "arc check" give. Messages is never nil.
type buildResult struct {
	OK          bool                `json:"ok"`
	Name        string              `json:"name"`
	Version     string              `json:"version"`
	Path        string              `json:"path,omitempty"`
	Digest      bundle.Digest       `json:"digest,omitempty"`
	KeyID       string              `json:"keyid,omitempty"` // of who signed it
	Size        int                 `json:"size,omitempty"`  // bytes
	Units       []unitSummary       `json:"units"`
	Permissions *bundle.Permissions `json:"permissions,omitempty"`
	Messages    []diag.Message      `json:"messages"`
	TookMS      float64             `json:"tookMs"`
}

type unitSummary struct {
	Name        string   `json:"name"`
	Kind        string   `json:"kind"`
	Description string   `json:"description,omitempty"`
	Tokens      []string `json:"tokens"`
}

func (a *app) buildCmd() *cobra.Command {
	var out, key string
	var password, watch bool
	c := &cobra.Command{
		Use:     "build [DIR]",
		Short:   "Type-check a project and pack it into a bundle",
		Long:    wordsBuildLong,
		GroupID: groupAuthor,
		Args:    want(0, 1, ""),
		RunE: func(c *cobra.Command, args []string) error {
			if watch {
				return a.buildWatch(c.Context(), dirArg(args), func(b *built) error { return a.writeBuilt(b, out, key, false) })
			}
			b, err := a.build(c.Context(), dirArg(args))
			if err != nil {
				return err
			}
			if err := a.writeBuilt(b, out, key, password); err != nil {
				return err
			}
			if key == "" {
				a.noteBuilt(b)
			}
			return a.result(b.summary, func(w io.Writer) { fmt.Fprintln(w, b.summary.Path) })
		},
	}
	a.addFrozen(c)
	a.addProgress(c)
	c.Flags().StringVarP(&out, "out", "o", "", "where to write the bundle (default DIR/dist/NAME-VERSION.aria)")
	c.Flags().StringVar(&key, "sign", "", "sign it with this key: a name, or the path of a secret key file")
	c.Flags().BoolVar(&password, "password", false, "the key is under a password; read it from stdin")
	c.Flags().BoolVar(&watch, "watch", false, "build again at every change, until Ctrl-C")
	c.MarkFlagsMutuallyExclusive("watch", "password")
	return c
}

func (a *app) checkCmd() *cobra.Command {
	c := &cobra.Command{
		Use:     "check [DIR]",
		Short:   "Type-check a project without writing anything",
		Long:    wordsCheckLong,
		GroupID: groupAuthor,
		Args:    want(0, 1, ""),
		RunE: func(c *cobra.Command, args []string) error {
			b, err := a.check(c.Context(), dirArg(args))
			if err != nil {
				return err
			}
			a.note("checked %s %s: %s, nothing to complain about, %s",
				b.project.Name, b.project.Version, count(len(b.summary.Units), "unit"), tookText(b.took))
			return a.result(b.summary, func(io.Writer) {})
		},
	}
	a.addFrozen(c)
	a.addProgress(c)
	return c
}

func (a *app) check(ctx context.Context, dir string) (*built, error) {
	return a.compile(ctx, dir, compiler.Check)
}

// built is a project that went through the compiler without an error.
type built struct {
	project *project.Project
	result  *compiler.Result
	summary buildResult
	took    time.Duration
}

func (a *app) build(ctx context.Context, dir string) (*built, error) {
	return a.compile(ctx, dir, compiler.Build)
}

// compile loads the project in dir, hands it to stage and prints the
// complaints. If one of them is an error, the result is exit code 3.
func (a *app) compile(ctx context.Context, dir string,
	stage func(context.Context, compiler.Options) (*compiler.Result, error)) (*built, error) {
	start := time.Now()
	p, err := project.Load(dir)
	if err != nil {
		return nil, asBuild(err)
	}
	source, err := a.source(ctx, p)
	if err != nil {
		return nil, asBuild(err)
	}
	bun, err := a.reflectIn(p)
	if err != nil {
		return nil, asBuild(err)
	}
	lock, err := share.ReadLock(p.Dir)
	if err != nil {
		return nil, asBuild(err)
	}
	step := a.step("compile", p.Name, 0)
	res, err := stage(ctx, compiler.Options{Project: source, Bun: bun, Locked: lock.Leads})
	if err != nil {
		return nil, asBuild(step.end(err))
	}
	_ = step.end(complaints(p.Name, res.Messages))
	if err := a.checkLocked(p.Dir, res.Manifest); err != nil {
		return nil, asBuild(err)
	}
	b := &built{project: p, result: res, took: time.Since(start)}
	b.summary = summarize(b)
	if a.sarif != "" {
		if err := a.writeSARIF(res.Messages); err != nil {
			return nil, err
		}
	}
	if a.progress.mode == "rawjson" {
		a.rawMessages(res.Messages)
	} else if !a.json {
		diag.Print(a.err, res.Messages, a.colour(a.err))
	}
	if !b.summary.OK {
		if a.json {
			if err := writeJSON(a.out, b.summary); err != nil {
				return nil, err
			}
		}
		a.note("\n%s, nothing written", complaints(p.Name, res.Messages))
		return nil, &coded{code: exitBuild}
	}
	return b, nil
}

// source is a project as the compiler takes it, with its npm packages in place.
func (a *app) source(ctx context.Context, p *project.Project) (compiler.Project, error) {
	files, err := p.Files()
	if err != nil {
		return compiler.Project{}, err
	}
	var step *step // begins if something is missing
	err = packages.Ensure(ctx, packages.Request{Dir: p.Dir, Frozen: a.frozen, Env: a.env, Note: func(format string, args ...any) {
		a.note(format, args...)
		step = a.step("packages", p.Name, 0)
	}})
	_ = step.end(err)
	return compiler.Project{
		Dir: p.Dir, Name: p.Name, Version: p.Version, Description: p.Description,
		Files: files, Overrides: p.Overrides, Allow: p.Allow,
	}, err
}

// reflectIn is the Bun that reads schemas that are values, if that is wanted.
func (a *app) reflectIn(p *project.Project) (string, error) {
	if !a.reflect && !p.Reflect {
		return "", nil
	}
	return packages.Bun(a.env)
}

// checkLocked holds what went into a bundle against the lock file, with --frozen.
func (a *app) checkLocked(dir string, m *bundle.Manifest) error {
	if !a.frozen || m == nil || len(m.Dependencies) == 0 {
		return nil
	}
	l, err := packages.ReadLock(dir)
	if err != nil {
		return err
	}
	for _, d := range m.Dependencies {
		if !l.Holds(d.Name, d.Version) {
			return fault.New(fault.Invalid, "%s %s is in node_modules and would be in the bundle, but no lock file names it", d.Name, d.Version).
				WithHint(`install what the lock file says: "bun install --frozen-lockfile" or "npm ci"`)
		}
	}
	return nil
}

// addFrozen gives a command that builds the flag --frozen.
func (a *app) addFrozen(c *cobra.Command) {
	c.Flags().BoolVar(&a.frozen, "frozen", false, "use the npm packages of the lock file and no others; without a lock file, refuse")
	c.Flags().BoolVar(&a.reflect, "reflect", false, "run the project's code in a sandbox to read schemas that are values (zod and others)")
	c.Flags().StringVar(&a.sarif, "sarif", "", "also write the diagnostics to this file as SARIF 2.1.0, for code hosts and editors")
}

func (a *app) writeSARIF(msgs []diag.Message) error {
	var b bytes.Buffer
	if err := diag.SARIF(&b, msgs, compiler.Tools().Arc); err != nil {
		return err
	}
	return writeAtomic(a.sarif, b.Bytes())
}

// complaints is an error that counts those among the messages, if any.
func complaints(project string, msgs []diag.Message) error {
	n := 0
	for _, m := range msgs {
		if m.Severity == diag.Error {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	return fault.New(fault.Invalid, "%s in %s", count(n, "error"), project)
}

func summarize(b *built) buildResult {
	s := buildResult{
		OK: !diag.HasErrors(b.result.Messages), Name: b.project.Name, Version: b.project.Version, Digest: b.result.Digest,
		Size: len(b.result.Bundle), Units: []unitSummary{}, Messages: b.result.Messages,
		TookMS: float64(b.took.Microseconds()) / 1000,
	}
	if s.Messages == nil {
		s.Messages = []diag.Message{}
	}
	if m := b.result.Manifest; m != nil {
		s.Permissions = &m.Permissions
		for _, u := range m.Units {
			s.Units = append(s.Units, unitSummary{u.Name, string(u.Kind), u.Description, append([]string{}, u.Tokens...)})
		}
	}
	return s
}

// noteBuilt tells a person what the bundle holds and may do.
func (a *app) noteBuilt(b *built) {
	if a.forMachines() {
		return
	}
	m := b.result.Manifest
	fmt.Fprintf(a.err, "%s %s\n", a.paint("built", bold), m.Name+" "+m.Version)
	writeUnits(a.err, m)
	writePermissions(a.err, m)
	fmt.Fprintf(a.err, "%s, %s, %s\n", b.result.Digest, bytesText(int64(len(b.result.Bundle))), tookText(b.took))
}

func (b *built) defaultPath() string {
	name := strings.ReplaceAll(b.project.Name, "/", "-")
	path := filepath.Join(b.project.Dir, "dist", name+"-"+b.project.Version+".aria")
	if cwd, err := os.Getwd(); err == nil {
		if rel, err := filepath.Rel(cwd, path); err == nil && !strings.HasPrefix(rel, "..") {
			return rel
		}
	}
	return path
}

// writeAtomic writes beside path and renames, so that no reader ever sees half
// a bundle and a failed build leaves the old one.
func writeAtomic(path string, data []byte) error {
	dir := filepath.Dir(path)
	trouble := func(err error) error {
		return fault.Wrap(err, fault.Invalid, "nothing can be written to %s: %s", path, reason(err)).
			WithHint("check that the folder is yours to write and that the disk has room, or name another file with --out")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return trouble(err)
	}
	f, err := os.CreateTemp(dir, ".arc-*")
	if err != nil {
		return trouble(err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return trouble(err)
	}
	return nil
}

func dirArg(args []string) string {
	if len(args) == 0 {
		return "."
	}
	return args[0]
}
