//go:build !boottest

package pid1

// extra is what the test image's init does besides; this one does nothing.
func (m *machine) extra() {}

// instead replaces the daemons in the test image; here it never does.
func (m *machine) instead() (bool, error) { return false, nil }
