package project

// build reads [build] reflect = true.
func (ps parser) build(top map[string]any, p *Project) error {
	v, ok := top["build"]
	if !ok {
		return nil
	}
	const hint = `write [build] and under it: reflect = true`
	table, ok := v.(map[string]any)
	if !ok {
		return ps.at([]string{"build"}, `"build" must be a table, not %s`, kindOf(v)).WithHint(hint)
	}
	for _, key := range sortedKeys(table) {
		if key != "reflect" {
			return ps.unknown([]string{"build", key}, []string{"reflect"})
		}
	}
	if p.Reflect, ok = table["reflect"].(bool); !ok && table["reflect"] != nil {
		return ps.at([]string{"build", "reflect"}, `"reflect" must be true or false, not %s`, kindOf(table["reflect"])).WithHint(hint)
	}
	return nil
}
