package compiler

import (
	"regexp"

	"github.com/ariacomputecompany/firmware/bundle"
)

var refTo = regexp.MustCompile(`"\$ref":"#/\$defs/([^"]+)"`)

// usedDefs are the definitions that some unit's schemas lead to.
func usedDefs(list []bundle.Unit, all map[string]rawJSON) map[string]rawJSON {
	used := map[string]rawJSON{}
	var follow func(schema rawJSON)
	follow = func(schema rawJSON) {
		for _, m := range refTo.FindAllSubmatch(schema, -1) {
			name := string(m[1])
			if _, done := used[name]; !done {
				used[name] = all[name]
				follow(all[name])
			}
		}
	}
	for _, u := range list {
		follow(u.Input)
		follow(u.Output)
		if u.Pipeline != nil {
			for _, s := range u.Pipeline.Steps {
				follow(s.Output)
			}
		}
	}
	return used
}
