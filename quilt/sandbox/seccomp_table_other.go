//go:build !amd64

package sandbox

// There is no table for this architecture yet; probe refuses to start here.
const (
	archName  = ""
	auditArch = 0
)

var (
	allowed []group
	guards  []guarded

	netGuards  []guarded
	codeGuards []guarded
)
