package cli

import (
	"context"
	"path/filepath"

	"github.com/ariacomputecompany/firmware/arc/project"
	"github.com/ariacomputecompany/firmware/arc/remote"
	"github.com/ariacomputecompany/firmware/arc/share"
	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

// depending collects the locked bundles that a bundle refers to.
type depending struct {
	client *remote.Client
	lock   *share.Lock
	folder share.Folder
	seen   map[bundle.Digest]bool
	files  []dependency
}

type dependency struct {
	bundle *bundle.Bundle
	file   []byte
	accept []string // what somebody agreed to
}

// sendDependencies hands the instance the installed bundles that b refers to
// and that it does not hold yet.
func (a *app) sendDependencies(ctx context.Context, client *remote.Client, at string, b *bundle.Bundle, widen bool) error {
	list, err := a.dependencies(ctx, client, at, b)
	if err != nil {
		return err
	}
	if list, err = a.missing(ctx, client, list, widen); err != nil {
		return err
	}
	for _, d := range list {
		step := a.step("upload", d.bundle.Manifest.Name+" "+d.bundle.Manifest.Version, int64(len(d.file)))
		got, held, err := client.Upload(ctx, d.file, false, d.accept...)
		if step.end(err) != nil {
			return err
		}
		a.noteUploaded(got, held)
	}
	return nil
}

// dependencies are the installed bundles that the bundle made of at (a project
// folder, or a file that lies in one) refers to, in an order in which each comes
// after what it refers to itself. What no lock pins must be registered already.
func (a *app) dependencies(ctx context.Context, client *remote.Client, at string, b *bundle.Bundle) ([]dependency, error) {
	if len(b.Manifest.References()) == 0 {
		return nil, nil
	}
	d := &depending{client: client, lock: &share.Lock{}, seen: map[bundle.Digest]bool{b.Digest: true}}
	dir, err := project.Find(at)
	if err != nil {
		dir, err = project.Find(filepath.Dir(at))
	}
	if err == nil {
		d.folder = share.FolderOf(dir)
		if d.lock, err = share.ReadLock(dir); err != nil {
			return nil, asBuild(err)
		}
	}
	err = d.of(ctx, b)
	return d.files, err
}

func (d *depending) of(ctx context.Context, b *bundle.Bundle) error {
	for _, ref := range b.Manifest.References() {
		e, ok := d.lock.Satisfying(ref.Bundle, ref.Range)
		if !ok {
			if err := d.registered(ctx, b, ref); err != nil {
				return err
			}
			continue
		}
		if d.seen[e.Digest] {
			continue
		}
		d.seen[e.Digest] = true
		dep, file, err := d.folder.Read(e)
		if err != nil {
			return asBuild(err)
		}
		if _, ok := dep.Manifest.Unit(ref.Unit); !ok {
			return asBuild(fault.New(fault.NotFound, "%s refers to unit %q, which %s %s does not have", b.Manifest.Name, ref.Unit, e.Name, e.Version).
				WithHint("arc inspect %s lists its units", d.folder.Path(e)))
		}
		if err := d.of(ctx, dep); err != nil {
			return err
		}
		d.files = append(d.files, dependency{bundle: dep, file: file})
	}
	return nil
}

// registered: the instance has what the lock does not.
func (d *depending) registered(ctx context.Context, b *bundle.Bundle, ref bundle.Reference) error {
	name := ref.Bundle
	if ref.Range != "" {
		name += "@" + ref.Range
	}
	_, err := d.client.Unit(ctx, name+"#"+ref.Unit)
	if fault.CodeOf(err) != fault.NotFound {
		return err
	}
	return asBuild(fault.New(fault.NotFound, "%s refers to %s#%s, which is neither in %s nor registered there", b.Manifest.Name, name, ref.Unit, share.LockName).
		WithHint(`install it: arc install "%s" --from HOST`, name))
}

// missing are those of list that the instance does not hold yet. Each that may
// do more than the version registered there needs the same yes as any upload.
func (a *app) missing(ctx context.Context, client *remote.Client, list []dependency, widen bool) ([]dependency, error) {
	if len(list) == 0 {
		return nil, nil
	}
	held, err := client.Bundles(ctx)
	if err != nil {
		return nil, err
	}
	there := map[string]bool{}
	for _, b := range held {
		there[b.Digest] = b.Mode == "register"
	}
	var out []dependency
	for _, d := range list {
		if there[string(d.bundle.Digest)] {
			continue
		}
		if d.accept, err = a.consent(ctx, client, d.bundle, widen); err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, nil
}
