package share

import (
	"context"
	"slices"
	"strings"

	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

// Installer brings bundles into a project.
type Installer struct {
	Client *Client
	Folder Folder
	Lock   *Lock // is changed; save it afterwards
	// Frozen refuses every change of the lock.
	Frozen bool
	// AllowYanked takes versions that were taken back.
	AllowYanked bool
	// Judge says which key vouches for a bundle ("" if none needs to), or why it
	// is not to be had.
	Judge func(b *bundle.Bundle) (signer string, err error)
	// Consent is asked before new takes the place of old; its error is a no.
	Consent func(old, new *bundle.Bundle) error
}

// Wish is what somebody wants installed.
type Wish struct {
	Name  string
	Range string // "" in a wish of a person: the newest, and its caret range
	From  string // HOST or HOST/REPO
}

// Installed is one bundle that a wish led to.
type Installed struct {
	Locked
	Was     string `json:"was,omitempty"` // the version that was locked before
	Fetched bool   `json:"fetched"`
	Yanked  string `json:"yanked,omitempty"` // why it was taken back, if it was allowed all the same
	// Claimed is why somebody says that it was taken back whom nobody trusts.
	Claimed string `json:"claimed,omitempty"`

	Bundle *bundle.Bundle `json:"-"`
}

// ParseWish reads NAME or NAME@RANGE.
func ParseWish(s, from string) (Wish, error) {
	name, rng, _ := strings.Cut(s, "@")
	if !bundle.ValidName(name) {
		return Wish{}, fault.New(fault.Invalid, "%.200q does not name a bundle", s).WithHint("write NAME@RANGE: acme/search@^1")
	}
	if _, err := bundle.ParseRange(rng); err != nil {
		return Wish{}, err
	}
	return Wish{name, rng, from}, nil
}

// Install fulfils a wish with the newest version in its range, and then what
// that bundle refers to, each edge by itself: every bundle runs in a container
// of its own, so versions need not agree.
func (in *Installer) Install(ctx context.Context, w Wish) ([]Installed, error) {
	first, err := in.newest(ctx, w)
	if err != nil {
		return nil, err
	}
	return in.edges(ctx, []Installed{first})
}

// Restore brings in everything that the lock pins, and nothing newer.
func (in *Installer) Restore(ctx context.Context) ([]Installed, error) {
	var out []Installed
	for _, e := range slices.Clone(in.Lock.Bundles) {
		got, err := in.pinned(ctx, e)
		if err != nil {
			return nil, err
		}
		out = append(out, got)
	}
	return in.edges(ctx, out)
}

// edges installs what the bundles in list refer to, and so on.
func (in *Installer) edges(ctx context.Context, list []Installed) ([]Installed, error) {
	for i := 0; i < len(list); i++ {
		for _, ref := range list[i].Bundle.Manifest.References() {
			if slices.ContainsFunc(list, func(have Installed) bool { return have.Name == ref.Bundle && have.Range == ref.Range }) {
				continue
			}
			var next Installed
			var err error
			if e, ok := in.Lock.Satisfying(ref.Bundle, ref.Range); ok {
				if slices.ContainsFunc(list, func(have Installed) bool { return have.Locked == e }) {
					continue
				}
				next, err = in.pinned(ctx, e)
			} else {
				next, err = in.newest(ctx, Wish{ref.Bundle, ref.Range, beside(list[i].Locked)})
			}
			if err != nil {
				return nil, in.because(err, list[i], ref)
			}
			list = append(list, next)
		}
	}
	return list, nil
}

// because says which bundle wanted what could not be had.
func (in *Installer) because(err error, who Installed, ref bundle.Reference) error {
	f, ok := fault.As(err)
	if !ok {
		return err
	}
	return fault.Wrap(err, f.Code, "%s (%s %s refers to %s@%s)", f.Message, who.Name, who.Version, ref.Bundle, ref.Range).WithHint("%s", f.Hint)
}

// beside is the place where the bundles that e refers to are looked for: the
// same registry, under the same prefix.
func beside(e Locked) string {
	prefix := strings.TrimSuffix(string(e.From), e.Name)
	if prefix == string(e.From) {
		return e.From.host()
	}
	return prefix
}

// place for a name under what somebody wrote: HOST, HOST/PREFIX/ or HOST/REPO.
func place(from, name string) (Place, error) {
	if prefix, ok := strings.CutSuffix(from, "/"); ok {
		return Locate(prefix+"/"+name, name)
	}
	return Locate(from, name)
}

// newest resolves a wish anew.
func (in *Installer) newest(ctx context.Context, w Wish) (Installed, error) {
	p, err := place(w.From, w.Name)
	if err != nil {
		return Installed{}, err
	}
	want, err := bundle.ParseRange(w.Range)
	if err != nil {
		return Installed{}, err
	}
	version, err := in.choose(ctx, p, w.Name, want)
	if err != nil {
		return Installed{}, err
	}
	if w.Range == "" {
		w.Range = "^" + version
	}
	old, had := in.Lock.Find(w.Name, w.Range)
	pin := ""
	if had && old.Version == version && old.From == p {
		pin = old.OCI
	}
	return in.take(ctx, Locked{Name: w.Name, Range: w.Range, Version: version, From: p}, pin)
}

// choose is the newest version in a range that was not taken back.
func (in *Installer) choose(ctx context.Context, p Place, name string, want bundle.Range) (string, error) {
	versions, err := in.Client.Versions(ctx, p)
	if err != nil {
		return "", err
	}
	var gone error
	for left := versions; ; {
		v, ok := want.Newest(left)
		if !ok && gone != nil {
			return "", gone
		}
		if !ok {
			return "", fault.New(fault.NotFound, "%s has no version in %q", p, want.String()).WithHint("%s", there(versions))
		}
		if in.AllowYanked {
			return v, nil
		}
		y, err := in.Client.Yanked(ctx, p, name, v)
		if err != nil || !y.Proven() {
			return v, err
		}
		if gone == nil {
			gone = takenBack(p, v, y)
		}
		left = slices.DeleteFunc(slices.Clone(left), func(x string) bool { return x == v })
	}
}

func there(versions []string) string {
	if len(versions) == 0 {
		return "there are none"
	}
	if n := len(versions); n > 8 {
		return "the newest are " + strings.Join(versions[n-8:], ", ")
	}
	return "there are " + strings.Join(versions, ", ")
}

func takenBack(p Place, version string, y *Yank) error {
	return fault.New(fault.Denied, "%s %s was taken back by its author: %s", p, version, y.Reason).
		WithHint("ask for another range; --allow-yanked takes it all the same")
}

// pinned brings in exactly what an entry says.
func (in *Installer) pinned(ctx context.Context, e Locked) (Installed, error) {
	if b, _, err := in.Folder.Read(e); err == nil {
		if _, err := in.signer(b, e); err != nil {
			return Installed{}, err
		}
		return Installed{Locked: e, Bundle: b}, nil
	} else if fault.CodeOf(err) != fault.NotFound {
		return Installed{}, err
	}
	return in.take(ctx, e, e.OCI)
}

// take fetches a version, lets it pass all checks, and writes it down.
func (in *Installer) take(ctx context.Context, e Locked, pin string) (Installed, error) {
	old, had := in.Lock.Find(e.Name, e.Range)
	if in.Frozen && (!had || old.Version != e.Version || old.From != e.From) {
		return Installed{}, in.frozen(e, old, had)
	}
	got, err := in.Client.Fetch(ctx, e.From, e.Version, pin)
	if err != nil {
		return Installed{}, err
	}
	if got.Bundle.Manifest.Name != e.Name {
		return Installed{}, fault.New(fault.Denied, "%s holds %s, not %s", e.From, got.Bundle.Manifest.Name, e.Name).
			WithHint("nothing was kept; name the place of the right one with --from")
	}
	if got.Yank.Proven() && !in.AllowYanked {
		return Installed{}, takenBack(e.From, e.Version, got.Yank)
	}
	e.OCI, e.Digest = got.OCI, got.Bundle.Digest
	if e.Signer, err = in.signer(got.Bundle, e); err != nil {
		return Installed{}, err
	}
	if in.Frozen && e != old {
		return Installed{}, in.frozen(e, old, had)
	}
	if err := in.consent(e, got.Bundle); err != nil {
		return Installed{}, err
	}
	if err := in.Folder.write(e, got.File); err != nil {
		return Installed{}, err
	}
	in.Lock.put(e)
	out := Installed{Locked: e, Fetched: true, Bundle: got.Bundle}
	if had && old.Version != e.Version {
		out.Was = old.Version
	}
	out.Yanked, out.Claimed = got.Yank.words()
	return out, nil
}

// signer judges a bundle. What was signed once does not come unsigned later.
func (in *Installer) signer(b *bundle.Bundle, e Locked) (string, error) {
	key, err := in.Judge(b)
	if err != nil {
		return "", err
	}
	if before, ok := in.before(e); ok && before.Signer != "" && key == "" {
		return "", fault.New(fault.Denied, "%s %s is signed by nobody who is trusted, and %s was", e.Name, e.Version, before.Version).
			WithHint("ask its author; if it is right so, remove its entries from %s and install it anew", LockName)
	}
	return key, nil
}

// before is the entry that e follows: that of the same range, or else the newest
// of the name.
func (in *Installer) before(e Locked) (Locked, bool) {
	if old, ok := in.Lock.Find(e.Name, e.Range); ok {
		return old, true
	}
	return in.Lock.newestOf(e.Name)
}

// consent asks where a bundle takes the place of one that was installed before.
func (in *Installer) consent(e Locked, new *bundle.Bundle) error {
	before, ok := in.before(e)
	if !ok || before.Digest == e.Digest {
		return nil
	}
	old, _, err := in.Folder.Read(before)
	if err != nil {
		return fault.Wrap(err, fault.CodeOf(err), "what %s %s may do more than %s cannot be told: the installed one is not there", e.Name, e.Version, before.Version).
			WithHint(`bring it back with "arc install", then upgrade`)
	}
	return in.Consent(old, new)
}

func (in *Installer) frozen(e, old Locked, had bool) error {
	if had {
		return fault.New(fault.Denied, "%s@%s is locked to %s %s, and %s %s would change that", e.Name, e.Range, old.From, old.Version, e.From, e.Version).
			WithHint("without --frozen the lock is brought up to date; commit it then")
	}
	return fault.New(fault.Denied, "%s@%s is not in %s", e.Name, e.Range, LockName).
		WithHint("without --frozen it is added; commit the lock then")
}
