package registry

import (
	"errors"
	"fmt"
	"os"

	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/internal/fault"
)

// File reads the .aria file of a held bundle as it was stored, unchecked:
// whoever takes it checks its hash, and Open checks all of it.
func (r *Registry) File(d bundle.Digest) ([]byte, error) {
	if _, err := r.Get(d); err != nil {
		return nil, err
	}
	data, err := os.ReadFile(r.path(d))
	if errors.Is(err, os.ErrNotExist) {
		return nil, fault.Wrap(err, fault.NotFound, "the file of bundle %s is gone", d).WithHint("upload the bundle again")
	}
	if err != nil {
		return nil, fmt.Errorf("read bundle %s: %w", d, err)
	}
	return data, nil
}

// Named lists the registered versions of a bundle name, oldest first.
func (r *Registry) Named(name string) []Bundle {
	var out []Bundle
	for _, b := range r.all() {
		if b.Mode == Register && b.Name == name {
			out = append(out, *b)
		}
	}
	return out
}
