//go:build !boottest

package pid1

// extra is what the test image's init does besides; this one does nothing.
func (m *machine) extra() {}
