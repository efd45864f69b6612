package registry

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/ariacomputecompany/firmware/bundle"
)

// Remove takes a bundle out of the store, if inUse has nothing against it. Its
// units cannot be found from before inUse is asked. NotFound, or inUse's error.
func (r *Registry) Remove(ctx context.Context, d bundle.Digest, inUse func() error) (Bundle, error) {
	r.adding.Lock()
	defer r.adding.Unlock()
	b, err := r.Get(d)
	if err != nil {
		return b, err
	}
	r.mu.Lock()
	held := r.held[d]
	delete(r.held, d)
	r.mu.Unlock()
	if err = inUse(); err == nil {
		_, err = r.db.ExecContext(ctx, `DELETE FROM bundles WHERE digest = ?`, d)
	}
	if err != nil {
		r.mu.Lock()
		r.held[d] = held
		r.mu.Unlock()
		return b, err
	}
	r.mu.Lock()
	delete(r.opened, d)
	r.mu.Unlock()
	r.tellChange()
	if err := os.Remove(r.path(d)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return b, fmt.Errorf("remove bundle: %w", err)
	}
	r.log.Info("bundle removed", "bundle", d, "name", b.Name, "version", b.Version)
	return b, nil
}
