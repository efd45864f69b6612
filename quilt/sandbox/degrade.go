package sandbox

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ariacomputecompany/firmware/internal/fault"
)

// What a launcher without root may have to do without, where its configuration
// says that it may. Nothing is missing for one that is root: it does not start.
const (
	// WithoutCgroups: limits are the kernel's per process and ours by looking.
	WithoutCgroups = "cgroups"
	// WithoutIDs: all containers have the user's own id outside.
	WithoutIDs = "ids"
)

// Degradable are the names that can be allowed.
var Degradable = []string{WithoutCgroups, WithoutIDs}

// degrade notes that the launcher does without something, or refuses.
func (l *launcher) degrade(cfg LauncherConfig, what, means, hint string) error {
	if !cfg.Rootless || !slices.Contains(cfg.AllowDegraded, what) {
		return fault.New(fault.Unavailable, "%s", means).WithHint("%s; or allow it: allow_degraded = [%q] in quiltd.toml, docs/spec/rootless.md says what that costs", hint, what)
	}
	l.host.Degraded = append(l.host.Degraded, what)
	return nil
}

// without says that the launcher does without what.
func (h Host) without(what string) bool { return slices.Contains(h.Degraded, what) }

// isolation is the line that a person reads.
func (h Host) isolation() string {
	groups := "no cgroups"
	if h.CgroupVersion > 0 {
		groups = fmt.Sprintf("cgroup v%d", h.CgroupVersion)
	}
	switch {
	case len(h.Degraded) > 0:
		return fmt.Sprintf("degraded: rootless without %s (%s)", strings.Join(h.Degraded, ", "), groups)
	case h.Rootless:
		return fmt.Sprintf("rootless (%s)", groups)
	}
	return fmt.Sprintf("full (%s)", groups)
}

// groups opens the tree of control groups. Without root there may be none that this
// user may use.
func (l *launcher) groups(cfg LauncherConfig) error {
	err := l.openTree(cfg)
	if err == nil || !cfg.Rootless {
		return err
	}
	l.log.Warn("no control groups", "err", err)
	l.tree = noGroups()
	return l.degrade(cfg, WithoutCgroups, "this host hands no control groups on to this user",
		"on cgroup v2, start it in a group of its own: systemd-run --user --scope -p Delegate=yes ariad up (or quiltd)")
}

// noGroups is the hierarchy of a host that gives us none: everything about it does
// nothing.
func noGroups() *hierarchy { return &hierarchy{own: map[string]string{}} }

// idRange is how many ids a container has outside.
func (h Host) idRange() int {
	if h.Rootless {
		return 1
	}
	return idRange
}
