package sandbox

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// Landlock is a second wall around the file tree: even with a hole in the
// mount table or the filter, only /tmp can be changed. The rule for /tmp needs
// the container's own mount, so the child makes the rule set itself.

const (
	llExecute   = 1 << 0
	llWrite     = 1 << 1
	llRead      = 1 << 2
	llReadDir   = 1 << 3
	llMakeChar  = 1 << 6
	llMakeBlock = 1 << 11
	llTruncate  = 1 << 14
	llV1        = 1<<13 - 1 // every right of ABI 1
	llRefer     = 1 << 13

	llRuleBeneath = 1
)

type llRuleset struct{ fs uint64 }

// llBeneath is struct landlock_path_beneath_attr, which is packed.
type llBeneath struct {
	access uint64
	fd     int32
}

// llRights is what can be handled. ABI 2 (Linux 5.19) does not know truncation,
// so a hole in the mount table would let files be cut, not written; before it,
// renaming between folders of /tmp would fail, and probe reports it as absent.
func llRights(abi int) uint64 {
	if abi < 3 {
		return llV1 | llRefer
	}
	return llV1 | llRefer | llTruncate
}

// landlock handles every right that this kernel's Landlock and we know.
func (c *program) landlock(abi int) {
	all := llRights(abi)
	set := &llRuleset{fs: all}
	// A path gets the rights of every folder above it, so / may not give exec:
	// /tmp would have it too. Programs lie in /bin, their loader where the ABI has
	// it; mapping a library is not exec.
	root := &llBeneath{access: llRead | llReadDir}
	bin, loader := &llBeneath{access: llExecute}, &llBeneath{access: llExecute}
	dev := &llBeneath{access: llRead | llWrite}
	tmp := &llBeneath{access: all &^ (llExecute | llMakeChar | llMakeBlock)} // no exec, no device nodes
	c.keep = append(c.keep, set, root, bin, loader, dev, tmp)

	const size = 8 // only the fs field: an older kernel refuses bytes it does not know
	const noFD = ^uintptr(0)
	c.add("create landlock rules", unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(set)), size, 0)
	for i, r := range []*llBeneath{root, bin, loader, dev, tmp} {
		path := []string{"/", "/bin", ownTable.loader, "/dev", "/tmp"}[i]
		r.fd = int32(fdRules + 1 + i)
		c.add("open "+path, unix.SYS_OPENAT, noFD, c.str(path), unix.O_PATH|unix.O_CLOEXEC, 0)
		c.add("allow "+path, unix.SYS_LANDLOCK_ADD_RULE, fdRules, llRuleBeneath, uintptr(unsafe.Pointer(r)), 0)
	}
	c.add("restrict with landlock", unix.SYS_LANDLOCK_RESTRICT_SELF, fdRules, 0)
	c.closeAbove()
}

// fdRules is the number the rule set gets, the folders the next ones: only 0 to
// 3 are open by now, and the kernel gives the lowest that is free.
const fdRules = 4
