package registry

import (
	"slices"
	"strings"

	"github.com/ariacomputecompany/firmware/bundle"
	"github.com/ariacomputecompany/firmware/internal/fault"
	"github.com/ariacomputecompany/firmware/token"
)

// importPrefix marks a module of the platform among permissions.
const importPrefix = "import "

// permissionTexts are what a bundle may do, as people agree to it: tokens in
// canonical form, and "import node:fs" for modules of the platform.
func permissionTexts(m *bundle.Manifest) []string {
	var out []string
	for _, t := range m.Permissions.Tokens {
		out = append(out, t.Token)
	}
	for _, i := range m.Permissions.Imports {
		out = append(out, importPrefix+i)
	}
	return out
}

// consent wants a yes to everything that the newest registered version of the
// name may not do yet. A first version needs none: its uploader chose it.
func (r *Registry) consent(m *bundle.Manifest, accept []string) error {
	var last *Bundle
	for _, b := range r.latest() {
		if b.Name == m.Name {
			last = b
		}
	}
	if last == nil {
		return nil
	}
	allowed := append(permissionTexts(last.Manifest), accept...)
	var more []string
	for _, p := range permissionTexts(m) {
		if !covered(p, allowed) {
			more = append(more, p)
		}
	}
	if len(more) == 0 {
		return nil
	}
	return fault.New(fault.Denied, "%s@%s may do what %s may not, and nobody agreed to it: %s", m.Name, m.Version, last.Version, strings.Join(more, ", ")).
		WithHint("look at it with arc diff, then upload with --allow-widening; over the interface, name it in UploadRequest.accept")
}

func covered(p string, by []string) bool {
	if slices.Contains(by, p) {
		return true
	}
	want, err := token.Parse(p)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(by, func(s string) bool {
		have, err := token.Parse(s)
		return err == nil && have.Covers(want)
	})
}
