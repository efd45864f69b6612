package oci

import (
	"path/filepath"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// mount is an entry of config.json in the kernel's terms.
type mount struct {
	to, kind, source string
	bind, recursive  bool
	set, clear       uint64   // MOUNT_ATTR_* of the mount itself
	rset, rclear     uint64   // of it and all below
	data             []string // for the file system
	spread           []uint64 // propagation, in order
	spreadAll        []bool
	idmap, idmapAll  bool
	copyUp           bool // tmpfs: begin with what lies there
}

type attribute struct{ set, clear uint64 }

// attributes are the options that every mount has; each exists with an "r" in
// front for all that is mounted below.
var attributes = map[string]attribute{
	"ro": {set: unix.MOUNT_ATTR_RDONLY}, "rw": {clear: unix.MOUNT_ATTR_RDONLY},
	"nosuid": {set: unix.MOUNT_ATTR_NOSUID}, "suid": {clear: unix.MOUNT_ATTR_NOSUID},
	"nodev": {set: unix.MOUNT_ATTR_NODEV}, "dev": {clear: unix.MOUNT_ATTR_NODEV},
	"noexec": {set: unix.MOUNT_ATTR_NOEXEC}, "exec": {clear: unix.MOUNT_ATTR_NOEXEC},
	"nodiratime": {set: unix.MOUNT_ATTR_NODIRATIME}, "diratime": {clear: unix.MOUNT_ATTR_NODIRATIME},
	"nosymfollow": {set: unix.MOUNT_ATTR_NOSYMFOLLOW}, "symfollow": {clear: unix.MOUNT_ATTR_NOSYMFOLLOW},
	// The access times are one field of three values.
	"noatime": {unix.MOUNT_ATTR_NOATIME, unix.MOUNT_ATTR__ATIME}, "atime": {unix.MOUNT_ATTR_RELATIME, unix.MOUNT_ATTR__ATIME},
	"strictatime": {unix.MOUNT_ATTR_STRICTATIME, unix.MOUNT_ATTR__ATIME}, "nostrictatime": {unix.MOUNT_ATTR_RELATIME, unix.MOUNT_ATTR__ATIME},
	"relatime": {unix.MOUNT_ATTR_RELATIME, unix.MOUNT_ATTR__ATIME}, "norelatime": {unix.MOUNT_ATTR_STRICTATIME, unix.MOUNT_ATTR__ATIME},
}

var propagation = map[string]uint64{
	"private": unix.MS_PRIVATE, "shared": unix.MS_SHARED, "slave": unix.MS_SLAVE, "unbindable": unix.MS_UNBINDABLE,
	"rprivate": unix.MS_PRIVATE | unix.MS_REC, "rshared": unix.MS_SHARED | unix.MS_REC, "rslave": unix.MS_SLAVE | unix.MS_REC,
	"runbindable": unix.MS_UNBINDABLE | unix.MS_REC,
}

// mountOptions lists what parseMount understands, for `features`.
func mountOptions() []string {
	out := []string{"bind", "rbind", "defaults", "async", "sync", "dirsync", "lazytime", "nolazytime", "mand", "nomand", "iversion", "noiversion", "silent", "loud", "idmap", "ridmap", "tmpcopyup", "remount"}
	for o := range attributes {
		out = append(out, o, "r"+o)
	}
	for o := range propagation {
		out = append(out, o)
	}
	return out
}

// parseMount reads the options of one mount. Paths of bind mounts are relative
// to the bundle.
func parseMount(m specs.Mount, bundle string) (mount, error) {
	out := mount{to: filepath.Clean("/" + m.Destination), kind: m.Type, source: m.Source}
	for _, o := range m.Options {
		if err := out.option(o); err != nil {
			return out, err
		}
	}
	if m.Type == "bind" {
		out.bind = true
	}
	out.idmap = out.idmap || len(m.UIDMappings) > 0
	switch {
	case out.bind && out.source == "":
		return out, refuse("the bind mount %s has no source", out.to)
	case !out.bind && (m.Type == "" || m.Type == "none"):
		return out, refuse("the mount %s has no type", out.to)
	case out.to == "/":
		return out, refuse("a mount on / would hide the root")
	case out.bind && len(out.data) > 0:
		// They would be for a file system, and this one is mounted already.
		return out, refuse("the bind mount %s: the option %q is not supported", out.to, out.data[0])
	case out.copyUp && out.kind != "tmpfs":
		return out, refuse("the mount %s: tmpcopyup is for tmpfs", out.to)
	}
	if out.bind && !filepath.IsAbs(out.source) {
		out.source = filepath.Join(bundle, out.source)
	}
	return out, nil
}

func (m *mount) option(o string) error {
	if a, ok := attributes[o]; ok {
		m.clear, m.set = m.clear|a.clear, m.set&^a.clear|a.set
		if a.set != 0 && a.clear == 0 {
			m.clear &^= a.set
		}
		return nil
	}
	if a, ok := attributes[strings.TrimPrefix(o, "r")]; ok && strings.HasPrefix(o, "r") {
		m.rclear, m.rset = m.rclear|a.clear, m.rset&^a.clear|a.set
		if a.set != 0 && a.clear == 0 {
			m.rclear &^= a.set
		}
		return nil
	}
	if p, ok := propagation[o]; ok {
		m.spread, m.spreadAll = append(m.spread, p&^unix.MS_REC), append(m.spreadAll, p&unix.MS_REC != 0)
		return nil
	}
	switch o {
	case "bind":
		m.bind = true
	case "rbind":
		m.bind, m.recursive = true, true
	case "idmap":
		m.idmap = true
	case "ridmap":
		m.idmap, m.idmapAll = true, true
	case "tmpcopyup":
		m.copyUp = true
	case "defaults", "async", "silent", "loud", "":
	case "remount", "mand":
		return refuse("the mount %s: the option %q is not supported", m.to, o)
	case "nomand", "nolazytime", "noiversion":
		// These are how the kernel has it without being asked.
	default:
		m.data = append(m.data, o)
	}
	return nil
}
