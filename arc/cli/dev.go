package cli

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ariacomputecompany/firmware/arc/compiler"
	"github.com/ariacomputecompany/firmware/arc/dev"
	"github.com/ariacomputecompany/firmware/arc/project"
	"github.com/ariacomputecompany/firmware/arc/remote"
	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

type devFlags struct {
	place dev.Place
	unit  string
	input string
	rerun bool
}

func (a *app) devCmd() *cobra.Command {
	var flags devFlags
	c := &cobra.Command{
		Use:     "dev [DIR]",
		Short:   "Start the daemons, then build and upload a project at every change",
		Long:    wordsDevLong,
		GroupID: groupAuthor,
		Args:    want(0, 1, ""),
		RunE: func(c *cobra.Command, args []string) error {
			return a.dev(c.Context(), dirArg(args), flags)
		},
	}
	a.addFrozen(c)
	a.addProgress(c)
	c.Flags().StringVar(&flags.place.Data, "data", "", "data folder of the daemons that are started (default: ariad's own)")
	c.Flags().StringVar(&flags.place.Listen, "listen", "", "address of the daemons that are started (default: ariad's own)")
	c.Flags().StringVar(&flags.place.AllowDegraded, "allow-degraded", "", "what the daemons that are started may do without where you are not root: cgroups,ids")
	c.Flags().StringVar(&flags.unit, "run", "", "run this unit after every upload and print its result")
	c.Flags().BoolVar(&flags.rerun, "rerun", false, "run the last call again after every upload, with its input, and print its events and result")
	c.MarkFlagsMutuallyExclusive("run", "rerun")
	c.Flags().StringVar(&flags.input, "input", "{}", "the input for --run: JSON, @FILE, or - for stdin")
	return c
}

func (a *app) dev(ctx context.Context, dir string, flags devFlags) error {
	root, err := project.Find(dir)
	if err != nil {
		return asBuild(err)
	}
	l := &devLoop{app: a, dir: root, unit: flags.unit, rerun: flags.rerun, mine: map[string]bool{}}
	if l.input, err = a.input(flags.input); err != nil {
		return err
	}
	watch, err := dev.Watch(root) // first of all, so that no change is missed
	if err != nil {
		return err
	}
	defer watch.Close()
	pair, err := a.devPair(ctx, flags.place)
	if err != nil {
		return stopped(ctx, err)
	}
	if pair != nil {
		defer a.stopPair(pair)
		var alive context.CancelCauseFunc
		ctx, alive = context.WithCancelCause(ctx)
		defer alive(nil)
		go func() {
			select {
			case <-pair.Ended():
				alive(pair.Failure())
			case <-ctx.Done():
			}
		}()
	}
	if l.client, err = a.client(); err != nil {
		return err
	}
	defer l.session.Close()
	err = l.watch(ctx, watch)
	if cause := context.Cause(ctx); cause != nil {
		if errors.Is(cause, context.Canceled) {
			return nil // Ctrl-C is how it ends
		}
		return cause
	}
	return err
}

// devPair starts the daemons, unless a running one was named or answers where
// ariad listens by default. From here on the app talks to them.
func (a *app) devPair(ctx context.Context, at dev.Place) (*dev.Pair, error) {
	if first(a.server, a.env("ARIA_SERVER")) != "" {
		return nil, nil
	}
	if at.Data == "" && at.Listen == "" {
		err := a.answers(ctx)
		if err == nil {
			a.note("using the ariad that runs at %s", remote.DefaultServer)
			return nil, nil
		}
		if os.Geteuid() != 0 && fault.CodeOf(err) == fault.Unauthenticated && listens(remote.DefaultServer) {
			return nil, err // one runs, and it is the credential that is missing
		}
	}
	at.Bun = a.env("ARIA_BUN")
	step := a.step("start", "ariad and quiltd", 0)
	pair, err := dev.StartPair(ctx, at)
	if step.end(err) != nil {
		return nil, err
	}
	a.server, a.credentialFile = pair.Server, pair.CredentialFile
	if a.json {
		return pair, writeJSON(a.out, devEvent{Event: "ready", Server: pair.Server, CredentialFile: pair.CredentialFile})
	}
	a.note("aria ready at %s, credential in %s", pair.Server, pair.CredentialFile)
	if pair.Server != remote.DefaultServer || at.Data != "" {
		a.note("for other terminals: export ARIA_SERVER=%s ARIA_CREDENTIAL_FILE=%s", pair.Server, pair.CredentialFile)
	}
	return pair, nil
}

// answers: somebody serves at the default address, and takes our credential;
// else the error says which of the two it was.
func (a *app) answers(ctx context.Context) error {
	ctx, done := context.WithTimeout(ctx, time.Second)
	defer done()
	client, err := a.client()
	if err != nil {
		return err
	}
	_, err = client.Info(ctx)
	return err
}

// listens: somebody takes connections at the address of a server.
func listens(server string) bool {
	at, err := url.Parse(server)
	if err != nil {
		return false
	}
	c, err := net.DialTimeout("tcp", at.Host, time.Second)
	if err != nil {
		return false
	}
	return c.Close() == nil
}

func (a *app) stopPair(p *dev.Pair) {
	p.Stop()
	a.note("stopped")
}

// devEvent is a line of "arc dev --json".
type devEvent struct {
	Event          string       `json:"event"` // ready | built | unchanged
	Server         string       `json:"server,omitempty"`
	CredentialFile string       `json:"credentialFile,omitempty"`
	Build          *buildResult `json:"build,omitempty"`
	UploadMS       float64      `json:"uploadMs,omitempty"`
	Changed        []string     `json:"changed,omitempty"` // relative to the project
}

// devLoop builds, uploads and runs, again and again.
type devLoop struct {
	*app
	dir     string
	client  *remote.Client
	session compiler.Session
	last    *bundle.Manifest // as uploaded last
	taken   bool             // the version that aria.toml states is registered
	unit    string
	input   json.RawMessage
	old     []string // digests of builds that the next one replaces
	looked  bool     // for those that an earlier arc dev left
	rerun   bool
	mine    map[string]bool // digests of every build of this loop
}

func (l *devLoop) watch(ctx context.Context, w *dev.Watcher) error {
	change := dev.Change{Any: true}
	for {
		if err := l.turn(ctx, change); err != nil && ctx.Err() == nil {
			l.complain(err) // and on: the next change may mend it
		}
		runtime.GC() // while the author reads, not while the next build runs
		next, err := w.Next(ctx)
		if err != nil {
			return err
		}
		change = next
	}
}

// turn is one build with what follows it.
func (l *devLoop) turn(ctx context.Context, change dev.Change) error {
	b, err := l.rebuild(ctx, change)
	if err != nil {
		return err
	}
	names := l.names(change)
	if l.last != nil && sameBut(l.last, b.result.Manifest) {
		return l.say(devEvent{Event: "unchanged", Changed: names}, func() {
			l.note("no change since the last upload, %s%s", preciseText(b.took), after(names))
		})
	}
	b, uploaded, err := l.upload(ctx, b, change)
	if err != nil {
		return err
	}
	m, before := b.result.Manifest, l.last
	l.last = m
	b.summary.Version = m.Version
	err = l.say(devEvent{Event: "built", Build: &b.summary, UploadMS: float64(uploaded.Microseconds()) / 1000, Changed: names}, func() {
		l.noteTurn(before, m, b.took, uploaded, names)
	})
	if err != nil {
		return err
	}
	return l.again(ctx, m)
}

func (l *devLoop) rebuild(ctx context.Context, change dev.Change) (*built, error) {
	return l.compile(ctx, l.dir, func(ctx context.Context, o compiler.Options) (*compiler.Result, error) {
		o.Project.Version = dev.Version(o.Project.Version, l.taken, time.Now())
		known := change.Files
		if change.Any {
			known = nil
		}
		return l.session.Build(ctx, o, known)
	})
}

// upload registers the build. If the plain names of its units lead elsewhere,
// the stated version was uploaded meanwhile; then the build gets a higher one.
func (l *devLoop) upload(ctx context.Context, b *built, change dev.Change) (*built, time.Duration, error) {
	start := time.Now()
	// It is the author who watches; what a build may do is printed when it changes.
	step := l.step("upload", b.project.Name, int64(len(b.result.Bundle)))
	held, _, err := l.client.Upload(ctx, b.result.Bundle, false, everything(b.result.Manifest)...)
	_ = step.end(err)
	took := time.Since(start)
	if err != nil {
		return b, took, err
	}
	l.tidy(ctx, held)
	if l.taken || len(held.Units) == 0 {
		return b, took, nil
	}
	if u, err := l.client.Unit(ctx, held.Name+"#"+held.Units[0].Name); err != nil || u.Digest == held.Digest {
		return b, took, err
	}
	l.taken = true
	if b, err = l.rebuild(ctx, change); err != nil {
		return nil, 0, err
	}
	held, _, err = l.client.Upload(ctx, b.result.Bundle, false, everything(b.result.Manifest)...)
	l.tidy(ctx, held)
	return b, time.Since(start), err
}

// tidy takes the builds of the loop away that now replaces. One that a run still
// needs stays until the next time.
func (l *devLoop) tidy(ctx context.Context, now remote.Bundle) {
	l.mine[now.Digest] = true
	if !l.looked {
		l.looked = true
		held, err := l.client.Bundles(ctx)
		if err != nil {
			return
		}
		for _, b := range held {
			if b.Name == now.Name && dev.IsVersion(b.Version) && b.Digest != now.Digest {
				l.old = append(l.old, b.Digest)
			}
		}
	}
	var kept []string
	for _, d := range l.old {
		if d == now.Digest {
			continue
		}
		if _, err := l.client.Remove(ctx, d); err != nil && fault.CodeOf(err) != fault.NotFound {
			kept = append(kept, d)
		}
	}
	l.old = append(kept, now.Digest)
}

func (l *devLoop) say(e devEvent, people func()) error {
	if l.json {
		return writeJSON(l.out, e)
	}
	people()
	return nil
}

// noteTurn is one line; what the bundle holds and may do is said where it is new.
func (l *devLoop) noteTurn(before, m *bundle.Manifest, took, uploaded time.Duration, changed []string) {
	verb, what := "rebuilt", ""
	if before == nil {
		verb, what = "built", " "+m.Name+" "+m.Version
	}
	l.note("%s%s in %s, uploaded in %s%s", l.paint(verb, bold), what, preciseText(took), preciseText(uploaded), after(changed))
	if before != nil && reflect.DeepEqual(calls(before), calls(m)) && reflect.DeepEqual(before.Permissions, m.Permissions) {
		return
	}
	for i, call := range calls(m) {
		l.note("  %-8s %s", m.Units[i].Kind, clean(call))
	}
	if !l.forMachines() {
		writePermissions(l.err, m)
	}
	if before == nil {
		l.note("watching %s; Ctrl-C ends it", l.dir)
	}
}

func calls(m *bundle.Manifest) []string {
	var out []string
	for _, u := range m.Units {
		out = append(out, howToCall(u, m.Defs))
	}
	return out
}

// sameBut compares all but the version, which rises with every build and stands
// in what describes the bundle too; code and source say the rest.
func sameBut(a, b *bundle.Manifest) bool {
	return reflect.DeepEqual(withoutVersion(a), withoutVersion(b))
}

func withoutVersion(m *bundle.Manifest) bundle.Manifest {
	out := *m
	out.Version = ""
	out.Files = maps.Clone(m.Files)
	maps.DeleteFunc(out.Files, func(path string, _ bundle.File) bool {
		return !strings.HasPrefix(path, "code/") && !strings.HasPrefix(path, "source/")
	})
	return out
}

// names are the changed files as the author knows them.
func (l *devLoop) names(c dev.Change) []string {
	var out []string
	for _, f := range c.Files {
		if rel, err := filepath.Rel(l.dir, f); err == nil {
			out = append(out, filepath.ToSlash(rel))
		}
	}
	return out
}

func after(changed []string) string {
	switch {
	case len(changed) == 0:
		return ""
	case len(changed) > 3:
		return ": " + count(len(changed), "file")
	}
	return ": " + strings.Join(changed, ", ")
}
