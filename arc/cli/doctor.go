package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ariacomputecompany/firmware/arc/cell"
	"github.com/ariacomputecompany/firmware/arc/packages"
	"github.com/ariacomputecompany/firmware/arc/project"
	"github.com/ariacomputecompany/firmware/arc/remote"
	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/internal/version"
)

// States of a finding.
const (
	healthy = "ok"
	warned  = "warning" // works, but not all of it
	ill     = "ill"
	cured   = "cured"
)

// finding is what the doctor says of one thing.
type finding struct {
	What  string `json:"what"`
	State string `json:"state"` // ok | warning | ill | cured
	Text  string `json:"text"`
	Hint  string `json:"hint,omitempty"`
	// Cure says that --fix can mend it.
	Cure bool `json:"cure,omitempty"`
}

type doctorResult struct {
	OK       bool      `json:"ok"`
	Findings []finding `json:"findings"`
}

// patient is something to look at. mend is nil if only a person can.
type patient struct {
	what string
	look func(context.Context) finding
	mend func(context.Context) error
}

func (a *app) doctorCmd() *cobra.Command {
	var fix bool
	c := &cobra.Command{
		Use:     "doctor [DIR]",
		Short:   "Look at everything that arc needs, and mend what it can",
		Long:    wordsDoctorLong,
		GroupID: groupMore,
		Args:    want(0, 1, ""),
		RunE: func(c *cobra.Command, args []string) error {
			r := doctorResult{OK: true, Findings: []finding{}}
			for _, p := range a.patients(dirArg(args)) {
				f := p.look(c.Context())
				if f.Cure = p.mend != nil && f.State != healthy; f.Cure && fix {
					f = a.cure(c.Context(), p, f)
				}
				f.What = p.what
				r.OK = r.OK && f.State != ill
				r.Findings = append(r.Findings, f)
			}
			if err := a.result(r, func(w io.Writer) { writeFindings(w, r) }); err != nil {
				return err
			}
			if !r.OK {
				return &coded{code: exitFailed}
			}
			return nil
		},
	}
	c.Flags().BoolVar(&fix, "fix", false, "mend what can be mended")
	return c
}

func (a *app) cure(ctx context.Context, p patient, f finding) finding {
	if err := p.mend(ctx); err != nil {
		return finding{State: ill, Text: f.Text + "; it could not be mended: " + err.Error(), Hint: f.Hint}
	}
	if again := p.look(ctx); again.State != healthy {
		return again
	}
	return finding{State: cured, Text: f.Text}
}

func writeFindings(w io.Writer, r doctorResult) {
	curable := false
	table(w, "WHAT\tSTATE\t", len(r.Findings), func(i int) string {
		f := r.Findings[i]
		curable = curable || f.Cure
		return fmt.Sprintf("%s\t%s\t%s", f.What, f.State, f.Text)
	})
	for _, f := range r.Findings {
		if f.Hint != "" {
			fmt.Fprintf(w, "%s: %s\n", f.What, clean(f.Hint))
		}
	}
	if curable {
		fmt.Fprintln(w, `"arc doctor --fix" mends some of it`)
	}
}

// unwell is an error as a finding.
func unwell(state string, err error) finding {
	f, ok := fault.As(err)
	if !ok {
		return finding{State: state, Text: err.Error()}
	}
	return finding{State: state, Text: f.Message, Hint: f.Hint}
}

func well(format string, args ...any) finding {
	return finding{State: healthy, Text: fmt.Sprintf(format, args...)}
}

func (a *app) patients(dir string) []patient {
	list := []patient{
		{what: "bun", look: a.lookBun},
		{what: "sandbox", look: a.lookSandbox},
		{what: "keys", look: a.lookKeys, mend: a.mendKeys},
		{what: "ariad", look: a.lookServer},
	}
	p, err := project.Load(dir)
	if fault.CodeOf(err) == fault.NotFound {
		return list
	}
	if err != nil {
		return append(list, patient{what: "project", look: func(context.Context) finding { return unwell(ill, err) }})
	}
	return append(list,
		patient{what: "types", look: func(context.Context) finding { return lookTypes(p) }, mend: func(context.Context) error { return p.RefreshTypes() }},
		patient{what: "packages", look: func(context.Context) finding { return lookPackages(p) }, mend: func(ctx context.Context) error {
			return packages.Ensure(ctx, packages.Request{Dir: p.Dir, Env: a.env, Note: a.note})
		}},
		patient{what: "project", look: func(ctx context.Context) finding { return a.lookProject(ctx, p) }},
	)
}

func (a *app) lookBun(ctx context.Context) finding {
	bun, err := packages.Bun(a.env)
	if err != nil {
		return unwell(ill, err)
	}
	out, err := exec.CommandContext(ctx, bun, "--version").Output()
	if err != nil {
		return finding{State: ill, Text: fmt.Sprintf("%s cannot be run: %v", bun, err), Hint: "put the Bun that came with arc in its place"}
	}
	return well("%s at %s", strings.TrimSpace(string(out)), bun)
}

func (a *app) lookSandbox(ctx context.Context) finding {
	bun, err := packages.Bun(a.env)
	if err != nil {
		return finding{State: warned, Text: "cannot be tried without bun"}
	}
	out, err := cell.Run(ctx, cell.Request{Bun: bun, Module: []byte(`require('node:fs').writeSync(3, 'here')`)})
	if err != nil || string(out) != "here" {
		return finding{State: warned, Text: fmt.Sprintf("schemas that are values cannot be read here: %v", err),
			Hint: "allow user namespaces; everything but --reflect works without"}
	}
	return well("user namespaces work, so --reflect does")
}

// openKeys are secret keys that others can read.
func (a *app) openKeys() ([]string, error) {
	dir, err := a.configFolder()
	if err != nil {
		return nil, err
	}
	var open []string
	err = filepath.WalkDir(filepath.Join(dir, "keys"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path, ".pub") {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			open = append(open, path)
		}
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return open, err
}

func (a *app) lookKeys(context.Context) finding {
	open, err := a.openKeys()
	switch {
	case err != nil:
		return unwell(ill, err)
	case len(open) > 0:
		return finding{State: ill, Text: "others can read " + strings.Join(open, ", "), Hint: "chmod 600 " + strings.Join(open, " ")}
	}
	return well("nobody else can read them")
}

func (a *app) mendKeys(context.Context) error {
	open, err := a.openKeys()
	for _, path := range open {
		err = errors.Join(err, os.Chmod(path, 0o600))
	}
	return err
}

func (a *app) lookServer(ctx context.Context) finding {
	client, err := a.client()
	if err != nil {
		return unwell(warned, err)
	}
	ctx, done := context.WithTimeout(ctx, 3*time.Second)
	defer done()
	i, err := client.Info(ctx)
	switch {
	case err != nil:
		return unwell(warned, err)
	case !i.QuiltReady:
		return finding{State: ill, Text: "quiltd is not ready: " + first(i.QuiltProblem, "no reason given"), Hint: "its log says more"}
	case i.Version != version.Version:
		return finding{State: warned, Text: fmt.Sprintf("ariad %s at %s, and this is arc %s", i.Version, i.Server, version.Version), Hint: "use the same release of both"}
	}
	return well("%s answers, %s", first(a.server, a.env("ARIA_SERVER"), remote.DefaultServer), i.Isolation)
}

func lookTypes(p *project.Project) finding {
	if stale := p.StaleTypes(); len(stale) > 0 {
		return finding{State: warned, Text: "another arc wrote " + strings.Join(stale, ", ")}
	}
	return well("as this arc has them")
}

func lookPackages(p *project.Project) finding {
	gone, err := packages.Missing(p.Dir)
	switch {
	case err != nil:
		return unwell(ill, err)
	case len(gone) > 0:
		return finding{State: warned, Text: strings.Join(gone, ", ") + " not in node_modules"}
	}
	return well("all there")
}

func (a *app) lookProject(ctx context.Context, p *project.Project) finding {
	quiet := &app{in: a.in, out: io.Discard, err: io.Discard, env: a.env, json: true, reflect: a.reflect}
	b, err := quiet.check(ctx, p.Dir)
	var said *coded
	if errors.As(err, &said) && said.err == nil {
		return finding{State: ill, Text: p.Name + " does not build", Hint: "arc check says why"}
	}
	if err != nil {
		return unwell(ill, err)
	}
	return well("%s %s, %s", p.Name, p.Version, count(len(b.summary.Units), "unit"))
}
