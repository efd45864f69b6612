package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/ariacomputecompany/firmware/aria/agency"
	"github.com/ariacomputecompany/firmware/aria/registry"
	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/sign"
)

// keeper signs what ariad makes with the key of this instance.
func keeper(reg *registry.Registry, dir string) (agency.Keep, error) {
	key, err := instanceKey(filepath.Join(dir, "instance.key"))
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, m *bundle.Manifest, files map[string][]byte) (registry.Bundle, error) {
		return reg.AddOwn(ctx, m, files, key)
	}, nil
}

// instanceKey reads the key, or makes it; nobody but ariad's user can read it.
func instanceKey(path string) (sign.SecretKey, error) {
	raw, err := os.ReadFile(path)
	if err == nil {
		return sign.ParseSecret(raw, "")
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return sign.SecretKey{}, fmt.Errorf("key of this instance: %w", err)
	}
	key, err := sign.NewKey()
	if err != nil {
		return key, err
	}
	if raw, err = key.File(""); err != nil {
		return key, err
	}
	if err := putSecret(path, raw); err != nil {
		return key, fmt.Errorf("key of this instance: %w", err)
	}
	return key, nil
}
