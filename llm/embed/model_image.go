//go:build ariaimage

package embed

import (
	"fmt"
	"os"
	"syscall"
	"unsafe"
)

// modelFile lies on the verified root of the boot image, once for all programs there
// (boot/layout.Model).
const modelFile = "/aria/use.bin"

// model is the file, mapped: its pages are shared, and read when they are needed.
func model() (string, error) {
	f, err := os.Open(modelFile)
	if err != nil {
		return "", fmt.Errorf("embedding file: %w", err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return "", fmt.Errorf("embedding file: %w", err)
	}
	b, err := syscall.Mmap(int(f.Fd()), 0, int(st.Size()), syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return "", fmt.Errorf("embedding file: map: %w", err)
	}
	return unsafe.String(unsafe.SliceData(b), len(b)), nil
}
