package registry

import (
	"context"
	"strings"
	"time"

	"github.com/Masterminds/semver/v3"

	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/sign"
)

// Own is the name of the bundle that ariad makes itself, and the namespace of
// those that its resident agent keeps. Nobody can upload one.
const Own = "firmware"

func own(name string) bool { return name == Own || strings.HasPrefix(name, Own+"/") }

// foreign refuses an upload under a name of ours.
func foreign(m *bundle.Manifest) error {
	if own(m.Name) {
		return fault.New(fault.Denied, "bundles named %s or %s/… are this ariad's own", Own, Own).WithHint("give yours another name in aria.toml")
	}
	return nil
}

// AddOwn packs, signs and registers a bundle of ariad's own. What stands already
// as the newest version is left as it is; else the version is raised.
func (r *Registry) AddOwn(ctx context.Context, m *bundle.Manifest, files map[string][]byte, key sign.SecretKey) (Bundle, error) {
	r.adding.Lock()
	defer r.adding.Unlock()
	m.Version = "1.0.0"
	old, _ := r.registered(m.Name, "") // none is fine
	if old != nil {
		m.Version = old.Version
	}
	data, digest, err := bundle.Pack(m, files)
	if err != nil {
		return Bundle{}, err
	}
	if old != nil && old.Digest == digest {
		return *old, nil
	}
	if old != nil {
		v, err := semver.StrictNewVersion(old.Version)
		if err != nil {
			return Bundle{}, err
		}
		m.Version = v.IncPatch().String()
		if data, _, err = bundle.Pack(m, files); err != nil {
			return Bundle{}, err
		}
	}
	b, err := bundle.Open(data)
	if err != nil {
		return Bundle{}, err
	}
	if err := admit(b.Manifest); err != nil {
		return Bundle{}, err
	}
	seal, err := key.Seal(b.Statement())
	if err != nil {
		return Bundle{}, err
	}
	if data, err = b.WithSignatures(seal); err != nil {
		return Bundle{}, err
	}
	return r.enter(ctx, b, data)
}

// enter stores and registers what nobody needs to agree to.
func (r *Registry) enter(ctx context.Context, b *bundle.Bundle, data []byte) (Bundle, error) {
	nb := &Bundle{Digest: b.Digest, Name: b.Manifest.Name, Version: b.Manifest.Version,
		Mode: Register, Size: int64(len(data)), Uploaded: time.Now(), Manifest: b.Manifest}
	err := write(r.path(nb.Digest), data)
	if err == nil {
		err = r.index(ctx, nb, b)
	}
	if err != nil {
		return Bundle{}, disk(err, "bundle %s@%s could not be stored", nb.Name, nb.Version)
	}
	r.mu.Lock()
	r.held[nb.Digest] = nb
	r.mu.Unlock()
	r.log.Info("bundle made", "bundle", nb.Digest, "name", nb.Name, "version", nb.Version)
	return *nb, nil
}
