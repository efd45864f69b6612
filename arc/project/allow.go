package project

import (
	"regexp"
	"slices"
)

// moduleForm is how a module of the platform is named.
var moduleForm = regexp.MustCompile(`^(node|bun):[a-z0-9_]+(/[a-z_]+)?$`)

// allow reads [allow] imports = ["node:vm"].
func (ps parser) allow(top map[string]any, p *Project) error {
	v, ok := top["allow"]
	if !ok {
		return nil
	}
	const hint = `write [allow] and under it: imports = ["node:child_process"]`
	table, ok := v.(map[string]any)
	if !ok {
		return ps.at([]string{"allow"}, `"allow" must be a table, not %s`, kindOf(v)).WithHint(hint)
	}
	for _, key := range sortedKeys(table) {
		if key != "imports" {
			return ps.unknown([]string{"allow", key}, []string{"imports"})
		}
	}
	path := []string{"allow", "imports"}
	list, ok := table["imports"].([]any)
	if !ok {
		return ps.at(path, `"imports" must be a list of modules`).WithHint(hint)
	}
	for _, item := range list {
		name, ok := item.(string)
		if !ok {
			return ps.at(path, `"imports" must hold strings, not %s`, kindOf(item)).WithHint(hint)
		}
		if !moduleForm.MatchString(name) {
			return ps.at(path, "%q is not a module of the platform", name).WithHint(`modules are named in full: "node:child_process", "bun:ffi"`)
		}
		if !slices.Contains(p.Allow, name) {
			p.Allow = append(p.Allow, name)
		}
	}
	slices.Sort(p.Allow)
	return nil
}
