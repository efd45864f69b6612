// Package datadir says where both daemons keep their data when nobody names a
// folder.
package datadir

import (
	"os"
	"path/filepath"
)

// System is the data folder of daemons that were started as root.
const System = "/var/lib/aria"

// Usual is the data folder that nobody named: the system's, or, for a user
// without root, one of its own (XDG Base Directory Specification).
func Usual() string {
	if os.Geteuid() != 0 {
		if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
			return filepath.Join(dir, "aria")
		}
		if home, err := os.UserHomeDir(); err == nil {
			return filepath.Join(home, ".local", "share", "aria")
		}
	}
	return System
}
