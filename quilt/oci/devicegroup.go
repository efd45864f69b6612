package oci

import (
	"fmt"
	"strconv"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// deviceRule is what a container may do with devices; major and minor of -1 are
// all.
type deviceRule struct {
	allow        bool
	kind         byte // 'a', 'b', 'c'
	major, minor int64
	access       string // of "rwm"
}

// alwaysDevices are those that every container has a node of, terminals
// included: without them the specification's defaults would be of no use.
var alwaysDevices = []deviceRule{
	{true, 'c', 1, 3, "rwm"}, {true, 'c', 1, 5, "rwm"}, {true, 'c', 1, 7, "rwm"}, {true, 'c', 1, 8, "rwm"}, {true, 'c', 1, 9, "rwm"},
	{true, 'c', 5, 0, "rwm"}, {true, 'c', 5, 2, "rwm"}, {true, 'c', 136, -1, "rwm"},
}

// deviceRules begin with nothing, whatever the configuration says, and the last
// one that fits counts.
func deviceRules(r *specs.LinuxResources) ([]deviceRule, error) {
	out := []deviceRule{{false, 'a', -1, -1, "rwm"}}
	if r != nil {
		for _, d := range r.Devices {
			rule, err := parseDevice(d)
			if err != nil {
				return nil, err
			}
			out = append(out, rule)
		}
	}
	return append(out, alwaysDevices...), nil
}

func parseDevice(d specs.LinuxDeviceCgroup) (deviceRule, error) {
	r := deviceRule{allow: d.Allow, kind: 'a', major: -1, minor: -1, access: d.Access}
	if d.Type != "" {
		r.kind = d.Type[0]
	}
	if len(d.Type) > 1 || r.kind != 'a' && r.kind != 'b' && r.kind != 'c' {
		return r, refuse("linux.resources.devices: the type %q is not known", d.Type)
	}
	if d.Major != nil {
		r.major = *d.Major
	}
	if d.Minor != nil {
		r.minor = *d.Minor
	}
	for _, c := range r.access {
		if known := c == 'r' || c == 'w' || c == 'm'; !known && !r.allow {
			r.access = "rwm" // keep away more rather than less
			break
		} else if !known {
			return r, refuse("linux.resources.devices: the access %q is not known", d.Access)
		}
	}
	if r.access == "" {
		r.access = "rwm"
	}
	if r.kind == 'a' && (r.major >= 0 || r.minor >= 0 || len(r.access) != 3) {
		return r, refuse("linux.resources.devices: a rule for all devices takes no numbers and needs access rwm")
	}
	return r, nil
}

func (r deviceRule) String() string {
	if r.kind == 'a' {
		return "a"
	}
	n := func(v int64) string {
		if v < 0 {
			return "*"
		}
		return strconv.FormatInt(v, 10)
	}
	return fmt.Sprintf("%c %s:%s %s", r.kind, n(r.major), n(r.minor), r.access)
}

// setDevices puts the rules into force.
func (g groups) setDevices(rules []deviceRule) error {
	if g.v2() {
		return attachDevices(g[""], rules)
	}
	var list []setting
	for _, r := range rules {
		file := "devices.deny"
		if r.allow {
			file = "devices.allow"
		}
		list = append(list, setting{"devices", file, r.String()})
	}
	return g.set(list)
}
