package oci

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

const configName = "config.json"

// readConfig reads and checks the configuration of a bundle. The result is all
// that is used of it from then on.
func readConfig(bundle string) (*specs.Spec, error) {
	path := filepath.Join(bundle, configName)
	text, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return nil, fault.New(fault.NotFound, "the bundle has no JSON specification file %s", path).WithHint("make one with: quilt-oci spec")
	}
	if err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "%s cannot be read", path)
	}
	spec, err := parseConfig(text)
	if err != nil {
		return nil, err
	}
	return spec, checkConfig(spec, bundle)
}

func parseConfig(text []byte) (*specs.Spec, error) {
	var spec specs.Spec
	if err := json.Unmarshal(text, &spec); err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "config.json is not a configuration of the runtime specification")
	}
	return &spec, nil
}

// rootfs is the absolute path of the bundle's root.
func rootfs(spec *specs.Spec, bundle string) string {
	if filepath.IsAbs(spec.Root.Path) {
		return filepath.Clean(spec.Root.Path)
	}
	return filepath.Join(bundle, spec.Root.Path)
}

// namespace is the entry of one kind; nil: the container shares ours.
func namespace(spec *specs.Spec, kind specs.LinuxNamespaceType) *specs.LinuxNamespace {
	for i, n := range spec.Linux.Namespaces {
		if n.Type == kind {
			return &spec.Linux.Namespaces[i]
		}
	}
	return nil
}

// private says that the container gets a namespace of its own of that kind.
func private(spec *specs.Spec, kind specs.LinuxNamespaceType) bool {
	n := namespace(spec, kind)
	return n != nil && n.Path == ""
}

// capability accepts "CAP_CHOWN" as the specification does, and "chown".
func capability(name string) string {
	name = strings.ToUpper(name)
	if !strings.HasPrefix(name, "CAP_") {
		name = "CAP_" + name
	}
	return name
}
